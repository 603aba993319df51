"""The paths of tiles and entry bundles, and how bundles are written: one spelling each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tiles import (
    TilePath,
    entries_path,
    pack_entries,
    parse_path,
    tile_path,
    unpack_entries,
)
from tests.ledger.making import refused
from verifier.errors import MalformedError

MOST = 2**63 - 1  # leaves
LAST = MOST >> 8  # the last tile of level 0 that has a leaf in the largest tree

LEVELS = st.none() | st.integers(0, 63)


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        # The worked examples of the specification.
        (tile_path(0, 1_234_067), "tile/0/x001/x234/067"),
        (tile_path(0, 273, 112), "tile/0/273.p/112"),
        (tile_path(1, 1, 17), "tile/1/001.p/17"),
        (tile_path(2, 0, 1), "tile/2/000.p/1"),
        (tile_path(0, 0), "tile/0/000"),
        (tile_path(63, 0), "tile/63/000"),
        (tile_path(0, 999), "tile/0/999"),
        (tile_path(0, 1000), "tile/0/x001/000"),
        (tile_path(0, 1234, 5), "tile/0/x001/234.p/5"),
        (tile_path(0, 1_000_000), "tile/0/x001/x000/000"),
        (tile_path(0, LAST, 255), "tile/0/x036/x028/x797/x018/x963/967.p/255"),
        (entries_path(0), "tile/entries/000"),
        (entries_path(1_234_067, 1), "tile/entries/x001/x234/067.p/1"),
        (entries_path(LAST), "tile/entries/x036/x028/x797/x018/x963/967"),
    ],
)
def test_printed(path: str, printed: str) -> None:
    """
    Paths are those that the specification gives, up to the last tile of the largest tree.
    """
    assert printed == path
    assert printed == str(parse_path(printed))


@given(LEVELS, st.integers(0, LAST), st.integers(1, 256))
def test_round_trip(level: int | None, n: int, width: int) -> None:
    """
    What is printed is read as what it was.
    """
    path = TilePath(level, n, width)

    assert path == parse_path(str(path))


@given(LEVELS, st.integers(0, LAST), st.integers(1, 256), st.data())
def test_one_spelling(level: int | None, n: int, width: int, data: st.DataObject) -> None:
    """
    A path with one character changed, more or less is refused, or it is the path of another tile.
    """
    path = str(TilePath(level, n, width))
    at = data.draw(st.integers(0, len(path)))
    cut = data.draw(st.integers(0, 1))
    put = data.draw(st.sampled_from(["", *"0123456789x./p+-_ \n\0eE", "\u0661", "\uff11"]))
    edited = path[:at] + put + path[at + cut :]
    try:
        found = parse_path(edited)
    except MalformedError:
        assert edited != path
    else:
        assert edited == str(found)
        assert (edited == path) == (found == TilePath(level, n, width))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile//000",
        "tile/0/000\n",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1234",
        "tile/0/x001/234/",
        "tile/0/x001/x234",
        "tile/0/001/234",
        "tile/0/x000/234",
        "tile/0/x000/x001/234",
        "tile/0/X001/234",
        "tile/0/x001/x23/456",
        "tile/0/x001//234",
        "tile/0/x999/x028/x797/x018/x963/967",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/x001/x036/x028/x797/x018/x963/967",
        "tile/0/" + "x001/" * 10_000 + "000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/0/000.p/1000",
        "tile/0/000.p/-1",
        "tile/0/000.p/+1",
        "tile/0/000.p/1.p/1",
        "tile/0/000.p/1 ",
        "tile/0/000.p/\u0661",
        "tile/0/\u0660\u0660\u0660",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/99/000",
        "tile/100/000",
        "tile/-1/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/entries/0/000",
        "tile/0/../0/000",
        "tile/0/%30%30%30",
        "tile/0/000?x=1",
        "TILE/0/000",
        "checkpoint",
    ],
)
def test_refused(path: str) -> None:
    """
    Whatever is spelled otherwise, or that no tree could have, is malformed.
    """
    refused("malformed", lambda: parse_path(path))


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [b""],
        [b"", b"", b"x"],
        [b"a", b"bc", b"\0" * 300],
        [b"x" * 65_535],
        [b"%d" % i for i in range(256)],
    ],
)
def test_bundles(entries: list[bytes]) -> None:
    """
    A bundle is read as the entries that it was made of, and is no bundle of one fewer or more.
    """
    bundle = pack_entries(entries)

    assert entries == unpack_entries(bundle, len(entries))
    assert sum(2 + len(entry) for entry in entries) == len(bundle)
    refused("malformed", lambda: unpack_entries(bundle, len(entries) + 1))
    if entries:
        refused("malformed", lambda: unpack_entries(bundle, len(entries) - 1))


def test_bundle_bytes() -> None:
    """
    The length of an entry is two bytes, the greater one first.
    """
    assert b"\0\3one\0\0\1\0" + bytes(256) == pack_entries([b"one", b"", bytes(256)])


def test_truncated_and_padded_bundles() -> None:
    """
    A bundle that is cut anywhere, or goes on, is refused.
    """
    bundle = pack_entries([b"one", b"", b"three"])

    for end in range(len(bundle)):
        refused("malformed", lambda end=end: unpack_entries(bundle[:end], 3))  # type: ignore[misc]
    for more in (b"\0", b"\0\0", b"x", bundle):
        refused("malformed", lambda more=more: unpack_entries(bundle + more, 3))  # type: ignore[misc]
