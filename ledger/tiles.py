"""The tile layout of c2sp.org/tlog-tiles: 256 hashes to a tile, 8 levels of the tree.

Tile (level, n) holds the nodes (8 * level, 256 * n) to (8 * level, 256 * n + 255).
Only full tiles are ever stored. The hashes behind the last full tile of each
level, the *edge*, are few enough to keep in memory, and are derived at start:
level 0 from the last entries, higher levels from the roots of full tiles.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from ledger.tree import NodeId
from verifier import limits
from verifier.errors import MalformedError
from verifier.merkle import Hash

_sha256 = hashlib.sha256

WIDTH = 256
HEIGHT = 8
_CACHED_TILES = 2048  # of 16 KB each when expanded
_PAIR = 2 * Hash.SIZE
_LEVELS = 64  # in paths; a tree below 2**63 leaves has 8 of them
_TILES = limits.TREE_SIZE >> HEIGHT  # of level 0, in the largest tree
_LENGTH = 2  # bytes in front of each entry of a bundle
_PATH = re.compile(
    r"tile/(?:(entries)|(0|[1-9][0-9]?))"
    r"/((?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


class TileId(NamedTuple):
    """The tile `n` of `level`, where level 0 holds leaf hashes."""

    level: int
    n: int


class Tile(NamedTuple):
    """A full tile: 256 hashes, 8,192 bytes."""

    id: TileId
    hashes: bytes


class EdgeLevel(NamedTuple):
    """The hashes of tile `n` of one level that are there so far: 0 to 255 of them."""

    n: int
    hashes: tuple[bytes, ...]


Edge = tuple[EdgeLevel, ...]


def full_tiles(tree_size: int, level: int) -> int:
    """Return how many tiles of `level` are full in a tree of `tree_size` leaves."""
    return tree_size >> HEIGHT * (level + 1)


def tile_root(hashes: bytes) -> Hash:
    """Return the node that a full tile stands for, one level of tiles above."""
    return Hash(expand(hashes)[HEIGHT])


def expand(hashes: bytes) -> list[bytes]:
    """Return all nodes of a full tile, joined by height: 256 hashes at 0, 128 at 1, one at 8."""
    assert len(hashes) == WIDTH * Hash.SIZE
    rows = [hashes]
    while len(rows[-1]) > Hash.SIZE:
        rows.append(_above(rows[-1]))
    return rows


def _above(row: bytes) -> bytes:
    """Return the parents of these nodes, joined as they are."""
    pairs = (row[i : i + _PAIR] for i in range(0, len(row), _PAIR))
    return b"".join([_sha256(b"\x01" + pair).digest() for pair in pairs])


class TileReader:
    """Reads nodes out of stored tiles, keeping the expanded ones in a bounded cache.

    Safe in many threads. Not trusted for truth: whoever shows a proof made from
    these nodes shows something that is checked against a signed root.
    """

    def __init__(self, load: Callable[[TileId], bytes]) -> None:
        """Read tiles with `load`, which raises when one is missing."""
        self._load = load
        self._lock = Lock()
        self._cache: OrderedDict[TileId, list[bytes]] = OrderedDict()

    def node(self, node: NodeId, edge: Edge) -> Hash:
        """Return the hash of a complete node of the tree that has `edge`, or of a later one."""
        level, height = divmod(node.level, HEIGHT)
        start = node.i << height
        n, offset = divmod(start, WIDTH)
        partial = edge[level]
        if n < partial.n:
            at = (offset >> height) * Hash.SIZE
            return Hash(self._expanded(TileId(level, n))[height][at : at + Hash.SIZE])
        assert n == partial.n
        assert offset + (1 << height) <= len(partial.hashes)
        return _subtree(partial.hashes[offset : offset + (1 << height)])

    def _expanded(self, tile: TileId) -> list[bytes]:
        with self._lock:
            rows = self._cache.get(tile)
            if rows is not None:
                self._cache.move_to_end(tile)
                return rows
        rows = expand(self._load(tile))
        with self._lock:
            self._cache[tile] = rows
            if len(self._cache) > _CACHED_TILES:
                self._cache.popitem(last=False)
        return rows


@lru_cache(maxsize=256)  # the same few are in every proof until the tree grows
def _subtree(hashes: tuple[bytes, ...]) -> Hash:
    """Return the root over a power of two of adjacent hashes."""
    row = b"".join(hashes)
    while len(row) > Hash.SIZE:
        row = _above(row)
    return Hash(row)


class TilePath(NamedTuple):
    """The path of a tile, or of an entry bundle if `level` is None; prints as that path.

    `width` is 256 for a full one, and else how many it has so far.
    """

    level: int | None
    n: int
    width: int = WIDTH

    def __str__(self) -> str:
        """Print the path, without a slash in front."""
        assert self.level is None or 0 <= self.level < _LEVELS
        assert 0 <= self.n < _TILES
        assert 1 <= self.width <= WIDTH
        kind = "entries" if self.level is None else str(self.level)
        groups = [f"{self.n % 1000:03}"]
        rest = self.n // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join(groups)}{partial}"


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Return the path of the tile `n` of `level`, of which `width` hashes are there."""
    return str(TilePath(level, n, width))


def entries_path(n: int, width: int = WIDTH) -> str:
    """Return the path of the bundle with the entries under tile `n` of level 0."""
    return str(TilePath(None, n, width))


def parse_path(path: str) -> TilePath:
    """Parse the path of a tile or an entry bundle.

    Raises:
        MalformedError: it is written in any other way than `TilePath` prints it.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError(f"expected a path like tile/0/x001/234.p/5, found {path[:80]!r}")
    entries, level, groups, width = match.groups()
    n = int(groups.replace("/", "").replace("x", ""))
    found = TilePath(None if entries else int(level), n, int(width) if width else WIDTH)
    if (found.level or 0) >= _LEVELS or n >= _TILES or (width and found.width >= WIDTH):
        raise MalformedError(f"no such tile: {path[:80]!r}")
    if str(found) != path:
        raise MalformedError(f"expected {found}, found {path[:80]!r}")
    return found


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Return `entries` as a bundle: each after its length, in two bytes."""
    return b"".join(part for e in entries for part in (len(e).to_bytes(_LENGTH, "big"), e))


def unpack_entries(bundle: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle.

    Raises:
        MalformedError: it holds fewer or more, or ends within one.
    """
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        start = at + _LENGTH
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise MalformedError(f"expected {width} entries, found {len(entries)} and a piece")
        entries.append(bundle[start:at])
    if at != len(bundle):
        raise MalformedError(f"expected {width} entries, found {len(bundle) - at} bytes more")
    return entries
