"""Every format that the verifier reads: what is accepted prints as it was read.

Where a format leaves its writer room, what is printed is read as the same.
"""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate

from tests.fuzz import seeds
from tests.fuzz.target import Targets, same, text
from tests.verifier.certificates import certificate
from tests.verifier.making import verdict
from verifier import _strict, dsse, jws
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.dsse import Envelope
from verifier.entry import certified_key, parse_any
from verifier.errors import VerificationError
from verifier.note import Note, NoteKey
from verifier.proof import TlogProof
from verifier.publickey import PublicKey
from verifier.pull import tar
from verifier.pull.images import IMAGE, INDEX, Manifest
from verifier.pull.layout_index import LayoutIndex
from verifier.quorum import Quorum
from verifier.rekor_v1 import Promise
from verifier.repository import Repository, Scope
from verifier.simplesigning import SimpleSigning
from verifier.statement import Statement
from verifier.tlogpolicy import TlogPolicy
from verifier.trust import TrustRoot
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, StatusPayload
from verifier.vulnerabilities import Scan

TARGETS = Targets()
_LIMIT = 1 << 20


def _object(data: bytes) -> dict[str, Any]:
    return _strict.json_object(data, limit=_LIMIT, floats=True)


@TARGETS.add(b'{"a":[1,-1.5e3,null,true,"\\u00e9"],"b":{}}')
def json_object(data: bytes) -> None:
    """What is JSON for us means the same for Python's own reader, and is written as it is read."""
    value = _object(data)
    same(json.loads(data), value)
    same(value, json.loads(_strict.canonical_json(value)))


@TARGETS.add(
    *(b"0 42", b"1 YWI=", b"2 00ff", b"3 release", b"4 2024-02-29T23:59:59Z"),
    *(b"5 ledger.example", b"6 registry.example:5000/team/app", b"7 registry.example/team"),
    b"8 sha256:" + b"0" * 64,
)
def words(data: bytes) -> None:
    """Each word of the formats has one spelling."""
    kind, word = data[:2], text(data[2:])
    match kind:
        case b"0 ":
            same(word, str(_strict.decimal(word)))
        case b"1 ":
            raw = _strict.b64(word)
            same(word, _strict.b64encode(raw))
            same(raw, b64decode(word, validate=True))
        case b"2 ":
            same(word, _strict.hexadecimal(word, size=2).hex())
        case b"3 ":
            same(word, _strict.name(word))
        case b"4 ":
            seconds = _strict.rfc3339(word)
            same(seconds, datetime.fromisoformat(word).astimezone(UTC).timestamp())
            same(word, _strict.utc(seconds))
        case b"5 ":
            same(word, _strict.note_name(word))
        case b"6 ":
            assert Scope("*").covers(Repository(word))
            assert Scope(word).covers(Repository(word))
        case b"7 ":
            same(word, Scope(word))
        case _:
            same(word, Digest(word))


_PUBLICS = (seeds.APPROVER.public, seeds.ROOTS[0].public, seeds.WITNESSES[1].key.public)


