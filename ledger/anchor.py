r"""The anchor: how far this ledger had come, remembered outside the database.

A database that is put back from yesterday is perfectly consistent, and a log
that serves on from it forks. The anchor notices. It is two slots of 512 bytes
in a directory of its own (another disk is better), written in turn after each
commit and before any answer, so that a torn write leaves the other one:

    {"database":[2049,131],"machine":"…","origin":"ledger.example",
     "root":"…","sequence":7,"tree_size":15} <sha256 of that> <spaces> \n

With `each_second` it is written with every commit, and pushed to the disk at most
once a second: enough against a process that dies, but a machine that loses power
may forget the last second, and a database that is then put back to within that
second is not noticed.

Beside it lies `failure` after a disk failed under the ledger: nobody starts on it
until `sealbook fsck` has looked.

Trusted for memory: whoever can write it *and* the database can hide a rollback
from this machine. Only a witness on another machine notices that.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from ledger.durable import write_durably
from ledger.errors import (
    AnchorMissingError,
    CheckNeededError,
    CopiedError,
    DamagedError,
    ForeignLedgerError,
    StorageFailedError,
)
from verifier._strict import Fields, canonical_json, hexadecimal, json_object
from verifier.errors import MalformedError
from verifier.merkle import Hash

LONGEST_ORIGIN = 128  # characters; what fits a slot beside the rest
_SLOT = 512
_FILE = "anchor"
_FAILURE = "failure"
_MOST_FAILURE = 4096  # bytes
_LAZY_S = 1.0


class Place(NamedTuple):
    """Which file on which machine: what a copy of a database cannot keep."""

    machine: str
    device: int
    inode: int

    @classmethod
    def of(cls, database: Path) -> Self:
        """Look at the database with lstat: opening it would drop SQLite's locks."""
        status = os.lstat(database)
        machine = Path("/etc/machine-id")
        name = machine.read_text("ascii", "replace").strip() if machine.exists() else ""
        return cls(name, status.st_dev, status.st_ino)


class Mark(NamedTuple):
    """The newest state that may have been answered with."""

    origin: str
    tree_size: int
    root: Hash
    place: Place
    sequence: int

    def slot(self) -> bytes:
        """Print as one slot."""
        body = canonical_json(
            {
                "database": [self.place.device, self.place.inode],
                "machine": self.place.machine,
                "origin": self.origin,
                "root": self.root.hex(),
                "sequence": self.sequence,
                "tree_size": self.tree_size,
            }
        )
        line = body + b" " + hashlib.sha256(body).hexdigest().encode()
        assert len(line) < _SLOT
        return line.ljust(_SLOT - 1) + b"\n"

    @classmethod
    def parse(cls, slot: bytes) -> Self:
        """Parse one slot; raises `MalformedError` for a torn or empty one."""
        body, _, checksum = slot.rstrip(b" \n\0").rpartition(b" ")
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            raise MalformedError("the checksum of an anchor slot is wrong")
        fields = Fields(json_object(body, limit=_SLOT), "anchor")
        device, inode = fields.items("database", most=2)
        place = Place(fields.text("machine"), device, inode)
        root = Hash(hexadecimal(fields.text("root"), size=Hash.SIZE))
        return cls(
            fields.text("origin"),
            fields.number("tree_size"),
            root,
            place,
            fields.number("sequence"),
        )


def failure_note(directory: Path) -> Path:
    """Return where word of a failed disk is left, in the anchor's directory."""
    return directory / _FAILURE


def check_no_failure(directory: Path) -> None:
    """Raise `CheckNeededError` if the disk failed, and nobody has looked since."""
    path = failure_note(directory)
    if os.path.lexists(path):
        with path.open("rb") as file:
            told = file.read(_MOST_FAILURE).decode("utf-8", "replace")
        raise CheckNeededError(f"the disk failed: {told}")


