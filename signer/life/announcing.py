"""Announce: the main flow of a key that is new here, made by `create` and `rotate`, or imported.

1. The name is free, or signs something already: then it is the next version of that, for the
   same. A version that waits to be put to use is the answer, and no second one is made.
2. Others agree, where changes of keys take more than one.
3. The key is made in its home, or opened. What a crash left of the same call is opened again.
4. It is a new key, of an algorithm that everyone takes for what it is to make. If the roots
   have listed it already, then as this.
5. It proves the announcement; and so does the version that it replaces, if that still can.
6. The book says where it lives: before the ledger hears of it, so that no key is announced
   that nobody finds again.
7. It is logged. Until it is put to use it signs nothing.
8. Its public half is a file, and the draft of the next trust file lists it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import NamedTuple

from ledger.answer import Appended
from signer.errors import KeyStandingError
from signer.keys import CheckedKey, SigningKey, create_key, open_key
from signer.keys.home import Role
from signer.keys.messages import Announcing as Message
from signer.life.book import Row
from signer.life.parts import Parts
from signer.life.standing import Announced, Known
from signer.life.wanting import Before, Plan, Wanted
from verifier.publickey import PublicKey
from verifier.trust.life import ADDED, MOST_ATTRIBUTES, Added, Announcement


class Published(NamedTuple):
    """An announcement, the event that logs it, and where the draft is that lists it, if any."""

    announced: Announced
    event: Appended
    draft: str


class Announcing:
    """Announces keys, one after the other. Runs on one event loop."""

    def __init__(self, parts: Parts) -> None:
        """Work with `parts`."""
        self._parts = parts

    async def announce(self, wanted: Wanted) -> Published:
        """Return once what is `wanted` is announced.

        Raises:
            RequestError, UnknownSigningKeyError, KeyStandingError, VerificationError: it cannot
                be wanted.
            ApprovalNeededError: others have to agree.
            KeyHomeError, KeyUnavailableError, KeyFailedError: the key cannot be made or used.
            KeyBookError: the book cannot be written, and nothing was logged; or the draft cannot.
            LedgerError: it could not be logged, or is not published in time.
        """
        return await self._parts.turn.take(partial(self._announce, wanted))

    async def _announce(self, wanted: Wanted) -> Published:
        parts = self._parts
        # 1.
        known = await asyncio.to_thread(parts.standing.refresh)
        waiting = known.waiting(wanted.name)
        is_new = waiting is not None and waiting.announcement.version == 1
        if waiting is not None and (is_new or wanted.rotates is not False):
            return await self._again(wanted, waiting, known)
        plan = Plan.of(wanted, Before.of(wanted.name, parts, known))
        if wanted.made:
            self._check_free(plan, None)
        # 2.
        what = plan.told() | {"after": known.last}
        parts.control.check_key_change(wanted.action, wanted.requester, what)
        # 3.
        opened = await asyncio.to_thread(self._opened, wanted, plan)
        key = parts.opening.signing(plan.name, plan.version, opened, plan.purpose, plan.forms)
        try:
            # 4.
            parts.control.refuse_persons([key.public])
            plan = plan._replace(version=self._version(plan, key.public, known))
            key.version = plan.version
            # 5.
            added = await self._proven(plan, key, opened)
            # 6.
            place = opened.attributes.get("uri", plan.uri)
            row = Row(key.public.hint, plan.name, plan.version, place, plan.forms)
            await asyncio.to_thread(parts.book.add, row)
        except BaseException:
            key.close()
            raise
        parts.held[key.public.hint] = key
        # 7.
        try:
            event = await parts.events.record(ADDED, added.claim())
        finally:
            # 8. Also of an event that waits for its witnesses.
            known = await asyncio.to_thread(parts.standing.refresh)
            if key.public.hint in known.announced:
                await parts.write_public(f"{plan.name}-{plan.version}.pub", key.public)
            else:
                parts.held.pop(key.public.hint).close()
            draft = await parts.redraft(known)
        return Published(Announced(added.announcement, event.record.index), event, draft)

    async def _again(self, wanted: Wanted, waiting: Announced, known: Known) -> Published:
        """Answer with what was announced, if it can be what is wanted."""
        row = self._parts.book.find(waiting.announcement.public.hint)
        if wanted.uri and (row is None or wanted.uri != row.uri):
            raise KeyStandingError(
                f"version {waiting.announcement.version} of key {wanted.name} is announced "
                "already, and does not sign yet",
                hint="let it sign (--switch), or retire it, before there is another one",
            )
        event = await self._parts.events.published(waiting.index)
        return Published(waiting, event, await self._parts.redraft(known))

    def _opened(self, wanted: Wanted, plan: Plan) -> CheckedKey:
        base, role = self._parts.config.base, Role(plan.name, plan.purpose)
        this = (plan.name, plan.version, plan.uri)
        left_over = any((r.name, r.version, r.uri) == this for r in self._parts.book.rows())
        if not wanted.made or left_over:
            return open_key(plan.uri, base, role)
        return create_key(plan.uri, base, role, plan.algorithm)

    def _version(self, plan: Plan, public: PublicKey, known: Known) -> int:
        """Return which version the key is: the next one, or what the roots said already."""
        listed = self._parts.live.root.keys.get(public.hint)
        if listed is not None and public.hint not in known.announced:
            taken = {one.announcement.version for one in known.versions(plan.name)}
            current = self._parts.ring.keys.get(plan.name)
            if (listed.name, listed.purpose) == (plan.name, plan.purpose) and (
                listed.version not in {*taken, *([current.version] if current else [])}
            ):
                return listed.version
        self._check_free(plan, public)
        trusted = self._parts.live.root.publics()
        if public in (*self._parts.own, *trusted) or public.hint in known.announced:
            raise KeyStandingError(
                "the key is in use already, here or in the trust file",
                hint="a key is for one thing, and announced once: make another one",
            )
        return plan.version

    def _check_free(self, plan: Plan, public: PublicKey | None) -> None:
        """Check that trust files could list the key as planned, before anything is made."""
        for key in self._parts.live.root.keys.values():
            if key.name == plan.name and key.public != public and plan.version <= key.version:
                raise KeyStandingError(
                    f"the trust file has another key {key.label}, for {key.purpose!r}",
                    hint="two keys of one name would be taken for one: choose another name",
                )

    async def _proven(self, plan: Plan, key: SigningKey, opened: CheckedKey) -> Added:
        parts, prover = self._parts, plan.prover
        if prover is not None and parts.in_force.is_revoked(prover.public):
            prover = None
        # Where exactly it is stays here: the ledger is for everybody.
        told = {name: said for name, said in opened.attributes.items() if name != "uri"}
        announcement = Announcement(
            plan.name,
            plan.version,
            plan.purpose,
            plan.scope,
            key.public,
            prover.public.hint if prover else "",
            dict(islice(told.items(), MOST_ATTRIBUTES)),
        )
        origin = parts.ledger.store.origin
        message = Message(announcement.message(origin))
        proofs = {
            one.public.hint: await one.run(partial(one.announce, message))
            for one in (key, *([prover] if prover else []))
        }
        added = Added(announcement, proofs)
        added.check(origin, prover.public if prover else None)
        return added
