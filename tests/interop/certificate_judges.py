"""Verifiers of bundles under a certificate: who signed is told by an identity and its issuer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

from tests.interop.judges import IGNORES, TRUSTED_ROOT, Given, ask_cosign, ask_js
from tests.interop.judging import Verdict
from tests.interop.peers import JsPeer

# What each accepts, as in `IGNORES`. There is no key to name, and cosign compares
# even a time that nobody vouches for with the certificate's dates.
_NO_KEY = {"hint: other", "body.key: last bit"}
_DATED = {"entry.integratedTime: set"}
_BY_HINT = "the log's key is found by the hint in the checkpoint"
CERTIFICATE_IGNORES: Mapping[str, Mapping[str, str]] = {
    "cosign": {
        **{name: why for name, why in IGNORES["cosign"].items() if name not in _NO_KEY | _DATED},
        "body.certificate: last bit": IGNORES["cosign"]["body.key: last bit"],
    },
    "sigstore-js": {
        name: why for name, why in IGNORES["sigstore-js"].items() if name not in _NO_KEY
    },
    "sigstore-python": {
        "signature.keyid: other": IGNORES["sigstore-js"]["signature.keyid: other"],
        "entry.logIndex: next": IGNORES["sigstore-js"]["entry.logIndex: next"],
        "proof.treeSize: next": "a size counts only by how long it makes the path",
        "entry.logId: last bit": _BY_HINT,
        "checkpoint.name: other": _BY_HINT,
        "entry.integratedTime: set": IGNORES["cosign"]["entry.integratedTime: set"],
        "entry.inclusionPromise: false": "an entry of Rekor v2 has a proof, and needs no promise",
    },
}


@dataclass(frozen=True, slots=True)
class CosignCertificate:
    """`cosign verify-blob-attestation` with an identity."""

    program: Path
    name: ClassVar[str] = "cosign"

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say whether cosign accepts them, each at the time that its timestamp says."""
        identity = ("--certificate-identity", given.identity)
        who = (*identity, "--certificate-oidc-issuer", given.issuer, "--use-signed-timestamps")
        return [ask_cosign(self.program, who, bundle, given) for bundle in bundles]


@dataclass(frozen=True, slots=True)
class JsCertificate:
    """npm's @sigstore/verify, with an identity."""

    peer: JsPeer
    name: ClassVar[str] = "sigstore-js"

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say whether the library accepts them, whatever they are statements about."""
        expected = {"identity": given.identity, "issuer": given.issuer}
        return ask_js(self.peer, expected, bundles, given)


@dataclass(frozen=True, slots=True)
class SigstorePython:
    """PyPI's sigstore, in this process: it asks no network when it is given its trust root."""

    scratch: Path
    name: ClassVar[str] = "sigstore-python"

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say whether the library accepts them, whatever they are statements about."""
        path = self.scratch / TRUSTED_ROOT
        path.write_bytes(given.trusted_root)
        verifier = Verifier(trusted_root=TrustedRoot.from_file(str(path)))
        expected = policy.Identity(identity=given.identity, issuer=given.issuer)
        return [self._verdict(verifier, bundle, expected) for bundle in bundles]

    def _verdict(self, verifier: Verifier, bundle: bytes, expected: policy.Identity) -> Verdict:
        try:
            kind, _ = verifier.verify_dsse(Bundle.from_json(bundle), expected)
        except (Error, ValueError) as e:
            return Verdict(accepted=False, output=f"{type(e).__name__}: {e}")
        return Verdict(accepted=True, output=kind)
