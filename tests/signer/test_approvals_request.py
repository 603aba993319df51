"""The canonical request has one spelling; what is open is bounded, and fair to who asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import DamagedError, QueueFullError
from signer.approvals.control import Control
from signer.approvals.logged import EVENT, Approval
from signer.approvals.persons import Person, Persons
from signer.approvals.protection import Protection, Rule
from signer.approvals.request import LIFETIME_S, MOST_REQUEST, Asked, Request
from signer.approvals.requests import MOST_OPEN, Requests
from signer.errors import ApprovalNeededError, RequesterNeededError, UnknownApproverError
from signer.events import signed_event
from signer.keys.memory import MemoryKey
from tests.ledger.making import ledger_over, memory_store
from verifier._strict import Fields, canonical_json
from verifier.errors import LimitError, SealbookError, VerificationError
from verifier.repository import Repository, Scope

ORIGIN = "ledger.example"
NOW = 1_795_000_000
WHERE = Repository("registry.bank/payments/app")
LITERAL = (
    b'{"action":"sign","expires":"2026-11-26T05:00:00Z","keys":["release"],'
    b'"origin":"ledger.example","repositories":["registry.bank/payments/app"],'
    b'"requester":"urn:sealbook:token#loopback","type":"urn:sealbook:request:v1",'
    b'"what":{"items":[{"digest":"sha256:9f86"}]}}'
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: "\0" not in text
)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
requests = st.builds(
    Request,
    st.just(ORIGIN),
    st.builds(
        Asked,
        names,
        texts,
        st.lists(st.just(WHERE), max_size=2).map(tuple),
        st.lists(names, max_size=3).map(tuple),
        st.dictionaries(names, values, max_size=4),
    ),
    st.integers(0, 2**34),
)


def asked(n: int = 1, requester: str = "urn:test#ci") -> Asked:
    """Return the wish of somebody to have image `n` signed."""
    return Asked("sign", requester, (WHERE,), ("release",), {"image": n})


def test_literal() -> None:
    """
    The example of the documentation parses, and prints as it stands.
    """
    assert LITERAL == Request.parse(LITERAL).canonical()


@given(requests)
def test_round_trip(request: Request) -> None:
    """
    Whatever is printed parses to the same request, with the same id.
    """
    parsed = Request.parse(request.canonical())

    assert (request, request.id) == (parsed, parsed.id)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b'"action"', b' "action"'),
        lambda data: data.replace(b'"keys":["release"],', b""),
        lambda data: data.replace(b'"keys":["release"]', b'"keys":"release"'),
        lambda data: data.replace(b'"keys":["release"]', b'"keys":[1]'),
        lambda data: data.replace(b'"keys"', b'"keys":[],"keys"'),
        lambda data: data.replace(b"request:v1", b"request:v2"),
        lambda data: data.replace(b"05:00:00Z", b"05:00:00+00:00"),
        lambda data: data.replace(b'"what":{', b'"what":[{').replace(b"]}}", b"]}]}"),
        lambda data: data.replace(b"9f86", b"\\u0039f86"),
        lambda data: data.replace(b"registry.bank/", b"Registry.bank/"),
        lambda data: data[:-1] + b',"z":1}',
        lambda data: data.replace(b'"sha256:9f86"', b"1.5"),
        lambda data: data + b"\n",
        lambda data: data[:-1],
    ],
)
def test_other_spellings(change: Any) -> None:
    """
    A request that is spelt in any other way is none: two byte strings never are one request.
    """
    changed = change(LITERAL)
    assert changed != LITERAL

    with pytest.raises(VerificationError):
        Request.parse(changed)


def test_too_long() -> None:
    """
    A request that nobody could read is refused, whoever prints it.
    """
    long = Request(ORIGIN, asked()._replace(what={"x": "y" * MOST_REQUEST}), NOW)

    with pytest.raises(LimitError):
        long.canonical()
    with pytest.raises(LimitError):
        Request.parse(canonical_json(long.json()))


class Desk:
    """Two persons, a ledger, and a clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOW
        self.keys = {name: MemoryKey.generate("ed25519") for name in ("alice", "bob")}
        self.event = MemoryKey.generate("ecdsa-p256")
        self.ledger = ledger_over(memory_store())
        self.persons = Persons(Person(name, key.public) for name, key in self.keys.items())
        self.protection = Protection([Rule(1, Scope("registry.bank"))], 1)
        self.requests = self.open()
        self.control = Control(self.protection, self.persons, self.requests)

    def open(self) -> Requests:
        """Open what is known, as a service does that starts."""
        return Requests(self.ledger, self.persons, self.protection, now=lambda: self.now)

    def approve(self, request: Request, name: str, key: str = "", **more: Any) -> None:
        """Have an approval in the ledger, and read it."""
        signer = self.keys[key or name]
        approval = Approval(request, name, signer.public.hint, signer.sign(request.message))
        self.log(approval._replace(**more))
        self.requests.refresh()

    def log(self, approval: Approval) -> None:
        """Append the event of an approval."""
        last = self.ledger.store.last("predicate_type", f"urn:sealbook:{EVENT}")
        event = signed_event(EVENT, ORIGIN, self.event, approval.predicate(), last)
        [answer] = self.ledger.append([event])
        assert not isinstance(answer, SealbookError)


