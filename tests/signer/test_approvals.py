"""Dual control: what is protected is signed when so many others agreed, and not before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import errors, labels
from ledger.clock import LedgerClock
from signer.approvals.logged import PREDICATE_TYPE, read_event
from signer.approvals.request import PAYLOAD_TYPE
from signer.client import Client
from signer.errors import ServiceError
from signer.keys.memory import MemoryKey
from signer.v1 import approvals_pb2
from tests.ledger.making import Clock
from tests.signer.agreeing import (
    CALLER,
    NAMES,
    PAYMENTS,
    approve,
    guarded,
    key_of,
    needed,
    refused_for,
)
from tests.signer.asking import REPOSITORY, SIGN, digest, item, order, refused
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier import dsse
from verifier.publickey import PublicKey
from verifier.repository import Repository


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a protected scope."""
    with running(guarded(tmp_path_factory.mktemp("guarded") / "service")) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: InProcess) -> Iterator[Client]:
    """Somebody who may sign there, but not alone."""
    with service.client() as client:
        yield client


@pytest.fixture
def guarded_world(tmp_path: Path) -> World:
    """The same, not running yet, for those who stop it."""
    return guarded(tmp_path / "service")


def test_two_of_three(service: InProcess, client: Client) -> None:
    """
    A protected repository's image is signed once two persons approved the request, and the same
    call asks for the same request until then; each approval is logged below the signature.
    """
    call = ("sign", digest(1), PAYMENTS)
    before = service.tree_size
    id_ = refused_for(client, call)
    assert id_ == refused_for(client, call)
    assert before == service.tree_size
    first = approve(service, client, id_, "alice")
    assert (("alice",), 2, False) == (
        first.request.approved_by,
        first.request.needed,
        first.request.granted,
    )
    assert id_ == refused_for(client, call)
    second = approve(service, client, id_, "bob")
    assert second.request.granted
    signed = client.sign(digest(1), PAYMENTS)

    assert (before, before + 1, before + 2) == (first.index, second.index, signed.record.index)
    service.verify(signed, PAYMENTS)


def test_what_is_not_protected(service: InProcess, client: Client) -> None:
    """
    Other repositories need nobody, nor does one that only begins with the same letters.
    """
    client.sign(digest(2), REPOSITORY)
    client.sign(digest(2), Repository("registry.bank/payments-evil/app"))
    client.sign(digest(2), Repository("registry.bank/pay"))

    refused_for(client, ("sign", digest(2), Repository("registry.bank/payments")))


def test_the_exact_request_is_signed_and_kept(service: InProcess, client: Client) -> None:
    """
    The event has the whole request, the person and their signature, which anybody with their
    public key can check without asking the service; the id is the hash of what was signed.
    """
    id_ = refused_for(client, ("sign", digest(3), PAYMENTS))
    found = client.request(id_)
    assert found.request is not None
    approved = approve(service, client, id_, "bob")
    record = service.ledger.record(approved.index)
    labelled = labels.of(record.entry, record.body)
    approval, _ = read_event(record.body)
    canonical = found.request.canonical()

    assert [PREDICATE_TYPE] == labelled["predicate_type"]
    assert [service.server._own.event.public.fingerprint] == labelled["key"]
    assert ("bob", canonical) == (approval.person, approval.request.canonical())
    assert id_ == hashlib.sha256(canonical).hexdigest()
    public = PublicKey.from_pem((service.directory / "bob.pub").read_bytes())
    public.verify(approval.signature, dsse.pae(PAYLOAD_TYPE, canonical))
    value = json.loads(canonical)
    assert {
        "action": "sign",
        "expires": value["expires"],
        "keys": ["release"],
        "origin": "ledger.example",
        "repositories": [PAYMENTS],
        "requester": CALLER,
        "type": "urn:sealbook:request:v1",
        "what": {
            "items": [{"digest": digest(3)}],
            "signatures": [
                {
                    "form": "bundle",
                    "key": "release",
                    "key_sha256": service.server.keys.named("").public.fingerprint,
                }
            ],
        },
    } == value


