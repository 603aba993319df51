"""Changes of keys under dual control: who asks signs, others approve, one yes for one change."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger import labels
from signer.cli import operator
from signer.client import Client
from signer.config import Config
from signer.errors import ServiceError
from signer.v1 import operator_pb2 as pb
from tests.signer.agreeing import approve, guarded, needed
from tests.signer.asking import PATIENCE_S, digest, eventually, refused
from tests.signer.commands import check_refused
from tests.signer.running import InProcess, running
from verifier.repository import Repository

RULES = "[key_changes]\napprovals = 1\n"


class Desk:
    """Whoever can open the admin socket."""

    def __init__(self, service: InProcess) -> None:
        self.service = service
        self.config = Config.load(service.config)
        self.client = Client(f"unix:{service.directory}/run/operator.sock", "")

    def ask(self, method: str, request: Any, answer: Any) -> Any:
        """Call a method of Operator."""
        timeout = operator.EVENT_TIMEOUT_S
        return operator.ask(self.config, method, request, answer, timeout)

    def create(self, name: str, requester: str = "alice", **more: Any) -> pb.AnnounceKeyResponse:
        """Have a key made that approves."""
        request = pb.CreateKeyRequest(
            name=name,
            uri=f"file:keys/{name}.key",
            purpose="approve",
            scope=["registry.example"],
            requester=requester,
            **more,
        )
        answer: pb.AnnounceKeyResponse
        answer = self.ask("CreateKey", request, pb.AnnounceKeyResponse)
        return answer

    def refused(self, call: Any) -> str:
        """Check that `call` needs approvals, and return the request's id."""
        with pytest.raises(ServiceError) as caught:
            call()
        return needed(caught.value)

    def sign(self, id_: str, *names: str) -> None:
        """Have persons sign a request."""
        for name in names:
            approve(self.service, self.client, id_, name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A running service whose keys nobody changes alone."""
    with running(guarded(tmp_path / "service", RULES)) as service:
        desk = Desk(service)
        with desk.client:
            yield desk


def kinds(world: InProcess) -> list[str]:
    """Return what kinds of events the ledger has, in order, but those that nobody asked for."""
    rows = world.ledger.store.rows(0, 100)
    named = [labels.decode(row.labels)["predicate_type"][0] for row in rows]
    found = [kind.removeprefix("urn:sealbook:") for kind in named]
    return [kind for kind in found if kind not in ("configuration", "audit-segment")]


def test_key_is_made_once_agreed(desk: Desk) -> None:
    """
    A key is made once the person who asks has signed the request and another approved it; both
    are in the ledger before the key, and nothing was made before.
    """
    path = desk.service.directory / "keys" / "fresh.key"
    id_ = desk.refused(lambda: desk.create("fresh"))
    desk.sign(id_, "bob")
    assert id_ == desk.refused(lambda: desk.create("fresh"))
    desk.sign(id_, "alice")
    assert not path.exists()
    desk.create("fresh")

    assert path.exists()
    assert ["genesis", "request-approved", "request-approved", "key-added"] == kinds(desk.service)


def test_nobody_makes_one_alone(desk: Desk) -> None:
    """
    One person is never both who asks and who approves, nobody in particular cannot ask, and
    what was agreed for one key makes no other.
    """
    id_ = desk.refused(lambda: desk.create("fresh"))
    desk.sign(id_, "alice", "alice")
    assert id_ == desk.refused(lambda: desk.create("fresh"))
    assert desk.client.request(id_).approved_by == ()
    refused("requester-needed", lambda: desk.create("fresh", ""))
    refused("unknown-approver", lambda: desk.create("fresh", "mallory"))
    desk.sign(id_, "bob")
    for other in (
        lambda: desk.create("other"),
        lambda: desk.create("fresh", "bob"),
        lambda: desk.create("fresh", algorithm="ecdsa-p384"),
        lambda: desk.create("fresh", forms=["simplesigning"]),
    ):
        assert id_ != desk.refused(other)

    assert ["genesis", *["request-approved"] * 2] == kinds(desk.service)


def test_one_yes_for_one_change(desk: Desk) -> None:
    """
    What was agreed before another change of keys has to be agreed again: it was about keys as
    they were.
    """
    first, second = (desk.refused(lambda n=n: desk.create(n)) for n in ("first", "second"))
    desk.sign(first, "alice", "bob")
    desk.sign(second, "alice", "bob")
    desk.create("first")
    again = desk.refused(lambda: desk.create("second"))

    assert again != second
    assert not (desk.service.directory / "keys" / "second.key").exists()


@pytest.mark.parametrize(
    ("method", "request_", "answer", "action"),
    [
        ("RotateKey", pb.RotateKeyRequest(name="release"), pb.AnnounceKeyResponse, "key-rotate"),
        (
            "ImportKey",
            pb.ImportKeyRequest(name="my", uri="file:bob.key", purpose="approve", scope=["*"]),
            pb.AnnounceKeyResponse,
            "key-import",
        ),
        (
            "RetireKey",
            pb.RetireKeyRequest(name="attest", version=1, reason="unused", active_too=True),
            pb.ChangeKeyResponse,
            "key-retire",
        ),
    ],
    ids=["rotate", "import", "retire"],
)
def test_every_change(desk: Desk, method: str, request_: Any, answer: Any, action: str) -> None:
    """
    Whatever is done to keys asks for approvals, and does nothing without.
    """
    request_.requester = "carol"
    before = desk.service.tree_size
    id_ = desk.refused(lambda: desk.ask(method, request_, answer))

    assert action == desk.client.request(id_).action
    assert before == desk.service.tree_size


def test_rotation(desk: Desk) -> None:
    """
    A whole rotation: each of its steps is asked for, agreed to once, and done once.
    """
    agreed = 0

    def do(method: str, request: Any, answer: Any) -> Any:
        nonlocal agreed
        request.requester = "carol"
        id_ = desk.refused(lambda: desk.ask(method, request, answer))
        desk.sign(id_, "carol", "alice")
        agreed += 2
        return desk.ask(method, request, answer)

    made = do("RotateKey", pb.RotateKeyRequest(name="release"), pb.AnnounceKeyResponse)
    draft = desk.service.directory / made.draft
    root = ("--key", "keys/trust-root.pem", "--previous", "trust.json")
    signed = desk.service.command("trust", "sign", draft, *root)
    assert 0 == signed.returncode, signed.stderr
    trust = pb.InstallTrustRequest(trust=draft.read_bytes())
    assert 2 == do("InstallTrust", trust, pb.InstallTrustResponse).version
    request = pb.SwitchKeyRequest(name="release", now=True)
    switched = do("SwitchKey", request, pb.ChangeKeyResponse)
    with desk.service.client() as client:
        after = client.sign(digest(1), "registry.example/team/app")

    assert 2 == switched.key.version
    desk.service.verify(after, Repository("registry.example/team/app"))
    assert agreed == kinds(desk.service).count("request-approved")


def test_commands(desk: Desk) -> None:
    """
    `sealbook key create --as NAME` is refused with what has to be signed, by NAME too; with
    --as-key that is signed at once, and with --wait-approval the command ends when all is there.
    """

    def create(name: str, *more: object) -> list[object]:
        scope = ("--scope", "registry.example")
        return ["key", "create", name, "--uri", f"file:keys/{name}.key", *scope, *more]

    def approved(id_: str, name: str) -> str:
        words = ("--as", name, "--key", f"{name}.key", "--yes")
        return desk.service.command("approve", id_, *words).stdout

    run = desk.service.command
    check_refused(run(*create("one")), "requester-needed")
    check_refused(run(*create("one", "--as-key", "alice.key")), "bad-request")
    told = check_refused(run(*create("one", "--as", "alice")), "approval-needed")
    assert "0 of 1 approvals, and alice, who asks, has not signed" in told
    [one] = desk.client.requests()
    assert "0 of 1 approvals" in approved(one.id, "alice")
    assert "1 of 1 approvals (bob)\n" in approved(one.id, "bob")
    done = run(*create("one", "--as", "alice"))
    assert 0 == done.returncode, done.stderr
    with ThreadPoolExecutor(1) as pool:
        words = create("two", "--as", "alice", "--as-key", "alice.key", "--wait-approval")
        waiting = pool.submit(desk.service.spawn, *words)
        eventually(lambda: 2 == len(desk.client.requests()))
        two = desk.client.requests()[-1]
        eventually(lambda: not desk.client.request(two.id).unsigned_by)
        approved(two.id, "carol")
        done = waiting.result(PATIENCE_S)

    assert 0 == done.returncode, done.stderr
    assert f"hint:  sealbook approve {two.id}" in done.stderr
    assert 2 == kinds(desk.service).count("key-added")


def test_emergency(desk: Desk) -> None:
    """
    Taking back and freezing need no second person.
    """
    key = pb.RevokeRequest.Key(name="release")
    desk.ask("Revoke", pb.RevokeRequest(reason="stolen", key=key), pb.RevokeResponse)
    request = pb.FreezeRequest(reason="stolen", origin=desk.config.origin)
    desk.ask("Freeze", request, pb.EventResponse)

    assert ["genesis", "revocation", "frozen"] == kinds(desk.service)


def test_signing_asks_nobody(desk: Desk) -> None:
    """
    Where changes of keys need approvals, and no repository does, signing goes on as it did.
    """
    with desk.service.client() as client:
        client.sign(digest(1), "registry.example/team/app")


def test_person_key_becomes_none_of_ours(desk: Desk) -> None:
    """
    The key by which a person approves cannot be imported as one that signs.
    """
    request = pb.ImportKeyRequest(
        name="mine", uri="file:bob.key", purpose="approve", scope=["*"], requester="alice"
    )
    id_ = desk.refused(lambda: desk.ask("ImportKey", request, pb.AnnounceKeyResponse))
    desk.sign(id_, "alice", "carol")

    refused("person-key", lambda: desk.ask("ImportKey", request, pb.AnnounceKeyResponse))
