"""Every way to say no.

Catch `VerificationError` around a verification: whatever is wrong with what was
handed in is one of its subclasses. Each has a `code` that never changes, for
programs; a message, expected before found, for people; and often a `hint` that
says what to do next. A bug in this library is an `InternalError`: no as well.

The rooms above have one class to catch each (`LedgerError`, `SigningError`);
all of them, and ours, are `SealbookError`, so that a command can print any.
"""

from __future__ import annotations

_LONGEST = 1000  # characters of a message


def printable(text: str) -> str:
    """Return `text`, cut, with whatever a terminal would obey escaped."""
    text = text[:_LONGEST]
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class SealbookError(Exception):
    """Never raised itself: what every refusal of this product can tell."""

    code = "error"
    hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Say what was expected and found; `hint` says what to do about it.

        The message may quote foreign bytes, so it is cut, and what a terminal
        would obey is escaped.
        """
        message = printable(message)
        super().__init__(message)
        self.message = message
        if hint:
            self.hint = hint


class VerificationError(SealbookError):
    """The answer is no. Never raised itself: a subclass says why."""


# What cannot be read.


class MalformedError(VerificationError):
    """The bytes do not have the shape that the format demands."""

    code = "malformed"


class IntegerError(MalformedError):
    """A number is not written in its one spelling, or is out of range."""

    code = "bad-integer"


class Base64Error(MalformedError):
    """Base64 is not in its one canonical spelling, or has another length."""

    code = "bad-base64"


class DuplicateKeyError(MalformedError):
    """One JSON object has the same key twice, so two readers may see two values."""

    code = "duplicate-key"


class UnknownFieldError(MalformedError):
    """A field is not part of the format: it would be signed or shown, but not checked."""

    code = "unknown-field"


class LimitError(MalformedError):
    """More, larger or deeper than `verifier.limits` allows."""

    code = "over-limit"


class UnsupportedError(MalformedError):
    """A version or kind of content that this verifier does not judge."""

    code = "unsupported-version"


class DigestError(MalformedError):
    """Not `sha256:` and 64 lower-case hexadecimal digits."""

    code = "bad-digest"
    hint = "a digest names exact bytes; resolve a tag with your registry client first"


class RepositoryError(MalformedError):
    """Not a canonical repository name: host[:port]/path in lower case."""

    code = "bad-repository"
    hint = "write the host too, no tag and no digest, as in registry.example:5000/team/app"


class AmbiguousKeyError(MalformedError):
    """Two keys share a name and an id, so that a signature line could mean either."""

    code = "ambiguous-key"
    hint = "let one of them make a new key: the id is a hash of it"


class LayoutError(MalformedError):
    """Not an OCI image layout, or the image that was named is not in it."""

    code = "bad-layout"


class AmbiguousManifestError(MalformedError):
    """A manifest that one reader takes for an image and another for an index."""

    code = "ambiguous-manifest"


# Who signed.


class UnknownKeyError(VerificationError):
    """No key in the trust root has this hint."""

    code = "unknown-key"
    hint = "is this the trust file of the service that signed, and a current one?"


class KeyPurposeError(VerificationError):
    """The key is trusted, but for something else."""

    code = "key-purpose"


class KeyScopeError(VerificationError):
    """The key is trusted, but not for this repository."""

    code = "key-scope"


class KeyWindowError(VerificationError):
    """The entry lies outside the ledger positions for which the key is trusted."""

    code = "key-window"


class CertificateError(VerificationError):
    """An X.509 certificate that cannot be read."""

    code = "bad-certificate"


class KeyDetailsError(VerificationError):
    """A key under the name of another algorithm: what it signed could never verify."""

    code = "key-details"


class UnsupportedKeyError(VerificationError):
    """A key of an algorithm, size or encoding that is not in the table."""

    code = "unsupported-key"


class WeakKeyError(UnsupportedKeyError):
    """A key under which anyone can sign."""

    code = "weak-key"


class ExampleKeyError(VerificationError):
    """A key from keys-example/, whose private half is public."""

    code = "example-key"
    hint = "make your own with `sealbook init`, or pass --example-keys if this is an exercise"


class SignatureError(VerificationError):
    """The signature does not fit the bytes and the key."""

    code = "bad-signature"


# What was signed.


class PredicateTypeError(VerificationError):
    """The statement says something else than was asked for."""

    code = "predicate-type"


class DigestMismatchError(VerificationError):
    """The statement is about other bytes."""

    code = "digest-mismatch"


class RepositoryMismatchError(VerificationError):
    """The statement approves this image in another repository."""

    code = "repository-mismatch"


class UnnamedRepositoryError(VerificationError):
    """The statement names no repository, so it would approve this image in every one."""

    code = "unnamed-repository"
    hint = "cosign's own bundles name none: sign with Sealbook, whose approvals do"


# Where it is logged.


class EntryMismatchError(VerificationError):
    """The ledger entry is not the one that this signature makes."""

    code = "entry-mismatch"


class CheckpointMismatchError(VerificationError):
    """The proof is for another tree than the checkpoint commits to."""

    code = "checkpoint-mismatch"


class InclusionError(VerificationError):
    """The entry is not in the tree that the checkpoint commits to."""

    code = "not-included"
    hint = "fetch the bundle again; if this stays, tell whoever runs the ledger"


class UntrustedLogError(VerificationError):
    """No pinned log key signed the checkpoint."""

    code = "untrusted-log"


class WitnessQuorumError(VerificationError):
    """Fewer witnesses stand behind the checkpoint than the trust root demands."""

    code = "witness-quorum"


class NoContradictionError(VerificationError):
    """Both of the log's statements can be true, so this is no evidence against it."""

    code = "no-contradiction"


