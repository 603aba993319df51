"""Sign: the main flow of the service.

1. Authorise the caller on the canonical repository; for a batch all or nothing.
2. Build the content of each form of each item. It is a function of the request.
3. Look its dedup key up: a re-run of the same request is answered as before, unless the
   answer was revoked. Neither a revoked key nor a revoked digest comes this far.
   What is new, and protected, others agree to: all of a batch or nothing.
4. Sign what is new, and have the signatures dated that want it.
5. Append it: the ledger answers once it is durable and published.
6. Answer with each record, proven under one checkpoint.

Steps 2 to 6 run in a task of their own that the caller's cancellation does not
reach: a signature that was made always gets its leaf, and none without a leaf
is ever released.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger import dedup, labels
from ledger.answer import Appended
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Answer, Sequencer
from ledger.store import MAX_BATCH
from signer import rerun
from signer.access import Principal, authorise
from signer.approvals import asked
from signer.approvals.control import Control
from signer.dating import Dating
from signer.errors import (
    BatchTooLargeError,
    EmptyBatchError,
    RequestError,
)
from signer.forms import Approval, Form, Forms, Made, found_by
from signer.keys import SigningKey
from signer.keys.messages import Approving
from signer.keys.ring import KeyRing
from signer.order import Item, Order
from signer.status.in_force import InForce
from verifier import limits
from verifier import statement as statements
from verifier.digest import Digest
from verifier.errors import LimitError, SealbookError
from verifier.merkle import InclusionProof
from verifier.publickey import PublicKey
from verifier.record import Record
from verifier.repository import Repository

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MEDIA_TYPE = re.compile(r"(?=.{1,128}\Z)[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]*", re.ASCII)
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_YIELD_EVERY = 32  # items looked up before other callers get a turn
_SIGNED_AT_ONCE = 16


class Proven(NamedTuple):
    """A record and its proof under the checkpoint of the same answer."""

    record: Record
    proof: InclusionProof


class Answers(NamedTuple):
    """For each item, in order, one `Proven` for each form, or why it was refused."""

    published: Published
    items: Sequence[list[Proven] | SealbookError]


class _Fresh(NamedTuple):
    """What was signed just now, and waits to be dated and appended."""

    made: Made
    entry: NewEntry


class _Signer(NamedTuple):
    """Who signs each item in what form; `name` keeps idempotency keys of the same form apart."""

    form: Form
    key: SigningKey
    name: str


class _Wanted(NamedTuple):
    """What is to be signed: a form of one item."""

    form: Form
    key: SigningKey
    content: Approving
    labels: labels.Labels
    known_by: bytes
    claim: tuple[bytes, bytes] | None
    supersedes: int | None

    def sign(self) -> _Fresh | SealbookError:
        """Return it, signed, or why it is not."""
        try:
            made = self.form.sign(self.content, self.key)
        except SealbookError as e:
            return e
        return _Fresh(made, made.new_entry(self.labels, self.known_by, self.claim))


_Signed = int | _Fresh | SealbookError
_Place = _Signed | _Wanted


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
        control: Control,
        behind_issuer: tuple[str, ...] = (),
    ) -> None:
        """Sign with `keys` in `forms`, dated by `dating`, appending through `sequencer`.

        Nothing that is revoked by what is `in_force` is signed, or answered again; nothing
        under a certificate once one of the authorities `behind_issuer` is revoked; nothing
        new where `control` wants others to agree first.
        """
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._forms = forms
        self._dating = dating
        self._in_force = in_force
        self._control = control
        self._behind_issuer = behind_issuer
        self._under_way: set[asyncio.Task[Answers]] = set()

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
        """
        # 1.
        repository = Repository(order.repository)
        authorise(principal, "sign", repository)
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
        signers = [_Signer(form, key, form.name) for form in forms]
        for another in self._keys.also(key):
            self._check_key(another, repository)
            signers += [
                _Signer(form, another, f"{form.name}+{another.name}")
                for form in forms
                if form.name == labels.BUNDLE
            ]
        task = asyncio.ensure_future(self._make(principal, repository, signers, order))
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
        signers: Sequence[_Signer],
        order: Order,
    ) -> Answers:
        # 2, 3.
        looked_up: list[list[_Place]] = []
        for n, item in enumerate(order.items, 1):
            try:
                request = _Request(principal, repository, item)
                self._in_force.check_digest(request.digest, repository)
                looked_up.append([self._place(request, signer) for signer in signers])
            except SealbookError as e:
                looked_up.append([e])
            if n % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if any(isinstance(place, _Wanted) for places in looked_up for place in places):
            self._control.check(
                "sign",
                principal.name,
                [repository],
                list(dict.fromkeys(signer.key.name for signer in signers)),
                lambda: _to_sign(signers, order, looked_up),
            )
        # 4.
        places = await _signed(looked_up)
        fresh = await self._dated([p for place in places for p in place if isinstance(p, _Fresh)])
        # 5.
        appended: list[Answer] = []
        for start in range(0, len(fresh), MAX_BATCH):
            appended += await self._sequencer.append(fresh[start : start + MAX_BATCH])
        # 6.
        published = self._ledger.published
        for answer in appended:
            if isinstance(answer, Appended):
                published = answer.published
        rest = iter(appended)
        return Answers(published, [self._answer(place, rest, published) for place in places])

    async def _dated(self, fresh: Sequence[_Fresh]) -> list[NewEntry]:
        """Return what is to be appended, with a timestamp where one is wanted."""
        wanting = [made.signature for made, _ in fresh if made.stamped]
        stamps = iter(await self._dating.stamps(wanting))
        return [
            entry._replace(timestamp=next(stamps)) if made.stamped else entry
            for made, entry in fresh
        ]

    def _place(self, request: _Request, signer: _Signer) -> int | _Wanted:
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
        return _Wanted(form, key, content, named, known, claim.by(key.public), place.supersedes)

    def _answer(
        self, places: Sequence[_Signed], appended: Iterator[Answer], published: Published
    ) -> list[Proven] | SealbookError:
        """Return the item's signatures under `published`, or its first refusal."""
        proven: list[Proven] = []
        refusal: SealbookError | None = None
        for place in places:
            answer = next(appended) if isinstance(place, _Fresh) else place
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