@TARGETS.add(*(key.spki for key in _PUBLICS), *(key.pem() for key in _PUBLICS))
def public_key(data: bytes) -> None:
    """A key that we read is read by others, and they write it just so."""
    if data.startswith(b"-"):
        key = PublicKey.from_pem(data)
        same(data.replace(b"\r\n", b"\n"), key.pem())
        other: Any = load_pem_public_key(data)
    else:
        key = PublicKey(data)
        same(key, PublicKey.from_pem(key.pem()))
        other = load_der_public_key(data)
    same(key.spki, other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@TARGETS.add(certificate(seeds.APPROVER.public), certificate(seeds.APPROVER.public) * 2)
def certificates(data: bytes) -> None:
    """A chain is cut into parts that are all of it, and each certificate has one encoding."""
    chain = jws.split_chain(data)
    same(data, b"".join(chain))
    for one in chain:
        certified_key(one)
        same(one, load_der_x509_certificate(one).public_bytes(Encoding.DER))


@TARGETS.add(seeds.NOTE.encode())
def note(data: bytes) -> None:
    """A note prints as it was read."""
    same(text(data), str(Note.parse(text(data))))


@TARGETS.add(*(vkey.encode() for vkey in seeds.VKEYS))
def verifier_key(data: bytes) -> None:
    """A key of a log or witness prints as it was read."""
    same(text(data), str(NoteKey.parse(text(data))))


@TARGETS.add(seeds.TEXT.encode())
def checkpoint(data: bytes) -> None:
    """A checkpoint prints as it was read."""
    same(text(data), str(Checkpoint.parse(text(data))))


@TARGETS.add(str(seeds.WORLD.bundle.tlog_proof()).encode())
def tlog_proof(data: bytes) -> None:
    """A proof file prints as it was read."""
    same(text(data), str(TlogProof.parse(text(data))))


@TARGETS.add(seeds.WORLD.quorum.encode(), seeds.TLOG_POLICY.encode())
def tlog_policy(data: bytes) -> None:
    """A policy of logs and witnesses is printed in a form that is read as the same."""
    policy = TlogPolicy.parse(text(data))
    same(policy, TlogPolicy.parse(str(policy)))
    if not policy.logs:
        same(policy.quorum._replace(text=""), Quorum.parse(text(data))._replace(text=""))


@TARGETS.add(seeds.BUNDLE)
def bundle(data: bytes) -> None:
    """A bundle is written in our own form, which is read as the same."""
    found = Bundle.parse(data)
    written = found.json()
    same(written, Bundle.parse(written).json())
    assert b"".join(found.pieces([found.envelope.payload])) == written


@TARGETS.add(
    seeds.enveloped(dsse.IN_TOTO, seeds.WORLD.payload, b"sig"),
    SignedFile.sign(PAYLOAD_TYPE, b"{}", seeds.ROOTS).json(),
)
def envelope(data: bytes) -> None:
    """An envelope, of one signature or of many, is written again as the same."""
    if PAYLOAD_TYPE.encode() in data:
        signed = SignedFile.parse(data, PAYLOAD_TYPE, _LIMIT)
        same(signed, SignedFile.parse(signed.json(), PAYLOAD_TYPE, _LIMIT))
        return
    found = Envelope.parse(_strict.Fields(_object(data), "envelope"))
    same((dsse.IN_TOTO, found.payload), dsse.parse_pae(found.message))
    assert found.signature


@TARGETS.add(dsse.pae(dsse.IN_TOTO, b"{}"), dsse.pae("http://example.com/a", b"hello world"))
def pae(data: bytes) -> None:
    """An encoding is exactly what `pae` writes, and means the same when it comes in pieces."""
    try:
        in_pieces = b"".join(dsse.payload_of([data[:64], data[64:65], data[65:]]))
    except VerificationError:
        in_pieces = None
    if in_pieces is not None:
        same((dsse.IN_TOTO, in_pieces), dsse.parse_pae(data))
    kind, payload = dsse.parse_pae(data)
    same(data, dsse.pae(kind, payload))
    assert kind != dsse.IN_TOTO or in_pieces == payload


@TARGETS.add(*seeds.STATEMENTS)
def statement(data: bytes) -> None:
    """A statement names what it is about, and its predicate is what other readers see."""
    found = Statement.parse(data)
    same(json.loads(data)["predicate"], found.predicate)
    digests = [subject["digest"] for subject in json.loads(data)["subject"]]
    same(digests, [{"sha256": subject.digest.hex} for subject in found.subjects])


@TARGETS.add(seeds.WORLD.entry, seeds.LEGACY, seeds.ENVELOPE)
def entry(data: bytes) -> None:
    """An entry of whatever kind is canonical: it prints as it was read."""
    same(data, parse_any(data).body())


@TARGETS.add(seeds.PROMISE.stored())
def promise(data: bytes) -> None:
    """A promise prints as it was read, and is good for its own entry alone."""
    found = Promise.parse(data)
    same(data, found.stored())
    found.verify(seeds.PROMISER.public, seeds.WORLD.entry, seeds.NOW, seeds.WORLD.index)


@TARGETS.add(seeds.SIMPLE)
def simple_signing(data: bytes) -> None:
    """A simple-signing payload says what other readers see in it."""
    found = SimpleSigning.parse(data)
    critical = json.loads(data)["critical"]
    same(critical["image"]["docker-manifest-digest"], found.digest)
    same(critical["identity"]["docker-reference"], found.repository)


@TARGETS.add(seeds.NOTATION)
def notation(data: bytes) -> None:
    """A JWS of notation has one spelling of its payload."""
    found = jws.parse(data)
    same(data.partition(b".")[2], jws._encode(found.payload))
    assert -(2**40) < found.signing_time < 2**40


@TARGETS.add(seeds.PINNING.json(), seeds.SIGNED_TRUST)
def trust_file(data: bytes) -> None:
    """A trust file is written in our own form, which is read as the same."""
    found = TrustRoot.parse(data)
    written = found.json()
    same(found, TrustRoot.read(written))
    same(written, TrustRoot.read(written).json())


@TARGETS.add(seeds.STATUS_PAYLOAD.json())
def status_payload(data: bytes) -> None:
    """What a status file says is written in our own form, which is read as the same."""
    found = StatusPayload.read(data)
    same(found, StatusPayload.read(found.json()))


@TARGETS.add(seeds.SCAN.predicate())
def scan(data: bytes) -> None:
    """A scan is canonical JSON once it is written, and is read as the same."""
    found = Scan.parse(_object(data))
    same(found, Scan.parse(_object(found.predicate())))


_KINDS = [IMAGE, INDEX]


@TARGETS.add(*(seeds.compact(manifest) for manifest in seeds.MANIFESTS))
def manifest(data: bytes) -> None:
    """A manifest is an image or an index, as its own media type says, and never both."""
    said = _object(data).get("mediaType")
    taken = [kind for kind in _KINDS if verdict(partial(Manifest.parse, data, kind)) == "yes"]
    assert len(taken) < 2
    assert said is None or not taken or taken == [said]
    if taken != _KINDS[:1]:
        index = LayoutIndex.parse(data, "index.json")
        assert index.json() == LayoutIndex.parse(index.json(), "index.json").json()


@TARGETS.add(seeds.TAR)
def tar_file(data: bytes) -> None:
    """Whatever is in a tar file, what is found in it lies in it, under a plain name."""
    found = tar.members(lambda size, offset: data[offset : offset + size], len(data))
    for name, span in found.items():
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        assert 0 <= span.offset <= span.offset + span.size <= len(data)
