"""Revoke: the main flow of an operator who takes something back.

1. What is to be revoked is there, and is ours to revoke.
2. What was revoked as far, or further, is not logged again: the first answers.
3. It is logged as an event, and from then on honoured.
4. status.json carries it before the answer does, whether the event is published yet or not.

In a task of its own that the caller's cancellation does not reach. It needs no root key: a
status file can only take away.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ledger import labels
from ledger.answer import Appended
from ledger.errors import FrozenError, UnknownEntryError
from ledger.ledger import Ledger
from signer.errors import RequestError, UnknownSigningKeyError, WrongPurposeError
from signer.events import Events
from signer.status.keeping import StatusKeeper
from signer.trust_files import LiveTrust
from verifier import limits
from verifier.digest import Digest
from verifier.errors import LimitError
from verifier.repository import EVERYWHERE, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import EVENT, Revocation

_PURPOSES = ("approve", "attest")


class EntryTarget(NamedTuple):
    """The signature at this index."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed


class KeyTarget(NamedTuple):
    """What a key of trust.json signed at `after` or later; None: after the newest entry.

    `name` says which version, as in `release@2`, where there are several.
    """

    name: str
    after: int | None = None


class ImageTarget(NamedTuple):
    """An image in a scope, whoever approves it; an empty scope is everywhere."""

    digest: str
    repository: str = ""


class AuthorityTarget(NamedTuple):
    """An authority of trust.json, by kind or fingerprint, after `until`, POSIX seconds or now."""

    name: str
    until: int | None = None


Target = EntryTarget | KeyTarget | ImageTarget | AuthorityTarget


class Revoked(NamedTuple):
    """What is in force now, the event that says so, and the status file that carries it.

    `known` when that was so before it was asked for.
    """

    revocation: Revocation
    event: Appended
    known: bool
    status_version: int


