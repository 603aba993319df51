"""The judge: may this image run?

`Verifier.verify` judges one bundle and `Verifier.judge` all that is known about an image
under a policy; they are the main flow of this room. It is pure: bytes, a trust root, a
policy and a clock go in; a `Verified` or a `Verdict` comes out, or a `VerificationError`
that says what was expected and found. Nothing is fetched, nothing is written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from verifier import statement as statements
from verifier.bundle import Bundle, has_certificate
from verifier.entry import certified_key
from verifier.errors import (
    InternalError,
    KeyPurposeError,
    KeyScopeError,
    MissingExtraError,
    NotApprovedError,
    PolicyMismatchError,
    RepositoryMismatchError,
    UnknownKeyError,
    VerificationError,
)
from verifier.ledger_check import LedgerCheck
from verifier.repository import Repository
from verifier.statement import Statement, Subject
from verifier.testimony import Question, Testimony
from verifier.trust.freshness import MAX_AGE_S, check_fresh, warnings
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocations
from verifier.verdict import Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.certified import CertificateJudge
    from verifier.digest import Digest
    from verifier.policy import Policy
    from verifier.tlogpolicy import Endorsed
    from verifier.trust import TrustRoot
    from verifier.trust.status import Status
    from verifier.verdict import Verdict

# What is raised as it is: a refusal, and what whoever interrupts us wants. All else is a bug.
_NOT_OURS = (VerificationError, KeyboardInterrupt, SystemExit, GeneratorExit)


class Verifier:
    """Judges bundles under one trust root, and perhaps a status file and a policy.

    Safe in many threads.
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
        self._max_age_s = policy.max_trust_age_s if policy else MAX_AGE_S
        self._revoked = Revocations(status.payload.revocations if status else ())
        self._ledger = LedgerCheck(trust, status, self._revoked)
        if policy is not None:
            from verifier.policy import judging

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
            check_fresh(self._trust, self._status, self._max_age_s, self._clock())
        except _NOT_OURS:
            raise
        except BaseException as e:  # even a panic in Rust, which is no Exception
            raise InternalError(f"{type(e).__name__}: {e}") from e
        return found

    def warnings(self) -> tuple[str, ...]:
        """Return what should be seen to before it becomes a refusal."""
        return warnings(self._status, self._max_age_s, self._clock())

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
            from verifier.policy import judging

            self._check_pinned()
            check_fresh(self._trust, self._status, self._max_age_s, self._clock())
            rules = self._policy.of(repository) if self._policy is not None else None
            # Where it was signed too: nothing excuses what is taken back there.
            self._revoked.check_digest(
                digest, *(rules.names(repository) if rules else (repository,))
            )
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
        seen = self._ledger.check(bundle, key)
        check_fresh(self._trust, self._status, self._max_age_s, self._clock())
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
        subject = question.subject_of(statement, key.purpose)
        _check_scope(key, subject.name)
        # 5 to 9.
        seen = self._ledger.check(bundle, key)
        verified = self._verified(question, statement, subject, seen, bundle)
        return Testimony(verified._replace(key=key.name), statement, key.name, key.name)

    def _certified(self, data: bytes, question: Question) -> Testimony:
        """Do the same for a bundle under a certificate, which others judge."""
        if self._certificates is None:
            raise MissingExtraError("nobody here judges bundles under a certificate")
        found = self._certificates.certified(data)
        statement = Statement.parse(found.payload)
        approves = statement.predicate_type == statements.APPROVAL
        subject = question.subject_of(statement, "approve" if approves else "attest")
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
        if own is not None:  # a certificate makes of our key no other one
            if own.purpose != ("approve" if approves else "attest"):
                raise KeyPurposeError(f"key {own.name} is for {own.purpose!r}")
            _check_scope(own, subject.name)
        seen = self._ledger.check(bundle, own or TrustedKey("", "", public, ()))
        verified = self._verified(question, statement, subject, seen, bundle)
        signer = own.name if own else f"{found.identity} {found.issuer}"
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

    def _check_pinned(self) -> None:
        if self._policy is None and self._trust.policy_sha256:
            raise PolicyMismatchError("the trust file pins a policy, and none is at hand")


def _check_scope(key: TrustedKey, name: str) -> None:
    if not key.covers_name(name):
        raise KeyScopeError(f"key {key.name} may not speak of {name[:120]!r}")
