"""A certificate and its key: NAME.pem, which anybody may read, and NAME.key, which nobody else."""

from __future__ import annotations

import os
from pathlib import Path

from signer.access.first_authority import Issued
from signer.errors import KeyExistsError, RequestError
from signer.keys.secret_files import read_secret, write_secret
from verifier._strict import decimal
from verifier.errors import MalformedError

_MOST_DAYS = 3653


class Pair:
    """Two files beside each other."""

    def __init__(self, name: str) -> None:
        """Name them, without an ending."""
        self.certificate = Path(f"{name}.pem")
        self.key = Path(f"{name}.key")

    def check_free(self) -> None:
        """Raise `KeyExistsError` when there is something already."""
        for path in (self.certificate, self.key):
            if os.path.lexists(path):
                raise KeyExistsError(f"there is something already at {path}")

    def write(self, issued: Issued) -> None:
        """Write both; raises like `write_secret`."""
        self.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(self.key, issued.key)
        self.certificate.write_bytes(issued.certificate)

    def read(self) -> tuple[bytes, bytes]:
        """Return certificate and key; raises `OSError`, and like `read_secret`."""
        return self.certificate.read_bytes(), read_secret(self.key)


def days_of(text: str) -> int:
    """Return a number of days; raises `RequestError`."""
    try:
        days = decimal(text)
    except MalformedError:
        days = 0
    if not 0 < days <= _MOST_DAYS:
        raise RequestError(f"expected 1 to {_MOST_DAYS} days, found {text[:20]!r}")
    return days
