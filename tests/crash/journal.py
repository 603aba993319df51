"""What a service has promised, written down where no crash of the service reaches it.

A promise is an answer that arrived: a signature with its index and record, and
a signed checkpoint. `Journal.check` holds the service to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from tests.crash.caller import REPOSITORY, Caller
from tests.crash.service import Service
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.merkle import verify_consistency
from verifier.note import Note
from verifier.record import Record
from verifier.verify import Verifier

_T = TypeVar("_T")
_AT_ONCE = 64  # calls under way while checking


class Journal:
    """Everything that one service was asked for and ever answered with."""

    def __init__(self, service: Service) -> None:
        """Start empty."""
        self._log_key = service.log_key
        self._trust = service.trust
        self.asked: set[Digest] = set()
        self.signatures: dict[Digest, Record] = {}
        self.notes: dict[int, str] = {}  # by tree size
        self.events = 0  # what the ledger said of itself by the last check
        self.unproven: set[Digest] = set()  # signatures since the last check
        self._unjoined: set[int] = set()  # tree sizes since the last check

    @property
    def unanswered(self) -> set[Digest]:
        """What was asked for and never answered: the ledger may hold it or not."""
        return self.asked - self.signatures.keys()

    def acknowledge(self, digest: Digest, record: Record, note: str) -> None:
        """Write an answer down; it must be the answer that was given before, if one was."""
        known = self.signatures.setdefault(digest, record)
        assert known == record
        self.unproven.add(digest)
        self.see(note)

    def see(self, note: str) -> Checkpoint:
        """Write a checkpoint down: signed by the log's key, and the only one of its size.

        Where the trust file asks for witnesses, enough of them must have cosigned; only the
        genesis could be seen before anybody was asked.
        """
        parsed = Note.parse(note)
        notes.verify(parsed, [self._log_key])
        quorum = self._trust.quorum
        if quorum.witnesses and Checkpoint.parse(parsed.text).tree_size > 1:
            keys = notes.verify(parsed, quorum.witnesses.values())
            assert quorum.satisfied_by({n for n, key in quorum.witnesses.items() if key in keys})
        checkpoint = Checkpoint.parse(parsed.text)
        # Byte for byte: Ed25519 makes a signature that was lost in a crash again. The
        # witnesses' lines are others whenever they are asked again.
        own = [line for line in parsed.signatures if line.key_id == self._log_key.key_id]
        signed = str(parsed._replace(signatures=tuple(own)))
        known = self.notes.setdefault(checkpoint.tree_size, signed)
        assert known == signed, f"the log has split at {checkpoint.tree_size}"
        self._unjoined.add(checkpoint.tree_size)
        return checkpoint

    async def check(self, caller: Caller, *, everything: bool = False) -> None:
        """Hold the service, which is otherwise idle, to its promises.

        1. The newest checkpoint covers every one that was given out.
        2. Each acknowledged record is in the ledger at its index, byte for byte.
        3. There is one entry to a request, and none that nobody asked for.
        4. Each signature acknowledged since the last check verifies with a fresh proof.
        5. The tree grew out of each checkpoint seen since the last check.

        Earlier signatures and checkpoints follow from the last check and from the proof
        that the tree grew out of its newest checkpoint. With `everything`, 4 and 5 are
        done for all of them nevertheless.
        """
        # 1. At once after a restart already, and before any witness was asked again.
        shown = await caller.checkpoint()
        if self.notes:
            newest_given = max(self.notes)
            assert self.see(shown).tree_size >= newest_given
        await caller.settle()
        newest = self.see(await caller.checkpoint())
        assert max(self.notes) == newest.tree_size
        # 2.
        listed = await caller.entries()
        assert newest.tree_size == caller.listed
        self.events = caller.listed - len(listed)
        in_ledger = {entry.digest: entry.record for entry in listed}
        lost = {digest for digest, r in self.signatures.items() if in_ledger.get(digest) != r}
        assert not lost, f"{len(lost)} of {len(self.signatures)} acknowledged records are lost"
        # 3.
        assert len(listed) == len(in_ledger)
        assert in_ledger.keys() <= self.asked
        # 4.
        verifier = Verifier(self._trust)

        async def prove(digest: Digest) -> None:
            record = self.signatures[digest]
            proof, note = await caller.prove(record.index)
            bundle = record.bundle(proof, note, self._log_key.log_id).json()
            verified = verifier.verify(bundle, digest, REPOSITORY)
            assert (record.index, newest.tree_size) == (verified.index, verified.tree_size)

        await _for_each(self.signatures if everything else self.unproven, prove)
        self.unproven.clear()
        # 5.

        async def join(old_size: int) -> None:
            old = Checkpoint.parse(Note.parse(self.notes[old_size]).text)
            path = await caller.prove_consistency(old_size, newest.tree_size)
            verify_consistency(old_size, newest.tree_size, path, old.root, newest.root)

        await _for_each(self.notes if everything else self._unjoined, join)
        self._unjoined = {newest.tree_size}


async def _for_each(items: Iterable[_T], do: Callable[[_T], Awaitable[None]]) -> None:
    left = iter(list(items))

    async def worker() -> None:
        for item in left:
            await do(item)

    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
