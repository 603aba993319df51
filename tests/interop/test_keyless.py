"""Bundles under certificates, judged by sigstore and by us: ours, others', and spoiled ones."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import decode_timestamp_response

from tests.interop import handmade
from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.handmade.pki import MINUTE, Authorities, certify
from tests.interop.keyless_making import AUTHORITIES, NOW_S, PARTS, Keyless, encoded
from tests.interop.product import Product
from tests.interop.tampers import tampers
from tests.verifier.foreign import HOST, KINDS, PAYLOAD, b64
from tests.verifier.making import refused, rows, verdict
from verifier._strict import utc
from verifier.certified import CertificateJudge, Certified
from verifier.pull.keyless import SigstoreJudge
from verifier.statement import Statement

CODE = ExtendedKeyUsageOID.CODE_SIGNING
GOOD = handmade.make(certified=True)
BY_LIBRARY = {"timestampAuthorities": "bad-certificate"}  # whose windows it checks itself
# Whoever shows an id of a key proves nothing with it, and signed is what the key signed.
IGNORED = {"signature.keyid: other"}


def judge(*roots: bytes) -> SigstoreJudge:
    return SigstoreJudge(*roots)


def judged(keyless: Keyless, root: Any = None) -> Certified:
    trusted = encoded(keyless.trusted if root is None else root)
    return SigstoreJudge(trusted, clock=lambda: keyless.now).certified(encoded(keyless.document))


def test_our_service(product: Product) -> None:
    """
    What our service makes under a certificate names its key, the service, and what it approves.
    """
    digest = product.digests[0]
    found: CertificateJudge = judge(product.sigstore_root)
    certified = found.certified(product.of(digest, "certificate"))

    assert (product.identity, product.issuer) == (certified.identity, certified.issuer)
    assert digest == Statement.parse(certified.payload).subjects[0].digest
    assert product.issuer == f"https://{certified.origin}"
    assert 0 < certified.index < certified.tree_size


def test_our_managed_keys_are_not_asked_about(product: Product) -> None:
    """
    A bundle without a certificate is not this judge's.
    """
    bundle = product.of(product.digests[0], "bundle")

    refused("unsupported-version", lambda: judge(product.sigstore_root).certified(bundle))


def test_refuses_each_tamper() -> None:
    """
    Of a good bundle no field can be changed, and the one that can is nobody's word.
    """
    found = {
        name: verdict(lambda b=bad: judge(GOOD.trusted_root).certified(b))
        for name, bad in tampers(GOOD.bundle)
    }

    assert {name for name, code in found.items() if code == "yes"} == IGNORED
    assert "internal-error" not in found.values()
    assert "bad-signature" == found["payload: last bit"]  # seen by us, before the library is asked


@pytest.mark.parametrize("kind", KINDS[:3], ids=" ".join)
def test_kinds_of_entries(kind: tuple[str, str]) -> None:
    """
    Envelopes are judged under each entry that sigstore reads, and the payload comes back.
    """
    if kind == KINDS[1]:  # by the specification an envelope may be logged so; sigstore says no
        assert (
            "hashedrekord/0.0.1"
            in refused("bad-certificate", lambda: judged(Keyless(*kind))).message
        )
        return
    found = judged(Keyless(*kind))

    assert (IDENTITY, ISSUER, PAYLOAD, 4, 7) == found[:5]
    assert found.origin.startswith(HOST)


@pytest.mark.parametrize(
    ("kind", "stamped"), [(KINDS[0], True), (KINDS[1], True), (KINDS[1], False)]
)
def test_messages(kind: tuple[str, str], *, stamped: bool) -> None:
    """
    A message is judged with what it is about, dated by a timestamp or by a promise.
    """
    keyless = Keyless(*kind, envelope=False, stamped=stamped)
    found = judge(encoded(keyless.trusted))

    assert (IDENTITY, ISSUER, b"") == found.signed(encoded(keyless.document), keyless.about)[:3]
    other = Keyless(artifact=b"another").about
    refused("digest-mismatch", lambda: found.signed(encoded(keyless.document), other))
    refused("unsupported-version", lambda: found.certified(encoded(keyless.document)))


def test_sha256_by_a_larger_curve() -> None:
    """
    A key of P-384 that signs SHA-256, as older clients have it, is judged by sigstore.
    """
    keyless = Keyless(*KINDS[1], envelope=False, algorithm="ecdsa-p384")
    keyless.signature = keyless.signer._key.sign(keyless.artifact, ec.ECDSA(hashes.SHA256()))
    found = judge(encoded(keyless.trusted))

    assert IDENTITY == found.signed(encoded(keyless.document), keyless.about).identity
    keyless.signature = keyless.signer._key.sign(b"another", ec.ECDSA(hashes.SHA256()))
    refused("bad-certificate", lambda: found.signed(encoded(keyless.document), keyless.about))


@pytest.mark.parametrize("part", PARTS)
def test_other_authorities(part: str) -> None:
    """
    Each authority in the trusted root counts: with another in its place the answer is no.
    """
    keyless, other = Keyless(), Keyless(authorities=Authorities())
    root = {**keyless.trusted, part: other.trusted[part]}

    assert verdict(lambda: judged(keyless, root)) in {"bad-certificate", "untrusted-log"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("expected", "start", "end"),
    rows(
        ("through that second", "yes", -3600, 0),
        ("from that second", "yes", 0, 3600),
        ("through the second before", "no", -3600, -1),
        ("from the second after", "no", 1, 3600),
    ),
)
def test_windows(part: str, expected: str, start: int, end: int) -> None:
    """
    An authority or log counts from the first to the last second of its window and no longer,
    which is how a revoked one ends.
    """
    keyless = Keyless()
    document = keyless.document
    at = _stamped_at(document) if part != "ctlogs" else NOW_S
    root = keyless.trusted
    one = root[part][0].get("publicKey", root[part][0])
    one["validFor"] = {"start": utc(at + start), "end": utc(at + end)}
    found = SigstoreJudge(encoded(root))
    code = verdict(lambda: found.certified(encoded(document)))

    assert ("yes" if expected == "yes" else BY_LIBRARY.get(part, "key-window")) == code


def _stamped_at(document: dict[str, Any]) -> int:
    data = document["verificationMaterial"]["timestampVerificationData"]
    stamp = data["rfc3161Timestamps"][0]["signedTimestamp"]
    return int(decode_timestamp_response(b64decode(stamp)).tst_info.gen_time.timestamp())


def test_authorities_of_one_name() -> None:
    """
    Another authority of the same name before the right one does not matter.
    """
    keyless, root = Keyless(), Keyless().trusted
    decoy = copy.deepcopy(Authorities().trusted["certificateAuthorities"])
    root = {**keyless.trusted, "certificateAuthorities": [*decoy, *root["certificateAuthorities"]]}

    assert IDENTITY == judged(keyless, root).identity


def test_ended_authority_beside_another() -> None:
    """
    The window that counts is that of the authority which issued, not another's that fits.
    """
    keyless, other = Keyless(), Authorities().trusted["certificateAuthorities"]
    root = keyless.trusted
    ended = {"start": utc(0), "end": utc(NOW_S - 3600)}
    root["certificateAuthorities"][0]["validFor"] = ended
    both = {**root, "certificateAuthorities": [*root["certificateAuthorities"], *other]}

    refused("key-window", lambda: judged(keyless, root))
    refused("bad-certificate", lambda: judged(keyless, both))


def test_expired_authority() -> None:
    """
    An authority whose own certificate was over when the timestamp says is none; before that it
    is one.
    """
    authorities = Authorities()
    authorities.intermediate = certify(
        "intermediate", authorities.root, authority=0, purpose=CODE, lifetime=-MINUTE / 2
    )

    refused("bad-certificate", lambda: judged(Keyless(authorities=authorities)))
    dated = Keyless(*KINDS[2], authorities=authorities, integrated_at=NOW_S - 40, stamped=False)
    assert IDENTITY == judged(dated).identity


def test_several_roots() -> None:
    """
    One of several trusted roots is enough, in whatever order; none of them is not.
    """
    keyless, other = Keyless(), Keyless(authorities=Authorities())
    ours, theirs = encoded(keyless.trusted), encoded(other.trusted)
    mixed = encoded({**keyless.trusted, "ctlogs": other.trusted["ctlogs"]})
    bundle = encoded(keyless.document)

    for roots in ((ours, theirs), (theirs, ours), (mixed, ours), (ours, mixed)):
        assert IDENTITY == judge(*roots).certified(bundle).identity
    refused("untrusted-log", lambda: judge(theirs).certified(bundle))
    refused("bad-certificate", lambda: judge(theirs, mixed).certified(bundle))
    refused("untrusted-log", lambda: judge().certified(bundle))


def test_bad_root() -> None:
    """
    A trusted root that cannot be read is refused at once.
    """
    refused("malformed", lambda: judge(b"{"))


def test_second_timestamp() -> None:
    """
    Every time that a bundle tells counts, not the one that suits it.
    """
    keyless = Keyless()
    document = keyless.document
    stamps = document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    unknown = Authorities()
    stamps.append({"signedTimestamp": b64(unknown.timestamp(keyless.signed))})
    found = judge(encoded(keyless.trusted))

    assert IDENTITY == found.certified(encoded(document)).identity

    over = AUTHORITIES.issue(
        keyless.signer._key.public_key(),
        AUTHORITIES.extensions(IDENTITY, ISSUER),
        lifetime=-MINUTE / 2,
    )
    promised = Keyless(*KINDS[2], leaf=over, integrated_at=NOW_S - 40)
    promised.signer, promised.key, promised.signature = keyless.signer, keyless.key, None
    promised.signature = promised.signer.sign(promised.message)
    assert "not valid" in refused("bad-certificate", lambda: judged(promised)).message
    promised.stamped = False
    assert IDENTITY == judged(promised).identity


@pytest.mark.parametrize("clock", [NOW_S - 3600, float("nan")])
def test_signed_in_the_future(clock: float) -> None:
    """
    What was signed at a time that is yet to come is refused, and without a clock everything is.
    """
    keyless = Keyless()
    found = SigstoreJudge(encoded(keyless.trusted), clock=lambda: clock)

    refused("not-yet-valid", lambda: found.certified(encoded(keyless.document)))


def test_statement_of_nothing() -> None:
    """
    An envelope that is good in every respect but holds no statement is refused.
    """
    refused("malformed", lambda: judged(Keyless(payload=json.dumps({}).encode())))
