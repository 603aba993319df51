"""Receipts: each day's checkpoint, in whatever outside record a company has.

A program of theirs (a timestamp authority's client, a chain, a newspaper's desk)
gets the checkpoint on standard input; what it prints is the receipt. Both are
kept beside the anchor:

    receipts/2026-11-25.checkpoint    the signed note that was handed over
    receipts/2026-11-25.receipt       what the program printed

A day with a receipt is done; a day without one is tried again.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ledger.durable import write_durably
from ledger.errors import LedgerError

_MOST_RECEIPT = 16 << 20  # bytes
_RECEIPT = re.compile(r"(\d{4}-\d\d-\d\d)\.receipt", re.ASCII)


class ReceiptError(LedgerError):
    """The outside record did not take the checkpoint."""

    code = "receipt"
    hint = "run the program of `anchor.exec` by hand with a checkpoint on its standard input"


class Receipts:
    """The receipts of one ledger. One thread at a time."""

    def __init__(self, anchor: Path, command: Sequence[str], timeout_s: float) -> None:
        """Keep them under the anchor's directory; hand over by `command`, within `timeout_s`."""
        self._directory = anchor / "receipts"
        self._command = list(command)
        self._timeout_s = timeout_s

    @property
    def last_day(self) -> str:
        """The newest day with a receipt, as in 2026-11-25, or nothing."""
        if not self._directory.is_dir():
            return ""
        names = (_RECEIPT.fullmatch(path.name) for path in self._directory.iterdir())
        return max((match[1] for match in names if match), default="")

    def due(self, now: float) -> bool:
        """Whether the day (UTC) of `now`, POSIX seconds, has no receipt yet."""
        return self.last_day < _day(now)

    def take(self, note: str, now: float) -> Path:
        """Hand `note` over, and return where its receipt is kept, durably.

        Raises:
            ReceiptError: the program failed, hung, or printed nothing or far too much.
        """
        try:
            done = subprocess.run(  # noqa: S603  the operator's own program and arguments
                self._command,
                input=note.encode(),
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise ReceiptError(f"{self._command[0]}: no receipt in {self._timeout_s} s") from e
        except OSError as e:
            raise ReceiptError(f"{self._command[0]}: {e.strerror}") from e
        if done.returncode != 0:
            told = done.stderr[-300:].decode("utf-8", "replace").strip()
            raise ReceiptError(f"{self._command[0]} ended with {done.returncode}: {told}")
        if not 0 < len(done.stdout) <= _MOST_RECEIPT:
            raise ReceiptError(
                f"expected a receipt of 1 to {_MOST_RECEIPT} bytes, found {len(done.stdout)}"
            )
        day = _day(now)
        receipt = self._directory / f"{day}.receipt"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            # The receipt last: a day that has one has both.
            write_durably(self._directory / f"{day}.checkpoint", note.encode())
            write_durably(receipt, done.stdout)
        except OSError as e:
            raise ReceiptError(f"{os.fspath(receipt)}: {e.strerror}") from e
        return receipt


def _day(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
