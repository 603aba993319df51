"""Bodies, fetched a few at a time ahead of the entry that is judged.

A body is one request. One after the other over a wide network, a million of
them would take a day of waiting, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ledger.audit.source import Source
from verifier.entry import Entry, parse_any
from verifier.errors import VerificationError
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry

Fetch = Callable[[str, str], bytes | None]
_WINDOW = 64  # bodies in memory at once; each has at most 32 MiB and usually 1 KiB


def ahead(source: Source, entries: Sequence[bytes]) -> Iterator[tuple[bytes, Fetch]]:
    """Yield each entry in order, with what fetches its body, which is under way already."""
    if source.parallel <= 1:
        yield from ((entry, source.body) for entry in entries)
        return
    with ThreadPoolExecutor(source.parallel, "bodies") as pool:
        for start in range(0, len(entries), _WINDOW):
            window = entries[start : start + _WINDOW]
            asked = {name: pool.submit(source.body, *name) for name in _names(window)}
            try:
                yield from ((entry, _taker(asked)) for entry in window)
            finally:  # whoever broke off wants none of the rest
                for future in asked.values():
                    future.cancel()


def _names(entries: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        try:
            logged = parse_any(entry)
        except VerificationError:
            continue
        if not isinstance(logged, EnvelopeEntry):  # which has no body
            yield hash_name(logged), logged.data_digest.hex()


def hash_name(logged: Entry | LegacyEntry) -> str:
    """Return by which hash, as hashlib calls it, an entry names its body."""
    return logged.key.algorithm.hash_name if isinstance(logged, Entry) else "sha256"


def _taker(asked: dict[tuple[str, str], Future[bytes | None]]) -> Fetch:
    return lambda algorithm, name: asked[algorithm, name].result()
