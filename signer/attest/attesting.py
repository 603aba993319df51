"""Attest: the main flow for predicates.

1. Check what the predicate is to be about, and authorise the caller on the repository;
   neither the key nor a digest is revoked.
2. Take the pieces: spooled, and read as strictly as a verifier reads them.
3. The predicate is of the type that it is said to be.
4. For each key that signs: splice it into the statement; look the statement's hash up: a
   re-run is answered as before. To what is new, and protected, others agree. The audit
   trail says what was decided, before anything is signed, and what came of it.
5. Sign the hashes, and have the signatures dated.
6. Put a large body into its file, durably; then append.
7. Answer with the records, proven.

Steps 3 to 7 run in a task of their own that the caller's cancellation does not reach.
Nothing holds more than a piece of the predicate, but for a second algorithm that signs no
hashes: see `signer.attest.placing`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple, cast

from ledger import dedup, deleting, labels
from ledger.answer import Appended
from ledger.bodies import LARGEST_IN_ROW, Bodies
from ledger.errors import QueueFullError
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Answer, Sequencer
from ledger.spooling import Spool
from signer import rerun
from signer.access import Principal, authorise
from signer.approvals.control import Control
from signer.attest import types
from signer.attest.placing import AttestOrder, Job, Signed, Wanted, asked_of, payload_size
from signer.attest.scan import Outline, Path, Scanner
from signer.audit_trail.trail import Trail
from signer.dating import Dating
from signer.errors import (
    RequestError,
    UploadError,
)
from signer.forms.algorithms import check_algorithm
from signer.keys import SigningKey
from signer.keys.ring import KeyRing
from signer.signing import Proven
from signer.status.in_force import InForce
from signer.turns import Turns
from verifier import limits
from verifier import statement as statements
from verifier.digest import Digest
from verifier.errors import LimitError, SealbookError
from verifier.record import Record
from verifier.repository import Repository

MOST_PREDICATE = 16 << 20  # bytes
MOST_PIECE = 256 << 10
_AT_ONCE = 8  # uploads
_UPLOAD_S = 120.0
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class Attested(NamedTuple):
    """What the ledger keeps of it, and the tree in which that is proven.

    Of a body that is too large to be here, `after` is what follows the predicate. `also` are
    those by the keys that sign also, under the same tree.
    """

    logged: Proven
    published: Published
    after: bytes = b""
    also: tuple[Attested, ...] = ()


class Attesting:
    """Signs attestations for authorised callers. Runs on one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: KeyRing,
        dating: Dating,
        *,
        in_force: InForce,
        control: Control,
        trail: Trail,
    ) -> None:
        """Sign with `keys`, dated by `dating`, appending through `sequencer` to `ledger`.

        Nothing that is revoked by what is `in_force` is signed, or answered again; nothing
        new where `control` wants others to agree first; nothing that `trail` cannot tell of.
        """
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._dating = dating
        self._in_force = in_force
        self._control = control
        self._trail = trail
        self._under_way: set[asyncio.Task[Attested]] = set()
        self._turns = Turns()
        self._uploads = 0

    async def attest(
        self, principal: Principal, order: AttestOrder, pieces: AsyncIterator[bytes]
    ) -> Attested:
        """Return the attestation of the predicate in `pieces`, durable in the ledger.

        Raises:
            RequestError, UnknownSigningKeyError, WrongPurposeError, VerificationError:
                nothing was signed.
            PermissionDeniedError: the caller may not attest in this repository.
            KeyScopeError: the key is for other repositories.
            RevokedError: the key is revoked, a digest, or the answer of before.
            ApprovalNeededError: others have to agree first; nothing was signed.
            BodyDeletedError: this very statement was signed before, and its body deleted.
            QueueFullError: too many uploads are under way.
            TimestampError: what was signed has no leaf, and nobody gets it.
            TrailError: the audit trail cannot be written; nothing was signed.
        """
        # 1.
        job = self._checked(principal, order)
        if self._uploads >= _AT_ONCE:
            raise QueueFullError(f"expected at most {_AT_ONCE} uploads under way")
        async with AsyncExitStack() as stack:
            self._uploads += 1
            stack.callback(self._uploaded)
            spool = stack.enter_context(self._bodies.spool(secret=True))
            # 2.
            outline = await _taken(pieces, spool, types.wanted(job.predicate_type))
            owned = stack.pop_all()
            task = self._turns.begin(
                [job.same(spool)], lambda: self._make(job, spool, outline, owned)
            )
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its leaf and its answer."""
        while self._under_way:
            await self.settle()

    async def settle(self) -> None:
        """Return when everything that is under way now has its leaf and its answer."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    @property
    def _bodies(self) -> Bodies:
        return self._ledger.bodies

    def _uploaded(self) -> None:
        self._uploads -= 1

    def _checked(self, principal: Principal, order: AttestOrder) -> Job:
        repository = Repository(order.repository)
        rule = authorise(principal, "attest", repository).rule
        digests = tuple(Digest(one) for one in order.digests)
        if not 0 < len(set(digests)) == len(digests) <= limits.MANIFESTS:
            raise RequestError(f"expected 1 to {limits.MANIFESTS} digests, each once")
        if order.idempotency_key and not _IDEMPOTENCY.fullmatch(order.idempotency_key):
            raise RequestError("expected an idempotency key of 1 to 128 printable ASCII characters")
        if len(order.reason.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"expected a reason of at most {limits.ANNOTATION_VALUE} bytes")
        predicate_type = types.uri_of(order.predicate_type)
        key = self._keys.attesting(order.key)
        check_algorithm(labels.BUNDLE, key)
        keys = (key, *self._keys.also(key))
        for one in keys:
            self._keys.check_scope(one, repository)
            self._in_force.check_key(one.public, one.name)
        for digest in digests:
            self._in_force.check_digest(digest, repository)
        self._control.refuse_people(principal, [repository], [one.name for one in keys])
        return Job(principal, keys, digests, repository, predicate_type, order, rule)

    async def _make(
        self, job: Job, spool: Spool, outline: Outline, owned: AsyncExitStack
    ) -> Attested:
        async with owned:
            # 3.
            types.check(job.predicate_type, outline)
            # 4.
            places = await asyncio.to_thread(
                lambda: [self._place(job, key, spool) for key in job.keys]
            )
            wanted = [place for place in places if isinstance(place, Wanted)]
            if wanted:
                await asyncio.to_thread(self._check_agreed, job, spool, wanted)
            found_by = [one.known_by for one in wanted]
            with self._trail.decided(job.principal, "attest", job.told(), found_by) as course:
                course.found(*(place for place in places if isinstance(place, int)))
                # 5.
                tried = await asyncio.to_thread(lambda: [one.sign() for one in wanted])
                signed = [one for one in tried if isinstance(one, Signed)]
                stamps = await self._dating.stamps([one.signature for one in signed])
                # 6.
                entries = await asyncio.to_thread(self._with_bodies, signed)
                dated = [e._replace(timestamp=t) for e, t in zip(entries, stamps, strict=True)]
                appended = await self._sequencer.append(dated) if dated else []
                course.appended(dated, appended)
                for failed in (*tried, *appended):
                    if isinstance(failed, SealbookError):
                        raise failed
            # 7.
            return self._answer(spool, places, appended)

    def _answer(
        self, spool: Spool, places: Sequence[int | Wanted], appended: Sequence[Answer]
    ) -> Attested:
        """Return the attestation by each key, all of them under one tree."""
        published = self._ledger.published
        fresh = [answer for answer in appended if isinstance(answer, Appended)]
        if fresh:
            published = fresh[-1].published
        rest, made = iter(fresh), []
        for place in places:
            logged = next(rest) if isinstance(place, Wanted) else None
            record = logged.record if logged else self._ledger.record(cast("int", place))
            if logged and logged.published is published:
                proof = logged.proof
            else:
                proof = self._ledger.prove(record.index, published.checkpoint.tree_size)
            made.append(Attested(Proven(record, proof), published, self._after(spool, record)))
        return made[0]._replace(also=tuple(made[1:]))

    def _after(self, predicate: Spool, record: Record) -> bytes:
        """Return what follows the predicate in a body that is too large for the record."""
        if not record.body_size:
            return b""
        # A re-run may have found a renewal: what is in the file is what was signed.
        name = labels.body_name(record.entry)
        assert name is not None
        rest = payload_size(record.body_size) - len(statements.BEFORE)
        return self._bodies.tail(name, rest - predicate.size)

    def _place(self, job: Job, key: SigningKey, spool: Spool) -> int | Wanted:
        """Return where the attestation by `key` is, or what is to be signed to make it."""
        hashes: dict[int | None, bytes] = {}

        def known_by(supersedes: int | None) -> bytes:
            hashes[supersedes] = job.message(spool, supersedes).sha256()
            return dedup.key_of(labels.BUNDLE, key.public, hashes[supersedes])

        claim = job.claim(key, spool)
        place = rerun.place(
            self._ledger,
            key,
            claim,
            renew=job.order.renew,
            known_by=known_by,
            check=self._in_force.check_entry,
        )
        if isinstance(place, int):
            deleting.check_body(self._ledger.row(place), place)
            return place
        supersedes = place.supersedes
        name = f"sha256:{hashes[supersedes].hex()}"
        deleting.check_not_deleted(self._ledger.store, self._bodies, name)
        message, named = job.message(spool, supersedes), job.labels(key, supersedes)
        signed_for = claim.by(key.public)
        return Wanted(key, message, hashes[supersedes], named, signed_for, supersedes)

    def _check_agreed(self, job: Job, spool: Spool, wanted: Sequence[Wanted]) -> None:
        """Check that others agree to what is new of this attestation, if they have to."""
        keys, what = [key.name for key in job.keys], partial(asked_of, job, spool, wanted)
        self._control.check("attest", job.principal.name, [job.repository], keys, what)

    def _with_bodies(self, signed: Sequence[Signed]) -> list[NewEntry]:
        """Return the entries with their bodies; a large one in its file, once for all keys."""
        entries, kept = [], set()
        for one in signed:
            if one.message.size <= LARGEST_IN_ROW:
                entries.append(one.entry._replace(body=b"".join(one.message.pieces())))
                continue
            if one.digest not in kept:
                with self._bodies.spool(secret=True) as body:
                    for piece in one.message.pieces():
                        body.write(piece)
                    body.keep()
                kept.add(one.digest)
            entries.append(one.entry._replace(body_size=one.message.size))
        return entries


async def _taken(pieces: AsyncIterator[bytes], spool: Spool, wanted: Collection[Path]) -> Outline:
    """Spool the predicate, reading it meanwhile, and return what is at the wanted paths."""
    scanner, size = Scanner(wanted), 0
    try:
        async with asyncio.timeout(_UPLOAD_S):
            async for piece in pieces:
                size += len(piece)
                if len(piece) > MOST_PIECE:
                    raise LimitError(f"expected pieces of at most {MOST_PIECE} bytes")
                if size > MOST_PREDICATE:
                    raise LimitError(f"expected a predicate of at most {MOST_PREDICATE} bytes")
                await asyncio.to_thread(_take, scanner, spool, piece)
    except TimeoutError as e:
        raise UploadError(f"expected the whole predicate within {_UPLOAD_S:.0f} s") from e
    return scanner.end()


def _take(scanner: Scanner, spool: Spool, piece: bytes) -> None:
    spool.write(scanner.feed(piece))
