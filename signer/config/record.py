"""What is written down about callers, and how what is stored is kept from others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from signer.config.values import Section

_HALF_A_YEAR = 183


class TrailSection(Section):
    """The audit trail: a file for each segment, whose hash is an entry of the ledger.

    A segment is closed at least every `segment_s` while there is something to tell. Content is
    kept for `retain_days`. `syslog` gets each line too: "unix:/dev/log", "udp:IP:PORT" or
    "tcp:IP:PORT".
    """

    directory: Path = Path("trail")
    segment_s: Annotated[float, Field(gt=0, le=60)] = 60.0
    retain_days: Annotated[int, Field(ge=_HALF_A_YEAR, le=36_500)] = 1_096
    syslog: Annotated[str, Field(pattern=r"^(unix:/|udp:|tcp:)[\x21-\x7e]{1,200}$")] | None = None


class AtRestSection(Section):
    """Encrypt what is stored: bodies of attestations, and records of API keys.

    `key` is the key-encryption key: "file:keys/kek", 32 bytes, or "pkcs11:…" in an HSM, AES-256.
    `previous` is the one before it, for as long as the service needs it: its log says when not.
    With `bodies = false` what is new stays as it is, and what is encrypted is opened.
    """

    key: str
    previous: str | None = None
    bodies: bool = True
    api_keys: bool = True


class PullsSection(Section):
    """What hosts tell of their pulls: counted by day, and kept for `keep_days`.

    At most `most_a_day` repositories with their outcomes are told apart in a day; what comes
    after these is counted together.
    """

    database: Path = Path("pulls.db")
    keep_days: Annotated[int, Field(ge=1, le=3_650)] = 90
    most_a_day: Annotated[int, Field(ge=1, le=100_000)] = 5_000
