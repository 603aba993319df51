"""Pulls of a process that is gone in a moment, until the service is told of them.

A line for each in DIR/pulls, DIR being the directory of [cache]:

    1 refused unsigned registry.example/team/app

with "-" for no code, and for a repository that is not named. Whoever writes one sees to it that
a process of its own is on its way, which gathers for a while, takes all of them and tells. A
spool that is full takes no more, and one that cannot be written takes nothing.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from verifier.pull.reporting import Counts, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.pull.decision import Decision
    from verifier.pull.reporting import Row
    from verifier.pull.settings import PullSettings

SPOOL = 256 << 10  # bytes
GATHER_S = 30.0
_MOMENT_S = 0.25  # for the disk, when whoever asked waits for our end
_OUTCOMES = ("allowed", "warned", "refused")
_NONE = "-"
_NAME, _TAKEN, _STAMP = "pulls", "pulls.taken", "pulls.stamp"


def note(settings: PullSettings, decision: Decision, path: str) -> None:
    """Count a decision of a process that ends now; `path` is the file of `settings`.

    Call it after the answer was given. It is over in a moment, and never raises.
    """
    if not settings.report or settings.service is None or not settings.cache.directory:
        return
    import _thread

    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            directory = settings.cache.directory
            _spool(directory, [(row_of(decision), 1)])
            if _is_time(directory):
                _start_sender(path)
        except Exception:  # noqa: BLE001, S110  whoever decides must not notice
            pass
        finally:
            done.release()

    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:
        return
    done.acquire(timeout=_MOMENT_S)  # a disk that hangs keeps nobody


def empty(settings: PullSettings, gather_s: float) -> None:
    """Wait for `gather_s`, and tell the service what lies in the spool by then.

    What could not be told lies there afterwards, if there is still room.
    """
    if not settings.report or settings.service is None or not settings.cache.directory:
        return
    time.sleep(gather_s)
    directory = settings.cache.directory
    counts = _taken(directory)
    if not counts.rows:
        return
    from verifier.pull.reporting import told
    from verifier.pull.sources.exchange import Exchange

    left = told(Exchange(settings.service), counts)
    _spool(directory, left.rows.items())


def _spool(directory: str, rows: Iterable[tuple[Row, int]]) -> None:
    """Append rows to the spool, as far as there is room."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(f"{directory}/{_NAME}", flags, 0o600)
    try:
        said = os.fstat(descriptor)
        if not stat.S_ISREG(said.st_mode):
            return
        room = SPOOL - said.st_size
        for (outcome, code, repository), times in rows:
            line = f"{times} {outcome} {code or _NONE} {repository or _NONE}\n".encode()
            room -= len(line)
            if room < 0:
                return
            os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _is_time(directory: str) -> bool:
    """Whether nobody has been started to empty the spool for so long that it is time again."""
    path = f"{directory}/{_STAMP}"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        age_s = time.time() - os.stat(path, follow_symlinks=False).st_mtime  # noqa: PTH116
        if 0 <= age_s < GATHER_S:
            return False
        os.utime(path, follow_symlinks=False)
    return True


def _start_sender(path: str) -> None:
    """Start a process that empties the spool, which nobody waits for."""
    import sys

    null = "/dev/null"
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-m", "verifier.pull.spool", path],
        {"PATH": os.defpath},
        file_actions=[(os.POSIX_SPAWN_OPEN, number, null, os.O_RDWR, 0) for number in range(3)],
        setsid=True,
    )


def _taken(directory: str) -> Counts:
    """Take what lies in the spool, which is empty then; what cannot be read is left out."""
    counts = Counts()
    taken = f"{directory}/{_TAKEN}"
    try:
        os.rename(f"{directory}/{_NAME}", taken)  # noqa: PTH104
        descriptor = os.open(taken, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123
            content = file.read(2 * SPOOL)
        os.unlink(taken)  # noqa: PTH108
    except OSError:
        return counts
    for line in content.split(b"\n"):
        if (row := _read(line)) is not None:
            counts.add(*row)
    return counts


def _read(line: bytes) -> tuple[Row, int] | None:
    from verifier.errors import VerificationError
    from verifier.repository import Repository

    match line.decode("ascii", "replace").split(" "):
        case [times, outcome, code, repository] if (
            outcome in _OUTCOMES
            and times.isdecimal()
            and len(times) <= 7
            and (code == _NONE) == (outcome == "allowed")
            and len(code) <= 64
        ):
            try:
                named = "" if repository == _NONE else str(Repository(repository))
            except VerificationError:
                return None
            return (outcome, "" if code == _NONE else code, named), int(times)
    return None


def main(path: str) -> None:
    """Empty the spool of the settings at `path`."""
    from verifier.pull.settings import PullSettings

    empty(PullSettings.load(path), GATHER_S)


if __name__ == "__main__":
    import contextlib
    import sys

    with contextlib.suppress(Exception):  # nobody is there to be told
        main(sys.argv[1])
