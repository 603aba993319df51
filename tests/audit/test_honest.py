"""An honest ledger gives no finding, whatever its size and however it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.audit.source import StaticSource
from tests.audit.making import Log, Outsider, files

SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 513)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_found(tmp_path: Path, size: int) -> None:
    """
    A ledger of any size is silent, from nothing and again.
    """
    folder = Log().grow(size).write(tmp_path / "tree")
    outsider = Outsider(tmp_path)
    first, again = outsider.audit(folder), outsider.audit(folder)

    assert () == first.findings + again.findings
    assert (0, size, 0) == (first.old_size, first.checked, first.opaque)
    assert (size, size, 0) == (again.old_size, again.checked, again.opaque)


def test_it_may_grow_step_by_step(tmp_path: Path) -> None:
    """
    Each size is joined to the one before, and only what is new is checked.
    """
    log, outsider = Log().grow(513), Outsider(tmp_path)
    old = 0
    for size in SIZES:
        report = outsider.audit(log.write(tmp_path / "tree", size))
        assert () == report.findings
        assert (old, size) == (report.old_size, report.checked)
        old = size


def test_an_empty_ledger_is_one_too(tmp_path: Path) -> None:
    """
    No entries are no finding, and the first entry joins on to nothing.
    """
    outsider, log = Outsider(tmp_path), Log(empty=True)

    assert [] == outsider.found(log.write(tmp_path / "tree"))
    log.event("genesis", {})
    assert [] == outsider.found(log.write(tmp_path / "tree"))


def test_seventy_thousand_foreign_entries(tmp_path: Path) -> None:
    """
    A tree of three levels of tiles is read whole, each tile authenticated, each entry opaque.
    """
    log, outsider = Log(empty=True), Outsider(tmp_path)
    log.entries = [b"entry %d" % i for i in range(70_000)]
    tree = {**files(log.entries), "checkpoint": log.note().encode()}
    report = outsider.audit(StaticSource(lambda path, _: tree.get(path)))

    assert () == report.findings
    assert (70_000, 70_000) == (report.checked, report.opaque)
    assert len([path for path in tree if path.startswith("tile/")]) == report.tiles + 274


def test_partial_tiles_may_be_gone(tmp_path: Path) -> None:
    """
    Once a full tile is there, the partial ones of an older checkpoint may be deleted.
    """
    log = Log().grow(600)
    older = files(log.entries[:300])
    tree = {**files(log.entries), "tile/1/000.p/1": older["tile/1/000.p/1"]}
    note = log.note(300)
    asked: list[str] = []

    def read(path: str, _: int) -> bytes | None:
        asked.append(path)
        if path.startswith("bodies/"):
            return log.bodies[bytes.fromhex(path.rpartition("/")[2])]
        return note.encode() if path == "checkpoint" else tree.get(path)

    assert [] == Outsider(tmp_path).found(StaticSource(read))
    partial = {path for path in asked if ".p/" in path}
    # Only those that a checkpoint of 300 entries implies.
    assert {"tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"} == partial


def test_a_policy_alone_finds_nothing_to_judge(tmp_path: Path) -> None:
    """
    With --no-bodies only hashes are checked, and a later whole audit has no broken chain.
    """
    log, outsider = Log().grow(5), Outsider(tmp_path)
    log.event("frozen", {})

    assert [] == outsider.found(log.write(tmp_path / "tree"), bodies=False)
    log.event("frozen", {})
    assert [] == outsider.found(log.write(tmp_path / "tree"))
    assert [] == outsider.found(log.write(tmp_path / "tree"), full=True)
