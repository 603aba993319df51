"""A signed statement in a two-entry log, made with `cryptography` alone.

It shares no line with the service, so that a mistake there cannot hide here.
Both keys are new in every process.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "ledger.example"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True, slots=True)
class Handmade:
    """A good bundle, and everything that a judge needs to say so."""

    bundle: bytes
    trusted_root: bytes
    public_key_pem: bytes
    digest: str
    predicate_type: str


def make() -> Handmade:
    """Return a bundle that every judge must accept."""
    key, log_key = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = _sha256(b"an image")

    # The DSSE envelope (PAE: secure-systems-lab/dsse, protocol.md).
    payload = _json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": {},
            "predicateType": PREDICATE_TYPE,
            "subject": [
                {
                    "annotations": {"env": "prod"},
                    "digest": {"sha256": digest.hex()},
                    "name": "registry.example/team/app",
                }
            ],
        }
    )
    pae = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signature = key.sign(pae, ec.ECDSA(hashes.SHA256()))

    # The log entry (Rekor v2 hashedrekord 0.0.2), second in a tree of two (RFC 6962).
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": {"rawBytes": _b64(spki)}}
    record = {
        "data": {"algorithm": "SHA2_256", "digest": _b64(_sha256(pae))},
        "signature": {"content": _b64(signature), "verifier": verifier},
    }
    body = _json(
        {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}
    )
    first, second = _sha256(b"\x00genesis"), _sha256(b"\x00" + body)
    root = _sha256(b"\x01" + first + second)

    # The checkpoint (C2SP tlog-checkpoint and signed-note).
    log_public = log_key.public_key()
    log_raw = log_public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    log_spki = log_public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    log_id = _sha256(f"{ORIGIN}\n".encode() + b"\x01" + log_raw)
    note = f"{ORIGIN}\n2\n{_b64(root)}\n"
    note_signature = _b64(log_id[:4] + log_key.sign(note.encode()))

    proof = {
        "logIndex": "1",
        "rootHash": _b64(root),
        "treeSize": "2",
        "hashes": [_b64(first)],
        "checkpoint": {"envelope": f"{note}\n— {ORIGIN} {note_signature}\n"},
    }
    entry = {
        "logIndex": "1",
        "logId": {"keyId": _b64(log_id)},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "inclusionProof": proof,
        "canonicalizedBody": _b64(body),
    }
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": _b64(_sha256(spki))},
            "tlogEntries": [entry],
        },
        "dsseEnvelope": {
            "payload": _b64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _b64(signature)}],
        },
    }
    log = {
        "baseUrl": f"https://{ORIGIN}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": _b64(log_spki),
            "keyDetails": "PKIX_ED25519",
            "validFor": {"start": "2024-01-01T00:00:00Z"},
        },
        "logId": {"keyId": _b64(log_id)},
    }
    trusted_root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log],
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [],
    }
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Handmade(
        _json(bundle), _json(trusted_root), pem, f"sha256:{digest.hex()}", PREDICATE_TYPE
    )


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
