"""Search: which entries bear these labels, in which part of the ledger.

Time is position: `since` and `until` are turned into positions first, by the
times that the service itself wrote beside the entries.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger import labels
from ledger.answer import make_record
from ledger.ledger import Ledger
from signer.errors import RequestError
from signer.v1 import ledger_pb2
from verifier.record import Record

_PAGE = 64
_MOST_PAGE = 256
_MOST_ALSO = 5
_LOOKED_AT = 4096  # candidates a call: a rare pair of common labels takes several calls


class Found(NamedTuple):
    """A page: records by index, where the next page starts or 0, and the tree that was searched."""

    records: list[Record]
    next: int
    tree_size: int


def search(ledger: Ledger, request: ledger_pb2.SearchRequest) -> Found:
    """Return a page of the published entries that the request asks for.

    Raises:
        RequestError: a label that does not exist, too many of them, or too large a page.
    """
    wanted = [(request.name, request.value), *((also.name, also.value) for also in request.also)]
    if len(request.also) > _MOST_ALSO:
        raise RequestError(f"expected at most {_MOST_ALSO} labels more, found {len(request.also)}")
    for name, _ in wanted:
        if name not in labels.NAMES:
            raise RequestError(f"expected one of {', '.join(labels.NAMES)} to search by")
    if request.page_size > _MOST_PAGE:
        raise RequestError(f"expected a page of at most {_MOST_PAGE}")
    if request.since < 0 or request.until < 0:
        raise RequestError("expected times from 1970 on")
    tree_size = ledger.published.checkpoint.tree_size
    start, stop = _positions(ledger, request, tree_size)
    return _page(ledger, wanted, start, stop, request.page_size or _PAGE)._replace(
        tree_size=tree_size
    )


def _positions(
    ledger: Ledger, request: ledger_pb2.SearchRequest, tree_size: int
) -> tuple[int, int]:
    """Return the part of the ledger, from the first index to before the last."""
    start, stop = request.start, min(request.stop or tree_size, tree_size)
    if request.since:
        start = max(start, ledger.store.position(request.since))
    if request.until:
        stop = min(stop, ledger.store.position(request.until))
    return start, stop


def _page(ledger: Ledger, wanted: list[tuple[str, str]], start: int, stop: int, page: int) -> Found:
    (name, value), *also = wanted
    records: list[Record] = []
    looked_at = 0
    while start < stop:
        limit = page + 1 - len(records) if not also else _LOOKED_AT
        found = ledger.store.search(name, value, start - 1, limit, stop)
        for index in found:
            if len(records) == page or looked_at == _LOOKED_AT:
                return Found(records, index, 0)
            looked_at += 1
            row = ledger.row(index)
            has = labels.decode(row.labels)
            if all(value in has.get(name, ()) for name, value in also):
                records.append(make_record(index, row))
        if len(found) < limit:
            break
        start = found[-1] + 1
    return Found(records, 0, 0)
