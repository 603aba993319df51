"""What `sealbook pull check` found out about a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OPEN = "open"  # an image that nobody signed can run
SHUT = "shut"  # not even a signed image can run, or nobody can tell
NOTE = "note"
BYPASS = "bypass"  # a way around that no configuration of the runtime closes


class Finding(NamedTuple):
    """One thing, of a kind above; `hint` says which line is missing, or what to do."""

    kind: str
    code: str
    message: str
    hint: str = ""


class Tried(NamedTuple):
    """What a runtime did with an image. `allowed` is None where it could not be tried.

    `by` is the command or the socket. `ours`: it was refused by us, with a reason.
    """

    image: str  # "unsigned" or "signed"
    reference: str
    by: str
    allowed: bool | None
    said: str = ""
    ours: bool = False

    @property
    def good(self) -> bool:
        """Whether the runtime did what it should."""
        if self.image == "signed":
            return self.allowed is True
        return self.allowed is False and self.ours


class Checked(NamedTuple):
    """All that was found out about one runtime."""

    runtime: str
    version: str
    tried: Sequence[Tried]
    findings: Sequence[Finding]

    @property
    def enforced(self) -> bool:
        """Whether it was seen to refuse what is unsigned, and nothing speaks against it."""
        unsigned = [one for one in self.tried if one.image == "unsigned"]
        return (
            bool(unsigned)
            and all(one.good for one in unsigned)
            and not any(one.kind == OPEN for one in self.findings)
        )

    @property
    def works(self) -> bool:
        """Whether signed images run, as far as was tried."""
        signed = [one for one in self.tried if one.image == "signed"]
        return all(one.good for one in signed) and not any(
            one.kind == SHUT for one in self.findings
        )
