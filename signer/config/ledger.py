"""Where the ledger lives, and who sees it before readers do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from signer.config.values import Name, Section


class LedgerSection(Section):
    """Where the ledger lives.

    `anchor_sync` "each-second" moves the anchor once a second instead of once a commit: a
    rollback to within the last second is then not noticed by this machine.
    """

    directory: Path
    anchor: Path
    anchor_sync: Literal["each-commit", "each-second"] = "each-commit"


class AnchorSection(Section):
    """What is handed each day's checkpoint: a program, its own arguments first.

    It gets the checkpoint on standard input; what it prints is kept as the receipt.
    """

    exec: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class WitnessSection(Section):
    """Where a witness of the trust file's policy answers, and where it shows what it cosigned."""

    url: str
    monitoring: str | None = None


class WitnessesSection(Section):
    """Who must have seen a tree before readers may; the quorum itself is in the trust file.

    `fail` "closed" answers no Sign without the quorum; "open" publishes after the deadline
    nevertheless, with whatever cosignatures there are.
    """

    fail: Literal["closed", "open"] = "closed"
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    ca: Path | None = None
    at: dict[Name, WitnessSection] = Field(default_factory=dict)


class MirrorSection(Section):
    """Whether Sign waits until the mirror holds the entry too."""

    synchronous: bool = False
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0
