"""Which version of a key is meant: announced ones, configured ones, those of the trust file."""

from __future__ import annotations

from typing import NamedTuple

from ledger.answer import Appended
from signer.errors import KeyStandingError, RequestError, UnknownSigningKeyError
from signer.keys import SigningKey
from signer.life.parts import Parts
from signer.life.standing import Known
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


class Version(NamedTuple):
    """A version of a key, whatever became of it."""

    name: str
    version: int
    public: PublicKey
    purpose: str

    @property
    def hint(self) -> str:
        """What the ledger calls the key."""
        return self.public.hint

    def __str__(self) -> str:
        """Print it for people."""
        return f"version {self.version} of key {self.name}"


class Changed(NamedTuple):
    """A version, the event that says what became of it, and where the draft is, if any.

    `known` when that was so before it was asked for.
    """

    version: Version
    event: Appended
    known: bool
    draft: str


def versions(parts: Parts, known: Known, name: str) -> list[Version]:
    """Return all versions of `name`: announced, in use, or in the trust file; the first first."""
    found: dict[PublicKey, Version] = {}
    for one in known.versions(name):
        said = one.announcement
        found[said.public] = Version(name, said.version, said.public, said.purpose)
    present = parts.ring.keys.get(name)
    if present is not None:
        purpose = "raw" if present.raw else present.purpose
        version = Version(name, present.version, present.public, purpose)
        found.setdefault(present.public, version)
    for key in parts.live.root.keys.values():
        if key.name == name:
            found.setdefault(key.public, Version(name, key.version, key.public, key.purpose))
    return sorted(found.values(), key=lambda one: one.version)


def earlier(known: Known, trust: TrustRoot, key: SigningKey) -> tuple[PublicKey, ...]:
    """Return the public halves of all other versions of a key that ever signed, or may have."""
    announced = [one.announcement.public for one in known.versions(key.name)]
    listed = [one.public for one in trust.keys.values() if one.name == key.name]
    return tuple(one for one in dict.fromkeys([*announced, *listed]) if one != key.public)


def find(parts: Parts, known: Known, name: str, version: int) -> Version:
    """Return a version of `name`.

    Raises:
        UnknownSigningKeyError: there is none.
    """
    for one in versions(parts, known, name):
        if one.version == version:
            return one
    raise UnknownSigningKeyError(
        f"no key {name[:80]!r} has a version {version}", hint="sealbook key list"
    )


def waiting(known: Known, name: str) -> Version:
    """Return the version of `name` that waits to be put to use.

    Raises:
        KeyStandingError: none does.
    """
    found = known.waiting(name)
    if found is None:
        raise KeyStandingError(
            f"no version of key {name[:80]} waits to be put to use",
            hint=f"sealbook key rotate {name[:80]} announces one",
        )
    said = found.announcement
    return Version(name, said.version, said.public, said.purpose)


def replaced(parts: Parts, known: Known, name: str) -> Version:
    """Return the only version of `name` that signed, signs no more, and is not retired.

    Raises:
        RequestError: there is none, or more than one.
    """
    present, later = parts.ring.keys.get(name), known.waiting(name)
    others = {present.public} if present else set()
    others |= {later.announcement.public} if later else set()
    left = [
        one
        for one in versions(parts, known, name)
        if one.public not in others and one.hint not in known.retired
    ]
    if len(left) != 1:
        raise RequestError(
            f"{len(left)} versions of key {name[:80]} could be meant",
            hint=f"name one, as in {name[:80]}@1",
        )
    return left[0]
