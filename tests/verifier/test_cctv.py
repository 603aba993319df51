"""C2SP/CCTV: the edge cases of Ed25519, on which implementations do not agree."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import pytest

from tests.vectors import vectors
from tests.verifier.making import refused, verdict
from verifier.publickey import ed25519

PRIME = 2**255 - 19
# For each of the 8 points of small order, y with the sign bit clear. Five values of y, two points
# for three of them; with y + p, and with a sign on x = 0, there are 14 encodings.
SMALL_Y = (
    0,
    1,
    PRIME - 1,
    int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
)
SMALL = {
    (y | sign << 255).to_bytes(32, "little")
    for y in (*SMALL_Y, *(y + PRIME for y in SMALL_Y if y + PRIME < 2**255))
    for sign in (0, 1)
}


def _flags() -> dict[bytes, set[str]]:
    """Return CCTV's keys, each with the flags of all its cases."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for case in vectors("cctv/ed25519vectors.json"):
        found[bytes.fromhex(case["key"])].update(case["flags"] or ())
    return found


@pytest.mark.parametrize("raw", sorted(SMALL), ids=bytes.hex)
def test_small_order(raw: bytes) -> None:
    """
    A point of small order is no key, in whichever of its 14 encodings.
    """
    assert 14 == len(SMALL)

    refused("weak-key", lambda: ed25519(raw))


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", range(19))
def test_second_spelling(y: int, sign: int) -> None:
    """
    A key whose y is written as y + p is refused, whatever its order.
    """
    raw = (y + PRIME | sign << 255).to_bytes(32, "little")

    refused("weak-key", lambda: ed25519(raw))


def test_cctv_keys() -> None:
    """
    Of CCTV's keys those of small order and in a second spelling are refused, and no others.
    """
    flags = _flags()
    bad = {key for key in flags if {"low_order_A", "non_canonical_A"} & flags[key]}
    refusals = {key for key in flags if verdict(partial(ed25519, key)) == "weak-key"}

    assert SMALL == bad == refusals
    assert 8 == len(flags) - len(bad)


def test_cctv_signatures() -> None:
    """
    Under the other keys a signature counts if R is canonical and the equation holds without the
    cofactor: no signature is good for one verifier and bad for the next.
    """
    odd = {"non_canonical_R", "low_order_residue", "reencoded_k"}
    wrong, accepted = [], 0
    for case in vectors("cctv/ed25519vectors.json"):
        raw = bytes.fromhex(case["key"])
        if raw in SMALL:
            continue
        check = partial(ed25519(raw).verify, bytes.fromhex(case["sig"]), case["msg"].encode())
        good = verdict(check) == "yes"
        wrong += [case["number"]] * (good == bool(odd & set(case["flags"] or ())))
        accepted += good

    assert not wrong
    assert 86 == accepted
