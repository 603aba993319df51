"""A hundred flipped bits: each is seen, and none leads to a signature on another tree."""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger import dedup, labels
from ledger.anchor import Anchor
from ledger.errors import LedgerError
from ledger.fsck import Known, fsck
from ledger.opening import Home, create, open_ledger
from ledger.plan import NewEntry
from ledger.store.sqlite import SqliteStore
from tests.crash.signed import check_never_twice, signed_trees
from tests.ledger import foreign
from tests.ledger.making import KEYS, ORIGIN, SIGNER, claim_on, edit, entry, home_in, prove_all
from verifier.checkpoint import Checkpoint
from verifier.note import Note, NoteKey

IMAGES = 299  # with the genesis a full tile, and 44 entries behind it
KEY = NoteKey.of(ORIGIN, KEYS.log.public)
KNOWN = Known(ORIGIN, KEYS.seal, (KEY,))
SLOTS = (0, 512)  # where those of the anchor start


def real(i: int) -> NewEntry:
    """Return the approval of image `i` with the dedup key that follows from it."""
    made = entry(i)
    return made._replace(dedup=dedup.key(labels.BUNDLE, SIGNER.public, made.body))


ENTRIES = [real(i) for i in range(-1, IMAGES)]
NEW = [real(i) for i in range(1000, 1002)]


