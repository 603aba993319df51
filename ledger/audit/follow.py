"""Following a ledger: audit, wait, audit again; and telling of what was looked for.

Delivery is at least once: a match is delivered before the pin moves past it, so
after a kill or a failed delivery the same match may come again, and none is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.audit.auditor import Report
from ledger.audit.finding import Finding
from ledger.audit.scan import Match
from ledger.errors import LedgerError
from ledger.transport import Request, Transport, TransportError
from verifier._strict import b64encode, canonical_json

_TRIES = 5
_PAUSE_S = 0.5  # before the second try; doubled before each further one
_ACCEPTED = range(200, 300)


class DeliveryError(LedgerError):
    """A match could not be delivered; the pin stays before it, so it is not lost."""

    code = "delivery-failed"
    hint = "it is tried again at the next audit"


class Poster:
    """Delivers matches as JSON, by POST.

    {"origin":"ledger.example","index":7,"labels":{…},"entry":"<b64>"}
    """

    def __init__(
        self, url: str, origin: str, transport: Transport, pause: Callable[[float], object]
    ) -> None:
        """Post to `url`; `pause` waits so many seconds between tries."""
        self._url = url
        self._origin = origin
        self._transport = transport
        self._pause = pause

    def __call__(self, match: Match) -> None:
        """Deliver one match.

        Raises:
            DeliveryError: the receiver did not accept it in a few tries.
        """
        request = Request(
            "POST",
            self._url,
            canonical_json(match_json(match, self._origin)),
            (("content-type", "application/json"),),
        )
        why = ""
        for attempt in range(_TRIES):
            if attempt:
                self._pause(_PAUSE_S * 2 ** (attempt - 1))
            try:
                status = self._transport(request).status
            except TransportError as e:
                why = e.message
                continue
            if status in _ACCEPTED:
                return
            why = f"status {status}"
        raise DeliveryError(f"entry {match.index}: {self._url} did not accept it: {why}")


def match_json(match: Match, origin: str) -> dict[str, object]:
    """Render a match as JSON values."""
    return {
        "origin": origin,
        "index": match.index,
        "labels": dict(match.labels),
        "entry": b64encode(match.entry),
    }


def follow(
    audit: Callable[[Callable[[Finding], None]], Report],
    *,
    tell: Callable[[Finding], None],
    done: Callable[[Report], None],
    trouble: Callable[[LedgerError], None],
    wait: Callable[[], bool],
) -> bool:
    """Audit until `wait`, called after each audit, says that it is enough.

    Each finding is told once, however often it is found. What does not answer is
    trouble, told, and tried again. Returns whether all was well: something could be
    audited, and nothing was found.
    """
    known: set[Finding] = set()
    audited = False

    def once(finding: Finding) -> None:
        if finding not in known:
            known.add(finding)
            tell(finding)

    while True:
        try:
            report = audit(once)
        except LedgerError as e:
            trouble(e)
        else:
            audited = True
            done(report)
        if wait():
            return audited and not known
