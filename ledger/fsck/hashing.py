"""The tree, hashed again from the entries: tiles, root and the roots of old checkpoints.

Entries come first: where an entry and a tile disagree, the tile above decides
which of them was changed, and when the entries hash to the head's root, it was
the tile. What lies behind the last full tile has no hash of its own stored, so
that there a finding names the range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import TypeGuard

from ledger import tree
from ledger.edge import advance
from ledger.fsck.finding import Finding, ranges, read_around, span, unreadable
from ledger.store import SLICE, Head, scanning
from ledger.store.reading import SqliteReader
from ledger.tiles import HEIGHT, WIDTH, Edge, Tile, TileId, tile_root
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.merkle import EMPTY_ROOT, Hash
from verifier.note import Note

_sha256 = hashlib.sha256
_UNKNOWN = bytes(Hash.SIZE)  # stands for a leaf that nothing tells
_MOST_EXPLAINED = 4096  # tiles that differ, of 16 KB each; what else differs is told in short
_MOST_FORKED = 10_000  # checkpoints of other roots

_Tiles = dict[int, bytes | None]  # by number; None for one that cannot be read


class TreeCheck:
    """One pass over the first entries of a ledger, in slices; `findings` runs it, once."""

    def __init__(
        self,
        reader: SqliteReader,
        head: Head | None,
        tree_size: int,
        progress: Callable[[int], None],
    ) -> None:
        """Check the first `tree_size` entries; `head` is None when it cannot be read."""
        self._reader = reader
        self._head = head
        self._size = tree_size
        self._progress = progress
        self._known = True  # every leaf hash came from an entry, or at least from its tile
        self._differing: dict[TileId, tuple[bytes, bytes]] = {}  # as computed, as stored
        self._forked: list[Finding] = []
        self.unreadable: set[int] = set()  # entries that the database cannot give

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with entries, tiles, root and the roots of checkpoints."""
        compact: tuple[Hash, ...] = ()
        edge: Edge = ()
        for start in range(0, self._size, SLICE):
            stop = min(start + SLICE, self._size)
            stored = yield from self._tiles(0, start // WIDTH, stop // WIDTH)
            leaves = yield from self._leaves(start, stop, stored)
            extension = tree.extend(start, compact, leaves)
            edge, full = advance(edge, extension)
            yield from self._compare(full, stored)
            if self._known:
                self._checkpoints(extension, compact)
            compact = extension.compact
            self._progress(stop)
        root = tree.root(compact)
        sound = self._known and self._head is not None and root == self._head.root
        yield from self._explained(sound=sound)
        yield from self._root(compact)
        # An entry that was changed gives every later tree another root: one of them says it all.
        yield from self._forked if sound else self._forked[:1]

    def _tiles(self, level: int, start: int, stop: int) -> Generator[Finding, None, _Tiles]:
        """Return the stored tiles from `start` to before `stop`; None for what cannot be read."""
        read = partial(scanning.tiles, self._reader, level)
        found, bad = read_around(lambda lo, hi: list(read(lo, hi).items()), start, stop)
        yield from unreadable("tile-unreadable", (f"tile {level}/", f"tiles {level}/"), bad)
        tiles: _Tiles = dict(found)
        tiles.update((n, None) for part in bad for n in range(part.start, part.stop))
        return tiles

    def _leaves(
        self, start: int, stop: int, stored: _Tiles
    ) -> Generator[Finding, None, list[bytes]]:
        """Return the leaf hashes of a slice; those of missing entries are their tiles'."""
        read = partial(scanning.numbered_entries, self._reader)
        found, bad = read_around(read, start, stop)
        if len(found) == stop - start and not bad:
            try:
                return [_sha256(b"\0" + entry).digest() for _, entry in found]
            except TypeError:
                pass  # a damaged page gave another type: look at each
        yield from unreadable("entry-unreadable", ("entry ", "entries "), bad)
        self.unreadable.update(n for part in bad for n in range(part.start, part.stop))
        entries = {index: entry for index, entry in found if isinstance(entry, bytes)}
        lost = [n for n in range(start, stop) if n not in entries and n not in self.unreadable]
        for first, behind in ranges(lost):
            yield Finding("entry-missing", first, span("entry ", "entries ", first, behind), "none")
        return [self._leaf(n, entries, stored) for n in range(start, stop)]

    def _leaf(self, index: int, entries: dict[int, bytes], stored: _Tiles) -> bytes:
        if index in entries:
            return _sha256(b"\0" + entries[index]).digest()
        tile = stored.get(index // WIDTH)
        if _is_tile(tile):
            return _child(tile, index % WIDTH)
        self._known = False
        return _UNKNOWN

    def _compare(self, full: Sequence[Tile], stored: _Tiles) -> Iterator[Finding]:
        """Compare computed tiles with stored ones; what differs is explained at the end."""
        for tile in full:
            level, n = tile.id
            there = stored if level == 0 else (yield from self._tiles(level, n, n + 1))
            hashes = there.get(n, b"")
            if hashes == tile.hashes or hashes is None:
                continue
            if hashes == b"":
                yield _tile_finding("tile-missing", tile.id, _named(tile), "none")
            elif not _is_tile(hashes) or len(self._differing) >= _MOST_EXPLAINED:
                found = f"{len(hashes)} other bytes" if isinstance(hashes, bytes) else "no bytes"
                yield _tile_finding("tile-altered", tile.id, _named(tile), found)
            else:
                self._differing[tile.id] = tile.hashes, hashes

    def _checkpoints(self, extension: tree.Extension, compact: Sequence[Hash]) -> None:
        """Compare the roots of kept checkpoints with what the entries hash to at their sizes."""
        first = extension.old_size + 1 if extension.old_size else 0
        notes, _ = read_around(  # what cannot be read, the look at each checkpoint tells
            partial(scanning.notes, self._reader), first, extension.tree_size + 1
        )
        for size, note in notes:
            try:
                checkpoint = Checkpoint.parse(Note.parse(note).text)
            except (VerificationError, TypeError):
                continue  # told with the others of its kind
            root = _root_within(extension, compact, size)
            if checkpoint.tree_size == size and checkpoint.root != root:
                expected, found = f"root {root.hex()}", f"a checkpoint of {checkpoint.root.hex()}"
                if len(self._forked) < _MOST_FORKED:
                    self._forked.append(Finding("checkpoint-root", size, expected, found))

    def _explained(self, *, sound: bool) -> Iterator[Finding]:
        """Yield, for each tile that differs, what was changed: the tile, or what lies below."""
        homes = {computed: id_ for id_, (computed, _) in self._differing.items()}
        for id_, (computed, stored) in self._differing.items():
            differs = [i for i in range(WIDTH) if _child(computed, i) != _child(stored, i)]
            below = [i for i in differs if not sound and self._is_below(id_, i, len(differs))]
            if id_.level == 0:
                for i in below:
                    yield Finding(
                        "entry-altered",
                        id_.n * WIDTH + i,
                        f"leaf {_child(stored, i).hex()}",
                        f"leaf {_child(computed, i).hex()}",
                    )
            for i in set(differs).difference(below):
                home = homes.get(stored)
                swapped = f"tile {home.level}/{home.n}, swapped" if home else None
                found = swapped or f"{_child(stored, i).hex()} at {i}"
                expected = f"tile {id_.level}/{id_.n} with {_child(computed, i).hex()} at {i}"
                yield _tile_finding("tile-altered", id_, expected, found)
                break

    def _is_below(self, id_: TileId, i: int, differ: int) -> bool:
        """Whether it is what lies under hash `i` of a tile that was changed, and not the tile."""
        computed, stored = self._differing[id_]
        if id_.level:
            child = self._differing.get(TileId(id_.level - 1, id_.n * WIDTH + i))
            return child is not None and _child(stored, i) in [*map(tile_root, child)]
        parent = self._stored(TileId(id_.level + 1, id_.n // WIDTH))
        if parent is None:  # many changed entries are less likely than one changed tile
            return differ <= WIDTH // 2
        return _child(parent, id_.n % WIDTH) != tile_root(computed)

    def _stored(self, id_: TileId) -> bytes | None:
        if id_ in self._differing:
            return self._differing[id_][1]
        read = partial(scanning.tiles, self._reader, id_.level)
        found, _ = read_around(lambda lo, hi: list(read(lo, hi).values()), id_.n, id_.n + 1)
        return found[0] if found and _is_tile(found[0]) else None

    def _root(self, compact: tuple[Hash, ...]) -> Iterator[Finding]:
        """Compare the root with the head's, and behind the last full tile each range."""
        head = self._head
        if head is None or not self._known or self._size != head.tree_size:
            return
        root = tree.root(compact)
        if root != head.root:
            yield Finding("root", self._size, f"root {root.hex()}", f"a head of {head.root.hex()}")
        if len(compact) != len(head.compact):
            return  # told with the head
        start = 0
        for ours, theirs, node in zip(
            compact, head.compact, tree.cover(0, self._size), strict=True
        ):
            stop = start + (1 << node.level)
            behind = node.level < HEIGHT or not self._differing  # else the tiles told where
            if ours != theirs and behind:
                expected = f"{span('entry ', 'entries ', start, stop)} to hash to {ours.hex()}"
                yield Finding("range", start, expected, f"a head with {theirs.hex()}")
            start = stop


def _root_within(extension: tree.Extension, compact: Sequence[Hash], tree_size: int) -> Hash:
    """Return the root at a size that this extension passed through, from its own nodes."""
    if tree_size == 0:
        return EMPTY_ROOT
    old = {
        node.level: peak
        for node, peak in zip(tree.cover(0, extension.old_size), compact, strict=True)
    }
    peaks: list[bytes] = []
    for node in tree.cover(0, tree_size):
        row = extension.rows[node.level]
        place = node.i - row.first
        peaks.append(row.hashes[place] if 0 <= place < len(row.hashes) else old[node.level])
    return tree.fold(peaks)


def _is_tile(hashes: object) -> TypeGuard[bytes]:
    return isinstance(hashes, bytes) and len(hashes) == WIDTH * Hash.SIZE


def _child(hashes: bytes, i: int) -> bytes:
    return hashes[i * Hash.SIZE : (i + 1) * Hash.SIZE]


def _named(tile: Tile) -> str:
    return f"tile {tile.id.level}/{tile.id.n} with root {tile_root(tile.hashes).hex()}"


def _tile_finding(code: str, id_: TileId, expected: str, found: str) -> Finding:
    """Return a finding at the first entry under a tile."""
    return Finding(code, id_.n << HEIGHT * (id_.level + 1), expected, found)
