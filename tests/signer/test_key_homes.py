"""Homes of keys: a new one is one module, and none is loaded that is not used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signer.keys import create_key, homes, open_key
from signer.keys.home import Role
from tests.signer.asking import refused
from tests.signer.commands import ROOT

ROLE = Role("release", "approve")

# All that a home of keys has to bring, in the module that is named as its scheme.
CLOUD = """
from signer.errors import KeyExistsError, KeyObjectError
from signer.keys.memory import MemoryKey

KEYS = {}

def open_key(rest, role, base):
    if (rest, role) not in KEYS:
        raise KeyObjectError(f"the cloud has no key {rest}")
    return KEYS[rest, role]

def create_key(rest, role, base, algorithm):
    if (rest, role) in KEYS:
        raise KeyExistsError(f"the cloud has a key {rest}")
    return KEYS.setdefault((rest, role), MemoryKey.generate(algorithm))
"""


@pytest.fixture
def add_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """Add a module to the homes, which is forgotten in the end."""
    monkeypatch.setattr(homes, "__path__", [*homes.__path__, str(tmp_path)])
    added = []

    def add(scheme: str, source: str) -> None:
        (tmp_path / f"{scheme}.py").write_text(source)
        added.append(scheme)

    yield add
    for scheme in added:
        sys.modules.pop(f"{homes.__name__}.{scheme}", None)
        vars(homes).pop(scheme, None)


def test_new_home(add_home: Callable[[str, str], None], tmp_path: Path) -> None:
    """
    A new home is one module with two functions; nothing else has to know it.
    """
    refused("key-uri", lambda: open_key("cloud://eu/release", tmp_path, ROLE))
    add_home("cloud", CLOUD)

    made = create_key("cloud://eu/release", tmp_path, ROLE, "ecdsa-p256")
    key = open_key("cloud://eu/release", tmp_path, ROLE)
    key.public.verify(key.sign(b"message"), b"message")
    assert made.public == key.public
    refused("key-exists", lambda: create_key("cloud://eu/release", tmp_path, ROLE, "ecdsa-p256"))
    refused("key-object", lambda: open_key("cloud://eu/other", tmp_path, ROLE))
    assert "cloud:" in refused("key-uri", lambda: open_key("clouds:x", tmp_path, ROLE)).message


def test_missing_library(add_home: Callable[[str, str], None], tmp_path: Path) -> None:
    """
    A home whose library is not installed says what is missing, and which extra has it.
    """
    add_home("cloud", "import nobodys_cloud_library")
    error = refused("key-library", lambda: open_key("cloud:x", tmp_path))

    assert "nobodys_cloud_library" in error.message
    assert "pip install 'sealbook[cloud]'" == error.hint


def run(source: str, *args: object) -> str:
    """Return what a Python program prints that starts anew."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "" == done.stderr
    return done.stdout.strip()


WITHOUT = """
import sys
from pathlib import Path
library, uri = sys.argv[1:]
sys.modules[library] = None  # as if it were not installed
from signer.errors import KeyLibraryError
from signer.keys import open_key
try:
    open_key(uri, Path())
except KeyLibraryError as e:
    print(e.message, e.hint)
"""


@pytest.mark.parametrize(("scheme", "library"), [("openbao", "httpx"), ("pkcs11", "pkcs11")])
def test_without_library(scheme: str, library: str) -> None:
    """
    Without what a home of ours needs, its keys are refused with the extra to install.
    """
    told = run(WITHOUT, library, f"{scheme}:x")

    assert f"keys in {scheme}: need {library}" in told
    assert f"sealbook[{scheme}]" in told


WITH_FILES = """
import sys
from pathlib import Path
from signer.keys import create_key, open_key
from signer.keys.home import Role
role = Role("release", "approve")
create_key("file:release.pem", Path(sys.argv[1]), role, "ecdsa-p256")
open_key("file:release.pem", Path(sys.argv[1]), role)
for name in ("signer.keys.transit", "signer.keys.token", "httpx", "pkcs11", "nacl"):
    if name in sys.modules:
        print(name)
print("done")
"""


def test_file_keys_need_no_more(tmp_path: Path) -> None:
    """
    Where all keys are in files, no other home is loaded, nor what one would need.
    """
    assert "done" == run(WITH_FILES, tmp_path)
