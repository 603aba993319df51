"""`sealbook verify-bundle` as a command: wrong questions, bad files, bugs, and no extras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.suite_case import (
    BUNDLE,
    FOREIGN,
    KEY,
    KEYLESS,
    TRUSTED,
    Case,
    said_no,
)
from tests.signer.commands import ROOT, Done, sealbook
from verifier.sigstore import verify as flow


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, FOREIGN)


@pytest.fixture
def keyless(tmp_path: Path) -> Case:
    return Case(tmp_path, KEYLESS)


@pytest.mark.parametrize(
    "words",
    [
        ("--bundle", BUNDLE, "artifact"),
        ("--bundle", BUNDLE, "--certificate-identity", "x", "artifact"),
        ("--bundle", BUNDLE, "--certificate-oidc-issuer", "x", "artifact"),
        ("--bundle", BUNDLE, "--key", KEY, "--certificate-identity", "x", "artifact"),
        ("--bundle", BUNDLE, "--key", KEY),
        ("--key", KEY, "artifact"),
        ("--bundle", BUNDLE, "--key", KEY, "--certificate-id", "x", "artifact"),
    ],
)
def test_asked_wrongly(case: Case, words: tuple[str, ...]) -> None:
    """
    A question without exactly one signer, a bundle and an artifact is no question.
    """
    assert 2 == sealbook("verify-bundle", *words, cwd=case.home).returncode


def test_help() -> None:
    """
    The help has an example for a key and one for an identity.
    """
    said = sealbook("verify-bundle", "--help").stdout

    assert 2 == said.split("example:")[1].count("sealbook verify-bundle ")
    assert "verify-bundle" in sealbook("--help").stdout


@pytest.mark.parametrize("staging", [False, True])
def test_sigstores_own_root(case: Case, *, staging: bool) -> None:
    """
    Without a trusted root it is Sigstore's own, as its library ships it, which trusts no test.
    """
    assert "untrusted-log" == said_no(case.ask(root=False, staging=staging))


WITHOUT = """\
import importlib.abc, sys

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

GONE = {"sigstore", "sigstore_models", "rfc3161_client", "pydantic", "grpc", "google"}
if sys.argv[1] == "not found":
    import importlib.util
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *rest: None if name in GONE else found(name, *rest)
sys.meta_path.insert(0, Gone())
from signer.cli import main
sys.exit(main(sys.argv[2:]))
"""


def without_extras(case: Case, *words: str) -> Done:
    """Ask in a process in which the base install is all there is."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, "not found", "verify-bundle", "--bundle", BUNDLE, *words],
        cwd=case.home,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_key_on_the_base_install(case: Case) -> None:
    """
    A bundle under a key is judged where no extra is installed.
    """
    done = without_extras(case, "--key", KEY, "--trusted-root", TRUSTED, "artifact")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("yes: ")


def test_root_on_the_base_install(case: Case) -> None:
    """
    There Sigstore's own root cannot be had, and the hint says what to do.
    """
    done = without_extras(case, "--key", KEY, "artifact")

    assert "missing-extra" == said_no(done)
    assert "hint: name one with --trusted-root" in done.stderr


def test_identity_on_the_base_install(keyless: Case) -> None:
    """
    Nor can a certificate be judged there: the answer is no, and the hint names the extra.
    """
    who = ("--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER)
    done = without_extras(keyless, *who, "--trusted-root", TRUSTED, "artifact")

    assert "missing-extra" == said_no(done)
    assert "hint: pip install 'sealbook[keyless]'" in done.stderr


def test_example_key(case: Case) -> None:
    """
    A key whose private half is public signs for nobody, unless one says that it is an exercise.
    """
    example = (ROOT / "keys-example" / "release.pub").read_bytes()
    (case.home / KEY).write_bytes(example)

    assert "example-key" == said_no(case.ask())
    assert "bad-signature" == said_no(case.ask("--example-keys"))


@pytest.mark.parametrize("name", [BUNDLE, KEY, TRUSTED])
@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"\0" * (25 << 20)])
def test_unreadable_files(case: Case, name: str, content: bytes) -> None:
    """
    A file that is no bundle, key or trusted root is refused with a code, however large it is.
    """
    (case.home / name).write_bytes(content)

    assert said_no(case.ask()) in {"malformed", "over-limit", "unsupported-key"}


@pytest.mark.parametrize("name", [BUNDLE, KEY, TRUSTED])
def test_file_without_an_end(case: Case, name: str) -> None:
    """
    No more of a file is read than may be in it.
    """
    (case.home / name).unlink()
    (case.home / name).symlink_to("/dev/zero")

    assert said_no(case.ask()) in {"over-limit", "unsupported-key"}


def test_bug(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bug of ours is a no.
    """
    monkeypatch.setattr(flow, "Note", None)

    done = case.ask("--json")
    assert "internal-error" == said_no(done)
    assert "no" == json.loads(done.stdout)["verdict"]
