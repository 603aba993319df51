r"""Is this signature in notation's form in our ledger, and does it count there?

    {"mediaType":"application/vnd.sealbook.notation.v1+json",
     "envelope":{"payload":"…","protected":"…","header":{"x5c":["…"]},"signature":"…"},
     "proof":"c2sp.org/tlog-proof@v1\nindex 7\n…"}

is what our service hands out for each (GET /v1/bundles/DIGEST?form=notation), and what a file
may hold. Only the proof is new in it: the entry is made from the envelope, and looked for where
the proof says.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import jws, limits
from verifier._strict import Fields, json_object
from verifier.entry import Entry, certified_key
from verifier.errors import (
    DigestMismatchError,
    KeyPurposeError,
    KeyScopeError,
    PolicyMismatchError,
    RepositoryMismatchError,
    UnknownKeyError,
    UnsupportedError,
)
from verifier.ledger_check import LedgerCheck
from verifier.proof import TlogProof
from verifier.trust.freshness import MAX_AGE_S, check_fresh
from verifier.trust.revocation import Revocations

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.pull.decision import Question
    from verifier.pull.trust_directory import Trusted

MEDIA_TYPE = "application/vnd.sealbook.notation.v1+json"
REPOSITORY = "sealbook.repository"  # the annotation by which a payload of ours names it


class Logged(NamedTuple):
    """A signature and where it is said to be. Nothing of it is trusted yet."""

    envelope: jws.Opened
    signed: jws.SigningInput
    proof: TlogProof

    @classmethod
    def parse(cls, data: bytes) -> Logged:
        """Parse what the service hands out.

        Raises:
            VerificationError: another shape.
        """
        fields = Fields(json_object(data, limit=limits.BUNDLE), "logged")
        if (kind := fields.text("mediaType")) != MEDIA_TYPE:
            raise UnsupportedError(f"expected mediaType {MEDIA_TYPE}, found {kind[:80]!r}")
        envelope = jws.open_envelope(fields.take("envelope", dict))
        proof = TlogProof.parse(fields.text("proof"))
        fields.done()
        return cls(envelope, jws.parse(envelope.message), proof)


class Counted(NamedTuple):
    """A signature that counts: by which key of the trust file, about what, and where it is."""

    key: str
    question: Question
    index: int  # type: ignore[assignment]  # tuple.index is not missed


class NotationJudge:
    """Judges such signatures under what one host believes. Safe in many threads."""

    def __init__(self, trusted: Trusted, clock: Callable[[], float] = time.time) -> None:
        """Believe `trusted`, which must be fresh whenever something is judged."""
        self._trust, self._status, self._policy = trusted
        self._clock = clock
        revocations = self._status.payload.revocations if self._status else ()
        self._revoked = Revocations(revocations)
        self._ledger = LedgerCheck(self._trust, self._status, self._revoked)

    def judge(self, logged: Logged, question: Question) -> Counted:
        """Return what `logged` counts for, which is the image of `question`.

        1. What we believe is fresh.
        2. The key is known, for approvals, and may speak of the repository.
        3. Its signature covers the message.
        4. The message approves this digest in this repository.
        5. The entry that is made of it is in a ledger that we trust, and nothing of it is revoked.

        Raises:
            VerificationError: by the first step that says no.
        """
        # 1.
        max_age_s = self._policy.max_trust_age_s if self._policy else MAX_AGE_S
        check_fresh(self._trust, self._status, max_age_s, self._clock())
        if self._policy is None and self._trust.policy_sha256:
            raise PolicyMismatchError("the trust file pins a policy, and none is at hand")
        rules = self._policy.of(question.repository) if self._policy else None
        names = rules.names(question.repository) if rules else (question.repository,)
        self._revoked.check_digest(question.digest, *names)
        # 2.
        leaf = logged.envelope.chain[0]
        public = certified_key(leaf)
        key = self._trust.keys.get(public.hint)
        if key is None:
            raise UnknownKeyError(f"no key of the trust root has the hint {public.hint}")
        if key.purpose != "approve":
            raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, not 'approve'")
        # 3.
        key.public.verify(logged.envelope.signature, logged.envelope.message)
        # 4.
        target = logged.signed.target
        if target.digest != question.digest:
            raise DigestMismatchError(f"expected {question.digest}, found {target.digest}")
        name = target.annotations.get(REPOSITORY, "")
        if name not in names:
            raise RepositoryMismatchError(f"expected {question.repository}, found {name[:120]!r}")
        if not key.covers_name(name):
            raise KeyScopeError(f"key {key.name} may not speak of {name[:120]!r}")
        # 5.
        envelope = logged.envelope
        entry = Entry.of(envelope.message, envelope.signature, key.public, leaf)
        self._ledger.proven(entry, logged.proof, key)
        return Counted(key.name, question, logged.proof.index)
