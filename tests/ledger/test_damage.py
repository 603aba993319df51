"""What is stored was changed: opening notices, and nothing is signed on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.anchor import Anchor
from ledger.opening import Home, adopt, create, open_ledger
from ledger.signatory import LogKeys
from ledger.store import Head
from tests.ledger.making import GENESIS, KEYS, edit, entry, grow, home_in, prove_all, refused

LAST = 599  # of 600 entries: two full tiles, and 88 behind them


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Head]:
    """A ledger of 600 entries that no test changes, and its head."""
    home = home_in(tmp_path_factory.mktemp("good"))
    create(home, KEYS, GENESIS)
    grow(home, 0, 300)
    grow(home, 300, LAST)
    with open_ledger(home, KEYS) as ledger:
        return home, ledger.head


@pytest.fixture
def home(good: tuple[Home, Head], tmp_path: Path) -> Home:
    """A copy of that ledger with an anchor of its own, for a test to change."""
    (original, head), home = good, home_in(tmp_path)
    shutil.copytree(original.directory, home.directory)
    anchor = Anchor(home.anchor, home.origin, home.database)
    anchor.create(head.tree_size, head.root)
    anchor.close()
    return home


def flipped(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit flipped."""
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def flip(database: Path, table: str, column: str, bit: int, where: str = "1") -> None:
    """Flip one bit of a value in the database."""
    [(value,)] = edit(database, f"SELECT {column} FROM {table} WHERE {where}")
    changed = flipped(value, bit) if isinstance(value, bytes) else value ^ 1 << bit
    edit(database, f"UPDATE {table} SET {column} = ? WHERE {where}", changed)


def test_undamaged(home: Home) -> None:
    """
    The ledger that these tests damage opens when it is not damaged.
    """
    with open_ledger(home, KEYS) as ledger:
        assert LAST + 1 == ledger.head.tree_size


@pytest.mark.parametrize("bit", [0, 100, 255])
@pytest.mark.parametrize("column", ["root", "compact", "seal"])
def test_flipped_hash_in_the_head(home: Home, column: str, bit: int) -> None:
    """
    One flipped bit in a hash of the head, or in its seal, is damage.
    """
    flip(home.database, "head", column, bit)

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize(
    ("column", "bit"),
    [
        ("tree_size", 0),
        ("tree_size", 9),
        ("tree_size", 62),
        ("time", 0),
        ("time", 40),
        ("frozen", 0),
    ],
)
def test_flipped_number_in_the_head(home: Home, column: str, bit: int) -> None:
    """
    One flipped bit in a number of the head is damage: a frozen ledger cannot be thawed either.
    """
    flip(home.database, "head", column, bit)

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize("column", ["root", "compact"])
@pytest.mark.parametrize("cut", [0, 31, 33])
def test_hash_of_another_length(home: Home, column: str, cut: int) -> None:
    """
    A head whose hashes have another length is damaged, and that is told by its code.
    """
    edit(home.database, f"UPDATE head SET {column} = ?", bytes(cut))

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize("table", ["head", "ledger"])
def test_lost_row(home: Home, table: str) -> None:
    """
    A database that lost its head or its origin is damaged.
    """
    edit(home.database, f"DELETE FROM {table}")

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize("index", [512, 550, LAST])
def test_entry_at_the_edge(home: Home, index: int) -> None:
    """
    One flipped bit in an entry behind the last full tile is damage.
    """
    flip(home.database, "entry", "entry", 77, f"idx = {index}")

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


def test_entry_that_the_anchor_does_not_know(home: Home) -> None:
    """
    One flipped bit in an entry of the batch that the anchor missed is damage too.
    """
    anchor = home.anchor / "anchor"
    known = anchor.read_bytes()
    grow(home, LAST, LAST + 3)
    anchor.write_bytes(known)
    flip(home.database, "entry", "entry", 77, f"idx = {LAST + 2}")

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM entry",
        "UPDATE entry SET labels = zeroblob(9)",
        "UPDATE entry SET labels = cast('{}' AS BLOB)",
    ],
)
def test_row_under_a_full_tile(home: Home, change: str) -> None:
    """
    A row that was lost or cannot be read is damage to whoever asks for it, and to nobody else.
    """
    edit(home.database, f"{change} WHERE idx = 7")  # the genesis is 0, so this is image 6

    with open_ledger(home, KEYS) as ledger:
        refused("ledger-damaged", lambda: ledger.record(7))
        refused("ledger-damaged", lambda: ledger.append([entry(6)]))
        assert 8 == ledger.record(8).index
        assert [LAST + 1] == prove_all(ledger.append([entry(LAST)]))


@pytest.mark.parametrize("index", [512, LAST])
def test_lost_entry_at_the_edge(home: Home, index: int) -> None:
    """
    An entry that is missing behind the last full tile is damage.
    """
    edit(home.database, f"DELETE FROM entry WHERE idx = {index}")

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


@pytest.mark.parametrize("tile", [0, 1])
@pytest.mark.parametrize("how", ["flipped", "lost"])
def test_tile(home: Home, tile: int, how: str) -> None:
    """
    One flipped bit in a tile whose root is at the edge, or its loss, is damage.
    """
    if how == "flipped":
        flip(home.database, "tile", "hashes", 12_345, f"id = {tile}")
    else:
        edit(home.database, f"DELETE FROM tile WHERE id = {tile}")

    refused("ledger-damaged", lambda: open_ledger(home, KEYS))


def test_other_seal_key(home: Home) -> None:
    """
    A head that was sealed with another key is not ours.
    """
    keys = LogKeys(KEYS.log, bytes(32))

    refused("ledger-damaged", lambda: open_ledger(home, keys))
    refused("ledger-damaged", lambda: adopt(home, keys, print))


@pytest.mark.parametrize("index", [0, 255, 256, 511, LAST])
def test_adopt_hashes_every_entry(home: Home, index: int) -> None:
    """
    A flipped bit in any entry keeps a ledger from being taken over.
    """
    flip(home.database, "entry", "entry", 77, f"idx = {index}")

    refused("ledger-damaged", lambda: adopt(home, KEYS, print))


@pytest.mark.parametrize("index", [0, 99, 100, 450, LAST])
def test_adopt_misses_every_entry(home: Home, monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    """
    An entry that is missing anywhere, in whichever slice, keeps a ledger from being taken over.
    """
    monkeypatch.setattr("ledger.opening.SLICE", 100)
    edit(home.database, f"DELETE FROM entry WHERE idx = {index}")

    refused("ledger-damaged", lambda: adopt(home, KEYS, print))


def test_entry_that_nobody_counted(home: Home) -> None:
    """
    A row behind the head is no entry: it is not shown, and the next append stops at it.
    """
    edit(
        home.database,
        "INSERT INTO entry SELECT idx + 1, entry, body, labels, time, promise,"
        " timestamp, chain, body_size"
        f" FROM entry WHERE idx = {LAST}",
    )
    with open_ledger(home, KEYS) as ledger:
        refused("unknown-entry", lambda: ledger.record(LAST + 1))
        published = ledger.published

        refused("head-moved", lambda: ledger.append([GENESIS._replace(dedup=bytes(32))]))
        assert published == ledger.published
        refused("storage-failed", lambda: prove_all(ledger.append([GENESIS])))
