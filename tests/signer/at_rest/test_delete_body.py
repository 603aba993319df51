"""Deleting a body by call: logged, gone for every reader, and only an attestation's."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import deleting
from ledger.errors import BodyDeletedError
from ledger.store.reading import SqliteReader
from signer.attest.attesting import Attesting
from signer.errors import ServiceError
from signer.v1 import operator_pb2 as pb
from tests.ledger.at_rest_keys import CANARY, lies_in
from tests.signer.agreeing import guarded
from tests.signer.asking import REPOSITORY, digest
from tests.signer.at_rest.attesting import (
    LARGE,
    attest,
    body,
    encrypted,
    get,
    name_of,
    payloads,
    pieces,
    sbom,
)
from tests.signer.commands import check_refused, one
from tests.signer.messaging import CUSTOM, statement
from tests.signer.running import InProcess, running
from tests.signer.test_approvals_keys import Desk
from tests.signer.world import found_in
from verifier import dsse
from verifier.statement import Statement


@pytest.fixture
def service(tmp_path: Path) -> Iterator[InProcess]:
    """A service that encrypts nothing."""
    with running(found_in(tmp_path / "service")) as service:
        yield service


def delete(service: InProcess, index: int, reason: str = "a name in it") -> dict[str, object]:
    """Delete a body as the operator does, and return what the command says."""
    return one(service.command("ledger", "delete-body", index, "--reason", reason, "--json"))


def said(service: InProcess, index: int) -> dict[str, object]:
    """Return the predicate of an event."""
    row = service.ledger.row(index)
    return dict(Statement.parse(dsse.parse_pae(row.body or b"")[1]).predicate)


@pytest.mark.parametrize(
    ("parts", "secret"),
    [
        pytest.param(1, True, id="in its row, encrypted"),
        pytest.param(LARGE, False, id="in a file"),
    ],
)
def test_deleted(tmp_path: Path, parts: int, secret: bool) -> None:
    """
    A body is gone for every reader and from every file, by the event that says so, which a second
    call answers with again; entry, label and proof stay, and no check finds anything wrong.
    """
    world = found_in(tmp_path / "service")
    with running(encrypted(world) if secret else world) as service:
        made = attest(service, 1, sbom(parts))
        index, name = made.signed.record.index, name_of(made)
        answer = delete(service, index)
        assert isinstance(answer["index"], int)
        told = said(service, answer["index"])

        assert {"index": index, "digest": name, "reason": "a name in it", "previous": None} == told
        assert answer == delete(service, index, "another reason")
        assert ("NOT_FOUND", "body-deleted") == body(service, name)[1:3]
        assert 404 == get(service, f"bodies/{name.replace(':', '/')}").status_code
        gone = get(service, f"v1/bundles/{digest(1)}")
        assert (404, "body-deleted") == (gone.status_code, gone.json()["code"])
        assert set() == lies_in(service.directory, CANARY)
        there = ("--service", service.addresses.grpc, "--token-file", "token")
        shown = one(service.command("search", "digest", digest(1), "--json", *there))
        assert [index, digest(1), True] == [
            shown.get(name) for name in ("index", "digest", "body_deleted")
        ]
        assert 0 == service.command("proof", index, *there).returncode
        words = ("--trust", "trust.json", "--token-file", "token", "--state", tmp_path / "s.json")
        check_refused(service.command("bundles", digest(1), *there), "body-deleted")
        for where in ((f"http://{service.addresses.http}",), ("--service", service.addresses.grpc)):
            audited = service.command("audit", *where, *words)
            assert 0 == audited.returncode, audited.stdout + audited.stderr
        checked = service.command("fsck", "--signatures")
        assert (0, "nothing is wrong\n") == (checked.returncode, checked.stdout), checked.stderr
    with running(world) as service:
        assert ("NOT_FOUND", "body-deleted") == body(service, name)[1:3]


@pytest.mark.parametrize("parts", [1, LARGE], ids=["in its row", "in a file"])
def test_attested_again(service: InProcess, parts: int) -> None:
    """
    The very same attestation is refused by a code that says why, and makes nothing readable
    again; renewed, it is another statement, with a body of its own.
    """
    made = attest(service, 1, sbom(parts))
    delete(service, made.signed.record.index)
    with pytest.raises(ServiceError) as caught:
        attest(service, 1, sbom(parts))
    assert "body-deleted" == caught.value.code
    assert "--renew" in caught.value.hint
    assert set() == lies_in(service.directory, CANARY)

    again = attest(service, 1, sbom(parts), renew=True)
    assert sbom(parts) in pieces(body(service, name_of(again)))
    assert 1 == len(payloads(service, 1))


def test_what_stays(service: InProcess) -> None:
    """
    Bodies of approvals and events are not deleted, nor those of entries that are not there; a
    reason is needed, in one line.
    """
    approval = service.asking(lambda client: client.sign(digest(1), REPOSITORY)).record.index
    attested = attest(service, 2, sbom()).signed.record.index
    size = service.tree_size

    for index, reason, code in (
        (approval, "because", "bad-request"),
        (0, "because", "bad-request"),
        (size + 5, "because", "unknown-entry"),
        (attested, "", "bad-request"),
        (attested, "two\nlines", "bad-request"),
        (attested, "x" * 1025, "bad-request"),
    ):
        check_refused(
            service.command("ledger", "delete-body", index, "--reason", reason, "--json"), code
        )
    assert size == service.tree_size
    assert sbom() in payloads(service, 2)[0]


def test_while_others_attest(service: InProcess) -> None:
    """
    While a body is deleted, whoever attests the very same is answered or refused, and nothing of
    it is left over: no entry names a file that is gone, unless a statement says so.
    """
    first = attest(service, 1, sbom(LARGE))
    index = first.signed.record.index

    def again(n: int) -> str:
        try:
            attest(service, 1 + n % 2, sbom(LARGE))
        except ServiceError as e:
            return e.code
        return ""

    with ThreadPoolExecutor(6) as pool:
        others = [pool.submit(again, n) for n in range(12)]
        pool.submit(delete, service, index).result()
        codes = {one.result() for one in others}
    assert codes <= {"", "body-deleted"}
    assert "body-deleted" == again(0)
    checked = service.command("fsck", "--signatures")
    assert (0, "nothing is wrong\n") == (checked.returncode, checked.stdout), checked.stderr


def test_while_it_is_deleted(service: InProcess, tmp_path: Path) -> None:
    """
    From when a body is to be deleted on, nobody stores it again, by whatever call and key.
    """
    with running(found_in(tmp_path / "other")) as other:
        name = name_of(attest(other, 1, sbom()))
    message = statement(2, CUSTOM, REPOSITORY)
    size = service.tree_size
    for condemned in (name, "sha256:" + hashlib.sha256(message).hexdigest()):
        service.ledger.bodies.condemn(condemned)

    for call in (
        lambda: attest(service, 1, sbom()),
        lambda: service.asking(lambda client: client.sign_message(message, key="attest")),
    ):
        with pytest.raises(ServiceError) as caught:
            call()
        assert "body-deleted" == caught.value.code
    assert size == service.tree_size


def test_nobody_is_under_way(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Before it is looked up who has a body, nobody can store it any more, and who was about to has.
    """
    made = attest(service, 1, sbom())
    seen: list[str] = []
    holders, settle = deleting.holders, Attesting.settle

    async def settled(self: Attesting) -> None:
        seen.append("settled")
        await settle(self)

    def looked(store: SqliteReader, name: str) -> list[int]:
        with pytest.raises(BodyDeletedError):
            service.ledger.bodies.check_spared(name)
        seen.append("looked")
        return holders(store, name)

    monkeypatch.setattr(Attesting, "settle", settled)
    monkeypatch.setattr(deleting, "holders", looked)
    delete(service, made.signed.record.index)

    assert ["settled", "looked"] == seen


