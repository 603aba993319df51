"""One question, put to verifiers of bundles that nobody here wrote: is this bundle good?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

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


class Given(NamedTuple):
    """What a verifier is told beside the bundle: whom to trust, and what about.

    Under a key it is told the key, under a certificate an identity and its issuer.
    """

    trusted_root: bytes
    digest: str
    predicate_type: str
    public_key_pem: bytes = b""
    identity: str = ""
    issuer: str = ""


class Judge(Protocol):
    """A verifier of Sigstore bundles."""

    @property
    def name(self) -> str:
        """The key of this judge in its table of what it ignores."""

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say of each bundle whether it proves a statement about `given.digest` ("sha256:…").

        Raises:
            subprocess.SubprocessError, ValueError: there is no verdict: the judge was
                killed, or did not end in time, or not with an answer for each.
        """


def judged(judge: Judge, bundle: bytes, given: Given) -> Verdict:
    """Return the verdict on one bundle."""
    [verdict] = judge.judge([bundle], given)
    return verdict


@dataclass(frozen=True, slots=True)
class Cosign:
    """`cosign verify-blob-attestation`, which reads timestamps only when it is told to."""

    program: Path
    timestamped: bool = False
    name: ClassVar[str] = "cosign"

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say whether cosign accepts them under the key, for this digest and predicate type."""
        who = ("--key", KEY, *(("--use-signed-timestamps",) if self.timestamped else ()))
        return [ask_cosign(self.program, who, bundle, given) for bundle in bundles]


@dataclass(frozen=True, slots=True)
class SigstoreJs:
    """npm's @sigstore/verify."""

    peer: JsPeer
    name: ClassVar[str] = "sigstore-js"

    def judge(self, bundles: Sequence[bytes], given: Given) -> list[Verdict]:
        """Say whether the library accepts them under the key, whatever they are about."""
        return ask_js(self.peer, {"key": KEY}, bundles, given)


def ask_cosign(program: Path, who: Sequence[str], bundle: bytes, given: Given) -> Verdict:
    """Run cosign on one bundle; `who` are the options that say who must have signed."""
    algorithm, _, value = given.digest.partition(":")
    command = [
        *(program, "verify-blob-attestation", *who),
        *("--trusted-root", TRUSTED_ROOT, "--bundle", BUNDLE),
        *("--type", given.predicate_type, "--digest", value, "--digestAlg", algorithm),
    ]
    return ask(command, {**_files(given), BUNDLE: bundle})


def ask_js(
    peer: JsPeer, expected: Mapping[str, str], bundles: Sequence[bytes], given: Given
) -> list[Verdict]:
    """Run verify.mjs, once, as Node needs longer to start than to judge.

    `expected` names the key's file, or an identity and its issuer. Here it is not the
    exit code that answers but a line for each bundle, and none may be missing.
    """
    names = [f"{i}.json" for i in range(len(bundles))]
    files = {**_files(given), **dict(zip(names, bundles, strict=True))}
    command = (peer.node, VERIFY_SCRIPT, peer.home, json.dumps(expected), TRUSTED_ROOT, *names)
    said = ask(command, files)
    if not said.accepted:
        raise subprocess.CalledProcessError(1, command, said.output)
    lines = [json.loads(line) for line in said.output.splitlines()]
    return [
        Verdict(accepted=line["accepted"] is True, output=line["reason"])
        for _, line in zip(names, lines, strict=True)
    ]


def _files(given: Given) -> dict[str, bytes]:
    return {TRUSTED_ROOT: given.trusted_root, KEY: given.public_key_pem}
