"""What one batch writes: which of its entries are new, and where each is or will be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ledger import labels, tree
from ledger.errors import EntryError, IdempotencyError
from ledger.store import Batch, Claim, Head, Row, Store
from ledger.tiles import Tile
from verifier import limits
from verifier.merkle import hash_leaf

Refusal = IdempotencyError | EntryError
_DEDUP = 32  # bytes


class NewEntry(NamedTuple):
    """What is to be appended. `dedup` is 32 bytes; `claim` an idempotency key and request.

    An empty `body` lies in a file of `body_size` bytes, or there is none. A `promised`
    entry gets a signed entry timestamp once its index is known.
    """

    entry: bytes
    body: bytes
    labels: labels.Labels
    dedup: bytes
    claim: tuple[bytes, bytes] | None = None
    promised: bool = False
    timestamp: bytes = b""
    chain: bytes = b""
    body_size: int = 0


class Plan:
    """`places` has, for each entry in order, its index, or why it is refused.

    `leaves` and `rows` are those of the new entries; `extension` is set once they
    are committed.
    """

    def __init__(self, store: Store, old_size: int, entries: Sequence[NewEntry]) -> None:
        """Look every entry up in `store`, whose tree has `old_size` leaves."""
        self._old_size = old_size
        self._fresh: dict[bytes, int] = {}  # dedup key -> index
        self._labels: list[tuple[str, str, int]] = []
        self._claims: dict[bytes, Claim] = {}
        self._entries: list[NewEntry] = []
        self._promises: dict[int, bytes] = {}
        self.leaves: list[bytes] = []
        self.rows: list[Row] = []
        self.extension: tree.Extension | None = None
        known = store.find_many([entry.dedup for entry in entries])
        self.places = [self._place(store, known, entry) for entry in entries]

    @property
    def writes(self) -> bool:
        """Whether anything is new."""
        return bool(self._entries or self._claims)

    def promise(self, sign: Callable[[bytes, int, int], bytes], moment: int) -> None:
        """Make the promises of this batch; `sign` takes an entry, when it is, and its index."""
        self._promises = {
            index: sign(entry.entry, moment, index)
            for index, entry in enumerate(self._entries, self._old_size)
            if entry.promised
        }

    def batch(
        self, head: Head, full: list[Tile], moment: int, notes: Sequence[tuple[int, str]]
    ) -> Batch:
        """Return what to commit under the new `head`, at `moment` in POSIX seconds."""
        self.rows = [
            Row(
                entry.entry,
                entry.body or None,
                labels.encode(entry.labels),
                moment,
                self._promises.get(index),
                entry.timestamp or None,
                entry.chain or None,
                entry.body_size,
            )
            for index, entry in enumerate(self._entries, self._old_size)
        ]
        return Batch(
            self._old_size,
            head,
            self.rows,
            list(self._fresh.items()),
            self._labels,
            full,
            list(self._claims.values()),
            notes,
        )

    def _place(self, store: Store, stored: Mapping[bytes, int], entry: NewEntry) -> int | Refusal:
        try:
            _check(entry)
        except EntryError as e:
            return e
        known: Claim | None = None
        if entry.claim is not None:
            key, request = entry.claim
            known = self._claims.get(key) or store.claim(key)
            if known is not None and known.request != request:
                return IdempotencyError("the idempotency key belongs to another request")
            if known is not None:
                return known.index
        index = self._fresh.get(entry.dedup)
        if index is None:
            index = stored.get(entry.dedup)
        if index is None:
            index = self._add(entry)
        if entry.claim is not None:
            self._claims[entry.claim[0]] = Claim(*entry.claim, index)
        return index

    def _add(self, entry: NewEntry) -> int:
        index = self._old_size + len(self._entries)
        self._entries.append(entry)
        self._fresh[entry.dedup] = index
        self.leaves.append(hash_leaf(entry.entry))
        for name, values in entry.labels.items():
            self._labels += [(name, value, index) for value in values]
        return index


def _check(entry: NewEntry) -> None:
    """Check what a store and the tile layout can hold, so that one entry fails alone."""
    if not 0 < len(entry.entry) <= limits.ENTRY:
        raise EntryError(f"expected 1 to {limits.ENTRY} bytes of entry, found {len(entry.entry)}")
    if len(entry.dedup) != _DEDUP:
        raise EntryError(f"expected {_DEDUP} bytes of dedup key, found {len(entry.dedup)}")
    for name, values in entry.labels.items():
        for text in (name, *values):
            try:
                text.encode()
            except UnicodeEncodeError as e:
                raise EntryError(f"a label of {name!r} is no Unicode text") from e
