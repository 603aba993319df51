"""Whom a certificate names, and what it may be used for: read on the base install."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.verifier.making import NOW, refused, rows, verdict
from verifier.pull.identity import identity_of, issuer_of
from verifier.pull.profile import check_purpose, check_times, refuse_root, witnessed_by
from verifier.sigstore.trusted_root import TrustedRoot, Window, Witnessed

LOG = bytes([7] * 32)
KEY = ec.generate_private_key(ec.SECP256R1())
USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
OTHER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.99")
OLD, NEW = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{n}") for n in (1, 8))
URI, EMAIL = x509.UniformResourceIdentifier, x509.RFC822Name
CODE = ExtendedKeyUsageOID.CODE_SIGNING
SIGNS = {"digital_signature": True}
START = datetime.fromtimestamp(NOW, UTC)


def made(*extensions: x509.ExtensionType, issuer: str = "issuer") -> x509.Certificate:
    """Return a certificate with these extensions, good for ten minutes from `NOW`."""
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in ("subject", issuer)
    ]
    builder = x509.CertificateBuilder(
        names[1], names[0], KEY.public_key(), 7, START, START + timedelta(minutes=10)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def named(*names: x509.GeneralName) -> x509.Certificate:
    return made(x509.SubjectAlternativeName(names))


def user(text: str, kind: x509.ObjectIdentifier = USER_NAME) -> x509.Certificate:
    return named(x509.OtherName(kind, b"\x0c" + bytes([len(text)]) + text.encode()))


def issued(new: bytes | None, old: bytes | None = None) -> x509.Certificate:
    """Return a certificate with an issuer in the new form, in the old one, or in both."""
    found = ((NEW, new), (OLD, old))
    return made(*(x509.UnrecognizedExtension(oid, raw) for oid, raw in found if raw is not None))


@pytest.mark.parametrize(
    ("expected", "certificate"),
    rows(
        ("a URI", "https://a.example/b", named(URI("https://a.example/b"))),
        ("an address", "a@b.example", named(EMAIL("a@b.example"))),
        ("a user", "alice!b.example", user("alice!b.example")),
    ),
)
def test_identity(expected: str, certificate: x509.Certificate) -> None:
    """
    A certificate names its holder by a URI, an address, or a user name of Fulcio's form.
    """
    assert expected == identity_of(certificate)


@pytest.mark.parametrize(
    "certificate",
    rows(
        ("none", made()),
        ("two", named(URI("https://a.example"), URI("https://b.example"))),
        ("another kind", named(x509.DNSName("a.example"))),
        ("a user of another registry", user("alice!b.example", OTHER)),
        ("a user without a domain", user("alice!")),
        ("a domain without a user", user("!b.example")),
        ("neither", user("alice")),
        ("an address", user("a@c!b.example")),
        ("a URI", user("https://a!b.example")),
        ("control characters", user("alice!b\x07")),
        ("a long one", named(URI("https://a.example/" + "x" * 1024))),
        ("an empty one", named(URI(""))),
    ),
)
def test_no_identity(certificate: x509.Certificate) -> None:
    """
    Whatever else is in the place of a name is none.
    """
    refused("bad-certificate", lambda: identity_of(certificate))


@pytest.mark.parametrize("size", [1, 127, 128, 255, 256, 1024])
def test_issuer(size: int) -> None:
    """
    The issuer is read in both of its forms, and however long DER's length is.
    """
    text = b"x" * size
    head = {1: b"\x01", 127: b"\x7f", 128: b"\x81\x80", 255: b"\x81\xff"}
    length = head.get(size, b"\x82" + size.to_bytes(2, "big"))
    new = b"\x0c" + length + text

    for certificate in (issued(new), issued(None, text), issued(new, text)):
        assert text.decode() == issuer_of(certificate)


@pytest.mark.parametrize(
    "certificate",
    rows(
        ("none", made()),
        ("two that differ", issued(b"\x0c\x01a", b"b")),
        ("a byte more", issued(b"\x0c\x01ab")),
        ("a byte less", issued(b"\x0c\x02a")),
        ("another type", issued(b"\x13\x01a")),
        ("a long length of a short text", issued(b"\x0c\x81\x01a")),
        ("a length of three bytes", issued(b"\x0c\x83\x01\x00\x00" + b"a" * 65536)),
        ("no length", issued(b"\x0c")),
        ("nothing", issued(b"")),
        ("no text", issued(b"\x0c\x00")),
        ("no UTF-8", issued(b"\x0c\x01\xff")),
        ("no UTF-8, in the old form", issued(None, b"\xff")),
        ("too long", issued(None, b"a" * 1025)),
        ("a line", issued(None, b"a\n")),
    ),
)
def test_no_issuer(certificate: x509.Certificate) -> None:
    """
    An issuer that is said in no way, or in two, is none.
    """
    refused("bad-certificate", lambda: issuer_of(certificate))


def test_issuer_that_a_library_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If one day a library reads that extension by itself, its reading is not taken for the bytes.
    """
    certificate = issued(b"\x0c\x01a")
    monkeypatch.setattr(x509, "UnrecognizedExtension", x509.OCSPNoCheck)

    refused("bad-certificate", lambda: issuer_of(certificate))


