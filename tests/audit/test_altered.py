"""Whatever is altered in a published tree, anywhere and anyhow, is a finding and never a crash."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.audit.source import StaticSource
from tests.audit.making import NOW, Log, Outsider, files, trust
from tests.audit.test_proofs import Proving

SIZE = 600


def published() -> dict[str, bytes]:
    """Return all files of a ledger of three bundles, most of it foreign entries."""
    log = Log()
    while len(log.entries) < SIZE:
        if len(log.entries) % 50 == 1:
            log.approve(len(log.entries))
        log.entries.append(b"filler %d" % len(log.entries))
    log.entries = log.entries[:SIZE]
    bodies = {f"bodies/sha256/{name.hex()}": body for name, body in log.bodies.items()}
    note = log.note(cosigned={"w1": NOW}).encode()
    return {**files(log.entries), **bodies, "checkpoint": note}


TREE = published()


def altered(content: bytes, how: str, rng: random.Random) -> bytes | None:
    """Return other content, or None for a file that is gone."""
    at = rng.randrange(len(content))
    match how:
        case "bit":
            return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        case "cut":
            return content[:at]
        case "longer":
            return content + rng.randbytes(1)
        case "twice":
            return content + content
        case "garbage":
            return rng.randbytes(len(content))
        case _:
            return None


@pytest.mark.parametrize("how", ["bit", "cut", "longer", "twice", "garbage", "gone"])
def test_no_file_can_be_altered(tmp_path: Path, how: str) -> None:
    """
    Each file of the tree is read, so each that is altered is found.
    """
    rng = random.Random(how)
    assert [] == Outsider(tmp_path, trust("w1")).found(StaticSource(lambda p, _: TREE.get(p)))
    for i, path in enumerate(sorted(TREE)):
        other = {**TREE, path: altered(TREE[path], how, rng)}
        outsider = Outsider(tmp_path / str(i), trust("w1"))
        assert outsider.found(StaticSource(lambda p, _: other.get(p))), path  # noqa: B023


@pytest.mark.parametrize("answer", ["inclusion", "consistency"])
def test_no_proof_can_be_altered(tmp_path: Path, answer: str) -> None:
    """
    A hash of another length in a service's proof is a finding as well.
    """
    source = Proving(Log().grow(9))
    outsider = Outsider(tmp_path)
    assert [] == outsider.found(source, proofs=True)
    source.log.grow(12)
    source.lie = f"short {answer}"

    assert [("no-consistency", None)] == outsider.found(source, proofs=True)
