"""Counting what hosts tell, and telling it on: it decides nothing, and none of it is proven.

A service whose counters are broken signs all the same: whoever tells it something is refused.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from typing import Self

import structlog

from signer.config import Config
from signer.errors import PullsError
from signer.pulls.store import Outcome, Pulls, Store, Totals
from verifier.errors import SealbookError, VerificationError
from verifier.pull.errors import PullError

log = structlog.get_logger()

OTHER = "other"
SHOWN_DAYS = 7  # in the status
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


class Counting:
    """The counters of one service. Safe in many threads."""

    def __init__(
        self, path: Path, most_a_day: int, keep_days: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Count in the database at `path`; `close` it."""
        self._clock = clock
        self._codes = known_codes()
        self._lock = Lock()
        self._since_start: Counter[tuple[Outcome, str]] = Counter()
        self._store: Store | None = None
        self._broken: SealbookError | None = None
        try:
            self._store = Store(path, most_a_day, keep_days)
        except SealbookError as e:
            self._broken = e
            log.warning("pulls are not counted", error=e.message, hint=e.hint)

    @classmethod
    def over(cls, config: Config) -> Self:
        """Count as `config` says."""
        said = config.pulls
        return cls(config.path(said.database), said.most_a_day, said.keep_days)

    def close(self) -> None:
        """Close the database."""
        if self._store is not None:
            self._store.close()

    @property
    def today(self) -> int:
        """The day, from 1970-01-01 on."""
        return int(self._clock() // _DAY_S)

    def add(self, told: Iterable[Pulls]) -> None:
        """Count what a host told; codes that nobody knows are one.

        Raises:
            PullsError: it cannot be counted; nothing of it is.
        """
        rows: Counter[tuple[str, Outcome, str]] = Counter()
        for one in told:
            code = one.code if one.code in self._codes else OTHER
            rows[one.repository, one.outcome, code] += one.times
        self._opened.add(self.today, [Pulls(*key, count) for key, count in rows.items()])
        with self._lock:
            for (_, outcome, code), count in rows.items():
                self._since_start[outcome, code] += count

    def page(
        self, since: int, until: int, repository: str, after: tuple[int, str, int, str], limit: int
    ) -> list[tuple[int, Pulls]]:
        """Return rows as `Store.listed` does; raises `PullsError`."""
        return self._opened.listed(since, until, repository, after, limit)

    def since_start(self) -> dict[tuple[Outcome, str], int]:
        """Return what was told since the service started, by outcome and code."""
        with self._lock:
            return dict(self._since_start)

    def totals(self) -> Totals:
        """Return all of the last days; nothing when nobody can say."""
        try:
            return self._opened.totals(self.today - SHOWN_DAYS + 1)
        except SealbookError:
            return Totals()

    @property
    def _opened(self) -> Store:
        if self._store is None:
            why = self._broken.message if self._broken else "never opened"
            raise PullsError(f"pulls are not counted here: {why}")
        return self._store


def known_codes() -> frozenset[str]:
    """Return every reason for a no that a verifier of this version has; "" for none."""
    kinds: list[type[SealbookError]] = [VerificationError, PullError]
    for kind in kinds:  # grows meanwhile
        kinds += kind.__subclasses__()
    return frozenset(kind.code for kind in kinds) | {""}


def day_of(text: str) -> int:
    """Return the day in "2026-11-26"; raises `ValueError` when it is none."""
    found = date.fromisoformat(text)
    if found.isoformat() != text:
        raise ValueError(text)
    return found.toordinal() - _EPOCH


def day_told(day: int) -> str:
    """Print a day, as in "2026-11-26"."""
    return datetime.fromtimestamp(day * _DAY_S, UTC).date().isoformat()
