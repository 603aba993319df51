"""`python -m verifier`: one question, one answer, and no mistake of ours that looks like a yes."""

from __future__ import annotations

import io
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import verifier.__main__ as command
from tests.verifier.faults import FAULTS, Fault
from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, World, policy, rows, witnesses
from tests.verifier.shell import ENVIRONMENT, Answer, Shell, process
from verifier import limits, publickey
from verifier.statement import APPROVAL

PINNED = ("--trust", "trust.json")

YES = (
    f"yes: {IMAGE} is approved for {REPOSITORY} by key release, entry 4 of {ORIGIN}, "
    "witnesses 0 of 0\n"
)
WARNED = "warning: nothing says what was revoked: there is no status file\n"


def test_program_says_yes(shell: Shell) -> None:
    """
    The program prints one line and exits with 0; without a status file it says what that means.
    """
    answer = process(shell.folder, *PINNED, "--repository", REPOSITORY, IMAGE, "bundle.json")
    expected = Answer(0, YES, WARNED)

    assert expected == answer


def test_program_reads_standard_input(shell: Shell) -> None:
    """
    A bundle may come through a pipe.
    """
    data = (shell.folder / "bundle.json").read_bytes()
    answer = process(shell.folder, *PINNED, "--any-repository", IMAGE, "-", data=data)
    expected = Answer(0, YES, WARNED)

    assert expected == answer


def test_program_says_no(shell: Shell) -> None:
    """
    A no is exit code 1, its code and hint on standard error, and nothing on standard output.
    """
    answer = process(shell.folder, *PINNED, "--any-repository", "latest", "bundle.json")

    assert (1, "") == answer[:2]
    assert answer.err.startswith("no: ")
    assert "(bad-digest)\nhint: " in answer.err


def test_program_does_not_understand(shell: Shell) -> None:
    """
    A wrong question is exit code 2, told apart from a no.
    """
    answer = process(shell.folder, "--frobnicate")
    expected = 2

    assert expected == answer.code
    assert "(usage)" in answer.err


def test_module_exits_with_the_code(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Run as a program, the module ends with the code that `main` returns.
    """
    monkeypatch.setattr(sys, "argv", ["verifier", "--any-repository"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(command.__file__, run_name="__main__")
    expected = 2

    assert expected == stopped.value.code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flag", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_yes_that_cannot_be_printed(shell: Shell, flag: list[str]) -> None:
    """
    A yes that could not be written is no success.
    """
    args = ["-m", "verifier", "--any-repository", IMAGE, "bundle.json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, *flag, *args],
            cwd=shell.folder,
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
        )

    assert done.returncode != 0


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(shell: Shell, flag: str) -> None:
    """
    Help is printed for whoever asks, and lists every option.
    """
    answer = shell.run(flag)
    expected = Answer(0, command.USAGE, "")

    assert expected == answer
    for option in ("--trust", "--repository", "--any-repository", "--json", "--example-keys"):
        assert option in answer.out


@pytest.mark.parametrize(
    ("args", "told"),
    rows(
        ("nothing", [], "expected DIGEST and BUNDLE, found 0 words"),
        ("only a digest", ["--any-repository", IMAGE], "expected DIGEST and BUNDLE, found 1"),
        ("three words", ["--any-repository", IMAGE, "b", "c"], "more than one BUNDLE"),
        ("no repository", [IMAGE, "b"], "expected exactly one"),
        (
            "one and any repository",
            ["--any-repository", "--repository", REPOSITORY, IMAGE, "b"],
            "expected exactly one",
        ),
        ("unknown option", ["--any-repository", "--insecure", IMAGE, "b"], "unknown option"),
        (
            "option with a value in one word",
            [f"--repository={REPOSITORY}", IMAGE, "b"],
            "unknown option",
        ),
        ("short option", ["-r", REPOSITORY, IMAGE, "b"], "unknown option"),
        ("short flag", ["--any-repository", "-x", "b"], "unknown option"),
        ("option without its value", [IMAGE, "b", "--repository"], "expected a value"),
        ("trust without its value", ["--any-repository", IMAGE, "b", "--trust"], "a value"),
        ("two dashes", ["--any-repository", "--", IMAGE, "b"], "unknown option"),
        ("help and an unknown option", ["--help", "--insecure"], "unknown option"),
    ),
)
def test_usage(shell: Shell, args: list[str], told: str) -> None:
    """
    A question that is not complete, or says something unknown, is not answered.
    """
    answer = shell.run("--trust", "trust.json", *args)

    assert (2, "") == answer[:2]
    assert "(usage)" in answer.err
    assert told in answer.err


ASKED_OTHERWISE = ("digest-mismatch", "trust-expired")


@pytest.mark.parametrize(
    ("code", "fault"), rows(*((c, c, f) for c, f in FAULTS if c not in ASKED_OTHERWISE))
)
def test_each_no(shell: Shell, code: str, fault: Fault) -> None:
    """
    Each no exits with 1 and says its code on standard error.
    """
    world = World()
    fault(world)
    shell.write(world)
    answer = shell.ask()

    assert (1, "") == answer[:2]
    assert answer.err.startswith("no: ")
    assert f"({code})\n" in answer.err


@pytest.mark.parametrize(
    ("image", "where", "code"),
    [
        (f"sha256:{'0' * 64}", REPOSITORY, "digest-mismatch"),
        ("latest", REPOSITORY, "bad-digest"),
        (IMAGE, "team/app", "bad-repository"),
        (IMAGE, "", "bad-repository"),
        (IMAGE, "registry.example/team/other", "repository-mismatch"),
    ],
)
def test_other_questions(shell: Shell, image: str, where: str, code: str) -> None:
    """
    A question about another image, another repository, or none, is answered with no.
    """
    answer = shell.ask(image=image, where=where)
    expected = 1

    assert expected == answer.code
    assert f"({code})" in answer.err


def test_expired(shell: Shell) -> None:
    """
    The command looks at the machine's clock.
    """
    world = World()
    shell.write(world)
    world.expires = 1_700_000_001
    (shell.folder / "trust.json").write_bytes(world.trust.json())

    assert "(trust-expired)" in shell.ask().err


@pytest.mark.parametrize("file", ["trust.json", "bundle.json"])
def test_missing_file(shell: Shell, file: str) -> None:
    """
    A file that is not there is a no, and is named.
    """
    (shell.folder / file).unlink()
    answer = shell.ask()

    assert (1, "") == answer[:2]
    assert file in answer.err
    assert "(unreadable)" in answer.err


@pytest.mark.parametrize("file", ["trust.json", "bundle.json"])
def test_folder(shell: Shell, file: str) -> None:
    """
    A folder in the place of a file is a no as well.
    """
    (shell.folder / file).unlink()
    (shell.folder / file).mkdir()

    assert "(unreadable)" in shell.ask().err


@pytest.mark.parametrize(
    ("file", "limit"), [("trust.json", limits.TRUST_FILE), ("bundle.json", limits.BUNDLE)]
)
def test_large_file(shell: Shell, file: str, limit: int) -> None:
    """
    A file over the limit is refused, and of an endless one no more than the limit is read.
    """
    (shell.folder / file).write_bytes(b" " * (limit + 1))

    assert "(over-limit)" in shell.ask().err


def test_endless_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of standard input one byte more than the limit is read.
    """
    endless = io.BytesIO(b" " * (2 * limits.BUNDLE))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))
    shell.run("--trust", str(shell.folder / "trust.json"), "--any-repository", IMAGE, "-")
    expected = limits.BUNDLE + 1

    assert expected == endless.tell()


