"""Publishing what others must have seen first: witnesses, and a mirror."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ledger.anchor import Anchor
from ledger.answer import Appended
from ledger.errors import WitnessAheadError
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.opening import Home, open_ledger
from tests.ledger.making import KEYS, entries, entry, grow, prove_all, refused
from tests.ledger.publishing import (
    Asking,
    StandInWitness,
    down,
    eventually,
    published_file,
)
from tests.ledger.sequencing import IN_TIME, soon
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.merkle import EMPTY_ROOT
from verifier.note import Note


def three() -> list[StandInWitness]:
    """Return three witnesses that answer."""
    return [StandInWitness(name) for name in ("a", "b", "c")]


def witnessed(ledger: Ledger, witnesses: list[StandInWitness]) -> set[str]:
    """Return who cosigned what is published, each signature checked."""
    note = Note.parse(ledger.published.note)
    notes.verify(note, [ledger.log_key])
    return {key.name for key in notes.verify(note, [w.note_key for w in witnesses])}


def test_quorum(home: Home) -> None:
    """
    An append is answered once two of three witnesses have seen its tree, one of them being down,
    and the checkpoint that proves it bears their signatures.
    """
    witnesses = [*three()[:2], down("c")]
    with Asking(home, witnesses, least=2) as asking:

        async def run() -> list[object]:
            return await soon(*(asking.sequencer.append([entry(i)]) for i in range(50)))

        answers = asyncio.run(run())

        assert list(range(1, 51)) == prove_all(answers)
        for answer in answers:
            assert isinstance(answer, Appended)
            signed = Note.parse(answer.published.note)
            assert 2 == len(notes.verify(signed, [w.note_key for w in witnesses]))
        assert {"a.example", "b.example"} == witnessed(asking.ledger, witnesses)


def test_nothing_is_shown_before_the_quorum(home: Home) -> None:
    """
    While the quorum is missing the entry is durable, and no reader sees it; then it is answered.
    """
    witness = StandInWitness("a")
    with Asking(home, [witness], least=1) as asking:
        assert eventually(lambda: "a.example" in asking.ledger.published.note)
        witness.gate.clear()

        async def run() -> list[object]:
            future = asking.sequencer.append([entry(0)])
            await asyncio.to_thread(eventually, lambda: len(witness.asked) > 1)
            assert (2, 1) == (asking.ledger.head.tree_size, size(asking.ledger))
            assert not future.done()
            refused("unknown-entry", lambda: asking.ledger.prove(1, 2))
            witness.gate.set()
            return await soon(future)

        assert [1] == prove_all(asyncio.run(run()))
        assert 2 == size(asking.ledger)


def test_without_the_quorum_in_time(home: Home) -> None:
    """
    Without the quorum in time the caller is refused, with the index of the entry that is kept;
    who asks again once the witnesses are back gets that entry.
    """
    witnesses = [StandInWitness("a"), down("b")]
    with Asking(home, witnesses, least=2, deadline_s=0.3) as asking:

        async def append() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        [answer] = asyncio.run(append())
        assert ("witness-quorum", True) == (answer.code, "entry 1 is durable" in answer.message)
        assert "witnesses 1 of 2, expected the quorum enough" in answer.message
        assert (2, 1) == (asking.ledger.head.tree_size, size(asking.ledger))
        witnesses[1].error = None
        asking.wake()
        assert eventually(lambda: size(asking.ledger) == 2)

        assert [1] == prove_all(asyncio.run(append()))
        assert 2 == asking.ledger.head.tree_size


def test_fail_open(home: Home) -> None:
    """
    A ledger that fails open publishes after the deadline with what cosignatures there are.
    """
    witnesses = [StandInWitness("a"), down("b")]
    with Asking(home, witnesses, least=2, deadline_s=0.2, fail_open=True) as asking:

        async def run() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        assert [1] == prove_all(asyncio.run(run()))
        assert {"a.example"} == witnessed(asking.ledger, witnesses)


def test_a_slow_witness_holds_nobody_up(home: Home) -> None:
    """
    A witness that takes its time is not waited for once the others suffice, nor asked twice.
    """
    witnesses = three()
    witnesses[2].gate.clear()
    with Asking(home, witnesses, least=2) as asking:

        async def run() -> list[object]:
            first = await soon(asking.sequencer.append([entry(0)]))
            return first + await soon(asking.sequencer.append([entry(1)]))

        assert [1, 2] == prove_all(asyncio.run(run()))
        assert 1 == len(witnesses[2].asked)
        witnesses[2].gate.set()


def test_witness_that_is_ahead(home: Home) -> None:
    """
    When a witness has seen a tree of ours that we do not have, nothing is published any more:
    whoever waits is refused, whoever comes is too, and reads go on.
    """
    grow(home, 0, 3)
    witnesses = three()
    with Asking(home, witnesses, least=2) as asking:
        assert eventually(lambda: size(asking.ledger) == 4)
        witnesses[2].error = WitnessAheadError("it has a checkpoint of ours of 9 entries")
        witnesses[0].gate.clear()  # so that the quorum is not there first

        async def run(i: int) -> list[object]:
            return await soon(asking.sequencer.append([entry(i)]))

        [first] = asyncio.run(run(7))
        witnesses[0].gate.set()
        [second] = asyncio.run(run(8))

        assert ["witness-ahead"] * 2 == [first.code, second.code]
        assert ["witness-ahead"] == [alarm.code for alarm in asking.alarms]
        assert asking.publisher.alarm is asking.alarms[0]
        assert (4, 0) == (size(asking.ledger), asking.ledger.prove(0, 4).index)
        assert [] == asking.failures


def test_mirror(home: Home) -> None:
    """
    With a synchronous mirror an append is answered when the mirror holds it, and refused when it
    does not in time.
    """
    mirror = Mirrored()
    with Asking(home, [], deadline_s=0.3, mirror=mirror) as asking:

        async def append() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        [answer] = asyncio.run(append())
        assert ("mirror-behind", True) == (answer.code, "entry 1 is durable" in answer.message)
        mirror.hear(2, asking.ledger.head.tree_size)
        asking.wake()
        assert eventually(lambda: size(asking.ledger) == 2)

        assert [1] == prove_all(asyncio.run(append()))


def test_mirror_that_has_more(home: Home) -> None:
    """
    A mirror that holds more than the ledger is the sign of a rollback, and is not believed more.
    """
    mirror = Mirrored()
    refused("ledger-rollback", lambda: mirror.hear(3, 2))

    assert (0, False) == (mirror.tree_size, mirror.wait_for(1, 0.0))


def test_restart_shows_no_less(home: Home) -> None:
    """
    After a restart readers see the checkpoint that was published last, cosignatures and all,
    before any witness is asked again.
    """
    witnesses = three()
    with Asking(home, witnesses, least=3) as asking:
        asyncio.run(append_all(asking, 5))
        note = asking.ledger.published.note
    for witness in witnesses:
        witness.gate.clear()
    with open_ledger(home, KEYS, asks=True) as ledger:
        ledger.commit(entries(5, 8))
    with Asking(home, witnesses, least=3) as asking:
        assert (note, 9) == (asking.ledger.published.note, asking.ledger.head.tree_size)
        for witness in witnesses:
            witness.gate.set()
        assert eventually(lambda: size(asking.ledger) == 9)
        assert 3 == len(witnessed(asking.ledger, witnesses))


def test_asking_for_the_first_time(home: Home) -> None:
    """
    A ledger that asks for the first time goes on showing what everybody could see before; what
    comes is shown only once it is published, after a restart as well.
    """
    grow(home, 0, 3)
    with open_ledger(home, KEYS, asks=True) as ledger:
        assert 4 == size(ledger)
        ledger.commit(entries(3, 5))
        assert (6, 4) == (ledger.head.tree_size, size(ledger))
    with open_ledger(home, KEYS, asks=True) as ledger:
        assert (6, 4) == (ledger.head.tree_size, size(ledger))


def test_nothing_is_signed_before_the_mirror_has_it(home: Home) -> None:
    """
    With a synchronous mirror a tree is not even signed before the mirror holds it: nowhere, at
    no time, and not by a restart.
    """
    mirror = Mirrored()
    with Asking(home, [], deadline_s=0.3, mirror=mirror) as asking:

        async def append() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        asyncio.run(append())
        assert (2, 1) == (asking.ledger.head.tree_size, asking.ledger.signed.checkpoint.tree_size)
    with open_ledger(home, KEYS, asks=True, signs_late=True) as ledger:
        assert (2, 1) == (ledger.head.tree_size, ledger.signed.checkpoint.tree_size)
        assert 2 == ledger.sign(ledger.head).checkpoint.tree_size
        assert ledger.signed is ledger.sign(ledger.head)


@pytest.mark.parametrize("content", ["", "garbage\n", "foreign", "another", "longer"])
def test_publication_of_something_else(home: Home, content: str) -> None:
    """
    A publication file that is no checkpoint, or of another log, tree or future, is refused.
    """
    grow(home, 0, 5)
    with open_ledger(home, KEYS) as ledger:
        note = Note.parse(ledger.published.note)
        other = Checkpoint.parse(note.text)
        if content == "foreign":
            line = note.signatures[0]
            content = str(note._replace(signatures=(line._replace(signature=bytes(64)),)))
        elif content in ("another", "longer"):
            size = other.tree_size + (content == "longer")
            content = str(ledger._signatory.sign(other._replace(root=EMPTY_ROOT, tree_size=size)))
    published_file(home).write_text(content)

    refused("ledger-damaged", lambda: open_ledger(home, KEYS, asks=True))


def test_publication_never_goes_back(home: Home) -> None:
    """
    When an older tree is published after a newer one, the newer one stays.
    """
    with open_ledger(home, KEYS, asks=True) as ledger:
        old = Note.parse(ledger.signed.note)
        ledger.commit(entries(0, 3))
        ledger.publish(Note.parse(ledger.signed.note))
        ledger.publish(old)

        assert 4 == size(ledger)
    with open_ledger(home, KEYS, asks=True) as ledger:
        assert 4 == size(ledger)


def test_publication_on_a_failed_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What cannot be kept is not shown: whoever waits is refused, the service is told to end, and
    the next start demands a look at the disk.
    """
    with Asking(home, [StandInWitness("a")], least=1) as asking:
        assert eventually(lambda: "a.example" in asking.ledger.published.note)

        async def run() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        with monkeypatch.context() as patch:
            patch.setattr("ledger.publication.write_durably", _fail)
            [answer] = asyncio.run(run())
            assert eventually(lambda: len(asking.failures) > 0)

        assert "storage-failed" == answer.code
        assert ["storage-failed"] == [failure.code for failure in asking.failures]
        assert 1 == size(asking.ledger)
    refused("fsck-needed", lambda: open_ledger(home, KEYS, asks=True))


