"""The files of a trail: 1.jsonl, 2.jsonl, … in a directory that nobody else can enter."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.durable import sync, write_durably

_NAME = re.compile(r"([1-9][0-9]{0,17})\.jsonl", re.ASCII)
_LAST = 64 << 10  # bytes; most lines are much shorter
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Folder(NamedTuple):
    """The directory of one trail. Whatever fails raises `OSError`."""

    path: Path

    def make(self) -> None:
        """Make it, if it is not there."""
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700, parents=True)
            sync(self.path.parent)

    def segments(self) -> list[int]:
        """Return the numbers of the segments that are there, ascending."""
        if not self.path.is_dir():
            return []
        matches = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def file(self, segment: int) -> Path:
        """Return where a segment is."""
        return self.path / f"{segment}.jsonl"

    def open(self, segment: int) -> int:
        """Return a descriptor for appending to a segment, whose name is durable."""
        fd = os.open(self.file(segment), _FLAGS | os.O_CREAT, 0o600)
        try:
            sync(self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def lines(self, segment: int) -> Iterator[bytes]:
        """Yield the lines of a segment, each with its line feed; the last may have none."""
        with self.file(segment).open("rb") as file:
            yield from file

    def ends(self, segment: int) -> tuple[bytes, bytes]:
        """Return the first and the last line of a segment, without line feeds; empty for none."""
        with self.file(segment).open("rb") as file:
            first = file.readline()
            end = file.seek(0, os.SEEK_END)
            back = _LAST
            while True:
                file.seek(max(0, end - back))
                last = file.read().removesuffix(b"\n")
                if b"\n" in last or back >= end:
                    return first.removesuffix(b"\n"), last.rpartition(b"\n")[2]
                back *= 16

    def replace(self, segment: int, content: bytes) -> None:
        """Put `content` in the place of a segment, durably."""
        write_durably(self.file(segment), content)
