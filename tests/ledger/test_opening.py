"""Opening a ledger: old copies, copies, foreign ones and torn anchors are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.anchor import Mark
from ledger.lock import LedgerLock
from ledger.opening import Home, adopt, create, migrate, open_ledger
from tests.ledger.making import (
    GENESIS,
    KEYS,
    edit,
    entries,
    entry,
    grow,
    home_in,
    prove_all,
    refused,
)


def open_refused(code: str, home: Home) -> str:
    """Check that opening refuses with this code each time, and return the message."""
    refused(code, lambda: open_ledger(home, KEYS))
    return refused(code, lambda: open_ledger(home, KEYS)).message


def size(home: Home) -> int:
    with open_ledger(home, KEYS) as ledger:
        return ledger.head.tree_size


def test_create(home: Home) -> None:
    """
    A new ledger holds its genesis, and every entry after it has a path.
    """
    with open_ledger(home, KEYS) as ledger:
        assert (1, GENESIS.entry) == (ledger.head.tree_size, ledger.record(0).entry)
        [answer] = ledger.append([entry(0)])

    assert (1, 1) == (answer.record.index, len(answer.proof.path))


@pytest.mark.parametrize("left", ["both", "database", "anchor"])
def test_create_over_a_ledger(home: Home, left: str) -> None:
    """
    A ledger is never made over another, or over what is left of it.
    """
    if left == "anchor":
        home.database.unlink()
    if left == "database":
        (home.anchor / "anchor").unlink()

    refused("head-moved", lambda: create(home, KEYS, GENESIS))


def test_opened_again(home: Home) -> None:
    """
    A ledger that is closed and opened goes on where it was, with the same proofs and keys.
    """
    for start in range(0, 600, 150):
        grow(home, start, start + 150)
    with open_ledger(home, KEYS) as ledger:
        answers = ledger.append(entries(0, 300))

        assert list(range(1, 301)) == prove_all(answers)
        assert (601, {False}) == (ledger.head.tree_size, {a.fresh for a in answers})


def test_claims_are_durable(home: Home) -> None:
    """
    An idempotency key is still known when the ledger is opened again.
    """
    with open_ledger(home, KEYS) as ledger:
        ledger.append([entry(0, (b"key", b"request"))])

    with open_ledger(home, KEYS) as ledger:
        [same, other] = ledger.append([entry(1, (b"key", b"request")), entry(1, (b"key", b"x"))])
    assert ([1], "idempotency-conflict") == (prove_all([same]), other.code)


def test_missing_ledger(tmp_path: Path) -> None:
    """
    A ledger that is not there is missing, and opening makes nothing.
    """
    open_refused("ledger-missing", home_in(tmp_path))

    assert [] == list(tmp_path.iterdir())


def test_migrating(home: Home, tmp_path: Path) -> None:
    """
    `migrate` leaves a ledger of this version as it is, and makes none where there is none.
    """
    grow(home, 0, 2)
    migrate(home, print)
    refused("ledger-missing", lambda: migrate(home_in(tmp_path / "nowhere"), print))

    assert 3 == size(home)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("how", ["content", "rename"])
def test_old_copy_put_back(home: Home, how: str) -> None:
    """
    A database from before the last append is a rollback, in whatever way it was put back.
    """
    grow(home, 0, 2)
    old = shutil.copyfile(home.database, home.directory / "backup")
    grow(home, 2, 4)
    if how == "content":
        shutil.copyfile(old, home.database)
    else:
        old.rename(home.database)

    open_refused("ledger-rollback", home)
    refused("ledger-rollback", lambda: adopt(home, KEYS, print))


@pytest.mark.parametrize("how", ["elsewhere", "rename"])
def test_copy(home: Home, tmp_path: Path, how: str) -> None:
    """
    A complete and newest copy of a database is not the one that the anchor was written for.
    """
    grow(home, 0, 2)
    if how == "elsewhere":
        shutil.copytree(home.directory, tmp_path / "copy")
        home = home._replace(directory=tmp_path / "copy")
    else:
        shutil.copyfile(home.database, home.directory / "copy").rename(home.database)

    open_refused("ledger-copied", home)


def test_renamed_directory(home: Home, tmp_path: Path) -> None:
    """
    A directory that was renamed holds the same file, which is no copy.
    """
    home.directory.rename(tmp_path / "renamed")

    assert 1 == size(home._replace(directory=tmp_path / "renamed"))


@pytest.mark.parametrize("what", ["file", "directory"])
def test_missing_anchor(home: Home, what: str) -> None:
    """
    Without its anchor a ledger is not opened: nothing says how far it had come.
    """
    if what == "file":
        (home.anchor / "anchor").unlink()
    else:
        shutil.rmtree(home.anchor)

    open_refused("anchor-missing", home)


def test_torn_anchor(home: Home) -> None:
    """
    When the newest slot is torn the other serves, and the database may be one batch ahead.
    """
    grow(home, 0, 2)
    grow(home, 2, 4)
    anchor = home.anchor / "anchor"
    data = anchor.read_bytes()
    slot = len(data) // 2
    start = max((0, slot), key=lambda i: Mark.parse(data[i : i + slot]).sequence)
    anchor.write_bytes(data[: start + 99] + bytes(400) + data[start + 499 :])

    assert 5 == size(home)
    grow(home, 4, 5)
    grow(home, 5, 6)
    assert 7 == size(home)


def test_lost_anchor(home: Home) -> None:
    """
    When both slots are torn the ledger is not opened.
    """
    (home.anchor / "anchor").write_bytes(bytes(1024))

    open_refused("ledger-damaged", home)


def test_foreign_anchor(home: Home, tmp_path: Path) -> None:
    """
    A ledger is not opened with the anchor of another origin.
    """
    other = home_in(tmp_path / "other", "other.example")
    create(other, KEYS, GENESIS)

    open_refused("foreign-ledger", home._replace(anchor=other.anchor))


def test_foreign_database(home: Home) -> None:
    """
    A ledger of another origin than the configured one is not opened.
    """
    message = open_refused("foreign-ledger", home._replace(origin="other.example"))

    assert "other.example" in message
    assert home.origin in message


@pytest.mark.parametrize("more", [2, 3])
def test_fork(home: Home, more: int) -> None:
    """
    A database that holds more than the anchor knows, but not what it knows, is damaged.
    """
    files = (home.database, home.anchor / "anchor")
    grow(home, 0, 2)
    before = [file.read_bytes() for file in files]
    grow(home, 2, 4)
    known = files[1].read_bytes()
    for file, data in zip(files, before, strict=True):
        file.write_bytes(data)
    grow(home, 10, 10 + more)
    assert 3 + more == size(home)
    files[1].write_bytes(known)

    open_refused("ledger-damaged", home)


def test_checks_come_in_their_order(home: Home) -> None:
    """
    Of several things that are wrong the first is told: here each is added before the others.
    """
    database, anchor = home.database, home.anchor / "anchor"
    grow(home, 0, 2)
    shutil.copyfile(database, home.directory / "old")
    grow(home, 2, 4)

    shutil.copyfile(database, home.directory / "new").rename(database)
    open_refused("ledger-copied", home)
    (home.directory / "old").rename(database)
    open_refused("ledger-rollback", home)
    anchor.rename(anchor.with_name("kept"))
    open_refused("anchor-missing", home)
    edit(database, "UPDATE head SET time = time + 1")
    open_refused("ledger-damaged", home)
    home = home._replace(origin="other.example")
    open_refused("foreign-ledger", home)
    edit(database, "PRAGMA user_version = 99")
    open_refused("ledger-schema", home)
    lock = LedgerLock(home.lock)
    open_refused("ledger-busy", home)
    database.unlink()
    open_refused("ledger-missing", home)
    lock.close()
