"""Certificates of our own, as other people's X.509 reads and verifies them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from signer.authority import der
from signer.authority.der import integer, oid
from tests.signer.asking import ORIGIN
from tests.signer.authorities import CODE_SIGNING, TIME_STAMPING, Below, loaded
from verifier.publickey import PublicKey
from verifier.trusted_root import trusted_root

IDENTITY, ISSUED_BY = f"https://{ORIGIN}/keys/release", f"https://{ORIGIN}"
RAW, TEXT = "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"


@pytest.fixture(scope="module")
def below() -> Below:
    """What one root vouches for."""
    return Below()


def public_key(certificate: x509.Certificate) -> PublicKey:
    """Return whose certificate it is."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(spki)


def chain_by_cryptography(
    leaf: bytes, above: tuple[bytes, ...], purpose: x509.ObjectIdentifier, when: datetime
) -> list[x509.Certificate]:
    """Have `cryptography` verify a leaf for `purpose` under `above`, and return the path."""

    def is_for(_: object, __: object, usage: x509.ExtendedKeyUsage | None) -> None:
        if usage is None or purpose not in usage:
            raise ValueError("another purpose")

    needed = verification.ExtensionPolicy.permit_all().require_present(
        x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, is_for
    )
    *between, root = map(loaded, above)
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([root]))
        .time(when)
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(
                x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, None
            ),
            ee_policy=needed,
        )
        .build_client_verifier()
    )
    return verifier.verify(loaded(leaf), between).chain


def test_root(below: Below) -> None:
    """
    The root signed itself, may sign certificates and nothing else, and stands for twenty years.
    """
    root = loaded(below.root)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)

    root.verify_directly_issued_by(root)
    assert (True, True, False) == (
        usage.critical,
        usage.value.key_cert_sign,
        usage.value.digital_signature,
    )
    assert (True, True, None) == (
        constraints.critical,
        constraints.value.ca,
        constraints.value.path_length,
    )
    assert timedelta(days=20 * 365) == root.not_valid_after_utc - root.not_valid_before_utc
    assert below.now == root.not_valid_before_utc.timestamp()


@pytest.mark.parametrize(
    ("name", "purpose", "critical", "ca"),
    [
        ("issuer", CODE_SIGNING, False, True),
        ("timestamp", TIME_STAMPING, True, False),
        ("release", CODE_SIGNING, False, False),
    ],
)
def test_below_the_root(
    below: Below, name: str, purpose: x509.ObjectIdentifier, critical: bool, ca: bool
) -> None:
    """
    What stands below the root has one purpose, is of the key it should be, and names both keys.
    """
    first, root = map(loaded, getattr(below, f"{name}_chain"))
    usage = first.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    able = first.extensions.get_extension_for_class(x509.KeyUsage)
    constraints = first.extensions.get_extension_for_class(x509.BasicConstraints)
    own = first.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    above = first.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value

    first.verify_directly_issued_by(root)
    assert (critical, [purpose]) == (usage.critical, list(usage.value))
    assert (True, ca, not ca) == (
        able.critical,
        able.value.key_cert_sign,
        able.value.digital_signature,
    )
    assert (True, ca, 0 if ca else None) == (
        constraints.critical,
        constraints.value.ca,
        constraints.value.path_length,
    )
    assert below.keys[name].public == public_key(first)
    assert x509.SubjectKeyIdentifier.from_public_key(first.public_key()) == own  # type: ignore[arg-type]
    assert (
        root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        == above.key_identifier
    )
    assert timedelta(days=10 * 365) == first.not_valid_after_utc - first.not_valid_before_utc


def test_names(below: Below) -> None:
    """
    Each name has country, state, organization and common name, without which notation refuses.
    """
    wanted = [
        NameOID.COUNTRY_NAME,
        NameOID.STATE_OR_PROVINCE_NAME,
        NameOID.ORGANIZATION_NAME,
        NameOID.COMMON_NAME,
    ]
    names = {loaded(c).subject for c in (*below.release_chain, *below.issuer_chain)}

    assert 3 == len(names)
    for name in names:
        assert wanted == [attribute.oid for attribute in name]


def test_leaf_verifies(below: Below) -> None:
    """
    A leaf holds under its chain for code signing, for nothing else, and for ten minutes.
    """
    leaf, now = below.leaf(), datetime.fromtimestamp(below.now, UTC)
    path = chain_by_cryptography(leaf, below.issuer_chain, CODE_SIGNING, now)

    assert [loaded(leaf), *map(loaded, below.issuer_chain)] == path
    for purpose, when in (
        (TIME_STAMPING, now),
        (CODE_SIGNING, now - timedelta(seconds=61)),
        (CODE_SIGNING, now + timedelta(seconds=541)),
    ):
        with pytest.raises(verification.VerificationError):
            chain_by_cryptography(leaf, below.issuer_chain, purpose, when)
    with pytest.raises(verification.VerificationError):
        chain_by_cryptography(leaf, Below().issuer_chain, CODE_SIGNING, now)
    certificate = loaded(leaf)
    assert now - timedelta(seconds=60) == certificate.not_valid_before_utc
    assert now + timedelta(seconds=540) == certificate.not_valid_after_utc


