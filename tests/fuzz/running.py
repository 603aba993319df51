"""Targets in processes of their own, and what came of each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

MOST_SECONDS = 2.0  # of CPU, for one input
MOST_BYTES = 1 << 30  # of memory
_ROOT = Path(__file__).parents[2]
_ENDS = 120  # seconds after its time in which a process must have ended
_TRIED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"\bcov: (\d+)")
_SHOWN = 2000  # characters of what a process said
_WIDEST = 200  # characters of a line: a message may hold the whole input

TRIED: dict[str, int] = {}  # inputs in this run, by target


class Outcome(NamedTuple):
    """What came of one target: `said` is empty unless something was found, in `file`."""

    target: str
    tried: int
    covered: int
    said: str
    file: Path | None

    @property
    def finding(self) -> str:
        """The finding with its input, for people; empty when there is none."""
        if not self.said:
            return ""
        if self.file is None:
            return f"{self.target}: {self.said}"
        data = self.file.read_bytes()
        shown = repr(data[:_SHOWN])
        return (
            f"{self.target}: {self.said}\n{len(data)} bytes in {self.file}: {shown}\n"
            f"again: python -m tests.fuzz --input {self.file} {self.target}"
        )


def run(target: str, seconds: int, folder: Path, fault: str = "", *, seed: int = 0) -> Outcome:
    """Fuzz `target` from `seed`, or 0, for a new one; an input that is found goes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.fuzz.child",
        target,
        str(seconds),
        str(folder),
        str(seed),
    ]
    words += [fault] if fault else []
    try:
        done = subprocess.run(
            words,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + _ENDS,
            check=False,
        )
        output, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        output, code = (e.stdout or b"").decode("utf-8", "replace") + "\nit does not end", -1
    tried, covered = _TRIED.findall(output), _COVERED.findall(output)
    if not fault:
        TRIED[target] = int(tried[-1]) if tried else 0
    files = sorted(folder.glob(f"{target}-*"), key=lambda file: file.stat().st_mtime)
    return Outcome(
        target,
        int(tried[-1]) if tried else 0,
        int(covered[-1]) if covered else 0,
        _said(output) if code or files or not tried else "",
        files[-1] if files else None,
    )


def _said(output: str) -> str:
    """Return the traceback in what a process said, or else the end of it; long lines are cut."""
    start = output.find("=== Uncaught Python exception: ===")
    said = output[start:].partition("\n==")[0] if start >= 0 else output
    lines = (line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…" for line in said.splitlines())
    return "\n".join(lines).strip()[-_SHOWN:]
