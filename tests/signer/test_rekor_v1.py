"""Rekor v1 over HTTP: the answers that cosign 2 and rekor-cli take, and what can be read."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any

import httpx
import pytest

from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import InProcess
from tests.signer.uploading import (
    IN_TOTO,
    V1,
    Hand,
    Log,
    b64,
    envelope,
    hashed,
    legacy,
    legacy_envelope,
    pae,
    some_message,
)
from verifier.checkpoint import Checkpoint
from verifier.errors import SignatureError
from verifier.merkle import (
    Hash,
    InclusionProof,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)
from verifier.note import Note, NoteKey
from verifier.note import verify as verify_note
from verifier.publickey import PublicKey
from verifier.rekor_v1 import Promise


@pytest.fixture(scope="module")
def log(service: InProcess) -> Log:
    return Log(service)


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand.of("ecdsa-p256")


def promise_key(service: InProcess) -> PublicKey:
    """Return the key that verifiers pin for promises."""
    [key] = {log.promise_key for log in service.trust.logs if log.promise_key is not None}
    return key


def told(answer: httpx.Response, status: int = 201) -> tuple[str, dict[str, Any]]:
    """Return the entry in an answer, and its name."""
    assert status == answer.status_code, answer.text
    [(name, value)] = answer.json().items()
    return name, value


def check(service: InProcess, name: str, value: dict[str, Any]) -> bytes:
    """Check promise, checkpoint and proof as clients do, and return the entry."""
    body, index, key = b64decode(value["body"]), value["logIndex"], promise_key(service)
    verification = value["verification"]
    proof = verification["inclusionProof"]
    log_id = bytes.fromhex(value["logID"])
    assert hashlib.sha256(key.spki).digest() == log_id
    assert f"{index:016x}{hash_leaf(body).hex()}" == name

    promise = Promise(log_id, b64decode(verification["signedEntryTimestamp"]))
    promise.verify(key, body, value["integratedTime"], index)
    for time, at in ((1, 0), (0, 1)):
        with pytest.raises(SignatureError):
            promise.verify(key, body, value["integratedTime"] + time, index + at)

    note = Note.parse(proof["checkpoint"])
    checkpoint = Checkpoint.parse(note.text)
    assert len(note.signatures) == 1, "rekor-cli takes no second one"
    verify_note(note, [NoteKey.of(checkpoint.origin, key)])
    assert (proof["treeSize"], proof["rootHash"], proof["logIndex"]) == (
        checkpoint.tree_size,
        checkpoint.root.hex(),
        index,
    )
    path = tuple(Hash(bytes.fromhex(one)) for one in proof["hashes"])
    found = InclusionProof(index, checkpoint.tree_size, path)
    verify_inclusion(hash_leaf(body), found, checkpoint.root)
    return body


def canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_hashedrekord(service: InProcess, log: Log, hand: Hand) -> None:
    """
    A signature is logged as the original does, and promised, and the promise holds.
    """
    request = legacy(hand, some_message())
    before = service.tree_size
    answer = log.post(request, V1)
    name, value = told(answer)

    assert canonical(request) == check(service, name, value)
    assert ("application/json", name, f"{V1}/{name}") == tuple(
        answer.headers[header] for header in ("content-type", "etag", "location")
    )
    assert {"body", "integratedTime", "logID", "logIndex", "verification"} == set(value)
    assert before == value["logIndex"]
    assert service.ledger.row(before).time == value["integratedTime"]


def test_keys_as_people_write_them(service: InProcess, log: Log, hand: Hand) -> None:
    """
    A key in PEM without line breaks, with those of Windows, or without the last one, is the same
    key and the same entry.
    """
    message = some_message()
    content = hand.sign(message)
    first, *inner, last = hand.pem.strip().split(b"\n")
    spelled = [
        hand.pem,
        hand.pem.strip(),
        hand.pem.replace(b"\n", b"\r\n"),
        b"\n".join((first, b"".join(inner), last)),
    ]
    before = service.tree_size
    answers = [
        told(log.post(legacy(hand, message, content=content, pem=pem), V1)) for pem in spelled
    ]

    assert canonical(legacy(hand, message, content=content)) == check(service, *answers[0])
    assert [answers[0]] * 4 == answers
    assert before + 1 == service.tree_size


@pytest.mark.parametrize("step", [1, -1], ids=["one order", "the other"])
def test_dsse(service: InProcess, log: Log, step: int) -> None:
    """
    An envelope is logged by the hashes of its text and payload, and by who signed it: in one
    order, whatever the order of its lines and of its verifiers.
    """
    payload, hands = some_message(), [Hand.of("ecdsa-p256"), Hand.of("ecdsa-p256")]
    hands.sort(key=lambda hand: b64(hand.pem))
    signed = sorted((b64(hand.sign(pae(payload))), hand) for hand in hands)[::step]
    lines = [{"sig": signature} for signature, _ in signed]
    text = json.dumps({"payload": b64(payload), "payloadType": IN_TOTO, "signatures": lines})
    name, value = told(log.post(legacy_envelope(text, *hands), V1))
    hashes = {
        f"{what}Hash": {"algorithm": "sha256", "value": hashlib.sha256(raw).hexdigest()}
        for what, raw in (("envelope", text.encode()), ("payload", payload))
    }
    signatures = [
        {"signature": signature, "verifier": b64(hand.pem)} for signature, hand in signed[::step]
    ]
    spec = {**hashes, "signatures": signatures}
    expected = canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})

    assert expected == check(service, name, value)
    again = told(log.post(legacy_envelope(text, *reversed(hands)), V1))
    assert (name, value["verification"]["signedEntryTimestamp"]) == (
        again[0],
        again[1]["verification"]["signedEntryTimestamp"],
    )


def test_promise_is_made_once(log: Log, hand: Hand) -> None:
    """
    A re-run gets the promise that was made first, though ECDSA would sign differently now, under
    a checkpoint of now.
    """
    request = legacy(hand, some_message())
    first = told(log.post(request, V1))
    log.post(legacy(hand, some_message()), V1)
    again = told(log.post(request, V1))
    sizes = [value["verification"].pop("inclusionProof")["treeSize"] for _, value in (first, again)]

    assert first == again
    assert sizes[0] < sizes[1]


def test_read(service: InProcess, log: Log, hand: Hand) -> None:
    """
    Anybody can read the entry under its name and at its index, as the uploader got it.
    """
    uploaded = told(log.post(legacy(hand, some_message()), V1))
    name, value = uploaded
    named, indexed = log.get(f"{V1}/{name}"), log.get(f"{V1}?logIndex={value['logIndex']}")
    prefixed = log.get(f"/t/{log.token}{V1}/{name}")

    assert uploaded == told(named, 200) == told(indexed, 200) == told(prefixed, 200)
    assert check(service, *told(named, 200))


def test_read_without_promise(log: Log, hand: Hand) -> None:
    """
    An entry that version 2 logged can be read as well, and has no promise.
    """
    index = log.post(hashed(hand, some_message())).json()["logIndex"]
    _, value = told(log.get(f"{V1}?logIndex={index}"), 200)

    assert {"inclusionProof"} == set(value["verification"])
    assert "logID" not in value


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{V1}?logIndex=1000000", 404, "unknown-entry"),
        (f"{V1}?logIndex=-1", 400, "bad-integer"),
        (f"{V1}?logIndex=01", 400, "bad-integer"),
        (V1, 400, "bad-integer"),
        (f"{V1}?logIndex=1&logIndex=2", 400, "malformed"),
        (f"{V1}?{'&'.join(f'{n}=1' for n in range(11))}", 400, "over-limit"),
        ("/api/v1/log/proof", 400, "bad-integer"),
        ("/api/v1/log/proof?firstSize=1&lastSize=1000000", 404, "unknown-entry"),
        ("/api/v1/log/proof?firstSize=0&lastSize=1", 404, "unknown-entry"),
        ("/api/v1/log/proof?firstSize=2&lastSize=1", 404, "unknown-entry"),
        (f"{V1}/{'0' * 80}", 404, "unknown-entry"),
        (f"{V1}/{'7' + 'f' * 79}", 404, "unknown-entry"),
        (f"{V1}/{'f' * 80}", 400, "malformed"),
        (f"{V1}/{'A' * 80}", 400, "malformed"),
        (f"{V1}/{'0' * 64}", 400, "unsupported-version"),
        (f"{V1}/", 400, "malformed"),
    ],
)
def test_not_there(log: Log, path: str, status: int, code: str) -> None:
    """
    What is not there is 404, and what names no entry is 400.
    """
    answer = log.get(path)

    assert (status, code) == (answer.status_code, answer.headers["sealbook-code"])
    assert "no-store" == answer.headers["cache-control"]


def test_log(service: InProcess, log: Log, hand: Hand) -> None:
    """
    The log tells its size, root and signed tree head, and the key that all of it is under.
    """
    log.post(legacy(hand, some_message()), V1)
    value, pem = log.get("/api/v1/log").json(), log.get("/api/v1/log/publicKey")
    note = Note.parse(value["signedTreeHead"])
    tree = service.ledger.published.checkpoint

    assert ("application/x-pem-file", promise_key(service).pem()) == (
        pem.headers["content-type"],
        pem.content,
    )
    verify_note(note, [NoteKey.of(tree.origin, promise_key(service))])
    assert str(tree) == note.text
    assert {
        "inactiveShards": [],
        "rootHash": tree.root.hex(),
        "signedTreeHead": value["signedTreeHead"],
        "treeID": "0",
        "treeSize": tree.tree_size,
    } == value
    assert value == log.get("/api/v1/log").json(), "a tree head is signed once"


def test_growth(service: InProcess, log: Log, hand: Hand) -> None:
    """
    The log shows how it grew from any size to any later one.
    """
    for _ in range(3):
        log.post(legacy(hand, some_message()), V1)
    ledger = service.ledger
    size = ledger.published.checkpoint.tree_size
    for old in range(1, size + 1):
        value = log.get(f"/api/v1/log/proof?firstSize={old}&lastSize={size}&treeID=0").json()
        assert {"hashes", "rootHash"} == set(value)
        path = tuple(Hash(bytes.fromhex(one)) for one in value["hashes"])
        new_root = Hash(bytes.fromhex(value["rootHash"]))
        verify_consistency(old, size, path, ledger.root_at(old), new_root)
        assert new_root == ledger.published.checkpoint.root
    assert value == log.get(f"/api/v1/log/proof?firstSize={size}&lastSize={size}").json()


def test_retrieve(service: InProcess, log: Log, hand: Hand) -> None:
    """
    Entries are found by index, by name and by what they propose, each once; what is not there is
    left out.
    """
    text = envelope(some_message(), hand)
    requests = [legacy(hand, some_message()), legacy_envelope(text, hand)]
    uploaded = [told(log.post(request, V1)) for request in requests]
    index, name = uploaded[0][1]["logIndex"], uploaded[1][0]
    queries = [
        {"logIndexes": [index, index + 1]},
        {"entryUUIDs": [uploaded[0][0], name]},
        {"entries": requests},
        {"logIndexes": [index], "entryUUIDs": [name], "entries": requests},
        {"entries": [*requests, legacy(hand, b"nobody uploaded this")]},
        {"logIndexes": [index, index + 1, 10**6], "entryUUIDs": [f"{0:016x}{name[16:]}"]},
    ]
    answers = [log.post(query, f"{V1}/retrieve", auth=None) for query in queries]
    found = [dict(pair for one in answer.json() for pair in one.items()) for answer in answers]

    assert {200} == {answer.status_code for answer in answers}
    assert [2] * len(queries) == [len(answer.json()) for answer in answers]
    for value in found:
        assert [value[name]["body"] for name, _ in uploaded] == [v["body"] for _, v in uploaded]
        for name, _ in uploaded:
            assert check(service, name, value[name])
    for nothing in ({}, {"logIndexes": None, "entryUUIDs": None, "entries": None}):
        assert [] == log.post(nothing, f"{V1}/retrieve").json(), "Go prints no list as null"


def test_retrieve_ours(service: InProcess, log: Log) -> None:
    """
    A simple signature of ours is found by what it proposes, too.
    """
    signed: Any = service.asking(
        lambda client: client.sign(digest(1), REPOSITORY, forms=("simplesigning",))
    )
    proposal = json.loads(signed.record.entry)
    [one] = log.post({"entries": [proposal]}, f"{V1}/retrieve").json()

    assert [signed.record.index] == [value["logIndex"] for value in one.values()]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"foo": []}, "unknown-field"),
        ({"logIndexes": list(range(11))}, "over-limit"),
        ({"logIndexes": ["1"]}, "malformed"),
        ({"logIndexes": [-1]}, "bad-integer"),
        ({"logIndexes": {}}, "malformed"),
        ({"entryUUIDs": [1]}, "malformed"),
        ({"entryUUIDs": ["0" * 64]}, "unsupported-version"),
        ({"entries": [None]}, "malformed"),
        ({"entries": [{}]}, "malformed"),
    ],
)
def test_bad_query(log: Log, query: dict[str, Any], code: str) -> None:
    """
    A query that is none is refused.
    """
    answer = log.post(query, f"{V1}/retrieve")

    assert (400, code) == (answer.status_code, answer.headers["sealbook-code"]), answer.text
