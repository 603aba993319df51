"""Sign: the same request has one answer, another request has another, and all of them verify."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ledger import labels
from signer.client import AsyncClient, Signed
from signer.keys.memory import MemoryKey
from signer.v1 import signer_pb2
from tests.signer.asking import (
    OTHER_REPOSITORY,
    REPOSITORY,
    SIGN,
    SIGN_BATCH,
    annotations,
    digest,
    item,
    order,
    refused,
)
from tests.signer.running import InProcess, running
from tests.signer.spoiling import count_signatures
from tests.signer.world import World, found_in
from verifier import statement
from verifier.repository import Repository


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a second key."""
    world = found_in(tmp_path_factory.mktemp("signing") / "service")
    world.add_key("hotfix", MemoryKey.generate("ecdsa-p256"))
    with running(world) as service:
        yield service


def sign(service: InProcess, n: int, repository: Repository = REPOSITORY, **more: Any) -> Signed:
    """Have image `n` approved."""
    return service.asking(lambda client: client.sign(digest(n), repository, **more))


def unary(service: InProcess, n: int, **more: Any) -> signer_pb2.SignResponse:
    """Have image `n` approved by a single Sign."""
    request = order(n, **more).SerializeToString()
    return service.raw(request).message(signer_pb2.SignResponse)


def test_same_request_twice(service: InProcess) -> None:
    """
    The same request again gets the same record at the same index, and nothing is logged.
    """
    first = sign(service, 1, annotations={"env": "prod"})
    size = service.tree_size
    second = sign(service, 1, annotations={"env": "prod"})
    service.verify(first)
    service.verify(second)

    assert (first.record, size) == (second.record, service.tree_size)


def test_sign_and_sign_batch_agree(service: InProcess) -> None:
    """
    Sign answers with the record that SignBatch answers with, and with its bundle.
    """
    batch = sign(service, 2)
    answer = unary(service, 2)
    [signature] = answer.signatures
    verified = service.verifier.verify(signature.bundle, digest(2), REPOSITORY)

    assert batch.record.index == signature.record.index == verified.index
    assert (batch.record.entry, batch.record.body) == (
        signature.record.entry,
        signature.record.body,
    )
    assert batch.bundle() == signature.bundle
    assert batch.note == answer.checkpoint.note


def test_hundred_at_once(service: InProcess) -> None:
    """
    A hundred equal requests at once, single and coalesced, make one entry.
    """
    size = service.tree_size

    async def ask(client: AsyncClient) -> tuple[list[Signed], list[bytes]]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            call = channel.unary_unary(SIGN)
            request = order(3).SerializeToString()
            singles = [call(request, metadata=service.metadata) for _ in range(50)]
            coalesced = [client.sign(digest(3), REPOSITORY) for _ in range(50)]
            return await asyncio.gather(*coalesced), [await single for single in singles]

    coalesced, messages = service.asking(ask)
    singles = [signer_pb2.SignResponse.FromString(m).signatures[0] for m in messages]
    verifier = service.verifier
    found = {verifier.verify(single.bundle, digest(3), REPOSITORY).index for single in singles}

    assert {size} == found | set(service.indices(coalesced))
    assert {coalesced[0].record.entry} == {single.record.entry for single in singles}
    assert size + 1 == service.tree_size


@pytest.mark.parametrize(
    "more",
    [
        {"repository": OTHER_REPOSITORY},
        {"key": "hotfix"},
        {"annotations": {"env": "prod"}},
        {"annotations": {"env": "test"}},
        {"tag": "1.4"},
        {"media_type": "application/vnd.oci.image.manifest.v1+json"},
        {"size": 1234},
    ],
    ids=lambda more: "-".join(map(str, more.items())),
)
def test_another_request(service: InProcess, more: dict[str, Any]) -> None:
    """
    Whatever is signed makes another request of it: another entry, which verifies too.
    """
    first = sign(service, 4)
    size = service.tree_size
    other = sign(service, 4, **{"repository": REPOSITORY, **more})
    verified = service.verify(other, more.get("repository", REPOSITORY))

    assert (size, size + 1) == (verified.index, service.tree_size)
    assert first.record.entry != other.record.entry
    assert more.get("key", "release") == verified.key


def test_what_is_not_signed(service: InProcess) -> None:
    """
    A reason is not signed, so with another reason it is the same request.
    """
    first = sign(service, 5, reason="release 1.4")

    assert first.record == sign(service, 5, reason="an afterthought").record


def test_statement(service: InProcess) -> None:
    """
    An approval says what was asked for, and who asked.
    """
    signed = sign(service, 6, annotations={"env": "prod"}, tag="1.4", size=9, media_type="a/b")

    assert {
        "env": "prod",
        "sealbook.media-type": "a/b",
        "sealbook.requester.issuer": "urn:sealbook:token",
        "sealbook.requester.subject": "loopback",
        "sealbook.size": "9",
        "sealbook.tag": "1.4",
    } == annotations(signed)


