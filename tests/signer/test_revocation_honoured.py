"""What is revoked is neither signed nor answered again, whoever asks and however."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from signer.client import AsyncClient
from signer.v1 import signer_pb2
from tests.signer import messaging
from tests.signer.asking import (
    OTHER_REPOSITORY,
    REPOSITORY,
    annotations,
    digest,
    item,
    order,
    refused,
)
from tests.signer.revoking import Authority, Image, Key, revoke, sign
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.errors import SealbookError
from verifier.statement import SUPERSEDES

CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
EVERYWHERE = Image(digest=digest(1))


def attest(service: InProcess, n: int, predicate: bytes = b"{}", **more: Any) -> Any:
    """Have something said about image `n`."""
    return service.asking(
        lambda client: client.attest([digest(n)], REPOSITORY, CUSTOM, predicate, **more)
    )


def message(service: InProcess, content: bytes, **more: Any) -> Any:
    """Have a message signed."""
    return service.asking(lambda client: client.sign_message(content, **more))


def test_image(world: World) -> None:
    """
    A revoked image is not approved, attested, or signed for as another tool's message, in any
    form; other images are.
    """
    with running(world) as service:
        revoke(service, "back door", image=EVERYWHERE)
        size = service.tree_size
        for form in ("bundle", "simplesigning", "certificate", "notation"):
            more = {"media_type": "application/x", "size": 3}
            said = refused("revoked", lambda f=form, m=more: sign(service, 1, forms=[f], **m))
            assert "back door" in said.message
        refused("revoked", lambda: sign(service, 1, renew=True))
        refused("revoked", lambda: attest(service, 1))
        for content in (
            messaging.statement(1),
            messaging.statement(1, name=REPOSITORY),
            messaging.simple(1, REPOSITORY),
        ):
            refused("revoked", lambda c=content: message(service, c, repository=REPOSITORY))
        other = messaging.statement(1, CUSTOM, name="a-file.txt")
        refused("revoked", lambda: message(service, other, key="attest"))

        assert size == service.tree_size
        assert size == sign(service, 2).record.index


def test_batch(world: World) -> None:
    """
    In a batch the revoked image alone is refused, with the hint; the others are approved.
    """
    with running(world) as service:
        revoke(service, image=EVERYWHERE)
        good, bad, last = service.asking(
            lambda client: client.sign_batch(REPOSITORY, [item(0), item(1), item(2)])
        )

        assert isinstance(bad, SealbookError)
        assert ("revoked", True) == (bad.code, "another image" in bad.hint)
        assert [2, 3] == service.indices([good, last])


def test_image_in_a_repository(world: World) -> None:
    """
    An image that is revoked in one repository is signed in others, and under no other spelling.
    """
    with running(world) as service:
        revoke(service, image=Image(digest=digest(1), repository=REPOSITORY))
        elsewhere = service.asking(lambda client: client.sign(digest(1), OTHER_REPOSITORY))
        refused("revoked", lambda: sign(service, 1))
        refused("revoked", lambda: message(service, messaging.statement(1)))

        assert 2 == service.verify(elsewhere, OTHER_REPOSITORY).index


@pytest.mark.parametrize("after", [0, 2])
def test_key(world: World, after: int) -> None:
    """
    A revoked key signs nothing more, from whatever position on; another one still does.
    """
    with running(world) as service:
        first = sign(service, 1)
        revoke(service, key=Key(name="release", valid_through_tree_size=after))
        size = service.tree_size
        said = refused("revoked", lambda: sign(service, 2))
        refused("revoked", lambda: sign(service, 1))
        refused("revoked", lambda: sign(service, 2, key="release"))
        refused("revoked", lambda: message(service, messaging.statement(2), repository=REPOSITORY))

        assert "another key" in said.hint
        assert size == service.tree_size
        assert attest(service, 2)
        assert first.record.index == 1


def test_key_that_attests(world: World) -> None:
    """
    A revoked key attests nothing more, and the one that approves still approves.
    """
    with running(world) as service:
        revoke(service, key=Key(name="attest"))
        refused("revoked", lambda: attest(service, 1))
        custom = messaging.statement(1, CUSTOM)
        refused(
            "revoked",
            lambda: message(service, custom, key="attest", repository=REPOSITORY),
        )

        assert 2 == sign(service, 1).record.index


@pytest.mark.parametrize("kind", ["certificate", "transparency"])
def test_authority(world: World, kind: str) -> None:
    """
    Once who certifies keys is revoked, nothing is signed under a certificate, which nobody would
    accept; other forms are as before.
    """
    with running(world) as service:
        sign(service, 1, forms=["certificate"])
        revoke(service, "copied", authority=Authority(name=kind))
        size = service.tree_size
        said = refused("revoked", lambda: sign(service, 2, forms=["bundle", "certificate"]))

        assert ("copied" in said.message, "another form" in said.hint) == (True, True)
        assert size == service.tree_size
        assert size == sign(service, 2).record.index


def test_authority_of_timestamps(world: World) -> None:
    """
    Once who dates signatures is revoked, approvals go on: our own verifier reads no dates.
    """
    with running(world) as service:
        revoke(service, authority=Authority(name="timestamp"))

        assert 2 == service.verify(sign(service, 2)).index


def test_rerun(world: World) -> None:
    """
    A re-run whose answer was revoked is told to renew; the renewal answers from then on.
    """
    with running(world) as service:
        first = sign(service, 1)
        revoke(service, "by mistake", entry=first.record.index)
        said = refused("revoked", lambda: sign(service, 1))
        renewed = sign(service, 1, renew=True)
        again = sign(service, 1)

        assert "renew" in said.hint
        assert "by mistake" in said.message
        assert str(first.record.index) == annotations(renewed)[SUPERSEDES]
        assert renewed.record == again.record
        assert 3 == service.verify(again).index


def test_rerun_of_a_revoked_renewal(world: World) -> None:
    """
    When the renewal is revoked too, so is the answer, until it is renewed once more.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, entry=1)
        second = sign(service, 1, renew=True)
        revoke(service, entry=second.record.index)
        refused("revoked", lambda: sign(service, 1))
        third = sign(service, 1, renew=True)

        assert third.record == sign(service, 1).record
        assert str(second.record.index) == annotations(third)[SUPERSEDES]