def test_dual_control(tmp_path: Path) -> None:
    """
    Where changes of keys take more than one, so does this: asked for in somebody's name, approved
    by another, and until then the body is there.
    """
    world = guarded(tmp_path / "service", "[key_changes]\napprovals = 1\n")
    with running(world) as service:
        desk = Desk(service)
        index = attest(service, 1, sbom()).signed.record.index

        def ask(requester: str = "alice") -> pb.EventResponse:
            request = pb.DeleteBodyRequest(entry=index, reason="because", requester=requester)
            answer: pb.EventResponse = desk.ask("DeleteBody", request, pb.EventResponse)
            return answer

        with pytest.raises(ServiceError) as caught:
            ask("")
        assert "requester-needed" == caught.value.code
        id_ = desk.refused(ask)
        assert sbom() in payloads(service, 1)[0]
        desk.sign(id_, "alice", "bob")

        assert said(service, ask().index)["index"] == index
        assert [] == payloads(service, 1)


def test_restored_from_before(tmp_path: Path) -> None:
    """
    A backup of before still has the body; restored, and brought up by a mirror, it has not.
    """
    world = found_in(tmp_path / "service")
    backup, mirror = tmp_path / "backup" / "b.db", tmp_path / "mirror"
    backup.parent.mkdir()
    with running(world) as service:
        index = attest(service, 1, sbom(LARGE)).signed.record.index
        assert 0 == service.command("ledger", "backup", backup).returncode
        delete(service, index)
        words = ("--service", service.addresses.grpc, "--token-file", "token")
        assert 0 == service.command("ledger", "mirror", mirror, *words).returncode
    assert lies_in(backup.parent, CANARY)
    assert set() == lies_in(mirror, CANARY)
    shutil.rmtree(world.directory / "ledger")
    (world.directory / "anchor" / "anchor").unlink()  # of what was logged when it stopped
    done = world.command("ledger", "restore", backup, "--from", mirror, "--newest")
    assert 0 == done.returncode, done.stderr
    with running(world) as service:
        assert [] == payloads(service, 1)
        assert set() == lies_in(service.directory, CANARY)
