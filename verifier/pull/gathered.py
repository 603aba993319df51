"""What was found about one image at pull time, source by source, and what it is worth.

After each source all that counts is judged together. What does not count is put aside, so that
however much junk one source has, it takes nothing away from the next.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import InternalError, LimitError, RevokedError, VerificationError
from verifier.pull.decision import Decision
from verifier.pull.errors import PullTimeoutError, TooManySignaturesError, UnsignedError
from verifier.verdict import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verifier.pull.beliefs import Believed
    from verifier.pull.decision import Question, Source
    from verifier.verdict import Verdict


class Gathered:
    """What was found about one image, and what it is worth so far.

    `counting` are the bundles that are good, whether or not they are enough.
    """

    def __init__(self, question: Question, believed: Believed) -> None:
        """Nothing was found yet about `question`, to be judged under what is `believed`."""
        self._question = question
        self._judge = believed.verifier.judge
        self.counting: list[bytes] = []
        self._refused: list[bytes] = []  # no more than are judged at once, for the reason
        self._seen: set[bytes] = set()
        self._troubles: list[tuple[str, VerificationError]] = []
        self._verdict: Verdict | None = None

    def collected(self, source: Source, left_s: float) -> list[bytes]:
        """Return what a source has that is new, at most as many as are judged."""
        found: list[bytes] = []
        try:
            for one in _bounded(source.bundles(self._question, left_s), left_s):
                if len(one) > limits.CANDIDATE:
                    big = LimitError(f"expected at most {limits.CANDIDATE} bytes of bundle")
                    self._troubles.append((source.name, big))
                    continue
                name = hashlib.sha256(one).digest()
                if name not in self._seen:
                    self._seen.add(name)
                    found.append(one)
        except VerificationError as e:
            self._troubles.append((source.name, e))
        except Exception as e:  # noqa: BLE001  another source may still have what is needed
            bug = InternalError(f"{type(e).__name__}: {e}")
            self._troubles.append((source.name, bug))
        return found

    def remembered(self, found: Iterable[bytes]) -> bool:
        """Judge what was good once; whether every rule is met. What is not is as if never seen.

        Raises:
            VerificationError: what no bundle can change.
        """
        met = self.enough(found)
        self._refused.clear()
        self._seen.update(hashlib.sha256(one).digest() for one in self.counting)
        return met

    def enough(self, found: Iterable[bytes]) -> bool:
        """Judge `found` with all that counted so far; whether every rule is met.

        Raises:
            VerificationError: what no further bundle can change.
        """
        left = list(found)
        while True:
            room = limits.CANDIDATES - len(self.counting)
            if left and not room:
                e = TooManySignaturesError(f"expected at most {limits.CANDIDATES} that count")
                self._troubles.append(("all together", e))
                return False
            met = self._heard([*self.counting, *left[:room]])
            left = left[room:]
            if met or not left:
                return met

    def _heard(self, waiting: list[bytes]) -> bool:
        """Judge these, of which the first counted before; put aside what does not."""
        try:
            verdict = self._judge(waiting, self._question.digest, self._question.repository)
        except RefusedError as e:
            verdict = e.verdict
        self._verdict = verdict
        numbers = {one.number for one in verdict.refused}
        self.counting = [one for i, one in enumerate(waiting) if i not in numbers]
        junk = [one for i, one in enumerate(waiting) if i in numbers]
        self._refused += junk[: limits.CANDIDATES - len(self._refused)]
        return verdict.met

    def yes(self) -> Decision:
        """Return the yes, after `enough`."""
        digest, repository = self._question
        return Decision(allowed=True, digest=digest, repository=repository, verdict=self._verdict)

    def rest(self) -> Decision:
        """Return what is to be said when every source was asked and it is not enough."""
        digest, repository = self._question
        waiting = [*self.counting, *self._refused][: limits.CANDIDATES]
        try:
            verdict = self._judge(waiting, digest, repository)
        except RefusedError as e:
            error: VerificationError = self._why(e, nothing=not waiting)
            return no(self._question, error)._replace(verdict=e.verdict)
        missing = next((one for one in verdict.answers if not one.met), None)
        if missing is None:
            return Decision(allowed=True, digest=digest, repository=repository, verdict=verdict)
        told = f"{missing.told}; {verdict.broken_glass}" if verdict.broken_glass else missing.told
        return Decision(
            allowed=True,
            digest=digest,
            repository=repository,
            code=missing.code,
            message=told,
            hint=missing.hint,
            verdict=verdict,
        )

    def _why(self, refused: RefusedError, *, nothing: bool) -> VerificationError:
        """Return the reason for the no: what could not be asked, before what was found wanting.

        But that something was revoked is the reason whatever else there is.
        """
        told = [f"{name}: {e.message} ({e.code})" for name, e in self._troubles]
        if nothing and not told:
            return UnsignedError(f"nobody has a signature of it: {refused.message}")
        codes = {one.code for one in refused.verdict.refused}
        code, hint = refused.code, refused.hint
        if told:
            code, hint = self._troubles[0][1].code, self._troubles[0][1].hint
        elif len(codes) == 1 and not self.counting:
            (code,) = codes
        if RevokedError.code in codes:
            code, hint = RevokedError.code, ""
        # The code of the whole stands at its end, and need not be said twice.
        told = [one.removesuffix(f" ({code})") if len(told) == 1 else one for one in told]
        error = VerificationError("; ".join([refused.message, *told]), hint=hint)
        error.code = code
        return error


def _bounded(found: Iterable[bytes], left_s: float) -> Iterator[bytes]:
    """Yield what is found, no more than is judged, until the time is over.

    Raises:
        TooManySignaturesError, PullTimeoutError: that was not all.
    """
    until = time.monotonic() + left_s
    for number, one in enumerate(found):
        if number >= limits.CANDIDATES:
            raise TooManySignaturesError(
                f"expected at most {limits.CANDIDATES} bundles, found more"
            )
        yield one
        if time.monotonic() > until:
            raise PullTimeoutError(f"expected all of it in {left_s:.3g} s")


def no(question: Question, error: VerificationError) -> Decision:
    """Return the no that `error` says."""
    digest, repository = question
    return Decision(
        allowed=False,
        digest=digest,
        repository=repository,
        code=error.code,
        message=error.message,
        hint=error.hint,
    )
