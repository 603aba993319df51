"""The memory of a witness: made once, held by one process, and refused when it is not whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledger.witness.state import WitnessState
from tests.ledger.making import ORIGIN, edit, refused
from tests.ledger.witnessing import OTHER_ROOT, Bench, origin_hash


def test_absent_state_is_never_made_in_passing(tmp_path: Path) -> None:
    """
    Opening where nothing is refuses, and leaves nothing there.
    """
    refused("witness-setup", lambda: WitnessState(tmp_path))

    assert [] == list(tmp_path.iterdir())


def test_state_is_made_once(tmp_path: Path) -> None:
    """
    What is there is not made again, and only its owner reads it.
    """
    WitnessState.create(tmp_path)

    refused("head-moved", lambda: WitnessState.create(tmp_path))

    assert 0o600 == stat.S_IMODE((tmp_path / "witness.db").stat().st_mode)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """
    A second opening is refused while the first lives; to look is allowed.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)

        refused("ledger-busy", lambda: WitnessState(tmp_path))
        with WitnessState(tmp_path, read_only=True) as look:
            assert bench.recorded == look.recorded(origin_hash())
            refused("storage-failed", lambda: look.advance(bench.recorded, bench.recorded))

    WitnessState(tmp_path).close()


SPOILS = {
    "another size": ("UPDATE log SET tree_size = 2", ()),
    "another root": ("UPDATE log SET root = ?", (OTHER_ROOT,)),
    "a root of 31 bytes": ("UPDATE log SET root = ?", (OTHER_ROOT[:31],)),
    "another log": ("UPDATE log SET origin = 'other.example'", ()),
    "another hash": ("UPDATE log SET origin_hash = ?", (OTHER_ROOT,)),
    "a note that is none": ("UPDATE log SET note = 'x'", ()),
    "a note that is gone": ("UPDATE log SET note = ''", ()),
    "a log without keys": ("DELETE FROM log_key", ()),
    "keys without a log": ("DELETE FROM log", ()),
    "a key that is none": ("UPDATE log_key SET vkey = 'x'", ()),
    "a key of another log": ("UPDATE log_key SET origin_hash = ?", (OTHER_ROOT,)),
    "another program's": ("PRAGMA application_id = 1", ()),
    "no table": ("DROP TABLE log", ()),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_damaged_state_is_refused(tmp_path: Path, spoil: str) -> None:
    """
    A state that contradicts itself is not opened: what it forgot would be promised twice.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)
    sql, values = SPOILS[spoil]
    edit(tmp_path / "witness.db", sql, *values)

    refused("ledger-damaged", lambda: WitnessState(tmp_path))


def test_foreign_bytes_are_refused(tmp_path: Path) -> None:
    """
    A file that is no database, or has a torn page, is not opened.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)
    path = tmp_path / "witness.db"
    whole = path.read_bytes()

    path.write_bytes(b"no database" * 1000)
    refused("ledger-damaged", lambda: WitnessState(tmp_path))
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    refused("ledger-damaged", lambda: WitnessState(tmp_path))
    path.write_bytes(whole)
    WitnessState(tmp_path).close()


def test_log_without_a_note_is_checked_too(tmp_path: Path) -> None:
    """
    Also of a log of which nothing was cosigned yet, the name must be that of its keys.
    """
    Bench(tmp_path).state.close()
    edit(tmp_path / "witness.db", "UPDATE log SET origin = 'other.example'")

    refused("ledger-damaged", lambda: WitnessState(tmp_path))


def test_page_that_opening_does_not_read(tmp_path: Path) -> None:
    """
    A page that is damaged where no check of ours looks is found by SQLite's own.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)
    path = tmp_path / "witness.db"
    [(page,)] = edit(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'split'")
    [(size,)] = edit(path, "PRAGMA page_size")
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * size] + bytes(size) + whole[page * size :])

    refused("ledger-damaged", lambda: WitnessState(tmp_path))


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """
    What a newer program wrote is left to that program.
    """
    WitnessState.create(tmp_path)
    edit(tmp_path / "witness.db", "PRAGMA user_version = 9")

    refused("ledger-schema", lambda: WitnessState(tmp_path))


def test_unknown_log_has_no_record(tmp_path: Path) -> None:
    """
    A log that was not added has neither keys nor a record.
    """
    with Bench(tmp_path) as bench:
        assert () == bench.state.keys("other.example")
        assert bench.state.recorded(origin_hash("other.example")) is None
        assert (ORIGIN, 0, "", 0) == (
            bench.recorded.origin,
            bench.recorded.tree_size,
            bench.recorded.note,
            bench.recorded.time,
        )
