"""A layout written as one tar file: the same bytes for the same content.

oci-layout and index.json come first, so that a reader of a stream knows soon what it has; then
everything else by its name. Every member is of nobody, of the year 1970, and a plain file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from verifier.pull import tar
from verifier.pull.errors import ReadOnlyError
from verifier.pull.held import PIECE, VERSION

VERSION_FILE, INDEX_FILE, BLOBS = "oci-layout", "index.json", "blobs/sha256/"
_SENT = 1 << 30  # bytes that the kernel is asked to move at once


class Piece(NamedTuple):
    """A part of a file that is there: its path, or a descriptor that stays open, and where."""

    file: Path | int
    span: tar.Span


def pack(target: Path, index: bytes, content: Mapping[str, Piece]) -> None:
    """Have `target` be an archive of `index` and `content`, by name; whole or not at all.

    Raises:
        ReadOnlyError: it cannot be written.
    """
    temporary = f"{target}.{os.urandom(8).hex()}.part"
    try:
        with open(temporary, "xb", buffering=0) as file:  # noqa: PTH123
            out = file.fileno()
            for member in ((VERSION_FILE, VERSION), (INDEX_FILE, index)):
                _put(out, tar.header(member[0], len(member[1])) + tar.padded(member[1]))
            for name in _directories(content):
                _put(out, tar.header(name, 0, directory=True))
            for name in sorted(content):
                piece = content[name]
                _put(out, tar.header(name, piece.span.size))
                _copy(out, piece)
                _put(out, tar.padding(piece.span.size))
            _put(out, tar.ending())
            os.fsync(out)
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException as e:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        if isinstance(e, OSError):
            raise ReadOnlyError(f"cannot write {target}: {e.strerror}") from e
        raise


def _directories(content: Mapping[str, Piece]) -> Iterator[str]:
    found = {BLOBS}
    for name in content:
        found.add(name.rpartition("/")[0] + "/")
    nested = {"/".join(parts[:n]) + "/" for one in found if (parts := one.split("/")[:-1])
              for n in range(1, len(parts) + 1)}  # fmt: skip
    yield from sorted(nested - {"/"})


def _copy(out: int, piece: Piece) -> None:
    if isinstance(piece.file, int):
        _send(out, piece.file, piece.span)
        return
    source = os.open(piece.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _send(out, source, piece.span)
    finally:
        os.close(source)


def _send(out: int, source: int, span: tar.Span) -> None:
    """Move bytes from file to file, without reading them where the kernel can do that."""
    at, left = span
    while left:
        try:
            moved = os.sendfile(out, source, at, min(left, _SENT))
        except OSError:
            moved = os.write(out, os.pread(source, min(left, PIECE), at))
        if not moved:
            raise ReadOnlyError("content became shorter while it was packed")
        at, left = at + moved, left - moved


def _put(out: int, content: bytes) -> None:
    while content:
        content = content[os.write(out, content) :]
