"""Records: what is stored of one signature, and what readers of its form are given."""

from __future__ import annotations

import json
from base64 import b64decode

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer, World, refused, verdict
from verifier import jws, limits, simplesigning
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.dsse import IN_TOTO, pae
from verifier.entry import Entry
from verifier.merkle import InclusionProof
from verifier.record import Record
from verifier.rekor_v1 import LegacyEntry, Promise, log_id_of

WORLD = World()
SIGNER, LOG = WORLD.signer, Signer()
LEAF, ISSUER = certificate(SIGNER.public), certificate(Signer().public)
GOOD = WORLD.bundle
AT = (GOOD.proof, GOOD.note, GOOD.log_id)
MESSAGE = GOOD.envelope.message
BUNDLE = Record(4, "bundle", WORLD.entry, MESSAGE)


def test_bundle() -> None:
    """
    A record of a bundle renders to one that the verifier accepts.
    """
    rendered = BUNDLE.rendered(*AT)

    assert rendered == GOOD.json() == BUNDLE.bundle(*AT).json()
    assert verdict(lambda: WORLD.verify(rendered)) == "yes"


def test_timestamp() -> None:
    """
    A timestamp that was made once is in each rendering, and changes no verdict.
    """
    rendered = BUNDLE._replace(timestamp=b"stamp").rendered(*AT)

    assert (b"stamp",) == Bundle.parse(rendered).timestamps
    assert verdict(lambda: WORLD.verify(rendered)) == "yes"


def test_certificate() -> None:
    """
    Under a certificate the bundle carries it in the place of the hint, and we leave it to others.
    """
    entry = Entry.of(MESSAGE, GOOD.envelope.signature, SIGNER.public, LEAF).body()
    record = Record(4, "certificate", entry, MESSAGE, timestamp=b"stamp")
    material = json.loads(record.rendered(*AT))["verificationMaterial"]

    assert {"certificate", "tlogEntries", "timestampVerificationData"} == set(material)
    assert ("", LEAF) == (record.bundle(*AT).hint, record.bundle(*AT).certificate)
    assert {"rawBytes": b64encode(LEAF)} == material["certificate"]
    assert b64encode(entry) == material["tlogEntries"][0]["canonicalizedBody"]
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": "c3RhbXA="}]}
    assert stamps == material["timestampVerificationData"]
    refused("unsupported-version", lambda: Bundle.parse(record.rendered(*AT)))


def test_simplesigning() -> None:
    """
    A legacy signature renders to its payload, with signature and promise beside it.
    """
    body = simplesigning.payload(REPOSITORY, IMAGE, {})
    signature, made = SIGNER.sign(body), LOG.sign(b"promise")
    entry = LegacyEntry.of(body, signature, SIGNER.public).body()
    promise = Promise(log_id_of(LOG.public), made)
    record = Record(9, "simplesigning", entry, body, promise.stored(), integrated_at=NOW)
    rendered = json.loads(record.rendered(*AT))
    said = json.loads(rendered["annotations"]["dev.sigstore.cosign/bundle"])

    assert body == b64decode(rendered["payload"])
    assert b64encode(signature) == rendered["annotations"]["dev.cosignproject.cosign/signature"]
    assert b64encode(made) == said["SignedEntryTimestamp"]
    assert {
        "body": b64encode(entry),
        "integratedTime": NOW,
        "logIndex": 9,
        "logID": log_id_of(LOG.public).hex(),
    } == said["Payload"]


def test_unpromised() -> None:
    """
    Without the promise that belongs to it, a legacy signature is not rendered.
    """
    body = simplesigning.payload(REPOSITORY, IMAGE, {})
    entry = LegacyEntry.of(body, SIGNER.sign(body), SIGNER.public).body()

    refused("malformed", lambda: Record(9, "simplesigning", entry, body).rendered(*AT))


def test_notation() -> None:
    """
    A signature for notation renders to its envelope under the stored chain, the leaf first.
    """
    target = jws.TargetArtifact("application/vnd.oci.image.manifest.v1+json", IMAGE, 1, {})
    body = jws.signing_input("ecdsa-p256", NOW, jws.payload(target))
    signature = SIGNER.sign(body)
    entry = Entry.of(body, signature, SIGNER.public, LEAF).body()
    record = Record(9, "notation", entry, body, chain=ISSUER)

    raw = jws.raw_signature("ecdsa-p256", signature)
    assert jws.envelope(body, raw, [LEAF, ISSUER]) == record.rendered(*AT)

    bare = Entry.of(body, signature, SIGNER.public).body()
    refused("malformed", lambda: record._replace(entry=bare).rendered(*AT))


def test_without_a_body() -> None:
    """
    An entry whose body is not here renders to nothing.
    """
    refused("unsupported-version", lambda: Record(4, "opaque", WORLD.entry, b"").rendered(*AT))
    large = BUNDLE._replace(body=b"", body_size=100_000)
    refused("unsupported-version", lambda: large.rendered(*AT))


@given(st.binary(max_size=40), st.integers(1, 9), st.booleans())
def test_pieces(payload: bytes, size: int, stamped: bool) -> None:
    """
    A body that comes in pieces makes the same bundle, and no more than a piece of it is held.
    """
    message = pae(IN_TOTO, payload)
    entry = Entry.of(message, SIGNER.sign(message), SIGNER.public).body()
    record = Record(4, "bundle", entry, b"", timestamp=b"stamp" * stamped)
    head = len(message) - len(payload)
    body = [message[:head], *(payload[i : i + size] for i in range(0, len(payload), size))]
    pieces = list(record.pieces(iter(body), *AT))

    assert record._replace(body=message).rendered(*AT) == b"".join(pieces)
    inner = pieces[1:-1]
    assert max(map(len, inner), default=0) <= (size + 2 + 2) // 3 * 4


def test_payload_in_a_note() -> None:
    """
    Text of others that looks like the place of the payload is not taken for it.
    """
    note = GOOD.note + '\u2014 "payload":" AAAAAAAA\n'
    at = (GOOD.proof, GOOD.note, GOOD.log_id)
    spoiled = GOOD._replace(note=note, hint='"payload":"')

    assert spoiled.json() == b"".join(spoiled.pieces([GOOD.envelope.payload]))
    assert BUNDLE.rendered(*at) == b"".join(BUNDLE._replace(body=b"").pieces([MESSAGE], *at))


def test_pieces_of_something_else() -> None:
    """
    A body that is no statement's, or is cut off, ends in an error.
    """
    for body in ([b"{}"], [MESSAGE[:-1]], [MESSAGE, b"x"]):
        refused("malformed", lambda body=body: list(BUNDLE.pieces(body, *AT)))


def test_largest_attestation() -> None:
    """
    The bundle of the largest predicate and the most subjects is within the limit for attestations.
    """
    subject = b'{"digest":{"sha256":"%b"},"name":"%b"},' % (b"0" * 64, b"a" * limits.REPOSITORY)
    payload = bytes(16 << 20) + subject * limits.SUBJECTS
    proof = InclusionProof(4, 7, GOOD.proof.path)
    stamps = (bytes(8 << 10),) * 2
    bundle = GOOD._replace(
        envelope=GOOD.envelope._replace(payload=payload), proof=proof, timestamps=stamps
    )
    rendered = bundle.json()

    assert limits.BUNDLE < len(rendered) <= limits.ATTESTATION - limits.NOTE * 2
    assert bundle == Bundle.parse(rendered, limit=limits.ATTESTATION)
    refused("over-limit", lambda: Bundle.parse(rendered))
