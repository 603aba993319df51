"""A ledger whose attestations lie encrypted: what its files show, and what its readers get."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from ledger import deleting
from ledger.at_rest import is_sealed
from ledger.bodies import Bodies
from ledger.copies.backup import back_up
from ledger.copies.restore import restore
from ledger.encrypting import encrypt_older
from ledger.fsck import fsck
from ledger.fsck.repair import repair
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.resources import Resources
from ledger.store.files import data_keys
from ledger.store.sqlite import SqliteStore
from tests.ledger.at_rest_keys import (
    CANARY,
    KEYS_AT_REST,
    HeldKeys,
    keep,
    lies_in,
    small,
    whole,
)
from tests.ledger.large import KNOWN
from tests.ledger.making import KEYS, edit, entry, prove_all, refused
from tests.ledger.mirroring import content, follow, mirrored

LARGE = whole(3)
SECRETS = (CANARY, LARGE.body[3000:3060], LARGE.body[-200:-140])


def fill(ledger: Ledger) -> None:
    """Append an approval, a small and a large attestation, and an approval."""
    prove_all(ledger.append([entry(1), small(2), keep(ledger, LARGE), entry(4)]))


def expected() -> list[bytes | None]:
    """Return the bodies of the rows after genesis."""
    return [entry(1).body, small(2).body, None, entry(4).body]


@pytest.fixture
def kept(home: Home) -> Home:
    """A ledger that was closed, with two attestations encrypted."""
    data_keys(home.database).write_bytes(b"a book")
    with open_ledger(home, KEYS, at_rest=KEYS_AT_REST) as ledger:
        fill(ledger)
    return home


def findings(database: Path, keys: HeldKeys | None, processes: int | None = None) -> set[object]:
    """Return code and index of all that a check finds."""
    with closing(SqliteStore(database, read_only=True, keys=keys)) as store:
        found = fsck(store, KNOWN, signatures=True, processes=processes)
        return {(one.code, one.index) for one in found}


def test_readers_get_what_was_appended(home: Home) -> None:
    """
    Rows, records, and bodies by name are as they were appended, and a re-run finds them.
    """
    with open_ledger(home, KEYS, at_rest=KEYS_AT_REST) as ledger:
        fill(ledger)
        resources = Resources(
            ledger.store, ledger.public_note, lambda: ledger.head.tree_size, ledger.bodies
        )

        assert expected() == [row.body for row in ledger.store.rows(1, 5)]
        assert small(2).body == ledger.record(2).body
        assert LARGE.body == ledger.bodies.read(LARGE.name, len(LARGE.body))
        found = resources.large(LARGE.name)
        assert found is not None
        assert LARGE.body == b"".join(found.pieces)
        assert [2, 3] == prove_all(ledger.append([small(2), LARGE.new]))
        assert [] == list(fsck(ledger.store, KNOWN, signatures=True))  # type: ignore[arg-type]


def test_files_do_not_show_it(home: Home, tmp_path: Path) -> None:
    """
    What an attestation says is in no file of the ledger, neither while it serves nor afterwards,
    nor in a backup; approvals can be read by everybody, so that an auditor needs no key.
    """
    with open_ledger(home, KEYS, at_rest=KEYS_AT_REST) as ledger:
        fill(ledger)
        assert set() == lies_in(tmp_path, *SECRETS)
        (tmp_path / "backup").mkdir()
        back_up(home.database, tmp_path / "backup" / "b.db", lambda *_: None)
    assert set() == lies_in(tmp_path, *SECRETS)
    assert {"ledger/ledger.db", "backup/b.db"} <= lies_in(tmp_path, entry(1).body)
    rows = content(home.database)["entry"]
    assert [False, False, True, False, False] == [is_sealed(row[2] or b"") for row in rows]


def test_rows_swapped(kept: Home) -> None:
    """
    A body that a database's administrator moved to another row is refused there, and told of.
    """
    with open_ledger(kept, KEYS, at_rest=KEYS_AT_REST) as ledger:
        prove_all(ledger.append([small(5)]))
    edit(kept.database, "UPDATE entry SET body = (SELECT body FROM entry WHERE idx=2) WHERE idx=5")

    with open_ledger(kept, KEYS, at_rest=KEYS_AT_REST) as ledger:
        assert "entry 5" in refused("ledger-damaged", lambda: ledger.row(5)).message
        assert small(2).body == ledger.row(2).body
    assert {("body-altered", 5)} == findings(kept.database, KEYS_AT_REST)


@pytest.mark.parametrize("keys", [None, HeldKeys(b"other")])
def test_without_the_key(kept: Home, keys: HeldKeys | None) -> None:
    """
    Without its key nothing is damaged: a check says which bodies it could not read, by index, and
    finds all else as it must be.
    """
    assert {("body-encrypted", 2), ("body-encrypted", 3)} == findings(kept.database, keys)
    with closing(SqliteStore(kept.database, read_only=True, keys=keys)) as store:
        refused("body-encrypted", lambda: store.rows(2, 3))
        assert [entry(1).body] == [row.body for row in store.rows(1, 2)]
    refused("body-encrypted", lambda: repair(kept, KEYS.seal, lambda *_: None, keys))


def test_check_by_several_processes(kept: Home) -> None:
    """
    Processes that share a check have the keys, each of them.
    """
    assert set() == findings(kept.database, KEYS_AT_REST, processes=2)


def test_repair(kept: Home) -> None:
    """
    With the key, indexes are made again from what is encrypted.
    """
    edit(kept.database, "DELETE FROM dedup")
    edit(kept.database, "DELETE FROM label")
    repair(kept, KEYS.seal, lambda *_: None, KEYS_AT_REST)

    assert set() == findings(kept.database, KEYS_AT_REST)


def test_backup_and_mirror(kept: Home, tmp_path: Path) -> None:
    """
    A backup is as unreadable as the ledger, and has the wrapped keys with it. A mirror gets what
    it may read, over its own channel. A ledger restored from both is encrypted again, whole.
    """
    backup, mirror = tmp_path / "backup" / "b.db", tmp_path / "mirror"
    backup.parent.mkdir()
    back_up(kept.database, backup, lambda *_: None)
    with open_ledger(kept, KEYS, at_rest=KEYS_AT_REST) as ledger:
        prove_all(ledger.append([small(6), keep(ledger, whole(7))]))
        tall = ledger.head
    _mirror(kept, mirror)
    shutil.rmtree(kept.directory)
    kept.data_keys_mark.write_bytes(b"the newest key, which died with the disk")

    seen: list[bytes] = []

    def at_rest() -> HeldKeys:
        seen.append(data_keys(kept.database).read_bytes())
        return KEYS_AT_REST

    restore(kept, KEYS, backup, mirror, lambda *_: None, at_rest=at_rest)

    assert [b"a book"] == seen == [data_keys(backup).read_bytes()]
    assert not kept.data_keys_mark.exists()
    more = (*SECRETS, whole(7).body[3000:3060])
    assert set() == lies_in(kept.directory, *more)
    assert set() == lies_in(backup.parent, *more)
    assert {"ledger.db"} <= lies_in(mirror, *more)
    assert set() == findings(kept.database, KEYS_AT_REST)
    with open_ledger(kept, KEYS, at_rest=KEYS_AT_REST) as ledger:
        assert tall.root == ledger.head.root
        assert whole(7).body == ledger.bodies.read(whole(7).name, len(whole(7).body))


def _mirror(home: Home, directory: Path) -> None:
    with open_ledger(home, KEYS, at_rest=KEYS_AT_REST) as ledger:
        follow(ledger, directory)


def test_turned_on_later(home: Home, tmp_path: Path) -> None:
    """
    What was stored before there was a key stays readable, and is encrypted where it lies: then
    neither the database, nor its write-ahead log, nor a file shows it any more.
    """
    with open_ledger(home, KEYS) as ledger:
        fill(ledger)
    assert {"ledger/ledger.db"} <= lies_in(tmp_path, *SECRETS)

    with open_ledger(home, KEYS, at_rest=KEYS_AT_REST) as ledger:
        assert expected() == [row.body for row in ledger.store.rows(1, 5)]
        store = ledger.store
        assert isinstance(store, SqliteStore)
        assert 2 == encrypt_older(store, ledger.bodies, KEYS_AT_REST, 0, 5)
        deleting.scrub(store)
        assert set() == lies_in(tmp_path, *SECRETS)
        assert 0 == encrypt_older(store, ledger.bodies, KEYS_AT_REST, 0, 5)
        assert expected() == [row.body for row in store.rows(1, 5)]
        prove_all(ledger.append([small(9)]))
    assert set() == findings(home.database, KEYS_AT_REST)
    assert Bodies(home.bodies, KEYS_AT_REST).is_sealed(LARGE.name)


def test_turned_off_again(kept: Home) -> None:
    """
    With keys that only open, what is new stays as it is, and what is encrypted is read.
    """
    opens = HeldKeys(b"a", b"b", opens_only=True)
    with open_ledger(kept, KEYS, at_rest=opens) as ledger:
        prove_all(ledger.append([small(8)]))
        assert [*expected(), small(8).body] == [row.body for row in ledger.store.rows(1, 6)]
    assert not is_sealed(content(kept.database)["entry"][5][2])


def test_mirror_of_before(home: Home, tmp_path: Path) -> None:
    """
    A mirror takes the same rows from a ledger that is encrypted as from one that is not.
    """
    plain = home
    with open_ledger(plain, KEYS) as ledger:
        fill(ledger)
    mirrored(plain, tmp_path / "one")
    with open_ledger(plain, KEYS, at_rest=KEYS_AT_REST) as ledger:
        assert isinstance(ledger.store, SqliteStore)
        encrypt_older(ledger.store, ledger.bodies, KEYS_AT_REST, 0, 5)
    _mirror(plain, tmp_path / "two")
    one, two = (content(tmp_path / name / "ledger.db") for name in ("one", "two"))

    assert one["entry"] == two["entry"]
    assert one["dedup"] == two["dedup"]
