"""Bundles from our service, by digest: GET /v1/bundles/DIGEST?repository=…&start=….

No credentials of the registry are needed. One deadline holds for all of it: a peer that sends
a byte a second ends with it. The standard library asks, because it is there at once.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import MalformedError, VerificationError
from verifier.pull.errors import ServiceAccessError, ServiceAnswerError, ServiceBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.pull.decision import Question
    from verifier.pull.settings import ServiceSettings
    from verifier.pull.sources.exchange import Answer, Exchange

_PAGES = 16
_PAGE = 1024  # bundles
_SIZE = 64 << 20  # of all pages
_NOT_FOUND = "not-found"


class ServiceSource:
    """One service. Safe in many threads."""

    name = "service"

    def __init__(self, settings: ServiceSettings) -> None:
        """Ask the service of these settings; files that they name are read when it is asked."""
        from verifier.pull.sources.exchange import Exchange

        self._exchange: Exchange = Exchange(settings)

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what the service has about the image, all of its pages; `Source` says more.

        Raises:
            PullError: it does not answer in time, does not let us ask, or is no service.
        """
        until = time.monotonic() + left_s
        start, size = 0, 0
        for _ in range(_PAGES):
            path = f"/v1/bundles/{question.digest}?repository={question.repository}&start={start}"
            answer = self._exchange.get(path, until, limits.FETCHED)
            if answer.status == 404 and code_of(answer) == _NOT_FOUND:
                return
            if answer.status != 200:
                raise refusal_of(answer, self._exchange.url)
            size += len(answer.body)
            if size > _SIZE:
                raise ServiceAnswerError(f"expected at most {_SIZE} bytes of bundles, found more")
            found, after = _page(answer)
            yield from found
            if not after:
                return
            if after <= start:
                raise ServiceAnswerError(f"expected a page after {start}, found {after}")
            start = after
        raise ServiceAnswerError(f"expected at most {_PAGES} pages, found more")


def _page(answer: Answer) -> tuple[list[bytes], int]:
    try:
        fields = Fields(json_object(answer.body, limit=limits.FETCHED, floats=True), "bundles")
        found = fields.items("bundles", most=_PAGE)
        return [json.dumps(one, separators=(",", ":")).encode() for one in found], fields.number(
            "next"
        )
    except MalformedError as e:
        raise ServiceAnswerError(f"not a page of bundles: {e.message}") from e


def code_of(answer: Answer) -> str:
    """Return the code in a refusal of our service; "" of an answer that is none."""
    try:
        return Fields(json_object(answer.body, limit=limits.FETCHED), "refusal").text("code")
    except VerificationError:
        return ""


def refusal_of(answer: Answer, url: str) -> VerificationError:
    """Return what an answer that is no success means."""
    code = code_of(answer)
    told = f"{url} answers {answer.status}" + (f", {code}" if code else "")
    if answer.status in (401, 403):
        return ServiceAccessError(told)
    if answer.status in (429, 502, 503, 504):
        return ServiceBusyError(told)
    return ServiceAnswerError(told, hint="is url in [service] that of a Sealbook service?")
