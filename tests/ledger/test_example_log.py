"""The published example log: ours is the same, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path

import pytest

from ledger.export import Export
from ledger.static import StaticFiles
from tests.ledger.example_log import (
    EXAMPLE,
    FROM_6_TO_15,
    KEY,
    PATH_7_OF_15,
    PATH_14_OF_15,
    ROOTS,
    SIGNATURE_15,
    VKEY,
    WORDS,
    from_folder,
    from_store,
)
from tests.ledger.foreign import Log, judge
from tests.ledger.planted import empty, plant


def encoded(hashes: list[bytes]) -> list[str]:
    """Hashes as the published examples write them."""
    return [base64.b64encode(h).decode() for h in hashes]


@pytest.mark.parametrize("size", range(16))
def test_example_log(size: int, tmp_path: Path) -> None:
    """
    The published example log, at each size, is ours byte for byte: checkpoint, tile and bundle.
    """
    store = empty(EXAMPLE)
    plant(store, WORDS[:size])
    text = f"{EXAMPLE}\n{size}\n{ROOTS[size]}\n"
    with StaticFiles(tmp_path) as files:
        Export(store, files, [KEY.note_key]).run(KEY.checkpoint(store, size), lambda *_: None)
    bundle = b"".join(bytes([0, len(word)]) + word for word in WORDS[:size])
    tile = b"".join(hashlib.sha256(b"\0" + word).digest() for word in WORDS[:size])

    assert str(KEY.note_key) == VKEY
    for fetch in (from_store(store, size), from_folder(tmp_path)):
        checkpoint = (fetch("checkpoint") or b"").decode()
        assert checkpoint.startswith(f"{text}\n\u2014 {EXAMPLE} M9e0l")
        if size == 15:
            assert f"{text}\n\u2014 {EXAMPLE} {SIGNATURE_15}\n" == checkpoint
        if size:
            assert bundle == fetch(f"tile/entries/000.p/{size}")
            assert tile == fetch(f"tile/0/000.p/{size}")
        assert fetch(f"tile/0/000.p/{size + 1}") is None
        assert WORDS[:size] == judge(Log(fetch, VKEY), random.Random(size))


def test_example_proofs() -> None:
    """
    The published proofs of the example log are those that a client makes from our tiles.
    """
    store = empty(EXAMPLE)
    plant(store, WORDS)
    log = Log(from_store(store, 15), VKEY)

    assert PATH_7_OF_15 == encoded(log.inclusion(7))
    assert PATH_14_OF_15 == encoded(log.inclusion(14))
    assert FROM_6_TO_15 == encoded(log.consistency(6))
    assert FROM_6_TO_15[3:] == encoded(log.consistency(8))
