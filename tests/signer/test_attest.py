"""Attest: predicates become statements with their own bytes, once, or nothing happens."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger import labels
from ledger.plan import NewEntry
from signer.access import Action, Grant, Principal, Where
from signer.attest import attesting
from signer.attest.attesting import Attesting
from signer.client import AsyncClient
from signer.client.attesting import Attested
from signer.v1 import signer_pb2
from tests.signer.asking import (
    OTHER_REPOSITORY,
    PATIENCE_S,
    REPOSITORY,
    annotations,
    digest,
    eventually,
    refused,
)
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier import dsse, limits
from verifier.bundle import Bundle
from verifier.entry import Entry
from verifier.statement import BEFORE, Statement

ATTEST = "/sealbook.v1.Signer/Attest"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
SBOM = "https://cyclonedx.org/bom"
NUMBERS = (
    b'{ "bomFormat":"CycloneDX","specVersion":"1.6","n":[1.0,1E2,-0.0,0.10,%d,1e-400]}' % 10**30
)
LARGE = NUMBERS[:-1] + b',"more":"' + b"x" * (limits.PAYLOAD) + b'"}'


def attest(
    service: InProcess,
    predicate: bytes,
    *images: int,
    kind: str = CUSTOM,
    repository: str = REPOSITORY,
    **more: Any,
) -> Attested:
    """Attest about some images."""
    digests = [digest(n) for n in images]
    return service.asking(
        lambda client: client.attest(digests, repository, kind, predicate, **more)
    )


def payload(attested: Attested) -> bytes:
    """Return the statement in the bundle that was rendered."""
    bundle = Bundle.parse(b"".join(attested.pieces()), limit=limits.ATTESTATION)
    return bundle.envelope.payload


def files(service: InProcess) -> list[Path]:
    """Return what lies among the large bodies."""
    return sorted(p for p in service.ledger.bodies._directory.rglob("*") if p.is_file())


@pytest.mark.parametrize("predicate", [NUMBERS, LARGE], ids=["small", "large"])
def test_spliced(service: InProcess, predicate: bytes) -> None:
    """
    The predicate's bytes are part of the statement as they were sent, small or large.
    """
    attested = attest(service, b"\n " + predicate + b"\r\n\t", 1, 2, kind=SBOM)
    record = attested.signed.record
    said = payload(attested)
    statement = Statement.parse(said)
    body = dsse.pae(dsse.IN_TOTO, said)

    assert said.startswith(BEFORE + predicate + b',"predicateType":"https://cyclonedx.org/bom",')
    assert [(digest(1), REPOSITORY), (digest(2), REPOSITORY)] == [
        (subject.digest, subject.name) for subject in statement.subjects
    ]
    assert {
        "sealbook.requester.issuer": "urn:sealbook:token",
        "sealbook.requester.subject": "loopback",
    } == statement.subjects[0].annotations
    assert hashlib.sha256(body).digest() == Entry.parse(record.entry).data_digest
    assert (len(body) > 64 << 10) == bool(record.body_size)
    assert record.timestamp
    assert labels.encode(labels.of(record.entry, body)) == service.ledger.row(record.index).labels


@pytest.mark.parametrize("predicate", [NUMBERS, LARGE], ids=["small", "large"])
def test_bundle(service: InProcess, predicate: bytes) -> None:
    """
    The client renders the bundle that the service gives out, and a verifier believes it.
    """
    attested = attest(service, predicate, 3, kind=SBOM)
    mine = Bundle.parse(b"".join(attested.pieces()), limit=limits.ATTESTATION)
    *_, theirs = service.asking(lambda client: client.bundles(digest(3)))
    _, key = service.verifier.logged(mine)

    assert mine.envelope == Bundle.parse(theirs, limit=limits.ATTESTATION).envelope
    assert mine.timestamps == (attested.signed.record.timestamp,)
    assert ("attest", "attest") == (key.name, key.purpose)


def test_approves_nothing(service: InProcess) -> None:
    """
    No attestation is taken for an approval.
    """
    bundle = b"".join(attest(service, b"{}", 4).pieces())

    refused("key-purpose", lambda: service.verifier.verify(bundle, digest(4), REPOSITORY))


def test_largest(service: InProcess) -> None:
    """
    A predicate of 16 MiB is attested, and one of a byte more is not.
    """
    predicate = b'{"a":"' + b"x" * ((16 << 20) - 8) + b'"}'
    attested = attest(service, predicate, 5)
    said = payload(attested)
    before = service.tree_size

    assert 16 << 20 == len(predicate)
    assert said.startswith(BEFORE + predicate)
    assert digest(5) == Statement.parse(said).subjects[0].digest
    refused("over-limit", lambda: attest(service, predicate + b" ", 5))
    assert before == service.tree_size


START = {"digests": [digest(6)], "repository": REPOSITORY, "predicate_type": CUSTOM}


def started(**more: Any) -> signer_pb2.AttestRequest:
    """Return the first message."""
    return signer_pb2.AttestRequest(start=signer_pb2.AttestRequest.Start(**{**START, **more}))


def piece(predicate: bytes) -> signer_pb2.AttestRequest:
    """Return another message."""
    return signer_pb2.AttestRequest(predicate=predicate)


def upload(service: InProcess, messages: Sequence[signer_pb2.AttestRequest | bytes]) -> str:
    """Send these messages, and return the code that refused them."""
    raw = [m if isinstance(m, bytes) else m.SerializeToString() for m in messages]
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        call = channel.stream_unary(ATTEST)
        with pytest.raises(grpc.RpcError) as caught:
            call(iter(raw), metadata=service.metadata, timeout=60)
    return str(dict(caught.value.trailing_metadata())["sealbook-code"])


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        ("bad-request", []),
        ("bad-request", [piece(b"{}")]),
        ("bad-request", [started(), started()]),
        ("bad-request", [started(), piece(b"{}"), started()]),
        ("bad-request", [started(), signer_pb2.AttestRequest()]),
        ("unknown-field", [started(), b"\x78\x01"]),
        ("bad-request", [started(digests=[]), piece(b"{}")]),
        ("bad-request", [started(digests=[digest(6)] * 2), piece(b"{}")]),
        ("bad-request", [started(digests=[digest(n) for n in range(257)]), piece(b"{}")]),
        ("bad-digest", [started(digests=["sha256:00"]), piece(b"{}")]),
        ("bad-repository", [started(repository=""), piece(b"{}")]),
        ("bad-predicate-type", [started(predicate_type=""), piece(b"{}")]),
        (
            "bad-predicate-type",
            [started(predicate_type="https://sigstore.dev/cosign/sign/v1"), piece(b"{}")],
        ),
        ("bad-predicate-type", [started(predicate_type="urn:sealbook:x"), piece(b"{}")]),
        ("unknown-key", [started(key="other"), piece(b"{}")]),
        ("key-purpose", [started(key="release"), piece(b"{}")]),
        ("bad-request", [started(idempotency_key="a b"), piece(b"{}")]),
        ("over-limit", [started(reason="r" * 1025), piece(b"{}")]),
        ("malformed", [started()]),
        ("malformed", [started(), piece(b"[]")]),
        ("malformed", [started(), piece(b'{"a":1')]),
        ("malformed", [started(), piece(b"{}"), piece(b"{}")]),
        ("malformed", [started(), piece(b'{"a":-0}')]),
        ("malformed", [started(), piece(b'{"a":1e400}')]),
        ("duplicate-key", [started(), piece(b'{"a":1,'), piece(b'"a":2}')]),
        ("over-limit", [started(), piece(b'{"a":' * 64 + b"1" + b"}" * 64)]),
        ("over-limit", [started(), piece(b"{" + b" " * (256 << 10) + b"}")]),
        ("over-limit", [started(), *[piece(b" " * (256 << 10))] * 64, piece(b"{}")]),
        ("predicate-type-mismatch", [started(predicate_type=SBOM), piece(b'{"bomFormat":"X"}')]),
    ],
)
def test_refused(service: InProcess, code: str, messages: list[Any]) -> None:
    """
    What is wrong with an upload has its code, and nothing is logged or left lying about.
    """
    before, kept = service.tree_size, files(service)

    assert code == upload(service, messages)
    assert before == service.tree_size
    eventually(lambda: kept == files(service))


def test_keys_for_one_purpose(service: InProcess) -> None:
    """
    A key for attestations approves nothing.
    """
    refused(
        "key-purpose",
        lambda: service.asking(lambda client: client.sign(digest(7), REPOSITORY, key="attest")),
    )


def test_again(service: InProcess) -> None:
    """
    The same request gets the same answer; white space inside makes another predicate.
    """
    first = attest(service, LARGE, 8)
    again = attest(service, b" " + LARGE + b"\n", 8)

    assert first.signed.record == again.signed.record
    assert first.after == again.after
    for other in (
        attest(service, LARGE.replace(b"{ ", b"{"), 8),
        attest(service, LARGE, 8, kind=SBOM),
        attest(service, LARGE, 8, repository=OTHER_REPOSITORY),
        attest(service, LARGE, 9),
    ):
        assert first.signed.record.index < other.signed.record.index


@pytest.mark.parametrize("predicate", [b'{"at":"once"}', LARGE], ids=["small", "large"])
def test_eight_at_once(service: InProcess, predicate: bytes) -> None:
    """
    Eight callers with the same predicate at once get one entry, and one file at most.
    """
    before, kept = service.tree_size, files(service)
    images = [digest(10 + len(predicate))]

    async def ask() -> list[Attested]:
        async with AsyncClient(service.addresses.grpc, service.token) as client:
            calls = [client.attest(images, REPOSITORY, CUSTOM, predicate) for _ in range(8)]
            return await asyncio.gather(*calls)

    answers = service.ask(ask())

    assert 1 == len({answer.signed.record for answer in answers})
    assert before + 1 == service.tree_size
    eventually(lambda: len(kept) + (predicate is LARGE) == len(files(service)))


@pytest.mark.parametrize("predicate", [b'{"new":1}', LARGE], ids=["small", "large"])
def test_renewed(service: InProcess, predicate: bytes) -> None:
    """
    A renewal is another attestation that names the one before; an idempotency key finds it again.
    """
    first, second, third, fourth = (
        attest(service, predicate, 11, renew=renew, idempotency_key=key)
        for renew, key in ((False, ""), (True, ""), (True, f"k{len(predicate)}"), (True, ""))
    )
    again = attest(service, predicate, 11, renew=True, idempotency_key=f"k{len(predicate)}")
    superseded = [
        Statement.parse(BEFORE + b"{}" + one.after)
        .subjects[0]
        .annotations.get("sealbook.supersedes")
        for one in (first, second, third, fourth)
    ]
    indices = [one.signed.record.index for one in (first, second, third)]

    assert [None, *map(str, indices)] == superseded
    assert (third.signed.record, third.after) == (again.signed.record, again.after)
    refused(
        "idempotency-conflict",
        lambda: attest(service, b'{"o":1}', 11, renew=True, idempotency_key=f"k{len(predicate)}"),
    )


async def slowly(*, sent: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield an upload that stops in the middle until it may go on."""
    yield started().SerializeToString()
    yield piece(b'{"a":"' + b"x" * (200 << 10)).SerializeToString()
    sent.set()
    await go_on.wait()
    yield piece(b'"}').SerializeToString()


