"""Uploads under the service's own keys: only what it logged itself, with its body."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from signer.keys.memory import MemoryKey
from signer.v1 import signer_pb2
from tests.signer.asking import REPOSITORY, digest, eventually
from tests.signer.messaging import prepared, statement
from tests.signer.rotating import announce, retire, rotate
from tests.signer.running import InProcess, running
from tests.signer.uploading import (
    V1,
    V2,
    Hand,
    Log,
    certified,
    envelope,
    enveloped,
    hashed,
    legacy,
    legacy_envelope,
    other_half,
    some_message,
)
from tests.signer.world import World
from verifier import dsse
from verifier.entry import Entry, parse_any
from verifier.record import Record
from verifier.rekor_v1 import LegacyEntry, Promise

FORMS = ("bundle", "simplesigning", "certificate")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with keys of every kind."""
    with running(prepared(tmp_path_factory.mktemp("own") / "service")) as service:
        yield service


@pytest.fixture(scope="module")
def log(service: InProcess) -> Log:
    return Log(service)


@pytest.fixture(scope="module")
def signed(service: InProcess) -> dict[str, Record]:
    """What one Sign made, by form."""
    answers: Any = [
        service.asking(lambda client, form=form: client.sign(digest(1), REPOSITORY, forms=(form,)))
        for form in FORMS
    ]
    return {answer.record.form: answer.record for answer in answers}


def hand(service: InProcess, name: str) -> Hand:
    """Return a key of the service, in somebody's hands."""
    key = MemoryKey.load(service.directory / "keys" / f"{name}.pem")
    kind = "ed25519" if key.public.algorithm.name == "ed25519" else "ecdsa-p256"
    return Hand(kind, key._private)


def of_record(service: InProcess, record: Record, **changes: Any) -> tuple[dict[str, Any], str]:
    """Return the upload of what is logged already, and where it goes."""
    entry, by = parse_any(record.entry), hand(service, "release")
    assert isinstance(entry, Entry | LegacyEntry)
    sent = {"content": entry.signature, **changes}
    if isinstance(entry, LegacyEntry):
        return legacy(by, record.body, **sent), V1
    if not entry.certificate:
        return hashed(by, record.body, **sent), V2
    request = certified(by, record.body, entry.certificate)
    content = hashed(by, record.body, **sent)["hashedRekordRequestV002"]["signature"]["content"]
    request["hashedRekordRequestV002"]["signature"]["content"] = content
    return request, V2


def index_in(answer: Any) -> int:
    """Return where an upload's entry is."""
    assert 201 == answer.status_code, answer.text
    value = answer.json()
    [found] = [value] if "logIndex" in value else value.values()
    return int(found["logIndex"])


def refused(service: InProcess, log: Log, request: dict[str, Any], path: str = V2) -> None:
    """Check that an upload is refused for its key, with a hint, and leaves nothing."""
    before = service.tree_size
    answer = log.post(request, path)
    message = answer.json()["message"]

    assert (400, "own-key") == (answer.status_code, answer.headers["sealbook-code"]), message
    assert "call Sign, or let cosign sign with --key sealbook://NAME" in message
    assert before == service.tree_size


@pytest.mark.parametrize("form", FORMS)
def test_ours(service: InProcess, log: Log, signed: dict[str, Record], form: str) -> None:
    """
    What Sign made can be uploaded, and is the entry that is there, in either spelling of its
    signature: cosign does so with what its plugin signed.
    """
    record, before = signed[form], service.tree_size
    entry = parse_any(record.entry)
    assert isinstance(entry, Entry | LegacyEntry)
    uploads = [{}, {"content": other_half(entry.signature)}]
    answers = [log.post(*of_record(service, record, **changes)) for changes in uploads]

    assert [record.index] * 2 == [index_in(answer) for answer in answers]
    assert before == service.tree_size


def test_promise(service: InProcess, log: Log, signed: dict[str, Record]) -> None:
    """
    The upload of a simple signature of ours gets the promise that was made with it.
    """
    record = signed["simplesigning"]
    [value] = log.post(*of_record(service, record)).json().values()
    promise = Promise.parse(record.promise)

    assert legacy_promise(value) == (promise.log_id.hex(), promise.signature)


def legacy_promise(value: dict[str, Any]) -> tuple[str, bytes]:
    return value["logID"], b64decode(value["verification"]["signedEntryTimestamp"])


def test_ours_in_an_envelope(service: InProcess, log: Log, signed: dict[str, Record]) -> None:
    """
    The envelope of an approval of ours, as older cosign uploads it, is the approval's entry.
    """
    record = signed["bundle"]
    _, payload = dsse.parse_pae(record.body)
    entry = Entry.parse(record.entry)
    answer = log.post(enveloped(hand(service, "release"), payload, entry.signature))

    assert record.index == index_in(answer)


def test_another_signature(service: InProcess, log: Log, signed: dict[str, Record]) -> None:
    """
    Another signature by our key over the very message that we signed is refused: we did not make
    it here.
    """
    by = hand(service, "release")
    for form in FORMS:
        record = signed[form]
        request, path = of_record(service, record, content=by.sign(record.body))
        refused(service, log, request, path)