def test_approvals_are_for_one_request(tmp_path: Path) -> None:
    """
    What was approved lets nothing else through: whatever decides what is signed is in the request.
    """
    world = guarded(tmp_path / "service")
    world.add_key("second", MemoryKey.generate("ecdsa-p256"))
    base = {"digest": digest(1), "repository": PAYMENTS}
    others: list[dict[str, object]] = [
        {"digest": digest(2)},
        {"repository": Repository(f"{PAYMENTS}/more")},
        {"annotations": {"env": "prod"}},
        {"tag": "1.4"},
        {"reason": "another one"},
        {"forms": ["simplesigning"]},
        {"forms": ["bundle", "simplesigning"]},
        {"key": "second"},
        {"size": 527},
        {"media_type": "application/vnd.oci.image.index.v1+json"},
    ]
    with running(world) as service, service.client() as client:
        found = {granted(service, client, ("sign", *base.values()))}
        for more in others:
            with pytest.raises(ServiceError) as caught:
                client.sign(**{**base, **more})  # type: ignore[arg-type]
            found.add(needed(caught.value))
        same = client.sign(**base, idempotency_key="1", forms=["bundle"], key="release")

        assert 1 + len(others) == len(found)
        service.verify(same, PAYMENTS)


def granted(service: InProcess, client: Client, call: tuple[object, ...]) -> str:
    """Have a call approved by two, and return the request's id."""
    id_ = refused_for(client, call)
    approve(service, client, id_, "alice")
    approve(service, client, id_, "bob")
    return id_


def test_same_person_twice_is_one(service: InProcess, client: Client) -> None:
    """
    Who approves again is answered with the first approval; it is logged once and counts once.
    """
    call = ("sign", digest(6), PAYMENTS)
    id_ = refused_for(client, call)
    first = approve(service, client, id_, "bob")  # ECDSA: each signature has other bytes
    size = service.tree_size
    again = approve(service, client, id_, "bob")

    assert (first.index, True) == (again.index, again.known)
    assert not first.known
    assert ("bob",) == again.request.approved_by
    assert size == service.tree_size
    refused_for(client, call)


def test_many_at_once(service: InProcess, client: Client) -> None:
    """
    A person's approval that arrives eight times at once is logged once.
    """
    id_ = refused_for(client, ("sign", digest(7), PAYMENTS))
    size = service.tree_size
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: approve(service, client, id_, "bob"), range(8)))

    assert {size} == {approved.index for approved in done}
    assert 1 == sum(not approved.known for approved in done)
    assert size + 1 == service.tree_size


def test_wrong_signatures(service: InProcess, client: Client) -> None:
    """
    A signature over another request, by another person, under another type or of nothing does
    not count, and is not logged.
    """
    other = client.request(refused_for(client, ("sign", digest(8), PAYMENTS))).request
    id_ = refused_for(client, ("sign", digest(9), PAYMENTS))
    mine = client.request(id_).request
    assert other is not None
    assert mine is not None
    key, size = key_of(service, "alice"), service.tree_size
    changed = mine.canonical().replace(digest(9).hex.encode(), digest(10).hex.encode())
    for signature in (
        key.sign(other.message),
        key_of(service, "bob").sign(mine.message),
        key.sign(mine.canonical()),
        key.sign(dsse.pae(dsse.IN_TOTO, mine.canonical())),
        key.sign(dsse.pae(PAYLOAD_TYPE, changed)),
        b"",
    ):
        refused("bad-signature", lambda s=signature: client.approve(id_, "alice", s))  # type: ignore[misc]
    refused("unknown-approver", lambda: client.approve(id_, "mallory", key.sign(mine.message)))
    refused("unknown-request", lambda: client.approve("0" * 64, "alice", key.sign(mine.message)))

    assert size == service.tree_size
    assert () == client.request(id_).approved_by


def test_who_asks_does_not_approve(tmp_path: Path) -> None:
    """
    Whoever calls by one of a person's principals is that person, and their signature is refused.
    """
    world = guarded(tmp_path / "service")
    world.edit("[approvers.alice]\n", f'[approvers.alice]\nprincipals = ["{CALLER}"]\n')
    with running(world) as service, service.client() as client:
        id_ = refused_for(client, ("sign", digest(1), PAYMENTS))
        size = service.tree_size
        refused("own-request", lambda: approve(service, client, id_, "alice"))
        approve(service, client, id_, "bob")
        assert size + 1 == service.tree_size
        refused_for(client, ("sign", digest(1), PAYMENTS))
        approve(service, client, id_, "carol")
        service.verify(client.sign(digest(1), PAYMENTS), PAYMENTS)


