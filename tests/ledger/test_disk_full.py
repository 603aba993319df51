"""A disk that is full: a clean refusal, nothing lost, nothing signed, and on as soon as it fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.errors import StorageFullError
from ledger.ledger import Ledger
from ledger.opening import Home, adopt, create, open_ledger
from tests.ledger.making import (
    GENESIS,
    KEYS,
    entries,
    entry,
    home_in,
    prove_all,
    python,
    refused,
    script,
)
from tests.ledger.small_disk import fill, mounted
from verifier.merkle import hash_leaf, verify_inclusion

pytestmark = pytest.mark.root

# The sizes of all checkpoints whose text lies anywhere in the database and its log.
SIGNED = r"""
import re, sys
from pathlib import Path
found = set()
for file in Path(sys.argv[1]).glob("ledger.db*"):
    found |= {int(size) for size in re.findall(rb"ledger\.example\n(\d+)\n", file.read_bytes())}
print(max(found))
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB with a ledger on it, closed."""
    with mounted(tmp_path / "disk", "2m") as disk:
        create(home_in(disk), KEYS, GENESIS)
        yield disk


@pytest.fixture
def home(disk: Path) -> Home:
    """The ledger on the small disk."""
    return home_in(disk)


def append_until_full(ledger: Ledger, batch: int) -> int:
    """Append image after image until one batch is refused, and return how many were taken."""
    taken = 0
    while True:
        try:
            prove_all(ledger.append(entries(taken, taken + batch)))
        except StorageFullError:
            return taken
        taken += batch


@pytest.mark.parametrize("batch", [1, 20])
def test_appending_until_full(home: Home, batch: int) -> None:
    """
    What does not fit is refused; all that was answered is there, and nothing more is signed.
    """
    with open_ledger(home, KEYS) as ledger:
        taken = append_until_full(ledger, batch)
        for _ in range(3):
            error = refused("storage-full", lambda: ledger.append(entries(taken, taken + batch)))

        size = taken + 1
        head, published = ledger.head, ledger.published
        assert taken > 50
        assert "space" in error.hint
        assert (size, size, size) == (
            head.tree_size,
            published.checkpoint.tree_size,
            ledger.store.head().tree_size,
        )
        assert size == len(ledger.store.rows(0, 4096))
        for i in range(taken):
            proof = ledger.prove(i + 1, size)
            verify_inclusion(hash_leaf(entry(i).entry), proof, published.checkpoint.root)
        # A refused transaction leaves its bytes in the log: among them the last published note.
        [newest] = script(SIGNED, home.directory)
        assert size - batch <= int(newest) <= size


def test_space_is_made(disk: Path, home: Home) -> None:
    """
    As soon as there is space the same ledger goes on, and a refused entry is there once.
    """
    ballast = fill(disk, left=1 << 20)
    with open_ledger(home, KEYS) as ledger:
        taken = append_until_full(ledger, 10)
        refused("storage-full", lambda: ledger.append(entries(taken, taken + 10)))
        ballast.unlink()

        answers = ledger.append(entries(0, taken + 10))
        assert list(range(1, taken + 11)) == prove_all(answers)
        assert [False] * taken + [True] * 10 == [answer.fresh for answer in answers]


def test_old_entries_are_served(disk: Path, home: Home) -> None:
    """
    On a full disk a request that was answered before is answered again.
    """
    with open_ledger(home, KEYS) as ledger:
        ledger.append(entries(0, 5))
        fill(disk)
        append_until_full(ledger, 1)

        assert [1, 2, 3] == prove_all(ledger.append(entries(0, 3)))


def test_anchor_on_a_full_disk(disk: Path, home: Home) -> None:
    """
    The anchor of a full disk still moves, for both of its slots were written when it was made.
    """
    with open_ledger(home, KEYS) as ledger:
        fill(disk)
        for _ in range(4):
            ledger._anchor.write(ledger.head.tree_size, ledger.head.root)


def test_anchor_on_a_full_disk_of_its_own(disk: Path, tmp_path: Path) -> None:
    """
    A ledger whose anchor alone lies on a full disk goes on appending.
    """
    home = Home(tmp_path / "ledger", disk / "other-anchor", "ledger.example")
    create(home, KEYS, GENESIS)
    fill(disk)

    with open_ledger(home, KEYS) as ledger:
        for i in range(4):
            assert [i + 1] == prove_all(ledger.append([entry(i)]))
    with open_ledger(home, KEYS) as ledger:
        assert 5 == ledger.head.tree_size


@pytest.mark.parametrize("closed_while_full", [True, False])
def test_reopening(disk: Path, home: Home, *, closed_while_full: bool) -> None:
    """
    After a disk was full the ledger opens again with all that was answered, and goes on.
    """
    ballast = fill(disk, left=1 << 20)
    with open_ledger(home, KEYS) as ledger:
        taken = append_until_full(ledger, 7)
        root = ledger.head.root
        if not closed_while_full:
            ballast.unlink()
    if closed_while_full:
        refused("storage-full", lambda: open_and_append(home, taken))
        ballast.unlink()

    with open_ledger(home, KEYS) as ledger:
        assert (taken + 1, root) == (ledger.head.tree_size, ledger.head.root)
        assert taken + 1 in prove_all(ledger.append(entries(0, taken + 1)))
        expected = f"{ledger.head.tree_size} {ledger.head.root.hex()}\n"
    assert expected == python("-m", "ledger.crosscheck", str(home.directory)).stdout


def open_and_append(home: Home, i: int) -> None:
    """Open the ledger, append one image, and close it."""
    with open_ledger(home, KEYS) as ledger:
        ledger.append([entry(i)])


def test_starting_on_a_full_disk(disk: Path, home: Home) -> None:
    """
    A start without space for SQLite's index is refused with a code, and works once there is.
    """
    ballast = fill(disk)
    with pytest.raises(Exception, match="opening") as caught:
        open_ledger(home, KEYS).close()
    ballast.unlink()

    assert caught.value.code in ("storage-full", "storage-failed")
    open_and_append(home, 0)


def test_adopting_on_a_full_disk(disk: Path, home: Home) -> None:
    """
    Taking a ledger over on a full disk works, or is refused and leaves the old anchor.
    """
    ballast = fill(disk, left=64 << 10)
    with open_ledger(home, KEYS) as ledger:
        append_until_full(ledger, 1)
        size = ledger.head.tree_size
    with suppress(StorageFullError):
        assert size == adopt(home, KEYS, print)
    ballast.unlink()

    with open_ledger(home, KEYS) as ledger:
        assert size == ledger.head.tree_size
