"""Deleting bodies: logged first, then gone everywhere, and only what may go."""

from __future__ import annotations

import hashlib
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ledger import deleting
from ledger.deleting import Deletion
from ledger.encrypting import encrypt_older
from ledger.errors import StorageFailedError
from ledger.export import Export
from ledger.fsck import fsck
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.static import StaticFiles
from ledger.store.rewriting import Rewriter
from ledger.store.sqlite import SqliteStore
from tests.ledger.at_rest_keys import CANARY, KEYS_AT_REST, deletion, keep, lies_in, small, whole
from tests.ledger.large import KNOWN
from tests.ledger.making import KEYS, SIGNER, entry, prove_all, refused, script
from tests.ledger.mirroring import follow
from verifier.entry import Entry
from verifier.note import NoteKey

LARGE = whole(3)
SECRETS = (CANARY, LARGE.body[3000:3060])


def name_of(body: bytes) -> str:
    """Return what an entry calls its body."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


SMALL = name_of(small(2).body)


def fill(home: Home) -> None:
    """Append an approval at 1, a small attestation at 2, and a large one at 3."""
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append([entry(1), small(2), keep(ledger, LARGE)]))


def log(home: Home, *deletions: Deletion) -> None:
    """Log that these are deleted, and die before anything is."""
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append([deletion(one.index, one.name) for one in deletions]))


def bodies(ledger: Ledger) -> list[bool]:
    """Return which of entries 1 to 3 have a body."""
    return [deleting.has_body(row) for row in ledger.store.rows(1, 4)]


def findings(database: Path) -> set[tuple[str, int]]:
    """Return code and index of all that a check finds."""
    with closing(SqliteStore(database, read_only=True)) as store:
        return {(one.code, one.index) for one in fsck(store, KNOWN, signatures=True)}


def test_completed_at_start(home: Home, tmp_path: Path) -> None:
    """
    What is logged as deleted, and was not deleted before the process died, is gone when the next
    one serves: from the row, its write-ahead log, and the file. A check agrees.
    """
    fill(home)
    assert 2 <= len(lies_in(tmp_path, *SECRETS))
    log(home, Deletion(2, SMALL), Deletion(3, LARGE.name))

    with open_ledger(home, KEYS) as ledger:
        assert [True, False, False] == bodies(ledger)
        assert set() == lies_in(tmp_path, *SECRETS)
        assert [2, 3] == prove_all(ledger.append([small(2), LARGE.new]))
    assert set() == findings(home.database)


@pytest.mark.parametrize("encrypts", [False, True])
def test_no_page_keeps_it(home: Home, tmp_path: Path, encrypts: bool) -> None:
    """
    Of many bodies of all sizes that are deleted, or encrypted where they lie, no page of the
    database keeps a copy, nor does its log.
    """
    made = [small(i, 1 + i % 7 * i) if i % 3 else entry(i) for i in range(1, 150)]
    with open_ledger(home, KEYS) as ledger:
        for at in range(0, len(made), 20):
            prove_all(ledger.append(made[at : at + 20]))
    with open_ledger(home, KEYS) as ledger:
        store = ledger.store
        assert isinstance(store, SqliteStore)
        assert lies_in(tmp_path, CANARY)
        if encrypts:
            for start in range(0, 150, 7):
                encrypt_older(store, ledger.bodies, KEYS_AT_REST, start, min(150, start + 7))
        else:
            with Rewriter(home.database) as rewriter:
                rewriter.forget([i for i in range(1, 150) if i % 3 == 1])
                rewriter.forget([i for i in range(1, 150) if i % 3 == 2])
        deleting.scrub(store)
        assert set() == lies_in(tmp_path, CANARY)


DIE = """
import os, sys
from pathlib import Path
from ledger import deleting
from ledger.bodies import Bodies
from ledger.opening import open_ledger
from ledger.store.rewriting import Rewriter
from tests.ledger import making
def die(*args):
    print("died", flush=True)
    os._exit(0)
