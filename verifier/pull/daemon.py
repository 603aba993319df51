"""The warm daemon: the gate of this host, on a unix socket, with nothing left to load.

    listener = listen("/run/sealbook/pull.sock")
    Daemon("/etc/sealbook/pull.toml").serve(listener, stop)

It answers root, its own user and those it was told of, as the kernel knows them; each connection
has a thread, and there are at most so many. Trust files are read again when they change, and so
are the settings. It is nobody's single point of failure: whoever gets no answer here judges by
itself, and a daemon that could be made to answer yes could be so only by root or its own user.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING

from verifier.errors import SealbookError, VerificationError
from verifier.pull import line
from verifier.pull.gate import Gate
from verifier.pull.reporting import Reporter
from verifier.pull.settings import PullSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

CONNECTIONS = 128
IDLE_S = 15.0  # for a whole question
_WRITE_S = 5.0
_GRACE_S = 10.0  # for answers that are under way when it is told to stop
_BACKLOG = 128
_FIRST_FD = 3  # systemd's


class SocketError(SealbookError):
    """The daemon cannot listen there."""

    code = "cannot-listen"


class Daemon:
    """Answers under the settings in one file."""

    def __init__(
        self,
        settings: str,
        *,
        uids: Collection[int] = (),
        tell: Callable[[str], object] | None = None,
        connections: int = CONNECTIONS,
        idle_s: float = IDLE_S,
    ) -> None:
        """Use the settings at the absolute path `settings`; `uids` may ask, beside those in them.

        `tell` is for a line of what was refused or went wrong; without it standard error is.

        Raises:
            PullSettingsError: they cannot be used.
        """
        self._path = settings
        self._own = frozenset((0, os.geteuid(), *uids))
        self._tell = tell or _on_standard_error
        self._idle_s = idle_s
        self._most = connections
        self._open: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._reading = threading.Lock()
        self._stopping = False
        self._stamp = self._stamped()
        self._use(PullSettings.load(settings))

    def serve(self, listener: socket.socket, stop: socket.socket) -> None:
        """Answer until something can be read from `stop`; then say what was begun, and return."""
        while True:
            ready, _, _ = select.select([listener, stop], [], [])
            if stop in ready:
                break
            try:
                connection, _ = listener.accept()
            except OSError as e:  # out of descriptors, or gone before it was accepted
                self._tell(f"sealbook: cannot accept: {e.strerror}")
                time.sleep(0.1)
                continue
            self._take(connection)
        self._finish()

    def reload(self) -> None:
        """Read the settings again, and forget what is remembered in memory.

        Raises:
            PullSettingsError: they cannot be used; until they can nothing is answered.
        """
        with self._reading:
            self._stamp = ()
            self._fresh_gate()

    def ready(self) -> None:
        """Check that what is believed can be read, and is fresh; raise `VerificationError`."""
        self._gate.ready()

    def _take(self, connection: socket.socket) -> None:
        """Answer a connection in a thread, or say why not."""
        with self._changed:
            full = len(self._open) >= self._most
            self._open.add(connection)
        if full:
            self._refuse(connection, "busy", f"expected at most {self._most} at once")
            return
        try:
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()
        except RuntimeError as e:  # no more threads
            self._refuse(connection, "busy", str(e))

    def _refuse(self, connection: socket.socket, code: str, message: str) -> None:
        with contextlib.suppress(OSError):
            connection.settimeout(0)
            connection.sendall(line.error_line(code, message))
        self._forget(connection)

    def _converse(self, connection: socket.socket) -> None:
        """Answer question after question, until there is none, in time and as it should be."""
        try:
            if (uid := line.peer_uid(connection)) not in self._uids:
                self._tell(f"sealbook: user {uid} asked, and may not")
                self._refuse(connection, "not-allowed", f"user {uid} may not ask")
                return
            while True:
                got = line.read_line(connection, time.monotonic() + self._idle_s, line.QUESTION)
                if not got:
                    break
                with self._changed:
                    if self._stopping:
                        break
                    self._busy.add(connection)
                try:
                    answer = self._answer(got)
                    connection.settimeout(_WRITE_S)
                    connection.sendall(answer)
                finally:
                    with self._changed:
                        self._busy.discard(connection)
                        self._changed.notify_all()
        except line.DaemonError as e:
            self._refuse(connection, "malformed", e.message)
        except OSError:
            pass  # whoever asked is gone, or says nothing
        finally:
            self._forget(connection)

    def _answer(self, got: bytes) -> bytes:
        """Return the line that answers the line `got`."""
        try:
            asked = line.Asked.parse(got)
            if asked.settings != self._path:
                return line.error_line("other-settings", f"this is the daemon of {self._path}")
            with self._reading:
                gate = self._fresh_gate()
            decision = gate.decide(asked.question, asked.left_s)
            self._reporter.note(decision)
        except VerificationError as e:
            return line.error_line(e.code, e.message)
        except Exception as e:  # noqa: BLE001  whoever asks then judges by itself
            return line.error_line("internal-error", f"{type(e).__name__}: {e}")
        if decision.code:
            self._tell(decision.line)
        return line.answer_line(decision)

    def _fresh_gate(self) -> Gate:
        """Return the gate of the settings as they are now."""
        stamp = self._stamped()
        if stamp != self._stamp or not stamp:
            said = PullSettings.load(self._path)
            self._reporter.close(0)
            self._use(said)
            self._stamp = stamp
            self._tell(f"sealbook: {self._path} was read again")
        return self._gate

    def _use(self, said: PullSettings) -> None:
        self._uids = self._own.union(said.daemon.uids)
        self._gate, self._reporter = Gate(said), Reporter(said)

    def _stamped(self) -> tuple[int, ...]:
        try:
            said = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return ()
        return (said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns)

    def _finish(self) -> None:
        """Wait for the answers that are under way, a while, and close every connection."""
        with self._changed:
            self._stopping = True
            self._changed.wait_for(lambda: not self._busy, _GRACE_S)
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._reporter.close()

    def _forget(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)
        connection.close()


def _on_standard_error(told: str) -> None:
    sys.stderr.write(f"{told}\n")
    sys.stderr.flush()


def listen(path: str, mode: int = 0o600) -> socket.socket:
    """Return a socket that listens at `path`, which whoever `mode` lets may connect to.

    What a daemon that died has left there is replaced.

    Raises:
        SocketError: somebody listens there, something else is there, or it cannot be made.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_way(path)
        before = os.umask(0o777 & ~mode)  # never open to more, not even for a moment
        try:
            made.bind(path)
        finally:
            os.umask(before)
        made.listen(_BACKLOG)
    except OSError as e:
        made.close()
        raise SocketError(f"{path}: {e.strerror or e}") from e
    except SocketError:
        made.close()
        raise
    return made


def inherited() -> socket.socket | None:
    """Return the socket that systemd listens at for us, if it started us so."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=_FIRST_FD)


def notify(state: str) -> None:
    """Tell systemd, if it started us and wants to know."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where.startswith(("/", "@")):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(state.encode(), where.replace("@", "\0", 1) if where[0] == "@" else where)


def _make_way(path: str) -> None:
    """Take away a socket at which nobody listens any more."""
    try:
        kind = os.stat(path, follow_symlinks=False).st_mode  # noqa: PTH116
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise SocketError(f"{path}: expected nothing or a socket, found something else")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
    raise SocketError(f"{path}: another daemon listens there")
