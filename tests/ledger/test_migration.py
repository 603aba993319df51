"""From schema 1 to 3: a real database of the first version becomes one of this version."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ledger import labels
from ledger.fsck import Known, fsck
from ledger.opening import Home, migrate, open_ledger
from ledger.store import label_index
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import KEYS, ORIGIN, edit, entries, grow, prove_all, refused

# What the first version's program did to make its tables, and to append; word for word.
OLD_TABLES = (
    "DROP TABLE label",
    "DROP INDEX claim_by_entry",
    """
    CREATE TABLE label (
        name TEXT NOT NULL, value TEXT NOT NULL, idx INTEGER NOT NULL,
        PRIMARY KEY (name, value, idx)
    ) STRICT, WITHOUT ROWID
    """,
    "DROP INDEX large_body",
    "ALTER TABLE entry DROP COLUMN chain",
    "ALTER TABLE entry DROP COLUMN body_size",
    "DELETE FROM _sqlite_migrations WHERE name IN ('to-version-2', 'to-version-3')",
    "PRAGMA user_version = 1",
)
AGAIN = OLD_TABLES[3:]  # with the index of this version there already
OLD_LABEL = "INSERT INTO label VALUES (?, ?, ?)"
COUNT = 300


@pytest.fixture
def old(home: Home) -> Home:
    """A closed ledger of the first version, of 301 entries."""
    grow(home, 0, COUNT)
    rows = edit(home.database, "SELECT idx, labels FROM entry")
    for statement in OLD_TABLES:
        edit(home.database, statement)
    for index, row in rows:
        for name, values in labels.decode(row).items():
            for value in values:
                edit(home.database, OLD_LABEL, name, value, index)
    return home


def indexed(home: Home) -> list[Any]:
    return edit(home.database, "SELECT key, idx FROM label ORDER BY key, idx")


def check(home: Home) -> None:
    """Check that the ledger is one of this version, searched and appended to."""
    store = SqliteStore(home.database, read_only=True)
    try:
        assert [] == list(fsck(store, Known(ORIGIN, KEYS.seal)))
        for i, made in enumerate(entries(0, COUNT), 1):
            digest = made.labels["digest"][0]
            assert [i] == store.search("digest", digest, -1, 9)
            assert i == store.body("sha256:" + hashlib.sha256(made.body).hexdigest())
        assert COUNT == store.last("form", "bundle")
        assert [] == store.claims(0, 99)
    finally:
        store.close()
    with open_ledger(home, KEYS) as ledger:
        assert [COUNT + 1] == prove_all(ledger.append(entries(COUNT, COUNT + 1)))


def test_old_ledger(old: Home) -> None:
    """
    The service refuses the old schema and names the command; after it everything is found.
    """
    error = refused("ledger-schema", lambda: open_ledger(old, KEYS))
    steps: list[str] = []
    migrate(old, steps.append)

    assert "sealbook migrate" in error.hint
    assert ["schema 1 -> 3"] == steps
    assert [(3,)] == edit(old.database, "PRAGMA user_version")
    assert [] == edit(old.database, "SELECT name FROM sqlite_schema WHERE name LIKE 'label_%'")
    check(old)


def test_in_slices(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The index is the same whatever fits one transaction, also when the last slice is full.
    """
    found = []
    for size in (1, 43, 301, 1000):
        monkeypatch.setattr(label_index, "_SLICE", size)
        migrate(old, print)
        found.append(indexed(old))
        for statement in AGAIN:
            edit(old.database, statement)

    assert [found[0]] * 4 == found
    assert 6 * (COUNT + 1) == len(found[0])


def test_killed_and_run_again(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A migration that is cut off leaves the old index whole, and goes on where it stopped.
    """
    monkeypatch.setattr(label_index, "_SLICE", 20)
    seen: list[bytes] = []
    keys = label_index.index_keys

    def cut(entry: bytes, found_by: labels.Labels) -> set[int]:
        seen.append(entry)
        if len(seen) == 130:
            raise KeyboardInterrupt
        return keys(entry, found_by)

    monkeypatch.setattr(label_index, "index_keys", cut)
    before = edit(old.database, "SELECT * FROM label")
    with pytest.raises(KeyboardInterrupt):
        migrate(old, print)
    assert before == edit(old.database, "SELECT * FROM label")
    assert [(1,)] == edit(old.database, "PRAGMA user_version")
    refused("ledger-schema", lambda: open_ledger(old, KEYS))

    migrate(old, print)

    assert 130 + (COUNT + 1 - 120) == len(seen)
    check(old)


def test_damaged_labels_do_not_stop_it(old: Home) -> None:
    """
    A row whose labels cannot be read is migrated without them: a check can then name it.
    """
    edit(old.database, "UPDATE entry SET labels = zeroblob(4) WHERE idx = 7")
    migrate(old, print)

    store = SqliteStore(old.database, read_only=True)
    found = [finding for finding in fsck(store, Known(ORIGIN, KEYS.seal)) if finding.index == 7]
    store.close()
    assert {"labels-altered", "label-missing"} == {finding.code for finding in found}


def test_gap_does_not_stop_it(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What lies behind entries that are missing is indexed all the same.
    """
    monkeypatch.setattr(label_index, "_SLICE", 20)
    edit(old.database, "DELETE FROM entry WHERE idx BETWEEN 40 AND 99")
    migrate(old, print)

    assert set(range(COUNT + 1)).difference(range(40, 100)) == {row[1] for row in indexed(old)}
