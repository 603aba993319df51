"""A signed statement in a log of six entries, timestamped, under a key or under a certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.interop.handmade.encoding import b64, canonical, pem, sha256, spki
from tests.interop.handmade.pki import Authorities
from tests.interop.judges import Given

ORIGIN = "ledger.example"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://sigstore.dev/cosign/sign/v1"
IDENTITY, ISSUER = f"https://{ORIGIN}/keys/release", f"https://{ORIGIN}"


@dataclass(frozen=True, slots=True)
class Handmade:
    """A good bundle, and everything that a judge needs to say so."""

    bundle: bytes
    trusted_root: bytes
    public_key_pem: bytes
    digest: str
    predicate_type: str
    identity: str = IDENTITY
    issuer: str = ISSUER

    @property
    def given(self) -> Given:
        """All of it but the bundle."""
        return Given(
            self.trusted_root,
            self.digest,
            self.predicate_type,
            self.public_key_pem,
            self.identity,
            self.issuer,
        )


def make(
    *,
    certified: bool = False,
    authorities: Authorities | None = None,
    leaf: Callable[[ec.EllipticCurvePublicKey], bytes] | None = None,
    stamp: Callable[[bytes], bytes] | None = None,
) -> Handmade:
    """Return a bundle that every judge must accept: under a key, or under a certificate.

    `leaf` makes another certificate, in DER, of the key that signs; `stamp` another timestamp.
    """
    key, log_key = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    authorities = authorities or Authorities()
    public = key.public_key()
    digest = sha256(b"an image")

    # The DSSE envelope (PAE: secure-systems-lab/dsse, protocol.md).
    payload = canonical(
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
    if certified:
        der = leaf(public) if leaf else authorities.leaf(public, IDENTITY, ISSUER)
        logged_key = {"x509Certificate": {"rawBytes": b64(der)}}
        shown_key: dict[str, object] = {"certificate": {"rawBytes": b64(der)}}
    else:
        logged_key = {"publicKey": {"rawBytes": b64(spki(public))}}
        shown_key = {"publicKey": {"hint": b64(sha256(spki(public)))}}

    # The log entry (Rekor v2 hashedrekord 0.0.2), second of six (RFC 6962).
    record = {
        "data": {"algorithm": "SHA2_256", "digest": b64(sha256(pae))},
        "signature": {
            "content": b64(signature),
            "verifier": {"keyDetails": "PKIX_ECDSA_P256_SHA_256", **logged_key},
        },
    }
    body = canonical(
        {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}
    )
    first, *others = (sha256(b"\x00other %d" % i) for i in range(5))
    third_and_fourth, last_two = (sha256(b"\x01" + others[i] + others[i + 1]) for i in (0, 2))
    first_two = sha256(b"\x01" + first + sha256(b"\x00" + body))
    root = sha256(b"\x01" + sha256(b"\x01" + first_two + third_and_fourth) + last_two)

    # The checkpoint (C2SP tlog-checkpoint and signed-note).
    log_public = log_key.public_key()
    log_raw = log_public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    log_id = sha256(f"{ORIGIN}\n".encode() + b"\x01" + log_raw)
    note = f"{ORIGIN}\n6\n{b64(root)}\n"
    note_signature = b64(log_id[:4] + log_key.sign(note.encode()))

    proof = {
        "logIndex": "1",
        "rootHash": b64(root),
        "treeSize": "6",
        "hashes": [b64(first), b64(third_and_fourth), b64(last_two)],
        "checkpoint": {"envelope": f"{note}\n— {ORIGIN} {note_signature}\n"},
    }
    entry = {
        "logIndex": "1",
        "logId": {"keyId": b64(log_id)},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "inclusionProof": proof,
        "canonicalizedBody": b64(body),
    }
    stamped = (stamp or authorities.timestamp)(signature)
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            **shown_key,
            "tlogEntries": [entry],
            "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": b64(stamped)}]},
        },
        "dsseEnvelope": {
            "payload": b64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": b64(signature)}],
        },
    }
    log = {
        "baseUrl": f"https://{ORIGIN}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(spki(log_public)),
            "keyDetails": "PKIX_ED25519",
            "validFor": {"start": "2024-01-01T00:00:00Z"},
        },
        "logId": {"keyId": b64(log_id)},
    }
    trusted_root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log],
        **authorities.trusted,
    }
    return Handmade(
        canonical(bundle),
        canonical(trusted_root),
        pem(public),
        f"sha256:{digest.hex()}",
        PREDICATE_TYPE,
    )
