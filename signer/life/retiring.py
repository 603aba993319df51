"""Retire: the main flow of a key that has had its time.

1. The version signs no more: callers get another one, or it is wanted in spite of that.
2. Others agree, where changes of keys take more than one.
3. Nobody new gets it. What is under way ends; then the key refuses; then what had just been
   signed ends too.
4. Now it has signed its last entry, and the tree's size is where it ends. That is logged.
5. The draft of the next trust file says so.
"""

from __future__ import annotations

import asyncio
from functools import partial

from signer.errors import KeyStandingError, RequestError
from signer.keys import SigningKey
from signer.life import versions
from signer.life.parts import Parts
from signer.life.versions import Changed
from verifier import limits
from verifier.trust.life import RETIRED, Retired


class Retiring:
    """Retires keys, one after the other. Runs on one event loop."""

    def __init__(self, parts: Parts) -> None:
        """Work with `parts`."""
        self._parts = parts

    async def retire(
        self, name: str, version: int, reason: str, requester: str, *, active_too: bool
    ) -> Changed:
        """Return once `version` of `name` has signed its last entry; 0 is the only one replaced.

        Raises:
            UnknownSigningKeyError, KeyStandingError, RequestError: there is no such version, or
                it signs, and was not said to be wanted in spite of that.
            ApprovalNeededError: others have to agree.
            KeyBookError: it is retired, and the draft cannot be written.
            LedgerError: it could not be logged, or is not published in time.
        """
        if not 0 < len(reason.encode()) <= limits.ANNOTATION_VALUE or not reason.isprintable():
            raise RequestError(
                f"expected a reason of 1 to {limits.ANNOTATION_VALUE} bytes, in one line"
            )
        work = partial(self._retire, name, version, reason, requester, active_too=active_too)
        return await self._parts.turn.take(work)

    async def _retire(
        self, name: str, version: int, reason: str, requester: str, *, active_too: bool
    ) -> Changed:
        parts = self._parts
        # 1.
        known = await asyncio.to_thread(parts.standing.refresh)
        wanted = (
            versions.find(parts, known, name, version)
            if version
            else versions.replaced(parts, known, name)
        )
        if wanted.hint in known.retired:
            event = await parts.events.published(known.retired_at[wanted.hint])
            return Changed(wanted, event, known=True, draft=await parts.redraft(known))
        signs = parts.signs(wanted.name, wanted.public)
        if signs is not None and not active_too:
            raise KeyStandingError(
                f"{wanted} is the one that signs",
                hint="let another one sign first; or --force: then nobody can ask for the name",
            )
        # 2.
        what = {"name": name, "version": wanted.version, "key": wanted.hint, "reason": reason}
        what |= {"active_too": active_too, "after": known.last}
        parts.control.check_key_change("key-retire", requester, what)
        # 3.
        if signs is not None:
            parts.held[wanted.hint] = signs
            parts.ring.swap(key for key in parts.ring.keys.values() if key is not signs)
        held = parts.held.get(wanted.hint)
        await parts.settle()
        if held is not None:
            held.ended = True
            await parts.settle()
        # 4.
        end = parts.ledger.head.tree_size
        retired = Retired(name, wanted.version, wanted.hint, end, reason)
        try:
            event = await parts.events.record(RETIRED, retired.claim())
        finally:
            known = await asyncio.to_thread(parts.standing.refresh)
            if wanted.hint in known.retired:
                parts.held.pop(wanted.hint, None)
            elif held is not None:
                self._take_back(held, signs)
        # 5.
        if held is not None:
            held.close()
        return Changed(wanted, event, known=False, draft=await parts.redraft(known))

    def _take_back(self, held: SigningKey, signs: SigningKey | None) -> None:
        """Let a key go on as before: nothing was logged."""
        held.ended = False
        if signs is not None:
            self._parts.held.pop(signs.public.hint)
            self._parts.ring.swap([*self._parts.ring.keys.values(), signs])
