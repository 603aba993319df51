"""Promoting: an approval in one repository names the one in another that it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger import labels
from signer.approvals.behind import is_behind
from signer.client import AsyncClient, Client, Signed
from signer.client.answer import checked, record
from signer.errors import ServiceError, WrongAnswerError
from signer.keys.memory import MemoryKey
from signer.service import wire
from signer.signing import Proven
from signer.v1 import record_pb2, signer_pb2
from tests.signer.access.known import known
from tests.signer.agreeing import PAYMENTS, PROTECTED, approve, needed, people, protect
from tests.signer.asking import REPOSITORY, SIGN, annotations, digest, item, order, refused
from tests.signer.messaging import CUSTOM, prepared, statement
from tests.signer.revoking import Image, Key, revoke
from tests.signer.running import InProcess, running
from tests.signer.trails import told
from tests.signer.world import found_in
from verifier.repository import Repository
from verifier.statement import PROMOTES

STAGE = Repository("registry.example/stage/app")
PROD = Repository("registry.example/prod/app")
MANIFEST = {"media_type": "application/vnd.oci.image.manifest.v1+json", "size": 400}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with keys of every purpose, that also knows callers by a role's name."""
    world = prepared(tmp_path_factory.mktemp("promoted") / "service")
    people(world)
    protect(world, f'[[protected]]\nunder = "{PROTECTED}"\napprovals = 1\n')
    with running(world, known) as service:
        yield service


def sign(service: InProcess, n: int, repository: Repository = REPOSITORY, **more: Any) -> Signed:
    """Have image `n` approved."""
    return service.asking(lambda client: client.sign(digest(n), repository, **more))


def promoted(service: InProcess, n: int, index: int, repository: Repository = PROD) -> Signed:
    """Have image `n` approved as standing on what is at `index`."""
    return sign(service, n, repository, promotes=index)


def said(signed: Signed) -> str | None:
    return labels.approval_annotations(signed.record.form, signed.record.body).get(PROMOTES)


def not_promoted(service: InProcess, n: int, index: int, repository: Repository = PROD) -> str:
    """Check that image `n` is not approved so, that nothing is logged, and return what was said."""
    size = service.tree_size
    error = refused("promotes", lambda: promoted(service, n, index, repository))
    assert size == service.tree_size
    return error.message


@pytest.mark.parametrize("form", ["bundle", "simplesigning", "notation", "certificate"])
def test_every_form_names_it(service: InProcess, form: str) -> None:
    """
    An approval in any form can be promoted, in any form: what is signed names its entry.
    """
    n = 100 + len(form)
    first = sign(service, n, forms=[form], **MANIFEST)
    second = sign(service, n, PROD, forms=[form], promotes=first.record.index, **MANIFEST)
    mixed = sign(service, n, STAGE, promotes=first.record.index)

    assert [str(first.record.index)] * 2 == [said(second), said(mixed)]
    assert said(first) is None


def test_the_first_entry_is_named(service: InProcess) -> None:
    """
    Promoted from repository to repository, each approval names the one that was there first.
    """
    first = sign(service, 1)
    second = promoted(service, 1, first.record.index, STAGE)
    third = promoted(service, 1, second.record.index)
    service.verify(third, PROD)

    assert [str(first.record.index)] * 2 == [said(second), said(third)]
    assert first.record.index < second.record.index < third.record.index


def test_same_request_same_answer(service: InProcess) -> None:
    """
    The same promotion has one answer, also when asked at once and through another entry of the
    same chain; without it, or from another entry, the approval is another one.
    """
    first = sign(service, 2).record.index
    second = promoted(service, 2, first, STAGE).record.index
    renewed = sign(service, 2, renew=True).record.index

    async def ask(client: AsyncClient) -> list[Signed]:
        asked = [first, second] * 10
        return await asyncio.gather(*(client.sign(digest(2), PROD, promotes=n) for n in asked))

    size = service.tree_size
    answers = {answer.record.index for answer in service.asking(ask)}
    others = [promoted(service, 2, renewed), sign(service, 2, PROD)]

    assert {size} == answers == {promoted(service, 2, first).record.index}
    assert [str(renewed), None] == [said(other) for other in others]
    assert [size + 1, size + 2] == [other.record.index for other in others]


