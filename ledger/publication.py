"""What readers may see: a signed checkpoint, and where the last one is kept.

A ledger that has to ask others before it publishes must not show less after a
restart than it showed before it: that would look like a rollback, and be one.
So the newest published note is a file beside the anchor, put in place before
anybody sees it.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from ledger.durable import sync, write_durably
from ledger.errors import DamagedError, StorageFailedError, StorageFullError
from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.note import Note

_FILE = "published"


class Published(NamedTuple):
    """A signed checkpoint that readers may see; `signed_at` is POSIX seconds."""

    checkpoint: Checkpoint
    note: str
    signed_at: float


class PublicationFile:
    """The newest published note of a ledger that asks before it publishes."""

    def __init__(self, directory: Path) -> None:
        """Keep it in `directory`, which is the anchor's."""
        self._path = directory / _FILE

    def load(self) -> Published | None:
        """Return what was published last, or None when nothing was.

        Raises:
            DamagedError: it is no checkpoint.
            StorageFailedError: it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                text = file.read(limits.NOTE + 1).decode()
            signed_at = self._path.stat().st_mtime
            return Published(Checkpoint.parse(Note.parse(text).text), text, signed_at)
        except FileNotFoundError:
            return None
        except (VerificationError, UnicodeDecodeError) as e:
            raise DamagedError(f"{self._path} holds no checkpoint") from e
        except OSError as e:
            raise StorageFailedError(f"{self._path}: {e.strerror}") from e

    def save(self, note: str) -> None:
        """Put `note` in the place of the last one; durable on return.

        Raises:
            StorageFullError: no space; the last one is there.
            StorageFailedError: nobody knows which of the two is there.
        """
        try:
            write_durably(self._path, note.encode())
        except OSError as e:
            if e.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"{self._path}: no space left") from e
            raise StorageFailedError(f"{self._path}: {e.strerror}") from e

    def forget(self) -> None:
        """Have published nothing; durable on return.

        Raises:
            StorageFailedError: nobody knows whether it is.
        """
        try:
            self._path.unlink()
            sync(self._path.parent)
        except FileNotFoundError:
            return
        except OSError as e:
            raise StorageFailedError(f"{self._path}: {e.strerror}") from e
