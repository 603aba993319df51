"""The anchor: two slots, of which a torn write leaves one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ledger.anchor import LONGEST_ORIGIN, Anchor, Mark, Place
from ledger.errors import LedgerError
from tests.ledger.making import ORIGIN, refused
from verifier.errors import MalformedError
from verifier.merkle import EMPTY_ROOT, Hash

ROOT = Hash(bytes(range(32)))
MARK = Mark(ORIGIN, 15, ROOT, Place("0123456789abcdef" * 2, 2049, 131), 7)
SLOT = len(MARK.slot())


@pytest.fixture
def anchor(tmp_path: Path) -> Anchor:
    """A new anchor in a directory of its own."""
    database = tmp_path / "ledger.db"
    database.touch()
    made = Anchor(tmp_path / "anchor", ORIGIN, database)
    made.create(0, EMPTY_ROOT)
    return made


def again(anchor: Anchor, origin: str = ORIGIN) -> Anchor:
    """The same anchor as the next process opens it."""
    return Anchor(anchor.path.parent, origin, anchor.path.parent.parent / "ledger.db")


def test_round_trip() -> None:
    """
    A slot reads back as the mark that it was printed from, and all slots are of one size.
    """
    assert len(MARK._replace(tree_size=2**60, sequence=2**60).slot()) == SLOT
    assert MARK == Mark.parse(MARK.slot())


def test_every_flipped_bit() -> None:
    """
    No flipped bit makes a slot into another mark: it is refused, or it was padding.
    """
    slot = MARK.slot()
    content = len(slot.rstrip())
    for bit in range(SLOT * 8):
        flipped = bytearray(slot)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = Mark.parse(bytes(flipped))
        except (MalformedError, ValueError):
            continue

        assert MARK == found
        assert bit // 8 >= content


@pytest.mark.parametrize("slot", [b"", b"\n", bytes(SLOT), b" " * SLOT, b"{}" + b" " * SLOT])
def test_empty_slot(slot: bytes) -> None:
    """
    A slot that was never written is no mark.
    """
    with pytest.raises(MalformedError):
        Mark.parse(slot)


def test_longest_origin_fits() -> None:
    """
    A mark with the longest origin and the largest numbers fits its slot.
    """
    place = Place("f" * 32, 2**64 - 1, 2**64 - 1)
    mark = Mark("o" * LONGEST_ORIGIN, 2**63 - 1, ROOT, place, 2**63 - 1)

    assert mark == Mark.parse(mark.slot())


def test_each_write_changes_the_older_slot(anchor: Anchor) -> None:
    """
    A write touches only the older slot, so the newest mark survives the next write being torn.
    """
    slots = [anchor.path.read_bytes()[i : i + SLOT] for i in (0, SLOT)]
    for size in range(1, 6):
        older = slots.index(min(slots, key=lambda slot: Mark.parse(slot).sequence))
        anchor.write(size, ROOT)
        data = anchor.path.read_bytes()

        assert (2 * SLOT, slots[1 - older]) == (len(data), data[SLOT * (1 - older) :][:SLOT])
        slots[older] = data[SLOT * older :][:SLOT]
        assert size == Mark.parse(slots[older]).tree_size


def test_newest_mark_is_loaded(anchor: Anchor) -> None:
    """
    The next process reads the newest mark, and goes on where that one stood.
    """
    for size in range(1, 4):
        anchor.write(size, ROOT)
        reader = again(anchor)
        mark = reader.load()
        assert (ORIGIN, size, ROOT) == mark[:3]
        reader.check_place(mark)
        reader.close()
    reader = again(anchor)
    reader.load()
    reader.write(9, ROOT)

    assert 9 == again(anchor).load().tree_size


@pytest.mark.parametrize("cut", [0, 1, 100, 200])
def test_torn_write(anchor: Anchor, cut: int) -> None:
    """
    When the newest write was torn anywhere, the mark before it is read.
    """
    anchor.write(1, ROOT)
    old = anchor.path.read_bytes()
    anchor.write(2, ROOT)
    new = anchor.path.read_bytes()
    start = 0 if old[:SLOT] != new[:SLOT] else SLOT
    torn = new[: start + cut] + old[start + cut : start + SLOT] + new[start + SLOT :]
    anchor.path.write_bytes(torn)

    assert 1 == again(anchor).load().tree_size


@pytest.mark.parametrize("data", [b"", b"x" * 2 * SLOT, bytes(2 * SLOT), bytes(SLOT)])
def test_both_slots_lost(anchor: Anchor, data: bytes) -> None:
    """
    When neither slot can be read nothing says how far the ledger had come.
    """
    anchor.path.write_bytes(data)

    refused("ledger-damaged", again(anchor).load)


def test_file_with_one_slot_left(anchor: Anchor) -> None:
    """
    A file that was cut to one slot is read as far as it goes.
    """
    anchor.write(1, ROOT)
    anchor.write(2, ROOT)
    os.truncate(anchor.path, SLOT)

    assert again(anchor).load().tree_size in (1, 2)


def test_missing(anchor: Anchor) -> None:
    """
    Without a file there is no anchor, and looking makes none.
    """
    anchor.path.unlink()

    refused("anchor-missing", again(anchor).load)
    assert [] == list(anchor.path.parent.iterdir())


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_something_else_in_its_place(anchor: Anchor, kind: str) -> None:
    """
    A directory or a link in the anchor's place is refused with a code, not a traceback.
    """
    kept = anchor.path.rename(anchor.path.with_name("kept"))
    anchor.path.mkdir() if kind == "directory" else anchor.path.symlink_to(kept)

    with pytest.raises(LedgerError):
        again(anchor).load()


def test_other_origin(anchor: Anchor) -> None:
    """
    The anchor of one ledger does not serve for another.
    """
    refused("foreign-ledger", again(anchor, "other.example").load)


@pytest.mark.parametrize(
    "change", [{"machine": "another"}, {"device": 1}, {"inode": 1}], ids=lambda c: next(iter(c))
)
def test_other_place(anchor: Anchor, change: dict[str, object]) -> None:
    """
    A database on another machine, device or inode is not the one the anchor was written for.
    """
    mark = again(anchor).load()

    other = mark._replace(place=mark.place._replace(**change))
    refused("ledger-copied", lambda: anchor.check_place(other))


def test_only_the_owner_reads_it(anchor: Anchor) -> None:
    """
    The anchor and its directory belong to their owner alone.
    """
    modes = [stat.S_IMODE(p.lstat().st_mode) for p in (anchor.path, anchor.path.parent)]

    assert [0o600, 0o700] == modes


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_disk_that_fails(anchor: Anchor, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """
    A write or a sync that fails is a storage failure, for nobody knows what is on the disk.
    """

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)

    refused("storage-failed", lambda: anchor.write(1, ROOT))
