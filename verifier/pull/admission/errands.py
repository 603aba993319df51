"""From the name of an image to what is decided of it: a tag is resolved, a digest is judged.

Errands of one review go on side by side, and share what others have begun. Two steps at most:

    registry.example/web:1.4   what is it now?  -> sha256:…   may it run?  -> yes or no
    …/web@sha256:…                                            may it run?  -> yes or no
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from verifier.digest import Digest
from verifier.errors import InternalError, VerificationError
from verifier.pull.admission.answers import refusal
from verifier.pull.admission.errors import TagError, TooLateError
from verifier.pull.admission.flights import Flights
from verifier.pull.admission.logins import Puller
from verifier.pull.admission.references import Reference, parse_reference
from verifier.pull.decision import Decision, Question
from verifier.pull.place import RegistryPlace
from verifier.pull.registry.deadline import Deadline

_AHEAD = 0.93  # of the time is for whoever is asked: so they can still say what they wait for


class Judge(Protocol):
    """Whoever says whether an image may run."""

    def decide(self, question: Question, puller: Puller, deadline_s: float) -> Decision:
        """Return the decision, in time; never raises."""


class Resolves(Protocol):
    """Whoever knows what tags are."""

    def resolve(self, place: RegistryPlace, puller: Puller, deadline: Deadline) -> Digest:
        """Return the digest, or raise an `ImagesError`."""


class Errands:
    """Runs them; safe in many threads."""

    def __init__(self, judge: Judge, resolver: Resolves) -> None:
        """Begin nothing yet."""
        self._judge, self._resolver = judge, resolver
        self._flights = Flights()

    def run(
        self, images: Iterable[str], puller: Puller, until: float, *, takes_tags: bool
    ) -> dict[str, Decision]:
        """Return what is decided of each image `until` then, on the monotonic clock.

        An image for which there is no time left is a no, and so is a tag unless `takes_tags`.
        """
        errands = {
            image: _Errand(image, puller, until, takes_tags=takes_tags) for image in set(images)
        }
        going: dict[Future[Digest | Decision], list[_Errand]] = {}
        for errand in errands.values():
            self._step(errand, None, going)
        while going:
            done, _ = wait(going, max(until - time.monotonic(), 0), FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                for errand in going.pop(future):
                    self._step(errand, future, going)
        return {image: one.decision or one.late() for image, one in errands.items()}

    def _step(
        self,
        errand: _Errand,
        done: Future[Digest | Decision] | None,
        going: dict[Future[Digest | Decision], list[_Errand]],
    ) -> None:
        """Take an errand on, with what it waited for; it is decided then, or waits again."""
        try:
            future = self._begun(errand) if done is None else self._gone_on(errand, done.result(0))
        except VerificationError as e:
            errand.decision = errand.no(e)
        except BaseException as e:  # noqa: BLE001  a bug must not look like a yes
            errand.decision = errand.no(InternalError(f"{type(e).__name__}: {e}"))
        else:
            if future is not None:
                going.setdefault(future, []).append(errand)

    def _begun(self, errand: _Errand) -> Future[Digest | Decision]:
        errand.reference = parse_reference(errand.image)
        place, puller = errand.place, errand.puller
        if place.digest is not None:
            return self._judged(errand, place.digest)
        errand.check_tag()
        return self._flights.join(
            ("tag", place, puller),
            lambda: self._resolver.resolve(place, puller, errand.deadline(place)),
            errand.lane,
        )

    def _gone_on(self, errand: _Errand, found: object) -> Future[Digest | Decision] | None:
        if errand.question is None:
            if not isinstance(found, Digest):
                raise InternalError("expected what the tag is, found something else")
            return self._judged(errand, found)
        if not isinstance(found, Decision):
            raise InternalError("expected a decision, found something else")
        if (found.digest, found.repository) != errand.question:
            raise InternalError("the decision is about another image than was asked about")
        errand.decision = found
        return None

    def _judged(self, errand: _Errand, digest: Digest) -> Future[Digest | Decision]:
        puller = errand.puller
        question = errand.question = Question(digest, errand.place.repository)
        return self._flights.join(
            ("image", question, puller),
            lambda: self._judge.decide(question, puller, errand.left_s()),
            errand.lane,
        )


class _Errand:
    """One image of one review."""

    def __init__(self, image: str, puller: Puller, until: float, *, takes_tags: bool) -> None:
        self.image, self.puller = image, puller
        self._until, self._takes_tags = until, takes_tags
        self.reference: Reference | None = None
        self.question: Question | None = None
        self.decision: Decision | None = None

    @property
    def place(self) -> RegistryPlace:
        assert self.reference is not None
        return self.reference.place

    @property
    def lane(self) -> str:
        return self.place.repository.partition("/")[0]

    def left_s(self) -> float:
        """Return how long whoever is asked may take; raises `TooLateError` if not at all."""
        left_s = (self._until - time.monotonic()) * _AHEAD
        if left_s <= 0:
            raise TooLateError("there was no time left to ask")
        return left_s

    def deadline(self, place: RegistryPlace) -> Deadline:
        return Deadline(round(self.left_s(), 2), f"resolving {place}")

    def check_tag(self) -> None:
        """Check that the image need not be named by a digest by now; raises `TagError`."""
        if not self._takes_tags:
            raise TagError(
                f"expected a digest, found the tag {self.place.tag}: it may be another image when "
                "it is pulled",
                hint=f"write {self.place}@sha256:…, or let the mutating webhook do so",
            )

    def late(self) -> Decision:
        what = "what its tag is" if self.question is None else "whether it may run"
        return self.no(TooLateError(f"nobody said in time {what}"))

    def no(self, error: VerificationError) -> Decision:
        """Return the no that `error` is, about what is known of the image."""
        repository = "" if self.reference is None else self.place.repository
        digest = "" if self.question is None else self.question.digest
        return refusal(error)._replace(digest=digest, repository=repository)
