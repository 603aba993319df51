"""What waits to be attached, and what became of the rest, in a database of its own.

    publication   an image in a repository: asked for, tried, done with; `next_at` is when it is
                  tried or looked at again, 0 for never
    named         what says itself of no repository (cosign's statements do not), and which one it
                  was asked for in
    told          `healed`: up to which entry of the ledger it is known what is to be attached

Times are in milliseconds. What is written is durable when a call returns. A database that is
missing is made anew: nothing is lost but what waited, and publishing again makes good for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Self

from ledger.lock import LedgerLock
from ledger.store.connection import transaction, translated
from signer.errors import PublicationsError
from signer.publish import rows
from signer.publish.rows import Counts, Heal, Image, Outcome, Publication, Run, State
from signer.publish.schema import open_database, ours
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.repository import Repository

_HORIZON_MS = 600_000  # nothing is put off for longer: what says so was written by another clock


class Store:
    """The open database. Safe in many threads."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open the database at `path`, or make it.

        Raises:
            PublicationsError: it is broken, another program's, or cannot be opened.
            LedgerBusyError: another process has it open.
        """
        self._clock = clock
        self._lock = Lock()
        self._closed = False
        with ours("opening"), ExitStack() as undo:
            undo.callback(LedgerLock(path.with_suffix(".lock")).close)
            self._connection = open_database(path)
            undo.callback(self._connection.close)
            self._opened = undo.pop_all()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the database; whoever asks it anything afterwards gets `PublicationsError`."""
        with self._lock:
            self._closed = True
            self._opened.close()

    def ask(self, repository: Repository, digests: Sequence[Digest], most: int) -> list[int]:
        """Let `digests` be attached now, and return the ids; what waits already is asked for more.

        Raises:
            PublicationsFullError: more than `most` would wait; none of these does.
            PublicationsError: it cannot be written; some may wait.
        """
        now = self._now()
        with self._writing() as run:
            ids = [rows.put(run, (repository, digest), now, now, 0) for digest in digests]
            rows.check_room(run, most)
        return ids

    def heal(
        self, images: Iterable[Image], healing: Heal, most: int, healed: int | None = None
    ) -> None:
        """Let `images` be attached once nothing was signed about them for a while.

        Entries of the ledger below `healed` are known then. Raises like `ask`.
        """
        now = self._now()
        with self._writing() as run:
            for image in images:
                rows.heal(run, image, now, healing)
            rows.check_room(run, most)
            if healed is not None:
                run("INSERT OR REPLACE INTO told VALUES ('healed', ?)", (healed,))

    def name(self, image: Image, entry: int) -> None:
        """Remember that the entry, which does not say so, is about `image`."""
        with self._writing() as run:
            run("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", (*image, entry))

    def named(self, image: Image) -> frozenset[int]:
        """Return the entries that were said to be about `image`."""
        with self._reading() as run:
            found = run("SELECT entry FROM named WHERE repository = ? AND digest = ?", image)
            return frozenset(entry for (entry,) in found)

    def healed(self) -> int | None:
        """Return below which entry it is known what is to be attached; None for nowhere."""
        with self._reading() as run:
            found = run("SELECT value FROM told WHERE name = 'healed'").fetchone()
        return None if found is None else int(found[0])

    def forget_healed(self) -> None:
        """Know no longer below which entry it is known."""
        with self._writing() as run:
            run("DELETE FROM told WHERE name = 'healed'")

    def due(
        self, busy: Collection[str], resting: Mapping[str, int], most: int
    ) -> tuple[list[Publication], int]:
        """Return at most `most` that are to be tried now, of the repository that waits longest.

        Not of one that is `busy`, nor of a host that is `resting` until a time of this clock, in
        milliseconds. With nothing to do comes in how many milliseconds there is, or 0.
        """
        now, soonest = self._now(), 0
        with self._reading() as run:
            lanes = run(
                "SELECT repository, min(next_at) AS first FROM publication WHERE next_at > 0"
                " GROUP BY repository ORDER BY first"
            )
            for repository, first in lanes:
                if repository in busy:
                    continue
                at = max(first, resting.get(rows.host_of(repository), 0))
                if now < at <= now + _HORIZON_MS:
                    soonest = min(soonest or at, at)
                    continue
                found = run(
                    "SELECT * FROM publication WHERE repository = ? AND next_at > 0"
                    " AND (next_at <= ? OR next_at > ?) ORDER BY next_at, id LIMIT ?",
                    (repository, now, now + _HORIZON_MS, most),
                ).fetchall()
                if found:
                    return [rows.publication(row) for row in found], 0
        return [], max(1, soonest - now) if soonest else 0

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Write down what came of tries.

        What was asked for once more meanwhile is tried once more; what was dropped stays so.
        """
        now = self._now()
        with self._writing() as run:
            for one in outcomes:
                rows.settle(run, one, now)

    def put_off(self, host: str, error: SealbookError, again_ms: int) -> None:
        """Let all that waits for `host` be tried in `again_ms`, because of `error`."""
        again = self._now() + again_ms
        with self._writing() as run:
            run(
                "UPDATE publication SET next_at = max(next_at, ?), code = ?, message = ?, hint = ?"
                " WHERE state = ? AND repository > ? AND repository < ?",
                (again, *rows.told(error), State.WAITING, *rows.under(host)),
            )

    def wake(self, host: str, codes: Collection[str]) -> None:
        """Let all that waits for `host` because of one of `codes` be tried at once."""
        with self._writing() as run:
            for code in codes:
                run(
                    "UPDATE publication SET next_at = ? WHERE state = ? AND code = ?"
                    " AND repository > ? AND repository < ?",
                    (self._now(), State.WAITING, code, *rows.under(host)),
                )

    def change(self, ids: Collection[int], *, drop: bool) -> list[int]:
        """Take out what waits, or have it tried at once, and return which; no ids are all.

        What was refused, and is named, is tried again, unless the same waits anyway.
        """
        now = self._now()
        with self._writing() as run:
            known = [id_ for (id_,) in run("SELECT id FROM publication WHERE state = 1")]
            named = [id_ for id_ in known if id_ in ids] if ids else known
            for id_ in named:
                if drop:
                    run(
                        "UPDATE publication SET state = ?, next_at = 0, done_at = ? WHERE id = ?",
                        (State.DROPPED, now, id_),
                    )
                else:
                    run("UPDATE publication SET next_at = ? WHERE id = ?", (now, id_))
            for id_ in () if drop else ids:
                if rows.again(run, id_, now):
                    named.append(id_)
        return named

    def listed(
        self, *, waiting: bool, repository: str, before: int, limit: int
    ) -> list[Publication]:
        """Return at most `limit` with smaller ids than `before`, the newest first."""
        asked = ["id < ?"]
        values: list[object] = [before]
        if waiting:
            asked.append("state = 1")
        if repository:
            asked.append("repository = ?")
            values.append(repository)
        with self._reading() as run:
            found = run(
                f"SELECT * FROM publication WHERE {' AND '.join(asked)} ORDER BY id DESC LIMIT ?",  # noqa: S608  fixed words
                (*values, limit),
            ).fetchall()
        return [rows.publication(row) for row in found]

    def get(self, ids: Iterable[int]) -> list[Publication]:
        """Return these, in this order; what is not there any more is left out."""
        with self._reading() as run:
            found = [
                run("SELECT * FROM publication WHERE id = ?", (id_,)).fetchone() for id_ in ids
            ]
        return [rows.publication(row) for row in found if row is not None]

    def counts(self) -> Counts:
        """Return how many wait, and for how long."""
        with self._reading() as run:
            waiting, oldest = run(
                "SELECT count(*), min(asked_at) FROM publication WHERE state = 1"
            ).fetchone()
            [refused] = run(
                "SELECT count(*) FROM publication WHERE done_at > 0 AND state = ?", (State.REFUSED,)
            ).fetchone()
        return Counts(waiting, oldest or 0, refused)

    def age_s(self, counts: Counts) -> float:
        """Return how long the one that was asked for first has waited by now; 0 when none waits."""
        return max(0.0, self._clock() - counts.oldest_at / 1000) if counts.waiting else 0.0

    def purge(self, keep_ms: int) -> None:
        """Forget what was done with longer ago than that."""
        with self._writing() as run:
            run(
                "DELETE FROM publication WHERE done_at BETWEEN 1 AND ? AND next_at = 0",
                (self._now() - keep_ms,),
            )

    def _now(self) -> int:
        return int(self._clock() * 1000)

    @contextmanager
    def _reading(self) -> Iterator[Run]:
        with self._lock, ours("reading"), translated("reading"):
            self._check_open()
            yield self._connection.execute

    @contextmanager
    def _writing(self) -> Iterator[Run]:
        with self._lock, ours("writing"), translated("commit", commit=True):
            self._check_open()
            with transaction(self._connection):
                yield self._connection.execute

    def _check_open(self) -> None:
        if self._closed:
            raise PublicationsError("what waits to be attached was closed")
