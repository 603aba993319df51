"""Passphrases come from a file, a credential or a terminal, and are shown to nobody."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from signer.keys import open_key
from signer.keys.passphrase import read_source
from tests.signer.asking import PATIENCE_S, refused
from tests.signer.commands import ROOT

WHAT = "key release"
CANARY = "xyzzy-canary"

# Asks at a terminal of its own, if one is named, and prints what it got.
ASKER = """
import os, sys
from pathlib import Path
from signer.keys.passphrase import read_source
from verifier.errors import SealbookError
terminal, twice = sys.argv[1:]
if terminal:
    os.open(terminal, os.O_RDWR)  # the first that a session opens is its own
try:
    print(read_source("prompt", Path("/"), "key release", twice=bool(twice)).hex())
except SealbookError as e:
    print(e.code, e.message)
"""


def secret(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b"secret\r", b"secret\r"),
        (b" secret ", b" secret "),
        (b"two\nlines\n", b"two\nlines"),
        (b"\0\xff", b"\0\xff"),
        (b"x" * 1024 + b"\n", b"x" * 1024),
    ],
)
def test_file(tmp_path: Path, content: bytes, expected: bytes) -> None:
    """
    A file's passphrase is its bytes, without the one newline that editors add.
    """
    secret(tmp_path / "pass", content)

    assert expected == read_source("file:pass", tmp_path, WHAT)
    assert expected == read_source(f"file:{tmp_path}/pass", Path("/nowhere"), WHAT)


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 1025, b"x" * 20_000])
def test_no_passphrase(tmp_path: Path, content: bytes) -> None:
    """
    Nothing, and too much, is no passphrase.
    """
    secret(tmp_path / "pass", content)
    code = "key-file" if len(content) > 8192 else "key-passphrase"

    assert "xxx" not in refused(code, lambda: read_source("file:pass", tmp_path, WHAT)).message


def test_file_of_others(tmp_path: Path) -> None:
    """
    A file that others can read holds no secret.
    """
    secret(tmp_path / "pass", b"secret").chmod(0o644)
    refused("key-file-permissions", lambda: read_source("file:pass", tmp_path, WHAT))
    refused("key-file", lambda: read_source("file:none", tmp_path, WHAT))


@pytest.mark.parametrize(
    "source",
    [
        CANARY,
        f"pass:{CANARY}",
        f"env:{CANARY}",
        f"prompt:{CANARY}",
        f"File:{CANARY}",
        f"{CANARY}/file:",
        "",
        "file",
        "file:",
        "credential",
        "PROMPT",
    ],
)
def test_no_source(tmp_path: Path, source: str) -> None:
    """
    What is no source is not repeated: it may be the secret, in the wrong place.
    """
    error = refused("key-passphrase", lambda: read_source(source, tmp_path, WHAT))

    assert WHAT in error.message
    assert CANARY not in error.message + error.hint
    uri = f"file:key.pem?passphrase={CANARY}"
    assert CANARY not in refused("key-uri", lambda: open_key(uri, tmp_path)).message


def test_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A credential is a file of the directory that systemd names, and of no other.
    """
    (tmp_path / "credentials").mkdir()
    secret(tmp_path / "credentials" / "release.pass", b"secret\n").chmod(0o400)
    secret(tmp_path / "other", b"other")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert b"secret" == read_source("credential:release.pass", Path("/"), WHAT)
    refused("key-file", lambda: read_source("credential:other", tmp_path, WHAT))
    for name in ("../other", "", ".", "..", "/etc/passwd", "x/../release.pass", "release.pass\n"):
        refused(
            "key-passphrase", lambda name=name: read_source(f"credential:{name}", tmp_path, WHAT)
        )  # type: ignore[misc]


@pytest.mark.parametrize("directory", [None, "", ".", "credentials"])
def test_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str | None
) -> None:
    """
    Without systemd there are none, wherever we happen to be.
    """
    (tmp_path / "credentials").mkdir()
    for place in (tmp_path, tmp_path / "credentials"):
        secret(place / "release", b"secret")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if directory is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", directory)

    error = refused("key-passphrase", lambda: read_source("credential:release", tmp_path, WHAT))
    assert "LoadCredential" in error.hint


def asked(typed: Sequence[bytes], *, twice: bool = False) -> tuple[str, bytes]:
    """Type lines at a process's terminal; return what it printed, and what was to be seen there."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", ASKER, os.ttyname(theirs), "1" if twice else ""],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        seen = b""
        for line in typed:
            while not seen.endswith(b": "):  # what is typed before is thrown away
                seen += os.read(ours, 1000)
            os.write(ours, line)
            seen += b"|"
        printed, _ = process.communicate(timeout=PATIENCE_S)
        os.write(theirs, b"END")  # behind whatever was shown
        while not seen.endswith(b"END"):
            seen += os.read(ours, 1000)
        return printed.strip(), seen
    finally:
        os.close(ours)
        os.close(theirs)


def test_prompt() -> None:
    """
    Who types a passphrase is told what for, and does not see it.
    """
    printed, seen = asked([b"secret of \xc3\xbc\n"])

    assert b"secret of \xc3\xbc" == bytes.fromhex(printed)
    assert b"key release: " in seen
    assert b"secret" not in seen
    printed, seen = asked([b"secret of \xff\n"])
    assert printed.startswith("key-passphrase")
    assert b"secret" not in seen + printed.encode()


def test_prompt_twice() -> None:
    """
    For a new key it is typed twice, and has to be the same.
    """
    assert b"secret".hex() == asked([b"secret\n", b"secret\n"], twice=True)[0]
    printed, seen = asked([b"secret\n", b"secrets\n"], twice=True)
    assert printed.startswith("key-passphrase")
    assert b"secret" not in seen + printed.encode()
    assert asked([b"\n"])[0].startswith("key-passphrase")


def test_no_terminal() -> None:
    """
    Without a terminal nobody is asked: not even on standard input, where it would be seen.
    """
    done = subprocess.run(
        [sys.executable, "-c", ASKER, "", ""],
        cwd=ROOT,
        input="secret\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        start_new_session=True,
    )

    assert ("", True) == (done.stderr, done.stdout.startswith("key-passphrase"))
    assert "there is no terminal" in done.stdout
