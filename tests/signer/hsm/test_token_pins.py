"""PINs: a wrong one is tried once, by nobody again, and none is ever shown."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from signer.keys import open_key
from signer.keys.home import HomeKey
from signer.keys.token.pins import Refusals
from tests.signer.asking import PATIENCE_S, eventually, refused
from tests.signer.commands import ROOT
from tests.signer.hsm.conftest import Shim
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, PIN, SoftToken
from verifier.errors import SealbookError

pytestmark = NEEDS_SOFTHSM

WRONG = "0815-canary"
OPEN = """
import sys; from pathlib import Path; from signer.keys import open_key
open_key(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture
def key(token: SoftToken) -> SoftToken:
    """A token with a key `release`."""
    token.make("EC:prime256v1", "release", "01")
    return token


def refusal(token: SoftToken, code: str = "key-pin") -> str:
    """Return what is said when the key is opened; the PIN is not in it."""
    said = refused(code, lambda: open_key(token.uri("object=release"), token.directory))
    for pin in (PIN, WRONG):
        assert pin not in repr(said) + said.hint + repr(said.__cause__) + repr(said.__context__)
    return said.message


def mark(token: SoftToken) -> Path:
    return token.directory / "keys" / "pin-refused"


def test_a_wrong_pin_is_tried_once(key: SoftToken, shim: Shim) -> None:
    """
    However often a key is opened, by whichever name, the token sees a wrong PIN once.
    """
    key.set_pin(WRONG)

    assert "refused the PIN" in refusal(key)
    for _ in range(5):
        assert "not tried again" in refusal(key)
    other = key.uri("id=%01", "sessions=9")
    refused("key-pin", lambda: open_key(other, key.directory))

    assert 1 == shim.calls("L")


def test_a_wrong_pin_is_not_tried_after_a_restart(key: SoftToken, shim: Shim) -> None:
    """
    Another process does not try it either, and says that it was refused before.
    """
    key.set_pin(WRONG)
    command = [sys.executable, "-c", OPEN, key.uri("object=release"), str(key.directory)]
    said = []
    for _ in range(3):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT, check=False
        )
        assert WRONG not in done.stderr + done.stdout
        said.append(done.stderr.strip().splitlines()[-1])

    assert 1 == shim.calls("L")
    assert "refused the PIN" in said[0]
    assert all("not tried again" in line for line in said[1:])


def test_another_pin_is_tried(key: SoftToken, shim: Shim) -> None:
    """
    A changed PIN is tried, and once it works the old refusals are forgotten.
    """
    key.set_pin(WRONG)
    refusal(key)
    key.set_pin(WRONG + "2")
    refusal(key)
    key.set_pin(WRONG)
    refusal(key)
    assert 2 == shim.calls("L")

    key.set_pin(PIN)
    with key.key("object=release") as opened:
        opened.sign(b"x")

    assert 3 == shim.calls("L")
    assert not mark(key).exists()


def test_the_mark_says_nothing(key: SoftToken) -> None:
    """
    What is written down about a refused PIN is for its owner alone, and a slow, salted hash.
    """
    key.set_pin(WRONG)
    refusal(key)
    first = json.loads(mark(key).read_bytes())["refused"][0]
    Refusals(key.directory).add(first["token"], WRONG.encode())
    lines = json.loads(mark(key).read_bytes())["refused"]

    assert 0o600 == stat.S_IMODE(mark(key).stat().st_mode)
    assert WRONG not in mark(key).read_text()
    assert 2 == len({line["hash"] for line in lines}) == len({line["salt"] for line in lines})


@pytest.mark.parametrize("content", ["", "{}", '{"version":1,"refused":[{}]}', "[]", "null"])
def test_a_mark_that_cannot_be_read_stops_all_tries(
    key: SoftToken, shim: Shim, content: str
) -> None:
    """
    Where nobody can tell which PINs were refused, none is tried.
    """
    mark(key).write_text(content)
    mark(key).chmod(0o600)

    assert "no PIN is tried" in refusal(key)
    assert 0 == shim.calls("L")
    mark(key).unlink()


def test_a_mark_that_others_can_change_stops_all_tries(key: SoftToken, shim: Shim) -> None:
    """
    A mark that somebody else could have emptied is not believed.
    """
    mark(key).write_text('{"version":1,"refused":[]}')
    mark(key).chmod(0o666)

    assert "no PIN is tried" in refusal(key)
    assert 0 == shim.calls("L")
    mark(key).unlink()


def test_a_mark_that_cannot_be_written_is_said(key: SoftToken) -> None:
    """
    If the refusal cannot be written down, whoever starts the service is told to stop.
    """
    (key.directory / "keys").rmdir()
    key.set_pin(WRONG)

    assert "cannot be written" in refusal(key)


@pytest.mark.parametrize(("order", "why"), [("last", "would lock itself"), ("locked", "locked")])
def test_a_token_that_would_lock_itself_is_not_asked(
    key: SoftToken, shim: Shim, order: str, why: str
) -> None:
    """
    At a token's last try, or when it is locked, no PIN is tried, be it right or wrong.
    """
    shim.order(order)

    assert why in refusal(key)
    assert 0 == shim.calls("L")


def test_a_pin_that_became_wrong_is_tried_once(key: SoftToken, shim: Shim) -> None:
    """
    When the token is back and takes the PIN no more, all threads together try it once.
    """
    with key.key("object=release", "sessions=8") as opened:
        opened.sign(b"x")
        logins = shim.calls("L")
        key.vanish()
        eventually(lambda: _code(opened) == "key-unavailable")
        key.set_pin(WRONG)  # as when somebody changed the token's PIN, seen from here
        key.come_back()
        eventually(lambda: _code(opened) in ("key-pin", "key-failed"))
        threading.Event().wait(1.5)  # in which every thread would have tried

    assert logins + 1 == shim.calls("L")


def test_one_login_for_all_sessions_and_keys(key: SoftToken, shim: Shim) -> None:
    """
    Two keys with eight sessions each need one login.
    """
    with key.key("object=release", "sessions=8") as one, key.key("id=%01", "sessions=8") as two:
        eventually(lambda: shim.calls("O") >= 17)  # and the one that keeps the login
        assert one.public == two.public

    assert 1 == shim.calls("L")


def test_pin_files_are_secrets(key: SoftToken) -> None:
    """
    A PIN that others can read is not used, and a PIN that is not there is said to be missing.
    """
    key.pin_file.chmod(0o644)
    refusal(key, "key-file-permissions")
    key.pin_file.unlink()
    refusal(key, "key-file")


def test_without_a_pin_source_nobody_logs_in(key: SoftToken) -> None:
    """
    Without a PIN a token shows no private keys, and the hint says so.
    """
    uri = key.uri("object=release").replace(f"&pin-source=file:{key.pin_file}", "")

    said = refused("key-object", lambda: open_key(uri, key.directory))

    assert "pin-source" in said.hint


def test_a_credential_is_a_pin_source(key: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A PIN may be a systemd credential.
    """
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(key.directory))
    uri = key.uri("object=release").replace(f"file:{key.pin_file}", "credential:pin")

    open_key(uri, key.directory).close()


def _code(key: HomeKey) -> str:
    try:
        key.sign(b"x")
    except SealbookError as e:
        return e.code
    return ""
