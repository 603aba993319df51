"""The contract of a store, by every store that there is."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger import labels
from ledger.seal import empty_head
from ledger.store import SLICE, Batch, Claim, Head, Row, Store
from ledger.tiles import Tile, TileId
from tests.ledger import making
from tests.ledger.making import KEYS, NOW, ORIGIN, refused
from verifier.merkle import Hash

KEY = [hashlib.sha256(b"key %d" % i).digest() for i in range(100)]
TILE = TileId(0, 0)


def head(size: int) -> Head:
    """A head that no other size has; the store does not judge it."""
    hashes = tuple(Hash(hashlib.sha256(b"%d %d" % (size, i)).digest()) for i in range(3))
    return Head(size, hashes[0], hashes[1:], NOW + size, size % 2 == 1, b"seal %d" % size)


def row(i: int) -> Row:
    """A row in whose fields every value is its own, and the labels of `batch`."""
    found_by = b'{"digest":["d%d"],"form":["%d"],"key":["k"]}' % (i % 3, i)
    return Row(b"entry %d" % i, b"body %d" % i, found_by, NOW, b"set", b"stamp", b"chain", i)


def batch(old_size: int, count: int, **changes: Any) -> Batch:
    """What appends `count` rows, each with a dedup key and two labels."""
    indices = range(old_size, old_size + count)
    made = Batch(
        old_size,
        head(old_size + count),
        [row(i) for i in indices],
        [(KEY[i % 100] + b"%d" % (i // 100), i) for i in indices],
        [label for i in indices for label in (("key", "k", i), ("digest", f"d{i % 3}", i))],
        [],
    )
    return made._replace(**changes)


def all_of(store: Store) -> list[object]:
    """Everything that a small store tells."""
    return [
        store.head(),
        store.rows(0, SLICE),
        [store.find(key + b"0") for key in KEY],
        [store.claim(key) for key in KEY],
        [store.search(*label, -1, 99) for label in (("key", "k"), ("digest", "d0"))],
        [store.note(size) for size in range(20)],
    ]


def test_empty(store: Store) -> None:
    """
    A new store knows its origin and its sealed head, and nothing else.
    """
    assert (ORIGIN, empty_head(ORIGIN, KEYS.seal)) == (store.origin, store.head())
    assert ([], None, None) == (store.rows(0, 1), store.find(KEY[0]), store.claim(KEY[0]))
    assert ([], None) == (store.search("key", "k", -1, 9), store.note(0))
    refused("ledger-damaged", lambda: store.tile(TILE))


def test_commit_is_read_back(store: Store) -> None:
    """
    Everything in a batch is read back as it was.
    """
    claims = [Claim(KEY[50], b"request", 1)]
    store.commit(batch(0, 3, claims=claims, notes=[(2, "note")]))

    assert (head(3), [row(0), row(1), row(2)]) == (store.head(), store.rows(0, 9))
    assert [0, 1, 2, None] == [store.find(KEY[i] + b"0") for i in range(4)]
    assert (claims[0], None) == (store.claim(KEY[50]), store.claim(KEY[51]))
    assert (None, "note") == (store.note(1), store.note(2))


def test_find_many(store: Store) -> None:
    """
    Many dedup keys are found at once, each as alone; what is not there is left out.
    """
    store.commit(batch(0, 5))
    asked = [KEY[i] + b"0" for i in (7, 3, 0, 3)]

    assert {asked[1]: 3, asked[2]: 0} == store.find_many(asked)
    assert {} == store.find_many([])
    assert {} == store.find_many([KEY[9]])


def test_optional_fields(store: Store) -> None:
    """
    A row without body, promise, timestamp and certificates is read back without them.
    """
    plain = Row(b"entry", None, b"{}", NOW)
    store.commit(batch(0, 1, rows=[plain]))

    assert [plain] == store.rows(0, 1)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("old_size", [0, 2, 4, 7])
def test_commit_is_a_compare_and_swap(store: Store, old_size: int, count: int) -> None:
    """
    A batch for a tree of another size is refused, and nothing of it is written.
    """
    store.commit(batch(0, 3))
    before = all_of(store)
    late = batch(old_size, count, claims=[Claim(KEY[9], b"r", 0)], notes=[(3, "n")])

    refused("head-moved", lambda: store.commit(late))

    assert before == all_of(store)


def test_dedup_key_that_is_there(store: Store) -> None:
    """
    A batch with a dedup key of an older entry is refused, and nothing of it is written.
    """
    store.commit(batch(0, 3))
    before = all_of(store)
    again = batch(3, 2, dedup=[(KEY[7] + b"0", 3), (KEY[1] + b"0", 4)])

    refused("head-moved", lambda: store.commit(again))

    assert before == all_of(store)
    store.commit(batch(3, 2))
    assert 5 == store.head().tree_size


def test_dedup_key_twice_in_a_batch(store: Store) -> None:
    """
    A batch that gives one dedup key to two entries is refused, and nothing is written.
    """
    before = all_of(store)
    twice = batch(0, 2, dedup=[(KEY[0], 0), (KEY[0], 1)])

    refused("head-moved", lambda: store.commit(twice))

    assert before == all_of(store)


def test_batch_without_rows(store: Store) -> None:
    """
    A batch may bring a claim alone, and leaves the tree as large as it was.
    """
    store.commit(batch(0, 3))
    store.commit(batch(3, 0, claims=[Claim(KEY[9], b"request", 1)]))

    assert (3, Claim(KEY[9], b"request", 1)) == (store.head().tree_size, store.claim(KEY[9]))


def test_claim_keeps_its_first_request(store: Store) -> None:
    """
    An idempotency key belongs to the request that used it first.
    """
    store.commit(batch(0, 3, claims=[Claim(KEY[9], b"first", 1)]))
    store.commit(batch(3, 1, claims=[Claim(KEY[9], b"second", 2)]))

    assert Claim(KEY[9], b"first", 1) == store.claim(KEY[9])


def test_rows_are_sliced(store: Store) -> None:
    """
    One read returns at most 4,096 rows, in order, and stops at the end.
    """
    for old_size in range(0, 4608, 512):
        store.commit(batch(old_size, 512))

    assert [row(i) for i in range(4096)] == store.rows(0, 4608)
    assert [row(i) for i in range(4096, 4608)] == store.rows(4096, 4608)
    assert [row(4606), row(4607)] == store.rows(4606, 9999)
    assert [[], [], []] == [store.rows(*r) for r in ((4608, 4700), (5, 5), (9, 5))]


@pytest.mark.parametrize("start", [2**62, 2**63 - 2, 2**63 - 1])
def test_rows_far_outside(store: Store, start: int) -> None:
    """
    There are no rows at indices that a request may name and no tree has.
    """
    store.commit(batch(0, 1))

    assert [] == store.rows(start, start + 1)


def test_search_pages(store: Store) -> None:
    """
    Pages of a search, each after the last index of the one before, give all, ascending.
    """
    for old_size in (0, 20, 40):
        store.commit(batch(old_size, 20))
    pages = [store.search("digest", "d1", -1, 7)]
    for _ in range(3):
        pages.append(store.search("digest", "d1", pages[-1][-1], 7))

    assert [7, 7, 6, 0] == [len(page) for page in pages]
    assert [*range(1, 60, 3)] == [index for page in pages for index in page]


def test_search_is_exact(store: Store) -> None:
    """
    A search finds a label by its whole name and value only.
    """
    store.commit(batch(0, 3))

    wrong = [("digest", "d"), ("digest", "D0"), ("dige", "d0"), ("key", "d0"), ("digest", "%")]
    assert [[]] * 5 == [store.search(*label, -1, 9) for label in wrong]
    assert ([0], []) == (store.search("digest", "d0", -1, 9), store.search("digest", "d0", 0, 9))


def test_search_result_is_the_callers(store: Store) -> None:
    """
    What a search returns is a list of its own, which a caller may change.
    """
    store.commit(batch(0, 3))

    store.search("key", "k", -1, 9).clear()

    assert [0, 1, 2] == store.search("key", "k", -1, 9)


def test_search_below_a_stop(store: Store) -> None:
    """
    A search with a stop finds nothing at or above it, whatever the limit.
    """
    for old_size in (0, 20, 40):
        store.commit(batch(old_size, 20))

    for stop in (0, 1, 2, 30, 31, 32, 60, 2**63):
        expected = [i for i in range(1, 60, 3) if i < stop]
        assert expected == store.search("digest", "d1", -1, 99, stop)
        assert expected[:2] == store.search("digest", "d1", -1, 2, stop)
        assert expected[1:] == store.search("digest", "d1", 1, 99, stop)


def test_newest(store: Store) -> None:
    """
    The newest entries with a label come first, all of them below the stop, on pages without gap.
    """
    for old_size in (0, 20, 40):
        store.commit(batch(old_size, 20))

    for stop in (0, 1, 2, 30, 31, 32, 60, 2**63):
        expected = [i for i in range(1, 60, 3) if i < stop][::-1]
        assert expected == store.newest("digest", "d1", stop, 99)
        assert expected[:2] == store.newest("digest", "d1", stop, 2)
    first = store.newest("digest", "d1", 2**63, 7)
    assert [*range(58, 0, -3)][7:9] == store.newest("digest", "d1", first[-1], 2)
    assert [] == store.newest("digest", "d", 2**63, 9) == store.newest("key", "d0", 2**63, 9)


def test_last(store: Store) -> None:
    """
    The last entry with a label is the newest, and there is none of a label that nobody has.
    """
    assert store.last("key", "k") is None
    for old_size in (0, 20):
        store.commit(batch(old_size, 20))

        newest = old_size + 19
        found = [store.last(*label) for label in (("key", "k"), ("digest", "d0"), ("key", "d0"))]
        assert [newest, newest - newest % 3, None] == found


def test_position(store: Store) -> None:
    """
    A time leads to the first entry of that time or later, and behind all when there is none.
    """
    assert 0 == store.position(0)
    times = [5, 5, 7, 7, 7, 9]
    store.commit(batch(0, 6, rows=[row(i)._replace(time=time) for i, time in enumerate(times)]))

    for time in range(12):
        assert sum(t < time for t in times) == store.position(time)


@pytest.mark.parametrize("start", [0, 3, 7, 2**62, 2**63 - 1])
@pytest.mark.parametrize("stop", [0, 4, 9, 2**63 - 1])
def test_entries_are_those_of_the_rows(store: Store, start: int, stop: int) -> None:
    """
    Entries alone are the entries of the rows in the same range.
    """
    store.commit(batch(0, 7))

    assert [r.entry for r in store.rows(start, stop)] == store.entries(start, stop)
    assert [b"entry %d" % i for i in range(7)[start:stop]] == store.entries(start, stop)


def test_entries_are_read_in_slices(store: Store) -> None:
    """
    One read gives at most a slice of entries, as it gives at most a slice of rows.
    """
    for old_size in range(0, SLICE + 512, 512):
        store.commit(batch(old_size, 512, dedup=[]))

    assert [SLICE, SLICE] == [len(store.entries(3, 2**63)), len(store.rows(3, 2**63))]


def test_notes_page(store: Store) -> None:
    """
    Pages of the kept checkpoints, each after the last size of the one before, give all.
    """
    kept = [(size, f"note {size}") for size in (0, 1, 5, 256)]
    store.commit(batch(0, 1, notes=kept[:2]))
    store.commit(batch(1, 1, notes=kept[2:]))

    assert kept == store.notes(-1, 99)
    assert [kept[:3], kept[3:], []] == [store.notes(-1, 3), store.notes(5, 3), store.notes(256, 3)]
    assert [] == store.notes(2**63, 3)


def test_body_is_found_by_its_name(store: Store) -> None:
    """
    A body is found by the name that its entry gives it: the first entry that does.
    """
    logged = [making.entry(i) for i in (0, 1, 0)]
    rows = [Row(e.entry, e.body, labels.encode(e.labels), NOW) for e in logged]
    store.commit(batch(0, 3, rows=rows, labels=[]))

    names = ["sha256:" + hashlib.sha256(e.body).hexdigest() for e in logged[:2]]
    assert [0, 1] == [store.body(name) for name in names]
    assert [None, None] == [store.body(names[0][:-1]), store.body("sha256:" + 64 * "0")]
    assert [] == store.search("body", names[0], -1, 9)


def test_body_that_is_gone(store: Store) -> None:
    """
    A row without its body is read back so, and its entry still names it.
    """
    logged = making.entry(0)
    gone = Row(logged.entry, None, labels.encode(logged.labels), NOW)
    store.commit(batch(0, 1, rows=[gone], labels=[]))

    assert [gone] == store.rows(0, 1)
    assert 0 == store.body("sha256:" + hashlib.sha256(logged.body).hexdigest())


def test_claims_of_a_range(store: Store) -> None:
    """
    The claims on a range of entries come by index, then key, also those that came later.
    """
    first = [Claim(KEY[1], b"a", 0), Claim(KEY[2], b"b", 2)]
    later = [Claim(KEY[3], b"c", 0), Claim(KEY[2], b"not the first", 1)]
    store.commit(batch(0, 3, claims=first))
    store.commit(batch(3, 1, claims=later))

    on_0 = sorted([first[0], later[0]])
    assert [*on_0, first[1]] == store.claims(0, 4)
    assert [on_0, [], [first[1]]] == [store.claims(i, i + 1) for i in range(3)]
    assert [] == store.claims(2**62, 2**63)


@pytest.mark.parametrize(
    "poison",
    [
        {"rows": [row(3), row(4)._replace(time=2**64)]},
        {"rows": [row(3), row(4)._replace(entry=None)]},
        {"rows": [row(3), row(4)._replace(entry="text")]},
        {"rows": [row(3), row(4)._replace(body="text")]},
        {"rows": [row(3), row(4)._replace(labels=None)]},
        {"rows": [row(3), row(4)._replace(time="now")]},
        {"labels": [("key", "k", 3), ("key", "\ud800", 4)]},
        {"dedup": [(KEY[8], 3), (None, 4)]},
        {"dedup": [(KEY[8], 3), ("text", 4)]},
    ],
)
def test_row_that_cannot_be_stored(store: Store, poison: dict[str, Any]) -> None:
    """
    A batch with a value that no database takes is refused by its code, and nothing is written.
    """
    store.commit(batch(0, 3))
    before = all_of(store)

    refused("bad-entry", lambda: store.commit(batch(3, 2, **poison)))

    assert before == all_of(store)
    store.commit(batch(3, 2))


def test_note_is_kept_once(store: Store) -> None:
    """
    The checkpoint of a size may be handed in again, with the same bytes.
    """
    store.commit(batch(0, 1, notes=[(0, "empty")]))
    store.commit(batch(1, 1, notes=[(0, "empty"), (1, "one")]))

    assert ["empty", "one", None] == [store.note(size) for size in range(3)]


def test_tiles(store: Store) -> None:
    """
    A tile is found by its level and number, and by nothing else.
    """
    ids = [TileId(level, n) for level in (0, 1, 7) for n in (0, 1, 2**30)]
    made = [Tile(id_, hashlib.sha256(repr(id_).encode()).digest() * 256) for id_ in ids]
    store.commit(batch(0, 1, tiles=made))

    assert [tile.hashes for tile in made] == [store.tile(id_) for id_ in ids]
    refused("ledger-damaged", lambda: store.tile(TileId(2, 0)))


def test_head_round_trip(store: Store) -> None:
    """
    A head with any compact range comes back as it was, and so does frozen.
    """
    for old_size in range(4):
        store.commit(batch(old_size, 1))

        assert head(old_size + 1) == store.head()


def test_reads_in_other_threads(store: Store) -> None:
    """
    What a commit wrote is read in every thread as soon as it returned.
    """
    with ThreadPoolExecutor(4) as pool:
        for old_size in range(0, 40, 10):
            store.commit(batch(old_size, 10))
            sizes = list(pool.map(lambda _: len(store.rows(0, 99)), range(8)))

            assert [old_size + 10] * 8 == sizes
