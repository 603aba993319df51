"""Files that only their owner may read: keys, seals, tokens, passphrases.

The way to such a file is looked at from the root on, a directory at a time, and links in it
are followed by hand. Where nobody but we and root can rename what is in a directory, nobody
can change what was seen there either; so what is opened at the end is what was judged.

A directory like /tmp, in which everybody may write and nobody may take away what is not
theirs (the sticky bit), can be on the way, but cannot hold the file itself: before there is
a file, anybody could put one there.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
from collections import deque
from pathlib import Path

from ledger.durable import sync
from signer.errors import KeyExistsError, KeyFileError, KeyFileModeError
from verifier import limits

_LINKS = 40  # on one way: more are a loop
_ACL = "system.posix_acl_access"
_ACL_USER, _ACL_GROUPS, _ACL_MASK = 0x02, (0x04, 0x08), 0x10  # tags: linux/posix_acl.h
_THEIRS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path) -> bytes:
    """Return the content of a file that nobody else can read, or put in its place.

    Raises:
        KeyFileModeError: it is a link, not ours, has another name too, group or others have
            any right on it, or they may write in a directory on the way to it.
        KeyFileError: it cannot be read, or is larger than any secret.
    """
    _check_way(path)
    try:
        # Without O_NONBLOCK a pipe in the file's place would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno == errno.ELOOP:
            raise KeyFileModeError(f"expected a file, {path} is a link") from e
        raise KeyFileError(f"cannot read {path}: {e.strerror}") from e
    try:
        _check_file(path, fd)
        content = os.read(fd, limits.KEY + 1)
    finally:
        os.close(fd)
    if len(content) > limits.KEY:
        raise KeyFileError(f"expected at most {limits.KEY} bytes in {path}, found more")
    return content


def read_token(path: Path) -> str:
    """Return the one line of a token file; raises like `read_secret`."""
    try:
        return read_secret(path).decode("ascii").strip()
    except UnicodeDecodeError as e:
        raise KeyFileError(f"expected a token in ASCII in {path}") from e


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to the new file `path` with mode 0600, durably; all of it or nothing.

    Raises:
        KeyExistsError: there is something already.
        KeyFileModeError: others may write in a directory on the way to it.
        KeyFileError: it cannot be written.
    """
    _check_way(path)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as e:
        raise KeyExistsError(f"there is something already at {path}") from e
    except OSError as e:
        raise KeyFileError(f"cannot write {path}: {e.strerror}") from e
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        sync(path.parent)
    except OSError as e:
        path.unlink()
        raise KeyFileError(f"cannot write {path}: {e.strerror}") from e


def _check_file(path: Path, fd: int) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileModeError(f"expected a file, {path} is something else")
    others = stat.S_IMODE(status.st_mode) & _THEIRS
    if others & stat.S_IRWXG and _groups_are_empty(fd):
        others &= ~stat.S_IRWXG
    if others or status.st_uid not in _us():
        raise KeyFileModeError(
            f"expected {path} to be readable by its owner alone, found mode "
            f"{stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}",
            hint=f"chmod 600 {path}, and think about who may have read it",
        )
    if status.st_nlink != 1:
        raise KeyFileModeError(
            f"expected {path} to be the file's one name, found {status.st_nlink} of them",
            hint="a hard link: copy the file to a new one, and remove all the old names",
        )


def _groups_are_empty(fd: int) -> bool:
    """Whether a file's group bits are but the mask of a list of rights that names us alone.

    So systemd hands credentials to a service that is not root's.
    """
    try:
        acl = os.getxattr(fd, _ACL)
    except OSError:
        return False  # no such list: the bits are the group's
    entries = list(struct.iter_unpack("<HHI", acl[4:]))
    mask = next((rights for tag, rights, _ in entries if tag == _ACL_MASK), 0o7)
    return not any(
        rights & mask and (tag in _ACL_GROUPS or (tag == _ACL_USER and who not in _us()))
        for tag, rights, who in entries
    )


def _check_way(path: Path) -> None:
    """Check the directories that lead to `path`, so that nobody can change the way later."""
    way, left, links = Path("/"), deque((Path.cwd() / path).parts[1:-1]), 0
    while True:
        try:
            status = way.lstat()
            target = way.readlink() if stat.S_ISLNK(status.st_mode) else None
        except OSError as e:
            raise KeyFileError(f"cannot read {path}: {way}: {e.strerror}") from e
        if status.st_uid not in _us():
            raise KeyFileModeError(
                f"expected {way}, on the way to {path}, to be root's or ours, "
                f"found it to be of user {status.st_uid}, who could put another file there"
            )
        if target is not None:
            links += 1
            if links > _LINKS:
                raise KeyFileError(f"cannot read {path}: {way}: {os.strerror(errno.ELOOP)}")
            left.extendleft(reversed(target.parts))  # an absolute one has "/" as its first part
            way = way.parent  # looked at again: behind a link to "." it is where the file is
            continue
        if _strangers_write(status, last=not left):
            raise KeyFileModeError(
                f"expected {way}, on the way to {path}, to be writable by its owner alone, "
                f"found mode {stat.S_IMODE(status.st_mode):04o}",
                hint=f"chmod go-w {way}, and think about who may have put a file there",
            )
        if not left:
            return
        way /= left.popleft()


def _strangers_write(directory: os.stat_result, *, last: bool) -> bool:
    """Whether others could replace what we need of a directory; `last` is the file's own."""
    if directory.st_mode & stat.S_ISVTX and not last:
        return False  # what is next belongs to us or root, and stays
    if directory.st_mode & stat.S_IWOTH:
        return True
    return bool(directory.st_mode & stat.S_IWGRP) and not _is_private(directory.st_gid)


def _is_private(gid: int) -> bool:
    """Whether a group has no members but us and root, as far as this machine can list them.

    Many systems give each user a group, and let it write whatever the user may.
    """
    try:
        named = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(gid).gr_mem}
    except KeyError:
        return False
    return named | {user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid} <= set(_us())


def _us() -> tuple[int, int]:
    return (0, os.geteuid())
