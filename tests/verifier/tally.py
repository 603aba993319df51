"""What judging costs, and the count of what was judged in this run."""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING, NamedTuple

from tests.verifier.making import verdict

if TYPE_CHECKING:  # the package makes all of its cases
    from tests.verifier.catalogue.case import Case

# What no input may take; a run reports it, and fails at ten times that.
SECONDS, BYTES, TIMES = 0.2, 100 << 20, 10


class Cost(NamedTuple):
    """The CPU time of one judgement, and the most memory that it held at once."""

    seconds: float
    size: int


class Tally:
    """Cases that were judged, and what each took."""

    def __init__(self) -> None:
        self.costs: dict[Case, Cost] = {}

    def judge(self, case: Case) -> tuple[str, str, Cost]:
        """Judge `case` twice, and return both verdicts and what they took.

        The second time is watched for memory, which would slow the first.
        """
        start = time.process_time()
        first = verdict(case.judge)
        seconds = time.process_time() - start
        tracemalloc.start()
        try:
            second = verdict(case.judge)
            cost = Cost(seconds, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        self.costs[case] = cost
        return first, second, cost

    def lines(self) -> list[str]:
        """Say how many inputs were judged, and which were the slowest and the largest."""
        bad = sum(case.code != "yes" for case in self.costs)
        slow = max(self.costs, key=lambda case: self.costs[case].seconds)
        large = max(self.costs, key=lambda case: self.costs[case].size)
        seconds, size = self.costs[slow].seconds, self.costs[large].size
        rows = len({case.row for case in self.costs})
        allowed = len(self.costs) - bad
        counted = f"{bad} bad inputs tried for {rows} rows, {allowed} allowed ones beside"
        time_ = f"{seconds * 1000:.1f} of {SECONDS * 1000:.0f} ms CPU"
        memory = f"{size / 2**20:.1f} of {BYTES >> 20} MB"
        return [
            counted,
            f"slowest: {time_}, {slow.row} {slow.name}",
            f"largest: {memory}, {large.row} {large.name}",
        ]


TALLY = Tally()
