"""I1 to I7: the same thing asked for twice is one thing, whoever asks and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from signer.client import AsyncClient
from signer.v1 import signer_pb2
from tests.signer.access.known import bearer, known
from tests.signer.asking import REPOSITORY, SIGN, digest, order
from tests.signer.messaging import CUSTOM
from tests.signer.running import InProcess, running
from tests.signer.spoiling import CountingKey, count_signatures
from tests.signer.world import found_in

ALICE, BOB = bearer("developer", name="alice"), bearer("developer", name="bob")
AT_ONCE = 100


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service whose key counts what it signs."""
    with running(found_in(tmp_path_factory.mktemp("idempotency") / "service"), known) as one:
        yield one


@pytest.fixture(scope="module")
def key(service: InProcess) -> CountingKey:
    """The key."""
    return count_signatures(service)


def sign(service: InProcess, n: int, who: Any = ALICE, **more: Any) -> tuple[str, str, int | None]:
    """Ask for an approval; return status, code, and where the entry is."""
    answer = service.raw(order(n, **more).SerializeToString(), SIGN, who)
    if answer.status != "OK":
        return answer.status, answer.code, None
    [signature] = answer.message(signer_pb2.SignResponse).signatures
    return "OK", "", signature.record.index


def test_same_key_same_body(service: InProcess, key: CountingKey) -> None:
    """
    The same key and body give the same entry, and one signature (I1).
    """
    before = len(key.signed)
    answers = [sign(service, 1, idempotency_key="job-1") for _ in range(3)]

    assert 1 == len({*answers})
    assert 1 == len(key.signed) - before


@pytest.mark.parametrize(
    "other",
    [
        {"tag": "v2"},
        {"size": 7},
        {"annotations": {"a": "b"}},
        {"repository": "registry.example/team/other"},
        {"media_type": "application/vnd.oci.image.index.v1+json"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_same_key_other_body(service: InProcess, key: CountingKey, other: Any) -> None:
    """
    The same key with another body is refused as FAILED_PRECONDITION, and nothing is signed (I2);
    bodies are compared as what is signed, all of it (I7).
    """
    sign(service, 2, idempotency_key="job-2")
    before = service.tree_size, len(key.signed)

    refusal = ("FAILED_PRECONDITION", "idempotency-conflict", None)
    assert refusal == sign(service, 2, idempotency_key="job-2", **other)
    assert refusal == sign(service, 3, idempotency_key="job-2")
    assert before == (service.tree_size, len(key.signed))


def test_key_of_another(service: InProcess) -> None:
    """
    Another's key is another key: what they have signed by it is their own (I3).
    """
    mine = sign(service, 4, ALICE, idempotency_key="job-3")
    theirs = sign(service, 5, BOB, idempotency_key="job-3")

    assert ("OK", "OK") == (mine[0], theirs[0])
    assert mine[2] != theirs[2]
    assert mine == sign(service, 4, ALICE, idempotency_key="job-3")


@pytest.mark.parametrize(
    "idempotency_key",
    ["x" * 129, "x" * 900_000, "a b", "a\n", "\0", "\x1b[2J", "é", "\u2028", "\u202e"],
    ids=lambda text: repr(text[:8]),
)
def test_bad_key(service: InProcess, idempotency_key: str) -> None:
    """
    A key is 1 to 128 printable ASCII characters (I4).
    """
    before = service.tree_size
    told = sign(service, 6, idempotency_key=idempotency_key)

    assert ("INVALID_ARGUMENT", "bad-request", None) == told
    assert before == service.tree_size


@pytest.mark.parametrize("idempotency_key", ["", "job-5"])
def test_hundred_at_once(service: InProcess, key: CountingKey, idempotency_key: str) -> None:
    """
    A hundred equal requests at once are one entry and one call of the key (I5).
    """
    before, signed = service.tree_size, len(key.signed)
    request = order(10 + bool(idempotency_key), idempotency_key=idempotency_key)

    async def ask() -> set[int]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            call = channel.unary_unary(SIGN)
            raw = request.SerializeToString()
            answers = await asyncio.gather(*(call(raw, metadata=ALICE) for _ in range(AT_ONCE)))
        messages = [signer_pb2.SignResponse.FromString(answer) for answer in answers]
        return {message.signatures[0].record.index for message in messages}

    assert {before} == service.ask(ask())
    assert before + 1 == service.tree_size
    assert 1 == len(key.signed) - signed


def test_eight_attestations_at_once(service: InProcess) -> None:
    """
    Equal predicates at once are one entry and one call of the key that attests.
    """
    key = count_signatures(service, "attest")
    before = service.tree_size

    async def ask(client: AsyncClient) -> set[int]:
        calls = [client.attest([digest(1)], REPOSITORY, CUSTOM, b"{}") for _ in range(8)]
        return {answer.signed.record.index for answer in await asyncio.gather(*calls)}

    assert {before} == service.asking(ask)
    assert 1 == len(key.signed)
