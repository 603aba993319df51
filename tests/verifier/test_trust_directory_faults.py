"""A directory of trust files on bad disks, in many hands, and exchanged behind its back."""

from __future__ import annotations

import json
import os
import random
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.verifier.making import NOW, refused, verdict
from tests.verifier.statuses import HOUR, STATUS_KEY
from tests.verifier.trust_files import (
    OTHER_KEY,
    OTHER_STATUS,
    STRICT,
    contents,
    pinned,
    root,
    status,
    trust,
    versions,
)
from verifier.pull.trust_directory import TrustDirectory


@pytest.fixture
def directory(tmp_path: Path) -> TrustDirectory:
    """A directory with version 3 of a trust file and version 7 of its status."""
    made = TrustDirectory(str(tmp_path))
    made.take(trust(3), status(7), None)
    return made


SEEN = json.dumps(
    {
        "type": "urn:sealbook:seen:v1",
        "trust": 3,
        "trust_sha256": "0" * 64,
        "status": 7,
        "status_sha256": "0" * 64,
    }
).encode()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("trust.json", trust(2), "trust-rollback"),
        ("trust.json", trust(3, expires=root(3).expires + 1), "trust-conflict"),
        ("status.json", status(6), "status-rollback"),
        ("status.json", status(7, next_update=NOW + HOUR), "trust-conflict"),
        ("status.json", None, "status-rollback"),
        ("seen.json", b"{}", "malformed"),
        ("seen.json", b'{"type":"urn:sealbook:seen:v2"}', "unsupported-version"),
        ("seen.json", SEEN[:-1] + b',"policy":1}', "unknown-field"),
        ("policy.toml", b"x", "bad-policy"),
    ],
)
def test_changed_by_hand(
    directory: TrustDirectory, tmp_path: Path, name: str, content: bytes | None, code: str
) -> None:
    """
    What somebody exchanged in the directory is noticed by whoever reads it next.
    """
    directory.load()
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)

    for _ in range(2):
        refused(code, TrustDirectory(str(tmp_path)).load)


def test_newer_by_hand(directory: TrustDirectory, tmp_path: Path) -> None:
    """
    Newer files that were copied there count, and from then on nothing older.
    """
    (tmp_path / "trust.json").write_bytes(trust(4))
    (tmp_path / "status.json").write_bytes(status(8))
    assert (4, 8) == versions(directory.load())
    (tmp_path / "trust.json").write_bytes(trust(3))

    refused("trust-rollback", directory.load)


def test_what_was_seen_is_not_taken_again(directory: TrustDirectory, tmp_path: Path) -> None:
    """
    Also when the files are gone, nothing older than what was seen is put in their place.
    """
    for name in ("trust.json", "status.json"):
        (tmp_path / name).unlink()

    refused("trust-rollback", lambda: directory.take(trust(2), status(7), None))
    refused("status-rollback", lambda: directory.take(trust(3), status(6), None))
    refused("status-rollback", lambda: directory.take(trust(3), None, None))
    assert (3, 7) == versions(directory.take(trust(3), status(7), None))


Write = Callable[[TrustDirectory, str, bytes], None]


