"""Messages as cosign and notation hand them over, and a service with a key for each kind.

statements   a key that attests
notary       a key that approves, with an X.509 chain for notation
blind        a raw key
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signer.keys.file import FileKey
from tests.signer.asking import digest
from tests.signer.world import World, found_in
from verifier import dsse
from verifier.publickey import PublicKey
from verifier.repository import Scope
from verifier.statement import APPROVAL
from verifier.trust import TrustedKey, keys_by_hint

CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
SCHEME = "io.cncf.notary.signingScheme"
_DAY = dt.timedelta(days=1)


def prepared(directory: Path) -> World:
    """Found a service with a key for each kind of message."""
    world = found_in(directory)
    world.add_key("plain", FileKey.generate("ecdsa-p256"))
    world.add_key("notary", FileKey.generate("ecdsa-p256"))
    chain = certified(directory / "keys" / "notary.pem")
    (directory / "notary-chain.pem").write_bytes(chain)
    _configure(world, "", 'certificate = "notary-chain.pem"')  # goes on where add_key ended
    statements = FileKey.generate("ecdsa-p256")
    statements.save(directory / "keys" / "statements.pem")
    _configure(world, "statements", 'purpose = "attest"')
    trust_file = directory / "trust.json"
    trusted = TrustedKey("statements", "attest", statements.public, (Scope("*"),))
    keys = keys_by_hint([*world.trust.keys.values(), trusted])
    trust_file.write_bytes(world.trust._replace(keys=keys).json())
    FileKey.generate("ecdsa-p256").save(directory / "keys" / "blind.pem")
    _configure(world, "blind", "raw = true")
    return world


def public(world: World, name: str) -> PublicKey:
    """Return the public half of a key."""
    return FileKey.load(world.directory / "keys" / f"{name}.pem").public


def certified(key: Path) -> bytes:
    """Return a chain of two certificates for a private key, PEM, as notation demands them."""
    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    above = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root", above.public_key(), "root", above, is_root=True)
    leaf = _certificate("release", private.public_key(), "root", above, is_root=False)
    return leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def certified_chain(key: FileKey) -> tuple[bytes, ...]:
    """Return the same for a key in memory, DER."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "key.pem")
        key.save(path)
        found = x509.load_pem_x509_certificates(certified(path))
    return tuple(one.public_bytes(Encoding.DER) for one in found)


def statement(n: int = 1, kind: str = APPROVAL, name: str = "", **more: Any) -> bytes:
    """Return the statement of `cosign sign` or `cosign attest` about image `n`, encoded."""
    subject = {"digest": {"sha256": digest(n).hex}, **({"name": name} if name else {})}
    annotations = more.pop("annotations", None)
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{**subject, **({"annotations": annotations} if annotations else {})}],
        "predicateType": kind,
        "predicate": {},
        **more,
    }
    return dsse.pae(dsse.IN_TOTO, json.dumps(value).encode())


def simple(n: int, reference: str, optional: dict[str, Any] | None = None) -> bytes:
    """Return the payload of `cosign sign` before version 3."""
    value = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest(n)},
            "type": "cosign container image signature",
        },
        "optional": optional,
    }
    return json.dumps(value).encode()


def notation(n: int, signed_at: float | None = None, **more: Any) -> bytes:
    """Return the message of `notation sign`; `more` changes the protected header."""
    when = dt.datetime.fromtimestamp(time.time() if signed_at is None else signed_at, dt.UTC)
    annotations = more.pop("annotations", None)
    header = {
        "alg": "ES256",
        "crit": [SCHEME],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        SCHEME: "notary.x509",
        "io.cncf.notary.signingTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **more,
    }
    target = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(n),
        "size": 527,
        **({"annotations": annotations} if annotations else {}),
    }
    parts = (header, {"targetArtifact": target})
    return b".".join(urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)


def _configure(world: World, key: str, lines: str) -> None:
    head = f'\n[signing.keys.{key}]\nuri = "file:keys/{key}.pem"\n' if key else ""
    with world.config.open("a") as file:
        file.write(f"{head}{lines}\n")


def _name(text: str) -> x509.Name:
    parts = ((NameOID.COUNTRY_NAME, "XX"), (NameOID.STATE_OR_PROVINCE_NAME, "there"))
    more = ((NameOID.ORGANIZATION_NAME, "team"), (NameOID.COMMON_NAME, text))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts + more])


def _certificate(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, **usage),
            critical=True,
        )
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(by, hashes.SHA256())