def test_idempotency_key(service: InProcess) -> None:
    """
    An idempotency key stands for a promotion, and not for the approval without it.
    """
    first = sign(service, 3).record.index
    claimed = {"idempotency_key": "promote-3"}
    second = sign(service, 3, PROD, promotes=first, **claimed)

    assert second.record == sign(service, 3, PROD, promotes=first, **claimed).record
    refused("idempotency-conflict", lambda: sign(service, 3, PROD, **claimed))


def test_index_zero(service: InProcess) -> None:
    """
    Index 0 is an index: it is no approval, and so is refused.
    """
    assert "entry 0 is no approval" in not_promoted(service, 4, 0)


def test_what_is_no_approval(service: InProcess) -> None:
    """
    An entry of another digest, an attestation, an event, a message that names no repository or
    that nobody read, and one that is not there or not published: all the same refusal.
    """
    about = sign(service, 5).record.index
    attested = service.asking(lambda c: c.attest([digest(6)], REPOSITORY, CUSTOM, b"{}")).signed
    nameless = service.asking(lambda c: c.sign_message(statement(6), repository=REPOSITORY)).logged
    blind = service.asking(
        lambda c: c.sign_message(b"image 6", key="blind", repository=REPOSITORY)
    ).logged
    event = int(revoke(service, image=Image(digest=digest(7), repository="*")).index)
    size = service.ledger.published.checkpoint.tree_size

    for index in (
        *(about, event, size, 2**62, 2**64 - 1),
        *(one.record.index for one in (attested, nameless, blind)),
    ):
        assert f"entry {index} is no approval of {digest(6)} that you may fetch" == not_promoted(
            service, 6, index
        )


def test_message_of_another_tool(service: InProcess) -> None:
    """
    What cosign signed through its plugin, for a repository that it names, can be promoted.
    """
    signed = service.asking(lambda client: client.sign_message(statement(8, name=REPOSITORY)))
    index = signed.logged.record.index

    assert str(index) == said(promoted(service, 8, index))


def test_same_repository(service: InProcess) -> None:
    """
    Nothing is promoted to where it is, directly or on the way back.
    """
    first = sign(service, 9).record.index
    second = promoted(service, 9, first).record.index

    assert f"entry {first} is in" in not_promoted(service, 9, first, REPOSITORY)
    assert f"entry {first} is in" in not_promoted(service, 9, second, REPOSITORY)


