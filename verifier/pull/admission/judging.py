"""The seam between what judges a review and what speaks HTTP."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from verifier.pull.decision import Decision


class Judged(NamedTuple):
    """One review, answered.

    `review` is the whole AdmissionReview to send. `what` says what was asked about, in one line:
    "Pod shop/web-1". `code` is of the first refusal, empty if it is allowed; there may be one
    without a decision, of a tag that nobody could resolve.
    """

    review: dict[str, Any]
    allowed: bool
    uid: str
    namespace: str
    what: str
    code: str = ""
    message: str = ""
    decisions: tuple[Decision, ...] = ()
    dry_run: bool = False  # nothing will run: nobody is told


class Judge(Protocol):
    """Answers reviews; in many threads at once."""

    def __call__(self, body: bytes, *, mutating: bool, left_s: float) -> Judged:
        """Answer the AdmissionReview `body` within `left_s`.

        Raises:
            MalformedError: it is no AdmissionReview v1 that could be answered.
        """
