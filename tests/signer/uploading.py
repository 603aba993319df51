"""What clients of Rekor bring: signatures of their own, as requests of either version.

    log = Log(service)
    answer = log.post(hashed(Hand.of("ecdsa-p256"), b"a release"))
    assert 201 == answer.status_code

Made with `cryptography` alone, from the bytes that real clients send.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from base64 import b64encode
from typing import Any, NamedTuple, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from tests.signer.asking import PATIENCE_S
from tests.signer.running import InProcess

IN_TOTO = "application/vnd.in-toto+json"
V1, V2 = "/api/v1/log/entries", "/api/v2/log/entries"
DETAILS = {
    "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
    "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
    "ed25519": "PKIX_ED25519",
    "rsa-1024": "PKIX_RSA_PKCS1V15_2048_SHA256",
    "rsa-2048": "PKIX_RSA_PKCS1V15_2048_SHA256",
    "rsa-3072": "PKIX_RSA_PKCS1V15_3072_SHA256",
    "rsa-4096": "PKIX_RSA_PKCS1V15_4096_SHA256",
}
_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SP 800-186


def b64(raw: bytes) -> str:
    """Encode as JSON carries bytes."""
    return b64encode(raw).decode()


class Hand(NamedTuple):
    """Somebody who signs: a private key of `kind`."""

    kind: str
    private: Any

    @classmethod
    def of(cls, kind: str) -> Self:
        """Make a key of this kind."""
        family, _, size = kind.rpartition("-")
        if family == "rsa":
            return cls(kind, rsa.generate_private_key(65_537, int(size)))
        if kind == "ed25519":
            return cls(kind, ed25519.Ed25519PrivateKey.generate())
        curve = ec.SECP256R1() if size == "p256" else ec.SECP384R1()
        return cls(kind, ec.generate_private_key(curve))

    @property
    def spki(self) -> bytes:
        """The public half in DER."""
        return self._public(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The public half in PEM."""
        return self._public(serialization.Encoding.PEM)

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """What is signed of a message."""
        return hashes.SHA384() if self.kind == "ecdsa-p384" else hashes.SHA256()

    def digest(self, message: bytes) -> bytes:
        """Hash a message as this key does."""
        return hashlib.new(self.hash.name, message).digest()

    def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        scheme: dict[str, tuple[Any, ...]] = {
            "rsa": (padding.PKCS1v15(), self.hash),
            "ecdsa": (ec.ECDSA(self.hash),),
            "ed25519": (),
        }
        made: bytes = self.private.sign(message, *scheme[self.kind.split("-")[0]])
        return made

    def certificate(self) -> bytes:
        """Make a certificate of this key, by itself, in DER."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder(name, name, self.private.public_key(), 1)
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(minutes=10))
            .sign(self.private, self.hash)
            .public_bytes(serialization.Encoding.DER)
        )

    def _public(self, encoding: serialization.Encoding) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        made: bytes = self.private.public_key().public_bytes(encoding, form)
        return made


class Log:
    """The HTTP side of a service, to somebody who has its append token."""

    def __init__(self, service: InProcess) -> None:
        self.url = f"http://{service.addresses.http}"
        self.token = (service.directory / "append-token").read_text().strip()
        self.auth = ("append", self.token)
        unkept = httpx.Limits(max_keepalive_connections=0)  # nothing is left to close
        self._http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, limits=unkept)

    def post(self, request: dict[str, Any] | bytes, path: str = V2, **more: Any) -> httpx.Response:
        """Upload a request, as the holder of the append token unless told otherwise."""
        raw = request if isinstance(request, bytes) else json.dumps(request).encode()
        headers = {"content-type": "application/json"}
        wanted = {"auth": self.auth, "headers": headers, **more}
        return self._http.post(path, content=raw, **wanted)

    def get(self, path: str) -> httpx.Response:
        """Read something, as anybody may."""
        return self._http.get(path)


def hashed(hand: Hand, message: bytes, **changes: Any) -> dict[str, Any]:
    """Return what cosign 3 sends; `changes` are of keyDetails, rawBytes, digest and content."""
    sent = {
        "digest": hand.digest(message),
        "content": hand.sign(message),
        "rawBytes": hand.spki,
        **changes,
    }
    details = sent.pop("keyDetails", DETAILS[hand.kind])
    verifier = {"publicKey": {"rawBytes": b64(sent["rawBytes"])}, "keyDetails": details}
    signature = {"content": b64(sent["content"]), "verifier": verifier}
    return {"hashedRekordRequestV002": {"digest": b64(sent["digest"]), "signature": signature}}


def certified(hand: Hand, message: bytes, certificate: bytes) -> dict[str, Any]:
    """Return what cosign 3 sends when it signed under a certificate."""
    request = hashed(hand, message)
    verifier = request["hashedRekordRequestV002"]["signature"]["verifier"]
    del verifier["publicKey"]
    verifier["x509Certificate"] = {"rawBytes": b64(certificate)}
    return request


def enveloped(hand: Hand, payload: bytes, signature: bytes) -> dict[str, Any]:
    """Return what cosign 2.6 to 3.0 send of an attestation."""
    line = {"sig": b64(signature), "keyid": ""}
    verifier = {"publicKey": {"rawBytes": b64(hand.spki)}, "keyDetails": DETAILS[hand.kind]}
    envelope = {"payload": b64(payload), "payloadType": IN_TOTO, "signatures": [line]}
    return {"dsseRequestV002": {"envelope": envelope, "verifiers": [verifier]}}


def legacy(hand: Hand, message: bytes, **changes: Any) -> dict[str, Any]:
    """Return what cosign 2 sends of a signature; `changes` are of value, content and pem."""
    sent = {"value": hashlib.sha256(message).hexdigest(), "content": hand.sign(message), **changes}
    public = {"content": b64(sent.get("pem", hand.pem))}
    hashed = {"hash": {"algorithm": "sha256", "value": sent["value"]}}
    signature = {"content": b64(sent["content"]), "publicKey": public}
    spec = {"data": hashed, "signature": signature}
    return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}


def legacy_envelope(text: str, *hands: Hand) -> dict[str, Any]:
    """Return what cosign 2 sends of an attestation: the envelope's text, and who signed it."""
    verifiers = [b64(hand.pem) for hand in hands]
    content = {"envelope": text, "verifiers": verifiers}
    return {"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": content}}


def envelope(payload: bytes, *hands: Hand) -> str:
    """Return a DSSE envelope in JSON, signed by each of `hands`."""
    message = pae(payload)
    lines = [{"keyid": "", "sig": b64(hand.sign(message))} for hand in hands]
    value = {"payloadType": IN_TOTO, "payload": b64(payload), "signatures": lines}
    return json.dumps(value, indent=1)


def pae(payload: bytes) -> bytes:
    """Return what is signed of an in-toto payload: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %b %d %b" % (len(IN_TOTO), IN_TOTO.encode(), len(payload), payload)


def other_half(signature: bytes) -> bytes:
    """Return the other signature that a P-256 signature can be rewritten into."""
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, _P256 - s)


def some_message() -> bytes:
    """Return a message that nobody signed before."""
    return secrets.token_bytes(16)
