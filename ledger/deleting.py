"""Deleting the body of an attestation, which a logged statement allows.

    urn:sealbook:body-deleted
        {"index":7,"digest":"sha256:…","reason":"names of patients in it","previous":null}

Entry, proof, labels and dedup key stay. The statement is logged first; then the row loses
its body; then the file goes, unless another row names it. Whatever a crash leaves undone of
that follows from the statement, and is done at the next start. Bodies of approvals and events
are never deleted, whatever a statement says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger import labels
from ledger.bodies import Bodies
from ledger.errors import BodyDeletedError, StorageBusyError
from ledger.store import SLICE, Row, Store
from ledger.store.reading import SqliteReader
from ledger.store.rewriting import Rewriter
from verifier import dsse
from verifier.errors import VerificationError
from verifier.statement import EVENT_PREFIX, Statement

EVENT = "body-deleted"
KIND = EVENT_PREFIX + EVENT
_AGAIN = "with --renew another statement says it, and is a new entry"


class Deletion(NamedTuple):
    """The body of the entry at `index`, called `name`, is gone for good."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    name: str
    reason: str = ""

    def claim(self) -> dict[str, object]:
        """Return what the statement says."""
        return {"index": self.index, "digest": self.name, "reason": self.reason}


def logged(store: SqliteReader, after: int = -1) -> Iterator[tuple[int, Deletion]]:
    """Yield the deletions that are logged behind `after`, and where, oldest first."""
    while page := store.search("predicate_type", KIND, after, SLICE):
        for index in page:
            for row in store.rows(index, index + 1):
                if (found := read(row)) is not None:
                    yield index, found
        after = page[-1]


def read(row: Row) -> Deletion | None:
    """Return what the statement in `row` deletes; None when it is none, or cannot be read."""
    try:
        statement = Statement.parse(dsse.parse_pae(row.body or b"")[1])
    except VerificationError:
        return None
    index, name = statement.predicate.get("index"), statement.predicate.get("digest")
    if statement.predicate_type != KIND or type(index) is not int or not isinstance(name, str):
        return None
    return Deletion(index, name)


def is_deletable(row: Row, name: str | None = None) -> bool:
    """Whether `row` is an attestation's, whose body is called `name` or anything."""
    if labels.is_opaque(row.labels) or not labels.is_deletable(labels.decode(row.labels)):
        return False
    return name in (None, labels.body_name(row.entry))


def has_body(row: Row) -> bool:
    """Whether there is a body, in the row or in a file."""
    return row.body is not None or bool(row.body_size)


def check_body(row: Row, index: int) -> None:
    """Check that the body of the entry at `index` was not deleted; raises `BodyDeletedError`."""
    if not has_body(row) and is_deletable(row):
        raise BodyDeletedError(f"the body of entry {index} was deleted", hint=_AGAIN)


def check_not_deleted(store: Store, bodies: Bodies, name: str) -> None:
    """Check that nobody deleted the body that is called so, or is about to.

    It was deleted wherever it was: the same bytes must not come back with another signature.

    Raises:
        BodyDeletedError: somebody did.
    """
    bodies.check_spared(name)
    index = store.body(name)
    for row in store.rows(index, index + 1) if index is not None else ():
        check_body(row, index or 0)


def holders(store: SqliteReader, name: str) -> list[int]:
    """Return the entries that name a body so and still have it, oldest first."""
    return [index for index, row in _naming(store, name) if has_body(row)]


def complete(store: SqliteReader, bodies: Bodies, deletion: Deletion) -> bool:
    """Do what is left to do of a logged deletion; return whether there was anything.

    What was written over is still in the write-ahead log: `scrub` ends that.

    Raises:
        StorageBusyError, StorageFullError, StorageFailedError: what is done is done.
    """
    rows = store.raw_rows(deletion.index, deletion.index + 1)
    row = Row(*rows[0][1:]) if rows else None
    if row is None or not is_deletable(row, deletion.name):
        return False
    done = has_body(row)
    if done:
        with Rewriter(store.path) as rewriter:
            rewriter.forget([deletion.index])
    if bodies.is_there(deletion.name) and not _in_files(store, deletion.name):
        bodies.drop(deletion.name)
        done = True
    return done


def complete_all(store: SqliteReader, bodies: Bodies, after: int = -1) -> int:
    """Do what is left to do of all deletions logged behind `after`; return of how many.

    Raises:
        StorageBusyError, StorageFullError, StorageFailedError: what is done is done.
    """
    done = [complete(store, bodies, deletion) for _, deletion in logged(store, after)]
    if done:  # also when the last one to try died just before
        scrub(store)
    return sum(done)


def scrub(store: SqliteReader) -> None:
    """Empty the write-ahead log of what was written over.

    Raises:
        StorageBusyError: somebody reads without a pause.
        StorageFailedError: the disk failed.
    """
    with Rewriter(store.path) as rewriter:
        if not rewriter.scrub():
            raise StorageBusyError("the write-ahead log still has what was deleted: readers use it")


def _in_files(store: SqliteReader, name: str) -> bool:
    return any(row.body_size for _, row in _naming(store, name))


def _naming(store: SqliteReader, name: str) -> Iterator[tuple[int, Row]]:
    for index in store.naming(name):
        for _, *columns in store.raw_rows(index, index + 1):
            yield index, Row(*columns)
