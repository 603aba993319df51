"""What a client makes of an attestation: only what was asked for, and a file in pieces."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.client import Client
from signer.client import attesting as client_side
from signer.client.attesting import Predicate, checked, start_of
from signer.client.listing import Listed, gathered
from signer.errors import WrongAnswerError
from signer.keys.memory import MemoryKey
from signer.v1 import record_pb2, signer_pb2
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.running import InProcess
from verifier import limits
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry
from verifier.merkle import hash_leaf
from verifier.note import Note

ATTEST = "/sealbook.v1.Signer/Attest"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
SMALL, LARGE = b'{"passed": 1.0}', b'{"log":"' + b"x" * (80 << 10) + b'"}'


def answer(service: InProcess, predicate: bytes) -> signer_pb2.AttestResponse:
    """Return the service's answer as it came."""

    async def ask() -> signer_pb2.AttestResponse:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            call = channel.stream_unary(
                ATTEST,
                request_serializer=signer_pb2.AttestRequest.SerializeToString,
                response_deserializer=signer_pb2.AttestResponse.FromString,
            )
            pieces = client_side.requests(START, Predicate(predicate), None)
            found: signer_pb2.AttestResponse = await call(pieces, metadata=service.metadata)
            return found

    return service.ask(ask())


START = start_of([digest(1), digest(2)], REPOSITORY, CUSTOM)


@pytest.mark.parametrize("predicate", [SMALL, LARGE], ids=["small", "large"])
def test_right(service: InProcess, predicate: bytes) -> None:
    """
    The service's answer is taken, and the bundle made of it is believed.
    """
    attested = checked(answer(service, predicate), START, Predicate(predicate))
    bundle = Bundle.parse(b"".join(attested.pieces()), limit=limits.ATTESTATION)

    service.verifier.logged(bundle)
    assert predicate in bundle.envelope.payload


def forged(message: signer_pb2.AttestResponse) -> None:
    """Put an entry there that another key is said to have signed, in a tree of its own."""
    entry = Entry.parse(message.signature.record.entry)
    key = MemoryKey.generate("ecdsa-p256")
    other = Entry(entry.data_digest, entry.signature, key.public).body()
    note = Note.parse(message.checkpoint.note)
    tree = Checkpoint.parse(note.text)._replace(tree_size=1, root=hash_leaf(other))
    message.signature.CopyFrom(
        record_pb2.Signature(
            record=record_pb2.Record(form="bundle", entry=other, body_size=1),
            proof=record_pb2.InclusionProof(tree_size=1),
        )
    )
    message.checkpoint.note = str(note._replace(text=str(tree)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.ClearField("signature"),
        lambda m: m.ClearField("checkpoint"),
        forged,
        lambda m: setattr(m, "after", m.after.replace(b"loopback", b"somebody")),
        lambda m: setattr(m, "after", m.after + b" "),
        lambda m: setattr(m, "after", b""),
        lambda m: setattr(m.signature.record, "index", 0),
        lambda m: setattr(m.signature.proof, "tree_size", 1),
        lambda m: m.signature.proof.path.append(bytes(32)),
        lambda m: m.signature.proof.path.append(b"short"),
    ],
)
def test_wrong_answers(
    service: InProcess, spoil: Callable[[signer_pb2.AttestResponse], object]
) -> None:
    """
    An answer that does not hold in any part is refused.
    """
    message = answer(service, LARGE)
    spoil(message)

    refused("wrong-answer", lambda: checked(message, START, Predicate(LARGE)))


@pytest.mark.parametrize(
    ("start", "predicate"),
    [
        (start_of([digest(1)], REPOSITORY, CUSTOM), LARGE),
        (start_of([digest(2), digest(1)], REPOSITORY, CUSTOM), LARGE),
        (start_of([digest(1), digest(2)], "registry.example/other", CUSTOM), LARGE),
        (start_of([digest(1), digest(2)], REPOSITORY, "https://openvex.dev/ns"), LARGE),
        (START, LARGE.replace(b"x", b"y", 1)),
        (START, LARGE[:-2] + b'x"}'),
    ],
)
def test_another_answer(
    service: InProcess, start: signer_pb2.AttestRequest.Start, predicate: bytes
) -> None:
    """
    An answer to another request is refused.
    """
    message = answer(service, LARGE)

    refused("wrong-answer", lambda: checked(message, start, Predicate(predicate)))


def test_small_body_of_another(service: InProcess) -> None:
    """
    A body that came along is not believed either: it must be around the predicate.
    """
    message = answer(service, SMALL)

    refused("wrong-answer", lambda: checked(message, START, Predicate(b'{"passed": 2.0}')))


