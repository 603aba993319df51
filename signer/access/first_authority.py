"""Certificates for a site that has no authority of its own: for its clients, and for its service.

An authority is for one of the two, and says so in its own certificate, so that one for servers
cannot let anybody call. Each is a key and a certificate in two files beside each other:

    tls/clients.pem  tls/clients.key
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signer.access.certificates import read_peer
from signer.errors import CertificateError

Kind = Literal["clients", "servers"]

_USES = {"clients": ExtendedKeyUsageOID.CLIENT_AUTH, "servers": ExtendedKeyUsageOID.SERVER_AUTH}
_EARLY = timedelta(minutes=1)  # clocks of others may be behind ours
_MOST_NAME = 64  # characters of a common name


class Issued(NamedTuple):
    """A certificate and its key, each as PEM; the key is not encrypted."""

    certificate: bytes
    key: bytes
    not_after: datetime


class FirstAuthority:
    """Makes certificates for clients, or for servers."""

    def __init__(
        self, kind: Kind, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        """Use `certificate` and its `key`; see `make` and `load`."""
        self.kind = kind
        self._certificate = certificate
        self._key = key

    @staticmethod
    def make(kind: Kind, days: int) -> Issued:
        """Return a new authority for `kind`, which lasts so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"sealbook {kind} {secrets.token_hex(4)}")
        builder = _builder(name, name, key, _now() + timedelta(days=days), _USES[kind])
        made = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return _issued(made, key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Self:
        """Read an authority that `make` made.

        Raises:
            CertificateError: it is none, or the key is another one's.
        """
        try:
            read = x509.load_pem_x509_certificate(certificate)
            uses = list(read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
            basic = read.extensions.get_extension_for_class(x509.BasicConstraints).value
            private = load_pem_private_key(key, None)
        # ValueError, TypeError, UnsupportedAlgorithm, ExtensionNotFound have no base of their own.
        except Exception as e:
            raise _not_ours() from e
        kinds: dict[x509.ObjectIdentifier, Kind] = {
            _USES["clients"]: "clients",
            _USES["servers"]: "servers",
        }
        if (
            not isinstance(private, ec.EllipticCurvePrivateKey)
            or private.public_key() != read.public_key()
            or not basic.ca
            or len(uses) != 1
            or uses[0] not in kinds
        ):
            raise _not_ours()
        return cls(kinds[uses[0]], read, private)

    def client(self, uri: str, days: int) -> Issued:
        """Return a certificate for the caller `uri`, which lasts so many days.

        Raises:
            CertificateError: the service would not know it, or this authority is for servers.
        """
        self._check_kind("clients")
        try:
            names = [x509.UniformResourceIdentifier(uri)]
        except ValueError as e:
            raise CertificateError(f"expected spiffe://DOMAIN/PATH, found {uri[:120]!r}") from e
        made = self._issue(uri.rpartition("/")[2], names, days)
        read_peer(made.certificate)
        return made

    def server(self, hosts: Sequence[str], days: int) -> Issued:
        """Return a certificate for a server that is reached under `hosts`, names or addresses.

        Raises:
            CertificateError: one can be neither, or this authority is for clients.
        """
        self._check_kind("servers")
        return self._issue(hosts[0], [_host(host) for host in hosts], days)

    def _check_kind(self, wanted: Kind) -> None:
        if self.kind != wanted:
            raise CertificateError(
                f"expected an authority for {wanted}, found one for {self.kind}",
                hint="each has its own: sealbook access ca --help",
            )

    def _issue(self, name: str, names: Sequence[x509.GeneralName], days: int) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        end = min(_now() + timedelta(days=days), self._certificate.not_valid_after_utc)
        issuer = self._certificate
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        made = (
            _builder(_name(name), issuer.subject, key, end, _USES[self.kind])
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _issued(made, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    end: datetime,
    use: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _EARLY)
        .not_valid_after(end)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    labels = text.removeprefix("*.").split(".")
    if not all(label.replace("-", "").isalnum() and label.isascii() for label in labels):
        raise CertificateError(f"expected a host name or an address, found {text[:120]!r}")
    return x509.DNSName(text)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:_MOST_NAME] or "-")])


def _issued(made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(made.public_bytes(Encoding.PEM), secret, made.not_valid_after_utc)


def _not_ours() -> CertificateError:
    return CertificateError(
        "expected an authority and its key, as `sealbook access ca` makes them",
        hint="certificates of another authority are as good: make them with its own tools",
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
