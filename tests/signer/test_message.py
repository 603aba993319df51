"""SignMessage: what other tools made is signed once it was read, and only for what it says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger import labels
from signer.client import AsyncClient
from signer.client.messages import SignedMessage, checked
from signer.v1 import signer_pb2
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, order, refused
from tests.signer.messaging import (
    CUSTOM,
    notation,
    prepared,
    public,
    simple,
    statement,
)
from tests.signer.running import InProcess, running
from tests.signer.spoiling import CountingKey
from verifier import dsse, jws
from verifier.entry import Entry
from verifier.publickey import PublicKey
from verifier.rekor_v1 import LegacyEntry, Promise

DOCKER = "docker.io/library/app"
Message = bytes | Callable[[], bytes]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a key for each kind of message, all of which count."""
    world = prepared(tmp_path_factory.mktemp("messages") / "service")
    with running(world) as service:
        for key in service.server.keys.keys.values():
            key._key = CountingKey(key._key)
        yield service


def sign(service: InProcess, message: bytes = b"", **more: Any) -> SignedMessage:
    """Have a message signed."""
    return service.asking(lambda client: client.sign_message(message, **more))


def signatures(service: InProcess) -> int:
    """Return how many signatures were made."""
    return sum(len(key._key.signed) for key in service.server.keys.keys.values())  # type: ignore[attr-defined]


def made(message: Message) -> bytes:
    """Return a message; one that tells the time is made when it is needed."""
    return message if isinstance(message, bytes) else message()


def key_of(service: InProcess, name: str) -> PublicKey:
    return public(service, name)


@pytest.mark.parametrize(
    ("message", "key", "form"),
    [
        (statement(1), "release", "bundle"),
        (statement(2, name=REPOSITORY, annotations={"env": "prod"}), "release", "bundle"),
        (statement(3, CUSTOM, "blob.tar"), "attest", "bundle"),
        (
            statement(4, CUSTOM, REPOSITORY, _type="https://in-toto.io/Statement/v0.1"),
            "attest",
            "bundle",
        ),
        (simple(5, REPOSITORY), "release", "simplesigning"),
        (simple(6, REPOSITORY, {"env": "prod", "when": 1_795_608_000}), "release", "simplesigning"),
        (lambda: notation(7, annotations={"env": "prod"}), "release", "notation"),
    ],
    ids=["unnamed", "named", "blob", "in-toto-0.1", "simple", "optional", "notation"],
)
def test_signed(service: InProcess, message: Message, key: str, form: str) -> None:
    """
    A message of each kind is signed whole, and kept with the labels that an auditor derives; a
    statement is dated too.
    """
    message = made(message)
    signed = sign(service, message, key=key)
    record = signed.logged.record
    row = service.ledger.row(record.index)
    [named] = labels.of(record.entry, record.body)["digest"]
    found, _ = service.asking(lambda client: client.search("digest", named))
    key_of(service, key).verify(signed.signature, message)

    assert (form, message) == (record.form, record.body)
    assert (form == "bundle") == bool(record.timestamp)
    assert labels.encode(labels.of(record.entry, record.body)) == row.labels
    assert [record] == found


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 200 << 10])
def test_large_attestation(service: InProcess, size: int) -> None:
    """
    An attestation of up to 256 KiB is kept whole, beside the database when it is large.
    """
    padding = size - len(statement(size, CUSTOM, predicate={"a": "b" * size})) + size
    message = statement(size, CUSTOM, predicate={"a": "b" * padding})
    signed = sign(service, message, key="attest")
    record = signed.logged.record
    [bundle] = service.asking(lambda client: client.bundles(digest(size)))
    envelope = json.loads(bundle)["dsseEnvelope"]

    assert size == len(message)
    assert (size if size > (64 << 10) else 0) == record.body_size
    assert message == dsse.pae(dsse.IN_TOTO, b64decode(envelope["payload"]))
    assert b64encode(signed.signature).decode() == envelope["signatures"][0]["sig"]
    assert record == sign(service, message, key="attest").logged.record


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (statement(40, name=REPOSITORY), "release"),
        (simple(41, REPOSITORY), "release"),
        (lambda: notation(42), "release"),
        (b"nobody reads this", "blind"),
    ],
    ids=["statement", "simple", "notation", "raw"],
)
def test_rendered(service: InProcess, message: Message, key: str) -> None:
    """
    The answer has the signature as readers of its form take it; what nobody read has none.
    """
    request = signer_pb2.SignMessageRequest(message=made(message), key=key)
    raw = service.raw(request.SerializeToString(), "/sealbook.v1.Signer/SignMessage")
    answer = raw.message(signer_pb2.SignMessageResponse)
    kept = checked(answer, request).logged

    assert answer.logged.bundle == (b"" if key == "blind" else kept.bundle())