@pytest.mark.parametrize("landed", [0, 1, 2, 3])
@pytest.mark.parametrize("key", ["same", "new"])
def test_dying_while_files_are_replaced(
    directory: TrustDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    landed: int,
    key: str,
) -> None:
    """
    Whatever had landed when the power went, nothing older counts, and the next time repairs it.
    """
    good: Write = TrustDirectory._write
    done: list[str] = []

    def dying(self: TrustDirectory, name: str, content: bytes) -> None:
        if len(done) == landed:
            raise OSError(5, "Input/output error")
        done.append(name)
        good(self, name, content)

    keys = OTHER_KEY if key == "new" else {}
    signer = OTHER_STATUS if key == "new" else STATUS_KEY
    files = trust(4, **pinned(STRICT), **keys), status(8, signer), STRICT
    monkeypatch.setattr(TrustDirectory, "_write", dying)
    with pytest.raises(OSError, match="Input/output"):
        directory.take(*files)
    monkeypatch.setattr(TrustDirectory, "_write", good)
    # Only a status by a key that the next trust file names cannot be read until that is here.
    expected = "foreign-trust" if (landed, key) == (2, "new") else "yes"
    assert expected == verdict(directory.load)
    assert ["policy.toml", "status.json", "trust.json"][:landed] == done
    assert (4, 8) == versions(directory.take(*files)) == versions(directory.load())
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_leaves_nothing(
    directory: TrustDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A file that could not be written whole is not left behind half.
    """
    before = contents(tmp_path)

    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        directory.take(trust(4), status(8), None)

    assert before == contents(tmp_path)


def test_where_nothing_can_be_written(
    directory: TrustDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    On a read-only disk judging goes on, without a lock and without memory; taking does not.
    """
    (tmp_path / "lock").unlink()
    (tmp_path / "status.json").write_bytes(status(8))
    monkeypatch.setattr("os.O_CREAT", 0)

    assert (3, 8) == versions(directory.load())
    with pytest.raises(FileNotFoundError):
        directory.take(trust(4), status(8), None)
    assert 7 == json.loads((tmp_path / "seen.json").read_text())["status"]


def test_where_there_are_no_locks(
    directory: TrustDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A system without this kind of lock reads and takes all the same.
    """
    monkeypatch.setitem(sys.modules, "fcntl", None)

    assert (4, 8) == versions(directory.take(trust(4), status(8), None))
    assert (4, 8) == versions(directory.load())


def test_a_slow_reader_does_not_forget(directory: TrustDirectory, tmp_path: Path) -> None:
    """
    Who read older files before newer ones came does not write down the older versions.
    """
    late = [directory.load(), directory.take(trust(4), None, None)]
    directory.take(trust(4), status(8), None)
    seen = (tmp_path / "seen.json").read_bytes()
    for found in late:
        directory._remember(type(directory._seen()).of(found.trust, found.status))

    assert seen == (tmp_path / "seen.json").read_bytes()


def test_what_is_taken_is_on_the_disk(
    directory: TrustDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each file is on the disk, and then its name, before the next one is written.
    """
    synced: list[int | str] = []

    def sync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append("names" if stat.S_ISDIR(found.st_mode) else found.st_size)

    monkeypatch.setattr("os.fsync", sync)
    files = trust(4), status(8)
    directory.take(*files, None)
    seen = len((tmp_path / "seen.json").read_bytes())

    assert [len(files[1]), "names", len(files[0]), "names", seen, "names"] == synced


def test_nothing_stays_open(directory: TrustDirectory) -> None:
    """
    Reading and taking leave no descriptor behind, nor does a refusal.
    """
    before = len(list(Path("/proc/self/fd").iterdir()))
    for version in range(4, 14):
        directory.take(trust(version), status(version + 4), None)
        directory.load()
        refused("trust-rollback", partial(directory.take, trust(3), None, None))

    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_many_at_once(directory: TrustDirectory, tmp_path: Path) -> None:
    """
    Of many that take and read at once none sees anything go back, and the newest stays.
    """
    order = list(range(4, 24))
    random.Random(7).shuffle(order)

    def take(version: int) -> str:
        mine = TrustDirectory(str(tmp_path))
        try:
            mine.take(trust(version), status(version + 4), None)
        except Exception as e:  # noqa: BLE001  the code is compared
            return str(getattr(e, "code", e))
        return "yes"

    def watch(_: int) -> list[tuple[int, int]]:
        return [versions(TrustDirectory(str(tmp_path)).load()) for _ in range(15)]

    with ThreadPoolExecutor(16) as pool:
        taken = pool.map(take, order)
        for seen in pool.map(watch, range(8)):
            assert seen == sorted(seen)
            assert all(status == trust + 4 for trust, status in seen)
        assert {"yes", "trust-rollback"} >= set(taken)

    assert (23, 27) == versions(directory.load())
