"""What an answer loads when nobody has to be asked: it is a cold start each time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.verifier.gates import Host
from tests.verifier.test_isolation import ROOT, SLOW

# `threading` keeps the deadline; dates are in the trust files, to be compared with what was seen.
NEEDED = {"threading", "datetime"}
PROGRAM = """\
import sys

before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
from verifier.digest import Digest
from verifier.pull.decision import Question
from verifier.pull.gate import Gate
from verifier.pull.settings import PullSettings
from verifier.repository import Repository

gate = Gate(PullSettings.load(sys.argv[2]), clock=lambda: float(sys.argv[5]))
decision = gate.decide(Question(Digest(sys.argv[3]), Repository(sys.argv[4])))
loaded = sorted(set(sys.modules) - before)
import json

print(json.dumps([decision.allowed, decision.remembered, loaded]))
"""


def ask(host: Host) -> tuple[bool, bool, set[str]]:
    """Ask in a fresh process; return the answer, whether it was remembered, and the modules."""
    path = host.directory / "pull.toml"
    words = [ROOT, path, *host.question, host.book.now]
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, *map(str, words)],
        cwd=host.directory,
        capture_output=True,
        check=True,
    )
    allowed, remembered, names = json.loads(done.stdout)
    return allowed, remembered, set(names)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return what a process loads for a bundle in a file, and for one in the cache."""
    host = Host(tmp_path_factory.mktemp("host"))
    host.book.approve()
    host.policy = '[[images]]\nunder = "*"\n[images.approval]\n'
    host.believe()
    host.place(host.book.bundle(0))
    text = '[cache]\ndirectory = "cache"\n[service]\nurl = "https://127.0.0.1:1"\n'
    host.settings(text, '["file", "service", "registry"]')
    first = ask(host)
    again = ask(host)
    assert [(True, False), (True, True)] == [first[:2], again[:2]]
    return {"file": first[2], "cache": again[2]}


@pytest.mark.parametrize("way", ["file", "cache"])
def test_nothing_foreign(loaded: dict[str, set[str]], way: str) -> None:
    """
    Beside the standard library only `cryptography` is loaded, though others are configured.
    """
    packages = {name.partition(".")[0] for name in loaded[way]}

    assert (
        not packages
        - sys.stdlib_module_names
        - {
            "verifier",
            "cryptography",
            "_cffi_backend",
            "_openssl",
        }
    )


@pytest.mark.parametrize("module", sorted(set(SLOW) - NEEDED))
@pytest.mark.parametrize("way", ["file", "cache"])
def test_nothing_slow(loaded: dict[str, set[str]], way: str, module: str) -> None:
    """
    Nothing is loaded that would ask somebody, or that costs time and is not needed.
    """
    assert module not in loaded[way]


@pytest.mark.parametrize("way", ["file", "cache"])
def test_no_other_source(loaded: dict[str, set[str]], way: str) -> None:
    """
    A source that is configured and not asked is not loaded.
    """
    sources = {name for name in loaded[way] if name.startswith("verifier.pull.sources.")}

    assert sources <= {"verifier.pull.sources.file"}
    assert not {name for name in loaded[way] if name.startswith("verifier.pull.registry")}
