"""A trust file on its way from root to root: it counts once enough of them signed it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

from verifier import limits
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.signed import SignedFile, is_envelope


class Draft(NamedTuple):
    """What a trust file will say, and who signed it so far."""

    file: SignedFile
    trust: TrustRoot

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take a trust file, whoever signed it; or a payload, which nobody did.

        Raises:
            SignatureError: a signature in the name of one of its roots does not fit.
            MalformedError: any other shape.
        """
        file = SignedFile(PAYLOAD_TYPE, data, {})
        if is_envelope(data):
            file = SignedFile.parse(data, PAYLOAD_TYPE, limits.TRUST_FILE)
        draft = cls(file, TrustRoot.read(file.payload))
        _ = draft.signed
        return draft

    @property
    def signed(self) -> tuple[str, ...]:
        """Which of its own roots signed it, by name."""
        return self.file.signers(self.trust.roots.keys) if self.trust.roots else ()

    @property
    def counts(self) -> bool:
        """Whether enough of its own roots did."""
        return self.trust.roots is not None and len(self.signed) >= self.trust.roots.threshold

    def told(self) -> str:
        """Return in words who signed it."""
        return standing(self.file, self.trust)


def standing(file: SignedFile, trust: TrustRoot) -> str:
    """Return in words how many of the roots of `trust` signed `file`, and how many it takes."""
    if trust.roots is None:
        return "no roots: it counts for whoever pins it, and nothing can follow it"
    signed = len(file.signers(trust.roots.keys))
    return f"{signed} of {len(trust.roots.keys)} roots signed, {trust.roots.threshold} needed"


def read(path: Path, limit: int = limits.TRUST_FILE) -> bytes:
    """Return a file, or one byte more than `limit`, which no parser takes."""
    with path.open("rb") as file:
        return file.read(limit + 1)
