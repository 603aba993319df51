"""Images in one tar file: an OCI image layout as skopeo's and Podman's `oci-archive:` has it.

It is read where it lies, without unpacking. What is put there lies in a layout beside the file,
FILE.partial/, until `close` writes all of it into a new file, which then takes the old one's
place: whoever is stopped before finds the content there, and sends none of it again. The same
content makes the same bytes, whenever and in whatever order it was put.

Spec: OCI image-spec, image-layout.md; for the tar file see `verifier.pull.tar`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier import limits
from verifier.digest import Digest
from verifier.errors import DigestError, LayoutError
from verifier.pull import tar
from verifier.pull.errors import NoImageError, ReadOnlyError
from verifier.pull.held import PIECE, Held, check_version
from verifier.pull.images import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Written
from verifier.pull.layout_index import LayoutIndex
from verifier.pull.layouts import Layout
from verifier.pull.packing import BLOBS, INDEX_FILE, VERSION_FILE, Piece, pack

_HINT = "skopeo copy docker://IMAGE oci-archive:FILE:TAG writes one"


class Archive(Held):
    """One such file, as `Images`. Safe in many threads; one process at a time may write."""

    def __init__(self, file: Path, *, create: bool = False) -> None:
        """Open the archive `file`; with `create` it may be missing, and is made by `close`.

        Raises:
            LayoutError: it is no tar file with a layout in it, or there is something else in it.
        """
        self._both = _Both(file, missing_ok=create)
        super().__init__(self._both, f"oci-archive:{file}")

    def put_blob(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """Put a blob there, whole or not at all; nothing is read of `pieces` when it is there."""
        if self._both.size(descriptor.digest) != descriptor.size:
            self._both.writing().put_blob(descriptor, pieces)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there and list it, under a name if there is one."""
        written = self._both.writing().put_manifest(content, media_type, tag)
        self._both.keep(Descriptor.of(media_type, content))
        return written

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a name alone.

        Raises:
            NoImageError: it is not there.
        """
        found = self.resolve(reference)
        self._both.writing().unlist(reference)
        if found.digest == reference:
            self._both.drop(found.digest)

    def close(self) -> None:
        """Write what was put there into the file, whole or not at all, and let go of it.

        Raises:
            ReadOnlyError: it cannot be written; what was put lies in FILE.partial/.
        """
        try:
            self._both.pack()
        finally:
            self._both.close()

    def abandon(self) -> None:
        """Leave the file as it is, and what was put for the next time."""
        self._both.close()


class _Both:
    """What lies in the archive, and what is to be put into it, as one `Store`."""

    def __init__(self, file: Path, *, missing_ok: bool) -> None:
        self._file, self._missing_ok = file, missing_ok
        self._partial = file.with_name(f"{file.name}.partial")
        self._old = _Tar(file, missing_ok=missing_ok)
        self._new: Layout | None = None
        self._lock = -1
        self._starting = threading.Lock()
        self._put: dict[Digest, Descriptor] = {}
        self._gone: set[Digest] = set()

    def index(self) -> LayoutIndex:
        return (self._new.store if self._new is not None else self._old).index()

    def size(self, digest: Digest) -> int | None:
        if digest in self._gone:
            return None
        found = self._new.store.size(digest) if self._new is not None else None
        return self._old.size(digest) if found is None else found

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        new = self._new
        inside = new is None or new.store.size(digest) is None
        return self._old.pieces(digest) if new is None or inside else new.store.pieces(digest)

    def keep(self, put: Descriptor) -> None:
        """Have a manifest that was put in the file, listed or not."""
        self._put[put.digest] = put
        self._gone.discard(put.digest)

    def drop(self, deleted: Digest) -> None:
        """Have a manifest in the file no more."""
        self._put.pop(deleted, None)
        self._gone.add(deleted)

    def writing(self) -> Layout:
        """Return where content waits for `pack`, once nobody else writes into the archive.

        Raises:
            ReadOnlyError: somebody else does, or it cannot be written there.
        """
        with self._starting:
            if self._new is None:
                self._new = self._start()
            return self._new

    def _start(self) -> Layout:
        is_left = self._partial.exists()  # by somebody who was stopped
        new = Layout(self._partial, create=True, durable=False)
        try:
            self._lock = os.open(self._partial / "blobs", os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            new.close()
            raise ReadOnlyError(f"somebody else is writing {self._file}: {e.strerror}") from e
        if is_left:
            new.check()
        # Somebody else may have written it since we opened it. What they listed counts; of what
        # an earlier try left beside it we take the content, and never the list.
        old, self._old = self._old, _Tar(self._file, missing_ok=self._missing_ok)
        old.close()
        new.start(self._old.index())
        return new

    def pack(self) -> None:
        """Write all of it into the file, if there is anything new."""
        if self._new is None:
            return
        content = {name: Piece(self._old.file, span) for name, span in self._old.others()}
        for digest in {*self._old.blobs(), *self._reachable()} - self._gone:
            content[f"{BLOBS}{digest.hex}"] = self._piece(digest)
        pack(self._file, self.index().ordered().json(), content)
        shutil.rmtree(self._partial, ignore_errors=True)

    def close(self) -> None:
        self._old.close()
        if self._new is not None:
            self._new.close()
            os.close(self._lock)
            self._new = None

    def _piece(self, digest: Digest) -> Piece:
        assert self._new is not None
        size = self._new.store.size(digest)
        if size is None:
            return Piece(self._old.file, self._old.span(digest))
        return Piece(self._partial / BLOBS / digest.hex, tar.Span(0, size))

    def _reachable(self) -> Iterator[Digest]:
        """Yield everything that is here and that the list, or what was put, leads to."""
        held = Held(self, str(self._file))
        seen: set[Digest] = set()
        rows = [*self.index().rows(), *self._put.values()]
        while rows:
            one = rows.pop()
            if one.digest in seen or self.size(one.digest) is None:
                continue  # what is not here was not here before: a layer that lies elsewhere
            seen.add(one.digest)
            yield one.digest
            if one.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
                manifest = held.manifest(one.digest)
                rows += [*manifest.children, *manifest.layers]
                rows += [manifest.config] if manifest.config is not None else []


class _Tar:
    """A tar file with a layout in it, as a `Store`; or none yet."""

    def __init__(self, file: Path, *, missing_ok: bool) -> None:
        self._where = str(file)
        self.file = -1
        self._members: dict[str, tar.Span] = {}
        try:
            self.file = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as e:
            if missing_ok and isinstance(e, FileNotFoundError):
                return
            raise LayoutError(f"cannot read {file}: {e.strerror}", hint=_HINT) from e
        try:
            self._members = _members(self.file, self._where)
            check_version(self._small(VERSION_FILE, 4096), self._where)
        except BaseException:
            os.close(self.file)
            raise

    def index(self) -> LayoutIndex:
        where = f"{self._where}/{INDEX_FILE}"
        if self.file < 0:
            return LayoutIndex.empty(where)
        return LayoutIndex.parse(self._small(INDEX_FILE, limits.LAYOUT_INDEX), where)

    def span(self, digest: Digest) -> tar.Span:
        try:
            return self._members[f"{BLOBS}{digest.hex}"]
        except KeyError:
            raise NoImageError(f"there is no {digest} in {self._where}") from None

    def size(self, digest: Digest) -> int | None:
        span = self._members.get(f"{BLOBS}{digest.hex}")
        return None if span is None else span.size

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        return self._pieces(self.span(digest))

    def blobs(self) -> Iterator[Digest]:
        """Yield the digest of every blob."""
        for name in self._members:
            if (digest := _blob(name)) is not None:
                yield digest

    def others(self) -> Iterator[tuple[str, tar.Span]]:
        """Yield what else is there, as what older programs look for."""
        for name, span in self._members.items():
            if name not in (VERSION_FILE, INDEX_FILE) and _blob(name) is None:
                yield name, span

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def _small(self, name: str, limit: int) -> bytes:
        span = self._members.get(name)
        if span is None:
            raise LayoutError(
                f"expected an image layout in {self._where}, found no {name}", hint=_HINT
            )
        if span.size > limit:
            raise LayoutError(f"expected at most {limit} bytes in {self._where}/{name}")
        return b"".join(self._pieces(span))

    def _pieces(self, span: tar.Span) -> Iterator[bytes]:
        at, left = span
        while left:
            piece = os.pread(self.file, min(left, PIECE), at)
            if not piece:
                raise LayoutError(f"{self._where} became shorter while it was read")
            yield piece
            at, left = at + len(piece), left - len(piece)


def _members(file: int, where: str) -> dict[str, tar.Span]:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise LayoutError(f"expected a tar file as {where}, found no file", hint=_HINT)
    return tar.members(lambda size, offset: os.pread(file, size, offset), found.st_size)


def _blob(name: str) -> Digest | None:
    if not name.startswith(BLOBS):
        return None
    try:
        return Digest(f"sha256:{name.removeprefix(BLOBS)}")
    except DigestError:
        return None
