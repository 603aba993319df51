"""Rekor v2 over HTTP: what is logged, and the exact bytes that come back."""

from __future__ import annotations

import json
import socket
from base64 import b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest

from tests.signer.asking import eventually
from tests.signer.running import InProcess
from tests.signer.uploading import (
    DETAILS,
    V1,
    V2,
    Hand,
    Log,
    b64,
    certified,
    enveloped,
    hashed,
    legacy,
    other_half,
    pae,
    some_message,
)
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_inclusion
from verifier.note import Note
from verifier.note import verify as verify_note


@pytest.fixture(scope="module")
def log(service: InProcess) -> Log:
    return Log(service)


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand.of("ecdsa-p256")


def canonical(hand: Hand, message: bytes, content: bytes, **verifier: Any) -> bytes:
    """Print the body that the original server makes of an upload."""
    named = {"keyDetails": DETAILS[hand.kind], "publicKey": {"rawBytes": b64(hand.spki)}}
    signature = {"content": b64(content), "verifier": verifier or named}
    data = {"algorithm": "SHA2_256", "digest": b64(hand.digest(message))}
    spec = {"hashedRekordV002": {"data": data, "signature": signature}}
    value = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def logged(log: Log, request: dict[str, Any] | bytes) -> tuple[int, bytes]:
    """Upload, and return where the entry is and what it is."""
    answer = log.post(request)
    assert 201 == answer.status_code, answer.text
    value = answer.json()
    return int(value["logIndex"]), b64decode(value["canonicalizedBody"])


def test_answer(service: InProcess, log: Log, hand: Hand) -> None:
    """
    An upload is answered with the bytes that the original server prints, and the proof in them
    holds under the log's key.
    """
    request = hashed(hand, b"a release")
    content = b64decode(request["hashedRekordRequestV002"]["signature"]["content"])
    answer = log.post(request)
    value = answer.json()
    note = Note.parse(value["inclusionProof"]["checkpoint"]["envelope"])
    checkpoint = Checkpoint.parse(note.text)
    [log_key] = service.trust.log_keys(checkpoint.origin)[:1]
    index = service.tree_size - 1
    hashes = [b64decode(one) for one in value["inclusionProof"]["hashes"]]
    body = canonical(hand, b"a release", content)

    expected = {
        "logIndex": str(index),
        "logId": {"keyId": b64(log_key.log_id)},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "integratedTime": "0",
        "inclusionPromise": None,
        "inclusionProof": {
            "logIndex": str(index),
            "rootHash": b64(checkpoint.root),
            "treeSize": str(index + 1),
            "hashes": [b64(one) for one in hashes],
            "checkpoint": {"envelope": str(note)},
        },
        "canonicalizedBody": b64(body),
    }
    assert (201, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert json.dumps(expected, separators=(",", ":"), ensure_ascii=False) == answer.text
    verify_note(note, [log_key])
    path = tuple(Hash(one) for one in hashes)
    proof = InclusionProof(index, checkpoint.tree_size, path)
    verify_inclusion(hash_leaf(body), proof, checkpoint.root)


def test_labels(service: InProcess, log: Log, hand: Hand) -> None:
    """
    An upload can be found by the hash that was signed, and is called opaque: nobody here read
    what was signed.
    """
    message = some_message()
    index, _ = logged(log, hashed(hand, message))
    row = service.ledger.row(index)

    assert [index] == service.ledger.store.search(
        "digest", "sha256:" + hand.digest(message).hex(), -1, 9
    )
    assert (None, ["opaque"]) == (row.body, json.loads(row.labels)["form"])
    assert "opaque" == service.ledger.record(index).form


@pytest.mark.parametrize("kind", ["rsa-2048", "rsa-3072", "rsa-4096"])
def test_rsa(log: Log, kind: str) -> None:
    """
    RSA keys of the sizes that every client verifies may sign too.
    """
    hand, message = Hand.of(kind), some_message()
    _, body = logged(log, hashed(hand, message))

    assert canonical(hand, message, hand.sign(message)) == body


def test_certificate(log: Log, hand: Hand) -> None:
    """
    A signature under a certificate is logged with the certificate in the key's place.
    """
    message, certificate = some_message(), hand.certificate()
    request = certified(hand, message, certificate)
    content = b64decode(request["hashedRekordRequestV002"]["signature"]["content"])
    _, body = logged(log, request)
    verifier = {
        "keyDetails": DETAILS[hand.kind],
        "x509Certificate": {"rawBytes": b64(certificate)},
    }

    assert canonical(hand, message, content, **verifier) == body


def test_envelope_is_logged_as_hash(log: Log, hand: Hand) -> None:
    """
    What cosign 2.6 to 3.0 upload of an attestation becomes the very entry that later ones ask for.
    """
    payload = b'{"_type":"https://in-toto.io/Statement/v1"}'
    signature = hand.sign(pae(payload))
    old = logged(log, enveloped(hand, payload, signature))
    new = logged(log, hashed(hand, pae(payload), content=signature))

    assert old == new
    assert canonical(hand, pae(payload), signature) == old[1]


def test_spellings(log: Log, hand: Hand) -> None:
    """
    Names in snake_case and Base64 for URLs, padded or not, are the same request.
    """
    message = some_message()
    request = hashed(hand, message)
    known = logged(log, request)
    inner = request["hashedRekordRequestV002"]
    signature, key = inner["signature"], hand.spki

    def spelled(padded: bool) -> bytes:
        def for_urls(raw: bytes) -> str:
            text = urlsafe_b64encode(raw).decode()
            return text if padded else text.rstrip("=")

        verifier = {"public_key": {"raw_bytes": for_urls(key)}, "key_details": DETAILS[hand.kind]}
        again = {"content": for_urls(b64decode(signature["content"])), "verifier": verifier}
        digest = for_urls(hand.digest(message))
        return json.dumps(
            {"hashed_rekord_request_v002": {"digest": digest, "signature": again}}
        ).encode()

    assert known == logged(log, spelled(padded=True)) == logged(log, spelled(padded=False))


@pytest.mark.parametrize("path", [V1, V2])
def test_again(service: InProcess, log: Log, hand: Hand, path: str) -> None:
    """
    The same upload again is answered with the entry that is there, also with the other
    spelling of its ECDSA signature.
    """
    message, make = some_message(), hashed if path == V2 else legacy
    content = hand.sign(message)
    first = log.post(make(hand, message, content=content), path)
    size = service.tree_size
    again = log.post(make(hand, message, content=content), path)
    other = log.post(make(hand, message, content=other_half(content)), path)

    assert [201, 201, 201] == [one.status_code for one in (first, again, other)]
    assert first.content == again.content == other.content
    assert size == service.tree_size


def test_versions_are_two_entries(service: InProcess, log: Log, hand: Hand) -> None:
    """
    A signature that was uploaded by both versions is two entries: they are different leaves.
    """
    message, before = some_message(), service.tree_size
    content = hand.sign(message)
    log.post(hashed(hand, message, content=content))
    log.post(legacy(hand, message, content=content), V1)

    assert before + 2 == service.tree_size


@pytest.mark.parametrize("path", [V1, V2])
def test_eight_at_once(service: InProcess, log: Log, hand: Hand, path: str) -> None:
    """
    Eight callers who upload the same at once get one entry.
    """
    request = (hashed if path == V2 else legacy)(hand, some_message())
    before, together = service.tree_size, Barrier(8)

    def upload(_: int) -> tuple[int, Any]:
        together.wait()
        answer = log.post(request, path)
        value = answer.json()
        return answer.status_code, (value if path == V2 else next(iter(value.values())))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(upload, range(8)))

    assert {201} == {status for status, _ in answers}
    assert {str(before)} == {str(value["logIndex"]) for _, value in answers}
    assert before + 1 == service.tree_size


