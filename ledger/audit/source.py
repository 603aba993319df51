"""Where an audit reads from. Nothing that comes out of a source is trusted.

A *static* source is the tree of c2sp.org/tlog-tiles, as files or over HTTP, and
beside it the bodies by hash:

    checkpoint
    tile/0/000            256 hashes of 32 bytes
    tile/0/001.p/7        the last seven, in a tree of 263
    tile/entries/000      the entries themselves
    bodies/sha256/<hex>   the signed messages, for those who may read them
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from ledger.errors import SourceError
from ledger.tiles import WIDTH, entries_path, tile_path, unpack_entries
from ledger.transport import Request, Response, Transport
from verifier import limits
from verifier.merkle import Hash

_ENTRIES = WIDTH * (limits.ENTRY + 2)
_BODY = limits.STATEMENT + 1024  # a statement in its pre-authentication encoding
_GONE, _ASKS = (404, 410), 401

Read = Callable[[str, int], bytes | None]


class Listed(NamedTuple):
    """What the service itself says of one entry; `committed_at` is POSIX seconds."""

    labels: bytes
    committed_at: int


class Source(Protocol):
    """Gives the parts of one ledger. None means: it is not there.

    Raises:
        SourceError, TransportError: there is no telling whether it is there.
        MalformedError: it is there, in no form that the specification knows.
    """

    @property
    def parallel(self) -> int:
        """How many bodies may be asked for at once, from as many threads."""

    def checkpoint(self) -> str | None:
        """Return the newest signed note."""

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile."""

    def entries(self, n: int, width: int) -> list[bytes] | None:
        """Return the first `width` entries of bundle `n`."""

    def body(self, algorithm: str, name: str) -> bytes | None:
        """Return the body whose hash by `algorithm` is `name`, in hex."""

    def listed(self, start: int, stop: int) -> list[Listed] | None:
        """Return what the service says of these entries, if it says anything."""


class StaticSource:
    """A static tree, read by paths."""

    def __init__(self, read: Read, parallel: int = 1) -> None:
        """Read with `read`, which takes a path of the specification and a limit in bytes."""
        self._read = read
        self.parallel = parallel

    def checkpoint(self) -> str | None:
        """Return the newest signed note."""
        raw = self._read("checkpoint", limits.NOTE)
        # What is no UTF-8 becomes a character that no signature was made over.
        return None if raw is None else raw.decode(errors="replace")

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile, out of the full one if need be."""
        raw = self._read(tile_path(level, n, width), WIDTH * Hash.SIZE)
        if raw is None and width < WIDTH:  # partial tiles may go once the full one is there
            raw = self._read(tile_path(level, n), WIDTH * Hash.SIZE)
            return None if raw is None else raw[: width * Hash.SIZE]
        return raw

    def entries(self, n: int, width: int) -> list[bytes] | None:
        """Return the first `width` entries of a bundle, out of the full one if need be."""
        raw = self._read(entries_path(n, width), _ENTRIES)
        if raw is None and width < WIDTH:
            raw = self._read(entries_path(n), _ENTRIES)
            return None if raw is None else unpack_entries(raw, WIDTH)[:width]
        return None if raw is None else unpack_entries(raw, width)

    def body(self, algorithm: str, name: str) -> bytes | None:
        """Return the body whose hash by `algorithm` is `name`, in hex."""
        return self._read(f"bodies/{algorithm}/{name}", _BODY)

    def listed(self, start: int, stop: int) -> list[Listed] | None:
        """Files say nothing of themselves."""
        del start, stop
        return None


class DirectoryReader:
    """Reads files below one directory, an export or a mirror, and nothing outside of it.

    A symbolic link below the directory is refused, as is whatever is no file.
    """

    def __init__(self, root: Path) -> None:
        """Read below `root`, which may be a symbolic link itself."""
        self._root = root

    def __call__(self, path: str, limit: int) -> bytes | None:
        """Return the content of the file at `path`, or None when there is none.

        Raises:
            SourceError: it cannot be read, is over `limit`, or no file of this directory.
        """
        *folders, name = path.split("/")
        try:
            at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as e:
            raise SourceError(f"{self._root}: {e.strerror}") from e
        try:
            for folder in folders:
                inner = os.open(folder, _FOLDER, dir_fd=at)
                os.close(at)
                at = inner
            with os.fdopen(os.open(name, _FILE, dir_fd=at), "rb") as file:
                return self._content(file.fileno(), path, limit)
        except FileNotFoundError:
            return None
        except OSError as e:
            raise SourceError(f"{self._root / path}: {e.strerror}") from e
        finally:
            os.close(at)

    def _content(self, fd: int, path: str, limit: int) -> bytes:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{self._root / path}: expected a file")
        content = b"" if found.st_size > limit else _read_all(fd, limit + 1)
        if max(found.st_size, len(content)) > limit:
            raise SourceError(f"{self._root / path}: expected at most {limit} bytes")
        return content


class HttpReader:
    """Reads below one URL. The token goes where bodies are, and where one is asked for (401)."""

    def __init__(
        self, base: str, transport: Transport, token: str = "", *, timeout_s: float = 30.0
    ) -> None:
        """Read below `base` with `transport`; `token` is a bearer token."""
        self._base = base.rstrip("/")
        self._transport = transport
        self._token = token
        self._timeout_s = timeout_s
        self._everywhere = False

    def __call__(self, path: str, limit: int) -> bytes | None:
        """Return what is at `path`, or None when nothing is.

        Raises:
            TransportError: no answer.
            SourceError: an answer that is neither yes nor no.
        """
        url = f"{self._base}/{path}"
        private = self._everywhere or path.startswith("bodies/")
        answer = self._get(url, limit, private=private)
        if answer.status == _ASKS and self._token and not private:
            self._everywhere = True  # it serves nothing to strangers
            answer = self._get(url, limit, private=True)
        if answer.status in _GONE:
            return None
        if answer.status != 200:
            hint = "it wants a token or a certificate: --token-file, --client-certificate"
            if path.startswith("bodies/"):
                hint += "; or --no-bodies to do without"
            raise SourceError(
                f"{url}: expected status 200 or 404, found {answer.status}",
                hint=hint if answer.status in (_ASKS, 403) else "",
            )
        return answer.body

    def _get(self, url: str, limit: int, *, private: bool) -> Response:
        bearer = (("authorization", f"Bearer {self._token}"),) if private and self._token else ()
        return self._transport(
            Request("GET", url, headers=bearer, limit=limit, timeout_s=self._timeout_s)
        )


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hang us


def _read_all(fd: int, limit: int) -> bytes:
    parts = []
    while limit > 0 and (part := os.read(fd, limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)
