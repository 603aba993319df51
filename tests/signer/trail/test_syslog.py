"""Each line goes to syslog too, and nothing waits for that."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Line
from signer.audit_trail.syslog import Syslog
from signer.audit_trail.trail import Trail
from tests.ledger.making import ledger_over, memory_store
from tests.signer.asking import PATIENCE_S, eventually
from tests.signer.trail.test_trail import WHO
from tests.signer.trails import lines

MESSAGE = re.compile(
    rb"<110>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) sealbook (\d+) (\S+) - (\{.*\})",
    re.DOTALL,
)


def tell(directory: Path, target: str) -> Syslog:
    """Tell a trail three things, and return what forwards them to `target`."""
    syslog = Syslog(target)
    trail = Trail.open(
        Folder(directory / "trail"), ledger_over(memory_store()), None, forward=syslog
    )
    with trail.decided(WHO, "sign", {"reason": "a\nb"}):
        pass
    trail.close()
    syslog.close()
    return syslog


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[socket.socket]:
    """A syslog at the socket `log`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "log"))
        made.settimeout(PATIENCE_S)
        yield made


def check(directory: Path, received: list[bytes]) -> None:
    """Check that what was received are the lines of the trail, each as RFC 5424 has it."""
    found = []
    for message in received:
        match = MESSAGE.fullmatch(message)
        assert match, message
        line = Line.parse(match[5])
        assert (line.head.time, line.head.kind) == (match[1].decode(), match[4].decode())
        found.append(line)
    assert lines(directory) == found


def test_unix(tmp_path: Path, unix: socket.socket) -> None:
    """
    A datagram a line to a Unix socket.
    """
    tell(tmp_path, f"unix:{tmp_path}/log")

    check(tmp_path, [unix.recv(1 << 16) for _ in range(3)])


def test_udp(tmp_path: Path) -> None:
    """
    A datagram a line over UDP.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(PATIENCE_S)
        tell(tmp_path, f"udp:127.0.0.1:{made.getsockname()[1]}")
        check(tmp_path, [made.recv(1 << 16) for _ in range(3)])


def test_tcp(tmp_path: Path) -> None:
    """
    Over TCP each line has its length before it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        tell(tmp_path, f"tcp:127.0.0.1:{listening.getsockname()[1]}")
        made, _ = listening.accept()
        with made, made.makefile("rb") as file:
            received = []
            while size := b"".join(iter(lambda: file.read(1), b" " if file.peek(1) else b"")):
                received.append(file.read(int(size)))
    check(tmp_path, received)


@pytest.mark.parametrize("target", ["unix:/nowhere/log", "tcp:127.0.0.1:1"])
def test_nobody_takes_it(tmp_path: Path, target: str) -> None:
    """
    A syslog that is away costs no decision anything but a count.
    """
    syslog = tell(tmp_path, target)

    eventually(lambda: syslog.dropped)
    assert 3 == len(lines(tmp_path))


def test_slow(tmp_path: Path) -> None:
    """
    One that takes nothing holds nobody up; what does not fit is dropped, and counted.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listening:
        syslog = Syslog(f"tcp:127.0.0.1:{listening.getsockname()[1]}")
        line = b'{"head":{"kind":"denied","time":"2026-11-26T07:10:00.123Z"}}' + b" " * 4096
        begun = time.monotonic()
        for _ in range(30_000):
            syslog(line)
        assert time.monotonic() - begun < PATIENCE_S
        assert syslog.dropped


def test_other_target(tmp_path: Path, unix: socket.socket) -> None:
    """
    Another configuration sends what comes next elsewhere, or nowhere.
    """

    class Section:
        syslog: str | None = f"unix:{tmp_path}/log"

    class Other:
        trail: Any = Section

    syslog = Syslog(None)
    line = b'{"head":{"kind":"denied","time":"2026-11-26T07:10:00.123Z"}}\n'
    syslog(line)
    syslog.prepare(Other())()  # type: ignore[arg-type]
    syslog(line)
    assert unix.recv(1 << 16).startswith(b"<110>1 2026-")
    syslog.close()
    assert 0 == syslog.dropped