def test_idempotency_key(service: InProcess) -> None:
    """
    An idempotency key stands for one request: another is refused and not even signed.
    """
    key = count_signatures(service)
    first = sign(service, 20, idempotency_key="job-7")
    size, made = service.tree_size, len(key.signed)
    for other in ({"annotations": {"env": "prod"}}, {"renew": True}, {"key": "hotfix"}):
        refused(
            "idempotency-conflict",
            lambda other=other: sign(service, 20, idempotency_key="job-7", **other),
        )
    refused("idempotency-conflict", lambda: sign(service, 21, idempotency_key="job-7"))

    assert first.record == sign(service, 20, idempotency_key="job-7").record
    assert first.record == sign(service, 20).record
    assert (size, made) == (service.tree_size, len(key.signed))


def test_idempotency_key_for_what_is_there(service: InProcess) -> None:
    """
    An idempotency key can be given to an approval that was made without, and then belongs to it.
    """
    first = sign(service, 22)
    size = service.tree_size

    assert first.record == sign(service, 22, idempotency_key="job-8").record
    refused("idempotency-conflict", lambda: sign(service, 23, idempotency_key="job-8"))
    assert size == service.tree_size


def test_batch_with_duplicates(service: InProcess) -> None:
    """
    A batch may name an image twice: each is answered in its place, with one entry for both.
    """
    size = service.tree_size
    items = [item(1000 + n % 128) for n in range(256)]
    answers = service.asking(lambda client: client.sign_batch(REPOSITORY, items))

    assert [size + n % 128 for n in range(256)] == service.indices(answers)
    assert size + 128 == service.tree_size


def test_batch_with_bad_items(service: InProcess) -> None:
    """
    A malformed item is answered with its refusal, and the others are signed.
    """
    size = service.tree_size
    items = [
        item(2000),
        item(2001)._replace(digest="sha256:no"),
        item(2002, annotations={"sealbook.tag": "x"}),
        item(2003, tag="no tag"),
        item(2004, idempotency_key="job-9"),
        item(2005, idempotency_key="job-9"),
        item(2006),
    ]
    answers = service.asking(lambda client: client.sign_batch(REPOSITORY, items))

    assert ["", "bad-digest", "malformed", "bad-request", "", "idempotency-conflict", ""] == [
        "" if isinstance(answer, Signed) else answer.code for answer in answers
    ]
    assert [size, size + 1, size + 2] == service.indices([answers[n] for n in (0, 4, 6)])
    assert size + 3 == service.tree_size


def test_large_batch(service: InProcess) -> None:
    """
    An answer that needs several messages names the checkpoint once, in the first.
    """
    long = {f"k{i}": "v" * 1000 for i in range(3)}
    request = signer_pb2.SignBatchRequest(repository=REPOSITORY)
    for n in range(3000, 3256):
        request.items.add(digest=digest(n), annotations=long)

    answer = service.raw(request.SerializeToString(), SIGN_BATCH)
    messages = [signer_pb2.SignBatchResponse.FromString(m) for m in answer.messages]

    assert [True] + [False] * (len(messages) - 1) == [m.HasField("checkpoint") for m in messages]
    assert list(range(256)) == [a.item for m in messages for a in m.answers]
    assert len(messages) > 2


def test_bundles(service: InProcess) -> None:
    """
    Every approval of an image is handed out with a fresh proof, or those of one repository.
    """
    sign(service, 24)
    sign(service, 24, OTHER_REPOSITORY)
    sign(service, 25)
    everywhere = service.asking(lambda client: client.bundles(digest(24)))
    there = service.asking(lambda client: client.bundles(digest(24), OTHER_REPOSITORY))
    verifier, size = service.verifier, service.tree_size

    assert [REPOSITORY, OTHER_REPOSITORY] == [
        verifier.verify(bundle, digest(24), None).repository for bundle in everywhere
    ]
    assert [(OTHER_REPOSITORY, size)] == [
        (found.repository, found.tree_size)
        for found in (verifier.verify(bundle, digest(24), None) for bundle in there)
    ]
    assert [] == service.asking(lambda client: client.bundles(digest(26)))


def test_labels(service: InProcess) -> None:
    """
    The labels beside each entry are those that an auditor derives from entry and body.
    """
    sign(service, 27, annotations={"env": "prod"}, key="hotfix")
    rows = service.ledger.store.rows(0, service.tree_size)

    assert [labels.encode(labels.of(row.entry, row.body)) for row in rows] == [
        row.labels for row in rows
    ]
    assert statement.APPROVAL in rows[-1].labels.decode()


def test_after_a_restart(world: World) -> None:
    """
    A service that was stopped and started again answers the same request as before.
    """
    with running(world) as service:
        first = sign(service, 1, idempotency_key="job-1")
    with running(world) as service:
        second = sign(service, 1)

        assert first.record == second.record
        refused("idempotency-conflict", lambda: sign(service, 2, idempotency_key="job-1"))
        service.verify(second)
