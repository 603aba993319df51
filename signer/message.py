"""SignMessage: the main flow for messages that another tool made.

1. Read the whole message: what it says, and about which repositories.
2. The key is for that. A bare hash, or what cannot be read, is for a raw key alone.
3. Authorise the caller on each repository; what names none, for those who may everywhere.
   Neither the key nor what the message is about is revoked. Of what is new, and approves,
   all holds that the policy demands first. What is new, and protected, others agree to.
4. Look the message up: the same again is answered as before. The audit trail says what was
   decided, before anything is signed, and what came of it.
5. Sign it, and have the signature dated if its form wants that.
6. Append it: the ledger answers once it is durable and published.
7. Answer with the signature that the ledger keeps, proven.

Steps 4 to 7 run in a task of their own that the caller's cancellation does not
reach. Callers who come with the same message meanwhile share it: one message
has one signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ledger import dedup, deleting, labels
from ledger.answer import Appended
from ledger.bodies import LARGEST_IN_ROW
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Sequencer
from signer import foreign
from signer.access import Action, Grant, Principal, authorise, authorise_everywhere
from signer.approvals import asked
from signer.approvals.control import Control
from signer.audit_trail.trail import Trail
from signer.dating import Dating
from signer.errors import (
    BlindSigningError,
    RequestError,
    WrongPurposeError,
)
from signer.forms import Form, Forms, found_by
from signer.forms.notation import NotationForm
from signer.gates import Gates
from signer.keys import SigningKey
from signer.keys.messages import PURPOSED, Message, Unread
from signer.keys.ring import KeyRing
from signer.signing import Proven
from signer.status.in_force import InForce
from verifier import limits
from verifier.digest import Digest
from verifier.entry import Entry, parse_any
from verifier.errors import LimitError, SealbookError
from verifier.rekor_v1 import EnvelopeEntry
from verifier.repository import Repository

_ACTIONS: Mapping[str, Action] = {"approve": "sign", "attest": "attest"}
_PAGE, _MOST_LOOKED_AT = 256, 1024  # entries about one hash; then it is signed again


class MessageOrder(NamedTuple):
    """What one call asks for: a message, or its SHA-256; an empty `key` means the default."""

    message: bytes = b""
    digest: bytes = b""
    key: str = ""
    repository: str = ""
    reason: str = ""


class SignedMessage(NamedTuple):
    """The signature, and what the ledger keeps of it."""

    signature: bytes
    logged: Proven
    published: Published


class _Job(NamedTuple):
    """What is to be signed. Without a form, `content` is the hash of what nobody read."""

    key: SigningKey
    form: Form | None
    content: Message
    rule: str = ""
    repositories: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    def told(self, order: MessageOrder) -> dict[str, object]:
        """Return what the audit trail says of a call."""
        told: dict[str, object] = {
            "digests": self.digests or (_digest(hashlib.sha256(self.content).digest()),),
            "forms": [self.form.name if self.form else labels.OPAQUE],
            "key": self.key.name,
            "repository": self.repositories[0] if len(self.repositories) == 1 else "",
            "rule": self.rule,
        }
        if len(self.repositories) > 1:
            told["repositories"] = self.repositories
        return told | ({"reason": order.reason} if order.reason else {})


class Messages:
    """Signs messages for authorised callers. Runs on one event loop."""

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with `keys` as `forms` do, dated by `dating`, appending through `sequencer`.

        Nothing that is revoked by what is `in_force` is signed, or answered again; nothing
        new that the `gates` refuse, or where `control` wants others to agree first; nothing
        that `trail` cannot tell of.
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
        self._clock = clock
        self._under_way: dict[tuple[str, bytes], asyncio.Task[SignedMessage]] = {}

    async def sign(self, principal: Principal, order: MessageOrder) -> SignedMessage:
        """Return the signature over the message of `order`, durable in the ledger.

        Raises:
            RequestError, UnknownSigningKeyError, WrongPurposeError, BlindSigningError,
                SigningTimeError, VerificationError: nothing was signed.
            PermissionDeniedError: the caller may not sign this.
            KeyScopeError: the key is for other repositories.
            RevokedError: the key is revoked, what the message is about, or the answer of before.
            ApprovalNeededError: others have to agree first; nothing was signed.
            TimestampError: what was signed has no leaf, and nobody gets it.
            TrailError: the audit trail cannot be written; nothing was signed.
        """
        if bool(order.message) == bool(order.digest):
            raise RequestError("expected either a message or its digest")
        if len(order.reason.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"expected a reason of at most {limits.ANNOTATION_VALUE} bytes")
        key = self.key(order.key)
        self._in_force.check_key(key.public, key.name)
        named = Repository(order.repository) if order.repository else None
        if key.raw:
            job = self._raw(principal, key, named, order)
        else:
            job = await self._read(principal, key, named, order)
        same = (key.name, hashlib.sha256(job.content).digest())
        task = self._under_way.get(same)
        if task is None:
            task = self._under_way[same] = asyncio.ensure_future(self._make(principal, job, order))
            task.add_done_callback(lambda _: self._under_way.pop(same))
            return await asyncio.shield(task)
        signed = await asyncio.shield(task)
        with self._trail.decided(principal, "sign-message", job.told(order)) as course:
            course.found(signed.logged.record.index)
        return signed

    async def drain(self) -> None:
        """Return when everything that was under way has its leaf and its answer."""
        while self._under_way:
            await self.settle()

    async def settle(self) -> None:
        """Return when everything that is under way now has its leaf and its answer."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()))

    def key(self, name: str) -> SigningKey:
        """Return the signing key `name`, or the default one; raises `UnknownSigningKeyError`."""
        return self._keys.named(name)

    async def _read(
        self, principal: Principal, key: SigningKey, named: Repository | None, order: MessageOrder
    ) -> _Job:
        # 1.
        if not order.message:
            raise BlindSigningError("expected the whole message, found only its digest")
        said = foreign.read(order.message, self._clock())
        # 2.
        if key.purpose != said.purpose:
            raise WrongPurposeError(
                f"expected a key to {said.purpose}, {key.name} is one to {key.purpose}",
                hint=f"there are: {', '.join(self._keys.names(said.purpose)) or 'none'}",
            )
        form = self._forms.named(said.form)
        form.check(key)
        if len(order.message) > LARGEST_IN_ROW and form.name != labels.BUNDLE:
            raise LimitError(f"expected at most {LARGEST_IN_ROW} bytes in the form {form.name}")
        # 3.
        about = said.about(named)
        rules = []
        for repository in dict.fromkeys(repository for _, repository in about):
            rules.append(_authorise(principal, _ACTIONS[said.purpose], repository).rule)
            self._keys.check_scope(key, repository)
        self._control.refuse_people(principal, {one for _, one in about}, [key.name])
        for digest, repository in about:
            self._in_force.check_digest(digest, repository or "")
        job = _Job(
            key,
            form,
            PURPOSED[said.purpose](order.message),
            ", ".join(dict.fromkeys(rules)),
            tuple(dict.fromkeys(repository or "" for _, repository in about)),
            tuple(dict.fromkeys(str(digest) for digest, _ in about)),
        )
        repositories = {repository for _, repository in about}
        if said.purpose == "approve" and self._find(job) is None:
            for digest, repository in about:
                await self._gates.check(
                    principal, [self._keys.trusted_name(key)], digest, repository
                )
        self._check_agreed(principal, order, job, repositories, said.subjects)
        return job

    def _raw(
        self, principal: Principal, key: SigningKey, named: Repository | None, order: MessageOrder
    ) -> _Job:
        """Do steps 1 to 3 for a key that signs what nobody reads."""
        foreign.check_size(order.message)
        hashed = hashlib.new(key.public.algorithm.hash_name, order.message)
        if order.digest and len(order.digest) != hashed.digest_size:
            raise RequestError(
                f"expected a digest of {hashed.digest_size} bytes, found {len(order.digest)}"
            )
        rule = _authorise(principal, "sign-raw", named).rule
        self._control.refuse_people(principal, [named], [key.name])
        content = Unread(order.digest or hashed.digest())
        job = _Job(key, None, content, rule, (named or "",), (_digest(content),))
        self._check_agreed(principal, order, job, (named,))
        return job

    def _check_agreed(
        self,
        principal: Principal,
        order: MessageOrder,
        job: _Job,
        repositories: Collection[Repository | None],
        subjects: Sequence[tuple[Digest, str]] = (),
    ) -> None:
        """Check that others agree to what is not signed yet.

        One that is for no repository could be for any, and needs what the strictest rule says.
        """
        keys = [job.key.name]
        named = () if None in repositories else tuple(sorted(r for r in repositories if r))
        if not self._control.wants("message", named, keys) or self._find(job) is not None:
            return
        digest = hashlib.sha256(job.content).digest() if job.form else bytes(job.content)
        self._control.check(
            "message",
            principal.name,
            named,
            keys,
            lambda: asked.to_sign_message(
                job.key,
                form=job.form.name if job.form else "",
                digest=digest,
                about=subjects,
                reason=order.reason,
            ),
        )

    async def _make(self, principal: Principal, job: _Job, order: MessageOrder) -> SignedMessage:
        # 4.
        index = self._find(job)
        if index is not None:
            self._in_force.check_entry(index, job.key.public)
        published = self._ledger.published
        told = job.told(order)
        if index is not None and index < published.checkpoint.tree_size:
            with self._trail.decided(principal, "sign-message", told) as course:
                course.found(index)
            proof = self._ledger.prove(index, published.checkpoint.tree_size)
            return _answer(Proven(self._ledger.record(index), proof), published)
        # 5. What is committed but not yet published is appended again, which waits for it.
        with self._trail.decided(
            principal, "sign-message", told, self._known_by(job, told)
        ) as course:
            entry = await self._signed(job) if index is None else self._again(index)
            # 6.
            [answer] = await self._sequencer.append([entry])
            course.appended([entry], [answer])
            if isinstance(answer, SealbookError):
                raise answer
        # 7.
        assert isinstance(answer, Appended)
        return _answer(Proven(answer.record, answer.proof), answer.published)

    def _find(self, job: _Job) -> int | None:
        if job.form is not None:
            return self._ledger.store.find(found_by(job.form, job.key, job.content))
        # Its signature is in the dedup key, so the label has to find it.
        wanted = _digest(job.content)
        index, looked_at = -1, 0
        while looked_at < _MOST_LOOKED_AT:
            page = self._ledger.store.search("digest", wanted, index, _PAGE)
            for index in page:
                if _is_by(job, labels.decode(self._ledger.stored(index).labels)):
                    return index
            if len(page) < _PAGE:
                break
            looked_at += len(page)
        return None

    def _known_by(self, job: _Job, told: dict[str, object]) -> Sequence[bytes]:
        """Return the dedup key of the entry to be; else add to `told` by what it will be found."""
        if job.form is not None:
            return [found_by(job.form, job.key, job.content)]
        told["sought"] = [_digest(job.content), job.key.public.fingerprint]
        return []

    async def _signed(self, job: _Job) -> NewEntry:
        key = job.key
        if job.form is None:
            signature = await key.run(partial(key.sign_digest, job.content))
            entry = Entry(job.content, signature, key.public).body()
            return NewEntry(entry, b"", labels.of(entry, None), dedup.upload(entry))
        # Notation's content is the whole message here, which brings its own time.
        sign = job.form.sign_message if isinstance(job.form, NotationForm) else job.form.sign
        made = await key.run(partial(sign, job.content, key))
        [stamp] = await self._dating.stamps([made.signature]) if made.stamped else [b""]
        named = labels.of(made.entry, made.body)
        if labels.is_deletable(named) and (name := labels.body_name(made.entry)):
            deleting.check_not_deleted(self._ledger.store, self._ledger.bodies, name)
        new = made.new_entry(named, found_by(job.form, key, job.content))._replace(timestamp=stamp)
        if len(made.body) <= LARGEST_IN_ROW:
            return new
        await asyncio.to_thread(self._keep, made.body, secret=labels.is_deletable(named))
        return new._replace(body=b"", body_size=len(made.body))

    def _keep(self, body: bytes, *, secret: bool) -> None:
        """Put a large body where its entry's hash names it; durable on return."""
        with self._ledger.bodies.spool(secret=secret) as spool:
            spool.write(body)
            spool.keep()

    def _again(self, index: int) -> NewEntry:
        """Return what is at `index` as if it were to be appended."""
        row = self._ledger.stored(index)
        named = labels.decode(row.labels)
        known_by = dedup.of(named["form"][0], row.entry, row.body)
        assert known_by is not None
        return NewEntry(row.entry, row.body or b"", named, known_by, body_size=row.body_size)


def _authorise(principal: Principal, action: Action, repository: Repository | None) -> Grant:
    if repository is None:
        return authorise_everywhere(principal, action)
    return authorise(principal, action, repository)


def _digest(sha256: bytes) -> str:
    return "sha256:" + sha256.hex()


def _is_by(job: _Job, named: Mapping[str, list[str]]) -> bool:
    return (named.get("form"), named.get("key")) == (
        [labels.OPAQUE],
        [job.key.public.fingerprint],
    )


def _answer(logged: Proven, published: Published) -> SignedMessage:
    entry = parse_any(logged.record.entry)
    assert not isinstance(entry, EnvelopeEntry)
    return SignedMessage(entry.signature, logged, published)
