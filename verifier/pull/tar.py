"""Tar files as layouts are put into: plain files and directories, each name once.

A tar file can say that a name is outside, is a link to somewhere, or has more bytes than there
are; two readers of one may see two images. So that everything but these is refused:

    file       "0" or NUL, and "7", which is the same
    directory  "5"
    names      without a leading "/", without "..", in ASCII, each once
    size       the bytes are there, in this very file
    pax        path and size of the next member; GNU's long names

Nothing is unpacked: what is returned is where the bytes of each file lie.

Spec: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from verifier import limits
from verifier._strict import decimal
from verifier.errors import LayoutError

BLOCK = 512
_END = bytes(BLOCK)
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_FILES = (b"0", b"\0", b"7")
_DIRECTORY, _PAX, _GLOBAL, _LONG_NAME = b"5", b"x", b"g", b"L"
_LARGEST_USTAR = 8 << 30
_MODES = {True: b"0000755\0", False: b"0000644\0"}


class Span(NamedTuple):
    """Where the bytes of one file lie in the archive."""

    offset: int
    size: int


def members(read: Callable[[int, int], bytes], end: int) -> dict[str, Span]:
    """Return every file of a tar file of `end` bytes; `read` gives bytes by size and offset.

    Raises:
        LayoutError: it is no tar file, or there is something else in it.
    """
    found: dict[str, Span] = {}
    directories: set[str] = set()
    for name, kind, span in _Headers(read, end):
        plain = _plain(name)
        if kind == _DIRECTORY:
            directories.add(plain)
        elif plain in found:
            raise LayoutError(f"{plain[:120]!r} is there twice")
        else:
            found[plain] = span
        if len(found) + len(directories) > limits.ARCHIVE_MEMBERS:
            raise LayoutError(f"expected at most {limits.ARCHIVE_MEMBERS} members of the archive")
    if both := directories & found.keys():
        raise LayoutError(f"{min(both)[:120]!r} is a file and a directory")
    return found


class _Headers:
    """Goes from header to header; `at` is where the next one is."""

    def __init__(self, read: Callable[[int, int], bytes], end: int) -> None:
        self._read, self._end, self._at = read, end, 0
        self._said: dict[str, str] = {}  # of the next member, by an extended header

    def __iter__(self) -> Iterator[tuple[str, bytes, Span]]:
        """Yield name, kind and place of each member."""
        while (block := self._read(BLOCK, self._at)) != _END:
            name, kind, size = _header(block)
            self._at += BLOCK
            if kind in (_PAX, _GLOBAL, _LONG_NAME):
                self._extended(kind, size)
            else:
                yield self._member(name, kind, size)
        if self._said:
            raise LayoutError("expected a member after its extended header, found the end")

    def _member(self, name: str, kind: bytes, size: int) -> tuple[str, bytes, Span]:
        said, self._said = self._said, {}
        name = said.get("path", name)
        if kind not in _FILES and kind != _DIRECTORY:
            raise LayoutError(
                f"expected files and directories, found {name[:120]!r} of kind {kind!r}",
                hint="a link, a device or a sparse file is no part of an image layout",
            )
        if "size" in said:
            size = decimal(said["size"])
        if kind == _DIRECTORY and size:
            raise LayoutError(f"{name[:120]!r} is a directory with content")
        return name, kind, self._span(name, size)

    def _extended(self, kind: bytes, size: int) -> None:
        if size > limits.ARCHIVE_HEADER:
            raise LayoutError(f"expected an extended header of few bytes, found {size}")
        span = self._span("an extended header", size)
        content = self._read(size, span.offset)
        if kind == _LONG_NAME:
            said = {"path": _ascii(content.rstrip(b"\0"))}
        else:
            said = _records(content)
        if kind == _GLOBAL and said:
            raise LayoutError("a global header says what all names or sizes are")
        if self._said.keys() & said.keys():
            raise LayoutError("two extended headers say the same of one member")
        self._said |= said

    def _span(self, what: str, size: int) -> Span:
        """Go past content of `size` bytes, which must all be there; return where it is."""
        found = Span(self._at, size)
        if self._at + size > self._end:
            raise LayoutError(f"expected {size} bytes of {what[:120]!r}, found fewer")
        self._at += -(-size // BLOCK) * BLOCK
        return found


def _header(block: bytes) -> tuple[str, bytes, int]:
    """Return name, kind and size by a header block, once its sum is right."""
    if len(block) != BLOCK:
        raise LayoutError("expected a header of 512 bytes, found the end")
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    if _number(block[148:156]) != total:
        hint = "unpack what is compressed first" if block[:2] == b"\x1f\x8b" else ""
        raise LayoutError("expected a tar file, found no header of one", hint=hint)
    name = _ascii(block[:100].split(b"\0", 1)[0])
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        name = f"{_ascii(prefix)}/{name}"
    return name, block[156:157], _number(block[124:136])


def _number(field: bytes) -> int:
    if field[0] == 0x80:  # GNU's way for what is too large
        return int.from_bytes(field[1:], "big")
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise LayoutError(f"expected an octal number in a tar header, found {field!r}")
    return int(found[1], 8)


def _records(content: bytes) -> dict[str, str]:
    """Return what a pax header says, as "13 path=name" and a newline each."""
    said: dict[str, str] = {}
    while content:
        length = content[:8].partition(b" ")[0]
        size = decimal(_ascii(length))
        record = content[len(length) + 1 : size]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or len(content) < size or record[-1:] != b"\n":
            raise LayoutError("expected a record of a pax header, found something else")
        if key.startswith(b"GNU.sparse."):
            raise LayoutError("a pax header says that a file has holes")
        if key in (b"path", b"size"):
            name = key.decode()
            if name in said:
                raise LayoutError(f"a pax header says {name} twice")
            said[name] = _ascii(value)
        content = content[size:]
    return said


def _plain(name: str) -> str:
    """Return a name as it is in the layout, or refuse it."""
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if name.startswith("/") or ".." in parts or "" in parts[1:]:
        raise LayoutError(f"expected a name inside of the layout, found {name[:120]!r}")
    return "/".join(parts)


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise LayoutError(f"expected a name in ASCII, found {raw[:120]!r}") from None


def header(name: str, size: int, *, directory: bool = False) -> bytes:
    """Return what stands before a member: always the same bytes for the same name and size."""
    extended = b""
    if size >= _LARGEST_USTAR:
        record = f" size={size}\n"
        length = len(record) + 2
        extended = f"{length}{record}".encode()
        extended = _block("pax", len(extended), _PAX, directory=False) + padded(extended)
        size = 0
    kind = _DIRECTORY if directory else b"0"
    return extended + _block(name, size, kind, directory=directory)


def padded(content: bytes) -> bytes:
    """Return `content` and what fills its last block."""
    return content + padding(len(content))


def padding(size: int) -> bytes:
    """Return what follows content of `size` bytes."""
    return bytes(-size % BLOCK)


def ending() -> bytes:
    """Return what follows the last member."""
    return _END * 2


def _block(name: str, size: int, kind: bytes, *, directory: bool) -> bytes:
    block = bytearray(BLOCK)
    block[: len(name)] = name.encode("ascii")
    block[100:108] = _MODES[directory]
    for start, stop, value in ((108, 116, 0), (116, 124, 0), (124, 136, size), (136, 148, 0)):
        block[start:stop] = f"{value:0{stop - start - 1}o}\0".encode()
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)