def test_named_approval_verifies(service: InProcess) -> None:
    """
    An approval that names its repository passes our verifier there, and nowhere else.
    """
    signed = sign(service, statement(20, name=REPOSITORY))

    assert "release" == service.verify(signed.logged).key
    refused("repository-mismatch", lambda: service.verify(signed.logged, OTHER_REPOSITORY))


def test_unnamed_approval_names_no_repository(service: InProcess) -> None:
    """
    Cosign's own statement names no repository, also where the request did, and so passes nowhere.
    """
    signed = sign(service, statement(21), repository=REPOSITORY)

    assert "repository" not in labels.of(signed.logged.record.entry, signed.logged.record.body)
    refused("unnamed-repository", lambda: service.verify(signed.logged))


def test_promise(service: InProcess) -> None:
    """
    A simple-signing payload is logged as older clients read it, with the log's promise.
    """
    message = simple(22, REPOSITORY)
    signed = sign(service, message)
    record = signed.logged.record
    [key] = [log.promise_key for log in service.trust.logs if log.promise_key]
    expected = LegacyEntry.of(message, signed.signature, key_of(service, "release"))
    promise = Promise.parse(record.promise)
    promise.verify(key, record.entry, record.integrated_at, record.index)

    assert expected == LegacyEntry.parse(record.entry)


def test_chain(service: InProcess) -> None:
    """
    A notation message is logged under the key's certificate, and the record keeps what is above.
    """
    record = sign(service, notation(23), key="release").logged.record
    chain = service.server.keys.keys["release"].chain

    assert 2 == len(chain)
    assert chain == (Entry.parse(record.entry).certificate, *jws.split_chain(record.chain))


def other_type(message: bytes) -> bytes:
    return dsse.pae("application/vnd.other+json", dsse.parse_pae(message)[1])


def two(*names: str) -> bytes:
    subjects = [{"digest": {"sha256": digest(n).hex}, "name": n_} for n, n_ in enumerate(names)]
    return statement(subject=subjects)


RESERVED = {"sealbook.requester.subject": "somebody"}
CONTROL = {"note": "\x1b[2Jfine"}