@pytest.mark.parametrize("path", [V1, V2])
def test_again_while_it_lands(
    service: InProcess, log: Log, hand: Hand, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The same upload at the moment when the first is on the disk, and the ledger does not know it
    yet, waits and gets its entry.
    """
    request = (hashed if path == V2 else legacy)(hand, some_message())
    commit, landed, go_on = service.ledger.store.commit, Event(), Event()

    def slow(batch: Any) -> None:
        commit(batch)
        landed.set()
        go_on.wait()

    with monkeypatch.context() as slowly, ThreadPoolExecutor(2) as pool:
        slowly.setattr(service.ledger.store, "commit", slow)
        try:
            first = pool.submit(log.post, request, path)
            landed.wait()
            second = pool.submit(log.post, request, path)
            waits = "sealbook_queue_depth 1.0\n"
            eventually(lambda: second.done() or waits in log.get("/metrics").text)
        finally:
            go_on.set()

    assert [201, 201] == [answer.result().status_code for answer in (first, second)]
    assert first.result().content == second.result().content


def test_gone_caller(service: InProcess, log: Log, hand: Hand) -> None:
    """
    An upload whose caller went away lands all the same, and a re-run finds it.
    """
    request = hashed(hand, some_message())
    raw, before = json.dumps(request).encode(), service.tree_size
    host, _, port = service.addresses.http.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /t/{log.token}{V2} HTTP/1.1\r\nhost: here\r\n"
            f"content-length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
    eventually(lambda: service.tree_size > before)

    assert before == logged(log, request)[0]
    assert before + 1 == service.tree_size


def test_tiles_have_it(log: Log, hand: Hand) -> None:
    """
    What was uploaded is in the tiles below the same paths, with a token before them or none.
    """
    index, body = logged(log, hashed(hand, some_message()))
    size = int(log.get("/api/v2/checkpoint").text.split("\n")[1])
    path = f"/api/v2/tile/entries/{index // 256:03}.p/{size % 256}"

    assert body in log.get(path).content
    assert log.get(path).content == log.get(f"/t/{log.token}{path}").content
    assert log.get("/checkpoint").text == log.get(f"/t/{log.token}/api/v2/checkpoint").text


def test_counted(log: Log, hand: Hand) -> None:
    """
    Uploads are counted, answered or refused; reading is not.
    """

    def counted() -> list[int]:
        lines = dict(line.rsplit(" ", 1) for line in log.get("/metrics").text.splitlines())
        name = 'sealbook_uploads_total{{result="{}"}}'
        return [int(float(lines[name.format(result)])) for result in ("answered", "refused")]

    answered, refused = counted()
    log.post(hashed(hand, some_message()))
    log.post(legacy(hand, some_message()), V1)
    log.post({}, V1)
    log.post({}, V2, auth=None)
    log.post({}, V1 + "/retrieve")
    log.post({}, "/api/v3")

    assert [answered + 2, refused + 2] == counted()
