"""Content at rest: read by who has the key, in its own place, whole, and by nobody else."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import at_rest
from ledger.at_rest import (
    CHUNK,
    HEADER,
    MAGIC,
    SEALED_CHUNK,
    Content,
    Place,
    seal,
    sealed_size,
    unseal,
)
from ledger.bodies import Bodies
from ledger.errors import DamagedError, LockedError
from tests.ledger.at_rest_keys import CANARY, KEYS_AT_REST, HeldKeys
from tests.ledger.making import refused

PLACE = Place("entry", b"7")
PLAIN = bytes(random.Random(1).randbytes(3 * CHUNK + 5))
SEALED = seal(KEYS_AT_REST, PLACE, PLAIN)


def chunk(n: int) -> slice:
    """Return where chunk `n` of a sealed content is."""
    return slice(HEADER + n * SEALED_CHUNK, HEADER + (n + 1) * SEALED_CHUNK)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1])
def test_round_trip(size: int) -> None:
    """
    Content of every length comes back, and takes as many bytes as is said before.
    """
    plain = PLAIN[:size]
    sealed = seal(KEYS_AT_REST, PLACE, plain)

    assert sealed_size(size) == len(sealed)
    assert at_rest.is_sealed(sealed)
    assert plain == unseal(KEYS_AT_REST, PLACE, sealed)
    assert sealed != seal(KEYS_AT_REST, PLACE, plain)


def test_chunks_alike() -> None:
    """
    Chunks that are alike do not look alike, and neither do contents.
    """
    sealed, other = (seal(KEYS_AT_REST, PLACE, bytes(3 * CHUNK)) for _ in range(2))
    blocks = [
        whole[at : at + 16]
        for whole in (sealed, other)
        for at in range(HEADER, len(whole), SEALED_CHUNK)
    ]

    assert len(blocks) == len(set(blocks)) == 6


def test_empty_chunk() -> None:
    """
    One content has one spelling: no empty chunk follows a full one.
    """
    content, key = Content.fresh(), KEYS_AT_REST.newest()
    assert key is not None
    chunks = content.seal(0, bytes(CHUNK), last=False) + content.seal(1, b"", last=True)
    refused(
        "ledger-damaged", lambda: unseal(KEYS_AT_REST, PLACE, content.header(key, PLACE) + chunks)
    )


def test_without_a_newest_key() -> None:
    """
    Where what is new stays as it is, it does, and what was encrypted is opened.
    """
    keys = HeldKeys(b"a", b"b", opens_only=True)

    assert PLAIN == seal(keys, PLACE, PLAIN)
    assert PLAIN == unseal(keys, PLACE, SEALED)


@pytest.mark.parametrize(
    "place",
    [
        Place("entry", b"8"),
        Place("body", b"7"),
        Place("entry7", b""),
        Place("", b"entry7"),
        Place("entry", b"7 "),
    ],
)
def test_moved(place: Place) -> None:
    """
    Content that was moved to another row or table is refused.
    """
    refused("ledger-damaged", lambda: unseal(KEYS_AT_REST, place, SEALED))


@pytest.mark.parametrize("keys", [None, HeldKeys(b"c")])
def test_without_its_key(keys: HeldKeys | None) -> None:
    """
    Without its key, content is locked; nobody says that it is damaged.
    """
    refused("body-encrypted", lambda: unseal(keys, PLACE, SEALED))


def _other(n: int) -> bytes:
    return seal(KEYS_AT_REST, PLACE, PLAIN)[chunk(n)]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda s: s[: chunk(2).stop], id="last chunk gone"),
        pytest.param(lambda s: s[: chunk(0).stop], id="only the first left"),
        pytest.param(lambda s: s[:HEADER], id="no chunk"),
        pytest.param(lambda s: s[: HEADER - 1], id="half a header"),
        pytest.param(lambda s: s[: len(MAGIC)], id="no header"),
        pytest.param(lambda s: s[:-1], id="a byte short"),
        pytest.param(lambda s: s + b"\0", id="a byte more"),
        pytest.param(lambda s: s + s[chunk(3)], id="last chunk twice"),
        pytest.param(
            lambda s: s[:HEADER] + s[chunk(1)] + s[chunk(0)] + s[chunk(2).start :], id="order"
        ),
        pytest.param(
            lambda s: s[:HEADER] + s[chunk(0)] + s[chunk(0)] + s[chunk(2).start :], id="twice"
        ),
        pytest.param(lambda s: s[:HEADER] + s[chunk(1).start :], id="first chunk gone"),
        pytest.param(lambda s: s[: chunk(1).start] + _other(1) + s[chunk(2).start :], id="foreign"),
    ],
)
def test_chunks(spoil: Callable[[bytes], bytes]) -> None:
    """
    A chunk that is missing, doubled, cut, moved or of another content is refused.
    """
    refused("ledger-damaged", lambda: unseal(KEYS_AT_REST, PLACE, spoil(SEALED)))


def test_flipped_bits() -> None:
    """
    Every bit of a content counts: with one flipped it is damaged, or of an unknown key.
    """
    sealed = seal(KEYS_AT_REST, PLACE, CANARY)
    for bit in range(8 * len(sealed)):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedError, LockedError)):
            unseal(KEYS_AT_REST, PLACE, bytes(broken))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_fuzz(raw: bytes, begins: bool) -> None:
    """
    Whatever is given for a content, it is refused as damaged, or as locked.
    """
    with pytest.raises((DamagedError, LockedError)):
        unseal(KEYS_AT_REST, PLACE, SEALED[:16] + raw if begins else raw)


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    """A directory of bodies with keys."""
    return Bodies(tmp_path / "bodies", KEYS_AT_REST)


def put(bodies: Bodies, plain: bytes, piece: int = 100_000) -> str:
    with bodies.spool(secret=True) as spool:
        for at in range(0, len(plain), piece):
            spool.write(plain[at : at + piece])
        assert plain == b"".join(spool.pieces())
        return spool.keep()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, len(PLAIN)])
@pytest.mark.parametrize("piece", [7_001, 1 << 20])
def test_file(bodies: Bodies, size: int, piece: int) -> None:
    """
    A secret body lies encrypted from its first byte on, and is read in pieces, whole, or its end.
    """
    plain = PLAIN[:size]
    name = put(bodies, plain, piece)
    raw = bodies.path(name).read_bytes()

    assert bodies.is_sealed(name)
    assert sealed_size(size) == len(raw)
    assert size < 16 or plain[:64] not in raw
    assert plain == bodies.read(name, size)
    assert plain == b"".join(bodies.pieces(name, size))
    for count in {0, min(1, size), size // 2, size}:
        assert plain[size - count :] == bodies.tail(name, count)
    refused("ledger-damaged", lambda: bodies.tail(name, size + 1))
    refused("ledger-damaged", lambda: bodies.read(name, size + 1))


def test_file_that_is_not_secret(bodies: Bodies) -> None:
    """
    What everybody who checks the ledger has to read is not encrypted.
    """
    with bodies.spool() as spool:
        spool.write(PLAIN)
        name = spool.keep()

    assert PLAIN == bodies.path(name).read_bytes()
    assert not bodies.is_sealed(name)


def test_files_swapped(bodies: Bodies) -> None:
    """
    A file in the place of another one of the same size is refused, and so is one that was cut.
    """
    one, two = put(bodies, PLAIN), put(bodies, PLAIN[::-1])
    bodies.path(one).write_bytes(bodies.path(two).read_bytes())
    refused("ledger-damaged", lambda: bodies.read(one, len(PLAIN)))

    raw = bodies.path(two).read_bytes()
    bodies.path(two).write_bytes(raw[: chunk(2).stop])
    refused("ledger-damaged", lambda: bodies.read(two, len(PLAIN)))


def test_file_without_its_key(bodies: Bodies, tmp_path: Path) -> None:
    """
    Who has only the files reads none, and copies them all the same.
    """
    name = put(bodies, PLAIN)
    blind, copy = Bodies(tmp_path / "bodies"), Bodies(tmp_path / "copy")
    for ask in (blind.read, blind.has, lambda n, s: [*blind.pieces(n, s)]):
        refused("body-encrypted", lambda ask=ask: ask(name, len(PLAIN)))  # type: ignore[misc]
    refused("body-encrypted", lambda: blind.tail(name, 10))
    copy.copy_from(blind, name, len(PLAIN))

    assert bodies.path(name).read_bytes() == copy.path(name).read_bytes()
    assert PLAIN == Bodies(tmp_path / "copy", KEYS_AT_REST).read(name, len(PLAIN))


def test_copy_checks_what_it_can(bodies: Bodies, tmp_path: Path) -> None:
    """
    A damaged file is not copied by who could open it; one of another length by nobody.
    """
    name = put(bodies, PLAIN)
    raw = bytearray(bodies.path(name).read_bytes())
    raw[-1] ^= 1
    bodies.path(name).write_bytes(raw)
    copy = Bodies(tmp_path / "copy")

    refused("ledger-damaged", lambda: copy.copy_from(bodies, name, len(PLAIN)))
    bodies.path(name).write_bytes(raw[:-1])
    blind = Bodies(tmp_path / "bodies")
    refused("ledger-damaged", lambda: copy.copy_from(blind, name, len(PLAIN)))
    assert not copy.is_there(name)


def test_memory(bodies: Bodies) -> None:
    """
    A body of 16 MiB is encrypted and decrypted with less than one MiB of it in memory.
    """
    piece, count = bytes(1 << 18), 64
    tracemalloc.start()
    with bodies.spool(secret=True) as spool:
        for _ in range(count):
            spool.write(piece)
        assert count * len(piece) == sum(map(len, spool.pieces()))
        name = spool.keep()
    assert count * len(piece) == sum(map(len, bodies.pieces(name, count * len(piece))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1 << 20


def test_condemned(bodies: Bodies) -> None:
    """
    What is being deleted is not kept again, until it is spared.
    """
    name = put(bodies, PLAIN)
    bodies.condemn(name)
    bodies.drop(name)
    refused("body-deleted", lambda: put(bodies, PLAIN))
    assert not bodies.is_there(name)
    bodies.spare(name)

    assert name == put(bodies, PLAIN)