def _to_sign(
    signers: Sequence[_Signer], order: Order, looked_up: Sequence[Sequence[_Place]]
) -> asked.What:
    """Say what is to be signed, without what is refused anyway."""
    items = [
        (
            item,
            [p.supersedes for p in places if isinstance(p, _Wanted) and p.supersedes is not None],
        )
        for item, places in zip(order.items, looked_up, strict=True)
        if not isinstance(places[0], SealbookError)
    ]
    return asked.to_sign([(form.name, key) for form, key, _ in signers], items, order.reason)


async def _signed(items: Sequence[Sequence[_Place]]) -> list[list[_Signed]]:
    """Return the places of each item, with everything signed that is wanted.

    A few at a time, so that other callers get a turn; where keys are in devices, in their
    threads, at the same time.
    """
    wanted = [place for places in items for place in places if isinstance(place, _Wanted)]
    starts = range(0, len(wanted), _SIGNED_AT_ONCE)
    groups = [wanted[start : start + _SIGNED_AT_ONCE] for start in starts]
    signed: list[_Fresh | SealbookError] = []
    if any(one.key.workers or one.form.waits for one in wanted):
        if len(groups) == 1:  # as mostly: a task of its own would cost as much as the device
            signed += await _waited_for(groups[0])
        else:
            for answers in await asyncio.gather(*map(_waited_for, groups)):
                signed += answers
    else:
        for n, group in enumerate(groups):
            if n:
                await asyncio.sleep(0)
            signed += [one.sign() for one in group]
    rest = iter(signed)
    return [[next(rest) if isinstance(p, _Wanted) else p for p in places] for places in items]


async def _waited_for(group: Sequence[_Wanted]) -> list[_Fresh | SealbookError]:
    def sign() -> list[_Fresh | SealbookError]:
        return [one.sign() for one in group]

    key = group[0].key
    try:
        return await (key.run(sign) if key.workers else asyncio.to_thread(sign))
    except SealbookError as e:
        return [e] * len(group)


class _Request:
    """One checked item, and what its approval says."""

    def __init__(self, principal: Principal, repository: Repository, item: Item) -> None:
        """Check `item`; raises `MalformedError` or `RequestError`."""
        self.digest = Digest(item.digest)
        statements.check_annotations(item.annotations)
        if item.tag and not _TAG.fullmatch(item.tag):
            raise RequestError(f"not a tag: {item.tag[:80]!r}")
        if item.media_type and not _MEDIA_TYPE.fullmatch(item.media_type):
            raise RequestError(f"not a media type: {item.media_type[:80]!r}")
        if item.idempotency_key and not _IDEMPOTENCY.fullmatch(item.idempotency_key):
            raise RequestError("expected an idempotency key of 1 to 128 printable ASCII characters")
        if item.size >= limits.TREE_SIZE:
            raise LimitError(f"expected a size below 2**63, found {item.size}")
        self.item = item
        self._repository = repository
        self._principal = principal
        self._annotations = {
            **item.annotations,
            statements.REQUESTER + "issuer": principal.issuer,
            statements.REQUESTER + "subject": principal.subject,
            **({statements.MEDIA_TYPE: item.media_type} if item.media_type else {}),
            **({statements.SIZE: str(item.size)} if item.size else {}),
            **({statements.TAG: item.tag} if item.tag else {}),
        }

    def approval(self, supersedes: int | None) -> Approval:
        """Return what is to be said, the same for the same request."""
        item = self.item
        annotations = self._with(supersedes)
        return Approval(self.digest, self._repository, annotations, item.media_type, item.size)

    def claim(self, signer: _Signer) -> rerun.Claim:
        """Return the idempotency key, per principal and signer, and what it stands for."""

        def request(public: PublicKey) -> bytes:
            content = signer.form.content(self.approval(None))
            return dedup.request(public, content, renew=self.item.renew)

        idempotency_key = self.item.idempotency_key
        who = self._principal.name, signer.name
        return rerun.Claim(
            rerun.claim_key(*who, idempotency_key) if idempotency_key else b"", request
        )

    def _with(self, supersedes: int | None) -> Mapping[str, str]:
        if supersedes is None:
            return self._annotations
        return {**self._annotations, statements.SUPERSEDES: str(supersedes)}
