"""What a witness shows against us is kept, and a stranger's verifier accepts it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.alarm import keep_evidence
from ledger.opening import Home, adopt, open_ledger
from tests.ledger.making import KEYS, ORIGIN, entries, entry, grow, home_in
from verifier.evidence import Evidence
from verifier.note import NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog

LOG = TrustedLog(ORIGIN, NoteKey.of(ORIGIN, KEYS.log.public))
TRUST = TrustRoot(1, 0, 2**40, (LOG,), {}, Quorum.parse("quorum none\n"))


def clone(home: Home, folder: Path) -> Home:
    """Return a second copy of a closed ledger, taken over as if it were the only one."""
    folder.mkdir()
    shutil.copytree(home.directory, folder / "ledger")
    copy = home_in(folder)
    adopt(copy, KEYS, lambda *_: None)
    return copy


@pytest.mark.parametrize(
    ("ours", "theirs", "claim"),
    [(0, 3, "rollback"), (2, 2, "split-view"), (3, 1, "fork"), (1, 3, "rollback")],
)
def test_evidence_against_ourselves(
    home: Home, tmp_path: Path, ours: int, theirs: int, claim: str
) -> None:
    """
    Whether the other copy is longer, as long or shorter, both notes prove that there are two.
    """
    grow(home, 0, 5)
    other = clone(home, tmp_path / "clone")
    with open_ledger(other, KEYS) as ledger:
        ledger.append(entries(100, 100 + theirs))
        note = ledger.signed.note
    with open_ledger(home, KEYS) as ledger:
        if ours:
            ledger.append(entries(5, 5 + ours))
        name = keep_evidence(ledger, tmp_path / "evidence", note)

    found = Evidence.parse((tmp_path / "evidence" / name).read_bytes())
    assert claim == found.claim
    assert "ledger.example signed" in found.verify(TRUST)


def test_no_evidence_of_our_own_past(home: Home, tmp_path: Path) -> None:
    """
    A checkpoint that our tree grew out of contradicts nothing, and no file says so.
    """
    with open_ledger(home, KEYS) as ledger:
        note = ledger.signed.note
        ledger.append([entry(0)])

        assert "" == keep_evidence(ledger, tmp_path / "evidence", note)
    assert not (tmp_path / "evidence").exists()
