"""One spelling each: what parses prints to the same text, and what is printed parses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier import examples, pinned
from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, NoteSigner, Signer, World, rows
from tests.verifier.strategies import (
    hashes,
    json_objects,
    names,
    sizes,
    spoiled,
    spoiled_bytes,
)
from verifier import dsse, rekor_v1
from verifier._strict import (
    b64,
    b64encode,
    canonical_json,
    decimal,
    hexadecimal,
    json_object,
    name,
    rfc3339,
    utc,
)
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.evidence import Evidence
from verifier.merkle import Hash
from verifier.note import ML_DSA, Note, NoteKey
from verifier.proof import TlogProof
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry
from verifier.repository import Repository, Scope
from verifier.statement import Statement, Subject, approval, check_annotations
from verifier.tlogpolicy import TlogPolicy
from verifier.trust import TrustRoot

WORLD = World()
KEYS = [
    Signer(algorithm).public for algorithm in ("ecdsa-p256", "ecdsa-p384", "ed25519", "ml-dsa-65")
]
NOTE_KEYS = [Signer(algorithm).public for algorithm in ("ecdsa-p256", "ed25519", "ml-dsa-44")]
WITNESS_KEYS = NOTE_KEYS[1:]


class Form(NamedTuple):
    """One format: how to read it, how to write what was read, and good examples."""

    parse: Callable[[Any], Any]
    print: Callable[[Any], Any]
    examples: tuple[str, ...]


PQ = NoteSigner("pq.example", ML_DSA)
VKEYS = (examples.NOTE_VKEY, examples.ECDSA_VKEY, examples.WITNESS_VKEY, str(PQ.key))
POLICY = pinned.GOOD.quorum.text
TIME = "2026-11-23T21:06:41Z"

TEXTS: list[tuple[str, Form]] = [
    ("note", Form(Note.parse, str, (examples.NOTE, examples.ECDSA_NOTE, examples.COSIGNED))),
    ("note key", Form(NoteKey.parse, str, VKEYS)),
    ("checkpoint", Form(Checkpoint.parse, str, (examples.CHECKPOINT, str(WORLD.checkpoint)))),
    ("proof", Form(TlogProof.parse, str, (examples.TLOG_PROOF,))),
    ("policy", Form(Quorum.parse, lambda q: q.text, ("quorum none\n", f"# c\n{POLICY}"))),
    ("digest", Form(Digest, str, (IMAGE,))),
    ("repository", Form(Repository, str, (REPOSITORY, "localhost:5000/a", "192.0.2.1/b"))),
    ("scope", Form(Scope, str, ("*", "registry.example", "registry.example:5000/team"))),
    ("decimal", Form(decimal, str, ("0", "42", str(2**63 - 1)))),
    ("Base64", Form(b64, b64encode, ("", "YQ==", "YWI=", "YWJj", "+/+/"))),
    ("hexadecimal", Form(lambda text: hexadecimal(text, size=2), bytes.hex, ("00ff", "abcd"))),
    ("name", Form(name, str, ("release", "a.b_c-d"))),
    ("time", Form(rfc3339, utc, (TIME, "2000-02-29T00:00:00Z", "1000-01-01T00:00:00Z"))),
]

BODY = WORLD.entry.decode()
LEGACY = LegacyEntry.of(b"", b"signature", WORLD.signer.public).body().decode()
ENVELOPE = EnvelopeEntry.of(b"", b"", (b"sig", WORLD.signer.public), (b"", KEYS[2])).body().decode()
PAE = dsse.pae("http://example.com/HelloWorld", b"hello world").decode()

BYTES: list[tuple[str, Form]] = [
    ("entry", Form(Entry.parse, Entry.body, (BODY,))),
    ("entry of Rekor v1", Form(rekor_v1.parse, lambda e: e.body(), (LEGACY, ENVELOPE))),
    ("PAE", Form(dsse.parse_pae, lambda parts: dsse.pae(*parts), (PAE, "DSSEv1 0  0 "))),
]

POINT = str(WORLD.checkpoint)
NOTE = str(Note(POINT, (PQ.sign(POINT), WORLD.log.sign(POINT))))
FORK = Evidence.fork(NOTE, NOTE, Hash(bytes(32)), (Hash(bytes(32)),) * 2, (TIME, TIME))
LOGS = f"log {WORLD.log.key} https://{ORIGIN}/\nlog {NoteKey.of(ORIGIN, NOTE_KEYS[2])}\n"
TLOG_POLICY = f"{LOGS}# c\nwitness a {PQ.key} x\ngroup g any a\nquorum g\n"

READ: list[tuple[str, Form]] = [
    ("evidence", Form(Evidence.parse, Evidence.json, (FORK.json().decode(),))),
    ("bundle", Form(Bundle.parse, Bundle.json, (WORLD.bundle.json().decode(),))),
    ("trust root", Form(TrustRoot.parse, TrustRoot.json, (pinned.GOOD.json().decode(),))),
]


@pytest.mark.parametrize(
    ("form", "example"), rows(*((n, f, e) for n, f in TEXTS for e in f.examples))
)
def test_examples(form: Form, example: str) -> None:
    """
    The good texts that the other tests spoil are good.
    """
    assert example == form.print(form.parse(example))


@pytest.mark.parametrize("form", rows(*TEXTS))
@settings(max_examples=300)
@given(data=st.data())
def test_text_parses_exactly(form: Form, data: st.DataObject) -> None:
    """
    A text is refused with a code, or prints back to itself.
    """
    text = data.draw(spoiled(*form.examples) | st.text())
    try:
        value = form.parse(text)
    except VerificationError:
        return

    assert text == form.print(value)


@pytest.mark.parametrize("form", rows(*BYTES))
@settings(max_examples=300)
@given(data=st.data())
def test_bytes_parse_exactly(form: Form, data: st.DataObject) -> None:
    """
    Bytes are refused with a code, or print back to themselves.
    """
    raw = data.draw(spoiled_bytes(*(e.encode() for e in form.examples)) | st.binary())
    try:
        value = form.parse(raw)
    except VerificationError:
        return

    assert raw == form.print(value)


@pytest.mark.parametrize("form", rows(*READ))
@settings(max_examples=300)
@given(data=st.data())
def test_json_is_read_and_written(form: Form, data: st.DataObject) -> None:
    """
    A document is refused with a code, or written in our own form, which is read as the same.
    """
    raw = data.draw(spoiled_bytes(*(e.encode() for e in form.examples)) | st.binary())
    try:
        value = form.parse(raw)
    except VerificationError:
        return

    written = form.print(value)
    assert written == form.print(form.parse(written))


@settings(max_examples=300)
@given(spoiled(TLOG_POLICY) | st.text())
def test_policies_are_read_and_written(text: str) -> None:
    """
    A policy is refused with a code, or printed in a form that is read as the same.
    """
    try:
        policy = TlogPolicy.parse(text)
    except VerificationError:
        return

    assert policy == TlogPolicy.parse(str(policy))


@given(spoiled_bytes(approval(REPOSITORY, IMAGE, {"env": "prod"})) | st.binary())
def test_statements_are_read_or_refused(payload: bytes) -> None:
    """
    A payload is refused with a code, or names subjects by digest.
    """
    try:
        statement = Statement.parse(payload)
    except VerificationError:
        return

    assert all(subject.digest == Digest(str(subject.digest)) for subject in statement.subjects)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.name)
@given(data=st.data())
def test_keys_have_one_encoding(key: PublicKey, data: st.DataObject) -> None:
    """
    The bytes of a key are refused with a code, or are what cryptography would write.
    """
    raw = bytearray(key.spki)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = PublicKey(bytes(raw))
    except VerificationError:
        return

    assert raw == found.spki
    assert found == PublicKey.from_pem(found.pem())


@given(names, sizes, hashes)
def test_checkpoints(origin: str, tree_size: int, root: Hash) -> None:
    """
    Every checkpoint that can be made is printed and read back.
    """
    checkpoint = Checkpoint(origin, tree_size, root)

    assert checkpoint == Checkpoint.parse(str(checkpoint))


@given(names, st.sampled_from(NOTE_KEYS), st.sampled_from(WITNESS_KEYS))
def test_note_keys(name: str, log: PublicKey, witness: PublicKey) -> None:
    """
    Every key of a log or a witness that can be made is printed and read back.
    """
    for key in (NoteKey.of(name, log), NoteKey.witness(name, witness)):
        assert key == NoteKey.parse(str(key))


@given(st.integers(0, 2**63 - 1), st.lists(hashes, max_size=63), st.none() | st.binary())
def test_proofs(index: int, path: list[Hash], extra: bytes | None) -> None:
    """
    Every proof file that can be made is printed and read back.
    """
    proof = TlogProof(index, tuple(path), Note.parse(examples.COSIGNED), extra)

    assert proof == TlogProof.parse(str(proof))


@given(st.binary(), st.binary(max_size=300), st.sampled_from(KEYS))
def test_entries(message: bytes, signature: bytes, key: PublicKey) -> None:
    """
    Every entry that can be made is printed and read back.
    """
    entry = Entry.of(message, signature, key)

    assert entry == Entry.parse(entry.body())


@given(st.text(), st.binary())
def test_pae(payload_type: str, payload: bytes) -> None:
    """
    Every type and payload is encoded and read back.
    """
    assert (payload_type, payload) == dsse.parse_pae(dsse.pae(payload_type, payload))


@given(st.dictionaries(spoiled("env", "org.example/x"), spoiled("prod", "\u00e9"), max_size=4))
def test_approvals(annotations: dict[str, str]) -> None:
    """
    Every annotation that a requester may set is read back from the approval.
    """
    try:
        check_annotations(annotations)
    except VerificationError:
        return

    statement = Statement.parse(approval(REPOSITORY, IMAGE, annotations))
    assert (Subject(IMAGE, REPOSITORY, annotations),) == statement.subjects


@given(json_objects)
def test_json(value: dict[str, Any]) -> None:
    """
    JSON is read as Python's own parser reads it, canonical or not.
    """
    written = json.dumps(value, indent=1).encode()

    assert value == json_object(written, limit=1 << 20)
    assert value == json_object(canonical_json(value), limit=1 << 20)
