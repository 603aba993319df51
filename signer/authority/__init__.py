"""What this service vouches for in X.509: who signed, and when, for clients that ask for it.

Our own verifier believes keys and positions in the ledger, and none of this.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from verifier.publickey import PublicKey


class TimestampAuthority(Protocol):
    """Says when a signature was there (RFC 3161). One that `waits` asks a device, or others."""

    waits: bool

    def stamp(self, signature: bytes) -> bytes:
        """Return a TimeStampResp (DER) over the SHA-256 of `signature`.

        Raises:
            TimestampError: there is none that holds.
        """


class Issuer(Protocol):
    """Certifies that a key is whose it is, for ten minutes around a signature.

    It `waits` when it asks a device.
    """

    waits: bool

    def issue(self, public: PublicKey, identity: str, issued_by: str, now: int) -> bytes:
        """Return a leaf (DER) for `public` with `identity`, a URI, as its only name."""


class Authorities(NamedTuple):
    """What a service has of them.

    `behind_issuer` is what a revocation knows those by who stand behind each certificate.
    """

    issuer: Issuer | None = None
    timestamps: TimestampAuthority | None = None
    behind_issuer: tuple[str, ...] = ()
