"""Large bodies: in their files before a row names them, and taken for nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from ledger import bodies as module
from ledger.bodies import Bodies
from ledger.spooling import PIECE
from tests.ledger.making import refused
from tests.ledger.small_disk import fill, mounted

LARGE = 16 << 20  # bytes


def named(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def some(size: int, seed: int = 0) -> bytes:
    """Return bytes no piece of which is like another."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(size // 32 + 1))[
        :size
    ]


def keep(bodies: Bodies, body: bytes) -> str:
    """Keep `body`, written in uneven pieces."""
    with bodies.spool() as spool:
        for at in range(0, len(body), 70_001):
            spool.write(body[at : at + 70_001])
        return spool.keep()


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    """The bodies of a ledger that has none yet."""
    return Bodies(tmp_path / "bodies")


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_kept_is_read_back(bodies: Bodies, size: int) -> None:
    """
    What was written in pieces is there under its hash, whole and in pieces of a bounded size.
    """
    body = some(size)
    with bodies.spool() as spool:
        for at in range(0, size, 1000):
            spool.write(body[at : at + 1000])
        assert (size, hashlib.sha256(body).digest()) == (spool.size, spool.digest)
        assert body == b"".join(spool.pieces())
        name = spool.keep()
    pieces = list(bodies.pieces(name, size))

    assert named(body) == name
    assert body == b"".join(pieces) == bodies.read(name, size)
    assert max(map(len, pieces)) <= PIECE
    assert body[-7:] == bodies.tail(name, min(7, size))[-7:]
    assert [name] == list(bodies.names())
    assert bodies.has(name, size)


def test_for_the_owner_alone(bodies: Bodies, tmp_path: Path) -> None:
    """
    Nobody else may read what was signed: neither files nor directories, while it is written either.
    """
    with bodies.spool() as spool:
        spool.write(b"x")
        while_written = stat.S_IMODE(next((tmp_path / "bodies").iterdir()).stat().st_mode)
        path = bodies.path(spool.keep())

    assert [0o600, 0o600, 0o700, 0o700] == [
        while_written,
        *(stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent, path.parent.parent)),
    ]


@pytest.mark.parametrize("how", ["left", "raised"])
def test_what_is_not_kept_is_gone(bodies: Bodies, tmp_path: Path, how: str) -> None:
    """
    A spool that is left without being kept leaves no file, whatever the reason.
    """
    with suppress(KeyboardInterrupt), bodies.spool() as spool:
        spool.write(b"x" * 100_000)
        if how == "raised":
            raise KeyboardInterrupt

    assert [] == files(tmp_path)


