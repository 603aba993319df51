"""The benchmarks themselves run; how fast anything is, no test says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.report import Bar
from tests.crash.service import ROOT


def test_quick_run(tmp_path: Path) -> None:
    """
    A quick run measures every figure and writes the report where it is told to, and only there.
    """
    kept = ROOT / "BENCHMARKS.md"
    before = kept.read_bytes() if kept.exists() else None

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--out", str(tmp_path / "report.md")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert "round 1" not in done.stderr, "progress is for terminals"
    report = (tmp_path / "report.md").read_text()
    titles = [line[3:] for line in report.splitlines() if line.startswith("## ")]
    assert ["Bars", "Goals", "Sign", "SignBatch of 100"] == titles[:4]
    assert 22 == len(titles)
    assert os.uname().nodename not in report.split()
    assert before == (kept.read_bytes() if kept.exists() else None)


def test_bar() -> None:
    """
    A bar that is met exactly is reached, and one that is missed says so.
    """
    assert Bar("p50", 6, "ms", 6.0, at_most=True).reached
    assert not Bar("p50", 6, "ms", 6.01, at_most=True).reached
    assert "reached" == Bar("rate", 1000, "a second", 1000).row()[-1]
    assert "**not reached**" == Bar("rate", 1000, "a second", 999).row()[-1]
