"""A service that proves instead of giving tiles: no answer of it is believed unproven."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.audit.finding import ContradictionError
from ledger.audit.proofs import ProofTree
from ledger.audit.scan import SLICE
from ledger.audit.source import StaticSource
from ledger.tree import consistency_ranges, inclusion_ranges
from tests.audit.making import ORIGIN, REPOSITORY, Log, Outsider, leaf, mth, root
from tests.audit.test_tree_findings import forked, proven
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash, verify_consistency


class Proving(StaticSource):
    """A stand-in for a service: proves what is logged, and can be made to lie in one answer."""

    def __init__(self, log: Log) -> None:
        super().__init__(self._file)
        self.log = log
        self.lie: str = ""

    def _file(self, path: str, _: int) -> bytes | None:
        if path == "checkpoint":
            return self.log.note().encode()
        assert path.startswith("bodies/sha256/")
        return self.log.bodies.get(bytes.fromhex(path.rpartition("/")[2]))

    def entries(self, n: int, width: int) -> list[bytes] | None:
        found = self.log.entries[n * 256 : n * 256 + width]
        if self.lie == "few":
            return found[:-1]
        return [*found[:-1], b"another"] if self.lie == "entries" else found

    def inclusion(self, index: int, tree_size: int) -> tuple[Hash, ...]:
        path = tuple(self._root(*r) for r in inclusion_ranges(index, tree_size))
        if self.lie == "short inclusion":
            return (Hash(b"short"),)
        return path[1:] if self.lie == "inclusion" else path

    def consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        path = tuple(self._root(*r) for r in consistency_ranges(old_size, tree_size))
        if self.lie == "short consistency":
            return (Hash(b"short"),)
        return path[1:] if self.lie == "consistency" else path

    def _root(self, lo: int, hi: int) -> Hash:
        return Hash(root(self.log.entries[lo:hi]))


def test_each_root_of_small_trees() -> None:
    """
    For each two sizes up to 40 the older root is the recursion's, with its proof.
    """
    log = Log(empty=True)
    log.entries = [b"entry %d" % i for i in range(40)]
    leaves = [leaf(entry) for entry in log.entries]
    for size in range(1, 41):
        log.entries = log.entries[:size] + [b"entry %d" % i for i in range(size, 40)]
        tree = ProofTree(Proving(log), Checkpoint(ORIGIN, size, Hash(mth(leaves[:size]))))
        for old in range(size + 1):
            grown = tree.root_at(old)
            assert mth(leaves[:old]) == grown.root
            if old:
                verify_consistency(old, size, grown.path, grown.root, tree.checkpoint.root)


@pytest.mark.parametrize("lie", ["entries", "inclusion", "consistency"])
def test_a_lie_proves_nothing(lie: str) -> None:
    """
    An answer that does not join to the signed root ends the audit.
    """
    source = Proving(Log().grow(13))
    tree = ProofTree(source, Checkpoint(ORIGIN, 13, Hash(root(source.log.entries))))
    assert root(source.log.entries[:7]) == tree.root_at(7).root
    source.lie = lie
    with pytest.raises(ContradictionError) as caught:
        tree.root_at(7)

    assert "no-consistency" == caught.value.finding.code


def test_an_honest_service_and_a_fork(tmp_path: Path) -> None:
    """
    By proofs as by tiles: nothing at first, and a fork with evidence once it has forked.
    """
    for old, new in ((4, 5), (8, 16), (9, 300), (256, 257), (300, 301)):
        outsider = Outsider(tmp_path / f"{old}.{new}")
        log = Log().grow(old)
        assert [] == outsider.found(Proving(log), proofs=True)
        other = forked(log, old - 1, new)
        assert [("fork", None)] == outsider.found(Proving(other), proofs=True)
        assert ["fork"] == proven(outsider)


def test_an_exchanged_entry(tmp_path: Path) -> None:
    """
    Entries that do not lead to the signed root are a finding, as are too few of them.
    """
    source = Proving(Log().grow(13))
    for lie, code in (("entries", "entry-mismatch"), ("few", "bad-entries")):
        source.lie = lie
        assert [(code, 0)] == Outsider(tmp_path).found(source, proofs=True)


def test_nothing_unproven_is_delivered(tmp_path: Path) -> None:
    """
    An entry that is not the tree's is found before anybody hears of it, slice by slice.
    """
    log = Log()
    log.entries += [b"filler %d" % i for i in range(SLICE + 10)]
    note = log.note()
    source = Proving(log)
    honest = log.entries[5]
    log.approve(7)
    forged = log.entries.pop()
    told: list[int] = []

    def entries(n: int, width: int) -> list[bytes]:
        found = log.entries[n * 256 : n * 256 + width]
        return [forged if entry == honest else entry for entry in found]

    source.checkpoint = lambda: note  # type: ignore[method-assign]
    source.entries = entries  # type: ignore[method-assign]
    report = Outsider(tmp_path).audit(
        source,
        proofs=True,
        match=(("repository", str(REPOSITORY)),),
        deliver=lambda match: told.append(match.index),
    )

    assert [("entry-mismatch", 0)] == [(f.code, f.index) for f in report.findings]
    assert [] == told
