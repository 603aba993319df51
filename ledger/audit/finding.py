"""Findings: what is wrong with a ledger, one line each, with a code that never changes.

    fork: expected the tree of 7 entries to have root 6e34…, found 5dc9… (evidence: fork-….json)
    body-missing at 12: expected a body with SHA2_256 6e34…, found none

A finding is something that the ledger's operator, or whoever serves it, did.
That a source does not answer is no finding but an error: nothing is known then.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from ledger.errors import LedgerError
from verifier.errors import SealbookError, printable

# The tree itself: nothing more is believed from this ledger, and the pin stays where it is.
TREE = frozenset(
    {
        "bad-entries",
        "bad-tile",
        "dropped-checkpoint",
        "entry-mismatch",
        "fork",
        "forged-tile",
        "missing-checkpoint",
        "missing-entries",
        "missing-tile",
        "no-consistency",
        "rollback",
        "split-view",
        "stale-checkpoint",
    }
)
# One entry: the tree is sound, and the audit goes on behind it.
ENTRY = frozenset(
    {
        "backdated",
        "bad-body",
        "bad-signature",
        "body-mismatch",
        "body-missing",
        "event-chain",
        "event-ledger",
        "false-label",
        "false-time",
        "key-purpose",
        "key-scope",
        "key-window",
        "unannounced-key",
        "unproven-key",
    }
)


class Finding(NamedTuple):
    """What was expected and found, at an index if it is about one entry.

    Codes are those of `TREE` and `ENTRY`, and the verifier's for a checkpoint
    that nobody should believe (`untrusted-log`, `witness-quorum`, …).
    """

    code: str
    index: int | None  # type: ignore[assignment]  # tuple.index is not missed
    expected: str
    found: str

    @classmethod
    def of(cls, error: SealbookError, expected: str) -> Self:
        """Return the finding that a refusal by the verifier is."""
        return cls(error.code, None, expected, error.message)

    def json(self) -> dict[str, object]:
        """Render as JSON values."""
        return self._asdict()

    def __str__(self) -> str:
        """Print one line, with whatever a terminal would obey escaped."""
        where = "" if self.index is None else f" at {self.index}"
        return printable(f"{self.code}{where}: expected {self.expected}, found {self.found}")


class ContradictionError(LedgerError):
    """The tree cannot be what it claims to be; `finding` says why. Ends an audit."""

    code = "audit"

    def __init__(self, finding: Finding) -> None:
        """End the audit with `finding`."""
        super().__init__(str(finding))
        self.finding = finding
