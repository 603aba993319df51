"""Sign: the main flow of the service.

1. Authorise the caller on the canonical repository; for a batch all or nothing.
2. Build the content of each form of each item. It is a function of the request.
3. Look its dedup key up, once equal requests that came before have ended: a re-run of the
   same request is answered as before, unless the answer was revoked. Neither a revoked key
   nor a revoked digest comes this far.
   Of what is new all holds that the policy demands first, for each item by itself.
   What is new, and protected, others agree to: all of a batch or nothing.
   The audit trail says what was decided, before anything is signed, and what came of it.
4. Sign what is new, and have the signatures dated that want it.
5. Append it: the ledger answers once it is durable and published.
6. Answer with each record, proven under one checkpoint.

Steps 2 to 6 run in a task of their own that the caller's cancellation does not
reach: a signature that was made always gets its leaf, and none without a leaf
is ever released.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from ledger import labels
from ledger.answer import Appended
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Answer, Sequencer
from ledger.store import MAX_BATCH
from signer import making, rerun
from signer.access import Principal, authorise
from signer.approvals import asked
from signer.approvals.control import Control
from signer.audit_trail.course import Course
from signer.audit_trail.trail import Trail
from signer.dating import Dating
from signer.errors import (
    BatchTooLargeError,
    EmptyBatchError,
)
from signer.forms import Approval, Forms, found_by
from signer.gates import Gates
from signer.keys import SigningKey
from signer.keys.messages import Approving
from signer.keys.ring import KeyRing
from signer.making import Fresh, Place, Signed, Signer, Wanted
from signer.order import Item, Order
from signer.promoted import Promoted
from signer.request import Request
from signer.status.in_force import InForce
from signer.turns import Turns
from verifier import limits
from verifier.digest import Digest
from verifier.errors import LimitError, SealbookError
from verifier.merkle import InclusionProof
from verifier.record import Record
from verifier.repository import Repository

_YIELD_EVERY = 32  # items looked up before other callers get a turn


class Proven(NamedTuple):
    """A record and its proof under the checkpoint of the same answer."""

    record: Record
    proof: InclusionProof


class Answers(NamedTuple):
    """For each item, in order, one `Proven` for each form, or why it was refused."""

    published: Published
    items: Sequence[list[Proven] | SealbookError]


class Signing:
    """Signs for authorised callers. Runs on one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: KeyRing,
        *,
        forms: Forms,
        dating: Dating,
        in_force: InForce,
        gates: Gates,
        control: Control,
        trail: Trail,
        behind_issuer: tuple[str, ...] = (),
    ) -> None:
        """Sign with `keys` in `forms`, dated by `dating`, appending through `sequencer`.

        Nothing that is revoked by what is `in_force` is signed, or answered again; nothing
        under a certificate once one of the authorities `behind_issuer` is revoked; nothing
        new that the `gates` refuse, or where `control` wants others to agree first; and
        nothing that `trail` cannot tell of.
        """
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._forms = forms
        self._dating = dating
        self._in_force = in_force
        self._gates = gates
        self._control = control
        self._trail = trail
        self._behind_issuer = behind_issuer
        self._promoted = Promoted(ledger, in_force, behind_issuer)
        self._under_way: set[asyncio.Task[Answers]] = set()
        self._turns = Turns()

    async def sign(self, principal: Principal, order: Order) -> Answers:
        """Return the answers to `order`, every fresh signature durable in the ledger.

        Raises:
            PermissionDeniedError: the caller may not sign in this repository.
            RequestError, UnknownSigningKeyError, WrongPurposeError, RepositoryError,
                UnsupportedKeyError: nothing was signed.
            KeyScopeError: the key is for other repositories.
            RevokedError: the key is revoked, or who would certify it.
            ApprovalNeededError: others have to agree first; nothing was signed.
            TimestampError: what was signed has no leaf, and nobody gets it.
            TrailError: the audit trail cannot be written; nothing was signed.
        """
        # 1.
        repository = Repository(order.repository)
        rule = authorise(principal, "sign", repository).rule
        key = self._keys.approving(order.key)
        self._check_key(key, repository)
        if not order.items:
            raise EmptyBatchError("expected at least one item, found none")
        if len(order.items) > limits.MANIFESTS:
            raise BatchTooLargeError(
                f"expected at most {limits.MANIFESTS} items, found {len(order.items)}"
            )
        if len(order.reason.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"expected a reason of at most {limits.ANNOTATION_VALUE} bytes")
        forms = [self._forms.named(name) for name in dict.fromkeys(order.forms or key.forms)]
        for form in forms:
            form.check(key)
            if form.name == labels.CERTIFICATE:
                self._in_force.check_authorities(self._behind_issuer)
        signers = [Signer(form, key, form.name) for form in forms]
        for another in self._keys.also(key):
            self._check_key(another, repository)
            signers += [
                Signer(form, another, f"{form.name}+{another.name}")
                for form in forms
                if form.name == labels.BUNDLE
            ]
        names = list(dict.fromkeys(signer.key.name for signer in signers))
        self._control.refuse_people(principal, [repository], names)
        task = self._turns.begin(
            (_same(principal, repository, signers, item) for item in order.items),
            lambda: self._make(principal, repository, signers, order, rule),
        )
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    def _check_key(self, key: SigningKey, repository: Repository) -> None:
        self._keys.check_scope(key, repository)
        self._in_force.check_key(key.public, key.name)

    async def drain(self) -> None:
        """Return when everything that was under way has its leaf and its answer."""
        while self._under_way:
            await self.settle()

    async def settle(self) -> None:
        """Return when everything that is under way now has its leaf and its answer."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _make(
        self,
        principal: Principal,
        repository: Repository,
        signers: Sequence[Signer],
        order: Order,
        rule: str,
    ) -> Answers:
        # 2, 3.
        looked_up: list[list[Place]] = []
        items: list[Item] = []
        for n, asked_for in enumerate(order.items, 1):
            item = asked_for
            try:
                item = self._standing(principal, repository, asked_for)
                request = Request(principal, repository, item)
                self._in_force.check_digest(request.digest, repository)
                looked_up.append([self._place(request, signer) for signer in signers])
            except SealbookError as e:
                looked_up.append([e])
            items.append(item)
            if n % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        order = order._replace(items=items)
        if self._gates.guard(repository):
            await self._through_gates(principal, repository, signers, order, looked_up)
        if any(isinstance(place, Wanted) for places in looked_up for place in places):
            self._control.check(
                "sign",
                principal.name,
                [repository],
                list(dict.fromkeys(signer.key.name for signer in signers)),
                lambda: _to_sign(signers, order, looked_up),
            )
        if all(isinstance(p, SealbookError) for places in looked_up for p in places):
            return self._all_refused(principal, looked_up)
        appended: list[Answer] = []
        told = _told(repository, signers, order, rule)
        with self._trail.decided(principal, "sign", told, _to_find(looked_up)) as course:
            # 4.
            places = await making.signed(looked_up)
            _tell_found(course, places)
            fresh = await self._dated(
                [p for place in places for p in place if isinstance(p, Fresh)]
            )
            # 5.
            for start in range(0, len(fresh), MAX_BATCH):
                some = fresh[start : start + MAX_BATCH]
                appended += await self._sequencer.append(some)
                course.appended(some, appended[start:])
        # 6.
        published = self._ledger.published
        for answer in appended:
            if isinstance(answer, Appended):
                published = answer.published
        rest = iter(appended)
        return Answers(published, [self._answer(place, rest, published) for place in places])

    async def _through_gates(
        self,
        principal: Principal,
        repository: Repository,
        signers: Sequence[Signer],
        order: Order,
        looked_up: list[list[Place]],
    ) -> None:
        """Put a refusal in the place of each new item of which something demanded does not hold."""
        keys = [self._keys.trusted_name(signer.key) for signer in signers]
        for n, (item, places) in enumerate(zip(order.items, looked_up, strict=True)):
            if any(isinstance(place, Wanted) for place in places):
                try:
                    await self._gates.check(
                        principal, list(dict.fromkeys(keys)), Digest(item.digest), repository
                    )
                except SealbookError as e:
                    looked_up[n] = [e]

    def _all_refused(self, principal: Principal, looked_up: Sequence[Sequence[Place]]) -> Answers:
        """Answer a call of which nothing is done; a single refusal is told by whoever raises it."""
        refusals = [p for places in looked_up for p in places if isinstance(p, SealbookError)]
        if len(looked_up) > 1:
            for code in dict.fromkeys(refusal.code for refusal in refusals):
                self._trail.denied(principal.caller, principal.name, "sign", code)
        return Answers(self._ledger.published, refusals)

    async def _dated(self, fresh: Sequence[Fresh]) -> list[NewEntry]:
        """Return what is to be appended, with a timestamp where one is wanted."""
        wanting = [made.signature for made, _ in fresh if made.stamped]
        stamps = iter(await self._dating.stamps(wanting))
        return [
            entry._replace(timestamp=next(stamps)) if made.stamped else entry
            for made, entry in fresh
        ]

    def _standing(self, principal: Principal, repository: Repository, item: Item) -> Item:
        """Return `item` as promoting the entry that was there first, if it promotes one."""
        if item.promotes is None:
            return item
        digest = Digest(item.digest)
        first = self._promoted.first(principal, digest, repository, item.promotes)
        return item._replace(promotes=first)

    def _place(self, request: Request, signer: Signer) -> int | Wanted:
        """Return where the approval is, or what is to be signed to make it."""
        form, key, _ = signer
        tried: dict[int | None, tuple[Approval, Approving, bytes]] = {}

        def known_by(supersedes: int | None) -> bytes:
            approval = request.approval(supersedes)
            content = form.content(approval)
            tried[supersedes] = approval, content, found_by(form, key, content)
            return tried[supersedes][2]

        claim = request.claim(signer)
        place = rerun.place(
            self._ledger,
            key,
            claim,
            renew=request.item.renew,
            known_by=known_by,
            check=self._in_force.check_entry,
        )
        if isinstance(place, int):
            return place
        approval, content, known = tried[place.supersedes]
        named = form.labels(approval, key)
        return Wanted(form, key, content, named, known, claim.by(key.public), place.supersedes)

    def _answer(
        self, places: Sequence[Signed], appended: Iterator[Answer], published: Published
    ) -> list[Proven] | SealbookError:
        """Return the item's signatures under `published`, or its first refusal."""
        proven: list[Proven] = []
        refusal: SealbookError | None = None
        for place in places:
            answer = next(appended) if isinstance(place, Fresh) else place
            if isinstance(answer, SealbookError):
                refusal = refusal or answer
            elif isinstance(answer, Appended) and answer.published is published:
                proven.append(Proven(answer.record, answer.proof))
            else:
                record = (
                    answer.record if isinstance(answer, Appended) else self._ledger.record(answer)
                )
                proof = self._ledger.prove(record.index, published.checkpoint.tree_size)
                proven.append(Proven(record, proof))
        return refusal or proven


