"""What a verification loads: `cryptography`, a part of the standard library, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.making import EXPIRES, IMAGE, REPOSITORY, World

ROOT = Path(__file__).parents[2]

# Each would cost a part of the cold start, or could open a file or a connection.
SLOW = (
    "_strptime",
    "argparse",
    "ast",
    "asyncio",
    "calendar",
    "concurrent.futures",
    "configparser",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "email",
    "http",
    "importlib.metadata",
    "inspect",
    "ipaddress",
    "locale",
    "logging",
    "multiprocessing",
    "pathlib",
    "pickle",
    "select",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "tokenize",
    "traceback",
    "unittest",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "xml",
    "zipfile",
)

PROGRAM = """\
import sys

before = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
import json

loaded = [sorted(set(sys.modules) - before)]
if sys.argv[1] == "import":
    import verifier
elif sys.argv[1] == "verify":
    from verifier import Digest, Repository, TrustRoot, Verifier

    trust, bundle, digest, repository = sys.argv[2:]
    with open(trust, "rb") as file:
        pinned = TrustRoot.parse(file.read())
    with open(bundle, "rb") as file:
        data = file.read()
    judge = Verifier(pinned, clock=lambda: pinned.issued)
    judge.verify(data, Digest(digest), Repository(repository))
elif sys.argv[1] == "command":
    from verifier.__main__ import main

    trust, bundle, digest, repository = sys.argv[2:]
    main(["--trust", trust, "--repository", repository, digest, bundle])
print("", json.dumps(sorted(set(sys.modules) - before)), sep="\\n")
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the modules that a fresh process loads, for each way to use this package."""
    folder = tmp_path_factory.mktemp("isolated")
    world = World(expires=10 * EXPIRES)
    (folder / "trust.json").write_bytes(world.trust.json())
    (folder / "bundle.json").write_bytes(world.bundle.json())
    words = [str(folder / "trust.json"), str(folder / "bundle.json"), IMAGE, REPOSITORY]
    found = {}
    for way, args in (("import", []), ("verify", words), ("command", words)):
        done = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM, str(ROOT), way, *args],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        found[way] = set(json.loads(done.stdout.splitlines()[-1]))
        assert ("yes" in done.stdout.decode()) == (way == "command")
    return found


@pytest.mark.parametrize("way", ["import", "verify", "command"])
def test_nothing_foreign(loaded: dict[str, set[str]], way: str) -> None:
    """
    Beside the standard library only `cryptography`, with its binding, and this package are loaded.
    """
    ours = {"verifier", "cryptography", "_cffi_backend", "_openssl"}
    packages = {name.partition(".")[0] for name in loaded[way]}

    assert "verifier" in packages
    assert not packages - sys.stdlib_module_names - ours


@pytest.mark.parametrize("way", ["import", "verify", "command"])
def test_no_other_room(loaded: dict[str, set[str]], way: str) -> None:
    """
    The rooms above, and the half of this one that fetches, are not loaded.
    """
    names = loaded[way]

    assert not {name for name in names if name.startswith(("ledger", "signer", "verifier.pull"))}


@pytest.mark.parametrize("module", SLOW)
@pytest.mark.parametrize("way", ["import", "verify", "command"])
def test_nothing_slow(loaded: dict[str, set[str]], way: str, module: str) -> None:
    """
    No module is loaded that costs start-up time and that a verification does not need.
    """
    assert module not in loaded[way]


def test_no_der_parser(loaded: dict[str, set[str]]) -> None:
    """
    With keys of the usual kinds nothing parses DER or PEM.
    """
    primitives = "cryptography.hazmat.primitives.serialization"

    assert not {
        name for name in loaded["verify"] if name.startswith((primitives, "cryptography.x509"))
    }


@pytest.mark.parametrize("way", ["import", "verify", "command"])
def test_nothing_for_other_questions(loaded: dict[str, set[str]], way: str) -> None:
    """
    What is for evidence, dossiers and other clients is not loaded for a bundle, nor is ML-DSA.
    """
    others = {
        "verifier.cosignature",
        "verifier.cosigned",
        "verifier.dossier",
        "verifier.evidence",
        "verifier.jws",
        "verifier.record",
        "verifier.rekor_v1",
        "verifier.simplesigning",
        "verifier.trusted_root",
        "cryptography.hazmat.primitives.asymmetric.mldsa",
    }

    assert not others & loaded[way]
