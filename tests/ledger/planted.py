"""Ledgers with entries that nobody signed: for trees, tiles and paths, which never look inside."""

from __future__ import annotations

from collections.abc import Sequence

from ledger import tree
from ledger.edge import advance, load_edge
from ledger.store import SLICE, Batch, Head, Row, Store
from ledger.store.memory import MemoryStore
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf


def empty(origin: str) -> MemoryStore:
    """Return an empty store in memory."""
    return MemoryStore(origin, _head(0, EMPTY_ROOT, ()))


def plant(store: Store, entries: Sequence[bytes], notes: Sequence[tuple[int, str]] = ()) -> None:
    """Append `entries` to `store`, whatever they are."""
    head = store.head()
    edge = load_edge(store, head.tree_size)
    for start in range(0, len(entries), SLICE):
        some = entries[start : start + SLICE]
        extension = tree.extend(head.tree_size, head.compact, [hash_leaf(e) for e in some])
        edge, full = advance(edge, extension)
        rows = [Row(entry, b"", b"{}", 0) for entry in some]
        old_size = head.tree_size
        head = _head(extension.tree_size, extension.root, extension.compact)
        store.commit(Batch(old_size, head, rows, (), (), full, (), notes))
        notes = ()


def _head(tree_size: int, root: Hash, compact: tuple[Hash, ...]) -> Head:
    return Head(tree_size, root, compact, time=0, frozen=False, seal=b"")