def test_file(service: InProcess, tmp_path: Path) -> None:
    """
    A file is sent, the bytes are counted, and its bundle is written whole or not at all.
    """
    path, bundle = tmp_path / "predicate.json", tmp_path / "bundle.json"
    path.write_bytes(b"\n" + LARGE + b"\n" * 300_000)
    told: list[tuple[int, int]] = []
    with Client(service.addresses.grpc, service.token) as client:
        attested = client.attest(
            [digest(3)],
            REPOSITORY,
            CUSTOM,
            path,
            progress=lambda done, total: told.append((done, total)),
        )
    attested.write(bundle)
    written = bundle.read_bytes()
    path.write_bytes(LARGE.replace(b"x", b"y"))
    refused("wrong-answer", lambda: attested.write(bundle))

    service.verifier.logged(Bundle.parse(written, limit=limits.ATTESTATION))
    assert written == bundle.read_bytes()
    assert {path, bundle} == set(tmp_path.iterdir())
    size = len(LARGE) + 300_001
    assert [(256 << 10, size), (size, size)] == told


def test_no_request(service: InProcess) -> None:
    """
    What no request can carry is the caller's fault alone.
    """
    with Client(service.addresses.grpc, service.token) as client:
        refused("bad-request", lambda: client.attest([7], REPOSITORY, CUSTOM, b"{}"))  # type: ignore[list-item]


@given(st.lists(st.sampled_from([b" ", b"\n", b"a", b"bc", b" d "]), max_size=9), st.data())
def test_trimmed(parts: list[bytes], data: st.DataObject) -> None:
    """
    White space around a predicate is left out, however it comes in pieces.
    """
    text = b"".join(parts)
    client_piece = data.draw(st.integers(1, 4))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client_side, "PIECE", client_piece)
        assert text.strip(b" \t\r\n") == b"".join(Predicate(text).trimmed())
        assert text == b"".join(Predicate(text).pieces())


def test_memory(service: InProcess, tmp_path: Path) -> None:
    """
    The bundle of a file of megabytes is rendered in less memory than a part of it.
    """
    path = tmp_path / "predicate.json"
    path.write_bytes(b'{"a":"' + b"x" * (8 << 20) + b'"}')
    with Client(service.addresses.grpc, service.token) as client:
        attested = client.attest([digest(4)], REPOSITORY, CUSTOM, path)
    tracemalloc.start()
    try:
        attested.write(tmp_path / "bundle.json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (tmp_path / "bundle.json").stat().st_size > 8 << 20
    assert peak < 4 << 20


def test_listed(service: InProcess, tmp_path: Path) -> None:
    """
    What was signed about an image is listed with its type, and fetched into files when asked.
    """
    with Client(service.addresses.grpc, service.token) as client:
        approval = client.sign(digest(5), REPOSITORY)
        attested = client.attest([digest(5)], REPOSITORY, CUSTOM, LARGE)
        listed = client.listed(digest(5))
        fetched = client.listed(
            digest(5), REPOSITORY, where=lambda one: tmp_path / f"{one.record.index}.json"
        )
        elsewhere = client.listed(digest(5), "registry.example/other")
    first, second = (approval.record.index, attested.signed.record.index)

    assert [
        (first, "https://sigstore.dev/cosign/sign/v1"),
        (second, CUSTOM),
    ] == [(one.record.index, one.predicate_type) for one in listed]
    assert [first, second] == [one.record.index for one in fetched]
    assert [] == elsewhere
    assert service.verify(approval).index == first
    service.verifier.verify((tmp_path / f"{first}.json").read_bytes(), digest(5), REPOSITORY)
    bundle = (tmp_path / f"{second}.json").read_bytes()
    assert LARGE in Bundle.parse(bundle, limit=limits.ATTESTATION).envelope.payload


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: setattr(m, "continues", True),
        lambda m: setattr(m.signature.proof, "index", 9),
        lambda m: m.signature.proof.path.append(b"short"),
        lambda m: setattr(m.signature, "bundle", b"x" * (limits.ATTESTATION + 1)),
    ],
)
def test_bad_lists(spoil: Callable[[signer_pb2.GetBundlesResponse], object]) -> None:
    """
    A list that is cut off, about something else, or without an end is refused.
    """
    message = signer_pb2.GetBundlesResponse()
    message.signature.record.index = message.signature.proof.index = 1

    async def ask() -> list[Listed]:
        async def messages() -> AsyncIterator[signer_pb2.GetBundlesResponse]:
            yield message

        return await gathered(messages(), None)

    assert 1 == len(asyncio.run(ask()))
    spoil(message)
    with pytest.raises(WrongAnswerError):
        asyncio.run(ask())
