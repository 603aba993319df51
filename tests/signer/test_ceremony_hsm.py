"""Ceremonies with a real token: in earnest, and rehearsed in one that is made for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from signer.ceremony import rehearsal
from signer.ceremony.rehearsal import Scratch
from tests.signer.asking import ORIGIN, refused
from tests.signer.ceremonies import FILE, write
from tests.signer.commands import Done, check_refused, one, sealbook, spawn
from tests.signer.test_key_table import PAGE, TOML
from verifier.publickey import PublicKey

DEMANDED = 'CKA_SENSITIVE = "true", CKA_EXTRACTABLE = "false", CKA_NEVER_EXTRACTABLE = "true"'
LIBRARY = next((path for path in rehearsal._LIBRARIES if Path(path).exists()), "")
URI = f"pkcs11:token=earnest;object=release-2027;id=%01?module-path={LIBRARY}&pin-source=file:pin"


@pytest.fixture(autouse=True)
def _softhsm() -> None:
    """These tests need SoftHSM, which CI has."""
    if not LIBRARY or not shutil.which("softhsm2-util"):
        assert os.environ.get("CI") != "true", "in CI SoftHSM must be there"
        pytest.skip("SoftHSM is not installed: apt-get install softhsm2")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the PIN of a new token, which processes that are started from here find."""
    folder = tmp_path / "token"
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    words = ("--init-token", "--free", "--label", "earnest", "--pin", "135791", "--so-pin", "2468")
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    return folder


def file(folder: Path, uri: str = URI, demanded: str = DEMANDED) -> Path:
    """Write a ceremony's file for a key in a token, and the PIN beside it."""
    text = FILE.replace("file:release-2027.key", uri).replace('home = "file"', demanded)
    path = write(folder, text)
    (folder / "pin").touch(0o600)
    (folder / "pin").write_text("135791\n")
    return path


def ceremony(*words: object) -> Done:
    """Run `sealbook key ceremony` in a process of its own, as the library needs it."""
    return spawn("key", "ceremony", *words)


def objects(token: Path) -> set[str]:
    """Return the names of all that the token keeps."""
    return {path.name for path in token.rglob("*.object")}


def test_in_earnest(token: Path, tmp_path: Path) -> None:
    """
    A ceremony makes a key in the token that never leaves it, as its transcript shows; held once
    more it finds the key, and leaves it and the token as they are.
    """
    path, out = file(tmp_path / "c"), tmp_path / "out"
    done = ceremony(path, "--out", out, "--no-log")
    assert 0 == done.returncode, done.stderr
    before = objects(token)
    again = ceremony(path, "--out", tmp_path / "again", "--no-log")
    check_refused(again, "ceremony-failed")
    checked = one(sealbook("key", "ceremony", "--check", out / "transcript.json", "--json"))
    text = (out / "transcript.txt").read_text()

    assert before == objects(token)
    assert len(before) > 1
    assert (
        PublicKey.from_pem((out / "release-2027.pub").read_bytes()).fingerprint
        == (checked["keys"][0]["fingerprint"])
    )
    assert "CKA_NEVER_EXTRACTABLE = true  (demanded)" in text
    assert "CKA_LOCAL = true\n" in text
    assert "135791" not in text + done.stdout + done.stderr + again.stderr
    assert "NOT MADE" in (tmp_path / "again" / "transcript.txt").read_text()


def test_another_key_than_demanded(token: Path, tmp_path: Path) -> None:
    """
    What the token says otherwise than the file demands ends the ceremony.
    """
    path = file(tmp_path / "c", demanded='CKA_MODIFIABLE = "never"')
    said = check_refused(ceremony(path, "--out", tmp_path / "out", "--no-log"), "ceremony-failed")

    assert "expected CKA_MODIFIABLE to be 'never', found 'true'" in said


def test_rehearsal(token: Path, tmp_path: Path) -> None:
    """
    The file of the page, whose HSM is not here, is rehearsed as it stands there, in a token that
    is made for it; a real one is not touched, and what comes out cannot be logged or pass.
    """
    [example] = TOML.findall(PAGE)
    before = objects(token)
    path, out = write(tmp_path / "c", example), tmp_path / "out"
    done = ceremony(path, "--rehearse", "--out", out)
    assert 0 == done.returncode, done.stderr
    transcript = out / "transcript.json"
    text = (out / "transcript.txt").read_text()

    assert before == objects(token)
    assert "object=release-2027;id=%01" in text
    assert "CKA_EXTRACTABLE = false  (demanded)" in text
    assert 2 == text.count("R E H E A R S A L")
    assert not (out / "release.pub").exists()
    check_refused(sealbook("key", "ceremony", "--check", transcript), "ceremony-rehearsal")
    check_refused(sealbook("key", "ceremony", "--log", transcript), "ceremony-rehearsal")
    assert 0 == sealbook("key", "ceremony", "--check", transcript, "--rehearse").returncode


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a rehearsal every key lies below the scratch folder, wherever the file says, and every
    secret is the scratch token's; where there is no rehearsing, it says so.
    """
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    scratch = Scratch(tmp_path / "scratch")
    pin = f"file:{tmp_path}/scratch/pin"
    token = "pkcs11:token=REHEARSAL"
    there = f"module-path={LIBRARY}&pin-source={pin}"
    moved = {
        "pkcs11:token=a;serial=1;object=x;id=%02?module-path=/y.so&pin-source=prompt&sessions=2": (
            f"{token};object=x;id=%02?sessions=2&{there}"
        ),
        "pkcs11:id=%02;slot-id=3": f"{token};id=%02?{there}",
        "file:keys/a.pem": f"file:{tmp_path}/scratch/files/keys/a.pem",
        "file:/etc/b.key?passphrase-source=prompt": (
            f"file:{tmp_path}/scratch/files/etc/b.key?passphrase-source={pin}"
        ),
    }

    assert moved == {uri: scratch.place(uri) for uri in moved}
    refused("key-uri", lambda: scratch.place("file:../../b.key"))
    refused("key-uri", lambda: scratch.place("openbao:release"))


def test_no_softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where SoftHSM is not installed, a rehearsal says what to install.
    """
    monkeypatch.setattr(rehearsal, "_LIBRARIES", ())
    path = write(tmp_path / "c", FILE.replace(ORIGIN, "other.example"))
    done = sealbook("key", "ceremony", path, "--rehearse", "--out", tmp_path / "out")

    assert "apt-get install softhsm2" in check_refused(done, "key-library")