def test_batch_is_all_or_nothing(service: InProcess, client: Client) -> None:
    """
    A batch is one request: nothing of it is signed before all of it is approved, and what a
    single Sign of the same would ask is the same request.
    """
    items = [item(20), item(21), item(22)]
    size = service.tree_size
    id_ = granted(service, client, ("sign_batch", PAYMENTS, items))
    assert size + 2 == service.tree_size
    answers = client.sign_batch(PAYMENTS, items)
    single = refused_for(client, ("sign_batch", PAYMENTS, [item(23)]))

    assert [size + 2, size + 3, size + 4] == [service.verify(a, PAYMENTS).index for a in answers]
    assert single == refused_for(client, ("sign", digest(23), PAYMENTS))
    assert id_ != single


def test_rerun_needs_nobody(guarded_world: World) -> None:
    """
    What was signed is answered again after its approvals have expired.
    """
    with running(guarded_world) as service, service.client() as client:
        clock, boot = clocked(service)
        granted(service, client, ("sign", digest(1), PAYMENTS))
        first = client.sign(digest(1), PAYMENTS)
        clock.now += 3601
        boot.now += 3601
        again = client.sign(digest(1), PAYMENTS)

        assert first.record == again.record
        assert [] == client.requests()


def test_one_approval_renews_once(service: InProcess, client: Client) -> None:
    """
    An approval of a renewal is for what it supersedes: the next renewal needs another.
    """
    granted(service, client, ("sign", digest(30), PAYMENTS))
    first = client.sign(digest(30), PAYMENTS)
    again = [item(30, renew=True)]
    granted(service, client, ("sign_batch", PAYMENTS, again))
    [second] = client.sign_batch(PAYMENTS, again)

    assert first.record.index < service.verify(second, PAYMENTS).index
    refused_for(client, ("sign_batch", PAYMENTS, again))


def clocked(service: InProcess) -> tuple[Clock, Clock]:
    """Give a service a clock that stands still, and return its wall and its boot time."""
    clock, boot = Clock(), Clock()
    clock.now = boot.now = time.time()
    service.ledger._clock = LedgerClock(clock, boot)
    return clock, boot


def test_expired(guarded_world: World) -> None:
    """
    An hour after it was first made a request is gone, and with it what was approved: the same
    call makes another, and the signatures over the first are worth nothing for that.
    """
    with running(guarded_world) as service, service.client() as client:
        clock, boot = clocked(service)
        call = ("sign", digest(1), PAYMENTS)
        id_ = granted(service, client, call)
        old = client.request(id_).request
        assert old is not None
        clock.now += 3599
        boot.now += 3599
        assert client.request(id_).granted
        clock.now += 1
        boot.now += 1
        refused("unknown-request", lambda: approve(service, client, id_, "carol"))
        fresh = refused_for(client, call)
        assert fresh != id_
        size = service.tree_size
        for name in ("alice", "bob"):
            again = key_of(service, name).sign(old.message)
            refused("bad-signature", lambda n=name, s=again: client.approve(fresh, n, s))  # type: ignore[misc]

        assert size == service.tree_size
        refused_for(client, call)


def test_clock_that_leapt(guarded_world: World) -> None:
    """
    A clock that was put back keeps no approval alive: nothing is signed by it.
    """
    with running(guarded_world) as service, service.client() as client:
        clock, _ = clocked(service)
        granted(service, client, ("sign", digest(1), PAYMENTS))
        clock.now -= 1800

        refused("clock-jumped", lambda: client.sign(digest(1), PAYMENTS))


def test_restart_keeps_approvals(guarded_world: World) -> None:
    """
    A service that was restarted knows the approvals of the last hour from its ledger: one before
    and one after it are two.
    """
    call = ("sign", digest(1), PAYMENTS)
    with running(guarded_world) as service, service.client() as client:
        id_ = refused_for(client, call)
        approve(service, client, id_, "alice")
        lost = refused_for(client, ("sign", digest(2), PAYMENTS))
    with running(guarded_world) as service, service.client() as client:
        assert id_ == refused_for(client, call)
        refused("unknown-request", lambda: client.request(lost))
        approve(service, client, id_, "bob")
        client.sign(digest(1), PAYMENTS)
    with running(guarded_world) as service, service.client() as client:
        assert ("alice", "bob") == client.request(id_).approved_by


