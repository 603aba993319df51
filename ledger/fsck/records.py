"""What lies beside each entry, derived again: body, labels, keys, signature, time.

A part of the ledger at a time, so that several processes can share the work: a
part gives its findings, and what has to be seen together with the other parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ledger import dedup, labels
from ledger.at_rest import DataKeys
from ledger.bodies import beside
from ledger.deleting import KIND as BODY_DELETED
from ledger.derived import body_of
from ledger.errors import DamagedError, LockedError, StorageFailedError
from ledger.fsck.finding import Finding, read_around, unreadable
from ledger.store import Row, scanning
from ledger.store.reading import SqliteReader, index_keys
from verifier import dsse
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry, parse_any
from verifier.errors import SealbookError, VerificationError
from verifier.note import Note, NoteKey
from verifier.publickey import PublicKey
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry, Promise, log_id_of
from verifier.statement import Statement

_ROWS = 512  # rows a read: their bodies are in memory together


class Question(NamedTuple):
    """What to check; it travels to other processes, so that keys are text."""

    origin: str
    newest_time: int  # of the head
    log_keys: tuple[str, ...]  # that may have signed kept checkpoints; none: not checked
    signatures: bool
    promise_keys: tuple[bytes, ...] = ()  # SPKI; promises of other logs are not checked


class Part(NamedTuple):
    """What a part of the ledger came to; `dedup` and `labels` count index rows that are right."""

    start: int
    stop: int
    findings: list[Finding]
    dedup: int
    labels: int
    times: tuple[int, int] | None  # of its first and last entry
    bodiless: list[tuple[int, str, bool]]  # index, name of the body, and whether it may be gone
    deleted: set[tuple[int, str]]  # what deletion statements in it name
    locked: list[int]  # whose bodies are encrypted, with keys that are not at hand


def check_part(reader: SqliteReader, question: Question, start: int, stop: int) -> Part:
    """Check the entries from `start` to before `stop`, and the checkpoints of such sizes."""
    part = _Checking(reader, question)
    for lo in range(start, stop, _ROWS):
        part.rows(lo, min(lo + _ROWS, stop))
    # Sizes count from one more than indices; the empty tree belongs to the first entry.
    part.checkpoints(start + 1 if start else 0, stop + 1)
    times = (part.times[0], part.times[-1]) if part.times else None
    return Part(
        start,
        stop,
        part.findings,
        part.dedup,
        part.labels,
        times,
        part.bodiless,
        part.deleted,
        part.locked,
    )


class _Checking:
    def __init__(self, reader: SqliteReader, question: Question) -> None:
        self._reader = reader
        self._question = question
        self._bodies = beside(reader.path, reader.keys)
        self._promise_keys = [PublicKey(spki) for spki in question.promise_keys]
        self._log_keys = [NoteKey.parse(key) for key in question.log_keys]
        self._keys: dict[int, bytes] = {}
        self._requests: dict[int, tuple[PublicKey, bytes]] = {}  # what its payload answers to
        self.findings: list[Finding] = []
        self.dedup = 0
        self.labels = 0
        self.times: list[int] = []
        self.bodiless: list[tuple[int, str, bool]] = []
        self.deleted: set[tuple[int, str]] = set()
        self.locked: list[int] = []

    def rows(self, start: int, stop: int) -> None:
        """Check these rows, and what the label index has for them."""
        found, bad = read_around(partial(scanning.numbered_rows, self._reader), start, stop)
        self.findings += unreadable("row-unreadable", ("row ", "rows "), bad)
        self._keys.clear()
        self._requests.clear()
        labelled: set[tuple[int, int]] = set()
        for index, row in found:
            if not typed(row):
                self._say("row-unreadable", index, "bytes and a time", "values of other types")
                continue
            self._time(index, row.time)
            labelled.update((key, index) for key in self._row(index, row))
        self._dedup(self._keys)
        self._claims(start, stop)
        self._index(labelled, start, stop)

    def _row(self, index: int, row: Row) -> set[int]:
        """Check one row, and return the keys that the label index must have for it."""
        try:
            logged = parse_any(row.entry)
        except VerificationError as e:
            self._say("entry-unknown", index, "an entry of a kind that we keep", e.message)
            return self._stored_keys(index, row)
        self._promise(index, row)
        try:
            body = body_of(row, self._bodies)
        except DamagedError as e:
            self._say("body-altered", index, "the body that the entry names", e.message)
            return self._stored_keys(index, row)
        except LockedError:
            self.locked.append(index)
            return self._by_entry(index, row)
        if body is None and not labels.is_opaque(row.labels):
            return self._bodiless(index, row)
        try:
            derived = labels.of(row.entry, body)
            found_by = dedup.of(derived["form"][0], row.entry, body)
        except SealbookError as e:
            self._say("body-unknown", index, "a body of a form that we make", e.message)
            return self._stored_keys(index, row)
        if found_by is not None:
            self._keys[index] = found_by
        expected = labels.encode(derived)
        if expected != row.labels:
            self._say("labels-altered", index, _text(expected), _text(row.labels))
        if body is not None and not isinstance(logged, EnvelopeEntry):
            self._body(index, derived, logged, body)
        return index_keys(row.entry, derived)

    def _body(
        self, index: int, derived: labels.Labels, logged: Entry | LegacyEntry, body: bytes
    ) -> None:
        """Note what a body answers to, and what it deletes; check its signature if asked."""
        if derived.get("predicate_type") == [BODY_DELETED]:
            self._deleted(Statement.parse(dsse.parse_pae(body)[1]))
        self._requests[index] = (logged.key, dedup.content(derived["form"][0], body))
        if self._question.signatures:
            self._signature(index, logged, body)

    def _promise(self, index: int, row: Row) -> None:
        """Check that a promise is there where the form has one, and for just this entry."""
        wanted = labels.decode_form(row.labels) == labels.SIMPLESIGNING
        if row.promise is None:
            if wanted:
                self._say("promise-missing", index, "a promise beside the entry", "none")
            return
        try:
            promise = Promise.parse(row.promise)
            for key in self._promise_keys:
                if promise.log_id == log_id_of(key):
                    promise.verify(key, row.entry, row.time, index)
        except VerificationError as e:
            self._say("promise-altered", index, "the promise of this entry", e.message)

    def _bodiless(self, index: int, row: Row) -> set[int]:
        """Note that a body is gone; approvals and events can never be deleted."""
        name = labels.body_name(row.entry) or ""
        self.bodiless.append((index, name, labels.is_deletable(_decoded(row.labels))))
        return self._by_entry(index, row)

    def _by_entry(self, index: int, row: Row) -> set[int]:
        """Note what an entry without its body must be found by, as far as that follows."""
        stored = _decoded(row.labels)
        if stored.get("form") and (found_by := dedup.of(stored["form"][0], row.entry, None)):
            self._keys[index] = found_by
        return self._stored_keys(index, row)

    def _deleted(self, statement: Statement) -> None:
        index, digest = statement.predicate.get("index"), statement.predicate.get("digest")
        if type(index) is int and isinstance(digest, str):
            self.deleted.add((index, digest))

    def _stored_keys(self, index: int, row: Row) -> set[int]:
        """Return the index keys by the row's own labels, where nothing better is known."""
        try:
            return index_keys(row.entry, labels.decode(row.labels))
        except (DamagedError, AttributeError, TypeError):
            self._say("labels-altered", index, "labels", _text(row.labels))
            return set()

    def _dedup(self, keys: Mapping[int, bytes]) -> None:
        """Compare the dedup keys that these entries must have with those that are there."""
        wanted = list(keys.items())
        pairs, bad = read_around(
            lambda lo, hi: [*self._reader.find_many([k for _, k in wanted[lo:hi]]).items()],
            0,
            len(wanted),
        )
        there = dict(pairs)
        for part in bad:
            for index, key in wanted[part.start : part.stop]:
                self._say("dedup-unreadable", index, f"dedup key {key.hex()}", part.why)
        hidden = {index for part in bad for index, _ in wanted[part.start : part.stop]}
        for index, key in wanted:
            found = there.get(key)
            if found == index:
                self.dedup += 1
            elif index not in hidden:
                other = "none" if found is None else f"it for {found}"
                self._say("dedup", index, f"dedup key {key.hex()} for {index}", other)

    def _claims(self, start: int, stop: int) -> None:
        """Check that each idempotency key is one of a request that its entry answers."""
        try:
            claims = self._reader.claims(start, stop)
        except (DamagedError, StorageFailedError) as e:
            self._say("claim-unreadable", start, "idempotency keys", e.message)
            return
        for claim in claims:
            known = self._requests.get(claim.index)
            if known is not None and claim.request not in dedup.requests(*known):
                told = f"the request {claim.request.hex()}"
                self._say("claim-altered", claim.index, "a key for what this entry answers", told)

    def _signature(self, index: int, entry: Entry | LegacyEntry, body: bytes) -> None:
        try:
            entry.key.verify(entry.signature, body)
        except VerificationError as e:
            self._say("signature", index, f"one by key {entry.key.fingerprint}", e.message)

    def _time(self, index: int, time: int) -> None:
        earliest = self.times[-1] if self.times else 0
        if not earliest <= time <= self._question.newest_time:
            expected = f"a time from {earliest} to {self._question.newest_time}"
            self._say("time", index, expected, str(time))
        else:
            self.times.append(time)

    def _index(self, expected: set[tuple[int, int]], start: int, stop: int) -> None:
        """Compare what the label index must have for these rows, key and index, with what it has.

        What it has too much under other keys, a count of the whole index shows.
        """
        keys = sorted({key for key, _ in expected})
        rows, bad = read_around(
            lambda lo, hi: scanning.indexed(self._reader, keys[lo:hi], start, stop), 0, len(keys)
        )
        found = set(rows)
        hidden = {key for part in bad for key in keys[part.start : part.stop]}
        for part in bad:
            what = f"label keys {keys[part.start]:#x} to {keys[part.stop - 1]:#x}"
            self._say("label-unreadable", start, what, part.why)
        self.labels += len(found & expected)
        for key, index in sorted(expected - found, key=lambda row: row[1]):
            if key not in hidden:
                self._say("label-missing", index, f"label key {key:#x} in the index", "none")

    def checkpoints(self, start: int, stop: int) -> None:
        """Check form, origin and signatures of the kept checkpoints of these tree sizes."""
        found, bad = read_around(partial(scanning.notes, self._reader), start, stop)
        self.findings += unreadable("checkpoint-unreadable", ("checkpoint ", "checkpoints "), bad)
        for size, text in found:
            try:
                self._checkpoint(size, text)
            except TypeError:
                self._say("checkpoint-unreadable", size, "text", f"a {type(text).__name__}")
            except VerificationError as e:
                self._say("checkpoint", size, f"a checkpoint that we signed at {size}", e.message)

    def _checkpoint(self, size: int, text: str) -> None:
        note = Note.parse(text)
        checkpoint = Checkpoint.parse(note.text)
        ours = (self._question.origin, size)
        theirs = (checkpoint.origin, checkpoint.tree_size)
        if ours != theirs:
            self._say("checkpoint", size, f"one of {ours}", f"one of {theirs}")
        if self._log_keys:
            notes.verify(note, self._log_keys)
            known = {(key.name, key.key_id) for key in self._log_keys}
            for line in note.signatures:
                if (line.name, line.key_id) not in known:
                    self._say("checkpoint", size, "lines by our own keys", f"one by {line.name}")

    def _say(self, code: str, index: int, expected: str, found: str) -> None:
        self.findings.append(Finding(code, index, expected, found))


