"""A certificate authority, a transparency key and a timestamp authority, new in each process.

Certificates have what Fulcio's have (its docs/certificate-specification.md): an
identity as URI, the issuer of that identity, and one embedded SCT (RFC 6962,
3.2), which nothing but a key stands behind. Timestamps are made by `openssl ts`.
"""

from __future__ import annotations

import datetime as dt
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.handmade.encoding import b64, sha256, spki

# By its place, so that handmade signatures can be had where tests spoil PATH.
OPENSSL = shutil.which("openssl", path="/usr/local/bin:/usr/bin:/bin") or "openssl"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
MINUTE = dt.timedelta(minutes=1)
LONG = dt.timedelta(days=365)
START = {"start": "2024-01-01T00:00:00Z"}
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
SHA256_ECDSA = b"\x04\x03"
TSA_CONFIG = """\
[tsa]
serial = {home}/serial
crypto_device = builtin
signer_cert = {home}/leaf.pem
certs = {home}/above.pem
signer_key = {home}/key.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Certified(NamedTuple):
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


class Authorities:
    """Who vouches for keys and times; `trusted` is what a trusted_root.json says of them."""

    def __init__(self) -> None:
        """Make all the keys and certificates above the leaves."""
        self._ct_key = ec.generate_private_key(ec.SECP256R1())
        self.root = certify("root", None, authority=1)
        self._intermediate = certify(
            "intermediate", self.root, authority=0, purpose=ExtendedKeyUsageOID.CODE_SIGNING
        )
        self._tsa_root = certify("timestamp root", None, authority=0)
        self._tsa = certify("timestamp", self._tsa_root, purpose=ExtendedKeyUsageOID.TIME_STAMPING)

    def leaf(self, key: ec.EllipticCurvePublicKey, identity: str, issuer: str) -> bytes:
        """Return the DER of a certificate of `key` that is good around now."""
        signer = self._intermediate
        utf8 = issuer.encode()
        builder = (
            _builder(x509.Name([]), signer.certificate.subject, key, 10 * MINUTE)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(_extended(ExtendedKeyUsageOID.CODE_SIGNING), critical=False)
            .add_extension(_above(signer), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]),
                critical=True,
            )
            .add_extension(x509.UnrecognizedExtension(ISSUER_V1, utf8), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(ISSUER_V2, b"\x0c" + bytes([len(utf8)]) + utf8),
                critical=False,
            )
        )
        unlogged = builder.sign(signer.key, hashes.SHA256()).tbs_certificate_bytes
        listed = self._sct_list(unlogged)
        logged = builder.add_extension(
            x509.UnrecognizedExtension(SCT_LIST, b"\x04" + bytes([len(listed)]) + listed),
            critical=False,
        )
        return logged.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def timestamp(self, signature: bytes) -> bytes:
        """Return the DER of an RFC 3161 response over `signature`."""
        with tempfile.TemporaryDirectory(prefix="sealbook-tsa-") as directory:
            home = Path(directory)
            (home / "signature").write_bytes(signature)
            (home / "leaf.pem").write_bytes(self._tsa.certificate.public_bytes(Encoding.PEM))
            (home / "above.pem").write_bytes(self._tsa_root.certificate.public_bytes(Encoding.PEM))
            (home / "key.pem").write_bytes(
                self._tsa.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            (home / "tsa.conf").write_text(TSA_CONFIG.format(home=home))
            query = ("ts", "-query", "-data", "signature", "-sha256", "-out", "query")
            reply = ("ts", "-reply", "-config", "tsa.conf", "-section", "tsa")
            for command in (query, (*reply, "-queryfile", "query", "-out", "reply")):
                subprocess.run([OPENSSL, *command], cwd=home, capture_output=True, check=True)
            return (home / "reply").read_bytes()

    @property
    def trusted(self) -> dict[str, object]:
        """The fields of trusted_root.json that name these authorities."""
        ct_spki = spki(self._ct_key.public_key())
        ct_log = {
            "baseUrl": "https://ct.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(ct_spki),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": START,
            },
            "logId": {"keyId": b64(sha256(ct_spki))},
        }
        return {
            "certificateAuthorities": [_authority("ca", self._intermediate, self.root)],
            "ctlogs": [ct_log],
            "timestampAuthorities": [_authority("tsa", self._tsa, self._tsa_root)],
        }

    def _sct_list(self, unlogged: bytes) -> bytes:
        """Return the list of one SCT over a certificate that has none yet."""
        issuer = sha256(spki(self._intermediate.key.public_key()))
        at = struct.pack(">Q", int(NOW.timestamp()) * 1000)
        size = struct.pack(">I", len(unlogged))[1:]
        # version 1, certificate_timestamp, …, precert_entry, …, no extensions
        said = b"\x00\x00" + at + b"\x00\x01" + issuer + size + unlogged + b"\x00\x00"
        signature = self._ct_key.sign(said, ec.ECDSA(hashes.SHA256()))
        log_id = sha256(spki(self._ct_key.public_key()))
        sct = b"\x00" + log_id + at + b"\x00\x00" + SHA256_ECDSA
        sct += struct.pack(">H", len(signature)) + signature
        return struct.pack(">HH", len(sct) + 2, len(sct)) + sct


def certify(
    name: str,
    signer: Certified | None,
    *,
    authority: int | None = None,
    purpose: x509.ObjectIdentifier | None = None,
    lifetime: dt.timedelta = LONG,
) -> Certified:
    """Return a certificate of a new key by `signer`, or by itself, good from a minute ago.

    `authority` is how many authorities may stand below it; None makes a leaf.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "here"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    issuer = signer.certificate.subject if signer else subject
    leaf = authority is None
    builder = (
        _builder(subject, issuer, key.public_key(), lifetime)
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=authority), critical=True)
        .add_extension(_usage(sign=leaf), critical=True)
    )
    if purpose:
        # RFC 3161, 2.3: the only purpose of a timestamp's key, and critical.
        critical = purpose == ExtendedKeyUsageOID.TIME_STAMPING
        builder = builder.add_extension(_extended(purpose), critical=critical)
    if signer:
        builder = builder.add_extension(_above(signer), critical=False)
    signing = signer.key if signer else key
    return Certified(key, builder.sign(signing, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - MINUTE)
        .not_valid_after(NOW + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _extended(*purposes: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(purposes)


def _above(signer: Certified) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())


def _authority(name: str, *chain: Certified) -> dict[str, object]:
    certificates: Sequence[dict[str, str]] = [{"rawBytes": b64(one.der)} for one in chain]
    return {
        "subject": {"organization": "example", "commonName": name},
        "uri": f"https://{name}.example",
        "certChain": {"certificates": certificates},
        "validFor": START,
    }