def _told(
    repository: Repository, signers: Sequence[Signer], order: Order, rule: str
) -> dict[str, object]:
    """Return what the audit trail says of a call."""
    told: dict[str, object] = {
        "digests": [item.digest for item in order.items],
        "forms": [signer.name for signer in signers],
        "key": signers[0].key.name,
        "repository": repository,
        "rule": rule,
    }
    promoted = [item.promotes for item in order.items if item.promotes is not None]
    told |= {"promotes": promoted} if promoted else {}
    return told | ({"reason": order.reason} if order.reason else {})


def _to_find(looked_up: Sequence[Sequence[Place]]) -> list[bytes]:
    """Return by what the ledger knows what is to be signed."""
    return [p.known_by for places in looked_up for p in places if isinstance(p, Wanted)]


def _tell_found(course: Course, places: Sequence[Sequence[Signed]]) -> None:
    """Say what was there already, and why something is refused."""
    for place in (place for item in places for place in item):
        if isinstance(place, int):
            course.found(place)
        elif isinstance(place, SealbookError):
            course.refused(place.code)


def _same(
    principal: Principal, repository: Repository, signers: Sequence[Signer], item: Item
) -> Hashable:
    """Return what equal requests have in common, and no others."""
    if item.renew and not item.idempotency_key:
        return object()  # each renewal is one more
    who = principal.name, tuple(sorted(principal.claims.items()))
    by = tuple((signer.name, signer.key.name) for signer in signers)
    return (
        who,
        repository,
        by,
        (
            *(item.digest, item.size, item.media_type, item.tag, item.promotes),
            *(item.renew, item.idempotency_key),
            tuple(sorted(item.annotations.items())),
        ),
    )


def _to_sign(
    signers: Sequence[Signer], order: Order, looked_up: Sequence[Sequence[Place]]
) -> asked.What:
    """Say what is to be signed, without what is refused anyway."""
    items = [
        (
            item,
            [p.supersedes for p in places if isinstance(p, Wanted) and p.supersedes is not None],
        )
        for item, places in zip(order.items, looked_up, strict=True)
        if not isinstance(places[0], SealbookError)
    ]
    return asked.to_sign([(form.name, key) for form, key, _ in signers], items, order.reason)
