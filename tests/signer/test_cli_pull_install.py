"""`sealbook pull install` into a root, and what `pull check` says where there is little to try."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import Done, check_refused
from tests.signer.revoking import Image, Key, revoke
from tests.signer.roots import sha256
from tests.signer.running import running
from tests.signer.world import World

VERIFIER = "opt/containerd/image-verifier/bin/sealbook"
FROM = ("--from", ".", "--first")


@pytest.fixture
def root(world: World) -> Path:
    root = world.directory / "root"
    root.mkdir()
    return root


def install(world: World, runtime: str, *words: object) -> Done:
    return world.command("pull", "install", runtime, "--root", "root", *words)


def told(done: Done) -> dict[str, Any]:
    assert 0 == done.returncode, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def files(root: Path) -> set[str]:
    return {str(one.relative_to(root)) for one in root.rglob("*") if one.is_file()}


def test_containerd(world: World, root: Path) -> None:
    """
    One command brings the trust files, the settings and the verifier; what is left is printed.
    """
    done = told(install(world, "containerd", *FROM, "--service", "https://s.example", "--json"))

    assert ["/etc/sealbook/pull.toml", f"/{VERIFIER}"] == [one["file"] for one in done["files"]]
    assert {"etc/sealbook/trust/trust.json", "etc/sealbook/pull.toml", VERIFIER} <= files(root)
    steps = "\n".join(done["remaining"])
    assert "io.containerd.image-verifier.v1.bindir" in steps
    assert "sealbook trust sync https://s.example /etc/sealbook/trust" in steps
    again = told(install(world, "containerd", "--json"))
    assert [f"/{VERIFIER}"] == [one["file"] for one in again["files"]]  # the settings are theirs
    assert "same" == again["files"][0]["state"]


def test_the_verifier_starts(world: World, root: Path) -> None:
    """
    What containerd would start starts, whatever its environment and directory have; it says no.
    """
    told(install(world, "containerd", *FROM, "--bundles", "/nowhere", "--json"))
    (world.directory / "verifier.py").write_text("raise SystemExit(0)")
    done = subprocess.run(
        [root / VERIFIER, "-name", "x"],
        cwd=world.directory,
        env={"PYTHONPATH": str(world.directory), "SEALBOOK_PULL": "/nowhere"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode
    assert done.stdout.startswith("sealbook: refused: ")


def test_dry_run(world: World, root: Path) -> None:
    """
    A dry run shows every line that would be written, and writes nothing, no trust file either.
    """
    for runtime, where in (("containerd", "--service"), ("crio", "--lookaside")):
        more = ("--registry", "registry.example") if runtime == "crio" else ()
        done = install(world, runtime, *FROM, where, "https://s.example", *more, "--dry-run")
        assert 0 == done.returncode, done.stderr
        assert "+++ /etc/" in done.stdout
        assert "https://s.example" in done.stdout
        assert "nothing was written" in done.stdout
    assert set() == files(root)


def test_podman(world: World, root: Path) -> None:
    """
    Somebody else's policy stays, and nothing is written, until --force; then a copy is kept.
    """
    policy = root / "etc/containers/policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text("{}")
    words = (*FROM, "--lookaside", "https://s.example", "--registry", "registry.example", "--json")

    check_refused(install(world, "podman", *words), "edited-file")
    assert "{}" == policy.read_text()
    assert not (policy.parent / "registries.d").exists()
    states = {
        one["file"]: one["state"]
        for one in told(install(world, "podman", *words, "--force"))["files"]
    }
    assert {
        "/etc/containers/registries.d/sealbook.yaml": "new",
        "/etc/containers/policy.json": "edited",
    } == states
    assert [{"type": "reject"}] == json.loads(policy.read_text())["default"]
    kept = root / "etc/sealbook/replaced/etc%containers%policy.json.1"
    assert "{}" == kept.read_text()


@pytest.mark.parametrize(
    ("runtime", "words", "code"),
    [
        ("containerd", (), "not-installed"),  # no trust files
        ("containerd", ("--from", "."), "bad-request"),  # nobody pins them
        ("containerd", ("--from", ".", "--pin", "0" * 64), "foreign-trust"),
        ("containerd", FROM, "not-installed"),  # nowhere to look
        ("containerd", (*FROM, "--bundles", "/b", "--python", "python"), "not-installed"),
        ("containerd", (*FROM, "--bundles", "/b", "--bin-dir", "../x"), "not-installed"),
        ("podman", FROM, "not-installed"),  # nowhere to look
        ("crio", (*FROM, "--attachments"), "not-installed"),  # in which registry?
    ],
)
def test_refused(world: World, root: Path, runtime: str, words: tuple[str, ...], code: str) -> None:
    """
    What is not enough to judge by is refused, and no runtime's file is written.
    """
    check_refused(install(world, runtime, *words), code)

    assert {one for one in files(root) if not one.startswith("etc/sealbook/trust/")} == set()


def test_pinned(world: World, root: Path) -> None:
    """
    The pin of the first time is that of `sealbook trust sync`.
    """
    pin = sha256(world.directory / "trust.json")
    told(install(world, "containerd", "--from", ".", "--pin", pin, "--bundles", "/b", "--json"))

    trust = root / "etc/sealbook/trust/trust.json"
    assert (world.directory / "trust.json").read_bytes() == trust.read_bytes()


class FakeCrictl:
    """Stands in for crictl: it answers what it is told to, and writes down what it was asked."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        directory.mkdir()
        self.asked = directory / "asked"
        self._program = directory / "crictl"
        monkeypatch.setenv("PATH", str(directory))

    def answers(self, said: str, code: int) -> None:
        self.asked.write_text("")
        text = f"#!/bin/sh\necho \"$@\" >> {self.asked}\necho '{said}'\nexit {code}\n"
        self._program.write_text(text)
        self._program.chmod(0o755)


