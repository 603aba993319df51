"""Good inputs of every kind, the same in each process: what the fuzzer starts from.

All keys are fixed, so that a file that was found fails again; their private halves are
these numbers, and nobody trusts them.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    ISSUED,
    NOW,
    ORIGIN,
    REPOSITORY,
    NoteSigner,
    Signer,
    World,
    policy,
    public,
)
from verifier import jws, simplesigning
from verifier._strict import b64encode
from verifier.evidence import Evidence
from verifier.merkle import Hash
from verifier.note import COSIGNATURE, ML_DSA, NoteKey, NoteSignature
from verifier.pull import tar
from verifier.quorum import Quorum
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry, Promise
from verifier.repository import Scope
from verifier.statement import approval, event
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import Roots, TrustedKey, keys_by_hint
from verifier.trust.revocation import Revocation
from verifier.trust.signed import SignedFile
from verifier.trust.status import Mark, StatusPayload
from verifier.vulnerabilities import Finding, Report, Scan, Scanner

TIME = "2026-11-23T21:06:41Z"


class Fixed(Signer):
    """A signer whose P-256 or Ed25519 key is a number."""

    def __init__(self, number: int, algorithm: str = "ecdsa-p256") -> None:
        super().__init__(algorithm)
        self._key = (
            Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
            if algorithm == "ed25519"
            else ec.derive_private_key(number, ec.SECP256R1())
        )
        self.public = public(self._key.public_key())


class Cosigner(NoteSigner):
    """A witness whose key is a number, and that signs a text once: ML-DSA-44 is random."""

    def __init__(self, number: int, name: str, kind: int) -> None:
        super().__init__(name, kind, number.to_bytes(32, "big"))
        self._signed: dict[str, NoteSignature] = {}

    def sign(self, text: str, time: int = NOW) -> NoteSignature:
        """Return the one signature line under `text`."""
        return self._signed.setdefault(text, super().sign(text, time))


APPROVER, PROMISER, OFFICER, STATUS = (Fixed(number) for number in range(1, 5))
ROOTS = (Fixed(5, "ed25519"), Fixed(6))
LOG = NoteSigner(ORIGIN, seed=bytes(32))
WITNESSES = (Cosigner(1, "w.example/0", COSIGNATURE), Cosigner(2, "w.example/1", ML_DSA))
WORLD = World(signer=APPROVER, log=LOG, witnesses=WITNESSES, quorum=policy(1, WITNESSES))

KEYS = (
    WORLD.key,
    TrustedKey("officer", "event", OFFICER.public, (Scope("*"),), 2, 9007),
    TrustedKey("status", "status", STATUS.public, ()),
)
TRUST = TrustRoot(
    1,
    ISSUED,
    EXPIRES,
    (WORLD.logs[0]._replace(promise_key=PROMISER.public),),
    keys_by_hint(KEYS),
    Quorum.parse(WORLD.quorum),
    (),
    Roots(1, {"alice": ROOTS[0].public, "bob": ROOTS[1].public}),
)
PINNING = TRUST._replace(policy_sha256=bytes(32))
SIGNED_TRUST = SignedFile.sign(PAYLOAD_TYPE, TRUST.json(), ROOTS).json()

NOTE, TEXT = WORLD.note, str(WORLD.checkpoint)
LEGACY = LegacyEntry.of(b"", b"signature", APPROVER.public).body()
ENVELOPE = EnvelopeEntry.of(b"", b"", (b"sig", APPROVER.public), (b"", ROOTS[0].public)).body()
PROMISE = Promise.make(PROMISER, WORLD.entry, NOW, WORLD.index)
STATEMENTS = (
    WORLD.payload,
    approval(REPOSITORY, IMAGE, {}),
    event("revocation", ORIGIN, {"kind": "entry", "entry": 1, "reason": ""}),
)

_TARGET = jws.TargetArtifact("application/vnd.oci.image.manifest.v1+json", IMAGE, 527, {"a": "b"})
NOTATION = jws.signing_input("ecdsa-p256", NOW, jws.payload(_TARGET))
SIMPLE = simplesigning.payload(REPOSITORY, IMAGE, {"env": "prod"})

FORK = Evidence.fork(NOTE, NOTE, Hash(bytes(32)), (Hash(bytes(32)),) * 2, (TIME, TIME))
SPLIT = Evidence.split_view(NOTE, NOTE, (TIME, TIME))
BACK = Evidence.rollback(NOTE, NOTE, (TIME, TIME))

BUNDLE = WORLD.bundle.json()
REVOCATIONS = (
    Revocation("entry", "12", "made by mistake", 40, bundle=b'{"a":1}'),
    Revocation("key", APPROVER.public.hint, "stolen", 41, 9, bundle=BUNDLE),
    Revocation("digest", IMAGE, "", 42, repository=Scope("*"), bundle=b"{}"),
    Revocation("authority", "00" * 32, "gone", 43, NOW, bundle=b"{}"),
)
STATUS_PAYLOAD = StatusPayload(
    ORIGIN, 2, NOW, NOW + 7200, NOTE, (Mark(0, ISSUED), Mark(7, NOW)), REVOCATIONS
)

VKEYS = (
    str(LOG.key),
    str(NoteKey.of(ORIGIN, PROMISER.public)),
    *(str(witness.key) for witness in WITNESSES),
)
TLOG_POLICY = f"log {LOG.key} https://{ORIGIN}/\n# c\n{WORLD.quorum}"

SCAN = Scan(
    Scanner("trivy", "pkg:github/aquasecurity/trivy@0.69.1", "0.69.1", "", "2", NOW),
    NOW,
    NOW + 1,
    (
        Finding("high", "CVE-2019-1549", "libssl1.1", "1.1.1c-r0", "1.1.1d-r0", "pkg:apk/ssl"),
        Finding("low", "CVE-2019-1551", "libssl1.1", "1.1.1c-r0"),
    ),
    Report("trivy", bytes(32)),
)


def _descriptor(media_type: str) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": IMAGE,
        "size": 527,
        "annotations": {"org.opencontainers.image.ref.name": "1.0"},
    }


OCI = "application/vnd.oci.image."
MANIFESTS = (
    {
        "schemaVersion": 2,
        "mediaType": f"{OCI}manifest.v1+json",
        "config": _descriptor(f"{OCI}config.v1+json"),
        "layers": [_descriptor(f"{OCI}layer.v1.tar+gzip")],
    },
    {
        "schemaVersion": 2,
        "mediaType": f"{OCI}index.v1+json",
        "manifests": [_descriptor(f"{OCI}manifest.v1+json")],
    },
)


def compact(value: object) -> bytes:
    """Return JSON as most programs write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def enveloped(payload_type: str, payload: bytes, signature: bytes) -> bytes:
    """Return a DSSE envelope, whatever is in it."""
    line = {"sig": b64encode(signature), "keyid": "k"}
    value = {"payload": b64encode(payload), "payloadType": payload_type, "signatures": [line]}
    return compact(value)


TAR = b"".join(
    (
        tar.header("blobs/", 0, directory=True),
        tar.header("oci-layout", 2) + tar.padded(b"{}"),
        tar.ending(),
    )
)
