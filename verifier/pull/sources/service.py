"""Bundles from our service, by digest: GET /v1/bundles/DIGEST?repository=…&start=….

No credentials of the registry are needed. One deadline holds for all of it: a peer that sends
a byte a second ends with it. The standard library asks, because it is there at once.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier._strict import Fields, b64, json_object
from verifier.errors import MalformedError, VerificationError
from verifier.pull.errors import ServiceAccessError, ServiceAnswerError, ServiceBusyError
from verifier.statement import APPROVAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.pull.decision import Question
    from verifier.pull.settings import ServiceSettings
    from verifier.pull.sources.exchange import Answer, Exchange

_PAGES = 16
_PAGE = 1024  # bundles
_SIZE = 64 << 20  # of all pages
_NOT_FOUND = "not-found"
_PREDICATE_TYPE = re.compile(rb'"predicateType"\s*:\s*"([!-~]{1,255}?)"')


class _Found(NamedTuple):
    kind: str
    bundle: bytes


class ServiceSource:
    """One service. Safe in many threads."""

    name = "service"

    def __init__(self, settings: ServiceSettings, form: str = "") -> None:
        """Ask the service of these settings; files that they name are read when it is asked.

        With a `form` it is asked for signatures in that form instead of for bundles.
        """
        from verifier.pull.sources.exchange import Exchange

        self._exchange: Exchange = Exchange(settings)
        self._form = f"&form={form}" if form else ""

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what the service has about the image, all of its pages; `Source` says more.

        Raises:
            PullError: it does not answer in time, does not let us ask, or is no service.
        """
        found: list[_Found] = []
        try:
            for page in self._pages(question, time.monotonic() + left_s):
                found += page
        except VerificationError:
            yield from _likeliest(found)
            raise
        yield from _likeliest(found)

    def _pages(self, question: Question, until: float) -> Iterator[list[_Found]]:
        start, size = 0, 0
        for _ in range(_PAGES):
            asked = f"repository={question.repository}&start={start}{self._form}"
            answer = self._exchange.get(
                f"/v1/bundles/{question.digest}?{asked}", until, limits.FETCHED
            )
            if answer.status == 404 and code_of(answer) == _NOT_FOUND:
                return
            if answer.status != 200:
                raise refusal_of(answer, self._exchange.url)
            size += len(answer.body)
            if size > _SIZE:
                raise ServiceAnswerError(f"expected at most {_SIZE} bytes of bundles, found more")
            found, after = _page(answer)
            yield found
            if not after:
                return
            if after <= start:
                raise ServiceAnswerError(f"expected a page after {start}, found {after}")
            start = after
        raise ServiceAnswerError(f"expected at most {_PAGES} pages, found more")


def _page(answer: Answer) -> tuple[list[_Found], int]:
    try:
        fields = Fields(json_object(answer.body, limit=limits.FETCHED, floats=True), "bundles")
        bundles = fields.items("bundles", most=_PAGE)
        after = fields.number("next")
    except MalformedError as e:
        raise ServiceAnswerError(f"not a page of bundles: {e.message}") from e
    return [
        _Found(_kind(one), json.dumps(one, separators=(",", ":")).encode()) for one in bundles
    ], after


def _kind(bundle: object) -> str:
    """Return the type of what a bundle says, by its own word; "" of what says none."""
    try:
        envelope = Fields(bundle, "bundle").inside("dsseEnvelope")
        said = _PREDICATE_TYPE.search(b64(envelope.text("payload")))
    except MalformedError:
        return ""
    return said[1].decode() if said else ""


def _likeliest(found: Sequence[_Found]) -> Iterator[bytes]:
    """Yield the newest of each kind, approvals first, then the second newest of each, and so on.

    A service has them oldest first; an image that is scanned each night has hundreds, of which
    a policy asks for the newest, and for an SBOM that was signed before all of them.
    """
    kinds: dict[str, list[bytes]] = {APPROVAL: []}
    for one in found:
        kinds.setdefault(one.kind, []).append(one.bundle)
    while any(kinds.values()):
        for bundles in kinds.values():
            if bundles:
                yield bundles.pop()


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
