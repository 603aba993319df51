"""Every parser for two seconds, two at a time; and that a fault would be found."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.fuzz.planted import FAULTS
from tests.fuzz.running import Outcome, run
from tests.fuzz.table import TARGETS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: there is none for this Python or machine",
)
_SECONDS = 2
_PATIENCE = 120  # a fault is found in seconds
_AT_ONCE = 2
_SEED = 2  # a test begins with the same inputs each time; `make fuzz` with others


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """What came, or will come, of each target and fault that is asked for."""
    folder = tmp_path_factory.mktemp("fuzz")
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        faults = [fault for fault in FAULTS if {"fault": fault} in asked]
        running = {
            fault: pool.submit(
                run, FAULTS[fault].target, _PATIENCE, folder / str(i), fault, seed=_SEED
            )
            for i, fault in enumerate(faults)
        }
        targets = [target for target in TARGETS if {"target": target} in asked]
        yield running | {t: pool.submit(run, t, _SECONDS, folder / t, seed=_SEED) for t in targets}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault(outcomes: dict[str, Future[Outcome]], fault: str) -> None:
    """
    A fault in the verifier is found, and the input that shows it is kept.
    """
    outcome = outcomes[fault].result()

    assert FAULTS[fault].says in outcome.said
    assert outcome.file is not None
    assert str(outcome.file) in outcome.finding


@pytest.mark.parametrize("target", TARGETS)
def test_target(outcomes: dict[str, Future[Outcome]], target: str) -> None:
    """
    Whatever the input, a parser says yes, and then means what it read, or says no with a code.
    """
    outcome = outcomes[target].result()

    assert not outcome.finding, outcome.finding
    assert outcome.tried > len(TARGETS[target].seeds)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """
    Each seed is accepted, so that the fuzzer starts behind every check.
    """
    TARGETS[name].check_seeds()
