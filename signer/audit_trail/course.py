"""What becomes of a decision while its flow runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.plan import NewEntry
from ledger.sequencer import Answer


class Course:
    """Collects the answers of one flow."""

    def __init__(self) -> None:
        """Begin with none."""
        self.answers: list[tuple[bytes, Answer]] = []
        self.again: list[int] = []
        self.code = ""

    def appended(self, entries: Iterable[NewEntry], answers: Sequence[Answer]) -> None:
        """Take what the sequencer answered to `entries`."""
        self.answers += [(e.dedup, a) for e, a in zip(entries, answers, strict=True)]

    def found(self, *indices: int) -> None:
        """Take entries that were there, and answer the request."""
        self.again += indices

    def refused(self, code: str) -> None:
        """Take the first reason why not all of it is done."""
        self.code = self.code or code
