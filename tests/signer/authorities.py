"""A root with everything below it, as `sealbook init` makes them, and chains that are amiss."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signer.authority import certificates
from signer.authority.issuing import LeafIssuer
from signer.authority.timestamp import OwnAuthority
from signer.keys.memory import MemoryKey
from tests.signer.asking import ORIGIN
from verifier.note import NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import Authority, TrustedLog

CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


def loaded(der: bytes) -> x509.Certificate:
    """Read a certificate as others do."""
    return x509.load_der_x509_certificate(der)


class Below:
    """One root of our own and what it vouches for; all keys are new."""

    def __init__(self, now: float | None = None) -> None:
        self.now = int(time.time() if now is None else now)
        self.keys = {
            name: MemoryKey.generate("ecdsa-p256")
            for name in ("root", "issuer", "timestamp", "transparency", "release")
        }
        self._root, self.root = certificates.make_root(self.keys["root"], ORIGIN, self.now)

    @cached_property
    def issuer_chain(self) -> tuple[bytes, ...]:
        public = self.keys["issuer"].public
        return (certificates.make_issuer(self._root, public, ORIGIN, self.now), self.root)

    @cached_property
    def timestamp_chain(self) -> tuple[bytes, ...]:
        public = self.keys["timestamp"].public
        return (certificates.make_timestamper(self._root, public, ORIGIN, self.now), self.root)

    @cached_property
    def release_chain(self) -> tuple[bytes, ...]:
        public = self.keys["release"].public
        leaf = certificates.make_signer(self._root, public, "release", ORIGIN, self.now)
        return (leaf, self.root)

    @property
    def issuer(self) -> LeafIssuer:
        return LeafIssuer(self.keys["issuer"], self.issuer_chain, self.keys["transparency"])

    @property
    def timestamps(self) -> OwnAuthority:
        return OwnAuthority(self.keys["timestamp"], self.timestamp_chain)

    @property
    def trust(self) -> TrustRoot:
        """Who trusts all of them, and a log."""
        log = TrustedLog(ORIGIN, NoteKey.of(ORIGIN, MemoryKey.generate("ed25519").public))
        authorities = (
            Authority("timestamp", self.timestamp_chain),
            Authority("certificate", self.issuer_chain),
            Authority("transparency", (self.keys["transparency"].public.spki,)),
        )
        quorum = Quorum.parse("quorum none\n")
        return TrustRoot(1, self.now, self.now + 1, (log,), {}, quorum, authorities)

    def leaf(self) -> bytes:
        """A leaf of the release key."""
        identity = f"https://{ORIGIN}/keys/release"
        public = self.keys["release"].public
        return self.issuer.issue(public, identity, f"https://{ORIGIN}", self.now)


class Foreign:
    """Certificates of somebody else, made by `cryptography`, one thing of each to be changed."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
        self.root = self.certified(
            self._key.public_key(), ca=True, sign=False, purposes=(), subject=self._name
        )

    def certified(
        self,
        public: ec.EllipticCurvePublicKey,
        *,
        ca: bool = False,
        sign: bool = True,
        critical: bool = False,
        purposes: tuple[x509.ObjectIdentifier, ...] = (CODE_SIGNING,),
        days: int = 1,
        subject: x509.Name | None = None,
        identified: bool = True,
    ) -> x509.Certificate:
        """Return a certificate of `public`, good for `days` from the day before yesterday less."""
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "first")])
        usage = x509.KeyUsage(sign, False, False, False, False, ca, ca, False, False)  # noqa: FBT003
        builder = (
            x509.CertificateBuilder()
            .subject_name(name if subject is None else subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
        if identified:
            identifier = x509.SubjectKeyIdentifier.from_public_key(public)
            builder = builder.add_extension(identifier, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def chain(self, **more: object) -> list[x509.Certificate]:
        """Return a chain of two whose first certificate is `certified` with `more`."""
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        return [self.certified(public, **more), self.root]  # type: ignore[arg-type]


def pem(chain: list[x509.Certificate]) -> bytes:
    """Print a chain."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)
