"""Twenty readers beside one writer: whatever a reader gets fits one checkpoint, and only that."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.crash import folding
from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import Service
from tests.crash.witnesses import Witnesses
from tests.ledger import foreign
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.merkle import hash_leaf, verify_consistency, verify_inclusion
from verifier.note import Note

PROVING, JOINING, TILES = 10, 6, 4  # readers of each kind
BATCH = 24
FOLDING = (sys.executable, "-m", "tests.crash.folding")
PAGE = 4096 + 24  # bytes, in the write-ahead log
# A commit of BATCH writes some forty pages, and a few commits may come while a reader reads:
# the more often, the longer this lasts. All commits together write many times as many.
FEW_PAGES, MANY_PAGES = 40 * folding.PAGES, 200 * folding.PAGES


class Library:
    """What the writer has acknowledged, for the readers to ask about."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.journal = Journal(service)
        self.entries: dict[int, bytes] = {}
        self.dice = random.Random(seed)
        self.over = asyncio.Event()
        self.reads = dict.fromkeys(("proofs", "joins", "judgements"), 0)

    def checkpoint(self, note: str, least: int) -> Checkpoint:
        """Return the signed checkpoint in `note`, which has at least so many entries."""
        parsed = Note.parse(note)
        notes.verify(parsed, [self.service.log_key])
        checkpoint = self.journal.see(note)
        assert least <= checkpoint.tree_size, "the tree has shrunk before a reader's eyes"
        return checkpoint

    async def write(self, caller: Caller) -> None:
        """Have one batch after the other signed."""
        for n in itertools.count():
            digests = [Digest.of(b"%d of %d" % (i, n)) for i in range(BATCH)]
            self.journal.asked.update(digests)
            answers = await caller.sign_batch(digests)
            for digest, answer in zip(digests, answers, strict=True):
                self.journal.acknowledge(digest, answer.record, answer.note)
                self.entries[answer.record.index] = answer.record.entry
                leaf = hash_leaf(answer.record.entry)
                root = Checkpoint.parse(Note.parse(answer.note).text).root
                verify_inclusion(leaf, answer.proof, root)
            if self.over.is_set():
                return

    async def prove(self, caller: Caller) -> None:
        """Ask for proofs of entries that are acknowledged, old and just made."""
        seen = 0
        while not self.over.is_set():
            indices = list(self.entries) or [0]
            index = self.dice.choice([indices[-1], self.dice.choice(indices)])
            if index not in self.entries:
                await asyncio.sleep(0.01)
                continue
            proof, note = await caller.prove(index)
            checkpoint = self.checkpoint(note, max(seen, index + 1))
            assert proof.tree_size == checkpoint.tree_size
            verify_inclusion(hash_leaf(self.entries[index]), proof, checkpoint.root)
            seen = checkpoint.tree_size
            self.reads["proofs"] += 1

    async def join(self, caller: Caller) -> None:
        """Ask for the newest checkpoint, and for the proof that it grew out of the last one."""
        old = self.checkpoint(await caller.checkpoint(), 1)
        while not self.over.is_set():
            new = self.checkpoint(await caller.checkpoint(), old.tree_size)
            path = await caller.prove_consistency(old.tree_size, new.tree_size)
            verify_consistency(old.tree_size, new.tree_size, path, old.root, new.root)
            # Now and then from the very first one: other tiles take part in that.
            old = self.dice.choice([new, new, new, old])
            self.reads["joins"] += 1

    async def judge(self, _: Caller) -> None:
        """Read checkpoint, tiles and entry bundles over HTTP as a stranger's tool does."""
        await asyncio.to_thread(self._judge)

    def _judge(self) -> None:
        fetch = foreign.over_http(self.service.addresses.http)
        seen = 0
        while not self.over.is_set():
            log = foreign.Log(fetch, str(self.service.log_key))
            assert seen <= log.head.size
            found = foreign.judge(log, random.Random(seen))
            assert all(found[i] == entry for i, entry in self.acknowledged(log.head.size))
            seen = log.head.size
            self.reads["judgements"] += 1

    def acknowledged(self, size: int) -> list[tuple[int, bytes]]:
        """Return what was acknowledged below `size`, as far as that is known by now."""
        # A copy is one step; a list of the items is not, beside a thread that adds some.
        return [(i, entry) for i, entry in self.entries.copy().items() if i < size]


async def read_and_write(library: Library, seconds: float) -> None:
    """Run the writer and all readers for so long; none may fail, and each must get through."""
    kinds: list[Callable[[Caller], Coroutine[Any, Any, None]]] = [
        library.write,
        *[library.prove] * PROVING,
        *[library.join] * JOINING,
        *[library.judge] * TILES,
    ]
    async with Caller(library.service) as caller:
        await caller.settle()

        async def alone(work: Callable[[Caller], Awaitable[None]]) -> None:
            async with Caller(library.service) as own:
                try:
                    await work(own)
                finally:
                    library.over.set()

        async with asyncio.TaskGroup() as group:
            for work in kinds:
                group.create_task(alone(work))
            await asyncio.wait({asyncio.create_task(library.over.wait())}, timeout=seconds)
            library.over.set()
        await library.journal.check(caller)


@pytest.mark.parametrize(
    ("seconds", "pages"),
    [
        (4, FEW_PAGES),
        pytest.param(300, MANY_PAGES, marks=[pytest.mark.soak, pytest.mark.timeout(1200)]),
    ],
)
def test_readers_beside_a_writer(tmp_path: Path, seconds: float, pages: int) -> None:
    """
    While a writer appends, every proof, checkpoint, tile and entry bundle that twenty readers
    get over gRPC and HTTP fits one signed checkpoint, no reader sees the tree shrink, and none
    of them keeps the write-ahead log from being copied.
    """
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with Service(tmp_path / "service") as service:
        service.start(FOLDING)
        library = Library(service, seed)
        asyncio.run(read_and_write(library, seconds))
        home = service.config.home
        log = home.database.with_name("ledger.db-wal").lstat().st_size
        print(library.reads, len(library.entries), "entries", log // PAGE, "pages in the log")
        assert 0 == service.stop()

    assert min(library.reads.values()) > 5, "hardly any reader got through: this proves little"
    assert len(library.entries) > 10 * BATCH
    assert log <= pages * PAGE


def test_readers_beside_witnesses(tmp_path: Path) -> None:
    """
    The same where witnesses must have seen a tree before readers do: none sees more than that.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        service.start()
        library = Library(service, 7)
        asyncio.run(read_and_write(library, 2))
        assert 0 == service.stop()
        assert [] == witnesses.failures

    assert min(library.reads.values()) > 2
