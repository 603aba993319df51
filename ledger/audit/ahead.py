"""Bodies, fetched a few at a time ahead of the entry that is judged.

A body is one request. One after the other over a wide network, a million of
them would take a day of waiting, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from ledger.audit.source import Source
from verifier.entry import Entry, parse_any
from verifier.errors import VerificationError
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry

Fetch = Callable[[str, str], bytes | None]
_WINDOW = 16  # bodies in memory at once; each has at most 32 MiB and usually 1 KiB

_Name = tuple[str, str]  # the algorithm of a hash, and the hash in hex


@contextmanager
def ahead(source: Source, entries: Sequence[bytes]) -> Iterator[Iterator[tuple[bytes, Fetch]]]:
    """Give each entry in order, with what fetches its body, which is under way already.

    When the context ends nothing is under way any more, whoever broke off, and why ever.
    """
    if source.parallel <= 1:
        yield ((entry, source.body) for entry in entries)
        return
    asked: dict[_Name, Future[bytes | None]] = {}
    with ThreadPoolExecutor(source.parallel, "bodies") as pool:
        try:
            yield _fetched(pool, source, entries, asked)
        finally:  # nobody wants the rest
            for future in asked.values():
                future.cancel()


def _fetched(
    pool: ThreadPoolExecutor,
    source: Source,
    entries: Sequence[bytes],
    asked: dict[_Name, Future[bytes | None]],
) -> Iterator[tuple[bytes, Fetch]]:
    window: deque[tuple[bytes, _Name | None]] = deque()
    rest = iter(entries)
    while True:
        for entry in islice(rest, _WINDOW - len(window)):
            name = _name(entry)
            if name and name not in asked:
                asked[name] = pool.submit(source.body, *name)
            window.append((entry, name))
        if not window:
            return
        entry, name = window.popleft()
        yield entry, _taker(asked)
        if name and all(name != other for _, other in window):
            del asked[name]


def _name(entry: bytes) -> _Name | None:
    """Return how an entry names its body, if it is of a kind that has one."""
    try:
        logged = parse_any(entry)
    except VerificationError:
        return None
    if isinstance(logged, EnvelopeEntry):
        return None
    return hash_name(logged), logged.data_digest.hex()


def hash_name(logged: Entry | LegacyEntry) -> str:
    """Return by which hash, as hashlib calls it, an entry names its body."""
    return logged.key.algorithm.hash_name if isinstance(logged, Entry) else "sha256"


def _taker(asked: dict[_Name, Future[bytes | None]]) -> Fetch:
    return lambda algorithm, name: asked[algorithm, name].result()
