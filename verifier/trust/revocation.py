r"""Revocations: what no longer counts, said once in the ledger and carried to whoever is offline.

The predicate of the event `urn:sealbook:revocation`, without its `previous`; `repository`
is a scope, as of keys:

    {"kind":"entry","entry":12,"reason":"…"}             this one signature
    {"kind":"key","key":"<hint>","valid_through_tree_size":1200,"reason":"…"}
                                                          what the key signed at 1200 or later
    {"kind":"digest","digest":"sha256:…","repository":"*","reason":"…"}
                                                          this image, whoever approves it
    {"kind":"authority","authority":"<hex>","until":"…Z","reason":"…"}
                                                          for other clients: SHA-256 of the first
                                                          certificate, or key, of its chain

A position cannot be backdated, so what a stolen key signed is told from what it signed before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, canonical_json, hexadecimal, rfc3339, utc
from verifier.digest import Digest
from verifier.errors import (
    EntryMismatchError,
    KeyPurposeError,
    LimitError,
    MalformedError,
    RepositoryError,
    RevokedError,
)
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.statement import EVENT_PREFIX, Statement
from verifier.trust.listed import TrustedKey

if TYPE_CHECKING:
    from verifier.bundle import Bundle

EVENT = "revocation"
KINDS = ("entry", "key", "digest", "authority")
_ALL = Scope(EVERYWHERE)


class Revocation(NamedTuple):
    """One revocation, logged at `index`; `bundle` proves it, and is empty when nothing does.

    `target` is the index of an entry, the hint of a key, a digest, or what an authority is
    known by. `after` is the first ledger position that does not count, of a key; or POSIX
    seconds, of an authority.
    """

    kind: str
    target: str
    reason: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    after: int = 0
    repository: Scope = _ALL
    bundle: bytes = b""

    @classmethod
    def read(cls, value: object, number: int) -> Self:
        """Take a row of a status file.

        Raises:
            MalformedError: any other shape.
        """
        fields = Fields(value, f"status.revocations[{number}]")
        index = fields.number("index")
        bundle = json.dumps(fields.take("bundle", dict), separators=(",", ":")).encode()
        if len(bundle) > limits.BUNDLE:
            raise LimitError(f"expected at most {limits.BUNDLE} bytes of bundle")
        return cls.claimed(fields, index)._replace(bundle=bundle)

    @classmethod
    def claimed(cls, fields: Fields, index: int) -> Self:
        """Take the claim of an event at `index`; raises like `read`."""
        kind, reason = fields.text("kind"), fields.text("reason")
        if len(reason.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"expected at most {limits.ANNOTATION_VALUE} bytes of reason")
        match kind:
            case "entry":
                found = cls(kind, str(fields.number("entry")), reason, index)
            case "key":
                after = fields.number("valid_through_tree_size")
                found = cls(kind, fields.text("key"), reason, index, after)
            case "digest":
                digest, scope = Digest(fields.text("digest")), Scope(fields.text("repository"))
                found = cls(kind, str(digest), reason, index, repository=scope)
            case "authority":
                until = rfc3339(fields.text("until"))
                name = hexadecimal(fields.text("authority"), size=32).hex()
                found = cls(kind, name, reason, index, until)
            case _:
                raise MalformedError(f"expected one of {', '.join(KINDS)}, found {kind[:40]!r}")
        fields.done()
        return found

    def claim(self) -> dict[str, object]:
        """Return the predicate of the event, without its `previous`."""
        value: dict[str, object] = {"kind": self.kind, "reason": self.reason}
        match self.kind:
            case "entry":
                value["entry"] = int(self.target)
            case "key":
                value |= {"key": self.target, "valid_through_tree_size": self.after}
            case "digest":
                value |= {"digest": self.target, "repository": str(self.repository)}
            case _:
                value |= {"authority": self.target, "until": utc(self.after)}
        return value

    def json(self) -> dict[str, object]:
        """Return the row of a status file."""
        return {**self.claim(), "index": self.index, "bundle": json.loads(self.bundle)}

    @property
    def statement(self) -> bytes:
        """What it says and where, to compare with others."""
        return canonical_json({**self.claim(), "index": self.index})

    def check_logged(self, logged: Bundle, key: TrustedKey) -> None:
        """Check that `logged`, which `Verifier.logged` found good and by `key`, says the same.

        Raises:
            EntryMismatchError: it is of another entry, or says something else.
            KeyPurposeError: the key does not sign events.
        """
        if key.purpose != "event":
            raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, not 'event'")
        said = Statement.parse(logged.envelope.payload)
        claim = {field: value for field, value in said.predicate.items() if field != "previous"}
        found = (said.predicate_type, logged.proof.index, canonical_json(claim))
        if found != (EVENT_PREFIX + EVENT, self.index, canonical_json(self.claim())):
            raise EntryMismatchError(f"the ledger does not have this revocation at {self.index}")


class Revocations:
    """Many revocations, ready to be asked. Immutable, and safe in many threads."""

    __slots__ = ("_by_digest", "_by_entry", "_by_key")

    def __init__(self, revocations: Iterable[Revocation]) -> None:
        """Index them; of two for one key the earlier position counts."""
        self._by_entry: dict[int, Revocation] = {}
        self._by_key: dict[str, Revocation] = {}
        self._by_digest: dict[str, list[Revocation]] = {}
        for one in revocations:
            if one.kind == "entry":
                self._by_entry.setdefault(int(one.target), one)
            elif one.kind == "key":
                known = self._by_key.get(one.target)
                if known is None or one.after < known.after:
                    self._by_key[one.target] = one
            elif one.kind == "digest":
                self._by_digest.setdefault(one.target, []).append(one)

    def check_entry(self, index: int, hint: str) -> None:
        """Raise `RevokedError` if the entry at `index`, signed by the key `hint`, is revoked."""
        found = self._by_entry.get(index)
        if found is not None:
            raise _refusal(found, f"entry {index} was revoked")
        found = self._by_key.get(hint)
        if found is not None and index >= found.after:
            raise _refusal(found, f"the key was revoked from {found.after} on, this is {index}")

    def check_digest(self, digest: Digest, *names: str) -> None:
        """Raise `RevokedError` if `digest` is revoked in a repository with one of these `names`."""
        for found in self._by_digest.get(digest, ()):
            if found.repository == EVERYWHERE or any(
                _lies_in(name, found.repository) for name in names
            ):
                where = "" if found.repository == EVERYWHERE else f" in {found.repository}"
                raise _refusal(found, f"{digest} was revoked{where}")

    def of_key(self, hint: str) -> Revocation | None:
        """Return the revocation of the key with this hint, if there is one."""
        return self._by_key.get(hint)


def until_of(revocations: Iterable[Revocation]) -> Mapping[str, int]:
    """Return when each revoked authority ended, POSIX seconds: the earliest that was said."""
    ends: dict[str, int] = {}
    for one in revocations:
        if one.kind == "authority":
            ends[one.target] = min(one.after, ends.get(one.target, one.after))
    return ends


def _lies_in(name: str, scope: Scope) -> bool:
    try:
        return scope.covers(Repository(name))
    except RepositoryError:
        return True  # nobody knows where it lies


def _refusal(revocation: Revocation, what: str) -> RevokedError:
    return RevokedError(f"{what}, by entry {revocation.index}: {revocation.reason}")
