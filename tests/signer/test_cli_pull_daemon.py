"""`sealbook pull daemon`: started, reloaded and stopped as an operator, or systemd, does it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.signer.asking import eventually
from tests.verifier.pulling import ROOT, UNSIGNED, Host
from verifier.pull.line import ask

# systemd's protocol: descriptor 3 listens, and the process that it is for is named.
BY_SYSTEMD = 'exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@contextmanager
def daemon(host: Host, *words: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Run the command meanwhile, from when it says that it answers."""
    command = [sys.executable, "-m", "signer", "pull", "daemon", *words]
    if "stdin" in options:
        command = ["sh", "-c", BY_SYSTEMD, "sh", *command]
    process: subprocess.Popen[str] = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"SEALBOOK_PULL": str(host.settings)} | options.pop("env", {}),  # type: ignore[operator]
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    try:
        assert process.stdout is not None
        assert str(host.socket) in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def allowed(host: Host) -> bool:
    return ask(str(host.socket), host.asked(UNSIGNED), 20).allowed


def stopped(process: subprocess.Popen[str]) -> str:
    """Stop it as systemd does, check that it ended well, and return what it told."""
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    return told


def test_life(host: Host) -> None:
    """
    It answers, reads its settings again when told to, and ends well without leaving its socket.
    """
    with daemon(host) as process:
        assert not allowed(host)
        process.send_signal(signal.SIGHUP)
        host.configure('warn = ["*"]')
        eventually(lambda: allowed(host))
        told = stopped(process)

    assert "(unsigned)" in told
    assert f"{host.settings} was read again" in told
    assert "Traceback" not in told
    assert not host.socket.exists()


def test_broken_settings_at_reload(host: Host) -> None:
    """
    Told to read settings that are broken, it says so and goes on, answering nothing.
    """
    with daemon(host, "--json") as process:
        host.settings.write_text("trust = 1")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert "(bad-pull-settings)" in process.stderr.readline()
        host.configure()
        assert not allowed(host)
        stopped(process)


def test_nothing_to_believe_yet(host: Host) -> None:
    """
    Without trust files it starts nevertheless, and says that nothing may run yet.
    """
    (host.directory / "trust" / "trust.json").unlink()
    with daemon(host) as process:
        assert not allowed(host)
        told = stopped(process)

    assert "warning: nothing may run yet" in told


def test_started_by_systemd(host: Host) -> None:
    """
    The socket that systemd opened is answered at and left where it is, and systemd is told when.
    """
    notified = host.directory / "notify.sock"
    with (
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
    ):
        listening.bind(str(host.socket))
        listening.listen()
        notify.bind(str(notified))
        notify.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(notified)}
        with daemon(host, stdin=listening, env=environment) as process:
            assert notify.recv(99) == b"READY=1"
            assert not allowed(host)
            stopped(process)
        assert notify.recv(99) == b"STOPPING=1"

    assert host.socket.exists()


def test_two(host: Host) -> None:
    """
    Where one answers already, a second is refused and the first goes on.
    """
    with daemon(host):
        second = subprocess.run(
            [sys.executable, "-m", "signer", "pull", "daemon", "--json"],
            cwd=ROOT,
            env=os.environ | {"SEALBOOK_PULL": str(host.settings)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert second.returncode == 1
        assert json.loads(second.stdout)["error"] == "cannot-listen"
        assert not allowed(host)


@pytest.mark.parametrize("kind", ["service", "socket"])
def test_units(host: Host, kind: str) -> None:
    """
    The units name the settings and the socket of this host, and each directive once.
    """
    done = subprocess.run(
        [sys.executable, "-m", "signer", "pull", "daemon", "--print-unit", kind],
        cwd=ROOT,
        env=os.environ | {"SEALBOOK_PULL": str(host.settings)},
        capture_output=True,
        text=True,
        check=True,
    )

    keys = [line.partition("=")[0] for line in done.stdout.splitlines() if "=" in line]
    assert len(set(keys)) == len(keys)
    assert str(host.settings if kind == "service" else host.socket) in done.stdout