@pytest.mark.parametrize(
    ("message", "more", "code"),
    [
        # What cannot be read is not signed.
        (b"hello\n", {}, "blind-signing"),
        (b"\x00" * 32, {}, "blind-signing"),
        (digest(1).encode(), {}, "blind-signing"),
        (b"{}", {}, "blind-signing"),
        (b"a.b", {}, "blind-signing"),
        (statement()[:-1], {}, "blind-signing"),
        (dsse.parse_pae(statement())[1], {}, "blind-signing"),
        (other_type(statement()), {}, "blind-signing"),
        (statement(_type="https://in-toto.io/Statement/v0.1"), {}, "blind-signing"),
        (statement(subject=[]), {}, "blind-signing"),
        (statement(more=1), {}, "blind-signing"),
        (simple(1, REPOSITORY).replace(b"cosign", b"nobody"), {}, "blind-signing"),
        (simple(1, REPOSITORY).replace(b"sha256", b"sha512"), {}, "blind-signing"),
        (lambda: notation(1, alg="ES384"), {"key": "release"}, "blind-signing"),
        (lambda: notation(1, cty="text/plain"), {"key": "release"}, "blind-signing"),
        (b"", {"digest": bytes(32)}, "blind-signing"),
        (b"", {"digest": hashlib.sha256(statement()).digest()}, "blind-signing"),
        # Shapes and sizes.
        (b"", {}, "bad-request"),
        (statement(), {"digest": bytes(32)}, "bad-request"),
        (statement(1, CUSTOM, predicate={"a": "b" * (256 << 10)}), {}, "over-limit"),
        (bytes((256 << 10) + 1), {"key": "blind"}, "over-limit"),
        (statement(), {"reason": "r" * 1025}, "over-limit"),
        (lambda: notation(1, annotations={"a": "b" * (64 << 10)}), {}, "over-limit"),
        (lambda: notation(1, media_type="b" * (60 << 10)), {}, "over-limit"),
        (b"", {"digest": bytes(31), "key": "blind"}, "bad-request"),
        (b"", {"digest": bytes(48), "key": "blind"}, "bad-request"),
        # A key signs for its purpose alone, and nobody can ask for an event.
        (statement(), {"key": "attest"}, "key-purpose"),
        (simple(1, REPOSITORY), {"key": "attest"}, "key-purpose"),
        (lambda: notation(1), {"key": "attest"}, "key-purpose"),
        (statement(1, CUSTOM), {}, "key-purpose"),
        (statement(1, "https://sigstore.dev/cosign/sign/v1/"), {}, "key-purpose"),
        (statement(1, "urn:sealbook:genesis:v1"), {}, "key-purpose"),
        (statement(1, "urn:sealbook:genesis:v1"), {"key": "attest"}, "key-purpose"),
        (statement(1, "URN:Sealbook:genesis:v1"), {"key": "attest"}, "key-purpose"),
        (statement(), {"key": "nobody"}, "unknown-key"),
        (lambda: notation(1), {"key": "plain"}, "unknown-form"),  # it has no certificate
        # What only we say of a request.
        (statement(annotations=RESERVED), {}, "malformed"),
        (statement(1, CUSTOM, annotations=RESERVED), {"key": "attest"}, "malformed"),
        (simple(1, REPOSITORY, {**RESERVED}), {}, "malformed"),
        (simple(1, REPOSITORY, {"sealbook.size": 1}), {}, "malformed"),
        (lambda: notation(1, annotations=RESERVED), {"key": "release"}, "malformed"),
        (
            lambda: notation(1, annotations={"sealbook.repository": REPOSITORY}),
            {"key": "release"},
            "malformed",
        ),
        (statement(annotations=CONTROL), {}, "malformed"),
        (simple(1, REPOSITORY, {**CONTROL}), {}, "malformed"),
        (statement(annotations={"k": "v" * 1025}), {}, "over-limit"),
        # Labels are shown.
        (statement(name="blob\x1b[2J.tar"), {}, "malformed"),
        (statement(name="blob\u202e.tar"), {}, "malformed"),
        (statement(name="b" * 256), {}, "malformed"),
        (statement(1, f"{CUSTOM}\n"), {"key": "attest"}, "malformed"),
        (simple(1, f"{REPOSITORY}\u2028"), {}, "malformed"),
        # Repositories.
        (statement(name=REPOSITORY), {"repository": OTHER_REPOSITORY}, "repository-mismatch"),
        (simple(1, REPOSITORY), {"repository": OTHER_REPOSITORY}, "repository-mismatch"),
        (simple(1, f"{REPOSITORY}:1.4"), {"repository": REPOSITORY}, "bad-repository"),
        (simple(1, f"{REPOSITORY}:1.4"), {}, "bad-repository"),
        (simple(1, "app"), {}, "bad-repository"),
        (two(REPOSITORY, OTHER_REPOSITORY), {"repository": REPOSITORY}, "repository-mismatch"),
        (statement(name="blob.tar"), {"repository": REPOSITORY}, "bad-repository"),
        (statement(name="blob.tar"), {}, "bad-repository"),
        (statement(name="Registry.example/team/app"), {}, "bad-repository"),
        (two(REPOSITORY, "blob.tar"), {}, "bad-repository"),
        (
            statement(1, CUSTOM, "blob.tar"),
            {"repository": REPOSITORY, "key": "attest"},
            "repository-mismatch",
        ),
        (statement(), {"repository": "team/app"}, "bad-repository"),
        # Now is now.
        (lambda: notation(1, time.time() - 86_400), {"key": "release"}, "signing-time"),
        (lambda: notation(1, time.time() + 86_400), {"key": "release"}, "signing-time"),
    ],
)
def test_refused(service: InProcess, message: Message, more: dict[str, Any], code: str) -> None:
    """
    Whatever is not to be signed is refused with its code: nothing is signed, nothing logged.
    """
    message = made(message)
    before = service.tree_size, signatures(service)
    refused(code, lambda: sign(service, message, **more))

    assert before == (service.tree_size, signatures(service))


def test_bare_digest(service: InProcess) -> None:
    """
    Who hands over a digest is told that the message is wanted, and which key goes without.
    """
    told = refused("blind-signing", lambda: sign(service, digest=bytes(32)))

    assert "expected the whole message, found only its digest" == told.message
    assert "raw = true" in told.hint


