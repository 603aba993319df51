"""The signing keys by name and version, and those that are meant when none is named.

The one object in the process that knows which keys sign: what changes while the service
runs, a rotation, changes here, in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from signer.errors import UnknownSigningKeyError, WrongPurposeError
from signer.keys import SigningKey
from verifier.errors import KeyScopeError
from verifier.repository import Repository
from verifier.trust import TrustRoot

_SAYS = {"approve": "approves", "attest": "attests"}


class KeyRing:
    """Finds keys; each purpose may have a default. Safe in many threads."""

    def __init__(
        self,
        keys: Iterable[SigningKey],
        default: str,
        attest: str | None = None,
        *,
        trust: Callable[[], TrustRoot] | None = None,
    ) -> None:
        """Find among `keys`; `default` approves, and `attest`, if there is one, attests.

        `trust` returns the trust file in force, in which is where each may sign.
        """
        self._trust = trust
        self._current: Mapping[str, SigningKey] = MappingProxyType({k.name: k for k in keys})
        self._defaults = {"approve": default, "attest": attest}

    @property
    def keys(self) -> Mapping[str, SigningKey]:
        """The keys that callers may ask for, by name: of each name, the version that signs."""
        return self._current

    def swap(self, keys: Iterable[SigningKey]) -> None:
        """Let `keys` sign from now on, and no others; what is under way ends with its own."""
        self._current = MappingProxyType({key.name: key for key in keys})

    def close(self) -> None:
        """Log out of the devices that the keys are in; they sign no more."""
        for key in self._current.values():
            key.close()

    def named(self, name: str) -> SigningKey:
        """Return the key `name`, or the one that approves by default.

        Raises:
            UnknownSigningKeyError: there is none.
        """
        return self._found(name or self._defaults["approve"])

    def approving(self, name: str) -> SigningKey:
        """Return the key `name`, or the default one, if it approves; raises like `attesting`."""
        return self._for("approve", name)

    def attesting(self, name: str) -> SigningKey:
        """Return the key `name`, or the default one, if it attests.

        Raises:
            UnknownSigningKeyError: there is none.
            WrongPurposeError: it is there, and for something else.
        """
        return self._for("attest", name)

    def also(self, key: SigningKey) -> list[SigningKey]:
        """Return the keys that sign again what `key` signs as a bundle.

        Raises:
            UnknownSigningKeyError: one is gone; nothing is signed by half of the keys.
            WrongPurposeError: one is for something else.
        """
        return [self._for(key.purpose, name) for name in key.also]

    def check_scope(self, key: SigningKey, repository: Repository | None) -> None:
        """Check that verifiers let `key` speak about `repository`; None is what has no name.

        Raises:
            KeyScopeError: the trust file has the key for other repositories.
            UnknownKeyError, KeyPurposeError: it has not, or for something else.
        """
        if self._trust is None or key.raw:
            return
        trusted = self._trust().key(key.public.hint, key.purpose)
        if not trusted.covers_name(repository or ""):
            raise KeyScopeError(
                f"key {key.name} may not speak about {repository or 'what has no name'}: the trust "
                f"file has it for {', '.join(trusted.scope)}"
            )

    def trusted_name(self, key: SigningKey) -> str:
        """Return what verifiers call `key`, which is in the trust file as policies name it."""
        if self._trust is None:
            return key.name
        return self._trust().key(key.public.hint, key.purpose).name

    def names(self, purpose: str) -> list[str]:
        """Return the names of all keys for `purpose`."""
        return [k.name for k in self._current.values() if k.purpose == purpose and not k.raw]

    def _for(self, purpose: str, name: str) -> SigningKey:
        key = self._found(name or self._defaults[purpose])
        if key.raw or key.purpose != purpose:
            raise WrongPurposeError(
                f"expected a key that {_SAYS[purpose]}, {key.name} does not",
                hint=f"there are: {', '.join(self.names(purpose)) or 'none'}",
            )
        return key

    def _found(self, name: str | None) -> SigningKey:
        if name is None:
            raise UnknownSigningKeyError(
                "no key for attestations is configured", hint="set signing.default_attest_key"
            )
        keys = self._current
        key = keys.get(name)
        if key is None:
            raise UnknownSigningKeyError(
                f"no key is called {name[:80]!r}", hint=f"there are: {', '.join(keys)}"
            )
        return key
