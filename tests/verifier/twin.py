"""RFC 6962 section 2.1 as its text says it: recursive, slow, and plainly right.

`D[n]` is a tuple of entries, `k` the largest power of two smaller than n. It
shares no line with `verifier.merkle`, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TypeAlias

Entries: TypeAlias = tuple[bytes, ...]


@cache
def root(entries: Entries) -> bytes:
    """MTH(D[n]), section 2.1."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = _split(len(entries))
    return hashlib.sha256(b"\x01" + root(entries[:k]) + root(entries[k:])).digest()


def inclusion(m: int, entries: Entries) -> Entries:
    """PATH(m, D[n]), section 2.1.1."""
    if len(entries) == 1:
        return ()
    k = _split(len(entries))
    if m < k:
        return (*inclusion(m, entries[:k]), root(entries[k:]))
    return (*inclusion(m - k, entries[k:]), root(entries[:k]))


def consistency(m: int, entries: Entries) -> Entries:
    """PROOF(m, D[n]), section 2.1.2, for 0 < m <= n."""
    return _subproof(m, entries, complete=True)


def _subproof(m: int, entries: Entries, *, complete: bool) -> Entries:
    if m == len(entries):
        return () if complete else (root(entries),)
    k = _split(len(entries))
    if m <= k:
        return (*_subproof(m, entries[:k], complete=complete), root(entries[k:]))
    return (*_subproof(m - k, entries[k:], complete=False), root(entries[:k]))


def _split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k
