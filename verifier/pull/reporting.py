"""Telling the service what was let run and what was not, if the host's settings say so.

Only counts leave the host: how often which repository was allowed, warned of or refused, and by
which code. No digest, no tag, no name of a host, a node, a namespace or a user.

Here it is counted in memory, for what stays, and a thread of its own tells now and then; for a
process that is gone in a moment there is `verifier.pull.spool`.

Nobody waits for any of it, and whoever decides learns nothing of it: what fails is told later,
or never. What may have arrived is not told again, so that little is ever counted twice. All of it
is bounded: of more repositories than `ROWS` only the sum is told.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verifier.pull.decision import Decision
    from verifier.pull.settings import PullSettings
    from verifier.pull.sources.exchange import Exchange

    Row = tuple[str, str, str]  # outcome, code, repository

ROWS = 1024
EVERY_S = 60.0
_LONGEST_S = 900.0
_PATIENCE_S = 20.0  # for the service
_AT_ONCE = 256  # rows, and
_MOST = 1_000_000  # of each: what the service takes
_ANSWER = 64 << 10
_TAKEN = range(200, 300)


def row_of(decision: Decision) -> Row:
    """Return what of a decision is told."""
    if not decision.allowed:
        return "refused", decision.code, str(decision.repository)
    return ("warned" if decision.code else "allowed"), decision.code, str(decision.repository)


class Counts:
    """How often each was decided; of more than `ROWS` only the sum is known."""

    def __init__(self) -> None:
        """Start at zero."""
        self.rows: dict[Row, int] = {}

    def add(self, row: Row, times: int = 1) -> None:
        """Count a decision."""
        if row not in self.rows and len(self.rows) >= ROWS:
            row = (row[0], row[1] and "other", "")
        self.rows[row] = min(self.rows.get(row, 0) + times, _MOST)

    def batches(self) -> Iterator[dict[Row, int]]:
        """Yield them, as many at once as the service takes."""
        items = list(self.rows.items())
        for start in range(0, len(items), _AT_ONCE):
            yield dict(items[start : start + _AT_ONCE])


def _on_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Reporter:
    """Counts for a process that stays, and tells now and then. Safe in many threads."""

    def __init__(
        self,
        settings: PullSettings,
        every_s: float = EVERY_S,
        complain: Callable[[str], object] = _on_standard_error,
    ) -> None:
        """Tell the service of `settings` each `every_s`; nobody, when they do not say so.

        A service that takes no counts from us is complained of once, until it takes some.
        """
        import threading

        self._complain = complain
        self._refused = 0

        self._service = settings.service if settings.report else None
        self._closed = False
        self._every_s = every_s
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._counts = Counts()
        self._thread: threading.Thread | None = None
        self._exchange: Exchange | None = None

    def note(self, decision: Decision) -> None:
        """Count a decision; never waits for anything but memory, and never raises."""
        if self._service is None or self._closed:
            return
        try:
            with self._lock:
                self._counts.add(row_of(decision))
                if self._thread is None:
                    self._start()
        except Exception:  # noqa: BLE001, S110  whoever decides must not notice
            pass

    def close(self, patience_s: float = 2.0) -> None:
        """Tell what is left, if that is done in `patience_s`, and nothing any more."""
        self._closed = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(patience_s)

    def _start(self) -> None:
        import threading

        self._thread = threading.Thread(target=self._keep, name="sealbook-report", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        wait_s = self._every_s
        while True:
            # Hosts that were started together do not all tell at once.
            last = self._woken.wait(wait_s * (0.5 + os.urandom(1)[0] / 255))
            wait_s = self._every_s if self._tell() else min(wait_s * 2, _LONGEST_S)
            if last:
                return

    def _tell(self) -> bool:
        """Tell what was counted; whether the service was there to be told."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        if not counts.rows:
            return True
        statuses: list[int] = []
        try:
            left = told(self._asked(), counts, statuses.append)
            self._notice(statuses)
        except Exception:  # noqa: BLE001  the thread goes on, whatever it was
            return False
        with self._lock:
            for row, times in left.rows.items():
                self._counts.add(row, times)
        return not left.rows

    def _notice(self, statuses: list[int]) -> None:
        """Complain of the first refusal after something was taken."""
        refused = next((one for one in statuses if one not in _TAKEN), 0)
        if refused and not self._refused:
            self._complain(
                f"sealbook: the service takes no counts of pulls from us: HTTP {refused}"
            )
        if statuses:
            self._refused = refused

    def _asked(self) -> Exchange:
        if self._exchange is None:
            from verifier.pull.sources.exchange import Exchange

            assert self._service is not None
            self._exchange = Exchange(self._service)
        return self._exchange


def told(
    exchange: Exchange, counts: Counts, ended: Callable[[int], object] = lambda _: None
) -> Counts:
    """Tell the service, and return what is to be told later; `ended` learns how else it ended."""
    import json

    from verifier.errors import VerificationError
    from verifier.pull.errors import ServiceUnreachableError

    left = Counts()
    until = time.monotonic() + _PATIENCE_S
    later = False
    for batch in counts.batches():
        if not later:
            body = json.dumps({"pulls": [_message(row, n) for row, n in batch.items()]}).encode()
            try:
                answer = exchange.send("POST", "/v1/pulls", body, until, _ANSWER)
                later = answer.status in (429, 502, 503, 504)
                if not later:
                    ended(answer.status)
            except ServiceUnreachableError:
                later = True
            except VerificationError:
                continue  # it may have arrived
        if later:
            for row, times in batch.items():
                left.add(row, times)
    return left


def _message(row: Row, times: int) -> dict[str, object]:
    outcome, code, repository = row
    return {
        "repository": repository,
        "outcome": f"OUTCOME_{outcome.upper()}",
        "code": code,
        "count": times,
    }