def test_revoked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    What was taken back, as an entry, by its key or as an image, promotes nothing: neither itself
    nor through what stands on it, and a re-run of the same promotion is refused too.
    """
    world = found_in(tmp_path_factory.mktemp("revoked") / "service")
    key = MemoryKey.generate("ecdsa-p256")
    world.add_key("hotfix", key)
    with running(world) as service:
        entry, image, by_key = (
            sign(service, n, key=name).record.index for n, name in ((1, ""), (2, ""), (3, "hotfix"))
        )
        firsts = ((1, entry), (2, image), (3, by_key))
        stages = [promoted(service, n, index, STAGE).record.index for n, index in firsts]
        for n, index in firsts:
            promoted(service, n, index)
        revoke(service, entry=entry)
        revoke(service, image=Image(digest=digest(2), repository=REPOSITORY))
        revoke(service, key=Key(name="hotfix", valid_through_tree_size=1))

        for (n, first), stage in zip(firsts, stages, strict=True):
            for index in (first, stage):
                said = not_promoted(service, n, index)
                assert said.startswith(f"entry {first} does not count any more: ")


def test_approvers_see_it(service: InProcess) -> None:
    """
    Where others have to agree first, their request says what is promoted, so that the approval
    without it, or of another entry, needs another.
    """

    def asked(client: Client, promotes: int | None) -> str:
        with pytest.raises(ServiceError) as caught:
            client.sign(digest(10), PAYMENTS, promotes=promotes)
        return needed(caught.value)

    with service.client() as client:
        first = client.sign(digest(10), REPOSITORY).record.index
        renewed = client.sign(digest(10), REPOSITORY, renew=True).record.index
        stage = client.sign(digest(10), STAGE, promotes=first).record.index
        id_ = asked(client, stage)
        request = client.request(id_).request
        assert request is not None
        approve(service, client, id_, "alice")
        others = {asked(client, None), asked(client, renewed)}
        other_requests = [client.request(other).request for other in others]
        done = client.sign(digest(10), PAYMENTS, promotes=first)
        kept = record(client.entry(done.record.index).record)

    assert isinstance(request.asked.what["items"], list)  # of the entry that was there first
    assert [str(first)] == [one["promotes"] for one in request.asked.what["items"]]
    assert 2 == len(others - {id_})
    assert is_behind(request, kept)
    for other in other_requests:
        assert other is not None
        assert not is_behind(other, kept)


def test_trail(service: InProcess) -> None:
    """
    The audit trail says what was promoted, and nothing of it where nothing was.
    """
    first = sign(service, 18).record.index
    promoted(service, 18, promoted(service, 18, first, STAGE).record.index)
    service.server._trail.flush()
    decisions = told(service.directory, "decision")
    lines = [line for line in decisions if [digest(18)] == line.get("digests")]

    assert [None, [first], [first]] == [line.get("promotes") for line in lines]


def test_what_one_may_not_see(service: InProcess) -> None:
    """
    Who may sign in one repository promotes from others that they may read or fetch from; what
    else is in the ledger is to them as if it were not there.
    """
    first = sign(service, 11).record.index
    second = promoted(service, 11, first, STAGE).record.index

    def promote(index: int, *secrets: str) -> Any:
        return service.raw(
            order(11, repository=PROD, promotes=index).SerializeToString(),
            SIGN,
            [("authorization", f"Bearer {secret}") for secret in secrets],
        )

    alone = promote(first, f"test|developer|{PROD}|session|")
    missing = promote(2**40, f"test|developer|{PROD}|session|")
    wide = promote(second, "test|developer|registry.example/prod/**|session|")
    assert ["promotes"] * 3 == [alone.code, missing.code, wide.code]
    assert alone.details.replace(str(first), "N") == missing.details.replace(str(2**40), "N")
    assert "OK" == promote(first, "test|developer|*|session|").status


def test_batch(service: InProcess) -> None:
    """
    In a batch each item says for itself what it promotes, and is refused for itself.
    """
    first = sign(service, 12).record.index
    items = [item(12, promotes=first), item(13, promotes=first), item(14)]
    good, bad, plain = service.asking(lambda client: client.sign_batch(PROD, items))

    assert isinstance(good, Signed)
    assert isinstance(plain, Signed)
    assert [str(first), None] == [said(good), said(plain)]
    assert isinstance(bad, ServiceError)
    assert "promotes" == bad.code


def test_json_twin(service: InProcess) -> None:
    """
    The twin over HTTP takes the same field, and refuses with the same code.
    """
    first = sign(service, 15).record.index
    url = f"http://{service.addresses.http}/v1/sign"
    wish = {"digest": digest(15), "repository": PROD}
    headers = {"authorization": f"Bearer {service.token}"}
    taken = httpx.post(url, json={**wish, "promotes": first}, headers=headers)
    refusal = httpx.post(url, json={**wish, "promotes": 0}, headers=headers)

    assert 200 == taken.status_code
    assert taken.json()["signatures"][0]["record"]["index"] == str(
        promoted(service, 15, first).record.index
    )
    assert (409, "promotes") == (refusal.status_code, refusal.json()["code"])


def test_reserved(service: InProcess) -> None:
    """
    Nobody says so by an annotation of their own.
    """
    refused("malformed", lambda: sign(service, 16, annotations={PROMOTES: "1"}))


def test_client_looks(service: InProcess) -> None:
    """
    A client that asked for a promotion takes no answer without it, and the other way round.
    """
    first = sign(service, 17).record.index
    plain, standing = sign(service, 17, PROD), promoted(service, 17, first)
    assert str(first) == annotations(standing)[PROMOTES]

    for answer, wished in ((plain, first), (standing, None), (standing, first - 1)):
        signature = wire.signature(Proven(answer.record, answer.proof))
        message = signer_pb2.SignBatchResponse.Answer(signatures=[signature])
        tree = record_pb2.Checkpoint(note=answer.note, log_id=answer.log_id)
        with pytest.raises(WrongAnswerError, match="asked to promote"):
            checked(message, tree, item(17, promotes=wished), PROD)