# What is believed without proof.


class TrustExpiredError(VerificationError):
    """The trust file is past its expiry."""

    code = "trust-expired"
    hint = "fetch the current one: sealbook trust sync URL DIR"


class NotYetValidError(VerificationError):
    """A trust or status file says that it is from the future."""

    code = "not-yet-valid"
    hint = "is the clock of this machine right?"


class TrustUnsignedError(VerificationError):
    """A trust file that nobody signed, or after which none can come, because it names no roots."""

    code = "trust-unsigned"


class TrustThresholdError(VerificationError):
    """Fewer root keys signed the trust file than must."""

    code = "trust-threshold"
    hint = "let another root sign it: sealbook trust sign FILE --key KEY"


class ForeignTrustError(VerificationError):
    """A trust or status file of somebody else: no key that we trust signed it."""

    code = "foreign-trust"
    hint = "is this the file of the service that you pinned?"


class TrustRollbackError(VerificationError):
    """A trust file older than one that was seen."""

    code = "trust-rollback"
    hint = "somebody serves an old file, and hides what came after it"


class TrustConflictError(VerificationError):
    """Two signed files of one version that say different things."""

    code = "trust-conflict"
    hint = "keep both: their signers must explain themselves"


class StatusRollbackError(VerificationError):
    """A status file older than one that was seen, or that takes a revocation back."""

    code = "status-rollback"
    hint = "somebody serves an old file, and hides what was revoked since"


class TrustStaleError(VerificationError):
    """The status file is older than the policy's `max_trust_age`."""

    code = "trust-stale"
    hint = "fetch a newer one: sealbook trust sync URL DIR"


class NoStatusError(VerificationError):
    """A policy is in force, and nothing says what was revoked, or when."""

    code = "no-status"
    hint = "put status.json beside trust.json, or name it with --status"


class SplitViewError(VerificationError):
    """The log signed two different trees of one size."""

    code = "split-view"
    hint = "keep both checkpoints: together they prove it. Tell whoever runs the ledger"


# What the policy says.


class PolicyError(VerificationError):
    """A policy that cannot be read, or that would say yes to everything."""

    code = "bad-policy"
    hint = "sealbook policy check FILE"


class PolicyMismatchError(VerificationError):
    """The policy is not the one that the trust file pins."""

    code = "policy-mismatch"


class NoRuleError(VerificationError):
    """The policy says nothing about this repository."""

    code = "no-rule"
    hint = 'a rule for "*" would cover every other repository'


class NotApprovedError(VerificationError):
    """Of what was handed in, too little counts."""

    code = "not-approved"


class RevokedError(VerificationError):
    """It was revoked."""

    code = "revoked"


class TooOldError(VerificationError):
    """It counts, but it is older than the policy takes."""

    code = "too-old"


class VulnerableError(VerificationError):
    """A scanner found more than the policy takes."""

    code = "vulnerable"


class RequesterError(VerificationError):
    """Somebody else asked for the signature."""

    code = "requester"


class IdentityMismatchError(VerificationError):
    """A good certificate, of an identity that the policy does not name."""

    code = "identity-mismatch"


class StaleCheckpointError(VerificationError):
    """The newest checkpoint is older than the policy takes, so newer entries may be hidden."""

    code = "stale-checkpoint"
    hint = "fetch a newer status file: sealbook trust sync URL DIR"


class MissingExtraError(VerificationError):
    """What would answer is not installed, so the answer is no."""

    code = "missing-extra"
    hint = "pip install 'sealbook[keyless]'"


class InternalError(VerificationError):
    """A bug of ours: it must not look like a yes."""

    code = "internal-error"
    hint = "please report this"
