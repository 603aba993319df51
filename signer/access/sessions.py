"""Sessions: what a token was exchanged for, at most 15 minutes.

    sbs_<43 characters of Base64url: 256 bits>

A secret is told once, and only its hash is kept. Looking a session up asks no database, so that
no Sign waits for one. What its holder may do is judged by the bindings in force, and judged
again after they changed. A session that was made over a client's certificate counts over no
other: neither the token nor the session is enough for a thief.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from signer.access import store
from signer.access.bindings import Bindings
from signer.access.judged import Judged
from signer.access.oidc import Verified
from signer.access.pins import Pins
from signer.access.principal import Caller, Principal
from signer.errors import AccessError, RateError, SessionError
from verifier import limits
from verifier._strict import Fields, canonical_json, json_object
from verifier.errors import VerificationError

PREFIX = "sbs_"
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)
_MOST = 100_000
_SWEPT_AT = 1024  # sessions; those that ended are forgotten when there are twice as many as before


class New(NamedTuple):
    """A session that is to be; `secret` is for its holder alone."""

    secret: str
    expires_at: int
    verified: Verified
    certificate: str

    def __repr__(self) -> str:
        """Show whose it is, and not the secret."""
        return f"<a session of {self.verified.issuer}#{self.verified.subject}>"

    def stored(self) -> store.Session:
        """Return what the database keeps of it."""
        record = {
            "certificate": self.certificate,
            "issuer_name": self.verified.issuer_name,
            "issuer": self.verified.issuer,
            "subject": self.verified.subject,
            "claims": dict(self.verified.claims),
            "stable": dict(self.verified.stable),
            "pipeline": self.verified.pipeline,
        }
        return store.Session(_hash(self.secret), self.expires_at, canonical_json(record))


class _Session:
    """One that counts: by the clock on the wall, and by one that nobody sets."""

    __slots__ = ("_deadline", "_generation", "_judged", "certificate", "expires_at", "verified")

    def __init__(self, verified: Verified, certificate: str, expires_at: int, now: float) -> None:
        self.verified = verified
        self.certificate = certificate
        self.expires_at = expires_at
        self._deadline = time.monotonic() + expires_at - now
        self._generation = -1
        self._judged: Judged | None = None

    def ended(self, now: float) -> bool:
        return now >= self.expires_at or time.monotonic() >= self._deadline

    def judged(self, bindings: Bindings, pins: Pins) -> Judged:
        generation = bindings.generation
        if self._judged is None or self._generation != generation:
            self._judged = bindings.of_token(self.verified, pins.keeps)
            self._generation = generation
        return self._judged


class Sessions:
    """All sessions that count. For one event loop."""

    def __init__(
        self,
        kept: store.Store,
        bindings: Bindings,
        pins: Pins,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Know those that `kept` has; raises `AccessError` if they cannot be read."""
        self._store = kept
        self._bindings = bindings
        self._pins = pins
        self._clock = clock
        self._sessions = {one.hash: _read(one, clock()) for one in kept.sessions()}
        self._swept_at = _SWEPT_AT

    def new(self, verified: Verified, certificate: str, session_s: int) -> New:
        """Return a session for a token that was verified just now; it counts once it is `begun`.

        It ends after `session_s`, and with the longest life that the issuer's tokens may have.
        """
        ends = min(int(self._clock()) + session_s, verified.issued_at + verified.lifetime_s)
        return New(PREFIX + secrets.token_urlsafe(32), ends, verified, certificate)

    async def check(self, verified: Verified) -> None:
        """Return if a token could be exchanged now; raises like `begin`, which asks again."""
        await self._store.check(_used(verified))

    async def begin(self, new: New) -> None:
        """Let a session count, and its token no more.

        Raises:
            RateError: there are too many.
            TokenUsedError: the token was exchanged before.
            AccessError: it cannot be written.
        """
        self._sweep()
        if len(self._sessions) >= _MOST:
            raise RateError(f"expected at most {_MOST} sessions")
        verified = new.verified
        stored = new.stored()
        await self._store.exchange(_used(verified), stored)
        self._sessions[stored.hash] = _Session(
            verified, new.certificate, new.expires_at, self._clock()
        )

    def holder(self, secret: str, caller: Caller) -> Principal | None:
        """Return who holds the session with this secret; None for another kind of secret.

        Raises:
            SessionError: there is none, it has ended, or it is another certificate's.
            UnauthenticatedError: its issuer is not known here any more.
        """
        if not secret.startswith(PREFIX):
            return None
        found = self._sessions.get(_hash(secret)) if _SECRET.fullmatch(secret) else None
        if found is None or found.ended(self._clock()):
            raise SessionError("the session has ended, or is not known here")
        bound, shown = found.certificate.encode(), caller.certificate.encode()
        if bound and not hmac.compare_digest(bound, shown):
            raise SessionError("the session was made over another client certificate")
        return self.principal(found.verified, found.judged(self._bindings, self._pins), caller)

    @staticmethod
    def principal(verified: Verified, judged: Judged, caller: Caller) -> Principal:
        """Return who calls with what a token was exchanged for."""
        return Principal(
            verified.issuer,
            verified.subject,
            judged.grants(caller.address),
            "session",
            judged.pipeline,
            verified.stable,
            caller,
        )

    def _sweep(self) -> None:
        if len(self._sessions) < self._swept_at:
            return
        now = self._clock()
        self._sessions = {
            hashed: one for hashed, one in self._sessions.items() if not one.ended(now)
        }
        self._swept_at = max(_SWEPT_AT, 2 * len(self._sessions))


def _used(verified: Verified) -> store.Used:
    return store.Used(verified.used, verified.reuse, verified.issued_at, verified.expires_at)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _read(kept: store.Session, now: float) -> _Session:
    try:
        fields = Fields(json_object(kept.record, limit=limits.STATEMENT), "session")
        certificate, pipeline = fields.text("certificate"), fields.take("pipeline", bool)
        verified = Verified(
            fields.text("issuer_name"),
            fields.text("issuer"),
            fields.text("subject"),
            MappingProxyType(fields.take("claims", dict)),
            MappingProxyType(fields.take("stable", dict)),
            None,
            "once",
            b"",
            kept.expires_at,
            pipeline,
        )
        fields.done()
    except VerificationError as e:
        raise AccessError(f"a session cannot be read: {e.message}") from e
    return _Session(verified, certificate, kept.expires_at, now)
