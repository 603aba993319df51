"""How API keys are told."""

from __future__ import annotations

import time

from signer.cli.operator import day_time
from signer.v1 import access_pb2 as pb


def line(key: pb.ApiKey) -> str:
    """Return a key in one line, without its secret, which nobody has."""
    if key.revoked_at:
        ends = f"REVOKED {day_time(key.revoked_at)}"
    elif key.expires_at <= time.time():
        ends = f"ended {day_time(key.expires_at)}"
    else:
        ends = f"until {day_time(key.expires_at)}"
    said = [key.id, f"{key.name:<16}", f"{key.role} in {', '.join(key.repositories)}", ends]
    if key.certificate:
        said.append(f"with the certificate of {key.certificate[:16]}…")
    if key.networks:
        said.append(f"from {', '.join(key.networks)}")
    return "  ".join([*said, f"by {key.created_by}"])
