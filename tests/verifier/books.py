"""A ledger with many entries, whoever signed them, and what a policy makes of them.

book = Book()
first = book.approve(QA)
book.judge('[[images]]…', first)        # the verdict, or a refusal
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.verifier import twin
from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    ISSUED,
    NOW,
    ORIGIN,
    REPOSITORY,
    NoteSigner,
    Signer,
)
from tests.verifier.statuses import DAY, HOUR, STATUS_KEY
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope, pae
from verifier.entry import Entry
from verifier.merkle import Hash, InclusionProof
from verifier.note import Note
from verifier.policy import Policy
from verifier.quorum import Quorum
from verifier.repository import Repository, Scope
from verifier.statement import approval
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, TrustedLog, keys_by_hint
from verifier.trust.revocation import Revocation
from verifier.trust.status import Mark, Status, StatusPayload
from verifier.verdict import Verdict
from verifier.verify import Verifier

HEADER = 'type = "urn:sealbook:policy:v1"\n'
NAMES = ("release", "qa", "ci", "scanner")
SIGNERS = dict(zip(NAMES, (Signer() for _ in NAMES), strict=True))
PURPOSES = dict(zip(NAMES, ("approve", "approve", "attest", "attest"), strict=True))


class Book:
    """A ledger of one log; each entry is by one of SIGNERS, or a stranger's."""

    def __init__(self) -> None:
        self.log = NoteSigner(ORIGIN)
        self.witnesses: tuple[NoteSigner, ...] = ()
        self.cosigned = NOW
        self.times: tuple[int, ...] = ()  # of each witness, when they differ
        self.quorum = "quorum none\n"
        self.marks: tuple[Mark, ...] = (Mark(0, NOW - 90 * DAY),)
        self.revocations: tuple[Revocation, ...] = ()
        self.issued = NOW
        self.now: float = NOW
        self.certificates: Any = None
        self._rows: list[tuple[Signer, Envelope]] = []

    def sign(self, name: str, payload: bytes) -> int:
        """Let a key sign and log a statement; return its index."""
        signer = SIGNERS[name]
        envelope = Envelope(payload, signer.sign(pae(IN_TOTO, payload)))
        self._rows.append((signer, envelope))
        return len(self._rows) - 1

    def approve(
        self,
        name: str = "release",
        digest: Digest = IMAGE,
        repository: Repository = REPOSITORY,
        annotations: Mapping[str, str] | None = None,
    ) -> int:
        """Let a key approve an image."""
        return self.sign(name, approval(repository, digest, annotations or {}))

    def attest(self, name: str, kind: str, predicate: object, **subject: Any) -> int:
        """Let a key say something else about the image."""
        said = json.loads(approval(REPOSITORY, IMAGE, {}))
        said["subject"][0] |= subject
        return self.sign(
            name, json.dumps(said | {"predicateType": kind, "predicate": predicate}).encode()
        )

    def mark(self, days: float) -> None:
        """Note that the ledger had its present size so many days ago."""
        self.marks = (*self.marks, Mark(len(self._rows), int(NOW - days * DAY)))

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All bodies."""
        return tuple(
            Entry.of(one.message, one.signature, signer.public).body() for signer, one in self._rows
        )

    @property
    def note(self) -> str:
        """The newest signed checkpoint."""
        text = str(Checkpoint(ORIGIN, len(self._rows), Hash(twin.root(self.entries))))
        times = self.times or [self.cosigned] * len(self.witnesses)
        lines = [one.sign(text, time) for one, time in zip(self.witnesses, times, strict=True)]
        return str(Note(text, (self.log.sign(text), *lines)))

    def bundle(self, index: int) -> bytes:
        """Return the bundle of an entry under the newest checkpoint."""
        signer, envelope = self._rows[index]
        path = tuple(Hash(h) for h in twin.inclusion(index, self.entries))
        proof = InclusionProof(index, len(self._rows), path)
        hint, log_id, entry = signer.public.hint, self.log.key.log_id, self.entries[index]
        return Bundle(envelope, hint, log_id, entry, proof, self.note).json()

    @property
    def trust(self) -> TrustRoot:
        """Who is trusted for what."""
        keys = [
            TrustedKey(name, PURPOSES[name], SIGNERS[name].public, (Scope("*"),)) for name in NAMES
        ]
        status = TrustedKey("status", "status", STATUS_KEY.public, ())
        return TrustRoot(
            1,
            ISSUED,
            EXPIRES,
            (TrustedLog(ORIGIN, self.log.key),),
            keys_by_hint([*keys, status]),
            Quorum.parse(self.quorum),
        )

    @property
    def status(self) -> Status:
        """What was revoked, and what time it is."""
        payload = StatusPayload(
            *(ORIGIN, 1, self.issued, self.issued + 2 * HOUR, self.note),
            *(self.marks, self.revocations),
        )
        return Status.parse(payload.sealed(STATUS_KEY), self.trust)

    def verifier(self, policy: str, *, status: bool = True) -> Verifier:
        """Return a verifier under a policy."""
        return Verifier(
            self.trust,
            status=self.status if status else None,
            policy=Policy.parse((HEADER + policy).encode()),
            certificates=self.certificates,
            clock=lambda: self.now,
        )

    def judge(
        self,
        policy: str,
        *entries: int,
        status: bool = True,
        digest: Digest = IMAGE,
        repository: Repository = REPOSITORY,
    ) -> Verdict:
        """Return the verdict about the image, of which these entries are handed in."""
        bundles = [self.bundle(index) for index in entries]
        return self.verifier(policy, status=status).judge(bundles, digest, repository)
