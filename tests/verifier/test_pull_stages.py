"""Whatever goes wrong inside at pull time, at any stage, nothing runs because of it.

The stages are found as in test_each_stage_raises.py. What may fail and leave a yes is listed:
it is only what comes beside the judging, and loses nothing but speed.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.verifier.gates import Host, Shelf
from tests.verifier.making import IMAGE, REPOSITORY
from tests.verifier.stages import Run, Stage, failing, owners, returned, stages, sweeping
from verifier.pull import containerd, gate, line
from verifier.pull.daemon import Daemon
from verifier.pull.decision import Decision
from verifier.pull.line import Asked

NAME = f"{REPOSITORY}:1.4"
ARGUMENTS = ("-name", NAME, "-digest", IMAGE, "-stdin-media-type", containerd._DESCRIPTOR)
# Where an error is let go: what is remembered and counted.
PATIENCE_S = 0.2  # longer than any of these takes; what has lost its answer waits so long
# What Python cannot fail at; a lock that were not let go would only hang the test.
HELD = ("lock.__exit__", "Lock.__exit__", "allocate_lock", "Condition.__exit__")
# Calls that may fail as a file does, and still leave a yes, and why.
FINE = {
    "verifier.pull.sources.file.read_regular -> open": "of the cache, which is not needed",
    "verifier.pull.beliefs.Beliefs._stamp -> stat": "then the files are read again",
    "verifier.pull.trust_directory.TrustDirectory._locked -> open": "nobody can have written here",
}
BESIDE = ("verifier.pull.remembered.", "verifier.pull.held.", "verifier.pull.spool.")


pytestmark = pytest.mark.filterwarnings(  # of files whose closing was made to fail
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Panic(BaseException):
    """As what `cryptography` raises when its own code in Rust fails: no Exception."""


ERRORS = (RuntimeError, MemoryError, OSError, Panic)


# Functions that may give nothing and still leave a yes, and why.
NOTHING_IS_FINE = {
    "verifier.pull.sources.file.read_regular -> open": "of the cache, which is not needed",
    "beliefs.Beliefs._stamp": "then the files are read again",
    "daemon.Daemon._stamped": "then the settings are read again",
    "remembered._name": "nothing is found in the cache by it",
    "trust_directory.TrustDirectory._read_if_there": "as of a directory without status and policy",
}


class Inline:
    """A double of a thread: it is over before `start` returns, so that it can be watched."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = (), **_: Any) -> None:
        self._target, self._args = target, args

    def start(self) -> None:
        self._target(*self._args)


@pytest.fixture(autouse=True)
def _inline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread for all, and no process that ends itself."""
    made = SimpleNamespace(Thread=Inline, Lock=threading.Lock, Event=threading.Event)
    monkeypatch.setattr(gate, "threading", made)
    monkeypatch.setattr(containerd._Once, "too_late", lambda *_: None)
    monkeypatch.setattr(containerd, "_stdin", lambda: json.dumps({"digest": IMAGE}).encode())
    with sweeping():
        yield


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with one approval in a file, and the plugin's settings in the environment."""
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    host.place(host.book.bundle(0))
    host.settings(f'[daemon]\nsocket = "{tmp_path}/none.sock"')
    monkeypatch.setenv("SEALBOOK_PULL", str(tmp_path / "pull.toml"))
    monkeypatch.setattr(gate.Gate.__init__, "__kwdefaults__", {"clock": lambda: host.book.now})
    return host


def asking_the_gate(host: Host) -> Run:
    """The gate, which remembers nothing yet."""
    settings = host.settings()
    return Run(lambda: gate.Gate(settings), lambda made: made.decide(host.question, PATIENCE_S))


def remembering(host: Host, tmp_path: Path) -> Run:
    """The gate that finds the bundle in its cache on disk, and no source has it."""
    cache = tmp_path / "cache"
    settings = host.settings(f'[cache]\ndirectory = "{cache}"')

    def filled() -> gate.Gate:
        shutil.rmtree(cache, ignore_errors=True)
        assert gate.Gate(settings).decide(host.question).allowed
        return gate.Gate(settings, [Shelf("file")])

    return Run(filled, lambda made: made.decide(host.question, PATIENCE_S))


