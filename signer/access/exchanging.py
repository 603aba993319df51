"""Exchange: the main flow of a login.

1. The token is by a configured issuer, about us, and holds now; it was not used before.
2. It may be used over this connection, and what it says of its holder can be said in a statement.
3. The bindings in force give its holder something to do. A name that is pinned to an id, and is
   nobody's yet, becomes the holder's: that is an event of the ledger, and the only thing for
   which a login ever waits for it.
4. It is decided, and on the disk, that its holder gets a session.
5. The token counts no more and the session counts: both, durably, or nothing.

One token that comes a hundred times at once becomes one session: step 5 is a single transaction.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from signer.access.judged import Judged
from signer.access.oidc import Verified
from signer.access.pins import Asked
from signer.access.principal import Caller, Principal
from signer.access.sessions import New, Sessions
from signer.access.state import State
from signer.audit_trail.trail import Trail
from signer.errors import PermissionDeniedError, RateError, UnauthenticatedError
from signer.events import Events
from signer.request import requester
from verifier import limits
from verifier._strict import plain
from verifier.errors import MalformedError

_VERIFIERS, _MOST_WAITING = 4, 256


class Vouching(Protocol):
    """Checks tokens of configured issuers."""

    def verify(self, token: str, now: float) -> Verified:
        """Return whom `token` is for; raises `UnauthenticatedError`. It may wait for a network."""


class Exchanged(NamedTuple):
    """A session that counts, and who its holder is."""

    session: New
    principal: Principal


class Exchanging:
    """Exchanges tokens for sessions. Runs on one event loop."""

    def __init__(
        self,
        state: State,
        issuers: Vouching,
        events: Events,
        trail: Trail,
        *,
        session_s: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take tokens of `issuers` for sessions of `session_s` in `state`."""
        self._state = state
        self._issuers = issuers
        self._events = events
        self._trail = trail
        self._session_s = session_s
        self._clock = clock
        self._pinning = asyncio.Lock()
        # An issuer that does not answer keeps nobody waiting but those who log in.
        self._verifiers = ThreadPoolExecutor(_VERIFIERS, "sealbook-tokens")
        self._waiting = 0

    async def exchange(self, token: str, caller: Caller) -> Exchanged:
        """Return a session for the holder of `token`, who calls.

        Raises:
            UnauthenticatedError: the token does not hold, was used before, or is for another
                client certificate.
            PermissionDeniedError: its holder is bound to nothing.
            RateError: too many log in at once.
            TrailError, AccessError, LedgerError: it could not be written down.
        """
        # 1.
        verified = await self._verified(token)
        await self._state.sessions.check(verified)  # of a flood of replays, few lines are told
        # 2.
        _check_certificate(verified, caller)
        # 3.
        judged = await self._judged(verified)
        principal = Sessions.principal(verified, judged, caller)
        _check_sayable(principal)
        new = self._state.sessions.new(verified, caller.certificate, self._session_s())
        # 4.
        rules = sorted({one.binding.rule for one in judged.placed})
        content = {"issuer": verified.issuer_name, "rules": rules, "expires_at": new.expires_at}
        with self._trail.decided(principal, "exchange", content):
            await asyncio.to_thread(self._trail.sync)
            # 5.
            await self._state.sessions.begin(new)
        return Exchanged(new, principal)

    def close(self) -> None:
        """Verify no more tokens."""
        self._verifiers.shutdown(wait=False, cancel_futures=True)

    async def _verified(self, token: str) -> Verified:
        if self._waiting >= _MOST_WAITING:
            raise RateError(f"expected at most {_MOST_WAITING} logins under way")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        try:
            verify = self._issuers.verify
            return await loop.run_in_executor(self._verifiers, verify, token, self._clock())
        finally:
            self._waiting -= 1

    async def _judged(self, verified: Verified) -> Judged:
        bindings, pins = self._state.bindings, self._state.pins
        asked = Asked(pins)
        judged = bindings.of_token(verified, asked)
        if asked.free:
            async with self._pinning:
                await pins.keep(self._events, asked.free)
            judged = bindings.of_token(verified, pins.keeps)  # somebody else may have been first
        if not judged.is_known:
            raise PermissionDeniedError(
                f"{verified.issuer}#{verified.subject} is bound to no role",
                hint="its claims are in no [[bindings]]: sealbook access bindings lists them",
            )
        return judged


def _check_certificate(verified: Verified, caller: Caller) -> None:
    """Check RFC 8705's confirmation, if the token has one."""
    wanted, shown = verified.confirmation.encode(), caller.thumbprint.encode()
    if wanted and not hmac.compare_digest(wanted, shown):
        raise UnauthenticatedError("the token is for the holder of another client certificate")


def _check_sayable(principal: Principal) -> None:
    """Check that statements can say who this is, so that verifiers can read them."""
    said = requester(principal)
    try:
        for value in said.values():
            plain(value)
    except MalformedError as e:
        raise UnauthenticatedError(f"the token's claims cannot be said: {e.message}") from e
    for name, value in said.items():
        if len(name) > limits.ANNOTATION_KEY or len(value.encode()) > limits.ANNOTATION_VALUE:
            raise UnauthenticatedError(f"the token's claim {name[:40]!r} is too long to be said")
