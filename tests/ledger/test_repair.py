"""Repair: indexes are made again from the entries, and nothing is when the entries are wrong."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from ledger.fsck import Finding, Known, fsck
from ledger.fsck import repair as module
from ledger.fsck.repair import Repaired, repair
from ledger.lock import LedgerLock
from ledger.opening import Home, open_ledger
from ledger.store.rebuilding import Rebuilder
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    KEYS,
    ORIGIN,
    claim_on,
    edit,
    entries,
    entry,
    grow,
    prove_all,
    refused,
)

COUNT = 600  # with the genesis 601 entries: two full tiles
TABLES = ("entry", "head", "claim", "checkpoint", "tile", "dedup", "label")


@pytest.fixture
def grown(home: Home) -> Home:
    """A closed ledger of 601 entries, one of them with an idempotency key."""
    grow(home, 0, 300)
    grow(home, 300, COUNT - 1)
    last = entry(COUNT - 1)
    with open_ledger(home, KEYS) as ledger:
        ledger.append([last._replace(claim=claim_on(last))])
    return home


def contents(home: Home) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    return {table: sorted(edit(home.database, f"SELECT * FROM {table}")) for table in TABLES}


def check(home: Home) -> list[Finding]:
    """Return what a check finds."""
    with closing(SqliteStore(home.database, read_only=True)) as store:
        return list(fsck(store, Known(ORIGIN, KEYS.seal)))


def mend(home: Home) -> Repaired:
    """Repair, and return what was wrong."""
    return repair(home, KEYS.seal, lambda _done, _total: None)


DAMAGE = [
    "DELETE FROM tile",
    "DELETE FROM tile WHERE id = 1",
    "UPDATE tile SET hashes = zeroblob(8192) WHERE id = 0",
    "UPDATE tile SET id = id + 10",
    "INSERT INTO tile SELECT 1 << 56, hashes FROM tile WHERE id = 0",
    "INSERT INTO tile SELECT -1, hashes FROM tile WHERE id = 0",
    "DELETE FROM dedup",
    "DROP TABLE dedup",
    "UPDATE dedup SET idx = idx + 1",
    "INSERT INTO dedup VALUES (zeroblob(32), 7)",
    "DELETE FROM label",
    "DROP TABLE label",
    "DELETE FROM label WHERE idx % 7 = 0",
    "INSERT INTO label VALUES (12345, 7)",
    "UPDATE entry SET labels = cast('{}' AS BLOB) WHERE idx % 100 = 0",
    "UPDATE entry SET labels = zeroblob(9) WHERE idx = 7",
]


@pytest.mark.parametrize("sql", DAMAGE)
def test_what_follows_from_entries_is_made_again(grown: Home, sql: str) -> None:
    """
    Whatever happened to tiles, labels and indexes, after a repair all is as it was.
    """
    before = contents(grown)
    edit(grown.database, sql)
    assert [] != check(grown)

    mend(grown)

    assert before == contents(grown)
    assert [] == check(grown)
    with open_ledger(grown, KEYS) as ledger:
        assert [COUNT + 1] == prove_all(ledger.append(entries(COUNT, COUNT + 1)))


def test_undamaged(grown: Home) -> None:
    """
    A repair of an undamaged ledger changes nothing, and says so.
    """
    before = contents(grown)

    assert Repaired(0, 0, COUNT + 1) == mend(grown)
    assert before == contents(grown)


def test_what_was_wrong_is_counted(grown: Home) -> None:
    """
    A repair tells how many tiles and how many entries' labels it made again.
    """
    edit(grown.database, "UPDATE tile SET hashes = zeroblob(8192) WHERE id = 0")
    edit(grown.database, "UPDATE entry SET labels = zeroblob(9) WHERE idx IN (7, 300)")

    assert Repaired(1, 2, COUNT + 1) == mend(grown)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET entry = x'00' WHERE idx = 7",
        "UPDATE entry SET entry = (SELECT entry FROM entry WHERE idx = 8) WHERE idx = 7",
        "UPDATE entry SET entry = x'00' WHERE idx = 600",
        (
            "UPDATE entry SET (entry, body) = (SELECT entry, body FROM entry WHERE idx = 8)"
            " WHERE idx = 7"
        ),
        "DELETE FROM entry WHERE idx = 7",
        "DELETE FROM entry WHERE idx = 600",
        "UPDATE entry SET body = x'00' WHERE idx = 7",
        "UPDATE entry SET body = (SELECT body FROM entry WHERE idx = 8) WHERE idx = 7",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET tree_size = 300",
        "UPDATE head SET seal = zeroblob(32)",
        "UPDATE head SET frozen = 1",
        "DELETE FROM head",
    ],
)
def test_wrong_entries_are_never_built_on(grown: Home, sql: str) -> None:
    """
    When entries, bodies or head are wrong nothing is touched, however wrong the indexes are.
    """
    edit(grown.database, sql)
    edit(grown.database, "DELETE FROM tile")
    edit(grown.database, "DELETE FROM dedup")
    before = contents(grown)

    refused("ledger-damaged", lambda: mend(grown))

    assert before == contents(grown)
    assert [] == edit(grown.database, "SELECT 1 FROM sqlite_schema WHERE name LIKE '%next'")


def test_other_seal(grown: Home) -> None:
    """
    Whoever has another seal's key cannot repair.
    """
    refused("ledger-damaged", lambda: repair(grown, bytes(32), lambda _done, _total: None))


def test_other_ledger(grown: Home) -> None:
    """
    A ledger that is another one's than the configured is not repaired.
    """
    refused("foreign-ledger", lambda: mend(grown._replace(origin="other.example")))


def test_while_it_is_served(grown: Home) -> None:
    """
    A ledger that is being served is not repaired.
    """
    with closing(LedgerLock(grown.lock)):
        refused("ledger-busy", lambda: mend(grown))


@pytest.mark.parametrize(
    "step", ["put_tiles", "begin_dedup", "add_dedup", "finish_dedup", "rebuild_label_index"]
)
def test_killed_and_run_again(grown: Home, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """
    A repair that is cut off makes nothing worse, the ledger is served, and the next one mends.
    """
    before = contents(grown)
    edit(grown.database, "DELETE FROM tile WHERE id = 0")
    edit(grown.database, "INSERT INTO label VALUES (12345, 7)")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Rebuilder, step, cut)
        with pytest.raises(KeyboardInterrupt):
            mend(grown)
    assert {"tile-missing", "label-extra"} >= {finding.code for finding in check(grown)}
    if step != "put_tiles":  # without the tile it is not served, as before
        with open_ledger(grown, KEYS) as ledger:
            assert [7] == prove_all(ledger.append([entry(6)]))
    mend(grown)

    assert before == contents(grown)


def test_index_that_was_half_made(grown: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a repair that was cut off had begun of the label index is not believed by the next.
    """
    from ledger.store import label_index

    before = contents(grown)
    monkeypatch.setattr(label_index, "_SLICE", 100)
    keys, seen = label_index.index_keys, []

    def wrong_then_cut(*row: Any) -> set[int]:
        seen.append(row)
        if len(seen) == 250:
            raise KeyboardInterrupt
        return {key + 1 for key in keys(*row)}

    with monkeypatch.context() as patch:
        patch.setattr(label_index, "index_keys", wrong_then_cut)
        with pytest.raises(KeyboardInterrupt):
            mend(grown)
    mend(grown)

    assert before == contents(grown)


def test_bodies_that_are_gone(grown: Home) -> None:
    """
    An entry whose body was deleted keeps its labels and its dedup key.
    """
    edit(grown.database, "UPDATE entry SET body = NULL WHERE idx = 7")
    before = contents(grown)
    edit(grown.database, "DELETE FROM label")

    mend(grown)

    assert before == contents(grown)


def test_key_that_nothing_tells(grown: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The dedup key of an entry that does not say its body's SHA-256 is taken over as it is.
    """
    edit(grown.database, "UPDATE entry SET body = NULL WHERE idx = 7")
    before = contents(grown)
    derive = module._derive

    def without(index: int, row: Any, bodies: Any) -> Any:
        derived = derive(index, row, bodies)
        return derived._replace(dedup=None) if index == 7 else derived

    monkeypatch.setattr(module, "_derive", without)
    mend(grown)

    assert before == contents(grown)
