"""What an operator does to a ledger is in the ledger: freezing it, accepting its clock."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf.message import Message

from ledger import labels
from ledger.clock import LedgerClock
from signer.v1 import operator_pb2
from tests.ledger.making import Clock
from tests.signer.asking import ORIGIN, REPOSITORY, digest, order
from tests.signer.running import InProcess, Running, running
from tests.signer.world import World
from verifier import dsse
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.note import Note
from verifier.statement import Statement


def operate(service: Running, method: str, request: Message) -> operator_pb2.EventResponse:
    """Call a method on the admin socket."""
    raw = service.operate(f"/sealbook.v1.Operator/{method}", request.SerializeToString())
    return operator_pb2.EventResponse.FromString(raw)


def code(error: grpc.RpcError) -> str:
    """Return the stable code of a refusal."""
    return str(dict(error.trailing_metadata())["sealbook-code"])


def event(service: InProcess, index: int) -> Statement:
    """Return the event at `index`, once its key and labels are seen to be right."""
    record = service.ledger.record(index)
    found = labels.of(record.entry, record.body)
    assert ["event"] == found["form"]
    assert [service.server._own.event.public.fingerprint] == found["key"]
    return Statement.parse(dsse.parse_pae(record.body)[1])


def test_freeze(world: World) -> None:
    """
    Freezing logs the event that is the last entry: signing is refused from then on, after a
    restart too, and what is there can be read and proven.
    """
    with running(world) as service:
        first = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        request = operator_pb2.FreezeRequest(origin=ORIGIN, reason="moved to ledger-2027")
        answer = operate(service, "Freeze", request)
        note = Note.parse(answer.note)
        notes.verify(note, [service.ledger.log_key])
        frozen = event(service, answer.index)

        # After the signature, and the segment of the audit trail that tells of it.
        assert (3, 4) == (answer.index, Checkpoint.parse(note.text).tree_size)
        assert "urn:sealbook:frozen" == frozen.predicate_type
        assert {"previous": None, "reason": "moved to ledger-2027"} == frozen.predicate
        assert "ledger-frozen" == service.raw(order(2).SerializeToString()).code
        again = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        assert first.record == again.record
        with pytest.raises(grpc.RpcError) as caught:
            operate(service, "Freeze", request)
        assert "ledger-frozen" == code(caught.value)
    with running(world) as service:
        assert service.ledger.head.frozen
        assert "ledger-frozen" == service.raw(order(2).SerializeToString()).code
        assert 4 == service.tree_size
        assert 1 == service.ledger.prove(1, 4).index


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (operator_pb2.FreezeRequest(origin="other.example", reason="x"), "foreign-ledger"),
        (operator_pb2.FreezeRequest(origin=ORIGIN), "bad-request"),
        (operator_pb2.FreezeRequest(origin=ORIGIN, reason="x" * 1025), "bad-request"),
    ],
    ids=["another ledger", "no reason", "long reason"],
)
def test_freezing_by_mistake(
    service: InProcess, request_: operator_pb2.FreezeRequest, refusal: str
) -> None:
    """
    Freezing names the ledger and a reason, or is refused and freezes nothing.
    """
    with pytest.raises(grpc.RpcError) as caught:
        operate(service, "Freeze", request_)

    assert refusal == code(caught.value)
    assert not service.ledger.head.frozen


def test_nobody_else_freezes(service: InProcess) -> None:
    """
    Freezing and accepting a clock are for operators, not for who may sign.
    """
    for method in ("Freeze", "AcceptClock"):
        answer = service.raw(b"", f"/sealbook.v1.Operator/{method}")
        assert "permission-denied" == answer.code


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_accept_clock(world: World, step_s: int) -> None:
    """
    A clock that leaps stops signing until an operator accepts it, which is logged; times of
    entries never go back meanwhile.
    """
    clock = Clock()
    boot = Clock()
    with running(
        world, lambda service: setattr(service.ledger, "_clock", _held(clock, boot))
    ) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        before = service.ledger.head.time
        clock.now += step_s
        assert "clock-jumped" == service.raw(order(2).SerializeToString()).code
        answer = operate(service, "AcceptClock", operator_pb2.AcceptClockRequest(reason="NTP"))
        accepted = event(service, answer.index)
        service.asking(lambda client: client.sign(digest(2), REPOSITORY))
        times = [row.time for row in service.ledger.store.rows(0, 10)]

        assert "urn:sealbook:clock-accepted" == accepted.predicate_type
        assert {
            "last": before,
            "now": int(clock.now),
            "previous": None,
            "reason": "NTP",
        } == accepted.predicate
        assert sorted(times) == times
        assert 4 == len(times)
        clock.now -= 2 * step_s  # accepted once is not accepted for ever
        assert "clock-jumped" == service.raw(order(3).SerializeToString()).code


def _held(clock: Clock, boot: Clock) -> LedgerClock:
    clock.now = boot.now = time.time()
    return LedgerClock(clock, boot)


def test_events_name_the_last_of_their_kind(world: World) -> None:
    """
    Each event says which the last one of its kind was, so that none can be left out unseen.
    """
    with running(world) as service:
        request = operator_pb2.AcceptClockRequest(reason="again")
        indices = [operate(service, "AcceptClock", request).index for _ in range(3)]
        previous = [event(service, index).predicate["previous"] for index in indices]

        assert [1, 2, 3] == indices
        assert [None, 1, 2] == previous
