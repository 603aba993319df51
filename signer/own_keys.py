"""The service's own keys, held against the trust file that it hands out.

A key that verifiers do not list, or list for something else, would make
checkpoints or events that nobody accepts: that shows at start, not in an audit.
"""

from __future__ import annotations

from typing import NamedTuple, Self, cast

from ledger.signatory import LogKeys
from signer.config import Config
from signer.keys import CheckedKey, open_key
from signer.keys.home import Role
from verifier.errors import KeyPurposeError, UnsupportedKeyError, UntrustedLogError
from verifier.note import NoteKey
from verifier.publickey import Key, PublicKey
from verifier.trust import TrustRoot

_ALGORITHM = "ecdsa-p256"


class OwnKeys(NamedTuple):
    """What the service signs with in its own name."""

    ledger: LogKeys
    promise: Key
    event: Key
    status: Key
    timestamp: Key | None
    issuer: Key | None
    transparency: Key | None

    @classmethod
    def open(cls, config: Config, trust: TrustRoot) -> Self:
        """Open the keys of `config`, each of which `trust` must list for what it does.

        Raises:
            KeyFileError: one of them cannot be used.
            UntrustedLogError, UnknownKeyError: `trust` does not list it.
            KeyPurposeError: `trust` lists it for something else, or it is to do two things.
            UnsupportedKeyError: it is of an algorithm that clients do not take for this.
        """
        ledger, keys = config.log_keys(), config.keys
        assert ledger.promise is not None
        promise = ledger.promise

        def opened(name: str, uri: str | None, purpose: str = "") -> Key | None:
            return open_key(uri, config.base, Role(name, purpose or name)) if uri else None

        own = cls(
            ledger,
            promise,
            open_key(keys.event, config.base, Role("event", "event")),
            open_key(keys.status, config.base, Role("status", "status")),
            opened("timestamp", keys.timestamp),
            opened("issuer", keys.issuer, "certificate"),
            opened("transparency", keys.transparency),
        )
        pinned = trust.log_keys(config.origin)
        for key in own.logs:
            if NoteKey.of(config.origin, key.public) not in pinned:
                raise UntrustedLogError(
                    f"the trust file lists no log {config.origin} with key {key.public!r}"
                )
        promises = [log.promise_key for log in trust.logs if log.origin == config.origin]
        if promise.public not in promises:
            raise UntrustedLogError(
                f"the trust file lists no log {config.origin} with promise key {promise.public!r}"
            )
        trust.key(own.event.public.hint, "event")
        trust.key(own.status.public.hint, "status")
        own._check_for_others(trust)
        return own

    def _check_for_others(self, trust: TrustRoot) -> None:
        """Check the keys of promises, times and certificates, of which the trust file knows less.

        What they sign names ECDSA P-256 with SHA-256, the one algorithm that every client takes.
        """
        optional = (self.timestamp, self.issuer, self.transparency)
        for key in (self.promise, *(key for key in optional if key)):
            if key.public.algorithm.name != _ALGORITHM:
                raise UnsupportedKeyError(f"expected {_ALGORITHM}, found {key.public!r}")
        publics = self.publics
        if len(set(publics)) != len(publics):
            raise KeyPurposeError("one of the service's own keys is configured for two purposes")
        for authority in (self.timestamp, self.issuer):
            if authority and authority.public in trust.publics():
                raise KeyPurposeError(
                    f"the trust file lists {authority.public!r} for something else"
                )

    @property
    def logs(self) -> tuple[Key, ...]:
        """The keys that sign checkpoints."""
        quantum = self.ledger.post_quantum
        return (self.ledger.log, *self.ledger.also, *((quantum,) if quantum else ()))

    @property
    def all(self) -> tuple[CheckedKey, ...]:
        """All of them."""
        optional = (self.timestamp, self.issuer, self.transparency)
        keys = (*self.logs, self.promise, self.event, self.status, *optional)
        return tuple(cast("CheckedKey", key) for key in keys if key)

    def close(self) -> None:
        """Log out of the devices that they are in."""
        for key in self.all:
            key.close()

    @property
    def publics(self) -> tuple[PublicKey, ...]:
        """The public halves of all of them."""
        return tuple(key.public for key in self.all)
