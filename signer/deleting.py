"""Delete a body: the main flow of an operator who has to take an attestation's content away.

1. The entry is there, published, and an attestation: approvals and events stay for good.
2. What was deleted is not logged again: the first statement answers.
3. Others agree, where changes of keys take more than one.
4. Nobody can store that very body again from here on, and who was about to has done so.
5. Each entry that has it is said to lose it, in the ledger.
6. Then it is taken away, from rows and files. What a crash leaves, the next start does.

Entry, signature and proofs stay: that something was attested, by whom, and when. In a task of
its own that the caller's cancellation does not reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import structlog

from ledger import deleting, labels
from ledger.answer import Appended
from ledger.deleting import Deletion
from ledger.errors import LedgerError, UnknownEntryError
from ledger.ledger import Ledger
from ledger.store.reading import SqliteReader
from signer.approvals.control import Control
from signer.errors import RequestError
from signer.events import Events
from signer.life.parts import Turn
from verifier import limits

ACTION = "body-delete"

log = structlog.get_logger()


class Deleting:
    """Deletes bodies, one after the other. Runs on one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        events: Events,
        control: Control,
        settle: Callable[[], Awaitable[object]],
        turn: Turn,
    ) -> None:
        """Delete in `ledger`, logged by `events`, when it is our `turn`.

        `settle` waits for what callers have under way; `control` knows what others agree to.
        """
        self._ledger = ledger
        self._store = cast("SqliteReader", ledger.store)  # what a service is opened on
        self._events = events
        self._control = control
        self._settle = settle
        self._turn = turn

    async def delete(self, index: int, reason: str, requester: str) -> Appended:
        """Return the statement by which the body of the entry at `index` is gone.

        Raises:
            UnknownEntryError, RequestError: there is no such attestation.
            ApprovalNeededError, RequesterNeededError: others have to agree.
            LedgerError: it could not be logged, and nothing is deleted; or it is not published in
                time, or a disk failed: then it is deleted at the next start.
        """
        if not 0 < len(reason.encode()) <= limits.ANNOTATION_VALUE or not reason.isprintable():
            raise RequestError(
                f"expected a reason of 1 to {limits.ANNOTATION_VALUE} bytes, in one line"
            )
        return await self._turn.take(partial(self._delete, index, reason, requester))

    async def _delete(self, index: int, reason: str, requester: str) -> Appended:
        # 1.
        name = await asyncio.to_thread(self._wanted, index)
        # 2.
        done = {one.index: at for at, one in await asyncio.to_thread(self._logged)}
        if index in done:
            await asyncio.to_thread(self._take_away, Deletion(index, name))
            return await self._events.published(done[index])
        # 3.
        what = {"entry": index, "digest": name, "reason": reason}
        self._control.check_key_change(ACTION, requester, what)
        # 4.
        self._ledger.bodies.condemn(name)
        await self._settle()
        # 5.
        events: dict[int, Appended] = {}
        try:
            for holder in await asyncio.to_thread(deleting.holders, self._store, name):
                if holder not in done:
                    claim = Deletion(holder, name, reason).claim()
                    events[holder] = await self._events.record(deleting.EVENT, claim)
        finally:
            # 6. Also of what is logged and waits for its witnesses.
            await asyncio.to_thread(self._take_away_logged, name)
        return events[index]

    def _wanted(self, index: int) -> str:
        published = self._ledger.published.checkpoint.tree_size
        if index >= published:
            raise UnknownEntryError(f"no entry at {index}, {published} are published")
        row = self._ledger.row(index)
        name = labels.body_name(row.entry)
        if name is None or not deleting.is_deletable(row):
            raise RequestError(
                f"entry {index} is no attestation, and its body stays for good",
                hint="what is wrong can be revoked: sealbook revoke",
            )
        return name

    def _logged(self) -> list[tuple[int, Deletion]]:
        return list(deleting.logged(self._store))

    def _take_away_logged(self, name: str) -> None:
        done = [one for _, one in self._logged() if one.name == name]
        for deletion in done:
            self._take_away(deletion)
        if not done:
            self._ledger.bodies.spare(name)

    def _take_away(self, deletion: Deletion) -> None:
        try:
            deleting.complete(self._store, self._ledger.bodies, deletion)
            deleting.scrub(self._store)
        except LedgerError as e:
            log.warning("a body is not deleted yet", entry=deletion.index, code=e.code)
            raise
