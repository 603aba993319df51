"""`python -m verifier evidence`: what others wrote down, judged by the reader's own keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.verifier import twin
from tests.verifier.dossiers import dossier
from tests.verifier.making import ORIGIN, NoteSigner, World
from tests.verifier.shell import Answer, Shell, process
from verifier import limits, publickey
from verifier.checkpoint import Checkpoint
from verifier.evidence import Evidence
from verifier.merkle import Hash
from verifier.note import Note

SEEN = ("2026-11-23T21:06:41Z", "2026-11-23T21:07:01Z")


class Desk:
    """A folder with a pinned trust file, evidence against its log, and a dossier of its entry."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.world = shell, World()
        shell.write(self.world)
        point = self.world.checkpoint
        other = Checkpoint(ORIGIN, point.tree_size, Hash(twin.root((b"other",) * 7)))
        self.evidence = Evidence.split_view(self.note(point), self.note(other), SEEN)
        (shell.folder / "split.json").write_bytes(self.evidence.json())
        (shell.folder / "entry.zip").write_bytes(dossier(self.world))

    def note(self, point: Checkpoint) -> str:
        return str(Note(str(point), (self.world.log.sign(str(point)),)))

    def ask(self, file: str, *options: str) -> Answer:
        pinned = str(self.shell.folder / "trust.json")
        return self.shell.run(
            "evidence", "--trust", pinned, *options, str(self.shell.folder / file)
        )


@pytest.fixture
def desk(shell: Shell) -> Desk:
    return Desk(shell)


@pytest.mark.parametrize("file", ["split.json", "entry.zip"])
def test_yes(desk: Desk, file: str) -> None:
    """
    What is proven is said in one line, with exit code 0.
    """
    answer = desk.ask(file)

    assert (0, "", 1) == (answer.code, answer.err, answer.out.count("\n"))
    assert answer.out.startswith("yes: ")
    assert ORIGIN in answer.out


@pytest.mark.parametrize("file", ["split.json", "entry.zip"])
def test_yes_as_json(desk: Desk, file: str) -> None:
    """
    With --json the same is one object.
    """
    answer = desk.ask(file, "--json")
    found = json.loads(answer.out)

    assert ("yes", 0) == (found["verdict"], answer.code)
    assert f"yes: {found['proven']}\n" == desk.ask(file).out


@pytest.mark.parametrize(
    ("file", "code"), [("split.json", "untrusted-log"), ("entry.zip", "unknown-key")]
)
def test_other_trust_file(desk: Desk, file: str, code: str) -> None:
    """
    Under the trust file of another service neither proves anything.
    """
    world = World()
    (desk.shell.folder / "trust.json").write_bytes(world.trust.json())
    answer = desk.ask(file)

    assert (1, "") == answer[:2]
    assert f"({code})" in answer.err


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b"PK", "malformed"),
        (b"PK\3\4" + bytes(limits.DOSSIER), "over-limit"),
        (b" " * (5 << 20), "over-limit"),
        (b"\xff" * 100, "malformed"),
    ],
    ids=["nothing", "object", "two letters", "large zip", "large json", "no text"],
)
def test_no_evidence(desk: Desk, content: bytes, code: str) -> None:
    """
    Any other file is a no, with its code.
    """
    (desk.shell.folder / "x").write_bytes(content)
    answer = desk.ask("x")

    assert (1, "") == answer[:2]
    assert f"({code})" in answer.err


def test_no_contradiction(desk: Desk) -> None:
    """
    Honest growth that is presented as a contradiction is a no.
    """
    note = desk.note(desk.world.checkpoint)
    (desk.shell.folder / "x").write_bytes(Evidence.split_view(note, note, SEEN).json())

    assert "(no-contradiction)" in desk.ask("x").err


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["a", "b"],
        ["--repository", "registry.example/a", "x"],
        ["--any-repository", "x"],
        ["--trust"],
        ["--unknown", "x"],
        ["evidence", "x"],
    ],
    ids=" ".join,
)
def test_usage(shell: Shell, args: list[str]) -> None:
    """
    A question that is not one is answered with exit code 2.
    """
    answer = shell.run("evidence", "--trust", "trust.json", *args)

    assert (2, "") == answer[:2]
    assert "(usage)" in answer.err


@pytest.mark.parametrize("args", [["--help"], ["evidence", "--help"], ["evidence", "x", "-h"]])
def test_help(shell: Shell, args: list[str]) -> None:
    """
    The help tells of the command.
    """
    answer = shell.run(*args)

    assert (0, "") == (answer.code, answer.err)
    assert "evidence [options] FILE" in answer.out


@pytest.mark.parametrize("file", ["split.json", "entry.zip"])
def test_example_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """
    Under keys whose private halves are public nothing is proven, unless that is asked for.
    """
    fingerprint = desk.world.log.key.public.fingerprint
    monkeypatch.setattr(publickey, "EXAMPLE_KEYS", frozenset({fingerprint}))

    assert "(example-key)" in desk.ask(file).err
    assert desk.ask(file, "--example-keys").code == 0


def test_bugs_are_no(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A mistake of ours in the middle is a no.
    """

    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(Evidence, "verify", fail)
    answer = desk.ask("split.json")

    assert (1, "") == answer[:2]
    assert "canary (internal-error)" in answer.err


def test_strange_statement(desk: Desk) -> None:
    """
    What a log calls itself cannot move the cursor of whoever reads what it did.
    """
    name = "x\x9b2K\u202eyes"
    desk.world.log = NoteSigner(name)
    desk.world.origin = name
    desk.world.logs = (desk.world.logs[0]._replace(origin=name, checkpoint_key=desk.world.log.key),)
    desk.shell.write(desk.world)
    (desk.shell.folder / "entry.zip").write_bytes(dossier(desk.world))
    answer = desk.ask("entry.zip")

    assert answer.code == 0
    assert answer.out[:-1].isprintable()


@pytest.mark.parametrize(("file", "modules"), [("split.json", False), ("entry.zip", True)])
def test_as_a_program(desk: Desk, tmp_path: Path, file: str, *, modules: bool) -> None:
    """
    The command runs on the base install; standard input will do for a file.
    """
    data = (desk.shell.folder / file).read_bytes()
    answer = process(desk.shell.folder, "evidence", "--trust", "trust.json", "-", data=data)

    assert (0, "") == (answer.code, answer.err)
    assert modules == data.startswith(b"PK")
    empty = process(tmp_path, "evidence", "--trust", "none", "-", data=data)
    assert (1, True) == (empty.code, "(unreadable)" in empty.err)