def test_in_another_kind_of_entry(service: InProcess, log: Log, signed: dict[str, Record]) -> None:
    """
    A signature of ours is no ticket for an entry of another kind, which would have no body.
    """
    by, bundle, simple = hand(service, "release"), signed["bundle"], signed["simplesigning"]
    entries = [parse_any(record.entry) for record in (bundle, simple)]
    approved, plain = (one.signature for one in entries if isinstance(one, Entry | LegacyEntry))
    _, payload = dsse.parse_pae(bundle.body)

    refused(service, log, legacy(by, bundle.body, content=approved), V1)
    refused(service, log, hashed(by, simple.body, content=plain))
    refused(service, log, certified(by, some_message(), by.certificate()))
    refused(service, log, legacy_envelope(envelope(payload, by), by), V1)
    stranger = Hand.of("ecdsa-p256")
    refused(service, log, legacy_envelope(envelope(payload, by, stranger), by, stranger), V1)


@pytest.mark.parametrize(
    "name",
    ["release", "attest", "plain", "blind", "event", "status", "promise", "timestamp", "issuer"],
)
def test_every_key(service: InProcess, log: Log, name: str) -> None:
    """
    Whatever one of the service's keys is for: nobody logs something new under it.
    """
    by = hand(service, name)
    kinds = {"ecdsa-p256": "own-key", "ed25519": "unsupported-key"}
    before = service.tree_size
    answers = [
        log.post(hashed(by, some_message())),
        log.post(certified(by, some_message(), by.certificate())),
        log.post(legacy(by, some_message()), V1),
    ]

    assert [kinds[by.kind]] * 3 == [answer.headers["sealbook-code"] for answer in answers]
    assert before == service.tree_size


def test_raw_key(service: InProcess, log: Log) -> None:
    """
    What a raw key signed here can be uploaded, though it has no body: it never had one.
    """
    by, message = hand(service, "blind"), some_message()
    asked = signer_pb2.SignMessageRequest(message=message, key="blind")
    raw = service.raw(asked.SerializeToString(), "/sealbook.v1.Signer/SignMessage")
    answer = raw.message(signer_pb2.SignMessageResponse)
    before = service.tree_size

    assert answer.logged.record.index == index_in(
        log.post(hashed(by, message, content=answer.signature))
    )
    assert before == service.tree_size


def test_raw_key_while_an_upload_lands(
    service: InProcess, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A raw key signs a hash also at the moment when somebody's entry about it is on the disk, and
    the ledger does not know it yet.
    """
    message, stranger = some_message(), Hand.of("ecdsa-p256")
    commit, landed, go_on = service.ledger.store.commit, Event(), Event()

    def slow(batch: Any) -> None:
        commit(batch)
        landed.set()
        go_on.wait()

    asked = signer_pb2.SignMessageRequest(message=message, key="blind").SerializeToString()
    with monkeypatch.context() as slowly, ThreadPoolExecutor(2) as pool:
        slowly.setattr(service.ledger.store, "commit", slow)
        try:
            upload = pool.submit(log.post, hashed(stranger, message))
            landed.wait()
            sign = pool.submit(service.raw, asked, "/sealbook.v1.Signer/SignMessage")
            waits = "sealbook_queue_depth 1.0\n"
            eventually(lambda: sign.done() or waits in log.get("/metrics").text)
        finally:
            go_on.set()

    answer = sign.result().message(signer_pb2.SignMessageResponse)
    assert index_in(upload.result()) + 1 == answer.logged.record.index


def test_signed_by_the_plugin(service: InProcess, log: Log) -> None:
    """
    An attestation that cosign has signed here, and uploads then, is one entry, with its body.
    """
    message = statement(7, kind="https://slsa.dev/provenance/v1", name=REPOSITORY)
    asked = signer_pb2.SignMessageRequest(message=message, key="attest")
    raw = service.raw(asked.SerializeToString(), "/sealbook.v1.Signer/SignMessage")
    answer = raw.message(signer_pb2.SignMessageResponse)
    before = service.tree_size
    upload = log.post(hashed(hand(service, "attest"), message, content=answer.signature))

    assert answer.logged.record.index == index_in(upload)
    assert before == service.tree_size
    assert message == service.ledger.record(answer.logged.record.index).body


def test_key_directory(service: InProcess) -> None:
    """
    The list above has every key that the service holds and that could sign an entry.
    """
    tested = {"release", "attest", "plain", "blind", "event", "status", "promise", "timestamp"}
    held = {path.stem for path in Path(service.directory, "keys").glob("*.pem")}
    # The roots of our certificates and of trust are for these alone, and may lie elsewhere.
    assert tested | {"issuer"} <= held
    elsewhere = {"root", "trust-root"}
    assert held <= tested | {"issuer", "log", "log-post-quantum", "transparency"} | elsewhere


def test_versions_of_a_key(world: World) -> None:
    """
    Nobody logs something new under a version that is announced, signs, was replaced or is
    retired, also after a restart.
    """
    with running(world) as service:
        rotate(service)
        rotate(service)
        retire(service, version=2)
        announce(service)
        for file in ("release", "release-2", "release-3", "release-4"):
            refused(service, Log(service), hashed(hand(service, file), some_message()))
    with running(world) as service:
        for file in ("release", "release-2", "release-3", "release-4"):
            refused(service, Log(service), hashed(hand(service, file), some_message()))
