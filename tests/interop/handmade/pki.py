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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

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
P256 = ec.SECP256R1()
START = {"start": "2024-01-01T00:00:00Z"}
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
SHA256_ECDSA = b"\x04\x03"
EMPTY = x509.Name([])
Extensions: TypeAlias = Mapping[str, tuple[x509.ExtensionType, bool]]  # and whether critical
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

    def __init__(self, lifetime: dt.timedelta = LONG, curve: ec.EllipticCurve = P256) -> None:
        """Make all the keys and certificates above the leaves; `lifetime` is the intermediate's.

        `curve` is that of all but the log of certificates; Sigstore's own have P-384.
        """
        self._ct_key = ec.generate_private_key(ec.SECP256R1())
        self.root = certify("root", None, authority=1, curve=curve)
        self.intermediate = certify(
            "intermediate",
            self.root,
            authority=0,
            purpose=ExtendedKeyUsageOID.CODE_SIGNING,
            lifetime=lifetime,
            curve=curve,
        )
        self._tsa_root = certify("timestamp root", None, authority=0, curve=curve)
        self.tsa = certify(
            "timestamp", self._tsa_root, purpose=ExtendedKeyUsageOID.TIME_STAMPING, curve=curve
        )

    def leaf(self, key: ec.EllipticCurvePublicKey, identity: str, issuer: str) -> bytes:
        """Return the DER of a certificate of `key` that is good around now."""
        return self.issue(key, self.extensions(identity, issuer))

    def extensions(self, identity: str, issuer: str) -> Extensions:
        """Return what such a certificate says beside key and times, by names of our own."""
        utf8 = issuer.encode()
        return {
            "usage": (_usage(sign=True), True),
            "purpose": (_extended(ExtendedKeyUsageOID.CODE_SIGNING), False),
            "above": (_above(self.intermediate), False),
            "names": (
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]),
                True,
            ),
            "issuer v1": (x509.UnrecognizedExtension(ISSUER_V1, utf8), False),
            "issuer v2": (
                x509.UnrecognizedExtension(ISSUER_V2, b"\x0c" + bytes([len(utf8)]) + utf8),
                False,
            ),
        }

    def issue(
        self,
        key: ec.EllipticCurvePublicKey,
        extensions: Extensions,
        *,
        signer: Certified | None = None,
        subject: x509.Name = EMPTY,
        start: dt.timedelta = -MINUTE,
        lifetime: dt.timedelta = 60 * MINUTE,
        serial: int | None = None,
        edit: Callable[[bytes], bytes] = bytes,
    ) -> bytes:
        """Return the DER of a certificate with these extensions and one SCT, however odd.

        `edit` changes what is signed, without its length: what no builder would write.
        """
        signer = signer or self.intermediate
        builder = _builder(subject, signer.certificate.subject, key, lifetime, start, serial)
        for extension, critical in extensions.values():
            builder = builder.add_extension(extension, critical=critical)
        unlogged = edit(builder.sign(signer.key, hashes.SHA256()).tbs_certificate_bytes)
        listed = self._sct_list(unlogged, signer)
        logged = builder.add_extension(
            x509.UnrecognizedExtension(SCT_LIST, b"\x04" + bytes([len(listed)]) + listed),
            critical=False,
        )
        made = logged.sign(signer.key, hashes.SHA256())
        edited = edit(made.tbs_certificate_bytes)
        der = made.public_bytes(Encoding.DER)
        if edited == made.tbs_certificate_bytes:
            return der
        signature = signer.key.sign(edited, ec.ECDSA(hashes.SHA256()))
        between = der[
            der.index(made.tbs_certificate_bytes) + len(edited) : -len(made.signature) - 3
        ]
        content = edited + between + b"\x03" + bytes([len(signature) + 1, 0]) + signature
        return b"\x30\x82" + struct.pack(">H", len(content)) + content

    def timestamp(
        self, signature: bytes, signer: Certified | None = None, *beside: Certified
    ) -> bytes:
        """Return the DER of an RFC 3161 response over `signature`.

        `signer` makes it in the place of the authority; the certificates `beside` are in it too.
        """
        signer, beside = signer or self.tsa, beside or (self._tsa_root,)
        with tempfile.TemporaryDirectory(prefix="sealbook-tsa-") as directory:
            home = Path(directory)
            (home / "signature").write_bytes(signature)
            (home / "leaf.pem").write_bytes(signer.certificate.public_bytes(Encoding.PEM))
            above = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in beside)
            (home / "above.pem").write_bytes(above)
            (home / "key.pem").write_bytes(
                signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
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
            "certificateAuthorities": [_authority("ca", self.intermediate, self.root)],
            "ctlogs": [ct_log],
            "timestampAuthorities": [_authority("tsa", self.tsa, self._tsa_root)],
        }

    def _sct_list(self, unlogged: bytes, signer: Certified) -> bytes:
        """Return the list of one SCT over a certificate that has none yet."""
        issuer = sha256(spki(signer.key.public_key()))
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
    curve: ec.EllipticCurve = P256,
) -> Certified:
    """Return a certificate of a new key by `signer`, or by itself, good from a minute ago.

    `authority` is how many authorities may stand below it; None makes a leaf.
    """
    key = ec.generate_private_key(curve)
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


def _builder(  # noqa: PLR0917  what every certificate has
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    lifetime: dt.timedelta,
    start: dt.timedelta = -MINUTE,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW + start)
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
