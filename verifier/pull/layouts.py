"""Images in an OCI image layout: a directory as skopeo, crane, buildah and oras write it.

    DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
    DIR/index.json            what is there: images by name, and what refers to others
    DIR/blobs/sha256/<hex>    manifests, configurations, layers

Signatures are there as in a registry: a referrer is listed, without a name; `sha256-<hex>.sig`
is a name. Whoever may write into the directory while we read cannot lead us out of it: names in
it are digests, every file is opened beside its own directory, and no link is followed.

A blob is whole or not there at all. index.json is replaced by rename, under a lock on the
directory; of writers in many threads and processes none undoes what another listed.

Spec: OCI image-spec, image-layout.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier import limits
from verifier.digest import Digest
from verifier.errors import DigestError, LayoutError
from verifier.pull.errors import NoImageError, ReadOnlyError, WrongContentError
from verifier.pull.held import PIECE, VERSION, Held, Store, check_version, checked
from verifier.pull.images import Descriptor, Manifest, Written
from verifier.pull.layout_index import Change, LayoutIndex

_VERSION_FILE, _INDEX_FILE = "oci-layout", "index.json"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would not come back
_ENTER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_HINT = "skopeo copy docker://IMAGE oci:DIR:TAG writes one"


class Layout(Held):
    """One such directory, as `Images`. Safe in many threads and processes."""

    def __init__(self, directory: Path, *, create: bool = False, durable: bool = True) -> None:
        """Open the layout in `directory`; with `create` it is made where there is nothing.

        Unless it is `durable`, blobs may be lost with the machine: see `check`.

        Raises:
            LayoutError: it is no layout, or with `create` something else.
            ReadOnlyError: it cannot be made.
        """
        if create:
            _make(directory)
        self._files = _Files(directory, durable=durable)
        self._changes = _Changes(self._files)
        super().__init__(self._files, f"oci:{directory}")

    def put_blob(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """Put a blob there, whole or not at all; nothing is read of `pieces` when it is there."""
        if self._files.size(descriptor.digest) != descriptor.size:
            self._files.write(descriptor.digest.hex, checked(descriptor, pieces))

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there and list it, under a name if there is one."""
        manifest = Manifest.parse(content, media_type)
        self.put_blob(manifest.descriptor, (content,))
        self._changes.make(Change(manifest, tag))
        return Written(manifest.descriptor.digest, manifest.subject is not None)

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a name alone.

        Raises:
            NoImageError: it is not there.
        """
        found = self.resolve(reference)
        self.unlist(reference)
        if found.digest == reference:
            self._files.remove(found.digest.hex)

    def unlist(self, reference: str) -> None:
        """Take a digest or a name off the list; the content stays."""
        self._changes.make(Change(None, reference))

    def start(self, index: LayoutIndex) -> None:
        """Have `index` instead of what is listed here."""
        with self._files.locked():
            self._files.write_index(index)

    def check(self) -> None:
        """Remove what is no blob: one that a machine lost as it fell, or half of one."""
        for name in self._files.names():
            try:
                digest = Digest(f"sha256:{name}")
                size = self._files.size(digest) or 0
                for _ in self.blob(Descriptor("", digest, size)):
                    pass
            except (DigestError, WrongContentError):
                self._files.remove(name)

    @property
    def store(self) -> Store:
        """The bytes, as they lie."""
        return self._files

    def close(self) -> None:
        """Let go of the directory."""
        self._files.close()


class _Files:
    """The files of one layout."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._where, self._durable = str(directory), durable
        opened: list[int] = []
        try:
            opened.append(os.open(directory, _ENTER & ~os.O_NOFOLLOW))  # the user names it
            check_version(self._read(opened[0], _VERSION_FILE, 4096), self._where)
            opened.append(os.open("blobs", _ENTER, dir_fd=opened[0]))
            opened.append(os.open("sha256", _ENTER, dir_fd=opened[1]))
        except (OSError, NoImageError, LayoutError) as e:
            for descriptor in opened:
                os.close(descriptor)
            why = e.strerror if isinstance(e, OSError) else str(e)
            raise LayoutError(
                f"expected an OCI image layout in {directory}: {why}", hint=_HINT
            ) from e
        self._top, self._middle, self._blobs = opened

    def close(self) -> None:
        for descriptor in (self._blobs, self._middle, self._top):
            os.close(descriptor)
        self._blobs = self._middle = self._top = -1

    def index(self) -> LayoutIndex:
        try:
            with self._open(self._top, _INDEX_FILE) as file:
                content = self._all(file, _INDEX_FILE, limits.LAYOUT_INDEX)
        except NoImageError as e:
            raise LayoutError(e.message, hint=_HINT) from e
        return LayoutIndex.parse(content, f"{self._where}/{_INDEX_FILE}")

    def write_index(self, index: LayoutIndex) -> None:
        self._write(self._top, _INDEX_FILE, (index.json(),))

    def size(self, digest: Digest) -> int | None:
        try:
            found = os.stat(digest.hex, dir_fd=self._blobs, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise LayoutError(f"expected a file as {digest.hex} in {self._where}")
        return found.st_size

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        with self._open(self._blobs, digest.hex) as file:
            while piece := self._some(file):
                yield piece

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        self._write(self._blobs, name, pieces)

    def names(self) -> list[str]:
        return os.listdir(self._blobs)  # noqa: PTH208  by descriptor, not by path

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._blobs)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers of index.json out, of whatever process."""
        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._top)
        try:
            with contextlib.suppress(OSError):  # where there are no locks, one writer must do
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self, beside: int, name: str, limit: int) -> bytes:
        with self._open(beside, name) as file:
            return self._all(file, name, limit)

    def _all(self, file: int, name: str, limit: int) -> bytes:
        found = b""
        while len(found) <= limit and (piece := self._some(file)):
            found += piece
        if len(found) > limit:
            raise LayoutError(f"expected at most {limit} bytes in {self._where}/{name}")
        return found

    def _some(self, file: int) -> bytes:
        try:
            return os.read(file, PIECE)
        except OSError as e:
            raise LayoutError(f"cannot read in {self._where}: {e.strerror}") from e

    @contextlib.contextmanager
    def _open(self, beside: int, name: str) -> Iterator[int]:
        """Open a file that is one, and is here."""
        try:
            file = os.open(name, _READ, dir_fd=beside)
        except FileNotFoundError:
            raise NoImageError(f"there is no {name} in {self._where}") from None
        except OSError as e:
            raise LayoutError(f"cannot read {name} in {self._where}: {e.strerror}") from e
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise LayoutError(f"expected a file as {name} in {self._where}")
            yield file
        finally:
            os.close(file)

    def _write(self, beside: int, name: str, pieces: Iterable[bytes]) -> None:
        """Put a file there that readers find whole, also after a crash."""
        temporary = f".{os.urandom(8).hex()}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, flags, 0o644, dir_fd=beside), "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=beside, dst_dir_fd=beside)
        except BaseException as e:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=beside)
            if isinstance(e, OSError):
                raise ReadOnlyError(f"cannot write in {self._where}: {e.strerror}") from e
            raise


class _Changes:
    """What is to be changed in index.json: many changes that wait are one writing."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()

    def make(self, change: Change) -> None:
        """Make a change; when this returns, it is on disk."""
        mine = _Waiting(change)
        self._waiting.append(mine)
        with self._turn:
            if not mine.done:  # nobody did it for us
                self._make_all()
        if mine.error is not None:
            raise mine.error

    def _make_all(self) -> None:
        together: list[_Waiting] = []
        while self._waiting:
            together.append(self._waiting.popleft())
        try:
            with self._files.locked():
                index = self._files.index()
                for one in together:
                    index.apply(one.change)
                self._files.write_index(index)
        except Exception as e:  # noqa: BLE001  each of them is told, in its own thread
            for one in together:
                one.error = e
        for one in together:
            one.done = True


class _Waiting:
    """A change, until it is made or failed."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.done = False
        self.error: Exception | None = None


def _make(directory: Path) -> None:
    """Make an empty layout where there is nothing, or leave the one that is there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in directory.iterdir()}
        if _VERSION_FILE in found:
            return
        if others := found - {"blobs", _INDEX_FILE}:  # what a making that was ended leaves
            raise LayoutError(f"expected a layout or nothing in {directory}, found {min(others)}")
        (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        for name, content in (
            (_INDEX_FILE, LayoutIndex.empty(str(directory)).json()),
            (_VERSION_FILE, VERSION),
        ):
            with contextlib.suppress(FileExistsError), (directory / name).open("xb") as file:
                file.write(content)
    except OSError as e:
        raise ReadOnlyError(f"cannot make a layout in {directory}: {e.strerror}") from e
