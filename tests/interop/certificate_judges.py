"""Verifiers of bundles under a certificate: who signed is told by an identity and its issuer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

from tests.interop.judges import BUNDLE, IGNORES, TRUSTED_ROOT, ask_js
from tests.interop.judging import Verdict, ask
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


class CertificateJudge(Protocol):
    """A verifier of Sigstore bundles under a certificate."""

    @property
    def name(self) -> str:
        """The key of this judge in its table of what it ignores."""

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        identity: str,
        issuer: str,
        digest: str,
        predicate_type: str,
    ) -> Verdict:
        """Say whether `bundle` proves a statement about `digest`, signed by `identity`.

        Raises:
            subprocess.SubprocessError: there is no verdict.
        """


@dataclass(frozen=True, slots=True)
class CosignCertificate:
    """`cosign verify-blob-attestation` with an identity."""

    program: Path
    name: ClassVar[str] = "cosign"

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        identity: str,
        issuer: str,
        digest: str,
        predicate_type: str,
    ) -> Verdict:
        """Say whether cosign accepts `bundle`, at the time that its timestamp says."""
        algorithm, _, value = digest.partition(":")
        command: list[str | Path] = [
            *(self.program, "verify-blob-attestation"),
            *("--certificate-identity", identity, "--certificate-oidc-issuer", issuer),
            *("--use-signed-timestamps", "--trusted-root", TRUSTED_ROOT, "--bundle", BUNDLE),
            *("--type", predicate_type, "--digest", value, "--digestAlg", algorithm),
        ]
        return ask(command, {BUNDLE: bundle, TRUSTED_ROOT: trusted_root})


@dataclass(frozen=True, slots=True)
class JsCertificate:
    """npm's @sigstore/verify, with an identity."""

    peer: JsPeer
    name: ClassVar[str] = "sigstore-js"

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        identity: str,
        issuer: str,
        digest: str,  # noqa: ARG002 - this library does not look inside a statement
        predicate_type: str,  # noqa: ARG002 - nor here
    ) -> Verdict:
        """Say whether the library accepts `bundle`, whatever it is a statement about."""
        files = {BUNDLE: bundle, TRUSTED_ROOT: trusted_root}
        return ask_js(self.peer, files, {"identity": identity, "issuer": issuer})


@dataclass(frozen=True, slots=True)
class SigstorePython:
    """PyPI's sigstore, in this process: it asks no network when it is given its trust root."""

    scratch: Path
    name: ClassVar[str] = "sigstore-python"

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        identity: str,
        issuer: str,
        digest: str,  # noqa: ARG002 - it returns the statement for its caller to look at
        predicate_type: str,  # noqa: ARG002 - the same
    ) -> Verdict:
        """Say whether the library accepts `bundle`, whatever it is a statement about."""
        path = self.scratch / TRUSTED_ROOT
        path.write_bytes(trusted_root)
        expected = policy.Identity(identity=identity, issuer=issuer)
        try:
            verifier = Verifier(trusted_root=TrustedRoot.from_file(str(path)))
            kind, _ = verifier.verify_dsse(Bundle.from_json(bundle), expected)
        except (Error, ValueError) as e:
            return Verdict(accepted=False, output=f"{type(e).__name__}: {e}")
        return Verdict(accepted=True, output=kind)