def test_synced_before_it_has_its_name(
    bodies: Bodies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The file is on the disk before it is renamed, and its new name when `keep` returns; so are the
    directories on the way, also those that a process before this one made and did not sync.
    """
    done: list[str] = []
    real_sync, real_rename, real_fsync = module.sync, Path.rename, os.fsync

    def fsync(fd: int) -> None:
        done.append("fsync " + Path(f"/proc/self/fd/{fd}").readlink().name[-4:])
        real_fsync(fd)

    def sync(path: Path) -> None:
        real_sync(path)
        done.append(f"sync {path.name}")

    def rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return real_rename(self, target)

    (tmp_path / "bodies" / "sha256").mkdir(parents=True)
    monkeypatch.setattr(module.os, "fsync", fsync)
    monkeypatch.setattr(module, "sync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    keep(bodies, b"one")
    first, done[:] = [step for step in done if step != f"fsync {tmp_path.name[-4:]}"], []
    keep(bodies, b"another")

    assert "fsync .new" == first[0]
    assert {"sync sha256", "sync bodies", f"sync {tmp_path.name}"} <= set(
        first[: first.index("rename")]
    )
    assert "sync sha256" == first[-1]
    assert ["fsync .new", "rename", "fsync a256", "sync sha256"] == done


def test_the_same_body_again(bodies: Bodies) -> None:
    """
    A body that is there already is kept again, and one that was spoilt is whole afterwards.
    """
    body = some(100_000)
    name = keep(bodies, body)
    assert name == keep(bodies, body)
    bodies.path(name).write_bytes(b"spoilt")
    assert not bodies.has(name, len(body))

    keep(bodies, body)
    assert body == bodies.read(name, len(body))
    assert [name] == list(bodies.names())


def test_many_at_once(bodies: Bodies, tmp_path: Path) -> None:
    """
    Threads that keep bodies, some of them the same one, disturb nobody.
    """
    wanted = [some(100_000, n % 5) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda body: keep(bodies, body), wanted))

    assert [named(body) for body in wanted] == names
    assert all(bodies.has(named(body), len(body)) for body in wanted)
    assert 5 == len(files(tmp_path))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip(path: Path) -> None:
    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    path.write_bytes(spoilt)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("spoil", [Path.unlink, cut, extend, flip, link, pipe, folder])
def test_spoilt_file(bodies: Bodies, spoil: Callable[[Path], object]) -> None:
    """
    A file that is missing, altered, of another size or no file is never taken for the body; what
    has been read of it by then lacks its last piece.
    """
    body = some(3 * PIECE)
    name = keep(bodies, body)
    spoil(bodies.path(name))
    got: list[bytes] = []

    refused("ledger-damaged", lambda: got.extend(bodies.pieces(name, len(body))))
    refused("ledger-damaged", lambda: bodies.read(name, len(body)))
    assert not bodies.has(name, len(body))
    assert len(b"".join(got)) <= 2 * PIECE


def test_pieces_of_what_was_altered_in_the_front(bodies: Bodies) -> None:
    """
    Whoever reads in pieces never gets the last one of a body that is not right, wherever it is not.
    """
    body = some(3 * PIECE)
    name = keep(bodies, body)
    path = bodies.path(name)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    got: list[bytes] = []
    refused("ledger-damaged", lambda: got.extend(bodies.pieces(name, len(body))))

    assert 2 == len(got)


@pytest.mark.parametrize("size", [2, 0, 4, 2**62])
def test_told_another_size(bodies: Bodies, size: int) -> None:
    """
    A body of another size than its row says is not what the row means, however large that is.
    """
    name = keep(bodies, b"abc")

    refused("ledger-damaged", lambda: bodies.read(name, size))
    refused("ledger-damaged", lambda: list(bodies.pieces(name, size)))


@pytest.mark.parametrize(
    "name",
    [
        "sha512:" + "0" * 128,
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 63,
        "sha256:../../" + "0" * 58,
        "0" * 64,
        "",
    ],
)
def test_no_name_of_a_body(bodies: Bodies, name: str) -> None:
    """
    A name that no body in a file has leads nowhere in the file system.
    """
    refused("ledger-damaged", lambda: bodies.path(name))
    refused("ledger-damaged", lambda: bodies.read(name, 1))


def test_sweep(bodies: Bodies, tmp_path: Path) -> None:
    """
    Swept is what no row names and what a process that died was writing; nothing else.
    """
    stays, goes = keep(bodies, b"named"), keep(bodies, b"orphan")
    (tmp_path / "bodies" / "0123.new").write_bytes(b"half a bo")
    (tmp_path / "bodies" / "sha256" / "README").write_bytes(b"nothing of ours")
    later = Bodies(tmp_path / "bodies")
    with later.spool() as spool:
        spool.write(b"under way")
        assert 2 == later.sweep(lambda name: name == stays)
        kept = spool.keep()

    assert {stays, kept} == set(later.names())
    assert not later.path(goes).exists()
    assert ["bodies/sha256/README"] == [f for f in files(tmp_path) if len(f) < 64]


def test_sweep_beside_who_needs_one_again(bodies: Bodies, tmp_path: Path) -> None:
    """
    An orphan that is kept again while it is swept is there when its row is committed, whatever the
    wall clock says.
    """
    name = keep(bodies, b"orphan")
    later = Bodies(tmp_path / "bodies")

    def ask(_: str) -> bool:
        keep(later, b"orphan")  # whose row comes next
        os.utime(later.path(name), (0, 0))
        return False

    assert 0 == later.sweep(ask)
    assert b"orphan" == later.read(name, 6)


def test_sweep_of_nothing(bodies: Bodies, tmp_path: Path) -> None:
    """
    Where no body ever was there is nothing to sweep, and no directory is made.
    """
    assert 0 == bodies.sweep(lambda _: False)
    assert [] == list(tmp_path.iterdir())


def test_copy(bodies: Bodies, tmp_path: Path) -> None:
    """
    A copy is checked on the way: of a spoilt body there is none.
    """
    body = some(2 * PIECE)
    name = keep(bodies, body)
    other = Bodies(tmp_path / "other")
    other.copy_from(bodies, name, len(body))
    assert body == other.read(name, len(body))
    other.path(name).unlink()
    flip(bodies.path(name))

    refused("ledger-damaged", lambda: other.copy_from(bodies, name, len(body)))
    assert [] == files(tmp_path / "other")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["fsync", "rename", "sync"])
def test_failing_disk(
    bodies: Bodies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, step: str
) -> None:
    """
    Whatever the disk says while a body is kept is said by the ledger's own codes, and nobody takes
    the body for kept; on the next try it is.
    """
    code = "storage-failed" if error == errno.EIO else "storage-full"

    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    owner = {"fsync": module.os, "rename": Path, "sync": module}[step]
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, fail)
        refused(code, lambda: keep(bodies, b"abc"))
    assert not [f for f in files(tmp_path) if f.endswith(".new")]

    assert b"abc" == bodies.read(keep(bodies, b"abc"), 3)


@pytest.mark.root
def test_full_disk(tmp_path: Path) -> None:
    """
    A body that does not fit is refused as such and leaves nothing; one that fits is kept, and as
    soon as there is space the first one is too.
    """
    with mounted(tmp_path / "disk", "4m") as disk:
        ballast = fill(disk, left=1 << 20)
        bodies = Bodies(disk / "bodies")
        large, small = some(2 << 20), some(100_000)

        refused("storage-full", lambda: keep(bodies, large))
        assert ["ballast"] == files(disk)
        assert small == bodies.read(keep(bodies, small), len(small))
        ballast.unlink()
        assert large == bodies.read(keep(bodies, large), len(large))


def test_memory(bodies: Bodies, tmp_path: Path) -> None:
    """
    However large a body is, what writes, copies, checks or reads it in pieces holds a few of them.
    """
    piece = some(PIECE)
    tracemalloc.start()
    try:
        with bodies.spool() as spool:
            for _ in range(LARGE // PIECE):
                spool.write(piece)
            assert LARGE == sum(map(len, spool.pieces()))
            name = spool.keep()
        Bodies(tmp_path / "other").copy_from(bodies, name, LARGE)
        assert bodies.has(name, LARGE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 5 * PIECE
