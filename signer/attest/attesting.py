"""Attest: the main flow for predicates.

1. Check what the predicate is to be about, and authorise the caller on the repository;
   neither the key nor a digest is revoked.
2. Take the pieces: spooled, and read as strictly as a verifier reads them.
3. The predicate is of the type that it is said to be.
4. Splice it into the statement; look the statement's hash up: a re-run is answered as before.
   To what is new, and protected, others agree.
5. Sign the hash, and have the signature dated.
6. Put a large body into its file, durably; then append.
7. Answer with the record, proven.

Steps 3 to 7 run in a task of their own that the caller's cancellation does not reach.
Nothing holds more than a piece of the predicate.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from ledger import dedup, labels
from ledger.answer import Appended
from ledger.bodies import LARGEST_IN_ROW, Bodies, Spool
from ledger.errors import QueueFullError
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Sequencer
from signer import rerun
from signer.access import Principal, authorise
from signer.approvals import asked
from signer.approvals.control import Control
from signer.attest import types
from signer.attest.scan import Outline, Path, Scanner
from signer.dating import Dating
from signer.errors import (
    RequestError,
    UploadError,
)
from signer.keys import SigningKey
from signer.keys.messages import Attesting as Attestation
from signer.keys.ring import KeyRing
from signer.signing import Proven
from signer.status.in_force import InForce
from verifier import dsse, limits
from verifier import statement as statements
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import LimitError, SealbookError
from verifier.repository import Repository
from verifier.statement import Statement, Subject

MOST_PREDICATE = 16 << 20  # bytes
MOST_PIECE = 256 << 10
_AT_ONCE = 8  # uploads
_UPLOAD_S = 120.0
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class AttestOrder(NamedTuple):
    """What the predicate is about; each field is documented in signer.proto, Start."""

    digests: Sequence[str]
    repository: str
    predicate_type: str
    key: str = ""
    renew: bool = False
    idempotency_key: str = ""
    reason: str = ""


class Attested(NamedTuple):
    """What the ledger keeps of it, and the tree in which that is proven.

    Of a body that is too large to be here, `after` is what follows the predicate.
    """

    logged: Proven
    published: Published
    after: bytes = b""


class _Job(NamedTuple):
    """A checked order."""

    principal: Principal
    key: SigningKey
    digests: tuple[Digest, ...]
    repository: Repository
    predicate_type: str
    order: AttestOrder


class _Message(NamedTuple):
    """A statement around a spooled predicate, in its encoding; never in memory as a whole."""

    before: bytes
    predicate: Spool
    after: bytes

    @property
    def size(self) -> int:
        return len(self._prefix) + self._payload_size

    @property
    def _payload_size(self) -> int:
        return len(self.before) + self.predicate.size + len(self.after)

    @property
    def _prefix(self) -> bytes:
        return dsse.pae_prefix(self._payload_size)

    def payload(self) -> Iterator[bytes]:
        """Yield the statement."""
        yield self.before
        yield from self.predicate.pieces()
        yield self.after

    def pieces(self) -> Iterator[bytes]:
        """Yield what is signed."""
        yield self._prefix
        yield from self.payload()

    def sha256(self) -> bytes:
        """Return its hash."""
        hashed = hashlib.sha256()
        for piece in self.pieces():
            hashed.update(piece)
        return hashed.digest()


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
    ) -> None:
        """Sign with `keys`, dated by `dating`, appending through `sequencer` to `ledger`.

        Nothing that is revoked by what is `in_force` is signed, or answered again; nothing
        new where `control` wants others to agree first.
        """
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._dating = dating
        self._in_force = in_force
        self._control = control
        self._under_way: set[asyncio.Task[Attested]] = set()
        self._uploads = 0

    async def attest(
        self, principal: Principal, order: AttestOrder, pieces: AsyncIterator[bytes]
    ) -> Attested:
        """Return the attestation of the predicate in `pieces`, durable in the ledger.

        Raises:
            RequestError, UnknownSigningKeyError, WrongPurposeError, VerificationError:
                nothing was signed.
            PermissionDeniedError: the caller may not attest in this repository.
            RevokedError: the key is revoked, a digest, or the answer of before.
            ApprovalNeededError: others have to agree first; nothing was signed.
            QueueFullError: too many uploads are under way.
            TimestampError: what was signed has no leaf, and nobody gets it.
        """
        # 1.
        job = self._checked(principal, order)
        if self._uploads >= _AT_ONCE:
            raise QueueFullError(f"expected at most {_AT_ONCE} uploads under way")
        async with AsyncExitStack() as stack:
            self._uploads += 1
            stack.callback(self._uploaded)
            spool = stack.enter_context(self._bodies.spool())
            # 2.
            outline = await _taken(pieces, spool, types.wanted(job.predicate_type))
            task = asyncio.ensure_future(self._make(job, spool, outline, stack.pop_all()))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its leaf and its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    @property
    def _bodies(self) -> Bodies:
        return self._ledger.bodies

    def _uploaded(self) -> None:
        self._uploads -= 1

    def _checked(self, principal: Principal, order: AttestOrder) -> _Job:
        repository = Repository(order.repository)
        authorise(principal, "attest", repository)
        digests = tuple(Digest(one) for one in order.digests)
        if not 0 < len(set(digests)) == len(digests) <= limits.MANIFESTS:
            raise RequestError(f"expected 1 to {limits.MANIFESTS} digests, each once")
        if order.idempotency_key and not _IDEMPOTENCY.fullmatch(order.idempotency_key):
            raise RequestError("expected an idempotency key of 1 to 128 printable ASCII characters")
        if len(order.reason.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"expected a reason of at most {limits.ANNOTATION_VALUE} bytes")
        predicate_type = types.uri_of(order.predicate_type)
        key = self._keys.attesting(order.key)
        self._in_force.check_key(key.public, key.name)
        for digest in digests:
            self._in_force.check_digest(digest, repository)
        return _Job(principal, key, digests, repository, predicate_type, order)

    async def _make(
        self, job: _Job, spool: Spool, outline: Outline, owned: AsyncExitStack
    ) -> Attested:
        async with owned:
            # 3.
            types.check(job.predicate_type, outline)
            # 4.
            placed = await asyncio.to_thread(self._place, job, spool)
            published = self._ledger.published
            if isinstance(placed, int):
                proof = self._ledger.prove(placed, published.checkpoint.tree_size)
                return self._answer(spool, Proven(self._ledger.record(placed), proof), published)
            message, entry = placed
            # 5.
            digest = Entry.parse(entry.entry).signature
            [stamp] = await self._dating.stamps([digest])
            # 6.
            entry = await asyncio.to_thread(self._with_body, entry, message)
            [answer] = await self._sequencer.append([entry._replace(timestamp=stamp)])
            if isinstance(answer, SealbookError):
                raise answer
            # 7.
            assert isinstance(answer, Appended)
            logged = Proven(answer.record, answer.proof)
            return self._answer(spool, logged, answer.published)

    def _answer(self, predicate: Spool, logged: Proven, published: Published) -> Attested:
        record = logged.record
        if not record.body_size:
            return Attested(logged, published)
        # A re-run may have found a renewal: what is in the file is what was signed.
        name = labels.body_name(record.entry)
        assert name is not None
        rest = _payload_size(record.body_size) - len(statements.BEFORE)
        after = self._bodies.tail(name, rest - predicate.size)
        return Attested(logged, published, after)

    def _place(self, job: _Job, spool: Spool) -> int | tuple[_Message, NewEntry]:
        """Return where the attestation is, or its signed entry, without the body yet."""
        hashes: dict[int | None, bytes] = {}

        def known_by(supersedes: int | None) -> bytes:
            hashes[supersedes] = _message(job, spool, supersedes).sha256()
            return dedup.key_of(labels.BUNDLE, job.key.public, hashes[supersedes])

        claim = _claim(job, spool)
        place = rerun.place(
            self._ledger,
            claim,
            renew=job.order.renew,
            known_by=known_by,
            check=lambda index: self._in_force.check_entry(index, job.key.public),
        )
        if isinstance(place, int):
            return place
        self._check_agreed(job, spool, place.supersedes)
        digest = hashes[place.supersedes]
        signature = job.key.sign_digest(Attestation(digest))
        entry = Entry(digest, signature, job.key.public).body()
        annotations = _annotations(job, place.supersedes)
        subjects = tuple(Subject(one, job.repository, annotations) for one in job.digests)
        named = labels.of_statement(Statement(subjects, job.predicate_type, {}), job.key.public)
        found_by = dedup.key_of(labels.BUNDLE, job.key.public, digest)
        new = NewEntry(entry, b"", named, found_by, claim)
        return _message(job, spool, place.supersedes), new

    def _check_agreed(self, job: _Job, spool: Spool, supersedes: int | None) -> None:
        """Check that others agree to this attestation, if they have to."""

        def what() -> asked.What:
            hashed = hashlib.sha256()
            for piece in spool.pieces():
                hashed.update(piece)
            return asked.to_attest(
                [job.key],
                job.digests,
                predicate_type=job.predicate_type,
                predicate=(hashed.digest(), spool.size),
                supersedes=[supersedes] if supersedes is not None and job.order.renew else [],
                reason=job.order.reason,
            )

        keys = [job.key.name]
        self._control.check("attest", job.principal.name, [job.repository], keys, what)

    def _with_body(self, entry: NewEntry, message: _Message) -> NewEntry:
        if message.size <= LARGEST_IN_ROW:
            return entry._replace(body=b"".join(message.pieces()))
        with self._bodies.spool() as body:
            for piece in message.pieces():
                body.write(piece)
            body.keep()
        return entry._replace(body_size=message.size)


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


def _annotations(job: _Job, supersedes: int | None) -> Mapping[str, str]:
    named = {
        statements.REQUESTER + "issuer": job.principal.issuer,
        statements.REQUESTER + "subject": job.principal.subject,
    }
    return named if supersedes is None else {**named, statements.SUPERSEDES: str(supersedes)}


def _message(job: _Job, spool: Spool, supersedes: int | None) -> _Message:
    before, after = statements.around(
        job.predicate_type, job.digests, job.repository, _annotations(job, supersedes)
    )
    return _Message(before, spool, after)


def _payload_size(body_size: int) -> int:
    """Return how long the payload is in an encoding of this size, which names it in decimal."""
    bare = len(dsse.pae_prefix(0)) - 1
    return next(n for digits in range(1, 20) if len(str(n := body_size - bare - digits)) == digits)


def _claim(job: _Job, spool: Spool) -> tuple[bytes, bytes] | None:
    """Return the idempotency key, per principal, and what it stands for."""
    order = job.order
    if not order.idempotency_key:
        return None
    payload = _message(job, spool, None).payload()
    return (
        rerun.claim_key(job.principal.name, "attest", order.idempotency_key),
        dedup.request_of(job.key.public, payload, renew=order.renew),
    )
