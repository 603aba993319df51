"""A directory of trust files, as other clients let it go back, and ours does not.

Each test is named after the published failure.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.verifier.making import Signer, refused
from tests.verifier.statuses import STATUS_KEY, Ledger
from verifier.pull.trust_directory import TrustDirectory, Trusted
from verifier.trust import PAYLOAD_TYPE
from verifier.trust.listed import Roots
from verifier.trust.signed import SignedFile

HERE, ALICE = Ledger(), Signer()


@pytest.fixture
def directory(tmp_path: Path) -> TrustDirectory:
    """A directory with version 3 of a trust file and version 7 of its status."""
    found = TrustDirectory(str(tmp_path))
    found.take(_trust(3), _status(7), None)
    return found


def _trust(version: int) -> bytes:
    roots = Roots(1, {"alice": ALICE.public})
    return SignedFile.sign(
        PAYLOAD_TYPE, HERE.trust._replace(version=version, roots=roots).json(), [ALICE]
    ).json()


def _status(version: int) -> bytes:
    return HERE.payload(version).sealed(STATUS_KEY)


@pytest.mark.parametrize("name", ["trust.json", "status.json"])
def test_cve_2022_29173_a_directory_remembers(
    directory: TrustDirectory, tmp_path: Path, name: str
) -> None:
    """
    Who puts an older file back, or takes the status away, is noticed by the next start.
    """
    older, code = {
        "trust.json": (_trust(2), "trust-rollback"),
        "status.json": (_status(6), "status-rollback"),
    }[name]
    good = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(older)
    refused(code, directory.load)
    refused(code, TrustDirectory(str(tmp_path)).load)
    (tmp_path / name).write_bytes(good)
    assert (3, 7) == _versions(directory.load())
    (tmp_path / "status.json").unlink()

    refused("status-rollback", directory.load)


def _versions(found: Trusted) -> tuple[int, int]:
    assert found.status
    return found.trust.version, found.status.payload.version


def test_cve_2024_56138_a_disk_that_cannot_be_written(
    directory: TrustDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    On a read-only disk newer files count, older ones do not, and nothing fails.
    """

    def fail(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(TrustDirectory, "_write", fail)
    (tmp_path / "status.json").write_bytes(_status(8))
    assert (3, 8) == _versions(directory.load())
    (tmp_path / "status.json").write_bytes(_status(6))

    refused("status-rollback", directory.load)


@pytest.mark.parametrize("name", ["trust", "status"])
def test_cve_2024_51491_a_newer_file_that_is_none(
    directory: TrustDirectory, tmp_path: Path, name: str
) -> None:
    """
    What does not follow is refused before anything is written.
    """
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    bad = {"trust": (_trust(2), _status(8)), "status": (_trust(4), _status(6))}[name]

    refused(f"{name}-rollback", lambda: directory.take(*bad, None))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
