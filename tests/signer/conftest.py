"""A service for each module that only asks it, and a founded one for each test that spoils it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.signer.questions import Question, fill
from tests.signer.running import InProcess, Process, running, serving
from tests.signer.trails import checked
from tests.signer.world import World, found_in, init


@pytest.fixture(scope="session", autouse=True)
def _log() -> None:
    """Log as `sealbook serve` does, without its traceback's colours."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A founded service that nobody runs yet."""
    return found_in(tmp_path / "service")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service that the tests of one module share."""
    with running(found_in(tmp_path_factory.mktemp("shared") / "service")) as service:
        yield service
    findings, report = checked(service.directory)
    assert ([], ()) == (findings, report.under_way), "whatever was done is told, one to one"


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Question]:
    """The ledger of a service with many approvals, which no test adds to."""
    with running(found_in(tmp_path_factory.mktemp("questions") / "service")) as service:
        fill(service)
        yield Question(service)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service in a process of its own, set up by commands."""
    with serving(init(tmp_path_factory.mktemp("site") / "service")) as service:
        yield service