class Good(NamedTuple):
    """A ledger that no test changes, and all that its database holds."""

    home: Home
    content: dict[str, list[Any]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """A ledger of a full tile and some, with a checkpoint of each of its sizes, closed."""
    home = home_in(tmp_path_factory.mktemp("good"))
    create(home, KEYS, ENTRIES[0])
    with open_ledger(home, KEYS) as ledger:
        for start in range(1, len(ENTRIES), 40):
            claimed = ENTRIES[start]._replace(claim=claim_on(ENTRIES[start]))
            prove_all(ledger.append([claimed, *ENTRIES[start + 1 : start + 40]]))
    assert [] == found_by_fsck(home)
    return Good(home, content(home.database))


def copy(good: Good, folder: Path) -> Home:
    """Copy the good ledger into `folder`, and take the copy over."""
    home = home_in(folder)
    shutil.copytree(good.home.directory, home.directory)
    shutil.copytree(good.home.anchor, home.anchor)
    data = (home.anchor / "anchor").read_bytes()
    anchor = Anchor(home.anchor, home.origin, home.database)
    mark = anchor.load()
    for _ in SLOTS:
        anchor.write(mark.tree_size, mark.root)
    anchor.close()
    assert data != (home.anchor / "anchor").read_bytes()
    return home


def content(database: Path) -> dict[str, list[Any]]:
    """Return every row of every table that makes a difference."""
    tables = ("ledger", "head", "entry", "dedup", "claim", "label", "tile", "checkpoint")
    return {table: edit(database, f"SELECT * FROM {table}") for table in tables}


def is_another(database: Path, good: dict[str, list[Any]]) -> bool:
    """Whether a database says anything else than `good`, as far as anybody could know.

    The time of an entry is in no leaf: one between those of its neighbours may be right.
    """
    try:
        found = content(database)
        times = [row[4] for row in found["entry"]]
        if len(times) == len(good["entry"]) and times == sorted(times):
            found["entry"] = [(*row[:4], 0, *row[5:]) for row in found["entry"]]
            good = {**good, "entry": [(*row[:4], 0, *row[5:]) for row in good["entry"]]}
    except Exception:  # noqa: BLE001  whatever SQLite or a type of another kind makes of it
        return True
    return found != good


def found_by_fsck(home: Home) -> list[str]:
    """Return what fsck finds, a refusal to look at all included."""
    try:
        store = SqliteStore(home.database, read_only=True)
    except LedgerError as e:
        return [e.code]
    try:
        return [str(finding) for finding in fsck(store, KNOWN)]
    finally:
        store.close()


def flipped(value: Any, dice: random.Random) -> Any:
    """Return a value of a database with one of its bits flipped."""
    if isinstance(value, int):
        return value ^ 1 << dice.randrange(31)
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


# table -> columns, and how likely a flip is there. An idempotency key is somebody else's secret:
# it is the one thing here that does not follow from the entries.
COLUMNS = {
    "claim": (("request", "idx"), 6),
    "entry": (("entry", "body", "labels", "time"), 30),
    "tile": (("id", "hashes"), 12),
    "head": (("tree_size", "root", "compact", "time", "frozen", "seal"), 14),
    "checkpoint": (("tree_size", "note"), 10),
    "dedup": (("key", "idx"), 10),
    "label": (("key", "idx"), 10),
    "ledger": (("origin",), 2),
}


def flip_a_value(home: Home, dice: random.Random) -> str:
    """Flip one bit of one value in the database, and say which."""
    tables = list(COLUMNS)
    [table] = dice.choices(tables, [COLUMNS[table][1] for table in tables])
    column = dice.choice(COLUMNS[table][0])
    rows = edit(home.database, f"SELECT * FROM {table}")
    names = [row[1] for row in edit(home.database, f"PRAGMA table_info({table})")]
    row = dice.choice(rows)
    where = " AND ".join(f"{name} IS ?" for name in names)
    old = row[names.index(column)]
    new = flipped(old, dice)
    set_to = "CAST(? AS TEXT)" if isinstance(old, str) else "?"
    edit(
        home.database,
        f"UPDATE OR REPLACE {table} SET {column} = {set_to} WHERE {where}",
        new,
        *row,
    )
    return f"{table}.{column} of {row[0]!r:.40}"


def flip_a_bit_of_the_file(home: Home, dice: random.Random) -> str:
    """Flip one bit anywhere in the database file, which nobody has open."""
    data = bytearray(home.database.read_bytes())
    at, bit = dice.randrange(len(data)), dice.randrange(8)
    data[at] ^= 1 << bit
    home.database.write_bytes(data)
    return f"bit {bit} of byte {at}"


def flip_the_anchor(home: Home, dice: random.Random) -> str:
    """Flip one bit of one slot."""
    file = home.anchor / "anchor"
    data = bytearray(file.read_bytes())
    at, bit = dice.randrange(len(data)), dice.randrange(8)
    data[at] ^= 1 << bit
    file.write_bytes(data)
    return f"bit {bit} of byte {at} of the anchor"


def append_to(home: Home) -> str:
    """Open the ledger and append; return its code when it refuses, else check what it signed."""
    try:
        with open_ledger(home, KEYS) as ledger:
            size = ledger.head.tree_size
            for new in NEW:
                ledger.append([new])
            notes = [ledger.signed.note]
    except LedgerError as e:
        return e.code
    leaves = [foreign.leaf(new.entry) for new in (*ENTRIES, *NEW)]
    assert (len(ENTRIES), len(leaves)) == (size, Checkpoint.parse(Note.parse(notes[0]).text)[1])
    for signed_size, roots in signed_trees([home.directory], KEY).items():
        assert {foreign.mth(leaves[:signed_size])} == roots
    return ""


def seeds() -> Iterator[random.Random]:
    """Yield dice without end, and print what would roll them again."""
    seed = int(os.environ.get("SEALBOOK_SEED") or secrets.randbits(32))
    print(f"SEALBOOK_SEED={seed}")
    while True:
        yield random.Random(seed)
        seed += 1


@pytest.mark.parametrize(
    ("flip", "times"),
    [
        (flip_a_value, 70),
        (flip_a_bit_of_the_file, 30),
        pytest.param(flip_a_value, 1000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
        pytest.param(
            flip_a_bit_of_the_file, 1000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]
        ),
    ],
)
def test_flipped_bit(
    good: Good, tmp_path: Path, flip: Callable[[Home, random.Random], str], times: int
) -> None:
    """
    Whichever bit of a database flips: the start refuses it or fsck names it, if it makes any
    difference at all; and whatever is signed afterwards is the tree of the entries that were
    there, with the new ones.
    """
    missed, refused = [], 0
    for number, dice in zip(range(times), seeds(), strict=False):
        home = copy(good, tmp_path / str(number))
        where = flip(home, dice)
        matters = is_another(home.database, good.content)
        findings = found_by_fsck(home)
        refusal = append_to(home)
        refused += bool(refusal)
        if matters and not findings and not refusal:
            missed.append(where)
        check_never_twice(signed_trees([home.directory], KEY))
        shutil.rmtree(tmp_path / str(number))

    assert [] == missed
    print(f"{refused} of {times} refused at the start or by the append")


def test_flipped_bit_of_the_anchor(good: Good, tmp_path: Path) -> None:
    """
    One flipped bit of the anchor costs one slot at the most: the other serves, nothing is lost.
    """
    for number, dice in zip(range(10), seeds(), strict=False):
        home = copy(good, tmp_path / str(number))
        where = flip_the_anchor(home, dice)

        assert "" == append_to(home), where


def test_flipped_bits_of_both_slots(good: Good, tmp_path: Path) -> None:
    """
    When a bit flips in each slot of the anchor, the start refuses.
    """
    home = copy(good, tmp_path)
    file = home.anchor / "anchor"
    data = bytearray(file.read_bytes())
    for slot in SLOTS:
        data[slot + 100] ^= 1
    file.write_bytes(data)

    assert "ledger-damaged" == append_to(home)