BLOCKED = "image verifier bindir blocked pull of R with digest D for reason: verifier sealbook"
REFUSED = f"{BLOCKED} rejected image (exit code 1): sealbook: R@D refused: no (unsigned)"


@pytest.mark.parametrize(
    "answer",
    [
        ("containerd", REFUSED, 1, (False, True)),
        ("containerd", f"{BLOCKED} rejected image (exit code 1):", 1, (False, False)),
        ("containerd", "Source image rejected: no", 1, (False, False)),
        ("containerd", "connection refused", 1, (False, False)),
        ("containerd", REFUSED, 0, (True, True)),
        ("crio", "Source image rejected: A signature was required", 1, (False, True)),
        ("crio", "is rejected by policy.", 1, (False, True)),
        ("crio", "x509: certificate signed by unknown authority", 1, (False, False)),
        ("crio", "Image is up to date", 0, (True, False)),
        ("crio", "is rejected by policy.", 0, (True, False)),
    ],
)
def test_answers_of_cri(
    world: World,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[str, str, int, tuple[bool, bool]],
) -> None:
    """
    Refused is only what was refused by us: neither another verifier's no, nor a registry that is
    away, nor a word of ours beside an image that was pulled. A bait that was taken is removed.
    """
    runtime, said, code, verdict = answer
    crictl = FakeCrictl(world.directory / "bin", monkeypatch)
    crictl.answers(said, code)
    words = ("pull", "check", runtime, "--root", "root", "--socket", "/x.sock", "--json")
    [checked] = json.loads(world.command(*words).stdout)["runtimes"]
    [tried] = checked["tried"]

    assert verdict == (tried["allowed"], tried["ours"])
    assert tried["good"] == (verdict == (False, True))
    assert (" rmi " in crictl.asked.read_text()) == (code == 0)


def test_everything_by_crictl(world: World, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A host that was set up, whose containerd refuses the bait by us, is enforced, with exit code 0.
    """
    crictl = FakeCrictl(world.directory / "bin", monkeypatch)
    crictl.answers(REFUSED, 1)
    told(install(world, "containerd", *FROM, "--bundles", "/b", "--json"))
    words = ("pull", "check", "containerd", "--root", "root", "--socket", "/x.sock")
    done = world.command(*words)

    assert 0 == done.returncode, done.stdout
    assert "containerd: enforced\n  ok " in done.stdout
    settings = root / "etc/sealbook/pull.toml"
    settings.write_text('warn = ["registry.example/lab"]\n' + settings.read_text())
    done = world.command(*words)
    assert 1 == done.returncode
    assert "registry.example/lab is only warned of" in done.stdout


def test_nothing_to_check(world: World, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A host with no runtime at all is not said to be fine.
    """
    monkeypatch.setenv("PATH", "/nowhere")

    check_refused(world.command("pull", "check", "--root", "root"), "bad-request")


def test_without_a_server(world: World, root: Path) -> None:
    """
    Neither command needs what only the service needs.
    """
    hidden = "import sys; sys.modules |= {'grpc': None, 'pydantic': None, 'google': None}; "
    command = f"{hidden}from signer.cli import main; sys.exit(main(sys.argv[1:]))"
    for words in (
        ("install", "podman", *FROM, "--attachments", "--registry", "r.example"),
        ("install", "containerd", *FROM, "--bundles", "/b"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", command, "pull", *words, "--root", "root"],
            cwd=world.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stderr


def test_revoked_since(world: World, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A policy that was written before a revocation still lets it through: the check says so, by key
    and by image, until it is written anew.
    """
    crictl = FakeCrictl(world.directory / "bin", monkeypatch)
    crictl.answers("is rejected by policy.", 1)
    words = ("crio", *FROM, "--attachments", "--registry", "registry.example", "--json")
    told(install(world, *words))

    def check() -> set[tuple[str, str]]:
        asked = ("pull", "check", "crio", "--root", "root", "--socket", "/x.sock", "--json")
        [checked] = json.loads(world.command(*asked).stdout)["runtimes"]
        return {(one["kind"], one["code"]) for one in checked["findings"]} & {
            ("open", "ended-key"),
            ("open", "revoked-image"),
        }

    assert set() == check()
    for target, code in (
        ({"image": Image(digest=digest(4), repository=REPOSITORY)}, "revoked-image"),
        ({"key": Key(name="release")}, "ended-key"),
    ):
        with running(world) as service:
            revoke(service, **target)
        assert set() == check()  # nobody has brought the news
        told(install(world, "containerd", *FROM, "--bundles", "/b", "--json"))
        assert {("open", code)} == check()
        told(install(world, *words))
        assert set() == check()
