"""A simple-signing payload with Rekor's promise, as cosign 2 and containers/image read it."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.handmade.encoding import b64, canonical, pem, sha256, spki

MIME_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
AT = 1_750_000_000


class Legacy(NamedTuple):
    """A good signature (`sigstore_json`: payload and annotations), and the keys to check it."""

    sigstore_json: bytes
    public_key_pem: bytes
    promise_key_pem: bytes


def make_legacy(repository: str, digest: str) -> Legacy:
    """Return a signature of `digest` ("sha256:…") in `repository`."""
    key, log_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    payload = canonical(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": {"env": "prod"},
        }
    )
    signature = key.sign(payload, ec.ECDSA(hashes.SHA256()))

    # The log entry (Rekor v1 hashedrekord 0.0.1), and the log's promise to include it.
    body = canonical(
        {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": sha256(payload).hex()}},
                "signature": {
                    "content": b64(signature),
                    "publicKey": {"content": b64(pem(key.public_key()))},
                },
            },
        }
    )
    promised = {
        "body": b64(body),
        "integratedTime": AT,
        "logIndex": 1,
        "logID": sha256(spki(log_key.public_key())).hex(),
    }
    promise = log_key.sign(canonical(promised), ec.ECDSA(hashes.SHA256()))
    bundle = {"SignedEntryTimestamp": b64(promise), "Payload": promised}
    annotations = {
        "dev.cosignproject.cosign/signature": b64(signature),
        "dev.sigstore.cosign/bundle": canonical(bundle).decode(),
    }
    value = {"mimeType": MIME_TYPE, "payload": b64(payload), "annotations": annotations}
    return Legacy(canonical(value), pem(key.public_key()), pem(log_key.public_key()))
