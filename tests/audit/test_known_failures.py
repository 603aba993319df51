"""What deceived those who read a log, and does not deceive an auditor.

Each test is named after the published failure. Those of verifiers are in
tests/verifier/test_known_failures.py, which has the list of all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.audit.finding import ContradictionError
from ledger.audit.source import StaticSource
from tests.audit.making import NOW, Log, Outsider, files, leaf, mth, trust
from tests.audit.test_tiles import Tree


def _replaced(log: Log, **other: bytes) -> StaticSource:
    """Return the log's published files, with other content for some."""
    content = {**files(log.entries), "checkpoint": log.note().encode()}
    content |= {f"bodies/sha256/{name.hex()}": body for name, body in log.bodies.items()}
    assert other.keys() <= content.keys()
    return StaticSource(lambda path, _: {**content, **other}.get(path))


def _forged(tree: Tree) -> dict[str, bytes]:
    """Return the tiles above a forged first entry, each made to fit the one below it."""
    forged, first = {}, leaf(b"forged")
    for path in tree.tiles:  # the levels upwards, and of each its first tile
        if path.split("/")[2].startswith(("000", "x000")) and path.count("/") == 2 + (".p" in path):
            forged[path] = first + tree.files[path][32:]
            first = mth([forged[path][i : i + 32] for i in range(0, len(forged[path]), 32)])
    return forged


@pytest.mark.parametrize(("size", "levels"), [(200, 1), (257, 2), (513, 2), (70_000, 3)])
def test_cve_2026_56865_each_tile_is_verified_against_its_parent(size: int, levels: int) -> None:
    """
    A forged entry is refused though its tile and those above it fit it, all of them or all but one.
    """
    tree = Tree(size)
    forged = _forged(tree)
    assert levels == len(forged)
    for honest in (None, *forged):
        altered: dict[str, bytes | None] = {p: c for p, c in forged.items() if p != honest}
        with pytest.raises(ContradictionError) as caught:
            tree.open(**altered).check(0, [leaf(b"forged")], ())
        assert caught.value.finding.code in ("forged-tile", "entry-mismatch")


def test_cve_2026_56864_what_nobody_asked_for_is_not_used(tmp_path: Path) -> None:
    """
    Bytes beyond the tile or the bundle that was asked for are a finding, and not more hashes.
    """
    log = Log().grow(300)
    for path in ("tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"):
        longer = files(log.entries)[path] + leaf(b"forged")
        found = Outsider(tmp_path / path).found(_replaced(log, **{path: longer}))
        assert [code for code, _ in found] == ["bad-tile"]
    for path in ("tile/entries/000", "tile/entries/001.p/44"):
        longer = files(log.entries)[path] + b"\0\6forged"
        found = Outsider(tmp_path / path).found(_replaced(log, **{path: longer}))
        assert found, path


def test_cve_2026_56864_lines_that_nobody_signed(tmp_path: Path) -> None:
    """
    What stands under a checkpoint beside its signatures is not read as part of it.
    """
    log = Log().grow(3)
    outsider = Outsider(tmp_path)
    stranger = "\u2014 other.example AAAAAAAA\n"
    assert [] == outsider.found(_replaced(log, checkpoint=(log.note() + stranger).encode()))

    beside = log.note() + "300\nextra\n"
    found = outsider.found(_replaced(log, checkpoint=beside.encode()))
    assert ["malformed"] == [code for code, _ in found]


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 8), (255, 256), (256, 300), (5, 300)])
def test_cve_2022_36111_one_client_sees_one_history(tmp_path: Path, old: int, new: int) -> None:
    """
    A log that exchanges one old entry is found out, wherever between two looks the entry was.
    """
    honest = Log().grow(new)
    for where in {0, old // 2, old - 1}:
        home = tmp_path / str(where)
        outsider = Outsider(home)
        assert [] == outsider.found(honest.write(home / "tree", old))
        other = Log().grow(new)
        other.entries[where] = b"another history"
        assert [("fork", None)] == outsider.found(other.write(home / "other"))
        assert [] == outsider.found(honest.write(home / "later"))


@pytest.mark.parametrize("width", [1, 255, 256, 257, 300])
def test_ct_yeti_2022_one_flipped_bit_is_found(tmp_path: Path, width: int) -> None:
    """
    An entry that differs in one bit from what the signed root commits to is a finding.
    """
    log = Log().grow(width)
    at = width - 1
    spoilt = Log().grow(width)
    entry = spoilt.entries[at]
    spoilt.entries[at] = entry[:-1] + bytes([entry[-1] ^ 1])
    path = max(p for p in files(log.entries) if "/entries/" in p)
    content = files(spoilt.entries)[path]
    found = Outsider(tmp_path).found(_replaced(log, **{path: content}))

    assert ("entry-mismatch", at) in found


def test_sunlight_sapgr4d6_a_forged_line_of_a_witness(tmp_path: Path) -> None:
    """
    A line in a witness's name that does not verify condemns the checkpoint, and is not pinned.
    """
    log = Log().grow(3)
    outsider = Outsider(tmp_path, trust("w1"))
    good = log.note(cosigned={"w1": NOW})
    assert [] == outsider.found(_replaced(log, checkpoint=good.encode()))
    pinned = outsider.state.read_bytes()
    log.grow(5)
    forged = good.splitlines()[-1]  # the line under the smaller tree
    note = f"{log.note()}{forged}\n"
    found = outsider.found(_replaced(log, checkpoint=note.encode()))
    assert ["bad-signature"] == [code for code, _ in found]
    assert pinned == outsider.state.read_bytes()

    later = log.note(cosigned={"w1": NOW})
    assert [] == outsider.found(_replaced(log, checkpoint=later.encode()))