def clear_failure(directory: Path) -> None:
    """Take the word of a failed disk away, after a check that found nothing wrong."""
    failure_note(directory).unlink(missing_ok=True)


class Anchor:
    """The open anchor of one ledger. One thread writes."""

    def __init__(
        self, directory: Path, origin: str, database: Path, *, each_second: bool = False
    ) -> None:
        """Open the anchor in `directory`; `load` or `create` comes next."""
        self._path = directory / _FILE
        self._each_second = each_second
        self._synced_at = float("-inf")
        self._origin = origin
        self._place = Place.of(database)
        self._fd = -1
        self._sequence = 0

    @property
    def path(self) -> Path:
        """Where the anchor lies."""
        return self._path

    def create(self, tree_size: int, root: Hash) -> None:
        """Put a first anchor in the place of whatever was there; durable on return.

        Raises:
            StorageFailedError: what was there still is.
        """
        fresh = self._path.with_name(_FILE + ".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open(fresh, os.O_CREAT | os.O_TRUNC)
            for _ in range(2):
                self.write(tree_size, root)
            fresh.rename(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(directory)
            os.close(directory)
        except OSError as e:
            raise StorageFailedError(f"the anchor {self._path}: {e.strerror}") from e

    def load(self) -> Mark:
        """Return the newest mark, and be ready to write the next.

        Raises:
            AnchorMissingError: there is no anchor.
            StorageFailedError: it cannot be opened.
            DamagedError: neither slot can be read.
            ForeignLedgerError: it is another ledger's.
        """
        if not os.path.lexists(self._path):
            raise AnchorMissingError(f"expected an anchor at {self._path}, found none")
        try:
            self._open(self._path)
        except OSError as e:
            raise StorageFailedError(f"the anchor {self._path}: {e.strerror}") from e
        data = os.pread(self._fd, 2 * _SLOT, 0)
        marks = []
        for start in (0, _SLOT):
            try:
                marks.append(Mark.parse(data[start : start + _SLOT]))
            except (MalformedError, ValueError):
                continue  # torn: this is what the other slot is for
        if not marks:
            raise DamagedError(f"neither slot of the anchor {self._path} can be read")
        mark = max(marks, key=lambda m: m.sequence)
        if mark.origin != self._origin:
            raise ForeignLedgerError(f"expected the anchor of {self._origin}, found {mark.origin}")
        self._sequence = mark.sequence
        return mark

    def check_place(self, mark: Mark) -> None:
        """Raise `CopiedError` if the database is not the file that `mark` was made for."""
        if mark.place != self._place:
            raise CopiedError(
                f"the anchor was written for inode {mark.place.inode} on device "
                f"{mark.place.device}, the database is inode {self._place.inode} on device "
                f"{self._place.device}"
            )

    def write(self, tree_size: int, root: Hash) -> None:
        """Remember that the database holds `tree_size` entries; durable on return.

        With `each_second`, durable on return only against the death of this process.

        Raises:
            StorageFailedError: nobody knows whether it is.
        """
        self._sequence += 1
        mark = Mark(self._origin, tree_size, root, self._place, self._sequence)
        try:
            os.pwrite(self._fd, mark.slot(), _SLOT * (self._sequence % 2))
            if not self._each_second or time.monotonic() - self._synced_at >= _LAZY_S:
                os.fdatasync(self._fd)
                self._synced_at = time.monotonic()
        except OSError as e:
            raise StorageFailedError(f"the anchor {self._path}: {e.strerror}") from e

    def note_failure(self, message: str) -> None:
        """Leave word for the next start that the disk failed, as well as that disk allows."""
        with suppress(OSError):  # the process is ending because of just this
            write_durably(failure_note(self._path.parent), message.encode())

    def close(self) -> None:
        """Close the file, and push to the disk what was not yet."""
        if self._fd >= 0:
            if self._each_second:
                os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _open(self, path: Path, flags: int = 0) -> None:
        self.close()
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
