"""A client of C2SP tile logs, written from the specifications and from nothing else.

It shares no line with the product: hashlib, base64 and Ed25519 are all it knows,
besides c2sp.org/tlog-tiles, tlog-checkpoint, signed-note and RFC 6962. Whatever it
reads must hold here, or other people's tools cannot read our logs.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import random
from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fetch = Callable[[str], bytes | None]  # a path below the log's prefix -> what is there, if anything


class Wrong(Exception):  # noqa: N818
    """The log is not what it says."""


class Head(NamedTuple):
    """A checkpoint whose signature was good."""

    origin: str
    size: int
    root: bytes


def leaf(entry: bytes) -> bytes:
    """Hash an entry (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash two children (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def half(n: int) -> int:
    """Return the largest power of two below n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(hashes: list[bytes]) -> bytes:
    """Return the Merkle tree hash over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = half(len(hashes))
    return node(mth(hashes[:k]), mth(hashes[k:]))


def spell(n: int) -> str:
    """Spell a tile's number: groups of three digits, all but the last after an x."""
    digits = str(n)
    digits = "0" * (-len(digits) % 3) + digits
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join(["x" + group for group in groups[:-1]] + groups[-1:])


def open_note(note: bytes, vkey: str) -> Head:
    """Verify a signed checkpoint with one verifier key (type 1, Ed25519)."""
    name, key_id, material = vkey.split("+", 2)
    raw = base64.b64decode(material, validate=True)
    if raw[0] != 1:
        raise Wrong("not an Ed25519 key")
    if hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != key_id:
        raise Wrong("the key's id is not its hash")
    text, blank, signatures = note.rpartition(b"\n\n")
    if not blank or not signatures.endswith(b"\n"):
        raise Wrong("no note")
    text += b"\n"
    good = False
    for line in signatures[:-1].split(b"\n"):
        dash, signer, signature = line.split(b" ")
        body = base64.b64decode(signature, validate=True)
        if dash.decode() != "\u2014":
            raise Wrong("no signature line")
        if signer.decode() == name and body[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(raw[1:]).verify(body[4:], text)
            good = True
    if not good:
        raise Wrong("not signed by that key")
    origin, size, root, *more = text.decode().split("\n")
    if origin != name or more != [""]:
        raise Wrong("not a checkpoint of that log")
    return Head(origin, int(size), base64.b64decode(root, validate=True))


class Log:
    """A log that is read by `fetch`, up to one verified head."""

    def __init__(self, fetch: Fetch, vkey: str) -> None:
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        note = fetch("checkpoint")
        if note is None:
            raise Wrong("no checkpoint")
        self.head = open_note(note, vkey)

    def widths(self, level: int) -> list[int]:
        """Return the width of each tile of a level, by the words of tlog-tiles."""
        there = self.head.size // 256**level
        return [256] * (there // 256) + ([there % 256] if there % 256 else [])

    def tile(self, level: int, n: int) -> list[bytes]:
        """Return the hashes of a tile, partial if that is what the head implies."""
        if (level, n) not in self._tiles:
            width = self.widths(level)[n]
            raw = self._resource(f"tile/{level}/{spell(n)}", width)
            if len(raw) not in (32 * width, 32 * 256):
                raise Wrong(f"tile {level}/{n} has {len(raw)} bytes")
            self._tiles[level, n] = [raw[i : i + 32] for i in range(0, 32 * width, 32)]
        return self._tiles[level, n]

    def level(self, level: int) -> list[bytes]:
        """Return all hashes of a level."""
        return [h for n in range(len(self.widths(level))) for h in self.tile(level, n)]

    def entries(self) -> list[bytes]:
        """Return all entries of the log."""
        entries: list[bytes] = []
        for n, width in enumerate(self.widths(0)):
            raw = self._resource(f"tile/entries/{spell(n)}", width)
            bundle = []
            while raw:
                length = raw[0] * 256 + raw[1]
                if len(raw) < 2 + length:
                    raise Wrong(f"bundle {n} is cut off")
                bundle.append(raw[2 : 2 + length])
                raw = raw[2 + length :]
            if len(bundle) not in (width, 256):
                raise Wrong(f"bundle {n} has {len(bundle)} entries")
            entries += bundle[:width]
        return entries

    def subtree(self, lo: int, hi: int) -> bytes:
        """Return the hash over the leaves lo to hi, out of the highest tiles that have it."""
        level, span = 0, 1
        while span < hi - lo:
            level, span = level + 1, span * 256
        if span == hi - lo and lo % span == 0:
            return self.tile(level, lo // span // 256)[lo // span % 256]
        k = half(hi - lo)
        return node(self.subtree(lo, lo + k), self.subtree(lo + k, hi))

    def inclusion(self, index: int, lo: int = 0, hi: int | None = None) -> list[bytes]:
        """Return PATH(index, D[lo:hi]) (RFC 6962 section 2.1.1)."""
        hi = self.head.size if hi is None else hi
        if hi - lo == 1:
            return []
        k = half(hi - lo)
        if index < lo + k:
            return [*self.inclusion(index, lo, lo + k), self.subtree(lo + k, hi)]
        return [*self.inclusion(index, lo + k, hi), self.subtree(lo, lo + k)]

    def consistency(self, old: int, lo: int = 0, hi: int | None = None) -> list[bytes]:
        """Return SUBPROOF(old, D[lo:hi], lo == 0) (RFC 6962 section 2.1.2)."""
        hi = self.head.size if hi is None else hi
        if old == hi:
            return [] if lo == 0 else [self.subtree(lo, hi)]
        k = half(hi - lo)
        if old <= lo + k:
            return [*self.consistency(old, lo, lo + k), self.subtree(lo + k, hi)]
        return [*self.consistency(old, lo + k, hi), self.subtree(lo, lo + k)]

    def _resource(self, path: str, width: int) -> bytes:
        """Return a resource, or the full one where a partial one was given up for it."""
        if width < 256:
            found = self._fetch(f"{path}.p/{width}")
            if found is not None:
                return found
        found = self._fetch(path)
        if found is None:
            raise Wrong(f"{path} is not there")
        return found


def root_from_path(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that an inclusion path leads to (RFC 9162 section 2.1.3.2)."""
    fn, sn, r = index, size - 1, leaf(entry)
    for p in path:
        if sn == 0:
            raise Wrong("the path is too long")
        if fn % 2 or fn == sn:
            r = node(p, r)
            while fn and not fn % 2:
                fn, sn = fn // 2, sn // 2
        else:
            r = node(r, p)
        fn, sn = fn // 2, sn // 2
    if sn:
        raise Wrong("the path is too short")
    return r


def roots_from_consistency(
    old: int, size: int, old_root: bytes, path: list[bytes]
) -> tuple[bytes, bytes]:
    """Return the old and the new root that a consistency path leads to (RFC 9162 2.1.4.2)."""
    if old == size:
        return old_root, old_root
    proof = [old_root, *path] if old & (old - 1) == 0 else list(path)
    fn, sn = old - 1, size - 1
    while fn % 2:
        fn, sn = fn // 2, sn // 2
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            raise Wrong("the path is too long")
        if fn % 2 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn % 2:
                fn, sn = fn // 2, sn // 2
        else:
            sr = node(sr, c)
        fn, sn = fn // 2, sn // 2
    if sn:
        raise Wrong("the path is too short")
    return fr, sr


def judge(log: Log, chance: random.Random) -> list[bytes]:
    """Check a log in every way that a client of C2SP logs can, and return its entries."""
    size, root = log.head.size, log.head.root
    entries = log.entries()
    assert size == len(entries)
    # From the entries; then each level of tiles from the one below.
    below = [leaf(entry) for entry in entries]
    assert root == mth(below)
    level = 0
    while below:
        assert below == log.level(level)
        below = [mth(below[i : i + 256]) for i in range(0, len(below) // 256 * 256, 256)]
        level += 1
    if size == 0:
        return entries
    assert root == log.subtree(0, size), "from the highest tiles alone"
    for index in {0, size - 1, *(chance.randrange(size) for _ in range(5))}:
        path = log.inclusion(index)
        assert root == root_from_path(entries[index], index, size, path)
    leaves = [leaf(entry) for entry in entries]
    for old in {1, size, size // 2 or 1, *(chance.randrange(1, size + 1) for _ in range(3))}:
        old_root = mth(leaves[:old])
        path = log.consistency(old)
        assert (old_root, root) == roots_from_consistency(old, size, old_root, path)
    return entries


def over_http(address: str, prefix: str = "/") -> Fetch:
    """Return a fetch over HTTP/1.1 from HOST:PORT, checking what the specification says of it."""

    def fetch(path: str) -> bytes | None:
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.request("GET", prefix + path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status == 404:
            return None
        if answer.status != 200 or answer.getheader("Content-Encoding"):
            raise Wrong(f"{path}: status {answer.status}")
        return body

    return fetch