def test_leaf_says_whose_it_is(below: Below) -> None:
    """
    The identity is the one, critical name of a leaf; who vouches for it stands in Fulcio's fields.
    """
    leaf = loaded(below.leaf())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    values = {
        one.oid.dotted_string: one.value.value
        for one in leaf.extensions
        if isinstance(one.value, x509.UnrecognizedExtension)
    }

    assert x509.Name([]) == leaf.subject
    assert (True, [x509.UniformResourceIdentifier(IDENTITY)]) == (names.critical, list(names.value))
    assert {RAW: ISSUED_BY.encode(), TEXT: b"\x0c\x16" + ISSUED_BY.encode()} == values
    assert below.keys["release"].public == public_key(leaf)
    own = leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    above = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    issuer = loaded(below.issuer_chain[0]).extensions
    assert x509.SubjectKeyIdentifier.from_public_key(leaf.public_key()) == own  # type: ignore[arg-type]
    assert above.key_identifier == (
        issuer.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    )
    assert loaded(below.leaf()).serial_number != leaf.serial_number


def test_leaf_was_seen(below: Below) -> None:
    """
    A leaf has one timestamp, by the transparency key over just this certificate (RFC 6962, 3.2).
    """
    leaf, issuer = loaded(below.leaf()), loaded(below.issuer_chain[0])
    found = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    [sct] = found.value
    transparency = below.keys["transparency"].public
    tbs = leaf.tbs_precertificate_bytes
    at = below.now * 1000
    covered = (
        b"\x00\x00"
        + at.to_bytes(8, "big")
        + b"\x00\x01"
        + hashlib.sha256(public_key(issuer).spki).digest()
        + len(tbs).to_bytes(3, "big")
        + tbs
        + b"\x00\x00"
    )

    assert at == sct.timestamp.replace(tzinfo=UTC).timestamp() * 1000
    assert hashlib.sha256(transparency.spki).digest() == sct.log_id
    transparency.verify(sct.signature, covered)


def test_sigstore_python_verifies_what_was_seen(below: Below, tmp_path: Path) -> None:
    """
    Sigstore's own code accepts a leaf's timestamp under the trusted_root.json that names its key,
    and under no other.
    """
    pytest.importorskip("sigstore")
    from sigstore._internal.sct import verify_sct
    from sigstore._internal.trust import CTKeyring, KeyringPurpose
    from sigstore.errors import VerificationError
    from sigstore.models import TrustedRoot

    leaf, chain = loaded(below.leaf()), list(map(loaded, below.issuer_chain))

    def keyring(of: Below) -> CTKeyring:
        path = tmp_path / "trusted_root.json"
        path.write_bytes(trusted_root(of.trust))
        return TrustedRoot.from_file(str(path)).ct_keyring(KeyringPurpose.VERIFY)

    verify_sct(leaf, chain, keyring(below))
    with pytest.raises(VerificationError):
        verify_sct(leaf, chain, keyring(Below()))


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("2.5.4.3", "0603550403"),
        ("1.2.840.113549.1.7.2", "06092a864886f70d010702"),
        ("2.16.840.1.101.3.4.2.1", "0609608648016503040201"),
        ("1.3.6.1.4.1.57264.1.8", "060a2b0601040183bf300108"),
    ],
)
def test_object_identifiers(dotted: str, expected: str) -> None:
    """
    Object identifiers are written as the standards print them.
    """
    assert expected == oid(dotted).hex()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (1 << 158, "0214" + "40" + "00" * 19),
    ],
)
def test_integers(number: int, expected: str) -> None:
    """
    An integer has no byte too many and never looks negative (X.690, 8.3).
    """
    assert expected == integer(number).hex()


@pytest.mark.parametrize(
    ("size", "length"), [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100")]
)
def test_lengths(size: int, length: str) -> None:
    """
    A length is written in as few bytes as it takes (X.690, 10.1).
    """
    assert "04" + length == der.octets(bytes(size))[: 1 + len(length) // 2].hex()


def test_dates() -> None:
    """
    A date has two digits of the year up to 2049 and four after (RFC 5280, 4.1.2.5).
    """
    last = int(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

    assert b"\x17\x0d491231235959Z" == der.time(last)
    assert b"\x18\x0f20500101000000Z" == der.time(last + 1)


def test_sets_are_in_order() -> None:
    """
    Members of a SET OF are sorted by their bytes (X.690, 11.6).
    """
    assert "3106020101020102" == der.set_of(integer(2), integer(1)).hex()
