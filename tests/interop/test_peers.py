"""A judge that cannot be had is never mistaken for one that was asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop import peers

ROOT = Path(__file__).parents[2]


def test_failed_install_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without apt there is a reason instead of a cosign, and the cache holds no part of one.
    """
    monkeypatch.setenv("SEALBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(peers.PeerUnavailable, match="apt-get"):
        peers.cosign()

    assert [tmp_path / "cosign-forky.lock"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ci", "status", "outcome"),
    [("true", pytest.ExitCode.TESTS_FAILED, "1 error"), ("", pytest.ExitCode.OK, "1 skipped")],
)
def test_missing_judge(tmp_path: Path, ci: str, status: pytest.ExitCode, outcome: str) -> None:
    """
    A judge that cannot be had breaks the run in CI, and only skips its tests elsewhere.
    """
    test = "tests/interop/test_judges.py::test_accepts_the_good_bundle[cosign]"
    options = f"-c {os.devnull} --rootdir=. --import-mode=importlib -o pythonpath={ROOT}"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", test, *options.split(), "-rs"],
        cwd=ROOT,
        env=os.environ | {"CI": ci, "PATH": "", "SEALBOOK_CACHE": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert status == done.returncode, done.stdout + done.stderr
    assert outcome in done.stdout
    assert "No such file or directory: 'apt-get'" in done.stdout
