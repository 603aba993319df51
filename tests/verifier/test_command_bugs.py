"""Whatever goes wrong inside the command, it is a no."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import verifier.__main__ as command
from tests.verifier.making import rows
from tests.verifier.shell import Shell
from verifier import bundle, digest, merkle, note, publickey, repository, statement, trust
from verifier import verify as flow

STAGES: list[tuple[str, object, str]] = [
    ("reading", command, "_read"),
    ("digest", digest.Digest, "__new__"),
    ("repository", repository.Repository, "__new__"),
    ("trust file", trust.TrustRoot, "parse"),
    ("keys", trust.TrustRoot, "publics"),
    ("verifier", flow.Verifier, "__init__"),
    ("flow", flow.Verifier, "verify"),
    ("bundle", bundle.Bundle, "parse"),
    ("note", note.Note, "parse"),
    ("key lookup", trust.TrustRoot, "key"),
    ("scope", flow, "_check_scope"),
    ("signature", publickey.PublicKey, "verify"),
    ("statement", statement.Statement, "parse"),
    ("approval", flow, "_approved"),
    ("entry", flow, "check_same"),
    ("leaf", flow, "hash_leaf"),
    ("inclusion", flow, "verify_inclusion"),
    ("children", merkle, "hash_children"),
    ("log keys", trust.TrustRoot, "log_keys"),
    ("log signature", note, "verify"),
    ("window", trust.TrustedKey, "valid_at"),
]


@pytest.mark.parametrize(("owner", "name"), rows(*STAGES))
@pytest.mark.parametrize("error", [RuntimeError, AssertionError, RecursionError, MemoryError])
def test_bugs_are_no(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    error: type[Exception],
) -> None:
    """
    An exception that nobody expected, at any stage, is a no and says that it is our mistake.
    """

    def fail(*_: object, **__: object) -> None:
        raise error("canary")

    monkeypatch.setattr(owner, name, fail)
    answer = shell.ask()

    assert (1, "") == answer[:2]
    assert f"no: {error.__name__}: canary (internal-error)\n" in answer.err


RETURNS = {"reading", "trust file", "bundle", "note", "key lookup", "statement", "approval"}


@pytest.mark.parametrize(("owner", "name"), rows(*(s for s in STAGES if s[0] in RETURNS)))
@pytest.mark.parametrize("value", [None, True, ""])
def test_stages_that_return_nonsense(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, value: object
) -> None:
    """
    A stage that gives nothing, or something else than it should, never makes a yes.
    """

    def nonsense(*_: object, **__: object) -> object:
        return value

    monkeypatch.setattr(owner, name, nonsense)
    answer = shell.ask()

    assert (1, "") == answer[:2]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interruption(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, stop: Callable[[int], BaseException]
) -> None:
    """
    Being stopped is not caught, and prints no verdict.
    """

    def fail(*_: object) -> None:
        raise stop(1)

    monkeypatch.setattr(flow.Verifier, "verify", fail)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        shell.ask()

    assert not any(shell.capsys.readouterr())
