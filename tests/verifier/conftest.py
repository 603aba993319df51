"""A shell to ask in.

After a run of the catalogue the count of bad inputs is printed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verifier.shell import Shell
from tests.verifier.tally import TALLY


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A folder with a good bundle and its trust file."""
    return Shell(tmp_path, capsys)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many bad inputs were tried, and what the worst of them took."""
    if TALLY.costs:
        terminalreporter.section("catalogue of bad inputs")
        for line in TALLY.lines():
            terminalreporter.line(line)
