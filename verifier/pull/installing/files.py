"""The files of a set-up: written whole, and never over what somebody else wrote.

/etc/sealbook/installed.json   {"type":"urn:sealbook:installed:v1","files":{"/etc/…":["<sha256>"]}}
/etc/sealbook/replaced/        copies of what --force replaced, as etc%containers%policy.json

A file is ours when it is what we last wrote there. All files are looked at before the first is
written. What is half written lies beside a directory that a runtime reads, never in it: containerd
runs, and CRI-O reads, whatever they find there.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import MalformedError
from verifier.pull.installing.errors import EditedFileError, InstallError

ETC = "/etc/sealbook"
RECORD, REPLACED = f"{ETC}/installed.json", f"{ETC}/replaced"
_TYPE = "urn:sealbook:installed:v1"
_MOST = limits.TRUST_FILE  # of a file that is compared


class File(NamedTuple):
    """What lies at `path`, an absolute one of the host, once it is installed.

    `crowded`: a runtime takes whatever lies in its directory.
    """

    path: str
    content: bytes
    mode: int = 0o644
    crowded: bool = False


class Change(NamedTuple):
    """What installing does to a file: "new", "same", "changed", or "edited" by somebody else."""

    file: File
    state: str
    diff: str


class Host:
    """The files of a host, below `root`: this machine's own, an image's, or a chroot's."""

    def __init__(self, root: Path) -> None:
        """Use the directory `root`, which must be there."""
        self.root = root.resolve()

    def path(self, name: str) -> Path:
        """Return where the host's file `name` is on this machine.

        Raises:
            InstallError: it is no plain absolute path, or leads out of a root by a link.
        """
        if not name.startswith("/") or ".." in name.split("/") or not name.isprintable():
            raise InstallError(f"expected an absolute path, found {name[:200]!r}")
        path = self.root / name.lstrip("/")
        if self.root != Path("/"):
            for parent in path.parents:
                if parent == self.root:
                    break
                if parent.is_symlink():
                    raise InstallError(f"{parent} is a link, which would lead out of {self.root}")
        return path

    def read(self, name: str) -> bytes | None:
        """Return what is in the host's file `name`; None if there is none.

        Raises:
            InstallError: it is no file, too large, or `name` is not one.
            OSError: it cannot be read.
        """
        path = self.path(name)
        if self.root != Path("/") and path.is_symlink():
            raise InstallError(f"{path} is a link, which would lead out of {self.root}")
        try:
            with path.open("rb") as file:
                content = file.read(_MOST + 1)
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise InstallError(f"{path} is a directory") from None
        if len(content) > _MOST:
            raise InstallError(f"{path}: expected at most {_MOST} bytes")
        return content

    def changes(self, files: Sequence[File]) -> list[Change]:
        """Return what installing `files` would do to each; raises like `read`."""
        record = self._record()
        return [self._change(file, record.get(file.path, [])) for file in files]

    def install(self, files: Sequence[File], *, force: bool = False) -> list[Change]:
        """Write `files`, in their order, and record them.

        What is a file's already stays untouched. With `force` an edited file is copied to
        `REPLACED`, and replaced.

        Raises:
            EditedFileError: one of them is somebody else's; then none was written.
            InstallError, OSError: a file cannot be written; those before it are.
        """
        changes = self.changes(files)
        edited = [one.file.path for one in changes if one.state == "edited"]
        if edited and not force:
            raise EditedFileError(f"not ours, or edited: {', '.join(edited)}")
        record = self._record()
        # Who dies between two of these finds both hashes, and either file, to be ours.
        both = {
            file.path: sorted({_sha256(file.content), *record.get(file.path, [])}) for file in files
        }
        self._write_record(record | both)
        for change in changes:
            if change.state == "edited":
                self._keep(change.file.path)
            if change.state != "same":
                self._write(change.file)
        self._write_record(record | {file.path: [_sha256(file.content)] for file in files})
        return changes

    def _change(self, file: File, ours: list[str]) -> Change:
        path = self.path(file.path)
        old = self.read(file.path)
        if old is None:
            state = "edited" if path.is_symlink() else "new"  # one that leads nowhere
        elif old == file.content and not path.is_symlink():
            same = stat.S_IMODE(path.stat().st_mode) == file.mode
            state = "same" if same else "changed"
        else:
            state = "changed" if _sha256(old) in ours and not path.is_symlink() else "edited"
        lines = difflib.unified_diff(
            (old or b"").decode(errors="replace").splitlines(keepends=True),
            file.content.decode(errors="replace").splitlines(keepends=True),
            "/dev/null" if old is None else file.path,
            file.path,
        )
        return Change(file, state, "".join(lines))

    def _keep(self, name: str) -> None:
        """Copy what is at `name`, or what the link there leads to."""
        content = self.read(name)
        if content is None:
            return
        stem = name.strip("/").replace("/", "%")
        for number in range(1, 1000):
            kept = self.path(f"{REPLACED}/{stem}.{number}")
            if not kept.exists():
                self._write(File(f"{REPLACED}/{stem}.{number}", content, 0o600))
                return
        raise InstallError(f"{REPLACED} has too many copies of {name}")

    def _write(self, file: File) -> None:
        final = self.path(file.path)
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = final.parent.parent if file.crowded else final.parent
        try:
            _replace(aside / f".{final.name}.sealbook", final, file)
        except OSError as e:
            if e.errno != errno.EXDEV:
                raise
            # The directory is a mount. For a moment whoever reads it finds one file too many.
            _replace(final.parent / f".{final.name}.sealbook", final, file)

    def _record(self) -> dict[str, list[str]]:
        data = self.read(RECORD)
        if data is None:
            return {}
        try:
            fields = Fields(json_object(data, limit=_MOST), "installed.json")
            kind, files = fields.text("type"), fields.take("files", dict)
        except MalformedError as e:
            raise InstallError(f"{RECORD}: {e.message}") from e
        if kind != _TYPE or not all(isinstance(one, list) for one in files.values()):
            raise InstallError(f"{RECORD}: expected {_TYPE}, found {kind[:80]!r}")
        return files

    def _write_record(self, files: dict[str, list[str]]) -> None:
        value = {"type": _TYPE, "files": dict(sorted(files.items()))}
        self._write(File(RECORD, (json.dumps(value, indent=1) + "\n").encode()))


def _replace(fresh: Path, final: Path, file: File) -> None:
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()  # of somebody who was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as opened:
            opened.write(file.content)
            os.fchmod(opened.fileno(), file.mode)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(final)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    descriptor = os.open(final.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
