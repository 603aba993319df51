"""One question, put to verifiers of bundles that nobody here wrote: is this bundle good?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from tests.interop.judging import Verdict, ask
from tests.interop.peers import JsPeer

VERIFY_SCRIPT = Path(__file__).with_name("verify.mjs")
BUNDLE, TRUSTED_ROOT, KEY = "bundle.json", "trusted_root.json", "key.pem"

# Why each judge accepts some tampers (by their names in tampers.py). Every test
# that uses this table also asserts that what it lists is accepted, so an entry
# goes when a newer judge becomes stricter. What both ignore, nobody foreign
# checks: our own verifier must.
_HINT = "opaque: the caller names the key"
_TIME = "Rekor v2 gives no time; its specification says to ignore the field"
_CHECKPOINT_COUNTS = "the signed checkpoint says it too, and only that copy is used"
_REBUILT = "the leaf is rebuilt from key, envelope and signature; these bytes must only parse"
IGNORES: Mapping[str, Mapping[str, str]] = {
    "cosign": {
        "hint: other": _HINT,
        "entry.kind: other": "an entry is told by its body, not by this label",
        "entry.version: other": "an entry is told by its body, not by this label",
        "entry.integratedTime: set": _TIME,
        "proof.logIndex: next": "the entry's own logIndex is used",
        "proof.treeSize: next": _CHECKPOINT_COUNTS,
        "proof.treeSize: four times": _CHECKPOINT_COUNTS,
        "proof.rootHash: last bit": _CHECKPOINT_COUNTS,
        "body: trailing space": _REBUILT,
        "body.kind: other": _REBUILT,
        "body.algorithm: other": _REBUILT,
        "body.digest: last bit": _REBUILT,
        "body.signature: last bit": _REBUILT,
        "body.keyDetails: other": _REBUILT,
        "body.key: last bit": _REBUILT,
        "timestamps: twice": "one good timestamp is enough",
    },
    "sigstore-js": {
        "hint: other": _HINT,
        "signature.keyid: other": "opaque, and no part of what is signed",
        "bundle: unknown field": "unknown fields are dropped when the JSON is read",
        "mediaType: later version": "any v<digit>.<digit> is read by the rules of v0.3",
        "entry.logIndex: next": "the proof's logIndex is used",
        "entry.logIndex: gone": "the proof's logIndex is used",
        "entry.integratedTime: set": _TIME,
        "proof.treeSize: next": _CHECKPOINT_COUNTS,
        "proof.treeSize: four times": _CHECKPOINT_COUNTS,
        "proof.rootHash: last bit": _CHECKPOINT_COUNTS,
        "timestamp.status: rejection": "only the signed token in the response counts",
    },
}


class Judge(Protocol):
    """A verifier of Sigstore bundles."""

    @property
    def name(self) -> str:
        """The key of this judge in `IGNORES`."""

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        public_key_pem: bytes,
        digest: str,
        predicate_type: str,
    ) -> Verdict:
        """Say whether `bundle` proves a statement about `digest` ("sha256:…").

        Raises:
            subprocess.SubprocessError: there is no verdict: the judge was
                killed, or did not end in time.
        """


@dataclass(frozen=True, slots=True)
class Cosign:
    """`cosign verify-blob-attestation`, which reads timestamps only when it is told to."""

    program: Path
    timestamped: bool = False
    name: ClassVar[str] = "cosign"

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        public_key_pem: bytes,
        digest: str,
        predicate_type: str,
    ) -> Verdict:
        """Say whether cosign accepts `bundle` for this digest and predicate type."""
        algorithm, _, value = digest.partition(":")
        command: list[str | Path] = [
            *(self.program, "verify-blob-attestation"),
            *("--key", KEY, "--trusted-root", TRUSTED_ROOT, "--bundle", BUNDLE),
            *("--type", predicate_type, "--digest", value, "--digestAlg", algorithm),
            *(("--use-signed-timestamps",) if self.timestamped else ()),
        ]
        return ask(command, {BUNDLE: bundle, TRUSTED_ROOT: trusted_root, KEY: public_key_pem})


@dataclass(frozen=True, slots=True)
class SigstoreJs:
    """npm's @sigstore/verify, through verify.mjs."""

    peer: JsPeer
    name: ClassVar[str] = "sigstore-js"

    def judge(
        self,
        bundle: bytes,
        *,
        trusted_root: bytes,
        public_key_pem: bytes,
        digest: str,  # noqa: ARG002 - this library does not look inside a statement
        predicate_type: str,  # noqa: ARG002 - nor here
    ) -> Verdict:
        """Say whether the library accepts `bundle`, whatever it is a statement about."""
        files = {BUNDLE: bundle, TRUSTED_ROOT: trusted_root, KEY: public_key_pem}
        return ask_js(self.peer, files, {"key": KEY})


def ask_js(peer: JsPeer, files: Mapping[str, bytes], expected: Mapping[str, str]) -> Verdict:
    """Run verify.mjs: `expected` names a key's file, or an identity and its issuer."""
    command = (peer.node, VERIFY_SCRIPT, peer.home, BUNDLE, TRUSTED_ROOT, json.dumps(expected))
    return ask(command, files)
