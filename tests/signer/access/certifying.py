"""An authority for tests, which certifies whatever a test wants to see refused.

clients = Authority("clients")
good = clients.issue("spiffe://bank.example/ci/app")
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

URI = "spiffe://bank.example/ci/app"
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
CODE = ExtendedKeyUsageOID.CODE_SIGNING
_DAY = timedelta(days=1)


class Issued(NamedTuple):
    """A certificate and its key, as PEM."""

    pem: bytes
    key: bytes

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return x509.load_pem_x509_certificate(self.pem).public_bytes(Encoding.DER)

    @property
    def spki_sha256(self) -> str:
        """The hash by which its key is denied."""
        public = x509.load_pem_x509_certificate(self.pem).public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()

    def write(self, directory: Path, name: str) -> None:
        """Put NAME.pem and NAME.key into `directory`, each in place of what was there."""
        for suffix, content in ((".pem", self.pem), (".key", self.key)):
            new = directory / f".{name}{suffix}"
            new.write_bytes(content)
            new.chmod(0o600)
            new.rename(directory / f"{name}{suffix}")


class Authority:
    """Certifies clients and servers."""

    def __init__(self, name: str) -> None:
        """Make a root with a key of its own."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        now = datetime.now(UTC)
        self._root = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 10 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._root.public_bytes(Encoding.PEM)

    def issue(
        self,
        *uris: str,
        names: Sequence[x509.GeneralName] = (),
        raw: bytes | None = None,
        usages: Sequence[x509.ObjectIdentifier] | None = (CLIENT,),
        begins: timedelta = -_DAY,
        ends: timedelta = _DAY,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Issued:
        """Certify a client that is `uris` and `names`, or what the bytes `raw` say instead."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named("client"))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        all_names = [*map(x509.UniformResourceIdentifier, uris), *names]
        if raw is not None:
            extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, raw)
            builder = builder.add_extension(extension, critical=False)
        elif all_names:
            builder = builder.add_extension(x509.SubjectAlternativeName(all_names), critical=False)
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for extension_, critical in more:
            builder = builder.add_extension(extension_, critical=critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Issued(certificate.public_bytes(Encoding.PEM), private)

    def serve(self) -> Issued:
        """Certify a server on 127.0.0.1."""
        return self.issue(names=[x509.IPAddress(ip_address("127.0.0.1"))], usages=(SERVER,))


def alternative_names(*names: tuple[int, bytes]) -> bytes:
    """Return DER of a SubjectAlternativeName: pairs of context tag and content.

    2 is a DNS name, 6 a URI. Lengths are short, contents whatever a test wants.
    """
    body = b"".join(bytes([0x80 | tag, len(content)]) + content for tag, content in names)
    assert len(body) < 128
    return bytes([0x30, len(body)]) + body


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
