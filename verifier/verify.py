"""The judge: may this image run?

`Verifier.verify` judges one bundle and `Verifier.judge` all that is known about an image
under a policy; they are the main flow of this room. It is pure: bytes, a trust root, a
policy and a clock go in; a `Verified` or a `Verdict` comes out, or a `VerificationError`
that says what was expected and found. Nothing is fetched, nothing is written.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from verifier import limits
from verifier import statement as statements
from verifier.bundle import Bundle, has_certificate
from verifier.entry import Entry, certified_key, check_same
from verifier.errors import (
    CheckpointMismatchError,
    DigestMismatchError,
    InternalError,
    KeyPurposeError,
    KeyScopeError,
    KeyWindowError,
    MissingExtraError,
    NoStatusError,
    NotApprovedError,
    NotYetValidError,
    PolicyMismatchError,
    PredicateTypeError,
    RepositoryMismatchError,
    SplitViewError,
    TrustExpiredError,
    TrustStaleError,
    UnknownKeyError,
    UnnamedRepositoryError,
    VerificationError,
)
from verifier.merkle import hash_leaf, verify_inclusion
from verifier.note import ML_DSA, Note
from verifier.repository import Repository
from verifier.revocation import Revocations
from verifier.spans import span
from verifier.statement import Statement, Subject
from verifier.testimony import Question, Testimony
from verifier.trusted import TrustedKey
from verifier.verdict import Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.certified import CertificateJudge
    from verifier.digest import Digest
    from verifier.policy import Policy
    from verifier.status import Status
    from verifier.tlogpolicy import Endorsed
    from verifier.trust import TrustRoot
    from verifier.verdict import Verdict

_SEEN_CHECKPOINTS = 256
# What is raised as it is: a refusal, and what whoever interrupts us wants. All else is a bug.
_NOT_OURS = (VerificationError, KeyboardInterrupt, SystemExit, GeneratorExit)
MAX_AGE_S = 7 * 86_400  # of a status file, when no policy says


class Verifier:
    """Judges bundles under one trust root, and perhaps a status file and a policy.

    Safe in many threads: the only state is a bounded memory of checkpoints
    whose signatures were good, known by the hash of their exact text.
    """

    def __init__(
        self,
        trust: TrustRoot,
        clock: Callable[[], float] = time.time,
        *,
        status: Status | None = None,
        policy: Policy | None = None,
        certificates: CertificateJudge | None = None,
    ) -> None:
        """Believe `trust`, less what `status` takes away; `clock` gives POSIX seconds.

        With a `policy` a status file is needed, and `verify` asks it too. `certificates`
        judges bundles under a certificate, whose identities a policy may name.

        Raises:
            PolicyMismatchError: `trust` pins another policy. (If it pins one and there is
                none, `verify` and `judge` raise this; `logged` asks no policy.)
            PolicyError: the policy names a key that `trust` does not have.
            NoStatusError: there is a policy and no status.
        """
        self._trust = trust
        self._clock = clock
        self._status = status
        self._policy = policy
        self._certificates = certificates
        self._tlog_policy = trust.tlog_policy()
        self._max_trust_age_s = policy.max_trust_age_s if policy else MAX_AGE_S
        self._revoked = Revocations(status.payload.revocations if status else ())
        self._seen: dict[bytes, Endorsed] = {}
        if policy is not None:
            from verifier import judging

            judging.check_policy(trust, policy, status)

    def verify(self, data: bytes, digest: Digest, repository: Repository | None) -> Verified:
        """Return what the bundle `data` proves about `digest`.

        `repository` is where the image was pulled from; None accepts an
        approval for any repository, and the answer says which. Under a policy
        that is met by this bundle alone; see `judge`.

        1. Shape and limits.
        2. The key is known, for approvals, and may speak of the repository.
        3. Its signature covers the exact bytes of the payload.
        4. The statement approves this digest in this repository.
        5. The ledger entry is rebuilt from the bundle's own content.
        6. Its leaf is in the tree of the checkpoint.
        7. A pinned log key signed that checkpoint for its origin.
        8. Enough witnesses did too.
        9. The key was valid at the proven index, and nothing of this was revoked.
        10. The trust root and the status file are fresh.

        Raises:
            VerificationError: one of its subclasses, by the first step that says no.
        """
        try:
            if self._policy is not None:
                return self._approved_alone(data, digest, repository)
            self._check_pinned()
            names = None if repository is None else (repository,)
            found = self._testimony(data, Question(digest, names)).verified
            self._check_fresh()
        except _NOT_OURS:
            raise
        except BaseException as e:  # even a panic in Rust, which is no Exception
            raise InternalError(f"{type(e).__name__}: {e}") from e
        return found

    def warnings(self) -> tuple[str, ...]:
        """Return what should be seen to before it becomes a refusal."""
        if self._status is None:
            return ("nothing says what was revoked: there is no status file",)
        age = self._clock() - self._status.payload.issued
        if 2 * age > self._max_trust_age_s:
            return (
                f"the status file is {span(age)} old, at {span(self._max_trust_age_s)} all stops",
            )
        return ()

    def judge(self, bundles: Iterable[bytes], digest: Digest, repository: Repository) -> Verdict:
        """Return whether the image `digest`, pulled from `repository`, may run, and why.

        `bundles` is whatever can be found about the image, approvals and attestations, in
        any order; what is wrong with some of them never counts against the rest. Without
        a policy one approval is enough.

        Raises:
            RefusedError: a rule is not met; its `verdict` has them all.
            VerificationError: there is no rule, too many bundles, or trust that is not fresh.
        """
        try:
            from verifier import judging

            self._check_pinned()
            self._check_fresh()
            self._revoked.check_digest(digest, repository)
            verdict = judging.judge(
                self._policy,
                self._testimony,
                bundles,
                digest,
                repository,
                trust=self._trust,
                status=self._status,
                now=self._clock(),
            )
            verdict = verdict._replace(warnings=(*verdict.warnings, *self.warnings()))
        except _NOT_OURS:
            raise
        except BaseException as e:  # even a panic in Rust, which is no Exception
            raise InternalError(f"{type(e).__name__}: {e}") from e
        return verdict

    def logged(self, bundle: Bundle) -> tuple[Endorsed, TrustedKey]:
        """Return by whom `bundle` was signed, and who stands behind the ledger that has it.

        This judges entries of every kind. What the statement says, and whether
        it is for this key to say, is left to the caller.

        Raises:
            VerificationError: one of its subclasses.
        """
        key = self._trust.keys.get(bundle.hint)
        if key is None:
            raise UnknownKeyError(f"no key of the trust root has the hint {bundle.hint[:80]!r}")
        key.public.verify(bundle.envelope.signature, bundle.envelope.message)
        seen = self._logged(bundle, key)
        self._check_fresh()
        return seen, key

    def _approved_alone(
        self, data: bytes, digest: Digest, repository: Repository | None
    ) -> Verified:
        if repository is None:
            raise RepositoryMismatchError("a policy needs the repository of the image, found none")
        verdict = self.judge([data], digest, repository)
        if not verdict.approvals:  # the policy only warns, or its glass is broken
            raise NotApprovedError("the policy lets this image run, and this is no approval")
        return verdict.approvals[0]

    def _testimony(self, data: bytes, question: Question) -> Testimony:
        """Do the steps 1 to 9 of `verify`."""
        # 1.
        if self._policy is not None and has_certificate(data):
            return self._certified(data, question)
        bundle = Bundle.parse(data, question.limit)
        # 2.
        key = self._key(bundle.hint, question)
        # 3.
        key.public.verify(bundle.envelope.signature, bundle.envelope.message)
        # 4.
        statement = Statement.parse(bundle.envelope.payload)
        subject = self._subject(statement, question, key.purpose)
        if not key.covers_name(subject.name):
            raise KeyScopeError(f"key {key.name} may not speak of {subject.name[:120]!r}")
        # 5 to 9.
        seen = self._logged(bundle, key)
        verified = self._verified(question, statement, subject, seen, bundle)
        return Testimony(verified._replace(key=key.name), statement, key.public.hint, key.name)

    def _certified(self, data: bytes, question: Question) -> Testimony:
        """Do the same for a bundle under a certificate, which others judge."""
        if self._certificates is None:
            raise MissingExtraError("nobody here judges bundles under a certificate")
        found = self._certificates.certified(data)
        statement = Statement.parse(found.payload)
        approves = statement.predicate_type == statements.APPROVAL
        subject = self._subject(statement, question, "approve" if approves else "attest")
        if not self._trust.log_keys(found.origin):  # a log of others: its positions mean nothing
            self._revoked.check_digest(question.digest, subject.name)
            foreign = (found.index, found.tree_size, found.origin)
            verified = Verified(
                question.digest,
                subject.name,
                found.identity,
                *foreign,
                dict(subject.annotations),
                (),
                0,
                statement.predicate_type,
                found.identity,
                found.issuer,
            )
            return Testimony(verified, statement, f"{found.identity} {found.issuer}", "")
        bundle = Bundle.parse(data, question.limit, certified=True)
        public = certified_key(bundle.certificate)
        own = self._trust.keys.get(public.hint)
        if own is not None and (own.purpose == "approve") is not approves:
            raise KeyPurposeError(f"key {own.name} is for {own.purpose!r}")
        seen = self._logged(bundle, own or TrustedKey("", "", public, ()))
        verified = self._verified(question, statement, subject, seen, bundle)
        signer = own.public.hint if own else f"{found.identity} {found.issuer}"
        verified = verified._replace(
            key=found.identity, identity=found.identity, issuer=found.issuer
        )
        return Testimony(verified, statement, signer, own.name if own else "")

    def _key(self, hint: str, question: Question) -> TrustedKey:
        """Return the key `hint`, which may answer, and in one of the places that were asked."""
        key = self._trust.keys.get(hint)
        if key is None:
            raise UnknownKeyError(f"no key of the trust root has the hint {hint[:80]!r}")
        if key.purpose not in question.purposes:
            expected = " or ".join(question.purposes)
            raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, not {expected!r}")
        if question.names is not None and not any(map(key.covers_name, question.names)):
            raise KeyScopeError(f"key {key.name} may not speak of {question.names[0]}")
        return key

    def _subject(self, statement: Statement, question: Question, purpose: str) -> Subject:
        """Return the subject that is what was asked about, in a statement of this purpose."""
        found = statement.predicate_type
        approves = found == statements.APPROVAL
        if approves is not (purpose == "approve") or found.startswith(statements.EVENT_PREFIX):
            expected = statements.APPROVAL if purpose == "approve" else "an attestation"
            raise PredicateTypeError(f"expected {expected}, found {found[:120]!r}")
        matching = [one for one in statement.subjects if one.digest == question.digest]
        if not matching:
            others = ", ".join(subject.digest for subject in statement.subjects[:3])
            raise DigestMismatchError(
                f"expected {question.digest}, the statement is about {others}"
            )
        named = [one for one in matching if one.name]
        if not named and not question.unnamed:
            raise UnnamedRepositoryError("expected the name of a repository, found none")
        for subject in named:
            if question.names is None or subject.name in question.names:
                return subject._replace(name=Repository(subject.name))
        if len(named) < len(matching) and question.unnamed:
            return next(one for one in matching if not one.name)
        others = ", ".join(repr(one.name[:120]) for one in named[:3])
        expected = question.names[0] if question.names else "a repository"
        raise RepositoryMismatchError(f"expected {expected}, the statement approves {others}")

    def _verified(
        self,
        question: Question,
        statement: Statement,
        subject: Subject,
        seen: Endorsed,
        bundle: Bundle,
    ) -> Verified:
        self._revoked.check_digest(question.digest, subject.name)
        return Verified(
            question.digest,
            subject.name,
            "",
            bundle.proof.index,
            bundle.proof.tree_size,
            seen.checkpoint.origin,
            dict(subject.annotations),
            seen.witnesses,
            len(self._trust.quorum.witnesses),
            statement.predicate_type,
        )

    def _logged(self, bundle: Bundle, key: TrustedKey) -> Endorsed:
        """Do the steps 5 to 9 of `verify`: they are the same for whatever was signed."""
        # 5. What the bundle says of its entry is never believed, only compared.
        envelope = bundle.envelope
        entry = Entry.of(envelope.message, envelope.signature, key.public, bundle.certificate)
        check_same(entry, bundle.entry)
        # 6.
        verify_inclusion(hash_leaf(entry.body()), bundle.proof, bundle.checkpoint.root)
        # 7, 8.
        seen = self._checkpoint(bundle)
        # 9.
        index = bundle.proof.index
        if not key.valid_at(index):
            raise KeyWindowError(
                f"key {key.name} counts from {key.valid_from_tree_size} to before "
                f"{key.valid_through_tree_size}, the entry is at {index}"
            )
        self._revoked.check_entry(index, key.public.hint)
        return seen

    def _checkpoint(self, bundle: Bundle) -> Endorsed:
        """Return the checkpoint of `bundle` once a pinned log key and the quorum signed it."""
        known = hashlib.sha256(bundle.note.encode()).digest()  # a note can be 256 KB long
        seen = self._seen.get(known)
        if seen is None:
            seen = self._tlog_policy.verify(Note.parse(bundle.note))
            if len(self._seen) >= _SEEN_CHECKPOINTS:
                self._seen.clear()
            self._seen[known] = seen
        keys = self._trust.log_keys(seen.checkpoint.origin)
        log_ids = {key.log_id for key in keys if key.kind != ML_DSA}  # those that Sigstore knows
        if bundle.log_id not in log_ids:
            raise CheckpointMismatchError(
                f"the entry names log {bundle.log_id.hex()[:16]}…, the checkpoint another"
            )
        if self._status is not None:
            _check_against(seen, self._status)
        return seen

    def _check_pinned(self) -> None:
        if self._policy is None and self._trust.policy_sha256:
            raise PolicyMismatchError("the trust file pins a policy, and none is at hand")

    def _check_fresh(self) -> None:
        """Do step 10 of `verify`. Each comparison is so that a clock without a number fails."""
        now, trust = self._clock(), self._trust
        if not now < trust.expires:
            raise TrustExpiredError(f"trust file version {trust.version} has expired")
        if not trust.issued <= now + limits.CLOCK_SKEW_S:
            raise NotYetValidError(f"trust file version {trust.version} is from the future")
        if self._status is not None:
            payload = self._status.payload
            if not payload.issued <= now + limits.CLOCK_SKEW_S:
                raise NotYetValidError(f"status file version {payload.version} is from the future")
            if not now - payload.issued <= self._max_trust_age_s:
                raise TrustStaleError(
                    f"the status file is {span(now - payload.issued)} old, "
                    f"the policy takes {span(self._max_trust_age_s)}"
                )


def _check_against(seen: Endorsed, status: Status) -> None:
    """Check that the status file is about the ledger of this checkpoint, and about one tree."""
    newest = status.endorsed.checkpoint
    if seen.checkpoint.origin != newest.origin:
        raise NoStatusError(f"the status file is of {newest.origin}, not {seen.checkpoint.origin}")
    if seen.checkpoint.tree_size == newest.tree_size and seen.checkpoint.root != newest.root:
        raise SplitViewError(
            f"the status file has another tree of {newest.tree_size} entries than the bundle"
        )
