"""Switch: the main flow of a key that takes its turn.

1. The version is announced, or signed before; it is neither retired nor revoked.
2. Verifiers take it for what the present one is taken for: the trust file in force lists it
   so, and has for as long as verifiers may need to hear of it.
3. Others agree, where changes of keys take more than one.
4. It is opened, and makes signatures that verify.
5. It is logged; from then on it signs, and the present one nothing new. What is under way ends
   with the key that it began with, which counts on.
6. NAME.pub is its public half.
"""

from __future__ import annotations

import asyncio
from functools import partial

from signer.errors import KeyOverlapError, KeyStandingError, KeyUntrustedError
from signer.keys import SigningKey
from signer.life import versions
from signer.life.parts import Parts
from signer.life.standing import Known
from signer.life.versions import Changed, Version
from verifier.errors import VerificationError
from verifier.repository import EVERYWHERE, Scope
from verifier.spans import span
from verifier.trust.life import ACTIVATED, Activated


class Switching:
    """Lets keys sign, one after the other. Runs on one event loop."""

    def __init__(self, parts: Parts) -> None:
        """Work with `parts`."""
        self._parts = parts

    async def switch(self, name: str, version: int, requester: str, *, now: bool) -> Changed:
        """Return once `version` of `name` signs; 0 is the one that waits.

        `now` does not wait for verifiers to hear of it.

        Raises:
            UnknownSigningKeyError, KeyStandingError: there is no such version, or it cannot.
            KeyUntrustedError, KeyOverlapError: verifiers would refuse what it signs.
            ApprovalNeededError: others have to agree.
            KeyHomeError, KeyUnavailableError, KeyFailedError, KeyBookError: it cannot be opened;
                or it signs, and its file cannot be written.
            LedgerError: it could not be logged, or is not published in time.
        """
        work = partial(self._switch, name, version, requester, now=now)
        return await self._parts.turn.take(work)

    async def _switch(self, name: str, version: int, requester: str, *, now: bool) -> Changed:
        parts = self._parts
        # 1.
        known = await asyncio.to_thread(parts.standing.refresh)
        wanted = (
            versions.find(parts, known, name, version) if version else versions.waiting(known, name)
        )
        if parts.signs(name, wanted.public):
            return await self._signs_already(wanted, known)
        if wanted.hint in known.retired or parts.in_force.is_revoked(wanted.public):
            raise KeyStandingError(f"{wanted} has ended, and signs no more")
        # 2.
        self._check_trusted(wanted, known)
        if not now:
            self._check_overlap(wanted)
        # 3.
        what = {"name": name, "version": wanted.version, "key": wanted.hint, "now": now}
        parts.control.check_key_change("key-switch", requester, what | {"after": known.last})
        # 4.
        key = await asyncio.to_thread(self._opened, wanted)
        # 5.
        activated = Activated(name, wanted.version, wanted.hint)
        try:
            event = await parts.events.record(ACTIVATED, activated.claim())
        finally:
            # Also of an event that waits for its witnesses: after a restart it would sign too.
            known = await asyncio.to_thread(parts.standing.refresh)
            if known.active.get(name) == activated:
                await self._let_sign(key, known)
            elif wanted.hint not in parts.held:
                key.close()
        return Changed(wanted, event, known=False, draft=await parts.redraft(known))

    async def _signs_already(self, wanted: Version, known: Known) -> Changed:
        at = known.active_at.get(wanted.name)
        if at is None:
            raise KeyStandingError(f"{wanted} signs already, as it was configured")
        event = await self._parts.events.published(at)
        return Changed(wanted, event, known=True, draft=await self._parts.redraft(known))

    def _check_trusted(self, wanted: Version, known: Known) -> None:
        trust, tree_size = self._parts.live.root, self._parts.ledger.head.tree_size
        try:
            listed = trust.key(wanted.hint, wanted.purpose)
        except VerificationError as e:
            raise KeyUntrustedError(f"verifiers would refuse {wanted}: {e.message}") from e
        if not listed.valid_at(tree_size):
            raise KeyUntrustedError(f"{wanted} does not count at {tree_size} by the trust file")
        for scope in self._scope(wanted, known):
            if not any(_covers(wider, scope) for wider in listed.scope):
                raise KeyUntrustedError(f"the trust file does not let {wanted} speak of {scope}")

    def _scope(self, wanted: Version, known: Known) -> tuple[Scope, ...]:
        """Return where it has to be trusted: where the present one is, or where it wants to be."""
        present = self._parts.ring.keys.get(wanted.name)
        listed = self._parts.live.root.keys.get(present.public.hint) if present else None
        if listed is not None:
            return listed.scope
        announced = known.announced.get(wanted.hint)
        return announced.announcement.scope if announced else ()

    def _check_overlap(self, wanted: Version) -> None:
        live, overlap_s = self._parts.live, self._parts.config.signing.overlap_s
        age_s = self._parts.ledger.clock.now() - live.since(live.root.keys[wanted.hint])
        if age_s < overlap_s:
            raise KeyOverlapError(
                f"{wanted} is trusted for {span(int(max(0.0, age_s)))}, "
                f"and verifiers may take {span(int(overlap_s))} to hear of it"
            )

    def _opened(self, wanted: Version) -> SigningKey:
        held = self._parts.held.get(wanted.hint)
        if held is not None and held.healthy:
            return held
        if held is not None:
            self._parts.held.pop(wanted.hint).close()
        opening = self._parts.opening
        trust = self._parts.live.root
        return opening.version(wanted.name, wanted.version, wanted.hint, wanted.purpose, trust)

    async def _let_sign(self, key: SigningKey, known: Known) -> None:
        parts = self._parts
        present = parts.ring.keys.get(key.name)
        parts.held.pop(key.public.hint, None)
        keys = dict(parts.ring.keys)
        keys[key.name] = key  # in its old place
        key.earlier = versions.earlier(known, parts.live.root, key)
        if present is not None:
            parts.held[present.public.hint] = present
        parts.ring.swap(keys.values())
        # 6.
        if present is not None:
            await parts.write_public(f"{key.name}-{present.version}.pub", present.public)
        await parts.write_public(f"{key.name}.pub", key.public)


def _covers(wider: Scope, scope: Scope) -> bool:
    return wider == EVERYWHERE or f"{scope}/".startswith(f"{wider}/")
