"""Receipts of an outside record: each day's checkpoint, once, durably, or an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ledger.receipts import Receipts
from tests.ledger.making import NOW, refused

DAY = "2025-06-15"  # of NOW, in UTC
NOTE = "ledger.example\n1\nroot=\n\n— ledger.example sig=\n"
STAMP = "import sys; text = sys.stdin.read(); print('stamped', len(text.encode()))"


def receipts(anchor: Path, code: str, timeout_s: float = 60.0) -> Receipts:
    """Return receipts by a program of these Python words."""
    return Receipts(anchor, (sys.executable, "-c", code), timeout_s)


def test_receipt(tmp_path: Path) -> None:
    """
    The program gets the checkpoint, and what it prints is kept beside it; then the day is done.
    """
    made = receipts(tmp_path, STAMP)
    assert ("", True) == (made.last_day, made.due(NOW))

    path = made.take(NOTE, NOW)
    assert tmp_path / "receipts" / f"{DAY}.receipt" == path
    assert f"stamped {len(NOTE.encode())}\n".encode() == path.read_bytes()
    assert NOTE.encode() == path.with_suffix(".checkpoint").read_bytes()
    assert (DAY, False) == (made.last_day, made.due(NOW))
    assert made.due(NOW + 24 * 3600)


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit('no ink')",
        "import sys; print('half a receipt'); sys.exit(1)",
        "pass",
        "print('x' * (17 << 20))",
    ],
    ids=["fails", "prints and fails", "prints nothing", "prints far too much"],
)
def test_no_receipt(tmp_path: Path, code: str) -> None:
    """
    A program that fails, or prints no receipt, leaves the day to be tried again.
    """
    made = receipts(tmp_path, code)

    refused("receipt", lambda: made.take(NOTE, NOW))
    assert made.due(NOW)
    assert not (tmp_path / "receipts").exists()


def test_program_that_hangs(tmp_path: Path) -> None:
    """
    A program that does not end is ended.
    """
    made = receipts(tmp_path, "input(); import threading; threading.Event().wait()", 0.5)

    error = refused("receipt", lambda: made.take(NOTE, NOW))
    assert "no receipt in 0.5 s" in error.message


def test_no_program(tmp_path: Path) -> None:
    """
    A program that is not there is an error with its name.
    """
    error = refused("receipt", lambda: Receipts(tmp_path, ("/none/there",), 1).take(NOTE, NOW))

    assert "/none/there" in error.message


def test_a_half_written_day(tmp_path: Path) -> None:
    """
    A day whose checkpoint was kept and whose receipt was not is tried again.
    """
    made = receipts(tmp_path, STAMP)
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / f"{DAY}.checkpoint").write_text("cut off")

    assert made.due(NOW)
    made.take(NOTE, NOW)
    assert not made.due(NOW)