def test_docker_hub(service: InProcess) -> None:
    """
    Cosign writes an alias for Docker's registry, which stands for the repository's one name.
    """
    message = simple(24, "index.docker.io/library/app")

    assert sign(service, message, repository=DOCKER).signature


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (statement(30, name=REPOSITORY), "release"),
        (statement(31, CUSTOM), "attest"),
        (simple(32, REPOSITORY), "release"),
        (lambda: notation(33), "release"),
        (b"no message that anybody reads", "blind"),
    ],
    ids=["statement", "attestation", "simple", "notation", "raw"],
)
def test_same_message(service: InProcess, message: Message, key: str) -> None:
    """
    One message has one signature and one entry: from eight callers at once, and later again.
    """
    message, size, before = made(message), service.tree_size, signatures(service)

    async def eight(client: AsyncClient) -> list[SignedMessage]:
        return await asyncio.gather(*(client.sign_message(message, key=key) for _ in range(8)))

    answers = service.asking(eight)
    again = sign(service, message, key=key, repository=REPOSITORY, reason="an afterthought")

    assert {again.signature} == {answer.signature for answer in answers}
    assert {again.logged.record} == {answer.logged.record for answer in answers}
    assert (size + 1, before + 1) == (service.tree_size, signatures(service))


def test_same_statement_by_two_keys(service: InProcess) -> None:
    """
    Each key makes its own signature over the same message, also at the same time.
    """
    names = ("release", "plain")

    async def both(client: AsyncClient) -> list[SignedMessage]:
        return await asyncio.gather(*(client.sign_message(statement(34), key=k) for k in names))

    for name, signed in zip(names, service.asking(both), strict=True):
        key_of(service, name).verify(signed.signature, statement(34))


def test_raw_key(service: InProcess) -> None:
    """
    A raw key signs a hash that nobody read: the entry is opaque, and no verifier trusts it.
    """
    message = json.dumps({"whatever": 1}).encode()
    hashed = hashlib.sha256(message).digest()
    of_digest = sign(service, digest=hashed, key="blind")
    of_message = sign(service, message, key="blind")
    record = of_digest.logged.record
    key = key_of(service, "blind")
    key.verify(of_digest.signature, message)

    assert of_digest.signature == of_message.signature
    assert ("opaque", b"") == (record.form, record.body)
    assert {
        "digest": [f"sha256:{hashed.hex()}"],
        "form": ["opaque"],
        "key": [key.fingerprint],
    } == labels.decode(service.ledger.row(record.index).labels)
    assert key.hint not in service.trust.keys


def test_raw_key_reads_nothing(service: InProcess) -> None:
    """
    A raw key approves nothing: an approval that it signs is a hash to it, and Sign refuses it.
    """
    record = sign(service, statement(35, name=REPOSITORY), key="blind").logged.record
    answer = service.raw(order(35, key="blind").SerializeToString())

    assert ("opaque", b"") == (record.form, record.body)
    assert "key-purpose" == answer.code


def test_raw_among_others(service: InProcess) -> None:
    """
    A raw key finds its own signature over a hash, also where that is of an image which is approved.
    """
    hashed = bytes.fromhex(digest(36).hex)
    sign(service, statement(36, name=REPOSITORY))
    first = sign(service, digest=hashed, key="blind")
    sign(service, simple(36, REPOSITORY))
    size = service.tree_size

    assert first.signature == sign(service, digest=hashed, key="blind").signature
    assert size == service.tree_size
    key_of(service, "blind").verify_digest(first.signature, hashed)


def test_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    A service that was started again answers the same messages as before.
    """
    world = prepared(tmp_path_factory.mktemp("again") / "service")
    asked = [(statement(1), "release"), (simple(2, REPOSITORY), "release"), (b"raw", "blind")]
    with running(world) as service:
        first = [sign(service, message, key=key).signature for message, key in asked]
    with running(world) as service:
        size = service.tree_size

        assert first == [sign(service, message, key=key).signature for message, key in asked]
        assert size == service.tree_size


def test_get_key(service: InProcess) -> None:
    """
    Whoever may read is told what a key is and may be used for; the default one without a name.
    """
    names = ("plain", "attest", "blind", "release")
    found = [service.asking(lambda client, n=name: client.key(n)) for name in names]
    default = service.asking(lambda client: client.key())

    assert ["approve", "attest", "raw", "approve"] == [key.purpose for key in found]
    assert [key_of(service, name) for name in names] == [key.public for key in found]
    assert [0, 0, 0, 2] == [len(key.chain) for key in found]
    assert ("release", service.server.keys.keys["release"].forms) == (default.name, default.forms)
    refused("unknown-key", lambda: service.asking(lambda client: client.key("nobody")))