def running_the_plugin() -> Run:
    """The plugin, which judges by itself."""
    return Run(lambda: None, lambda _: containerd.main(ARGUMENTS, 0.4 + PATIENCE_S))


def answering(host: Host, tmp_path: Path) -> Run:
    """The daemon, at one line that asks."""
    path = str(tmp_path / "pull.toml")
    asked = Asked(path, host.question, PATIENCE_S).line()
    made = Daemon(path, tell=lambda _: None)

    def fresh() -> Daemon:
        made._stamp = ()  # so that the gate is made anew
        return made

    return Run(fresh, lambda one: line.read_answer(one._answer(asked), host.question))


def outcome(run: Run, stage: Stage, error: BaseException) -> str:
    """Return what comes of a run in which one stage fails."""
    try:
        return verdict(failing(run, stage, error))
    except AssertionError:
        raise
    except Exception as e:  # noqa: BLE001
        return type(e).__name__
    except Panic:
        return "Panic"


def verdict(found: Any) -> str:
    """Return what an answer of the gate, the plugin or a file means."""
    if isinstance(found, Decision):
        return "yes" if found.allowed else found.code
    return "yes" if found == 0 else "no"


# Whose stages are made to fail in each run: those that no run before it has.
RUNS = {
    "gate": ("verifier.",),
    "remembered": ("verifier.pull.remembered.", "verifier.pull.held.", "verifier.pull.gate"),
    "plugin": ("verifier.pull.containerd.", "verifier.pull.settings.", "verifier.pull.place."),
    "daemon": ("verifier.pull.daemon.", "verifier.pull.line.", "verifier.pull.reporting."),
}


@pytest.fixture
def run(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> Run:
    made: dict[str, Callable[[], Run]] = {
        "gate": lambda: asking_the_gate(host),
        "remembered": lambda: remembering(host, tmp_path),
        "plugin": running_the_plugin,
        "daemon": lambda: answering(host, tmp_path),
    }
    return made[request.param]()


@pytest.mark.parametrize(("run", "homes"), RUNS.items(), indirect=["run"], ids=list(RUNS))
def test_each_stage_raises(run: Run, homes: tuple[str, ...]) -> None:
    """
    Whatever a stage raises, the answer is no, or no answer; the gate and the plugin always answer.
    """
    found = [
        stage
        for stage in stages(run)
        if stage.name.startswith(homes) and not stage.name.endswith(HELD)
    ]
    outcomes = {
        stage.name: outcome(run, stage, ERRORS[number % len(ERRORS)]("canary"))
        for number, stage in enumerate(found)
    }
    yes = [name for name, came in outcomes.items() if came == "yes"]

    assert len(found) > (150 if homes == ("verifier.",) else 15)
    assert [] == [name for name in yes if name not in FINE and not name.startswith(BESIDE)]
    assert len(yes) < len(outcomes)


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_nothing_in_the_place_of_something(run: Run) -> None:
    """
    A function of this room that gives nothing in the place of something never makes a yes, but
    for what is remembered and counted, and those listed.
    """
    outcomes = {
        name: without(run, code)
        for name, code in returned(run).items()
        if "/pull/" in code.co_filename
    }
    yes = {name for name, came in outcomes.items() if came == "yes"}

    assert len(outcomes) > 20
    assert [] == sorted(yes - set(NOTHING_IS_FINE))


def without(run: Run, code: Any) -> str:
    """Return what comes of a run in which the function with this code gives nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in owners(code):
            patch.setattr(owner, name, nothing_like(vars(owner)[name], name))
        try:
            return verdict(run())
        except Exception as e:  # noqa: BLE001
            return type(e).__name__


def nothing_like(function: Any, name: str) -> Any:
    """Return what can stand where `function` does, and gives nothing."""

    def nothing(*_: object, **__: object) -> None:
        return None

    if isinstance(function, property):
        return property(nothing)
    plain = isinstance(function, (staticmethod, classmethod)) or name == "__new__"
    return staticmethod(nothing) if plain else nothing
