"""A judge that cannot be had is never mistaken for one that was asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.interop import peers
from tests.interop.registry import serving_registry

ROOT = Path(__file__).parents[2]


def test_failed_install_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without apt there is a reason instead of a cosign, and the cache holds no part of one.
    """
    monkeypatch.setenv("SEALBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(peers.PeerUnavailable, match="apt-get"):
        peers.cosign()

    assert [tmp_path / "forky-containerd-cosign-docker-registry-notation-oras-rekor-cli.lock"] == [
        *tmp_path.iterdir()
    ]


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


def test_containers_leave_no_mount_and_no_trace(
    containers: peers.Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is mounted for a command in the chroot is gone after it, also after one that was killed,
    and only its scratch directory can be written.
    """
    mounts = Path("/proc/self/mounts").read_bytes()

    wrote = containers.run(tmp_path, "sh", "-c", "touch /mnt/here; touch /etc/there")
    monkeypatch.setattr("tests.interop.peers.chroot.RUN_TIMEOUT_S", 1)
    with pytest.raises(subprocess.TimeoutExpired):
        containers.run(tmp_path, "sleep", "3600")

    assert 0 != wrote.returncode
    assert "Read-only file system" in wrote.stdout
    assert [tmp_path / "here"] == list(tmp_path.iterdir())
    assert mounts == Path("/proc/self/mounts").read_bytes()


def test_chroot_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where a chroot may not be built there is a reason instead of a Podman.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(peers.PeerUnavailable, match="needs root"):
        peers.containers()


def test_registry_answers_and_ends(tmp_path: Path) -> None:
    """
    The registry listens on a port of its own while the block runs, and nobody does afterwards.
    """
    try:
        program = peers.docker_registry()
    except peers.PeerUnavailable as e:
        pytest.skip(str(e))
    with serving_registry(program, tmp_path) as address:
        assert 200 == httpx.get(f"http://{address}/v2/").status_code

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{address}/v2/")
