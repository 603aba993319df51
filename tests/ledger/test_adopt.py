"""Taking over a database that was moved or restored: a new anchor, after a full check."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger.opening import Home, adopt, open_ledger
from tests.ledger.making import KEYS, entries, grow, prove_all, refused


def moved(home: Home, folder: Path) -> Home:
    """Copy the ledger to another directory, as to another disk, and remove the first one."""
    shutil.copytree(home.directory, folder / "moved")
    shutil.rmtree(home.directory)
    return home._replace(directory=folder / "moved")


def test_after_a_move(home: Home, tmp_path: Path) -> None:
    """
    A ledger that was moved opens once it was taken over, and goes on.
    """
    grow(home, 0, 4)
    home = moved(home, tmp_path)
    refused("ledger-copied", lambda: open_ledger(home, KEYS))

    assert 5 == adopt(home, KEYS, print)

    with open_ledger(home, KEYS) as ledger:
        assert [1, 2, 3, 4, 5] == prove_all(ledger.append(entries(0, 5)))


def test_the_old_place_serves_no_more(home: Home, tmp_path: Path) -> None:
    """
    Once a copy was taken over, the ledger that it was made from is the copy.
    """
    shutil.copytree(home.directory, tmp_path / "copy")
    adopt(home._replace(directory=tmp_path / "copy"), KEYS, print)

    refused("ledger-copied", lambda: open_ledger(home, KEYS))


def test_without_an_anchor(home: Home) -> None:
    """
    A ledger whose anchor is lost gets a new one, which knows its newest state.
    """
    grow(home, 0, 4)
    old = home.database.read_bytes()
    shutil.rmtree(home.anchor)

    assert 5 == adopt(home, KEYS, print)

    grow(home, 4, 6)
    home.database.write_bytes(old)
    refused("ledger-rollback", lambda: open_ledger(home, KEYS))


def test_after_a_rollback(home: Home, tmp_path: Path) -> None:
    """
    An old copy is not taken over while the anchor remembers more, and the anchor stays.
    """
    grow(home, 0, 2)
    old = home.database.read_bytes()
    grow(home, 2, 4)
    new = home.database.read_bytes()
    anchor = (home.anchor / "anchor").read_bytes()
    home = moved(home, tmp_path)
    home.database.write_bytes(old)

    refused("ledger-rollback", lambda: adopt(home, KEYS, print))
    assert anchor == (home.anchor / "anchor").read_bytes()
    home.database.write_bytes(new)
    assert 5 == adopt(home, KEYS, print)


def test_fork(home: Home) -> None:
    """
    A database that did not grow out of what the anchor knows is not taken over.
    """
    before = home.database.read_bytes()
    anchor = home.anchor / "anchor"
    first = anchor.read_bytes()
    grow(home, 0, 2)
    known = anchor.read_bytes()
    home.database.write_bytes(before)
    anchor.write_bytes(first)
    grow(home, 5, 9)
    anchor.write_bytes(known)

    refused("ledger-damaged", lambda: adopt(home, KEYS, print))


def test_other_origin(home: Home) -> None:
    """
    A ledger is taken over under its own origin only.
    """
    other = home._replace(origin="other.example")

    refused("foreign-ledger", lambda: adopt(other, KEYS, print))


def test_progress(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The check tells how far it has come, slice by slice, up to the whole.
    """
    monkeypatch.setattr("ledger.opening.SLICE", 100)
    grow(home, 0, 249)
    told: list[tuple[int, int]] = []

    adopt(home, KEYS, lambda done, total: told.append((done, total)))

    assert [(100, 250), (200, 250), (250, 250)] == told


def test_adopting_twice(home: Home) -> None:
    """
    Taking over a ledger that is in its place changes nothing but the anchor's sequence.
    """
    assert [1, 1] == [adopt(home, KEYS, print) for _ in range(2)]
    with open_ledger(home, KEYS) as ledger:
        assert 1 == ledger.head.tree_size


def test_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When the new anchor cannot be written the old one is still there.
    """

    def full(fd: int, *args: Any) -> int:
        if home.anchor in Path(f"/proc/self/fd/{fd}").readlink().parents:
            raise OSError(28, "No space left on device")
        return pwrite(fd, *args)

    pwrite = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        refused("storage-failed", lambda: adopt(home, KEYS, print))

    assert 1 == adopt(home, KEYS, print)
