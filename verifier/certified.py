"""What a judge of certificate bundles answers, and what such a judge is.

The judge itself (`verifier.pull.keyless`) needs an extra; this module needs nothing, so
that the verifier can ask one without knowing who it is.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Certified(NamedTuple):
    """What is now known of a certificate bundle: who signed, what, and where it is logged.

    `identity` and `issuer` are the certificate's own, whole: the only alternative name in
    it, and the URL of who authenticated that. Compare them as whole strings.
    """

    identity: str
    issuer: str
    payload: bytes  # of the DSSE envelope, in-toto; b"" when a message was signed
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    tree_size: int
    origin: str


class CertificateJudge(Protocol):
    """Says who signed a bundle under a certificate."""

    def certified(self, data: bytes) -> Certified:
        """Return what the bundle `data` of an envelope proves.

        Its certificate was issued by an authority that is trusted, to whom it says, and was
        valid at a time that is vouched for; its key signed; and a trusted log has that. What
        the payload says, and about what, is left to the caller.

        Raises:
            VerificationError: anything else.
        """
