r"""A key's life, as the ledger tells it: announced with proof, put to use, retired.

The predicates of three events, each without its `previous`:

    urn:sealbook:key-added
        {"name":"release","version":2,"purpose":"approve","scope":["*"],"key":"<b64 SPKI>",
         "replaces":"<hint>","attributes":{"home":"pkcs11"},
         "proofs":[{"keyid":"<hint>","sig":"<b64>"},…]}
    urn:sealbook:key-activated
        {"name":"release","version":2,"key":"<hint>"}
    urn:sealbook:key-retired
        {"name":"release","version":2,"key":"<hint>","valid_through_tree_size":9007,"reason":"…"}

An announcement is proven by the new key, and by the one that it replaces, if there is one that
can still sign; each signs a DSSE encoding of the payload type below, over the canonical JSON of
the predicate without its proofs and with the ledger's `origin`. An announcement makes nobody
believe a key: that takes a trust file. It says when a key came to be, and that whoever had the
old one wanted the new one.

Retired is the key by which nothing counts at `valid_through_tree_size` or later: unlike a
revocation nothing is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, canonical_json, name, plain
from verifier.dsse import pae
from verifier.errors import LimitError, MalformedError, SignatureError
from verifier.publickey import PublicKey
from verifier.repository import Scope
from verifier.trust.listed import PURPOSES, TrustedKey

ADDED, ACTIVATED, RETIRED = "key-added", "key-activated", "key-retired"
PAYLOAD_TYPE = "application/vnd.sealbook.key+json"

MOST_ATTRIBUTES = 32


class Announcement(NamedTuple):
    """A new key, and what it is to be for; `replaces` is the hint of another, or empty.

    `attributes` is what the key's home says of it.
    """

    name: str
    version: int
    purpose: str
    scope: tuple[Scope, ...]
    public: PublicKey
    replaces: str = ""
    attributes: Mapping[str, str] = {}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the fields of a predicate that are not its proofs.

        Raises:
            MalformedError, LimitError: any other shape.
            UnsupportedKeyError, WeakKeyError: a key that nobody should trust.
        """
        called, version = _label(fields)
        purpose = fields.text("purpose")
        if purpose not in PURPOSES:
            raise MalformedError(f"expected one of {', '.join(PURPOSES)}, found {purpose[:40]!r}")
        scope = fields.items("scope", most=limits.SUBJECTS)
        public = PublicKey(b64(fields.text("key")))
        replaces = fields.nullable("replaces", str) or ""
        attributes = fields.take("attributes", dict)
        if len(attributes) > MOST_ATTRIBUTES:
            raise LimitError(f"expected at most {MOST_ATTRIBUTES} attributes of a key")
        for one in (*scope, *attributes.values()):
            if not isinstance(one, str):
                raise MalformedError("expected only strings in a key's scope and attributes")
        scopes = tuple(map(Scope, scope))
        return cls(called, version, purpose, scopes, public, replaces, attributes)

    def claim(self) -> dict[str, object]:
        """Return what `read` takes."""
        return {
            "name": self.name,
            "version": self.version,
            "purpose": self.purpose,
            "scope": list(self.scope),
            "key": b64encode(self.public.spki),
            "replaces": self.replaces or None,
            "attributes": dict(self.attributes),
        }

    def message(self, origin: str) -> bytes:
        """Return what proves it in the ledger `origin`, once both keys have signed it."""
        return pae(PAYLOAD_TYPE, canonical_json({**self.claim(), "origin": origin}))

    def trusted(self, valid_from: int) -> TrustedKey:
        """Return it as a trust file lists it, from the position `valid_from` on."""
        return TrustedKey(
            self.name,
            self.purpose,
            self.public,
            self.scope,
            valid_from,
            version=self.version,
        )


class Added(NamedTuple):
    """An announcement with its proofs: signatures by the hint of their key."""

    announcement: Announcement
    proofs: Mapping[str, bytes]

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the predicate of `key-added`; raises like `Announcement.read`."""
        announcement = Announcement.read(fields)
        proofs: dict[str, bytes] = {}
        for value in fields.items("proofs", most=2):
            line = Fields(value, "proofs")
            keyid = line.text("keyid")
            if keyid in proofs:
                raise MalformedError("one key proves an announcement twice")
            proofs[keyid] = b64(line.text("sig"))
            line.done()
        fields.done()
        return cls(announcement, proofs)

    def claim(self) -> dict[str, object]:
        """Return what `read` takes."""
        lines = [{"keyid": keyid, "sig": b64encode(sig)} for keyid, sig in self.proofs.items()]
        return {**self.announcement.claim(), "proofs": lines}

    def check(self, origin: str, replaced: PublicKey | None) -> None:
        """Check that the holders of both keys wanted this in the ledger `origin`.

        `replaced` is the key that it says to replace.

        Raises:
            SignatureError: one of them did not sign it, or somebody else did.
        """
        message = self.announcement.message(origin)
        provers = [self.announcement.public, *([replaced] if replaced else [])]
        hints = [public.hint for public in provers]
        if self.announcement.replaces not in ("", *hints[1:]) or {*hints} != {*self.proofs}:
            raise SignatureError("expected a proof by the new key and by the one that it replaces")
        for public in provers:
            public.verify(self.proofs[public.hint], message)


class Activated(NamedTuple):
    """From here on callers who ask for the name get this key."""

    name: str
    version: int
    key: str  # its hint

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the predicate of `key-activated`; raises `MalformedError`."""
        activated = cls(*_label(fields), fields.text("key"))
        fields.done()
        return activated

    def claim(self) -> dict[str, object]:
        """Return what `read` takes."""
        return {"name": self.name, "version": self.version, "key": self.key}


class Retired(NamedTuple):
    """From `valid_through_tree_size` on this key signs nothing that counts."""

    name: str
    version: int
    key: str  # its hint
    valid_through_tree_size: int
    reason: str

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the predicate of `key-retired`; raises `MalformedError`."""
        end = fields.number("valid_through_tree_size")
        reason = plain(fields.text("reason"))
        retired = cls(*_label(fields), fields.text("key"), end, reason)
        fields.done()
        return retired

    def claim(self) -> dict[str, object]:
        """Return what `read` takes."""
        return {
            "name": self.name,
            "version": self.version,
            "key": self.key,
            "valid_through_tree_size": self.valid_through_tree_size,
            "reason": self.reason,
        }


def _label(fields: Fields) -> tuple[str, int]:
    called, version = name(fields.text("name")), fields.number("version")
    if version < 1:
        raise MalformedError("expected a version from 1")
    return called, version