def test_person_who_left(guarded_world: World) -> None:
    """
    The approval of somebody who may approve no more, or has another key by now, does not count.
    """
    call = ("sign", digest(1), PAYMENTS)
    with running(guarded_world) as service, service.client() as client:
        id_ = refused_for(client, call)
        approve(service, client, id_, "alice")
        approve(service, client, id_, "bob")
    other = MemoryKey.generate("ed25519")
    (guarded_world.directory / "alice.pub").write_bytes(other.public.pem())
    with running(guarded_world) as service, service.client() as client:
        assert id_ == refused_for(client, call)
        assert ("bob",) == client.request(id_).approved_by


def test_logged_before_it_counts(guarded_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An approval that could not be logged does not count; one that is in the ledger does, also
    when the service ended before it said so.
    """
    call = ("sign", digest(1), PAYMENTS)
    with running(guarded_world) as service, service.client() as client:
        id_ = refused_for(client, call)
        append = service.server._opened.ledger.commit

        def full(*_: object, **__: object) -> None:
            raise errors.StorageFullError("full")

        monkeypatch.setattr(service.ledger, "commit", full)
        refused("storage-full", lambda: approve(service, client, id_, "alice"))
        assert () == client.request(id_).approved_by
        monkeypatch.setattr(service.ledger, "commit", append)
        approve(service, client, id_, "alice")
        # In the ledger, and nobody was told.
        monkeypatch.setattr(service.server._dual.requests, "refresh", lambda: None)
        approve(service, client, id_, "bob")
        refused_for(client, call)
    with running(guarded_world) as service, service.client() as client:
        assert client.request(id_).granted
        client.sign(digest(1), PAYMENTS)


def test_admin_socket(service: InProcess, client: Client) -> None:
    """
    Whoever can open the admin socket can list and send approvals there, without a token.
    """
    id_ = refused_for(client, ("sign", digest(40), PAYMENTS))
    with Client(f"unix:{service.directory}/run/operator.sock", "") as admin:
        assert id_ in [one.id for one in admin.requests()]
        approve(service, admin, id_, "carol")

    assert ("carol",) == client.request(id_).approved_by


def test_who_may_send(service: InProcess) -> None:
    """
    Nobody without a token lists requests or sends approvals.
    """
    for method in ("ListRequests", "GetRequest", "Approve"):
        answer = service.raw(b"", f"/sealbook.v1.Approvals/{method}", metadata=[])
        assert "unauthenticated" == answer.code


def test_persons_who_may_only_agree(tmp_path: Path) -> None:
    """
    Who holds the approver token looks and approves, and can ask for nothing; so the holder of the
    other token may be ruled out, whoever that is.
    """
    world = guarded(tmp_path / "service")
    own = world.directory / "approver-token"
    own.write_text("p" * 40)
    own.chmod(0o600)
    world.edit("[access]\n", '[access]\napprover_token = "approver-token"\n')
    for name in NAMES:
        world.edit(f"[approvers.{name}]\n", f'[approvers.{name}]\nprincipals = ["{CALLER}"]\n')
    world.edit("[approvers.bob]\nprincipals", "[approvers.bob]\n# principals")
    with running(world) as service, service.client() as client:
        person = Client(service.addresses.grpc, "p" * 40)
        id_ = refused_for(client, ("sign", digest(1), PAYMENTS))
        refused("permission-denied", lambda: person.sign(digest(1), PAYMENTS))
        assert [id_] == [one.id for one in person.requests()]
        approve(service, person, id_, "bob")
        refused("own-request", lambda: approve(service, person, id_, "alice"))
        person.close()


def test_refusal_over_the_wire(service: InProcess) -> None:
    """
    The refusal is FAILED_PRECONDITION, with the request's id in metadata of its own.
    """
    answer = service.raw(order(41, repository=PAYMENTS).SerializeToString(), SIGN)
    metadata = dict(answer.metadata)
    raw = service.raw(
        approvals_pb2.GetRequestRequest(id=str(metadata["sealbook-request"])).SerializeToString(),
        "/sealbook.v1.Approvals/GetRequest",
    )

    assert ("FAILED_PRECONDITION", "approval-needed") == (answer.status, answer.code)
    assert "sign" == raw.message(approvals_pb2.OpenRequest).action
    assert answer.details.startswith("0 of 2 approvals, request ")
