"""Ask a program that nobody here wrote; its exit code is the answer, and the only one.

It gets nothing but the files it is given: an empty home, no settings, and no
network but this machine's own.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

JUDGE_TIMEOUT_S = 60

# Nothing listens there: a judge that asks the network gets "connection refused".
CLOSED = "http://127.0.0.1:9"


class Verdict(NamedTuple):
    """What a judge said, and all that it printed, for people."""

    accepted: bool
    output: str

    @classmethod
    def of(cls, done: subprocess.CompletedProcess[str]) -> Verdict:
        """Take a program's end as its answer.

        Raises:
            subprocess.CalledProcessError: it was killed, so this is no verdict: a tamper
                would pass as refused.
        """
        if done.returncode < 0:
            raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout)
        return cls(accepted=done.returncode == 0, output=done.stdout)


def assert_refused(
    tampers: Iterable[str], verdicts: Iterable[Verdict], ignored: Container[str]
) -> None:
    """Assert that each tamper was refused, but for those that this judge ignores, all of them."""
    for name, verdict in zip(tampers, verdicts, strict=True):
        assert (name in ignored) == verdict.accepted, (name, verdict.output)


def ask(
    command: Sequence[str | Path],
    files: Mapping[str, bytes],
    environment: Mapping[str, str] | None = None,
) -> Verdict:
    """Run `command` beside `files`, in a directory that is its home and gone afterwards.

    Raises:
        subprocess.SubprocessError: there is no verdict: the judge was killed, or did
            not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="sealbook-judge-") as home:
        for name, content in files.items():
            path = Path(home, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return ask_at(Path(home), command, environment)


def ask_at(
    home: Path, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> Verdict:
    """Run `command` in `home`, which stays.

    Raises:
        subprocess.SubprocessError: as from `ask`.
    """
    done = subprocess.run(
        command,
        cwd=home,
        env={
            "HOME": str(home),
            "TMPDIR": str(home),
            "HTTP_PROXY": CLOSED,
            "HTTPS_PROXY": CLOSED,
            "NODE_USE_ENV_PROXY": "1",
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=JUDGE_TIMEOUT_S,
        check=False,
    )
    return Verdict.of(done)
