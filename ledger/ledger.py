"""The ledger: append, publish, prove.

`Ledger.commit` is the main flow of this room:

1. Look each dedup key up again; what is there already is answered, not written.
2. Give the rest indices, and extend the tree from the head's compact range. What old clients
   want promised is promised here: a promise is Rekor's word before the tree has the entry, and
   leaves with the answer alone.
3. Seal the new head, and commit everything in one transaction. When nobody can
   say whether it landed, reading back does.
4. Move the anchor. From here on the entries can no longer be lost unnoticed.
5. Sign the checkpoint, outside the transaction: a signed note of a size that
   was rolled back would be evidence of a fork against an honest log. Ed25519 is
   deterministic, so a signature that is lost in a crash is made again.
6. Publish: from here on readers see the new tree. Where witnesses or a mirror
   must have it first, `ledger.publisher` does this step when they do.

`append` is all six and the answers. A crash before the commit leaves nothing;
after it, the start finds the head one batch ahead of the anchor, checks that it
grew out of it, and goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Condition, Lock

from ledger import tree
from ledger.anchor import Anchor
from ledger.answer import Appended, Pending, make_record
from ledger.bodies import Bodies
from ledger.clock import LedgerClock
from ledger.edge import advance
from ledger.errors import (
    ConflictError,
    DamagedError,
    FrozenError,
    LedgerError,
    OutcomeUnknownError,
    StorageBusyError,
    StorageFailedError,
    UnknownEntryError,
)
from ledger.plan import NewEntry, Plan
from ledger.prover import Prover
from ledger.publication import PublicationFile, Published
from ledger.seal import sealed
from ledger.signatory import LogKeys, Signatory
from ledger.store import MAX_BATCH, Batch, Head, Row, Store
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import SealbookError, VerificationError
from verifier.merkle import Hash, InclusionProof
from verifier.note import Note, NoteKey
from verifier.record import Record


class Ledger:
    """One open ledger. One thread appends; any thread reads, proves and publishes."""

    def __init__(
        self,
        store: Store,
        anchor: Anchor,
        keys: LogKeys,
        clock: LedgerClock | None = None,
        publication: PublicationFile | None = None,
        *,
        signs_late: bool = False,
        bodies: Bodies | None = None,
    ) -> None:
        """Serve `store`, whose head was checked by `ledger.opening`, and sign its tree.

        Without `publication` a tree is published as soon as it is signed. With it,
        `publish` decides when, and a restart shows what was published last. What
        was not asked for before is published already. With `signs_late`, `sign`
        decides when a tree is signed: not before a copy of it is elsewhere.
        """
        self._store = store
        self._bodies = bodies
        self._anchor = anchor
        self._seal = keys.seal
        self._clock = clock or LedgerClock()
        self._publication = publication
        self._signatory = Signatory(store.origin, keys, self._clock)
        self._head = store.head()
        self._prover = Prover(store, self._head.tree_size)
        self._unkept: list[tuple[int, str]] = []
        self._failed = False
        self._publishing = Lock()
        self._signing = Lock()
        self._grown = Condition()
        self._signs_late = signs_late
        last = publication.load() if publication else None
        if last is not None:
            self._check_last(last)
        self._signed = last if last and signs_late else self._sign(self._head)
        self._published = last or self._signed
        if publication and last is None:  # until now nobody was asked: all of it could be seen
            publication.save(self._published.note)

    @property
    def log_key(self) -> NoteKey:
        """The key that signs checkpoints, under the ledger's origin."""
        return self._signatory.key

    @property
    def log_keys(self) -> tuple[NoteKey, ...]:
        """Every key that signs checkpoints: also one that rotates, and the post-quantum one."""
        return self._signatory.keys

    @property
    def signed(self) -> Published:
        """The newest durable tree, signed; readers may not see it yet."""
        return self._signed

    @property
    def published(self) -> Published:
        """The newest checkpoint that readers may see."""
        return self._published

    @property
    def head(self) -> Head:
        """The newest durable state."""
        return self._head

    @property
    def clock(self) -> LedgerClock:
        """What dates the commits."""
        return self._clock

    @property
    def store(self) -> Store:
        """Where the entries are, for reading."""
        return self._store

    @property
    def bodies(self) -> Bodies:
        """Where large bodies are."""
        assert self._bodies is not None, "a ledger that was not opened from a home has none"
        return self._bodies

    def append(self, entries: Sequence[NewEntry]) -> list[Appended | SealbookError]:
        """Append `entries`, at most `MAX_BATCH`; durable, signed and published on return.

        For a ledger that asks nobody. Answers in the order of `entries`. An entry
        whose dedup key is known, from before or from this very batch, is answered
        with the stored record. An idempotency key that belongs to another request,
        or an entry that no ledger takes, is answered with the error.

        Raises:
            FrozenError, ClockError, StorageFullError, StorageBusyError, EntryError:
                nothing was written.
            ConflictError: nothing was written, because somebody else writes.
            StorageFailedError: nobody knows. After these two it appends no more.
        """
        return self.answers(self.commit(entries))

    def commit(self, entries: Sequence[NewEntry], *, freeze: bool = False) -> Pending:
        """Make `entries` durable and sign the tree; raises like `append`.

        With `freeze` they are the last ones: the ledger takes no more, for good.
        """
        assert len(entries) <= MAX_BATCH
        if self._failed:
            raise StorageFailedError("an earlier write failed; the ledger must be opened again")
        # 1.
        old_size = self._head.tree_size
        plan = Plan(self._store, old_size, entries)
        if plan.writes or freeze:
            self._write(plan, freeze=freeze)
        # 5. Also when an earlier signature failed after its commit.
        if not self._signs_late:
            self.sign(self._head)
        # 6.
        if self._publication is None:
            self._published = self._signed
        return Pending.of(plan.places, old_size, plan)

    def answers(self, pending: Pending) -> list[Appended | SealbookError]:
        """Return the answers to a commit, once what it waited for is published."""
        published = self._published
        assert pending.tree_size <= published.checkpoint.tree_size
        return [
            self._answer(place, pending, published) if isinstance(place, int) else place
            for place in pending.places
        ]

    def sign(self, head: Head) -> Published:
        """Sign the tree of `head`, a durable state of ours, unless that or a newer one is signed.

        Returns the newest signed tree.
        """
        with self._signing:
            if self._signed.checkpoint.tree_size < head.tree_size:
                self._signed = self._sign(head)
            return self._signed

    def publish(self, note: Note) -> Published:
        """Let readers see the tree of `note`: a signed checkpoint of ours, with cosignatures.

        Never goes back: when a newer one is published already, that one stays.

        Raises:
            StorageFailedError: nobody knows whether it will be there after a restart.
        """
        assert self._publication is not None
        checkpoint = Checkpoint.parse(note.text)
        assert checkpoint.root == self.root_at(checkpoint.tree_size)
        notes.verify(note, [self.log_key])
        with self._publishing:
            if checkpoint.tree_size >= self._published.checkpoint.tree_size:
                text = str(note)
                try:
                    self._publication.save(text)
                except StorageFailedError as e:
                    self._failed = True
                    self._anchor.note_failure(e.message)
                    raise
                self._published = Published(checkpoint, text, self._clock.now())
            return self._published

    def public_note(self) -> str:
        """Return the published note as the public reads it: with the post-quantum line."""
        return self._signatory.shown(self._published)

    def row(self, index: int) -> Row:
        """Return what is stored at `index`.

        Raises:
            UnknownEntryError: the ledger does not have it.
            DamagedError: the ledger does, and the store does not.
        """
        if not 0 <= index < self._head.tree_size:
            raise UnknownEntryError(f"no entry at {index}, the ledger has {self._head.tree_size}")
        return self.stored(index)

    def stored(self, index: int) -> Row:
        """Return what is at an `index` that the store has just told.

        It tells of a commit a moment before the ledger has its new head.

        Raises:
            DamagedError: it is not there.
        """
        rows = self._store.rows(index, index + 1)
        if not rows:
            raise DamagedError(f"entry {index} is missing")
        return rows[0]

    def record(self, index: int) -> Record:
        """Return the stored record at `index`; raises like `row`."""
        return make_record(index, self.row(index))

    def prove(self, index: int, tree_size: int) -> InclusionProof:
        """Return the proof that the entry at `index` is in the tree of `tree_size`.

        Raises:
            UnknownEntryError: that tree does not have it, or was never published.
        """
        if not 0 <= index < tree_size <= self._published.checkpoint.tree_size:
            raise UnknownEntryError(
                f"no proof for entry {index} in a tree of {tree_size}, "
                f"{self._published.checkpoint.tree_size} entries are published"
            )
        return InclusionProof(index, tree_size, self._prover.inclusion(index, tree_size))

    def prove_consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the proof that the tree of `tree_size` grew out of that of `old_size`.

        Raises:
            UnknownEntryError: the sizes are out of order, zero, or not published.
        """
        if not 0 < old_size <= tree_size <= self._published.checkpoint.tree_size:
            raise UnknownEntryError(
                f"no proof from {old_size} to {tree_size}, "
                f"{self._published.checkpoint.tree_size} entries are published"
            )
        return self.path_between(old_size, tree_size)

    def path_between(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the consistency path between two durable trees, published or not; 0 needs none."""
        assert 0 <= old_size <= tree_size <= self._head.tree_size
        return self._prover.consistency(old_size, tree_size)

    def wait_past(self, tree_size: int, timeout_s: float) -> bool:
        """Return whether more than `tree_size` entries are durable, at the latest after a while."""
        with self._grown:
            return self._grown.wait_for(lambda: self._head.tree_size > tree_size, timeout_s)

    def root_at(self, tree_size: int) -> Hash:
        """Return the root that the tree had at `tree_size`, up to the head's."""
        return self._prover.root_at(tree_size)

    def close(self) -> None:
        """Close store and anchor; nothing may be called afterwards."""
        self._store.close()
        self._anchor.close()

    def _write(self, plan: Plan, *, freeze: bool) -> None:
        head = self._head
        if head.frozen:
            raise FrozenError(f"the ledger is frozen at {head.tree_size} entries")
        moment = self._clock.moment(head.time)
        # 2.
        plan.promise(self._signatory.promise, moment)
        extension = tree.extend(head.tree_size, head.compact, plan.leaves)
        edge, full = advance(self._prover.edge, extension)
        # 3.
        new_head = sealed(
            self._store.origin,
            self._seal,
            Head(extension.tree_size, extension.root, extension.compact, moment, freeze, b""),
        )
        with self._signing:
            kept, self._unkept = self._unkept, []
        batch = plan.batch(new_head, full, moment, kept)
        try:
            self._store_batch(batch)
            self._head, self._prover.edge, plan.extension = new_head, edge, extension
            # 4.
            self._anchor.write(new_head.tree_size, new_head.root)
        except (StorageFailedError, ConflictError) as e:
            self._failed = True
            if isinstance(e, StorageFailedError):
                self._anchor.note_failure(e.message)
            raise
        except LedgerError:  # nothing was written
            with self._signing:
                self._unkept = kept + self._unkept
            raise
        with self._grown:
            self._grown.notify_all()

    def _store_batch(self, batch: Batch) -> None:
        """Commit; a commit of unknown outcome is resolved by what the store holds now."""
        try:
            self._store.commit(batch)
        except OutcomeUnknownError as e:
            try:
                found = self._store.head()
            except LedgerError as unread:
                told = f"nobody knows whether a commit landed: {unread.message}"
                raise StorageFailedError(told) from unread
            if found == batch.head:
                return
            if found == self._head:
                raise StorageBusyError(f"nothing was written: {e.message}") from e
            raise ConflictError(f"expected a tree of {batch.old_size} entries") from e

    def _sign(self, head: Head) -> Published:
        checkpoint = Checkpoint(self._store.origin, head.tree_size, head.root)
        note = str(self._signatory.sign(checkpoint))
        self._unkept.append((head.tree_size, note))
        return Published(checkpoint, note, self._clock.now())

    def _check_last(self, last: Published) -> None:
        """Check that what was published before the restart is ours, and of this tree."""
        try:
            notes.verify(Note.parse(last.note), self.log_keys)
        except VerificationError as e:
            raise DamagedError(f"the published checkpoint is not ours: {e.message}") from e
        size = last.checkpoint.tree_size
        if size > self._head.tree_size or self.root_at(size) != last.checkpoint.root:
            raise DamagedError(f"the published checkpoint of {size} entries is of another tree")

    def _answer(self, index: int, pending: Pending, published: Published) -> Appended:
        tree_size = published.checkpoint.tree_size
        record, proof = pending.made(index, tree_size) or (self.record(index), None)
        proof = proof or self.prove(index, tree_size)
        return Appended(record, proof, published, fresh=index >= pending.old_size)