def typed(row: Any) -> bool:
    """Whether the row has the types that it was written with: a damaged page may give others."""
    blobs = (row.entry, row.labels)
    optional = (row.body, row.promise, row.timestamp, row.chain)
    return (
        all(isinstance(blob, bytes) for blob in blobs)
        and all(blob is None or isinstance(blob, bytes) for blob in optional)
        and isinstance(row.time, int)
        and isinstance(row.body_size, int)
        and row.body_size >= 0
    )


def _decoded(row: bytes) -> dict[str, list[str]]:
    try:
        return labels.decode(row)
    except DamagedError:
        return {}


def _text(row: bytes) -> str:
    return row[:400].decode(errors="replace")


# In a process of its own there is one store, opened when the process starts.
_readers: list[SqliteReader] = []


def open_reader(path: Path, keys: DataKeys | None) -> None:
    """Open the database in a process that will check parts of it."""
    _readers.append(SqliteReader(path, keys))


def check_part_here(question: Question, start: int, stop: int) -> Part:
    """Check a part in such a process."""
    return check_part(_readers[0], question, start, stop)


def time_findings(parts: list[Part]) -> Iterator[Finding]:
    """Yield where time goes back between parts."""
    latest = 0
    for part in parts:
        if part.times is None:
            continue
        if part.times[0] < latest:
            yield Finding("time", part.start, f"a time from {latest}", str(part.times[0]))
        latest = max(latest, part.times[1])
