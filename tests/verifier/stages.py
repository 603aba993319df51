"""Every call that the verifier makes while it judges, found by watching it, each made to fail.

    run = Run(lambda: Verifier(trust), lambda verifier: verifier.verify(data, digest, None))
    for stage in stages(run):
        answer = failing(run, stage, RuntimeError("canary"))

A stage is the first call of one function of the verifier's, or of one that it calls: a
method of `cryptography`, of a dictionary, of JSON's decoder. New code brings new stages.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import verifier

HOME = str(Path(verifier.__file__).parent)
RUNS = 2  # before it is watched, so that what is imported or remembered is no stage


class Stage(NamedTuple):
    """The call number `number` of a run, by the names of who is called, and by whom."""

    name: str
    number: int


class Run(NamedTuple):
    """What is asked, each time of a new verifier that remembers nothing.

    `homes` are directories whose code is watched beside the verifier's.
    """

    prepare: Callable[[], Any]
    ask: Callable[[Any], Any]
    homes: tuple[str, ...] = ()

    def __call__(self) -> Any:
        return self.ask(self.prepare())


def calls(run: Run) -> list[Stage]:
    """Return every call of a run in which nothing is wrong."""
    for _ in range(RUNS):
        run()
    found: list[Stage] = []
    name_of = _Calls(HOME, *run.homes)

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        name = name_of(frame, event, arg)
        if name:
            found.append(Stage(name, len(found)))

    prepared = run.prepare()
    with _watching(watch):
        run.ask(prepared)
    return found


def stages(run: Run) -> list[Stage]:
    """Return the first call of each kind, but for the one that is the run itself."""
    first: dict[str, Stage] = {}
    for stage in calls(run):
        first.setdefault(stage.name, stage)
    return [stage for stage in first.values() if stage.number > 0]


def failing(run: Run, stage: Stage, error: BaseException) -> Any:
    """Return what comes of a run, if anything does, in which one call raises `error` instead.

    Raises:
        AssertionError: the run did not come to that call.
        BaseException: whatever comes out of the run.
    """
    number, name_of = -1, _Calls(HOME, *run.homes)

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal number
        if name_of(frame, event, arg):
            number += 1
            if number == stage.number:
                raise error  # which ends the watching too

    prepared = run.prepare()
    try:
        with _watching(watch):
            return run.ask(prepared)
    finally:
        assert number == stage.number, f"{stage.name} was not reached"


def returned(run: Run) -> dict[str, Any]:
    """Return the code of each function of the verifier's that gave something, by its name.

    The name begins with that of the module, without the packages that it is in.
    """
    for _ in range(RUNS):
        run()
    found: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and arg and frame.f_code.co_filename.startswith(HOME):
            module = str(frame.f_globals["__name__"]).rpartition(".")[2]
            found.setdefault(f"{module}.{frame.f_code.co_qualname}", frame.f_code)

    prepared = run.prepare()
    with _watching(watch):
        run.ask(prepared)
    return {name: code for name, code in found.items() if "<" not in name}


def owners(code: Any) -> list[tuple[Any, str]]:
    """Return where the function with this code can be replaced: classes and modules."""
    modules = [m for name, m in sys.modules.items() if name.split(".")[0] == "verifier"]
    found: list[tuple[Any, str]] = []
    for module in modules:
        for name, value in list(vars(module).items()):
            if getattr(value, "__code__", None) is code:
                found.append((module, name))
            if isinstance(value, type) and value.__module__ == module.__name__:
                found += [(value, key) for key, one in vars(value).items() if _code(one) is code]
    return found


def _code(value: Any) -> Any:
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return getattr(function, "__code__", None)


class _Calls:
    """Names calls, in one run."""

    def __init__(self, *homes: str) -> None:
        self._homes = homes
        self._begun: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> str:
        """Return what is called, and by which function of ours; "" for what is no call of ours."""
        inside = frame.f_code.co_filename.startswith(self._homes)
        if event == "c_call":
            called = getattr(arg, "__qualname__", None) or type(arg).__qualname__
            return f"{_function(frame)} -> {called}" if inside else ""
        if event != "call" or frame.f_code.co_name == "__del__":  # no error in that is heard
            return ""
        if frame.f_code.co_flags & CO_GENERATOR:
            if frame in self._begun:  # it goes on, or is closed, where no error is heard
                return ""
            self._begun.add(frame)
        if inside:
            return _function(frame)
        caller = frame.f_back
        if caller is None or not caller.f_code.co_filename.startswith(self._homes):
            return ""
        return f"{_function(caller)} -> {frame.f_code.co_qualname}"


def _function(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"


@contextmanager
def _watching(watch: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Watch calls, and let no collection of garbage come between, whose callbacks are calls too."""
    before, collecting = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()


@contextmanager
def sweeping() -> Iterator[None]:
    """Collect what broken-off calls left open, before it warns in somebody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
