"""The pen: chains lines and writes them, whole and in order, into one segment after the other.

A line that cannot be written for want of space stays in memory, or is taken back, and the next
write tries again. After any other failure nobody knows what is on the disk, and nothing is
written any more until the service is started again. A failed fdatasync is never repeated: it
would succeed, and lie.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import NamedTuple

import structlog

from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import (
    OF_ITSELF,
    SALT,
    Head,
    Kind,
    Place,
    commitment,
    hash_of,
    print_line,
)
from signer.audit_trail.tail import Closed, Tail
from signer.errors import TrailError
from signer.nonces import Nonces
from verifier._strict import rfc3339, utc
from verifier.merkle import Hash

log = structlog.get_logger()

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MOST_SEGMENT = 16 << 20  # bytes; what a start has to read
MOST_WAITING = 8 << 20  # bytes of lines that a full disk does not take


class _Before(NamedTuple):
    """The chain before its newest line."""

    seq: int
    prev: Hash


class Pen:
    """The end of one trail. Whoever calls `add`, `take_back` or `write` holds `lock`."""

    def __init__(
        self,
        folder: Folder,
        found: Tail,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        forward: Callable[[bytes], None],
    ) -> None:
        """Go on with the trail in `folder` where `found` says; `forward` gets each line too.

        `clock` dates lines, `timer` says how old a segment is, whoever sets the clock.

        Raises:
            TrailError: it cannot be written.
        """
        self.lock = threading.Lock()
        self._syncing = threading.Lock()  # is taken before the other one
        self._folder = folder
        self._clock = clock
        self._timer = timer
        self._forward = forward
        self._segment = found.segment
        self._first = found.seq if found.first is None else found.first
        self._seq, self._prev, self._time = found.seq, found.prev, found.time
        self._before = _Before(found.seq, found.prev)
        self._since: float | None = None
        if found.since:
            age_s = max(0.0, clock() - rfc3339(f"{found.since[:19]}Z"))
            self._since = timer() - age_s
        self._second, self._printed = -1, ""
        self._salts = Nonces(SALT)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._failure = ""
        self._full = False
        try:
            self._fd = folder.open(self._segment)
            self._size = os.fstat(self._fd).st_size
        except OSError as e:
            raise TrailError(f"cannot write the trail in {folder.path}: {e.strerror}") from e
        self._dirty: set[int] = set()

    @property
    def segment(self) -> int:
        """The number of the segment that is open."""
        return self._segment

    @property
    def seq(self) -> int:
        """The number of the next line."""
        return self._seq

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while it is."""
        return self._failure

    @property
    def is_full(self) -> bool:
        """Whether the disk took the last write in part, or not at all."""
        return self._full

    @property
    def waiting_bytes(self) -> int:
        """How much waits in memory to be written."""
        return self._waiting_bytes

    def due(self, segment_s: float) -> bool:
        """Whether the open segment tells of somebody, and is old or large enough to be finished."""
        if self._since is None:
            return False
        return self._size >= _MOST_SEGMENT or self._timer() - self._since >= segment_s

    def check(self) -> None:
        """Raise `TrailError` if nothing can be written any more."""
        if self._failure:
            raise TrailError(f"the audit trail failed: {self._failure}")

    def add(
        self,
        kind: Kind,
        content: str,
        of: int | None = None,
        entries: tuple[Place, ...] = (),
    ) -> int:
        """Chain a line, which waits to be written, and return its number."""
        salt = self._salts.take()
        head = Head(
            self._seq, self._now(), kind, self._prev, commitment(salt, content), of, entries
        ).json()
        line = print_line(head, content, salt) + b"\n"
        self._before = _Before(self._seq, self._prev)
        self._prev = hash_of(head)
        self._seq += 1
        if self._since is None and kind not in OF_ITSELF:
            self._since = self._timer()
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        return self._before.seq

    def take_back(self) -> None:
        """Unsay the newest line, which is not written."""
        self._seq, self._prev = self._before
        self._waiting_bytes -= len(self._waiting.pop())

    def write(self) -> None:
        """Write what waits.

        Raises:
            TrailError: it still waits; or nothing is written any more.
        """
        self.check()
        if not self._waiting:
            return
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        failure: OSError | None = None
        try:
            if os.write(self._fd, data) < len(data):
                failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as e:
            failure = e
        if failure:
            self._take_off(failure)
            raise TrailError(f"the audit trail cannot be written: {failure.strerror}") from failure
        if self._full:
            self._full = False
            log.warning("the audit trail is written again", waited=len(self._waiting))
        self._size += len(data)
        self._dirty.add(self._fd)
        for line in self._waiting:
            self._forward(line)
        self._waiting, self._waiting_bytes = [], 0

    def sync(self) -> None:
        """Return when everything that was added is on the disk.

        Raises:
            TrailError: nobody knows.
        """
        with self._syncing:
            with self.lock:
                self.write()
                dirty, self._dirty = self._dirty, set()
            self._sync(dirty)

    def finish(self, content: Callable[[], str]) -> Closed:
        """Write a last line into the segment, begin the next one, and have both on the disk.

        Raises:
            TrailError: the segment is still open, or nobody knows.
        """
        with self._syncing:
            following = self._segment + 1
            try:
                fd = self._folder.open(following)
            except OSError as e:
                raise TrailError(f"cannot begin a segment of the trail: {e.strerror}") from e
            with self.lock:
                last = self.add("closed", content())
                try:
                    self.write()
                except TrailError:
                    if not self._failure:
                        self.take_back()
                    os.close(fd)
                    raise
                closed = Closed(self._segment, self._first, last, self._prev)
                old, self._fd = self._fd, fd
                self._segment, self._first, self._size = following, self._seq, 0
                self._since = None
                dirty, self._dirty = self._dirty, set()
            self._sync(dirty)
            os.close(old)
        return closed

    def close(self) -> None:
        """Have everything on the disk that can be, and let go of the file."""
        if self._fd < 0:
            return
        try:
            self.sync()
        except TrailError as e:
            log.warning("the audit trail ends unwritten", error=e.message)
        with self.lock:
            self._failure = self._failure or "it is closed"
            os.close(self._fd)
            self._fd = -1

    def _take_off(self, failure: OSError) -> None:
        """Take a part of a line off the file again; what else failed is final."""
        try:
            if failure.errno in _NO_SPACE:
                os.ftruncate(self._fd, self._size)
                if not self._full:
                    log.error("no space for the audit trail: nothing is signed")
                self._full = True
                return
        except OSError as e:
            failure = e
        self._fail(failure)

    def _sync(self, dirty: set[int]) -> None:
        try:
            for fd in dirty:
                os.fdatasync(fd)
        except OSError as e:
            with self.lock:
                self._fail(e)
            raise TrailError(f"the audit trail failed: {self._failure}") from e

    def _fail(self, failure: OSError) -> None:
        self._failure = self._failure or failure.strerror or "unknown"
        log.critical("the audit trail failed: nothing is signed any more", error=self._failure)

    def _now(self) -> str:
        """Return the time, which never goes back in a trail."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second, self._printed = second, utc(second).removesuffix("Z")
        self._time = max(self._time, f"{self._printed}.{int(now * 1000) % 1000:03}Z")
        return self._time