def test_bug_while_publishing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bug in publishing leaves nobody waiting, and tells the service to end.
    """
    with Asking(home, [StandInWitness("a")], least=1) as asking:
        assert eventually(lambda: "a.example" in asking.ledger.published.note)
        monkeypatch.setattr(asking.publisher, "_cosignatures", lambda *_: 1 // 0)

        async def run() -> list[object]:
            return await soon(asking.sequencer.append([entry(0)]))

        [answer] = asyncio.run(run())
        assert eventually(lambda: len(asking.failures) > 0)

        assert ("storage-failed", True) == (answer.code, "ZeroDivision" in answer.message)


def _fail(*_: object) -> None:
    raise OSError(5, "input/output error")


def test_stopping_answers_everybody(home: Home) -> None:
    """
    Whoever waits for witnesses when the service stops is told to ask again.
    """
    witness = StandInWitness("a")
    witness.gate.clear()
    with Asking(home, [witness], least=1) as asking:

        async def run() -> list[object]:
            future = asking.sequencer.append([entry(0)])
            await asyncio.to_thread(eventually, lambda: len(witness.asked) > 0)
            await asyncio.wait_for(asyncio.to_thread(asking.sequencer.stop), IN_TIME)
            return await soon(future)

        [answer] = asyncio.run(run())
        witness.gate.set()

        assert "stopping" == answer.code


def test_growth_wakes_the_mirror(home: Home) -> None:
    """
    Who waits for entries past a size is woken by the commit that brings them.
    """
    with open_ledger(home, KEYS) as ledger:
        assert not ledger.wait_past(1, 0.0)
        found: list[bool] = []
        waiter = threading.Thread(target=lambda: found.append(ledger.wait_past(1, IN_TIME)))
        waiter.start()
        ledger.append(entries(0, 1))
        waiter.join(IN_TIME)

        assert [True] == found


def test_anchor_each_second(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An anchor that moves each second is written with every commit, and synced at most that often.
    """
    synced: list[int] = []
    monkeypatch.setattr("ledger.anchor.os.fdatasync", synced.append)
    with open_ledger(home._replace(each_second=True), KEYS) as ledger:
        for i in range(20):
            ledger.append([entry(i)])
        anchor = Anchor(home.anchor, home.origin, home.database)
        mark = anchor.load()
        anchor.close()

        assert (21, ledger.head.root) == (mark.tree_size, mark.root)
        assert len(synced) < 20
    assert synced  # closing pushes to the disk what was not yet


async def append_all(asking: Asking, count: int) -> None:
    """Append images 0 to before `count`."""
    prove_all(await soon(asking.sequencer.append(entries(0, count))))


def size(ledger: Ledger) -> int:
    """Return how many entries readers may see."""
    return ledger.published.checkpoint.tree_size
