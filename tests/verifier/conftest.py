"""Hypothesis without deadline, for the machine may be busy, or files; and a shell to ask in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.verifier.shell import Shell

settings.register_profile("verifier", deadline=None, database=None, print_blob=True)
settings.load_profile("verifier")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A folder with a good bundle and its trust file."""
    return Shell(tmp_path, capsys)