def test_given_up(service: InProcess) -> None:
    """
    An upload that is given up leaves nothing, however many are; and no more are taken at once.
    """
    before, kept = service.tree_size, files(service)
    most = attesting._AT_ONCE

    async def ask() -> None:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            go_on, calls = asyncio.Event(), []
            for _ in range(most):
                sent = asyncio.Event()
                uploading = slowly(sent=sent, go_on=go_on)
                calls.append(channel.stream_unary(ATTEST)(uploading, metadata=service.metadata))
                await sent.wait()
            while len(files(service)) < len(kept) + most:  # noqa: ASYNC110  it has no event
                await asyncio.sleep(0.01)
            async with AsyncClient(service.addresses.grpc, service.token) as client:
                with pytest.raises(Exception, match="uploads under way"):
                    await client.attest([digest(12)], REPOSITORY, CUSTOM, b"{}")
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    service.ask(ask())
    eventually(lambda: kept == files(service))

    assert before == service.tree_size
    assert before == attest(service, b"{}", 12).signed.record.index


def test_too_slow(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An upload that does not come in time is refused.
    """
    monkeypatch.setattr(attesting, "_UPLOAD_S", 0.05)
    before = service.tree_size

    async def ask() -> str:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            uploading = slowly(sent=asyncio.Event(), go_on=asyncio.Event())
            call = channel.stream_unary(ATTEST)(uploading, metadata=service.metadata)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            return str(dict(caught.value.trailing_metadata())["sealbook-code"])

    assert "upload-too-slow" == service.ask(ask())
    assert before == service.tree_size


@pytest.mark.parametrize("more", range(3))
def test_large_bundles_of_any_length(service: InProcess, more: int) -> None:
    """
    A bundle that is streamed comes whole, also when its payload is a multiple of three bytes.
    """
    n, predicate = 60 + more, b'{"x":"%b"}' % (b"y" * (200_000 + more))
    attested = attest(service, predicate, n)
    [bundle] = service.asking(lambda client: client.bundles(digest(n)))

    assert attested.signed.record.body_size
    said = Bundle.parse(bundle, limit=limits.ATTESTATION).envelope.payload
    assert payload(attested) == said


def test_gone_when_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What was signed gets its file and its leaf, though its caller has gone meanwhile.
    """
    signed, gate = threading.Event(), threading.Event()
    with_bodies = Attesting._with_bodies

    def gated(self: Attesting, made: Any) -> list[NewEntry]:
        signed.set()
        assert gate.wait(PATIENCE_S)
        return with_bodies(self, made)

    monkeypatch.setattr(Attesting, "_with_bodies", gated)
    with running(found_in(tmp_path)) as service:

        async def ask() -> None:
            async with AsyncClient(service.addresses.grpc, service.token) as client:
                call = asyncio.ensure_future(client.attest([digest(1)], REPOSITORY, CUSTOM, LARGE))
                await asyncio.to_thread(signed.wait)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            gate.set()

        service.ask(ask())
        eventually(lambda: 2 == service.tree_size)
        [bundle] = service.asking(lambda client: client.bundles(digest(1)))

    assert Bundle.parse(bundle).envelope.payload.startswith(BEFORE + LARGE)


@pytest.mark.parametrize(
    ("grant", "asked"),
    [
        (("attest", "registry.example/team/**"), (REPOSITORY, "")),
        (
            ("attest", "registry.example/team/**"),
            ("registry.example/elsewhere/app", "permission-denied"),
        ),
        (("sign", "*"), (REPOSITORY, "permission-denied")),
    ],
)
def test_rights(
    service: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    grant: tuple[Action, str],
    asked: tuple[str, str],
) -> None:
    """
    Who may attest in one repository may not in another, and who may only sign, nowhere.
    """
    (action, scope), (repository, code) = grant, asked
    principal = Principal("i", "s", {action: (Grant(Where(scope)),)})
    monkeypatch.setattr(service.server._tokens, "holder", lambda *_: principal)
    before = service.tree_size

    if code:
        refused(code, lambda: attest(service, b"{}", 14, repository=repository))
    else:
        attest(service, b"{}", 14, repository=repository)

    assert before + (not code) == service.tree_size


def test_requester_is_named(service: InProcess) -> None:
    """
    Small attestations carry their body, with who asked in it.
    """
    assert (
        "loopback"
        == annotations(attest(service, b'{"w":1}', 13).signed)["sealbook.requester.subject"]
    )
