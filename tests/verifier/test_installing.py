"""The files of a host's set-up: written whole, recorded, and never over somebody else's."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from verifier.errors import VerificationError
from verifier.pull.installing import files as installing
from verifier.pull.installing.errors import EditedFileError, InstallError
from verifier.pull.installing.files import RECORD, REPLACED, Change, File, Host

ONE = File("/etc/containers/policy.json", b"one\n")
TWO = File("/opt/bin/sealbook", b"#!/bin/sh\n", 0o755, crowded=True)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def states(changes: list[Change]) -> list[str]:
    return [one.state for one in changes]


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


def content(host: Host, name: str) -> bytes:
    return host.path(name).read_bytes()


def test_written_and_again(host: Host) -> None:
    """
    New files are there with their modes, and nothing beside them; the same again changes nothing.
    """
    before = host.changes([ONE, TWO])
    assert ["new", "new"] == states(before) == states(host.install([ONE, TWO]))

    assert (b"one\n", TWO.content) == (content(host, ONE.path), content(host, TWO.path))
    assert 0o755 == stat.S_IMODE(host.path(TWO.path).stat().st_mode)
    assert ["sealbook"] == names(host.path("/opt/bin"))
    assert ["bin"] == names(host.path("/opt"))
    inode = host.path(TWO.path).stat().st_ino
    assert ["same", "same"] == states(host.install([ONE, TWO]))
    assert inode == host.path(TWO.path).stat().st_ino


def test_half_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A directory whose every file counts never holds one that is half written.
    """
    found, replace = [], installing._replace

    def look(fresh: Path, final: Path, file: File) -> None:
        found.append((final.name, fresh.parent == final.parent))
        replace(fresh, final, file)

    monkeypatch.setattr(installing, "_replace", look)
    host.install([ONE, TWO])

    assert [("policy.json", True), ("sealbook", False)] == found[1:3]


def test_ours_is_replaced(host: Host) -> None:
    """
    What we wrote ourselves is brought up to date without asking, and a lost mode put back.
    """
    host.install([ONE, TWO])
    host.path(TWO.path).chmod(0o644)
    newer = ONE._replace(content=b"two\n")

    assert ["changed", "changed"] == states(host.install([newer, TWO]))
    assert b"two\n" == content(host, ONE.path)
    assert 0o755 == stat.S_IMODE(host.path(TWO.path).stat().st_mode)
    assert not host.path(REPLACED).exists()


@pytest.mark.parametrize("known", [False, True])
def test_edited(host: Host, known: bool) -> None:
    """
    A file that somebody else wrote, or edited since, stays, with all others; --force replaces it
    and keeps each copy.
    """
    if known:
        host.install([ONE])
    host.path(ONE.path).parent.mkdir(parents=True, exist_ok=True)
    host.path(ONE.path).write_bytes(b"mine\n")

    with pytest.raises(EditedFileError) as caught:
        host.install([TWO, ONE])
    assert "edited-file" == caught.value.code
    assert ONE.path in caught.value.message
    assert b"mine\n" == content(host, ONE.path)
    assert not host.path(TWO.path).exists()

    for number, mine in enumerate((b"mine\n", b"mine again\n"), 1):
        host.path(ONE.path).write_bytes(mine)
        [change] = host.install([ONE], force=True)
        assert "edited" == change.state
        kept = f"{REPLACED}/etc%containers%policy.json.{number}"
        assert (mine, b"one\n") == (content(host, kept), content(host, ONE.path))


def test_diff(host: Host) -> None:
    """
    What would change is shown as a diff, and nothing is written.
    """
    host.path(ONE.path).parent.mkdir(parents=True)
    host.path(ONE.path).write_bytes(b"mine\n")
    mine, new = host.changes([ONE, TWO])

    assert "-mine\n+one\n" in mine.diff
    assert new.diff.startswith("--- /dev/null\n+++ /opt/bin/sealbook\n")
    assert not host.path(RECORD).exists()
    assert b"mine\n" == content(host, ONE.path)


@pytest.mark.parametrize("writes", range(1, 5))
def test_killed(host: Host, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """
    Who is killed between any two files leaves each old or new, and may simply go on.
    """
    host.install([ONE, TWO])
    newer = [ONE._replace(content=b"two\n"), TWO._replace(content=b"#!/bin/dash\n")]
    written, replace = 0, installing._replace

    def dies(fresh: Path, final: Path, file: File) -> None:
        nonlocal written
        written += 1
        if written == writes:
            raise KeyboardInterrupt
        replace(fresh, final, file)

    monkeypatch.setattr(installing, "_replace", dies)
    with pytest.raises(KeyboardInterrupt):
        host.install(newer)
    monkeypatch.undo()

    assert content(host, ONE.path) in (b"one\n", b"two\n")
    host.install(newer)
    assert ["same", "same"] == states(host.changes(newer))


def test_links(tmp_path: Path) -> None:
    """
    In a root nothing is read or written through a link; a file that is one is somebody else's.
    """
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    host = Host(root)
    host.path("/etc").mkdir()
    host.path("/opt").symlink_to(outside)
    with pytest.raises(InstallError):
        host.install([TWO])
    with pytest.raises(InstallError):
        host.install([File("/etc/../../x", b"")])
    (host.root / "etc" / "containers").mkdir()
    (outside / "secret").write_text("secret")
    host.path(ONE.path).symlink_to(outside / "secret")
    with pytest.raises(InstallError):
        host.install([ONE], force=True)
    assert not host.path(REPLACED).exists()
    assert ["secret"] == names(outside)


@pytest.mark.parametrize("record", ["", "{}", '{"type":"x","files":{}}', '{"files":[],"type":""}'])
def test_spoiled_record(host: Host, record: str) -> None:
    """
    A record that is not to be read makes nothing ours: nothing is written.
    """
    host.path(RECORD).parent.mkdir(parents=True)
    host.path(RECORD).write_text(record)

    with pytest.raises(InstallError):
        host.install([ONE])
    assert not host.path(ONE.path).exists()


def test_record(host: Host) -> None:
    """
    The record says which files are ours, by their hashes.
    """
    host.install([ONE])
    record = json.loads(content(host, RECORD))

    assert "urn:sealbook:installed:v1" == record["type"]
    assert {ONE.path} == record["files"].keys()
    assert issubclass(InstallError, VerificationError)
