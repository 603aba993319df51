"""Every bad input of the catalogue is refused with its own code, and at a low cost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.verifier.catalogue import ALL, ELSEWHERE, ROWS
from tests.verifier.catalogue.case import Case
from tests.verifier.tally import BYTES, SECONDS, TALLY, TIMES, Tally
from verifier import errors
from verifier.pull import errors as pull_errors

KNOWN = [f"{letter}{n}" for letter, last in ROWS.items() for n in range(1, last + 1)]
KINDS = (*vars(errors).values(), *vars(pull_errors).values())
CODES = {error.code for error in KINDS if hasattr(error, "code")}


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.row} {case.name}")
def test_case(case: Case) -> None:
    """
    A bad input gets its one verdict, each time, and takes little time and memory to get it.
    """
    first, second, cost = TALLY.judge(case)

    assert case.code == first == second
    assert cost.seconds < TIMES * SECONDS
    assert cost.size < TIMES * BYTES


@pytest.mark.parametrize("row", KNOWN)
def test_row(row: str) -> None:
    """
    No row of the catalogue is without a case, here or where somebody else judges it.
    """
    if row not in ELSEWHERE:
        assert any(case.row == row for case in ALL)
        return
    file, name = ELSEWHERE[row].split("::")
    path = Path(__file__).parent.parent / file
    if not path.parent.is_dir():
        pytest.skip("only the verifier's tests are here")

    assert f"\ndef {name}(" in path.read_text()


def test_names() -> None:
    """
    Each case has a name of its own under a row that exists, and expects a code that exists.
    """
    assert not [name for name, n in Counter((case.row, case.name) for case in ALL).items() if n > 1]
    assert {*KNOWN} >= {case.row for case in ALL}
    assert {"yes", *CODES} >= {case.code for case in ALL}


def test_tally() -> None:
    """
    What is printed counts the bad inputs apart from the allowed, and names the worst.
    """
    tally = Tally()

    def large() -> None:
        raise errors.MalformedError(str(len(bytes(1 << 20))))

    expected = ("malformed", "malformed")
    assert expected == tally.judge(Case("B1", "large", large, "malformed"))[:2]
    tally.judge(Case("E11", "allowed", lambda: None, "yes"))
    counted, slowest, largest = tally.lines()

    assert "1 bad inputs tried for 2 rows, 1 allowed ones beside" == counted
    assert slowest.startswith("slowest: ")
    assert "largest: 1.0 of 100 MB, B1 large" == largest


def test_surprises_are_not_refusals() -> None:
    """
    A judge that raises anything but a refusal fails its case.
    """
    case = Case("B1", "a bug", lambda: int("x"), "malformed")
    with pytest.raises(ValueError, match="invalid literal"):
        Tally().judge(case)