def test_rerun_with_idempotency_key(world: World) -> None:
    """
    A revoked answer is not given by its idempotency key, nor under a new one.
    """
    with running(world) as service:
        sign(service, 1, idempotency_key="job-1")
        revoke(service, entry=1)
        size = service.tree_size
        refused("revoked", lambda: sign(service, 1, idempotency_key="job-1"))
        refused("revoked", lambda: sign(service, 1, idempotency_key="job-2"))
        assert size == service.tree_size
        renewed = sign(service, 1, renew=True, idempotency_key="job-3")
        answers = [sign(service, 1, idempotency_key=key) for key in ("job-4", "job-4")]

        assert [renewed.record.index] * 2 == service.indices(answers)


def test_rerun_of_an_attestation(world: World) -> None:
    """
    An attestation that was revoked is not answered again; its renewal is.
    """
    with running(world) as service:
        first = attest(service, 1)
        revoke(service, entry=first.signed.record.index)
        said = refused("revoked", lambda: attest(service, 1))
        renewed = attest(service, 1, renew=True)

        assert "renew" in said.hint
        assert renewed.signed.record.index == attest(service, 1).signed.record.index


def test_rerun_of_a_message(world: World) -> None:
    """
    A message whose signature was revoked is not answered with that signature again.
    """
    with running(world) as service:
        content = messaging.statement(1)
        signed = message(service, content, repository=REPOSITORY)
        revoke(service, entry=signed.logged.record.index)
        refused("revoked", lambda: message(service, content, repository=REPOSITORY))

        assert 3 == service.tree_size


def test_message_of_a_raw_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Also of a key that signs what nobody read, a revoked signature is not given again.
    """
    world = messaging.prepared(tmp_path_factory.mktemp("raw") / "service")
    with running(world) as service:
        signed = message(service, b"anything", key="blind")
        revoke(service, entry=signed.logged.record.index)

        refused("revoked", lambda: message(service, b"anything", key="blind"))


def test_as_grpc_and_json(world: World) -> None:
    """
    A refusal is one that the request cannot change: FAILED_PRECONDITION, and 409 over HTTP.
    """
    with running(world) as service:
        revoke(service, image=EVERYWHERE)
        answer = service.raw(order(1).SerializeToString())
        body = {"digest": str(digest(1)), "repository": REPOSITORY}
        url = f"http://{service.addresses.http}/v1/sign"
        told = httpx.post(url, json=body, headers={"authorization": f"Bearer {service.token}"})

        assert ("FAILED_PRECONDITION", "revoked") == (answer.status, answer.code)
        assert (409, "revoked") == (told.status_code, told.json()["code"])


def test_after_a_restart(world: World) -> None:
    """
    What was revoked stays so when the service starts again, and its status file is lost.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, entry=1)
        revoke(service, image=Image(digest=digest(2)))
        revoke(service, key=Key(name="attest"))
    (world.directory / "status.json").unlink()
    with running(world) as service:
        refused("revoked", lambda: sign(service, 1))
        refused("revoked", lambda: sign(service, 2))
        refused("revoked", lambda: attest(service, 3))


def test_while_callers_come(world: World) -> None:
    """
    Once a revocation is answered, nobody gets what it revoked, however many were asking.
    """

    async def hammer(client: AsyncClient) -> list[bool]:
        async def one() -> bool:
            try:
                await client.sign(digest(1), REPOSITORY)
            except SealbookError:
                return False
            return True

        revoking = asyncio.to_thread(revoke, service, image=EVERYWHERE)
        before = [asyncio.ensure_future(one()) for _ in range(20)]
        await revoking
        after = await asyncio.gather(*(one() for _ in range(20)))
        await asyncio.gather(*before)
        return after

    with running(world) as service:
        assert [False] * 20 == service.asking(hammer)
        record = signer_pb2.GetBundlesRequest(digest=digest(1)).SerializeToString()
        found = service.raw(record, "/sealbook.v1.Signer/GetBundles")
        assert len(found.messages) <= 1