def test_what_the_ledger_shows_is_not_believed() -> None:
    """
    An event in the ledger counts no further than the person's own signature: one by another
    key, over another request, or of another ledger does not, nor of somebody unknown.
    """
    desk = Desk()
    standing = desk.requests.ask(asked())
    request, other = standing.request, desk.requests.ask(asked(2)).request
    alice = desk.keys["alice"]
    for wrong in (
        {"name": "alice", "key": "bob"},
        {"name": "alice", "key": "bob", "person": "alice"},
        {"name": "alice", "signature": alice.sign(other.message)},
        {"name": "alice", "key": "bob", "signature": alice.sign(request.message)},
        {"name": "alice", "person": "mallory"},
    ):
        desk.approve(request, **wrong)  # type: ignore[arg-type]
        assert () == desk.requests.named(standing.id).approved_by
    elsewhere = request._replace(origin="other.example")
    desk.approve(elsewhere, "alice")
    assert elsewhere.id not in [one.id for one in desk.requests.all()]
    far = request._replace(expires=NOW + LIFETIME_S + 1)
    desk.approve(far, "alice")
    assert far.id not in [one.id for one in desk.requests.all()]
    desk.approve(request, "alice")

    assert ("alice",) == desk.requests.named(standing.id).approved_by
    assert ("alice",) == desk.open().named(standing.id).approved_by


def test_first_of_the_hour() -> None:
    """
    A service that starts counts the approvals of the last hour, from the very first.
    """
    desk = Desk()
    standing = desk.requests.ask(asked())
    desk.approve(standing.request, "alice")
    desk.approve(standing.request, "bob")
    assert 2 == desk.ledger.head.tree_size

    assert {"alice": 0, "bob": 1} == desk.open().named(standing.id).signed_by


def test_expiry_is_exact() -> None:
    """
    A request is open until its last second, and gone with the next, approvals and all.
    """
    desk = Desk()
    standing = desk.requests.ask(asked())
    desk.approve(standing.request, "alice")
    desk.now += LIFETIME_S - 1
    assert desk.requests.ask(asked()).granted
    desk.now += 1
    fresh = desk.requests.ask(asked())

    assert (False, ()) == (fresh.granted, fresh.approved_by)
    assert fresh.id != standing.id
    assert [fresh.id] == [one.id for one in desk.requests.all()]


def test_room() -> None:
    """
    Whoever asks for too much loses the oldest of their own requests; what somebody approved
    stays, and so do the requests of who asks for little.
    """
    desk = Desk()
    quiet = desk.requests.ask(asked(0, "urn:test#quiet"))
    signed = desk.requests.ask(asked(1))
    desk.approve(signed.request, "alice")
    desk.now += 1
    oldest = desk.requests.ask(asked(2))
    desk.now += 1
    for n in range(3, MOST_OPEN + 10):
        desk.requests.ask(asked(n))
    open_ = {one.id for one in desk.requests.all()}

    assert MOST_OPEN == len(open_)
    assert {quiet.id, signed.id} <= open_
    assert oldest.id not in open_
    again = desk.requests.ask(asked(2))
    assert again.id != oldest.id


