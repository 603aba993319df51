"""What a key makes of an attestation: the statement around the predicate, found or signed.

A key that signs also makes the same statement again: its own entry, by its own dedup key, so
that it is looked up, renewed and revoked for itself. Only what a renewal supersedes differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from ledger import dedup, labels
from ledger.plan import NewEntry
from ledger.spooling import Spool
from signer import rerun
from signer.access import Principal
from signer.approvals import asked
from signer.keys import SigningKey
from signer.keys.messages import Attesting as Attestation
from signer.request import requester
from verifier import dsse
from verifier import statement as statements
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import SealbookError
from verifier.publickey import PublicKey
from verifier.repository import Repository
from verifier.statement import Statement, Subject

_WHOLE = Lock()  # held by who has a whole message in memory: one at a time, of up to 16 MiB


class AttestOrder(NamedTuple):
    """What the predicate is about; each field is documented in signer.proto, Start."""

    digests: Sequence[str]
    repository: str
    predicate_type: str
    key: str = ""
    renew: bool = False
    idempotency_key: str = ""
    reason: str = ""


class Job(NamedTuple):
    """A checked order; the first of `keys` is the one that was asked for, the others sign also."""

    principal: Principal
    keys: tuple[SigningKey, ...]
    digests: tuple[Digest, ...]
    repository: Repository
    predicate_type: str
    order: AttestOrder
    rule: str = ""

    def told(self) -> Mapping[str, object]:
        """Return what the audit trail says of it."""
        told: dict[str, object] = {
            "digests": self.digests,
            "key": self.keys[0].name,
            "predicate_type": self.predicate_type,
            "repository": self.repository,
            "rule": self.rule,
        }
        return told | ({"reason": self.order.reason} if self.order.reason else {})

    def same(self, predicate: Spool) -> Hashable:
        """Return what equal requests have in common, and no others."""
        order = self.order
        if order.renew and not order.idempotency_key:
            return object()  # each renewal is one more
        return (
            *(self.principal.name, tuple(sorted(self.principal.claims.items()))),
            *(tuple(key.name for key in self.keys), self.digests, self.repository),
            *(self.predicate_type, order.renew, order.idempotency_key, predicate.digest),
        )

    def annotations(self, supersedes: int | None) -> Mapping[str, str]:
        """Return what the service says of each subject."""
        named = requester(self.principal)
        return named if supersedes is None else {**named, statements.SUPERSEDES: str(supersedes)}

    def message(self, spool: Spool, supersedes: int | None) -> Message:
        """Return the statement around the predicate in `spool`."""
        before, after = statements.around(
            self.predicate_type, self.digests, self.repository, self.annotations(supersedes)
        )
        return Message(before, spool, after)

    def labels(self, key: SigningKey, supersedes: int | None) -> labels.Labels:
        """Return what an auditor will derive from the statement."""
        annotations = self.annotations(supersedes)
        subjects = tuple(Subject(one, self.repository, annotations) for one in self.digests)
        return labels.of_statement(Statement(subjects, self.predicate_type, {}), key.public)

    def claim(self, key: SigningKey, spool: Spool) -> rerun.Claim:
        """Return the idempotency key, per principal and key, and what it stands for."""

        def request(public: PublicKey) -> bytes:
            payload = self.message(spool, None).payload()
            return dedup.request_of(public, payload, renew=self.order.renew)

        idempotency_key = self.order.idempotency_key
        action = "attest" if key is self.keys[0] else f"attest+{key.name}"
        who = self.principal.name, action
        return rerun.Claim(
            rerun.claim_key(*who, idempotency_key) if idempotency_key else b"", request
        )


class Message(NamedTuple):
    """A statement around a spooled predicate, in its encoding; in memory piece by piece."""

    before: bytes
    predicate: Spool
    after: bytes

    @property
    def size(self) -> int:
        """Bytes of the encoding."""
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


class Signed(NamedTuple):
    """What was signed just now; the body is still in the message, and nothing is dated."""

    entry: NewEntry
    signature: bytes
    message: Message
    digest: bytes


class Wanted(NamedTuple):
    """What `key` is to sign: the message with this SHA-256."""

    key: SigningKey
    message: Message
    digest: bytes
    labels: labels.Labels
    claim: tuple[bytes, bytes] | None
    supersedes: int | None

    @property
    def known_by(self) -> bytes:
        """The dedup key of the entry that it becomes."""
        return dedup.key_of(labels.BUNDLE, self.key.public, self.digest)

    def sign(self) -> Signed | SealbookError:
        """Return it, signed, or why it is not."""
        try:
            signature = self._signature()
        except SealbookError as e:
            return e
        entry = Entry(self.digest, signature, self.key.public).body()
        new = NewEntry(entry, b"", self.labels, self.known_by, self.claim)
        return Signed(new, signature, self.message, self.digest)

    def _signature(self) -> bytes:
        if self.key.public.signs_hashes:
            return self.key.sign_digest(Attestation(self.digest))
        with _WHOLE:
            return self.key.sign(Attestation(b"".join(self.message.pieces())))


def asked_of(job: Job, spool: Spool, wanted: Sequence[Wanted]) -> asked.What:
    """Return what others have to agree to, if they have to: all keys, and what is superseded."""
    hashed = hashlib.sha256()
    for piece in spool.pieces():
        hashed.update(piece)
    superseded = [one.supersedes for one in wanted if one.supersedes is not None]
    return asked.to_attest(
        job.keys,
        job.digests,
        predicate_type=job.predicate_type,
        predicate=(hashed.digest(), spool.size),
        supersedes=superseded if job.order.renew else [],
        reason=job.order.reason,
    )


def payload_size(body_size: int) -> int:
    """Return how long the payload is in an encoding of this size, which names it in decimal."""
    bare = len(dsse.pae_prefix(0)) - 1
    return next(n for digits in range(1, 20) if len(str(n := body_size - bare - digits)) == digits)
