"""Are the files that we believe current? Each comparison fails for a clock without a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import NotYetValidError, TrustExpiredError, TrustStaleError
from verifier.spans import span

if TYPE_CHECKING:
    from verifier.trust import TrustRoot
    from verifier.trust.status import Status

MAX_AGE_S = 7 * 86_400  # of a status file, when no policy says


def check_fresh(trust: TrustRoot, status: Status | None, max_age_s: int, now: float) -> None:
    """Check that at `now`, POSIX seconds, `trust` has not expired and `status` is young enough.

    Raises:
        TrustExpiredError, TrustStaleError: one of them is too old.
        NotYetValidError: one of them is from the future.
    """
    if not now < trust.expires:
        raise TrustExpiredError(f"trust file version {trust.version} has expired")
    if not trust.issued <= now + limits.CLOCK_SKEW_S:
        raise NotYetValidError(f"trust file version {trust.version} is from the future")
    if status is None:
        return
    payload = status.payload
    if not payload.issued <= now + limits.CLOCK_SKEW_S:
        raise NotYetValidError(f"status file version {payload.version} is from the future")
    if not now - payload.issued <= max_age_s:
        raise TrustStaleError(
            f"the status file is {span(now - payload.issued)} old, "
            f"expected at most {span(max_age_s)}"
        )


def warnings(status: Status | None, max_age_s: int, now: float) -> tuple[str, ...]:
    """Return what should be seen to before it becomes a refusal."""
    if status is None:
        return ("nothing says what was revoked: there is no status file",)
    age = now - status.payload.issued
    if 2 * age > max_age_s:
        end = span(max_age_s)
        return (f"the status file is {span(age)} old, at {end} everything is refused",)
    return ()
