"""The trust root: which keys and logs count, for what, where and when.

A trust file is a payload (`verifier.trust.payload`) that k of n offline root keys signed, or
the payload alone, for whoever pins it. From then on it only goes forward: the next file is
signed by enough roots of the one before *and* by enough of its own, and its version rises.
"""

from __future__ import annotations

from typing import Self

from verifier import limits
from verifier.errors import (
    ForeignTrustError,
    KeyPurposeError,
    TrustConflictError,
    TrustRollbackError,
    TrustThresholdError,
    TrustUnsignedError,
    UnknownKeyError,
)
from verifier.note import NoteKey
from verifier.publickey import PublicKey
from verifier.tlogpolicy import TlogPolicy
from verifier.trust.listed import Roots, TrustedKey
from verifier.trust.payload import TrustPayload
from verifier.trust.signed import SignedFile, is_envelope

PAYLOAD_TYPE = "application/vnd.sealbook.trust+json"


class TrustRoot(TrustPayload):
    """Everything a verifier believes without proof. Times are POSIX seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take a trust file that somebody pinned: signed, or its payload alone.

        Raises:
            TrustThresholdError: an envelope that too few of its own roots signed.
            TrustUnsignedError: an envelope that names no roots.
            SignatureError: a root's signature does not fit.
            MalformedError: any other shape, as `TrustPayload.read` says.
        """
        if not is_envelope(data):
            return cls.read(data)
        file = SignedFile.parse(data, PAYLOAD_TYPE, limits.TRUST_FILE)
        trust = cls.read(file.payload)
        _check_threshold(file, trust.roots)
        return trust

    def successor(self, data: bytes) -> Self:
        """Return the trust file `data`, once it is seen to follow this one, or to be this one.

        Raises:
            TrustUnsignedError: this file names no roots, or `data` is no envelope.
            ForeignTrustError: none of our roots signed it.
            TrustThresholdError: too few of ours did, or too few of its own.
            TrustRollbackError: its version is lower than ours.
            TrustConflictError: its version is ours, and it says something else.
            VerificationError: whatever else `parse` raises.
        """
        if self.roots is None or not is_envelope(data):
            raise TrustUnsignedError("expected a signed trust file, and roots that could sign it")
        file = SignedFile.parse(data, PAYLOAD_TYPE, limits.TRUST_FILE)
        if not file.signers(self.roots.keys):
            raise ForeignTrustError("none of the root keys that we trust signed this trust file")
        _check_threshold(file, self.roots)
        new = type(self).read(file.payload)
        _check_threshold(file, new.roots)
        if new.version < self.version:
            raise TrustRollbackError(
                f"expected version {self.version} or later, found {new.version}"
            )
        if new.version == self.version and new != self:
            raise TrustConflictError(f"there are two trust files of version {self.version}")
        return new

    def key(self, hint: str, purpose: str) -> TrustedKey:
        """Return the key with this hint.

        Raises:
            UnknownKeyError: there is none.
            KeyPurposeError: it is for another purpose.
        """
        if hint not in self.keys:
            raise UnknownKeyError(f"no key of the trust root has the hint {hint[:80]!r}")
        key = self.keys[hint]
        if key.purpose != purpose:
            raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, not {purpose!r}")
        return key

    def status_keys(self) -> dict[str, PublicKey]:
        """Return the keys, by label, each of which may sign `status.json`."""
        return {key.label: key.public for key in self.keys.values() if key.purpose == "status"}

    def log_keys(self, origin: str) -> tuple[NoteKey, ...]:
        """Return the checkpoint keys of the log `origin`; none when it is not trusted."""
        return tuple(log.checkpoint_key for log in self.logs if log.origin == origin)

    def tlog_policy(self) -> TlogPolicy:
        """Return which checkpoints to believe, as other tools of the C2SP read it."""
        return TlogPolicy(tuple((log.checkpoint_key, "") for log in self.logs), self.quorum)


def _check_threshold(file: SignedFile, roots: Roots | None) -> None:
    if roots is None:
        raise TrustUnsignedError("a signed trust file names the roots that sign it")
    signed = file.signers(roots.keys)
    if len(signed) < roots.threshold:
        raise TrustThresholdError(
            f"root keys {len(signed)} of {len(roots.keys)} signed, expected {roots.threshold}"
        )
