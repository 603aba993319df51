"""What somebody wants to have announced, and what that comes to after the version before."""

from __future__ import annotations

from typing import NamedTuple, Self, cast

from signer.errors import KeyStandingError, KeyUriError, RequestError, UnknownSigningKeyError
from signer.keys import SigningKey
from signer.keys.home import Neighbourly
from signer.keys.homes import home_of
from signer.life.parts import Parts
from signer.life.standing import Known
from verifier._strict import name as check_name
from verifier.publickey import PublicKey
from verifier.repository import EVERYWHERE, Scope

ALGORITHM = "ecdsa-p256"  # the one that every client takes
_PURPOSES = ("approve", "attest")


class Wanted(NamedTuple):
    """A wish; what is empty is as of the version before.

    `made` says whether the key is to be made, or is there. `rotates` is whether the name must
    be there, must not be, or may. `lost`: the version before cannot prove anything any more.
    """

    action: str
    name: str
    uri: str = ""
    algorithm: str = ""
    purpose: str = ""
    scope: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    made: bool = True
    rotates: bool | None = None
    lost: bool = False
    requester: str = ""


class Before(NamedTuple):
    """The version before the next one of a name, and itself where it still signs."""

    version: int
    purpose: str
    scope: tuple[Scope, ...]
    forms: tuple[str, ...]
    uri: str
    algorithm: str
    key: SigningKey | None

    @classmethod
    def of(cls, name: str, parts: Parts, known: Known) -> Self | None:
        """Return the newest version of `name`, or None of a name that nothing is known of.

        Raises:
            RequestError: it signs what nobody read.
        """
        section = parts.config.signing.keys.get(name)
        if section is not None and section.raw:
            raise RequestError(
                f"key {name} signs what nobody read, so no verifier has to hear of it",
                hint=f"change signing.keys.{name}.uri in the configuration",
            )
        versions = [one.announcement for one in known.versions(name)]
        if not versions and section is None:
            return None
        key, trust = parts.ring.keys.get(name), parts.live.root
        listed = [one for one in trust.keys.values() if one.name == name]
        all_of_it = [*listed, *(one.trusted(0) for one in versions)]
        newest = max(all_of_it, key=lambda one: one.version, default=None)
        public: PublicKey | None = key.public if key else newest.public if newest else None
        row = parts.book.find(public.hint) if public else None
        trusted = trust.keys.get(public.hint) if public else None
        return cls(
            newest.version if newest else 1,
            section.purpose if section else versions[-1].purpose,
            trusted.scope if trusted else newest.scope if newest else (),
            row.forms if row else section.forms if section else (),
            row.uri if row else section.uri if section else "",
            public.algorithm.name if public else "",
            key,
        )


class Plan(NamedTuple):
    """A wish that can be done: what is announced, and where it is to live."""

    name: str
    version: int
    purpose: str
    scope: tuple[Scope, ...]
    uri: str
    algorithm: str
    forms: tuple[str, ...]
    prover: SigningKey | None

    @classmethod
    def of(cls, wanted: Wanted, before: Before | None) -> Self:
        """Return what `wanted` comes to.

        Raises:
            UnknownSigningKeyError, KeyStandingError: there is no such name, or there is.
            RequestError: it is not said what for; or for something else than before.
            KeyUriError: it is not said where, and cannot be told.
            VerificationError: no name, or no scope.
        """
        if wanted.rotates is True and before is None:
            raise UnknownSigningKeyError(
                f"no key is called {wanted.name[:80]!r}", hint="sealbook key create makes one"
            )
        if wanted.rotates is False and before is not None:
            raise KeyStandingError(
                f"there is a key {wanted.name} already", hint=f"sealbook key rotate {wanted.name}"
            )
        scope = tuple(map(Scope, wanted.scope)) or (before.scope if before else ())
        purpose = wanted.purpose or (before.purpose if before else "")
        if purpose not in _PURPOSES or not scope:
            raise RequestError(
                f"expected a purpose ({' or '.join(_PURPOSES)}) and a scope of key {wanted.name}",
                hint=f"as in --purpose approve --scope registry.example/team; --scope {EVERYWHERE}",
            )
        if before and (purpose, set(scope)) != (before.purpose, set(before.scope)):
            raise RequestError(
                f"expected {before.purpose} in {', '.join(before.scope)}, as of {wanted.name} now",
                hint="a key with another purpose or scope has a name of its own",
            )
        version = before.version + 1 if before else 1
        return cls(
            check_name(wanted.name),
            version,
            purpose,
            scope,
            wanted.uri or _beside(before, wanted.name, version),
            wanted.algorithm or (before.algorithm if before else "") or ALGORITHM,
            wanted.forms or (before.forms if before else ()) or ("bundle",),
            before.key if before and not wanted.lost else None,
        )

    def told(self) -> dict[str, object]:
        """Return what others agree to."""
        told = self._asdict() | {"scope": list(self.scope), "forms": list(self.forms)}
        return told | {"prover": self.prover.public.hint if self.prover else None}


def _beside(before: Before | None, name: str, version: int) -> str:
    """Return a place beside the version before, where its home knows of one."""
    if before is not None and before.uri:
        home, rest = home_of(before.uri)
        if hasattr(home, "beside"):
            found = cast("Neighbourly", home).beside(rest, name, version)
            if found:
                return f"{before.uri.partition(':')[0]}:{found}"
    raise KeyUriError(
        "expected where the new key is to live, found nothing",
        hint="--uri URI, as in --uri file:keys/release-2027.pem",
    )
