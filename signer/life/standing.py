"""Standing: what became of each version of each key, as the ledger has it.

A name's first version may come from the configuration, which the ledger knows nothing of until
something happens to it. From the first `key-activated` on, the ledger says which version signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from ledger.ledger import Ledger
from signer.events import logged
from verifier.trust.life import ACTIVATED, ADDED, RETIRED, Activated, Added, Announcement, Retired


class Announced(NamedTuple):
    """An announcement, and where it is in the ledger."""

    announcement: Announcement
    index: int  # type: ignore[assignment]  # tuple.index is not missed


class Known(NamedTuple):
    """What the ledger had at one time. `last` is its newest event about keys."""

    announced: Mapping[str, Announced] = {}  # by the hint of the key
    active: Mapping[str, Activated] = {}  # by name: the version that was put to use last
    active_at: Mapping[str, int] = {}  # and where that was logged
    used: frozenset[str] = frozenset()  # hints of all that ever were
    retired: Mapping[str, Retired] = {}  # by the hint of the key
    retired_at: Mapping[str, int] = {}  # and where that was logged
    last: int | None = None

    def versions(self, name: str) -> list[Announced]:
        """Return what was announced under `name`, the oldest version first."""
        found = (one for one in self.announced.values() if one.announcement.name == name)
        return sorted(found, key=lambda one: one.announcement.version)

    def waiting(self, name: str) -> Announced | None:
        """Return the version that was announced and neither put to use nor retired yet."""
        for one in reversed(self.versions(name)):
            hint = one.announcement.public.hint
            if hint not in self.used and hint not in self.retired:
                return one
        return None


class Standing:
    """The life of the keys of one ledger. Safe in many threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Know what `ledger` has now.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        self._ledger = ledger
        self._lock = Lock()
        self._last: dict[str, int | None] = dict.fromkeys((ADDED, ACTIVATED, RETIRED))
        self._known = Known()
        self.refresh()

    @property
    def known(self) -> Known:
        """What it was when it was last looked at."""
        return self._known

    def refresh(self) -> Known:
        """Return how it is now; raises like the constructor."""
        with self._lock:
            last, known = dict(self._last), self._known
            announced = dict(known.announced)
            for index, added in logged(self._ledger, ADDED, last[ADDED], Added.read):
                # One key is announced once: what another one says of it changes nothing.
                new = Announced(added.announcement, index)
                announced.setdefault(added.announcement.public.hint, new)
                last[ADDED] = index
            active, active_at, used = dict(known.active), dict(known.active_at), set(known.used)
            for index, started in logged(self._ledger, ACTIVATED, last[ACTIVATED], Activated.read):
                active[started.name], active_at[started.name] = started, index
                used.add(started.key)
                last[ACTIVATED] = index
            retired, retired_at = dict(known.retired), dict(known.retired_at)
            for index, ended in logged(self._ledger, RETIRED, last[RETIRED], Retired.read):
                retired.setdefault(ended.key, ended)
                retired_at.setdefault(ended.key, index)
                last[RETIRED] = index
            newest = max((one for one in last.values() if one is not None), default=None)
            self._known = Known(
                announced, active, active_at, frozenset(used), retired, retired_at, newest
            )
            self._last = last
            return self._known
