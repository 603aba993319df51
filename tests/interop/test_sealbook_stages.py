"""`sealbook verify` and `sealbook verify-bundle`: whatever goes wrong inside, it is a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import signer.cli
from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.suite_case import BUNDLE, FOREIGN, KEY, KEYLESS, TRUSTED, Case
from tests.verifier.making import IMAGE, REPOSITORY, World
from tests.verifier.shell import FAR, Answer
from tests.verifier.stages import Run, failing, stages, sweeping

HOME = str(Path(signer.cli.__file__).parent)
# A file that was not closed because closing it was made to fail.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# Pytest's own standard output: what is printed may be out when that fails.
ITSELF = ("Incremental", "CaptureIO.flush")
ERRORS = (RuntimeError, ModuleNotFoundError)


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    with sweeping():
        yield


def _verify(home: Path) -> list[str]:
    world = World(expires=FAR)
    (home / "trust.json").write_bytes(world.trust.json())
    (home / "bundle.json").write_bytes(world.bundle.json())
    where = ("--trust", "trust.json", "--repository", REPOSITORY)
    return ["verify", *where, IMAGE, "bundle.json"]


def _under_key(home: Path) -> list[str]:
    Case(home, FOREIGN)
    return ["verify-bundle", *_files(), "--key", KEY, "artifact"]


def _under_certificate(home: Path) -> list[str]:
    Case(home, KEYLESS)
    who = ("--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER)
    return ["verify-bundle", *_files(), *who, "artifact"]


def _files() -> tuple[str, ...]:
    return "--bundle", BUNDLE, "--trusted-root", TRUSTED


@pytest.mark.parametrize("question", [_verify, _under_key, _under_certificate])
@pytest.mark.parametrize("error", ERRORS)
def test_each_stage_raises(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    question: Callable[[Path], list[str]],
    error: type[Exception],
) -> None:
    """
    Whatever an inner call raises, the exit code is 1 and no yes is printed; only what fails
    before the command line is read comes out as it is, which is exit code 1 too.
    """
    monkeypatch.chdir(tmp_path)
    words = question(tmp_path)

    def ask(_: object) -> Answer:
        return Answer(signer.cli.main(words), *capsys.readouterr())

    run = Run(lambda: None, ask, (HOME,))
    assert 0 == run().code
    found = [stage for stage in stages(run) if not any(one in stage.name for one in ITSELF)]
    wrong = {}
    for stage in found:
        try:
            answer: Answer = failing(run, stage, error("canary"))
        except error:
            answer = Answer(1, *capsys.readouterr())
            if not stage.name.startswith(("signer.cli.", "verifier.__main__.main")):
                wrong[stage.name] = answer
        if answer.code != 1 or "yes" in answer.out:
            wrong[stage.name] = answer

    assert len(found) > 100
    assert {} == wrong
