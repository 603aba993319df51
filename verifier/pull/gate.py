"""The gate: may this image run? There is always an answer, and always in time.

`Gate.decide` is the one question of pull time; whoever asks, a runtime's plugin, the daemon or
the admission webhook, asks here. Sources are asked in their order, and after each of them all
that was found so far is judged (`verifier.pull.gathered`).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import InternalError, RevokedError, SplitViewError, VerificationError
from verifier.pull.beliefs import Beliefs
from verifier.pull.decision import Decision
from verifier.pull.errors import PullBusyError, PullTimeoutError
from verifier.pull.gathered import Gathered, no
from verifier.pull.remembered import Remembered
from verifier.pull.sources import Late

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.pull.decision import Question, Source
    from verifier.pull.settings import PullSettings

_AT_ONCE = 512  # questions, those included whose askers have gone
_INSIDE = 0.95  # of the time is for asking, the rest for saying so
# No scope that only warns lets these pass: somebody took it back, or we cannot tell.
_NEVER_ONLY_WARNED = (RevokedError.code, SplitViewError.code, InternalError.code)


class Gate:
    """Answers under the settings of one host. Safe in many threads."""

    def __init__(
        self,
        settings: PullSettings,
        sources: Sequence[Source] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask the sources that `settings` name, or these; nothing is read or opened yet."""
        self._settings = settings
        self._sources: Sequence[Source] = (
            [Late(name, settings) for name in settings.sources] if sources is None else sources
        )
        self._beliefs = Beliefs(
            settings.trust,
            trusted_root=settings.trusted_root,
            example_keys=settings.example_keys,
            clock=clock,
        )
        self._remembered = Remembered(settings.cache, clock=clock)
        self._lock = threading.Lock()
        self._flights: dict[_Asked, _Flight] = {}
        self._flying = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are asked, in their order."""
        return tuple(one.name for one in self._sources)

    def ready(self) -> None:
        """Check that what is believed can be read, and is fresh.

        Raises:
            VerificationError: why every answer would be no.
        """
        self._beliefs.now()

    def decide(
        self,
        question: Question,
        deadline_s: float | None = None,
        *,
        instead: Sequence[Source] = (),
    ) -> Decision:
        """Return whether the image may run, `deadline_s` seconds from now at the latest.

        Never more than the settings allow. Who asks what is being asked waits for that answer.
        A source of `instead` is asked in place of the one of its name, if there is one: a pod
        has credentials of its own.
        """
        total_s = float(self._settings.deadline_s)
        if deadline_s is not None:
            total_s = min(total_s, deadline_s)
        until = time.monotonic() + total_s
        try:
            named = {one.name: one for one in instead}
            sources = tuple(named.get(one.name, one) for one in self._sources)
            decision = self._decided(_Asked(question, sources), until)
        except VerificationError as e:
            decision = no(question, e)
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # noqa: BLE001  a bug must not look like a yes
            decision = no(question, InternalError(f"{type(e).__name__}: {e}"))
        return self._perhaps_only_warned(question, decision)

    def _decided(self, asked: _Asked, until: float) -> Decision:
        """Return the answer of whoever is asking this already, or ask in a thread of its own.

        The thread is what makes the time certain: names are looked up, and disks are read, by
        calls that know no deadline.
        """
        while True:
            with self._lock:
                flight = self._flights.get(asked)
                mine = flight is None
                if flight is None:
                    if self._flying >= _AT_ONCE:
                        raise PullBusyError(f"expected at most {_AT_ONCE} questions at once")
                    flight = self._flights[asked] = _Flight(until)
                    self._flying += 1
            if mine:
                self._start(asked, flight)
            left_s = until - time.monotonic()
            if not flight.landed.wait(max(left_s, 0)) or flight.decision is None:
                raise PullTimeoutError(f"no answer in time; {flight.told}")
            # Whoever asked first may have had less time than we have.
            if mine or flight.decision.code != PullTimeoutError.code or flight.until >= until:
                return flight.decision

    def _start(self, asked: _Asked, flight: _Flight) -> None:
        def fly() -> None:
            try:
                flight.decision = self._answer(asked, flight)
            finally:
                self._land(asked, flight)

        try:
            threading.Thread(target=fly, name="sealbook-pull", daemon=True).start()
        except BaseException:
            self._land(asked, flight)
            raise

    def _land(self, asked: _Asked, flight: _Flight) -> None:
        with self._lock:
            self._flying -= 1
            if self._flights.get(asked) is flight:
                del self._flights[asked]
        flight.landed.set()

    def _answer(self, asked: _Asked, flight: _Flight) -> Decision:
        """Return the answer, whatever happens."""
        try:
            return self._sought(asked, flight)
        except VerificationError as e:
            return no(asked.question, e)
        except BaseException as e:  # noqa: BLE001  a bug must not look like a yes
            return no(asked.question, InternalError(f"{type(e).__name__}: {e}"))

    def _sought(self, asked: _Asked, flight: _Flight) -> Decision:
        """Ask and judge.

        1. What do we believe, and is it fresh?
        2. Was the same answered a moment ago?
        3. Is the image revoked, or is what is remembered of it enough?
        4. Each source in turn: what does it have, and is all of it together enough?
        5. The no, or the yes that a policy gives in spite of a rule that is not met.
        """
        question, sources = asked
        # 1.
        flight.told = "still reading what is believed"
        believed = self._beliefs.now()
        # 2.
        own = () if sources == tuple(self._sources) else sources
        memory = self._remembered.of(question, believed.version, own)
        known = memory.decision()
        if known is not None:
            return known
        # 3.
        gathered = Gathered(question, believed)
        if gathered.remembered(memory.bundles()):
            decision = gathered.yes()._replace(remembered=True)
            memory.keep(decision, gathered.counting)
            return decision
        # 4.
        names: list[str] = []
        for number, source in enumerate(sources):
            names.append(source.name)
            flight.told = f"still asking {source.name}"
            left_s = flight.left_s(inside=_INSIDE) / (len(sources) - number)
            if gathered.enough(gathered.collected(source, left_s)):
                decision = gathered.yes()._replace(sources=tuple(names))
                memory.keep(decision, gathered.counting)
                return decision
        # 5.
        flight.told = "still judging"
        decision = gathered.rest()._replace(sources=tuple(names))
        memory.keep(decision, gathered.counting)
        return decision

    def _perhaps_only_warned(self, question: Question, decision: Decision) -> Decision:
        if decision.allowed or decision.code in _NEVER_ONLY_WARNED:
            return decision
        if self._settings.only_warns(question.repository):
            return decision._replace(allowed=True)
        return decision


class _Asked(NamedTuple):
    """A question, and where to look for the answer."""

    question: Question
    sources: tuple[Source, ...]


class _Flight:
    """One question that is being asked; `told` is what is being done for it."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.landed = threading.Event()
        self.decision: Decision | None = None
        self.told = "nothing was begun"

    def left_s(self, inside: float = 1.0) -> float:
        """Return the seconds that are left, times `inside`.

        Raises:
            PullTimeoutError: none are.
        """
        left_s = (self.until - time.monotonic()) * inside
        if left_s <= 0:
            raise PullTimeoutError(f"no answer in time; {self.told}")
        return left_s
