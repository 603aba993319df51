"""Resources: which tiles, bundles and bodies a published tree has, and that they are right."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from ledger.resources import Resources, body_path, parse_body_path
from ledger.store import Row
from ledger.store.memory import MemoryStore
from ledger.tiles import TileId, TilePath, parse_path, unpack_entries
from tests.ledger.foreign import leaf, mth
from tests.ledger.making import GENESIS, entries, ledger_over, memory_store, refused
from tests.ledger.planted import empty, plant

# Past 65,536, where the first tile of the second level is full and the third level begins.
MOST = 70_000
IMMUTABLE = "public, max-age=31536000, immutable"


@cache
def store() -> MemoryStore:
    """A tree of `MOST` entries, which no test changes."""
    made = empty("example.com/log")
    plant(made, [b"%d" % i for i in range(MOST)])
    return made


@cache
def level(n: int) -> list[bytes]:
    """All complete hashes of one level of tiles, by RFC 6962 alone."""
    if n == 0:
        return [leaf(b"%d" % i) for i in range(MOST)]
    below = level(n - 1)
    return [mth(below[i : i + 256]) for i in range(0, len(below) // 256 * 256, 256)]


def published(size: int, over: MemoryStore | None = None) -> Resources:
    """The resources of a tree that is published up to `size`."""
    return Resources(over or store(), lambda: f"checkpoint of {size}", lambda: size)


def served(resources: Resources, path: str) -> bytes | None:
    """What is at a path, if anything."""
    found = resources.tile(parse_path(path))
    assert found is None or ("application/octet-stream", IMMUTABLE) == found[1:]
    return None if found is None else found.body


@pytest.mark.parametrize(
    ("size", "last"),
    [
        # The last path of each level, as tlog-tiles has it for 70,000.
        (70_000, ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17"]),
        (70_000, ["tile/2/000.p/1", "tile/entries/273.p/112", "tile/entries/272"]),
        (65_537, ["tile/0/256.p/1", "tile/1/000", "tile/2/000.p/1", "tile/entries/256.p/1"]),
        (65_536, ["tile/0/255", "tile/1/000", "tile/2/000.p/1", "tile/entries/255"]),
        (65_535, ["tile/0/255.p/255", "tile/1/000.p/255", "tile/entries/255.p/255"]),
        (257, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/001.p/1"]),
        (256, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]),
        (255, ["tile/0/000.p/255", "tile/entries/000.p/255"]),
        (1, ["tile/0/000.p/1", "tile/entries/000.p/1"]),
    ],
)
def test_right_edge(size: int, last: list[str]) -> None:
    """
    What the specification says is there is there, byte for byte.
    """
    resources = published(size)
    for text in last:
        path = parse_path(text)
        first = path.n * 256
        found = served(resources, text)
        assert found is not None, text
        if path.level is None:
            some = [b"%d" % i for i in range(first, first + path.width)]
            assert some == unpack_entries(found, path.width)
        else:
            assert b"".join(level(path.level)[first : first + path.width]) == found


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (70_000, ["tile/0/273", "tile/0/273.p/113", "tile/0/274.p/1", "tile/1/001.p/18"]),
        (70_000, ["tile/2/000.p/2", "tile/2/001.p/1", "tile/2/000", "tile/3/000.p/1"]),
        (70_000, ["tile/63/000.p/1", "tile/63/000", "tile/entries/273", "tile/entries/273.p/113"]),
        (65_537, ["tile/0/256.p/2", "tile/1/001.p/1"]),
        (65_536, ["tile/0/256.p/1", "tile/1/001.p/1", "tile/2/000.p/2", "tile/entries/256.p/1"]),
        (65_535, ["tile/0/255", "tile/1/000", "tile/2/000.p/1", "tile/entries/255"]),
        (257, ["tile/0/001.p/2", "tile/1/000.p/2"]),
        (256, ["tile/0/001.p/1", "tile/1/000.p/2", "tile/2/000.p/1"]),
        (255, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]),
        (1, ["tile/0/000.p/2", "tile/1/000.p/1", "tile/entries/000.p/2"]),
        (0, ["tile/0/000.p/1", "tile/0/000", "tile/1/000.p/1", "tile/entries/000.p/1"]),
        (1, ["tile/0/x036/x028/x797/x018/x963/967", "tile/7/x036/x028/x797/x018/x963/967"]),
    ],
)
def test_beyond(size: int, paths: list[str]) -> None:
    """
    Nothing is served that the published tree does not have, though the store does.
    """
    resources = published(size)

    assert [None] * len(paths) == [served(resources, path) for path in paths]


@pytest.mark.parametrize("size", [2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1])
def test_ends_of_large_trees(size: int) -> None:
    """
    Where the largest trees end is computed, not tried: nothing beyond is even looked up.
    """

    class Nothing:
        """A store that is not asked."""

    resources = Resources(Nothing(), str, lambda: size)  # type: ignore[arg-type]
    for n in range(64):
        there = size // 256**n
        last, width = divmod(there, 256)
        if last < 2**55:
            assert resources.tile(TilePath(n, last, width + 1)) is None
            assert resources.tile(TilePath(n, last)) is None


@pytest.mark.parametrize("n", [0, 1, 2])
def test_every_older_width(n: int) -> None:
    """
    A client with any older checkpoint gets the widths that it implies, in whatever order.
    """
    resources = published(MOST)
    hashes = level(n)
    edge = len(hashes) // 256
    widths = range(1, len(hashes) % 256 + 1)
    for width in [*widths[6::-1], *widths, *widths[::-5]]:
        found = served(resources, str(TilePath(n, edge, width)))
        assert b"".join(hashes[edge * 256 : edge * 256 + width]) == found
    if edge:
        for width in (1, 100, 255, 256):
            found = served(resources, str(TilePath(n, edge - 1, width)))
            assert b"".join(hashes[(edge - 1) * 256 : edge * 256][:width]) == found


def test_growing() -> None:
    """
    As the tree grows, unfinished tiles grow with it, until they are those that are stored.
    """
    size = 0
    resources = Resources(store(), str, lambda: size)
    for size in [*range(65_536 - 600, 65_536 + 600, 37), MOST]:
        for n in (1, 2):
            there = size // 256**n
            if there % 256:
                path = TilePath(n, there // 256, there % 256)
                expected = b"".join(level(n)[there // 256 * 256 : there])
                assert expected == served(resources, str(path))
    assert {1, 2} == set(resources._unfinished)


def test_many_threads() -> None:
    """
    Many readers at once, of many widths, all get the right hashes.
    """
    resources = published(65_535)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda w: served(resources, f"tile/1/000.p/{w % 255 + 1}"), range(400))
        for w, body in enumerate(found):
            assert b"".join(level(1)[: w % 255 + 1]) == body


def test_missing_entry() -> None:
    """
    An entry or a tile that the store lost is damage, and not an answer.
    """
    made = empty("example.com/log")
    plant(made, [b"%d" % i for i in range(600)])
    del made._rows[590:]
    del made._tiles[TileId(0, 1)]
    resources = published(600, made)

    for path in ("tile/entries/002.p/88", "tile/0/002.p/88", "tile/0/001", "tile/1/000.p/2"):
        refused("ledger-damaged", lambda path=path: served(resources, path))  # type: ignore[misc]


def test_checkpoint() -> None:
    """
    The checkpoint is what is published now, as text, and no cache keeps it for long.
    """
    found = published(5).checkpoint()

    assert (b"checkpoint of 5", "text/plain; charset=utf-8") == (found.body, found.media_type)
    assert "public, max-age=1" == found.cache_control


def test_bodies() -> None:
    """
    A body is found by its hash once its entry is published, and never kept by a cache.
    """
    over = memory_store()
    ledger_over(over).append([GENESIS, *entries(0, 3)])
    bodies = [row.body or b"" for row in over.rows(0, 4)]
    names = [f"sha256:{hashlib.sha256(body).hexdigest()}" for body in bodies]
    resources = published(3, over)

    for name, body in zip(names[:3], bodies, strict=False):
        found = resources.body(name)
        assert (body, "application/octet-stream", "private, no-store") == found
    assert resources.body(names[3]) is None, "not published yet"
    assert resources.body("sha256:" + "0" * 64) is None
    assert resources.body("sha512:" + "0" * 128) is None


def test_bodies_that_are_not_right() -> None:
    """
    A body that was taken away is not there; one that was altered is damage; a lost row too.
    """
    over = memory_store()
    ledger_over(over).append([GENESIS, *entries(0, 3)])
    names = [f"sha256:{hashlib.sha256(row.body or b'').hexdigest()}" for row in over.rows(0, 4)]
    over._rows[1] = Row(*over._rows[1])._replace(body=None)
    over._rows[2] = over._rows[2]._replace(body=b"another")
    del over._rows[3]
    resources = published(4, over)

    assert resources.body(names[1]) is None
    refused("ledger-damaged", lambda: resources.body(names[2]))
    refused("ledger-damaged", lambda: resources.body(names[3]))


@pytest.mark.parametrize(("algorithm", "digits"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_body_path(algorithm: str, digits: int) -> None:
    """
    The path of a body is its algorithm and hash, in one spelling.
    """
    name = f"{algorithm}:{'0a' * (digits // 2)}"
    path = body_path(name)

    assert f"bodies/{algorithm}/{'0a' * (digits // 2)}" == path
    assert name == parse_body_path(path)
    for wrong in (
        path + "0",
        path[:-1],
        path.upper(),
        path.replace("a", "A"),
        path + "\n",
        path + "/",
        "/" + path,
        path.replace("/sha", "/sha1"),
        path.replace("0a0a", "0a%30a", 1),
        path.replace("0a0a", "0\u0661a0", 1),
        f"bodies/{name}",
        "bodies/",
        "",
    ):
        refused("malformed", lambda wrong=wrong: parse_body_path(wrong))  # type: ignore[misc]