def test_json_yes(shell: Shell) -> None:
    """
    With --json the verdict is one object, with everything that is now known.
    """
    everyone = witnesses(2)
    shell.write(World(witnesses=everyone, quorum=policy(2, everyone)))
    answer = shell.ask("--json")
    expected = {
        "verdict": "yes",
        "digest": IMAGE,
        "repository": REPOSITORY,
        "key": "release",
        "index": 4,
        "tree_size": 7,
        "origin": ORIGIN,
        "annotations": {"env": "prod"},
        "witnesses": ["w0", "w1"],
        "known_witnesses": 2,
        "predicate_type": APPROVAL,
        "identity": "",
        "issuer": "",
        "warnings": ["nothing says what was revoked: there is no status file"],
    }

    assert expected == json.loads(answer.out)
    assert (0, "") == (answer.code, answer.err)


@pytest.mark.parametrize(
    ("args", "exit_code", "code"),
    [
        ([*PINNED, "--any-repository", "latest", "b"], 1, "bad-digest"),
        (["--any-repository", IMAGE, "b", "--trust", "no-such-file"], 1, "unreadable"),
        ([], 2, "usage"),
    ],
)
def test_json_no(shell: Shell, args: list[str], exit_code: int, code: str) -> None:
    """
    With --json a no is one object too, on standard output, with its code.
    """
    answer = shell.run("--json", *args)
    found = json.loads(answer.out)

    assert {"verdict", "code", "message", "hint"} == found.keys()
    assert ("no", code, exit_code, "") == (found["verdict"], found["code"], answer.code, answer.err)


@pytest.mark.parametrize("which", ["log", "promise", "approver"])
def test_example_keys(shell: Shell, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """
    A trust file with a key whose private half is public is refused, unless that is asked for.
    """
    world = World()
    promise = World().signer.public
    world.logs = (world.logs[0]._replace(promise_key=promise),)
    shell.write(world)
    keys = {"log": world.log.key.public, "promise": promise, "approver": world.signer.public}
    monkeypatch.setattr(publickey, "EXAMPLE_KEYS", frozenset({keys[which].fingerprint}))

    assert "(example-key)" in shell.ask().err
    assert shell.ask("--example-keys").code == 0
