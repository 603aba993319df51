"""Search: which entries bear these labels, in which part of the ledger.

Time is position: `since` and `until` are turned into positions first, by the
times that the service itself wrote beside the entries.

Nobody learns from a page how much there is that they are not shown. It ends where the next entry
that is shown begins; where that could take too long to find, at a position that depends on
nothing but the one it began at.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger import labels
from ledger.answer import make_record
from ledger.ledger import Ledger
from signer.errors import RequestError
from signer.seeing import Sight
from signer.v1 import ledger_pb2
from verifier.record import Record

_PAGE = 64
_MOST_PAGE = 256
_MOST_ALSO = 5
_LOOKED_AT = 4096  # candidates a call: a rare pair of common labels takes several calls
_WINDOW = 16_384  # positions a call, for whoever is not shown everything
_FEW = ("digest", "repository")  # labels that few entries share, or that are one's own


class Found(NamedTuple):
    """A page: records by index, where the next page starts or 0, and the tree that was searched."""

    records: list[Record]
    next: int
    tree_size: int


def search(ledger: Ledger, request: ledger_pb2.SearchRequest, sight: Sight) -> Found:
    """Return a page of the published entries that the request asks for, and `sight` shows.

    A page may have less entries than were asked for, and even none, with `next` all the same.

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
    page = request.page_size or _PAGE
    found = _Searching(ledger, wanted, sight).page(start, stop, page)
    return found._replace(tree_size=tree_size)


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


class _Searching:
    """A search for entries that bear all of the labels."""

    def __init__(self, ledger: Ledger, wanted: list[tuple[str, str]], sight: Sight) -> None:
        self._ledger = ledger
        self._sight = sight
        # By a repository first: what is found by one's own is shown.
        (self._name, self._value), *self._also = sorted(
            wanted, key=lambda label: label[0] != "repository" and not sight.everything
        )
        self._hidden = any(
            name == "repository" and not sight.covers(value) for name, value in wanted
        )

    def page(self, start: int, stop: int, page: int) -> Found:
        """Return the first `page` of the entries from `start` to before `stop`."""
        if self._hidden:
            return Found([], 0, 0)
        if self._sight.everything or self._name == "repository":
            return self._page(start, stop, page, _LOOKED_AT)
        if self._name in _FEW:
            return self._page(start, stop, page, stop)
        end = min(stop, start + _WINDOW)
        found = self._page(start, end, page, stop)
        return found if found.next or end == stop else found._replace(next=end)

    def _page(self, start: int, stop: int, page: int, most: int) -> Found:
        """Do the same, looking at no more than `most` entries."""
        records: list[Record] = []
        looked_at = 0
        limit = _LOOKED_AT if self._also else page + 1
        while start < stop:
            found = self._ledger.store.search(self._name, self._value, start - 1, limit, stop)
            for index in found:
                if looked_at == most:
                    return Found(records, index, 0)
                looked_at += 1
                row = self._ledger.row(index)
                if self._fits(row.labels):
                    if len(records) == page:
                        return Found(records, index, 0)
                    records.append(make_record(index, row))
            if len(found) < limit:
                break
            start = found[-1] + 1
        return Found(records, 0, 0)

    def _fits(self, row: bytes) -> bool:
        if not self._sight.shows(row):
            return False
        if not self._also:
            return True
        has = labels.decode(row)
        return all(value in has.get(name, ()) for name, value in self._also)
