"""Commands of `sealbook`, run in this process or as a user does, and what they print."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import traceback
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import structlog

from signer import cli
from tests.signer.asking import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
SEALBOOK = Path(sys.executable).with_name("sealbook")

Done = subprocess.CompletedProcess[str]


def sealbook(*args: object, cwd: Path = ROOT) -> Done:
    """Run a command of `sealbook` in this process, which saves starting one."""
    out, err, log = io.StringIO(), io.StringIO(), structlog.get_config()
    code: Any
    with redirect_stdout(out), redirect_stderr(err), chdir(cwd):
        try:
            code = cli.main([str(arg) for arg in args])
        except SystemExit as e:
            code = e.code
        except Exception:  # noqa: BLE001  what a process would print
            traceback.print_exc()
            code = 1
        finally:
            structlog.configure(**log)
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())


def spawn(*args: object, cwd: Path = ROOT) -> Done:
    """Run a command of `sealbook` as a user does, until it ends."""
    return subprocess.run(
        [SEALBOOK, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def free_address() -> str:
    """Return a loopback address where nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def bundle_path(directory: Path, digest: str) -> Path:
    """Return where `sealbook sign --out` writes the bundle of a digest."""
    return directory / f"{digest.replace(':', '-')}.bundle.json"


def lines(done: Done) -> list[dict[str, Any]]:
    """Return what a command printed with --json, an object a line."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def one(done: Done) -> dict[str, Any]:
    """Return the one object that a command printed with --json."""
    [value] = lines(done)
    return value


def check_refused(done: Done, code: str, exit_code: int = 1) -> str:
    """Check that a command refused with a sentence and this code, and return its words."""
    assert exit_code == done.returncode, done.stderr
    assert f"({code})" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