owner, name = {
    "forget": (Rewriter, "forget"), "drop": (Bodies, "drop"), "scrub": (deleting, "scrub"),
}[sys.argv[2]]
setattr(owner, name, die)
open_ledger(making.home_in(Path(sys.argv[1])), making.KEYS)
"""


@pytest.mark.parametrize("step", ["forget", "drop", "scrub"])
def test_killed(home: Home, tmp_path: Path, step: str) -> None:
    """
    A process that dies before any step leaves its write-ahead log as it is; the next start ends
    what it began, and empties that too.
    """
    fill(home)
    log(home, Deletion(2, SMALL), Deletion(3, LARGE.name))
    assert ["died"] == script(DIE, tmp_path, step)
    assert lies_in(tmp_path, *SECRETS)

    with open_ledger(home, KEYS) as ledger:
        assert [True, False, False] == bodies(ledger)
        assert set() == lies_in(tmp_path, *SECRETS)
    assert set() == findings(home.database)


@pytest.mark.parametrize(
    "wrong",
    [
        Deletion(1, name_of(entry(1).body)),
        Deletion(0, name_of(entry(-1).body)),
        Deletion(2, LARGE.name),
        Deletion(3, SMALL),
        Deletion(99, SMALL),
        Deletion(-1, SMALL),
        Deletion(4, SMALL),
        Deletion(2, "sha256:../../etc/passwd"),
        Deletion(2**70, SMALL),
    ],
)
def test_statements_that_delete_nothing(home: Home, wrong: Deletion) -> None:
    """
    No statement deletes the body of an approval or of an event, or one by another name.
    """
    fill(home)
    log(home, wrong)
    with open_ledger(home, KEYS) as ledger:
        assert [True, True, True] == bodies(ledger)
        assert LARGE.body == ledger.bodies.read(LARGE.name, len(LARGE.body))
        assert all(row.body is not None for row in ledger.store.rows(4, 5))
    assert set() == findings(home.database)


def test_shared_file(home: Home) -> None:
    """
    A file stays for as long as another entry names it and still has it.
    """
    fill(home)
    again = Entry.of(LARGE.body, SIGNER.sign(LARGE.body + b"x"), SIGNER.public).body()
    with open_ledger(home, KEYS) as ledger:
        other = LARGE.new._replace(entry=again, dedup=hashlib.sha256(again).digest())
        [at] = prove_all(ledger.append([other]))
        assert isinstance(ledger.store, SqliteStore)
        assert [3, at] == deleting.holders(ledger.store, LARGE.name)
        assert deleting.complete(ledger.store, ledger.bodies, Deletion(3, LARGE.name))
        assert [at] == deleting.holders(ledger.store, LARGE.name)
        assert ledger.bodies.is_there(LARGE.name)
        assert deleting.complete(ledger.store, ledger.bodies, Deletion(at, LARGE.name))
        assert not ledger.bodies.is_there(LARGE.name)
        assert not deleting.complete(ledger.store, ledger.bodies, Deletion(at, LARGE.name))


def test_mirror_and_export(home: Home, tmp_path: Path) -> None:
    """
    A mirror that had the bodies deletes them when it hears of it, also when it was killed before
    it could; one that begins later never has them. An export made again is without them.
    """
    fill(home)
    old, new, web = tmp_path / "old", tmp_path / "new", tmp_path / "web"
    keys = [NoteKey.of(home.origin, KEYS.log.public)]

    def export(ledger: Ledger) -> None:
        with StaticFiles(web) as files:
            made = Export(ledger.store, files, keys, ledger.bodies)
            made.run(ledger.published.note, lambda *_: None, bodies=True)

    with open_ledger(home, KEYS) as ledger:
        follow(ledger, old)
        export(ledger)
    assert 2 <= len(lies_in(old, *SECRETS))
    assert 2 <= len(lies_in(web, *SECRETS))
    log(home, Deletion(2, SMALL), Deletion(3, LARGE.name))
    with open_ledger(home, KEYS) as ledger:
        with pytest.MonkeyPatch.context() as patched, suppress(StorageFailedError):
            patched.setattr("ledger.deleting.complete_all", _die)
            follow(ledger, old)
        assert 2 <= len(lies_in(old, *SECRETS))
        follow(ledger, old)
        follow(ledger, new)
        export(ledger)
    for directory in (old, new, web, home.directory):
        assert set() == lies_in(directory, *SECRETS)
    for directory in (old, new):
        assert set() == findings(directory / "ledger.db")


def _die(*_: object) -> None:
    raise StorageFailedError("cut off")


def test_statement_signed_again(home: Home) -> None:
    """
    A body that was deleted does not come back by another key's signature over the same bytes.
    """
    fill(home)
    log(home, Deletion(2, SMALL))
    with open_ledger(home, KEYS) as ledger:

        def check(name: str) -> None:
            deleting.check_not_deleted(ledger.store, ledger.bodies, name)

        check(LARGE.name)
        check(name_of(b"never seen"))
        refused("body-deleted", lambda: check(SMALL))
        refused("body-deleted", lambda: deleting.check_body(ledger.row(2), 2))
        ledger.bodies.condemn(LARGE.name)
        refused("body-deleted", lambda: check(LARGE.name))
        deleting.check_body(ledger.row(1), 1)
