"""A body on its way to its file.

A spool is unbuffered: what a full disk did not take must not be tried again when
the file is closed. One that is secret is encrypted while it is written, if there is
a key for that: what is not encrypted of it is never on the disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ledger.at_rest import CHUNK, HEADER, SEALED_CHUNK, Content, DataKey, Place
from ledger.errors import StorageFailedError, StorageFullError

ALGORITHM = "sha256"
PIECE = 256 << 10
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Spool:
    """A body on its way: write pieces, then keep it under its hash."""

    def __init__(
        self,
        take: Callable[[Path, str], None],
        path: Path,
        file: BinaryIO,
        key: DataKey | None = None,
    ) -> None:
        """Write to `file` at `path`, encrypted if there is a `key`; `take` gives it its name."""
        self._take = take
        self._path = path
        self._file = file
        self._hash = hashlib.sha256()
        self._key = key
        self._content = Content.fresh() if key else None
        self._rest = bytearray()  # what is not in the file yet: the last chunk says that it is
        self._chunks = 0
        self.size = 0
        if key:
            self._put(bytes(HEADER))

    def write(self, piece: bytes) -> None:
        """Add a piece; raises `StorageFullError` or `StorageFailedError`."""
        if self._content is None:
            self._put(piece)
        else:
            self._rest += piece
            while len(self._rest) > CHUNK:
                chunk = bytes(self._rest[:CHUNK])
                self._put(self._content.seal(self._chunks, chunk, last=False))
                self._chunks += 1
                del self._rest[:CHUNK]
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""
        return self._hash.digest()

    def pieces(self) -> Iterator[bytes]:
        """Yield what was written, from the start; raises `StorageFailedError`."""
        if self._content is None:
            offset = 0
            while offset < self.size:
                piece = self._read(PIECE, offset)
                offset += len(piece)
                yield piece
            return
        for number in range(self._chunks):
            chunk = self._read(SEALED_CHUNK, HEADER + number * SEALED_CHUNK)
            yield self._content.open(number, chunk, last=False)
        yield bytes(self._rest)

    def keep(self) -> str:
        """Name it by its hash, durably, and return the name, as `sha256:<hex>`.

        Raises:
            BodyDeletedError: this very body is being deleted.
            StorageFullError: no space; nothing has that name.
            StorageFailedError: the disk failed.
        """
        name = f"{ALGORITHM}:{self._hash.hexdigest()}"
        if self._content is not None and self._key is not None:
            self._put(self._content.seal(self._chunks, bytes(self._rest), last=True))
            header = self._content.header(self._key, Place.of_file(name))
            with disk():
                os.pwrite(self._file.fileno(), header, 0)
        return self.keep_as(name)

    def keep_as(self, name: str) -> str:
        """Give what was written this name, likewise: whoever copies a file knows it already."""
        with disk():
            os.fsync(self._file.fileno())
        self._take(self._path, name)
        return name

    def _put(self, piece: bytes) -> None:
        left = memoryview(piece)
        with disk():
            while left:
                left = left[self._file.write(left) :]

    def _read(self, count: int, offset: int) -> bytes:
        with disk():
            piece = os.pread(self._file.fileno(), count, offset)
        if not piece:
            raise StorageFailedError("a body that was being written is shorter than it was")
        return piece


@contextmanager
def disk() -> Iterator[None]:
    """Turn the disk's errors into ours."""
    try:
        yield
    except OSError as e:
        if e.errno in _NO_SPACE:
            raise StorageFullError("no space left for a body") from e
        raise StorageFailedError(f"a body could not be written: {e.strerror}") from e
