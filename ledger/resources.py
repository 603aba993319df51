"""A published tree as the static resources of c2sp.org/tlog-tiles, and its bodies by hash.

    checkpoint                       the newest published one
    tile/<L>/<N>[.p/<W>]             hashes: 256 of them, or the first W
    tile/entries/<N>[.p/<W>]         the entries under a tile of level 0
    bodies/sha256/<hex>              what an entry of ours signs, by its hash

Every width up to what is published is there, because a client with an older
checkpoint asks for an older width; nothing beyond is, because no signed
checkpoint would cover it. What only part of a tile is there of is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Lock
from typing import NamedTuple

from ledger.bodies import NONE, Bodies
from ledger.derived import body_of
from ledger.errors import DamagedError
from ledger.store import Row, Store
from ledger.tiles import HEIGHT, WIDTH, EdgeLevel, TileId, TilePath, pack_entries, tile_root
from verifier.errors import MalformedError
from verifier.merkle import Hash, hash_leaf

_BODY = re.compile(r"bodies/(sha256|sha384|sha512)/([0-9a-f]+)", re.ASCII)
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_BYTES = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"
_FOR_GOOD = "public, max-age=31536000, immutable"
# An auditor behind a cache is never told to wait for long.
_FOR_A_SECOND = "public, max-age=1"
# A body is for those who may read it, and one that was deleted must be gone.
_NOT_KEPT = "private, no-store"


class Resource(NamedTuple):
    """What one path stands for, and how HTTP describes it."""

    body: bytes
    media_type: str
    cache_control: str


class Large(NamedTuple):
    """A body that lies in a file; the last of its `pieces` comes when its hash was seen."""

    size: int
    pieces: Iterator[bytes]
    media_type: str = _BYTES
    cache_control: str = _NOT_KEPT


class Resources:
    """Reads resources out of a store; safe in many threads.

    Remembers the unfinished tile of each level above the leaves, at most 255
    hashes each: one of those is the root of a tile that would have to be hashed.
    """

    def __init__(
        self,
        store: Store,
        note: Callable[[], str],
        size: Callable[[], int],
        kept: Bodies = NONE,
    ) -> None:
        """Serve what `note` covers, the newest published checkpoint, whose tree has `size`.

        Large bodies are in `kept`.
        """
        self._store = store
        self._kept = kept
        self._note = note
        self._size = size
        self._lock = Lock()
        self._unfinished: dict[int, EdgeLevel] = {}

    def checkpoint(self) -> Resource:
        """Return the newest published checkpoint."""
        return Resource(self._note().encode(), _TEXT, _FOR_A_SECOND)

    def tile(self, path: TilePath) -> Resource | None:
        """Return a tile or an entry bundle, or None if the published tree does not have it."""
        level = path.level or 0
        there = self._size() >> HEIGHT * level
        if path.n * WIDTH + path.width > there:
            return None
        if path.level is None:
            body = pack_entries(self._entries(path.n, path.width))
        elif (path.n + 1) * WIDTH <= there:
            body = self._store.tile(TileId(level, path.n))[: path.width * Hash.SIZE]
        else:
            body = b"".join(self._hashes(level, path.n, path.width))
        return Resource(body, _BYTES, _FOR_GOOD)

    def body(self, name: str) -> Resource | None:
        """Return the body `sha256:<hex>`, or None if no published entry has it, or no longer."""
        row = self._row(name)
        body = None if row is None else body_of(row, self._kept)
        return None if body is None else Resource(body, _BYTES, _NOT_KEPT)

    def large(self, name: str) -> Large | None:
        """Return the body `sha256:<hex>` in pieces, or None if it does not lie in a file."""
        row = self._row(name)
        if row is None or not row.body_size:
            return None
        return Large(row.body_size, self._kept.pieces(name, row.body_size))

    def _row(self, name: str) -> Row | None:
        index = self._store.body(name)
        if index is None or index >= self._size():
            return None
        rows = self._store.rows(index, index + 1)
        if not rows:
            raise DamagedError(f"entry {index} is missing")
        return rows[0]

    def _entries(self, n: int, width: int) -> list[bytes]:
        start = n * WIDTH
        entries = self._store.entries(start, start + width)
        if len(entries) != width:
            raise DamagedError(f"expected {width} entries from {start}, found {len(entries)}")
        return entries

    def _hashes(self, level: int, n: int, width: int) -> tuple[bytes, ...]:
        if level == 0:
            return tuple(hash_leaf(entry) for entry in self._entries(n, width))
        with self._lock:
            known = self._unfinished.get(level)
        hashes = known.hashes if known and known.n == n else ()
        if len(hashes) < width:
            more = range(n * WIDTH + len(hashes), n * WIDTH + width)
            below = (self._store.tile(TileId(level - 1, i)) for i in more)
            hashes += tuple(tile_root(tile) for tile in below)
            with self._lock:
                self._unfinished[level] = EdgeLevel(n, hashes)
        return hashes[:width]


def parse_body_path(path: str) -> str:
    """Return the name, as `sha256:<hex>`, of the body at a path like `bodies/sha256/<hex>`.

    Raises:
        MalformedError: it is written in any other way.
    """
    match = _BODY.fullmatch(path)
    if match is None or len(match[2]) != _DIGITS[match[1]]:
        raise MalformedError(f"expected a path like bodies/sha256/<64 hex>, found {path[:80]!r}")
    return f"{match[1]}:{match[2]}"


def body_path(name: str) -> str:
    """Return the path of the body `sha256:<hex>`; the inverse of `parse_body_path`."""
    return f"bodies/{name.replace(':', '/')}"
