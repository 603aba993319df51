"""What containerd's plugin loads: its time is that of each pull."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.making import IMAGE
from tests.verifier.pulling import ROOT, Host, call, described
from tests.verifier.test_isolation import SLOW

# Settings are TOML, whose parser has dates, and the gate keeps its time by a thread.
NEEDED = {"datetime"}
PROGRAM = """\
import sys

before = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
from verifier.pull.containerd import main

code = main()
names = sorted(set(sys.modules) - before)
import json

print(json.dumps([code, names]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the modules that the plugin loads, by where the bundle is."""
    found = {}
    host = Host(tmp_path_factory.mktemp("host"))
    for where in ("file", "cache"):
        done = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM, str(ROOT), *call()],
            env=os.environ | {"SEALBOOK_PULL": str(host.settings)},
            input=described(IMAGE),
            capture_output=True,
            check=True,
        )
        said, answer = done.stdout.splitlines()
        code, names = json.loads(answer)
        assert code == 0, said
        found[where] = set(names)
        _empty(host.directory / "bundles")  # the second time it is remembered
    return found


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


@pytest.mark.parametrize("where", ["file", "cache"])
def test_nothing_foreign(loaded: dict[str, set[str]], where: str) -> None:
    """
    Beside the standard library only `cryptography`, with its binding, and this package are loaded.
    """
    tops = {name.partition(".")[0] for name in loaded[where]}
    ours = {"verifier", "cryptography", "_cffi_backend", "_openssl"}

    assert not tops - sys.stdlib_module_names - ours


@pytest.mark.parametrize("where", ["file", "cache"])
def test_nothing_slow(loaded: dict[str, set[str]], where: str) -> None:
    """
    With the bundle on this host no module is loaded that a connection or a registry would need.
    """
    assert not loaded[where] & set(SLOW) - NEEDED


@pytest.mark.parametrize("where", ["file", "cache"])
def test_nothing_for_other_sources(loaded: dict[str, set[str]], where: str) -> None:
    """
    Of the half that fetches only the gate, its settings, its memory and the file source are there.
    """
    others = ("daemon", "line", "registry", "keyless", "layouts", "forms", "admission", "spool")
    names = {f"verifier.pull.{one}" for one in others}
    names |= {
        f"verifier.pull.sources.{one}" for one in ("service", "registry", "layout", "exchange")
    }

    assert not names & loaded[where]