def usage(**bits: bool) -> x509.KeyUsage:
    fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    more = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**dict.fromkeys((*fields, *more), False) | bits)


@pytest.mark.parametrize(
    ("code", "purposes", "bits"),
    rows(
        ("as it should be", "yes", [CODE], SIGNS),
        ("two purposes", "bad-certificate", [CODE, OTHER], SIGNS),
        ("another purpose", "bad-certificate", [OTHER], SIGNS),
        ("no signatures", "bad-certificate", [CODE], {"content_commitment": True}),
        ("certificates too", "bad-certificate", [CODE], SIGNS | {"key_cert_sign": True}),
        ("lists too", "bad-certificate", [CODE], SIGNS | {"crl_sign": True}),
    ),
)
def test_purpose(code: str, purposes: list[x509.ObjectIdentifier], bits: dict[str, bool]) -> None:
    """
    A certificate is for code signing alone, and signs no certificates and no lists of them.
    """
    certificate = made(x509.ExtendedKeyUsage(purposes), usage(**bits))

    assert code == verdict(lambda: check_purpose(certificate))


@pytest.mark.parametrize(
    ("code", "times", "now"),
    rows(
        ("first second", "yes", [0], 0),
        ("last second", "yes", [600], 600),
        ("before", "bad-certificate", [-1], 0),
        ("after", "bad-certificate", [601], 700),
        ("one of two after", "bad-certificate", [0, 601], 700),
        ("never", "bad-certificate", [], 0),
        ("a minute ahead", "yes", [60], 0),
        ("more than a minute ahead", "not-yet-valid", [61], 0),
        ("no clock", "not-yet-valid", [0], float("nan")),
    ),
)
def test_times(code: str, times: list[int], now: float) -> None:
    """
    A certificate counts at every time that is told, and none of them is to come.
    """
    told = [NOW + time for time in times]

    assert code == verdict(lambda: check_times(made(), told, NOW + now))


def test_shown_root() -> None:
    """
    A certificate that its own subject issued has no business in a bundle.
    """

    def der(issuer: str) -> bytes:
        return made(issuer=issuer).public_bytes(Encoding.DER)

    refuse_root(der("issuer"))
    refused("bad-certificate", lambda: refuse_root(der("subject")))


def stamped(*log_ids: bytes, at: int = NOW) -> x509.Certificate:
    """Return a certificate with a timestamp by each of these logs, signed by nobody."""
    said = struct.pack(">Q", 1000 * at) + b"\0\0" + b"\x04\x03" + struct.pack(">H", 2) + b"\x30\0"
    listed = b"".join(struct.pack(">H", 33 + len(said)) + b"\0" + one + said for one in log_ids)
    raw = struct.pack(">H", len(listed)) + listed
    head = b"\x04" + (bytes([len(raw)]) if len(raw) < 128 else b"\x81" + bytes([len(raw)]))
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
    return made(x509.UnrecognizedExtension(oid, head + raw))


@pytest.mark.parametrize(
    ("code", "certificate"),
    rows(
        ("first second", "yes", stamped(LOG)),
        ("last second", "yes", stamped(LOG, at=NOW + 9)),
        ("before", "key-window", stamped(LOG, at=NOW - 1)),
        ("after", "key-window", stamped(LOG, at=NOW + 10)),
        ("another log", "bad-certificate", stamped(bytes(32))),
        ("none", "bad-certificate", stamped()),
        ("two", "bad-certificate", stamped(LOG, LOG)),
        ("two logs", "bad-certificate", stamped(LOG, bytes(32))),
    ),
)
def test_witnessed(code: str, certificate: x509.Certificate) -> None:
    """
    A certificate is in one log of certificates, which counted when it says that it took it.
    """
    witnesses = (Witnessed(bytes([8] * 32), Window(NOW)), Witnessed(LOG, Window(NOW, NOW + 9)))
    root = TrustedRoot((), (), witnesses, {})

    assert code == verdict(lambda: witnessed_by(certificate, root))
    if code == "yes":
        assert LOG == witnessed_by(certificate, root)
