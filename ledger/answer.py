"""What comes of a commit: places at first, and records with proofs once they are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from ledger import labels
from ledger.errors import DamagedError
from ledger.plan import Plan
from ledger.publication import Published
from ledger.store import Row
from verifier.errors import SealbookError
from verifier.merkle import InclusionProof
from verifier.record import Record


class Appended(NamedTuple):
    """The record of one append, fresh or found, proven under `published`."""

    record: Record
    proof: InclusionProof
    published: Published
    fresh: bool


class Pending(NamedTuple):
    """What was committed and waits until a tree of `tree_size` is published.

    `places` has, for each entry in order, its index or why it was refused; those
    from `old_size` on are new. `plan` still holds what was just made, if it was
    made in one commit.
    """

    places: Sequence[int | SealbookError]
    tree_size: int
    old_size: int
    plan: Plan | None = None

    @classmethod
    def of(
        cls, places: Sequence[int | SealbookError], old_size: int, plan: Plan | None = None
    ) -> Self:
        """Wait for the last of `places`."""
        last = max((place for place in places if isinstance(place, int)), default=-1)
        return cls(places, last + 1, old_size, plan)

    def made(self, index: int, tree_size: int) -> tuple[Record, InclusionProof | None] | None:
        """Return what the commit itself made at `index`, which need not be read back.

        With it comes its proof in the tree of `tree_size`, if that is the one that
        the commit made.
        """
        extension = self.plan.extension if self.plan else None
        if self.plan is None or extension is None or index < extension.old_size:
            return None
        record = make_record(index, self.plan.rows[index - extension.old_size])
        if tree_size != extension.tree_size:
            return record, None
        return record, InclusionProof(index, tree_size, extension.path(index))


def make_record(index: int, row: Row) -> Record:
    """Return a stored row as the record that every output is a rendering of.

    A body that lies in a file, was deleted, or never was, is empty.
    """
    form = labels.decode(row.labels).get("form")
    if not form:
        raise DamagedError(f"entry {index} has no form")
    return Record(
        index,
        form[0],
        row.entry,
        row.body or b"",
        row.promise or b"",
        row.timestamp or b"",
        row.chain or b"",
        row.time if row.promise else 0,
        row.body_size,
    )
