"""Rows C6 to C9 of the catalogue of bad inputs: what a certificate must be, and who may sign it.

They need the extra that judges certificates, so they are not in tests/verifier/catalogue.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.interop import odd_certificates
from tests.verifier.catalogue.case import Case
from tests.verifier.making import verdict
from verifier.pull.keyless import SigstoreJudge

CASES = [
    Case(
        odd.row,
        odd.name,
        partial(SigstoreJudge(odd.made.trusted_root).certified, odd.made.bundle),
        odd.code,
    )
    for odd in odd_certificates.cases()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row} {case.name}")
def test_case(case: Case) -> None:
    """
    A bundle that is good in every respect but its certificate is refused for that.
    """
    assert case.code == verdict(case.judge)


@pytest.mark.parametrize("row", ["C6", "C7", "C8", "C9"])
def test_row(row: str) -> None:
    """
    No row about certificates is without a case that is refused.
    """
    assert any(case.row == row and case.code != "yes" for case in CASES)
