"""Says at the end how many inputs were tried."""

from __future__ import annotations

import pytest

from tests.fuzz.running import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the count of this run's inputs, the planted faults' aside."""
    if TRIED:
        total = sum(TRIED.values())
        terminalreporter.write_line(f"{total:,} inputs tried on {len(TRIED)} fuzz targets")
