"""One entry that cannot be stored among a hundred: it fails alone. And a queue that is full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import QueueFullError
from ledger.plan import NewEntry
from ledger.seal import empty_head
from ledger.sequencer import _MAX_BYTES
from ledger.store import Store
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import KEYS, ORIGIN, GatedStore, entries, entry, memory_store, prove_all
from tests.ledger.sequencing import Service, soon
from verifier import limits

AT = 37  # of a hundred

# What each commit is planned with refuses these by itself.
PLANNED: dict[str, dict[str, Any]] = {
    "empty": {"entry": b""},
    "too long": {"entry": bytes(limits.ENTRY + 1)},
    "half a character": {"labels": {"digest": ["sha256:\ud800"]}},
    "short dedup key": {"dedup": bytes(31)},
}
# These only the store does, with everything else of the commit.
STORED: dict[str, dict[str, Any]] = {
    "no bytes": {"body": "text"},
    "no value at all": {"body": ["text"]},
}


@pytest.fixture(params=["memory", "sqlite"])
def gated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service over each kind of store, whose commits wait for the gate."""
    store: Store = memory_store()
    if request.param == "sqlite":
        head = empty_head(ORIGIN, KEYS.seal)
        store = SqliteStore.create(tmp_path / "ledger.db", ORIGIN, head)
    service = Service(GatedStore(store))
    yield service
    service.store.gate.set()
    service.sequencer.stop()
    store.close()


def poisoned(change: dict[str, Any]) -> list[NewEntry]:
    """Return a hundred entries, one of which is changed."""
    return [entry(i)._replace(**change) if i == AT else entry(i) for i in range(100)]


async def in_one_batch(gated: Service, new: list[NewEntry], together: int) -> list[Any]:
    """Append `new` so that all of it would be one commit; `together` are one caller's."""
    first = gated.sequencer.append([entry(1000)])
    await gated.wait_for_commit()
    groups = [new[i : i + together] for i in range(0, len(new), together)]
    futures = [gated.sequencer.append(group) for group in groups]
    assert len(new) == gated.sequencer.depth
    gated.store.gate.set()
    return (await soon(first, *futures))[1:]


@pytest.mark.parametrize("together", [1, 20, 100])
@pytest.mark.parametrize("change", [*PLANNED.values(), *STORED.values()], ids=[*PLANNED, *STORED])
def test_poisoned_entry(gated: Service, change: dict[str, Any], together: int) -> None:
    """
    One entry of a hundred that cannot be stored is refused alone, whoever notices it and
    whoever it came with; the others are there once, in their order, and the service goes on.
    """
    answers = asyncio.run(in_one_batch(gated, poisoned(change), together))
    refusal = answers.pop(AT)
    later = asyncio.run(again(gated))

    assert "bad-entry" == refusal.code
    assert list(range(1, 100)) == prove_all(answers)
    good = [new for i, new in enumerate(entries(0, 100)) if i != AT]
    assert [new.entry for new in good] == [answer.record.entry for answer in answers]
    assert [*range(1, AT + 1), 100, *range(AT + 1, 100)] == prove_all(later)
    assert ([], 101) == (gated.failures, gated.store.head().tree_size)


async def again(gated: Service) -> list[Any]:
    """Ask for all hundred again, this time as they should be."""
    return await soon(gated.sequencer.append(entries(0, 100)))


@pytest.mark.parametrize("kind", [*PLANNED])
def test_what_the_plan_refuses_costs_no_commit(gated: Service, kind: str) -> None:
    """
    A poisoned entry that the plan notices leaves the others in one commit.
    """
    asyncio.run(in_one_batch(gated, poisoned(PLANNED[kind]), 1))

    assert [1, 99] == gated.batches


def test_poisoned_twin(gated: Service) -> None:
    """
    A poisoned entry does not take its dedup key or its idempotency key with it: the same request,
    well made, in the same batch, is appended.
    """
    bad = entry(0, (b"key", b"request"))._replace(body="text")
    good = entry(0, (b"key", b"request"))
    refusal, answer, twin = asyncio.run(in_one_batch(gated, [bad, good, good], 1))

    assert "bad-entry" == refusal.code
    assert [1, 1] == prove_all([answer, twin])


def test_bytes_that_wait(gated: Service) -> None:
    """
    The queue is full by bytes as well as by entries, so that a few large ones cannot fill the
    memory; one that alone is larger is still taken when nothing waits.
    """
    large = bytes(_MAX_BYTES // 8)

    async def run() -> list[Any]:
        futures = [gated.sequencer.append([entry(0)])]
        await gated.wait_for_commit()
        some = [entry(i)._replace(body=large) for i in range(1, 8)]
        futures += [gated.sequencer.append([new]) for new in some]
        for _ in range(3):
            with pytest.raises(QueueFullError) as caught:
                gated.sequencer.append([entry(8)._replace(body=large)])
            assert "queue-full" == caught.value.code
        gated.store.gate.set()
        return await soon(*futures)

    assert list(range(8)) == prove_all(asyncio.run(run()))
