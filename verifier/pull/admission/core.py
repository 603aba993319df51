"""The judge of a review: may this object run, and with its images named how.

    POST /mutate    each tag is resolved once, what it is is judged, and the name is pinned to it
    POST /validate  each image is named by a digest by now, and is judged

So what was judged is what runs: a tag that is moved afterwards moves nothing. In a cluster with
only the second webhook, or with `tags = "refuse"`, a tag is refused.

An image is judged by the gate, once for all who ask meanwhile. All of an object's images are
judged side by side, each has its own time, and together they have less than the cluster waits.
Whatever goes wrong is a no, and so is a bug.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from verifier.digest import Digest
from verifier.errors import (
    InternalError,
    MalformedError,
    RevokedError,
    SplitViewError,
    VerificationError,
)
from verifier.pull.admission import answers
from verifier.pull.admission.answers import Change, Outcome
from verifier.pull.admission.containers import Named, pod_spec
from verifier.pull.admission.errands import Errands, Judge, Resolves
from verifier.pull.admission.errors import ReviewError
from verifier.pull.admission.judging import Judged
from verifier.pull.admission.logins import Puller
from verifier.pull.admission.references import parse_reference
from verifier.pull.admission.review import Review, parse_review
from verifier.pull.admission.settings import AdmissionSettings

_LOOKED_AT = ("CREATE", "UPDATE")
_ANSWERING = 0.97  # of the time; the rest is for writing the answer
# Not even where refusals are only told: somebody took it back, or we cannot tell.
_NEVER_ONLY_TOLD = (RevokedError.code, SplitViewError.code, InternalError.code)


class Core:
    """Judges reviews for one cluster, in as many threads as call it."""

    def __init__(
        self,
        judge: Judge,
        settings: AdmissionSettings,
        resolver: Resolves,
        *,
        closes: Callable[[], None] = lambda: None,
    ) -> None:
        """Judge images by `judge`; tags are what `resolver` says."""
        self._settings = settings
        self._closes = closes
        self._errands = Errands(judge, resolver)

    def decide(self, body: bytes, *, mutating: bool, left_s: float | None = None) -> bytes:
        """Return the answer to a review, whatever it is. Never raises."""
        limit_s = self._settings.deadline_s if left_s is None else left_s
        try:
            return json.dumps(self(body, mutating=mutating, left_s=limit_s).review).encode()
        except MalformedError as e:
            return json.dumps(answers.bad_request(e)).encode()
        except Exception:  # noqa: BLE001  a bug must not look like a yes
            return answers.LAST

    def __call__(self, body: bytes, *, mutating: bool, left_s: float) -> Judged:
        """Answer the AdmissionReview `body` within `left_s`, or what is configured if that is less.

        Raises:
            MalformedError: it is no AdmissionReview v1.
        """
        until = time.monotonic() + min(left_s, self._settings.deadline_s) * _ANSWERING
        try:
            review = parse_review(body)
        except MalformedError:
            raise
        except Exception as e:
            raise ReviewError(f"the review cannot be read: {type(e).__name__}") from e
        try:
            return self._judged(review, until, mutating=mutating)
        except VerificationError as e:
            return self._whole(review, e)
        except Exception as e:  # noqa: BLE001  a bug must not look like a yes
            return self._whole(review, InternalError(f"{type(e).__name__}: {e}"))

    def close(self) -> None:
        """Let go of the cluster's API; what still goes on ends by its deadline."""
        self._closes()

    def _judged(self, review: Review, until: float, *, mutating: bool) -> Judged:
        """Judge one review.

        1. What takes away, or looks into, what runs already is let through by rule, and so is
           whatever is in a namespace that is excluded.
        2. Which images are named in it? A kind or shape that we do not know is a no.
        3. What is decided of each? All are asked about side by side.
        4. One no is a no to the object; where refusals are only told, it is told.
        5. What was named by a tag is named by what was judged.
        """
        # 1.
        if review.operation not in _LOOKED_AT or review.namespace in self._settings.exclude:
            return _yes(review, answers.allowed(review.uid))
        # 2.
        spec = pod_spec(review)
        # 3.
        pins = mutating and self._settings.pins
        decisions = self._errands.run(
            [one.image for one in spec.named],
            Puller(review.namespace, spec.service_account, spec.pull_secrets),
            min(until, time.monotonic() + self._settings.image_s),
            takes_tags=pins,
        )
        # 4.
        outcomes = [
            self._perhaps_told(review, Outcome(one.where, one.image, decisions[one.image]))
            for one in spec.named
        ]
        if any(not one.decision.allowed for one in outcomes):
            return _no(review, outcomes)
        # 5.
        changes = _pinned(spec.named, outcomes) if pins else []
        warned = [one for one in outcomes if one.decision.code]
        return _yes(review, answers.allowed(review.uid, changes, warned), outcomes)

    def _only_tells(self, review: Review, code: str) -> bool:
        return review.namespace in self._settings.warn and code not in _NEVER_ONLY_TOLD

    def _perhaps_told(self, review: Review, outcome: Outcome) -> Outcome:
        if outcome.decision.allowed or not self._only_tells(review, outcome.decision.code):
            return outcome
        return outcome._replace(decision=outcome.decision._replace(allowed=True))

    def _whole(self, review: Review, error: VerificationError) -> Judged:
        """Answer about an object in which no image was looked at."""
        if self._only_tells(review, error.code):
            told = Outcome(review.what, "", answers.refusal(error))
            return _yes(review, answers.allowed(review.uid, (), [told]))
        return Judged(
            answers.refused_whole(review.uid, error),
            allowed=False,
            uid=review.uid,
            namespace=review.namespace,
            what=review.what,
            code=error.code,
            message=error.message,
            dry_run=review.is_dry,
        )


def _pinned(named: Sequence[Named], outcomes: Sequence[Outcome]) -> list[Change]:
    """Return what must change so that what was judged is what runs."""
    changes = []
    for one, outcome in zip(named, outcomes, strict=True):
        digest = outcome.decision.digest
        if not digest:
            continue  # nobody could say what it is, which is only told here
        reference = parse_reference(one.image)
        if reference.digest is None:
            changes.append(Change(one.pointer, reference.pinned(Digest(digest)), one.image))
    return changes


def _yes(review: Review, answer: dict[str, Any], outcomes: Sequence[Outcome] = ()) -> Judged:
    return Judged(
        answer,
        allowed=True,
        uid=review.uid,
        namespace=review.namespace,
        what=review.what,
        decisions=tuple(one.decision for one in outcomes),
        dry_run=review.is_dry,
    )


def _no(review: Review, outcomes: Sequence[Outcome]) -> Judged:
    stopped = [one for one in outcomes if not one.decision.allowed]
    return Judged(
        answers.refused(review.uid, stopped, len(outcomes)),
        allowed=False,
        uid=review.uid,
        namespace=review.namespace,
        what=review.what,
        code=stopped[0].decision.code,
        message=stopped[0].line,
        decisions=tuple(one.decision for one in outcomes),
        dry_run=review.is_dry,
    )
