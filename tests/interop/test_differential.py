"""Our verdict and @sigstore/verify's, on every kind of bundle and on every mutation of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop import crafted as crafted_ones
from tests.interop.crafted import crafted
from tests.interop.differences import THEY_ACCEPT, WE_ACCEPT, Difference
from tests.interop.image import Image
from tests.interop.judging import Verdict
from tests.interop.many import judge_many
from tests.interop.mutating import Mutation, mutations
from tests.interop.peers import JsPeer
from tests.interop.specimens import Specimen, specimens
from tests.verifier.making import verdict

DONORS = 2  # good bundles whose fields are tried in another
LEAST = 10_000  # mutations


class Compared(NamedTuple):
    """One mutation, what we say ("yes" or a code) and what they say."""

    specimen: Specimen
    mutation: Mutation
    ours: str
    theirs: Verdict

    @property
    def differs(self) -> bool:
        return (self.ours == "yes") != self.theirs.accepted

    def told(self) -> tuple[str, str, str, str, str]:
        """What a person needs to see of it."""
        one = self.mutation
        return self.specimen.name, one.field, one.change, self.ours, self.theirs.output


@pytest.fixture(scope="module")
def good(service: Path, image: Image, tmp_path_factory: pytest.TempPathFactory) -> list[Specimen]:
    """Good bundles of every kind."""
    return specimens(service, image, tmp_path_factory.mktemp("specimens"))


@pytest.fixture(scope="module")
def compared(good: list[Specimen], sigstore_js: JsPeer) -> list[Compared]:
    """Every mutation of one bundle of each kind, judged by both."""
    kinds = {specimen.name: specimen for specimen in good}.values()
    found = []
    with ThreadPoolExecutor(2) as pool:  # theirs are judged while ours are
        asked = []
        for specimen in kinds:
            changed = list(mutations(specimen.bundle, _donors(specimen, good)))
            bundles = [one.data for one in changed]
            theirs = pool.submit(judge_many, sigstore_js, specimen.told, bundles)
            asked.append((specimen, changed, theirs))
        for specimen, changed, theirs in asked:
            ours = [_ours(specimen, one.data) for one in changed]
            for one, we, they in zip(changed, ours, theirs.result(), strict=True):
                found.append(Compared(specimen, one, we, they))
    return found


def _donors(specimen: Specimen, good: Sequence[Specimen]) -> list[bytes]:
    """Return others, those first that are most like it."""
    others = [one for one in good if one.bundle != specimen.bundle]
    others.sort(key=lambda one: (one.name != specimen.name, one.by != specimen.by))
    return [one.bundle for one in others[:DONORS]]


def _ours(specimen: Specimen, data: bytes) -> str:
    return verdict(lambda: specimen.judge(data))


def test_good_bundles_are_accepted(good: list[Specimen], sigstore_js: JsPeer) -> None:
    """
    Both judges accept every bundle that the service makes or helps to make.
    """
    for specimen in good:
        [theirs] = judge_many(sigstore_js, specimen.told, [specimen.bundle])

        assert "yes" == _ours(specimen, specimen.bundle), specimen.name
        assert theirs.accepted, (specimen.name, theirs.output)


def test_each_difference_is_listed(
    compared: list[Compared], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Where the two differ about a mutation, a row says why; and where none does they agree.
    """
    differing = [one for one in compared if one.differs]

    unlisted = [one.told() for one in differing if not _row(one)]

    assert [] == unlisted[:20], len(unlisted)
    assert len(compared) >= LEAST
    with capsys.disabled():
        _print_counts(compared, differing)


def _row(one: Compared) -> Difference | None:
    table = WE_ACCEPT if one.ours == "yes" else THEY_ACCEPT
    return next((row for row in table if _covers(row, one)), None)


def _print_counts(compared: list[Compared], differing: list[Compared]) -> None:
    kinds = len({one.specimen.name for one in compared})
    agreed = len(compared) - len(differing)
    both = sum(one.theirs.accepted for one in compared if not one.differs)
    ours = sum(one.ours == "yes" for one in differing)
    print(
        f"\ndifferential: {kinds} bundles, {len(compared)} mutations; both refuse "
        f"{agreed - both}, both accept {both}, they alone accept {len(differing) - ours} "
        f"({len(THEY_ACCEPT)} reasons), we alone {ours} ({len(WE_ACCEPT)} reasons)"
    )


def test_bad_in_one_point(sigstore_js: JsPeer) -> None:
    """
    Of bundles in which all but one point is consistent each accepts just those that the other
    does, and those that are listed with a reason.
    """
    outcomes = {}
    for specimen in crafted():
        [theirs] = judge_many(sigstore_js, specimen.told, [specimen.bundle])
        outcomes[specimen.name] = _ours(specimen, specimen.bundle) == "yes", theirs.accepted

    assert len(outcomes) > 25
    assert {True} == {we for we, they in outcomes.values() if we and they}
    assert set(crafted_ones.THEY_ACCEPT) == {n for n, found in outcomes.items() if found == (0, 1)}
    assert set(crafted_ones.WE_ACCEPT) == {n for n, found in outcomes.items() if found == (1, 0)}


@pytest.mark.parametrize("table", [THEY_ACCEPT, WE_ACCEPT], ids=["they accept", "we accept"])
def test_each_row_is_true(compared: list[Compared], table: Sequence[Difference]) -> None:
    """
    What a row lists is judged differently: all of it, or where the row says so some of it.
    """
    differing = Counter(_row(one) for one in compared if one.differs)
    for row in table:
        alike = [one.told() for one in compared if not one.differs and _covers(row, one)]

        assert differing[row], row
        if row.always:
            assert [] == alike[:5], row


def _covers(row: Difference, one: Compared) -> bool:
    return row.covers(one.mutation.field, one.mutation.change, one.specimen.by)


def test_refusals_are_refusals(compared: list[Compared]) -> None:
    """
    No mutation shows a bug of ours: what is refused is refused with the reason for that.
    """
    bugs = [one.told() for one in compared if one.ours == "internal-error"]

    assert [] == bugs


def test_crashes_are_refusals(good: list[Specimen], sigstore_js: JsPeer) -> None:
    """
    What they throw at is refused, and the bundles after it are judged.
    """
    specimen = good[0]
    bundles = [specimen.bundle, b"\xff", b"", b"null", specimen.bundle]

    said = judge_many(sigstore_js, specimen.told, bundles)

    assert [True, False, False, False, True] == [one.accepted for one in said]