def test_no_room() -> None:
    """
    When each open request has somebody's approval nothing more is opened, and nothing is lost.
    """
    desk = Desk()
    for n in range(MOST_OPEN):
        request = desk.requests.ask(asked(n)).request
        key = desk.keys["alice"]
        desk.log(Approval(request, "alice", key.public.hint, key.sign(request.message)))
    desk.requests.refresh()

    with pytest.raises(QueueFullError):
        desk.requests.ask(asked(MOST_OPEN))
    assert MOST_OPEN == len(desk.requests.all())
    assert desk.requests.ask(asked(0)).granted


def change(desk: Desk, requester: str = "alice", **what: Any) -> str:
    """Ask for a change of keys, and return the request that needs approvals, or nothing."""
    try:
        desk.control.check_key_change("key-rotate", requester, {"after": 4, **what})
    except ApprovalNeededError as e:
        return e.request
    return ""


def test_key_change() -> None:
    """
    A change of keys needs the signature of who asks and another person's approval: one person
    is never both, and what is asked for in somebody's name waits for their signature.
    """
    desk = Desk()
    id_ = change(desk)
    request = desk.requests.named(id_).request
    assert "urn:sealbook:person#alice" == request.asked.requester
    desk.approve(request, "alice")
    standing = desk.requests.named(id_)
    assert ((), "") == (standing.approved_by, standing.unsigned)
    assert id_ == change(desk)
    desk.approve(request, "bob")
    assert "" == change(desk)
    assert "" != change(desk, "bob")
    assert "" != change(desk, after=5)


def test_key_change_in_somebodys_name() -> None:
    """
    Who opens the admin socket cannot ask in another's name: without their signature it waits.
    """
    desk = Desk()
    id_ = change(desk, "bob")
    desk.approve(desk.requests.named(id_).request, "alice")
    with pytest.raises(ApprovalNeededError) as caught:
        desk.control.check_key_change("key-rotate", "bob", {"after": 4})

    assert "1 of 1 approvals, and bob, who asks, has not signed" in caught.value.message
    with pytest.raises(RequesterNeededError):
        desk.control.check_key_change("key-rotate", "", {"after": 4})
    with pytest.raises(UnknownApproverError):
        desk.control.check_key_change("key-rotate", "mallory", {"after": 4})


def test_off() -> None:
    """
    Where nothing is configured nobody is asked, not even who asks.
    """
    control = Control.off()
    control.check_key_change("key-rotate", "", {})
    control.check("sign", "urn:test#ci", [WHERE], ["release"], dict)

    assert not control.wants("sign", [], [])


def test_events_read_back() -> None:
    """
    An approval's predicate reads back as it was, and a request that is not the named one is none.
    """
    desk = Desk()
    request = desk.requests.ask(asked()).request
    approval = Approval(request, "alice", "hint", b"signature")
    said = json.loads(canonical_json(approval.predicate()))
    assert approval == Approval.read(Fields(said, "predicate"))
    said["request"]["action"] = "attest"
    with pytest.raises(VerificationError):
        Approval.read(Fields(said, "predicate"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said.update(signature="AAAA" * 4096),
        lambda said: said.update(signature="?"),
        lambda said: said.update(more=1),
        lambda said: said.pop("person"),
        lambda said: said["request"].pop("what"),
        lambda said: said["request"].update(more=1),
        lambda said: said["request"].update(type="urn:sealbook:request:v2"),
    ],
    ids=["long signature", "no signature", "more", "less", "no request", "more of it", "later"],
)
def test_event_that_cannot_be_read(spoil: Any) -> None:
    """
    An event of the kind that is none keeps the service from starting: what was approved is
    not guessed.
    """
    desk = Desk()
    request = desk.requests.ask(asked()).request
    said = json.loads(canonical_json(Approval(request, "alice", "hint", b"x").predicate()))
    spoil(said)
    [answer] = desk.ledger.append([signed_event(EVENT, ORIGIN, desk.event, said, None)])
    assert not isinstance(answer, SealbookError)

    with pytest.raises(DamagedError):
        desk.requests.refresh()
    with pytest.raises(DamagedError):
        desk.open()


def test_event_that_is_missing() -> None:
    """
    Each approval names the last one, so that none can be left out unseen.
    """
    desk = Desk()
    request = desk.requests.ask(asked()).request
    desk.approve(request, "alice")
    approval = Approval(request, "bob", "hint", b"x")
    desk.ledger.append([signed_event(EVENT, ORIGIN, desk.event, approval.predicate(), None)])

    with pytest.raises(DamagedError):
        desk.requests.refresh()