class Revoking:
    """Revokes, one after the other. Runs on one event loop."""

    def __init__(
        self, ledger: Ledger, events: Events, status: StatusKeeper, trust: LiveTrust
    ) -> None:
        """Log in `ledger` by `events`, have `status` carry it, and know the keys of `trust`."""
        self._ledger = ledger
        self._events = events
        self._status = status
        self._trust = trust
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[Revoked]] = set()

    async def revoke(self, target: Target, reason: str) -> Revoked:
        """Return once `target` is revoked, in the ledger and in status.json.

        Raises:
            UnknownEntryError, UnknownSigningKeyError, WrongPurposeError, RequestError,
                VerificationError: there is no such thing, or it is not to be revoked so.
            LedgerError: it could not be logged, or is logged and not published in time.
            StatusFileError: it is logged, and status.json could not be written.
        """
        task = asyncio.ensure_future(self._revoke(target, reason))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _revoke(self, target: Target, reason: str) -> Revoked:
        async with self._turn:
            # 1.
            _check_reason(reason)
            wanted = await asyncio.to_thread(self._wanted, target, reason)
            # 2.
            logged = await asyncio.to_thread(self._status.in_force.refresh)
            first = next((one for one in logged if _covers(one, wanted)), None)
            if first is None and len(logged) >= limits.REVOCATIONS:
                raise LimitError(
                    f"expected at most {limits.REVOCATIONS} revocations, as status files take",
                    hint="revoke the key, or let a new trust.json end it",
                )
            # 3.
            try:
                event = await self._log(wanted, first)
            finally:
                # 4. Also of an event that waits for its witnesses: nobody else has to.
                payload = await asyncio.to_thread(self._status.make)
            in_force = first or wanted._replace(index=event.record.index)
            return Revoked(in_force, event, first is not None, payload.version)

    async def _log(self, wanted: Revocation, first: Revocation | None) -> Appended:
        if first is not None:
            return await self._events.published(first.index)
        try:
            return await self._events.record(EVENT, wanted.claim())
        except FrozenError as e:
            raise FrozenError(
                e.message, hint="what ends now ends by a new trust.json, signed by its roots"
            ) from e

    def _wanted(self, target: Target, reason: str) -> Revocation:
        """Return `target` as a revocation that is not logged yet, once it is seen to be right."""
        match target:
            case EntryTarget(index):
                return self._entry(index, reason)
            case KeyTarget(name, after):
                return self._key(name, after, reason)
            case ImageTarget(digest, repository):
                scope = Scope(repository or EVERYWHERE)
                return Revocation("digest", str(Digest(digest)), reason, 0, repository=scope)
            case AuthorityTarget(name, until):
                return self._authority(name, until, reason)

    def _entry(self, index: int, reason: str) -> Revocation:
        row = self._ledger.row(index)
        if labels.decode_form(row.labels) == labels.EVENT:
            raise RequestError(
                f"entry {index} is an event, which cannot be taken back",
                hint="what it says can be followed by another event",
            )
        return Revocation("entry", str(index), reason, 0)

    def _key(self, name: str, after: int | None, reason: str) -> Revocation:
        tree_size = self._ledger.head.tree_size
        key = _named(self._trust.root, name)
        if key.purpose not in _PURPOSES:
            # It would have to sign its own end, and nobody could tell what still counts.
            raise WrongPurposeError(
                f"key {name} is for {key.purpose!r}, which only a new trust.json takes away",
                hint="replace it there: sealbook trust create, and let the roots sign",
            )
        if after is not None and after > tree_size:
            raise UnknownEntryError(f"expected at most {tree_size}, the tree's size, found {after}")
        return Revocation("key", key.public.hint, reason, 0, tree_size if after is None else after)

    def _authority(self, name: str, until: int | None, reason: str) -> Revocation:
        known = self._trust.root.authorities
        named = [one for one in known if name in (one.kind, one.fingerprint)]
        if not named:
            kinds = ", ".join(dict.fromkeys(one.kind for one in known))
            raise UnknownSigningKeyError(
                f"the trust file knows no authority {name[:80]!r}",
                hint=f"there are: {kinds or 'none'}",
            )
        if len({one.fingerprint for one in named}) > 1:
            raise RequestError(
                f"there are {len(named)} authorities of kind {name}",
                hint=f"name one of {', '.join(one.fingerprint for one in named)}",
            )
        now = int(self._ledger.clock.now())
        if until is not None and not 0 < until <= now:
            raise RequestError("expected a moment that has passed")
        return Revocation("authority", named[0].fingerprint, reason, 0, until or now)


def _named(trust: TrustRoot, name: str) -> TrustedKey:
    """Return the key with this name, or with name and version, as in `release@2`."""
    found = [key for key in trust.keys.values() if name in (key.name, f"{key.name}@{key.version}")]
    if not found:
        known = ", ".join(k.label for k in trust.keys.values() if k.purpose in _PURPOSES)
        raise UnknownSigningKeyError(
            f"the trust file knows no key {name[:80]!r}", hint=f"there are: {known or 'none'}"
        )
    if len(found) > 1:
        versions = ", ".join(f"{key.name}@{key.version}" for key in found)
        raise RequestError(
            f"the trust file has {len(found)} versions of key {name}", hint=f"name one: {versions}"
        )
    return found[0]


def _check_reason(text: str) -> None:
    if not 0 < len(text.encode()) <= limits.ANNOTATION_VALUE or not text.isprintable():
        raise RequestError(
            f"expected a reason of 1 to {limits.ANNOTATION_VALUE} bytes, in one line"
        )


def _covers(known: Revocation, wanted: Revocation) -> bool:
    """Whether `known` takes away at least what `wanted` would."""
    if (known.kind, known.target) != (wanted.kind, wanted.target) or known.after > wanted.after:
        return False
    if known.repository == EVERYWHERE:
        return True
    return f"{wanted.repository}/".startswith(f"{known.repository}/")
