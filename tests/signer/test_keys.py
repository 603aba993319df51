"""Keys: only a file that nobody else can read is one, and a bad signature never leaves."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, mldsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from signer.keys import open_key
from signer.keys.memory import ALGORITHMS, MemoryKey
from signer.keys.secret_files import read_secret, write_secret
from tests.signer.asking import refused
from tests.signer.commands import ROOT
from verifier.publickey import Key

NOBODY = 65534
BAD_MODES = (0o644, 0o640, 0o604, 0o660, 0o610, 0o601, 0o602, 0o620, 0o777, 0o700 | 0o4)
GOOD_MODES = (0o600, 0o400, 0o700)

# Judges key files, as another user if one is named; what it imports on use is imported before.
JUDGE = """
import os, sys
from pathlib import Path
from signer.keys import open_key
from verifier.errors import SealbookError
directory, user, *names = sys.argv[1:]
def judge(name):
    try:
        open_key(f"file:{name}", Path(directory))
        return "opened"
    except SealbookError as e:
        return e.code
if user:
    found = [judge(name) for name in names]
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
for name in names:
    print(name, judge(name))
"""


def judged(directory: Path, user: int | str, names: Iterable[str]) -> dict[str, str]:
    """Return what a process of its own, and of this user, says of each key file."""
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(directory), str(user), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "" == done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def pem(private: object) -> bytes:
    """Return a private key as we keep it."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Write a file with this mode, whatever the umask."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


GOOD = pem(ec.generate_private_key(ec.SECP256R1()))


def opened(path: Path) -> Key:
    """Open the key in a file."""
    return open_key(f"file:{path.name}", path.parent)


@pytest.mark.parametrize("mode", GOOD_MODES, ids=oct)
def test_good_mode(tmp_path: Path, mode: int) -> None:
    """
    A file on which nobody else has any right can be a key.
    """
    key = opened(write(tmp_path / "key.pem", GOOD, mode))

    key.public.verify(key.sign(b"message"), b"message")


@pytest.mark.parametrize("mode", BAD_MODES, ids=oct)
def test_bad_mode(tmp_path: Path, mode: int) -> None:
    """
    A file on which others have any right is refused, and the hint says what to do.
    """
    path = write(tmp_path / "key.pem", GOOD, mode)
    error = refused("key-file-permissions", lambda: opened(path))

    assert f"{mode:04o}" in error.message
    assert f"chmod 600 {path}" in error.hint


def _link(path: Path) -> None:
    path.symlink_to(write(path.with_name("target"), GOOD))


def _directory(path: Path) -> None:
    path.mkdir(mode=0o700)


@pytest.mark.parametrize("make", [_link, _directory])
def test_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """
    A link or a directory is not the file that was checked.
    """
    make(tmp_path / "key.pem")

    refused("key-file-permissions", lambda: opened(tmp_path / "key.pem"))


def test_pipe(tmp_path: Path) -> None:
    """
    A pipe is refused too, and nobody waits for its other end.
    """
    os.mkfifo(tmp_path / "key.pem", 0o600)

    assert {"key.pem": "key-file-permissions"} == judged(tmp_path, "", ["key.pem"])


@pytest.mark.root
def test_file_of_another_user(tmp_path: Path) -> None:
    """
    A file that belongs to another user is refused, even by root.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = write(tmp_path / "key.pem", GOOD)
    os.chown(path, NOBODY, NOBODY)

    assert f"user {NOBODY}" in refused("key-file-permissions", lambda: opened(path)).message


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.root
def test_as_nobody(open_directory: Path) -> None:
    """
    A user without rights judges the modes as root does, and cannot use what is not its own.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    expected = {}
    for mode in (*GOOD_MODES, *BAD_MODES):
        path = write(open_directory / f"own-{mode:o}", GOOD, mode)
        os.chown(path, NOBODY, NOBODY)
        expected[path.name] = "opened" if mode in GOOD_MODES else "key-file-permissions"
    for mode in (0o600, 0o604, 0o644):
        path = write(open_directory / f"root-{mode:o}", GOOD, mode)
        expected[path.name] = "key-file" if mode == 0o600 else "key-file-permissions"
    other = write(open_directory / "other-604", GOOD, 0o604)
    os.chown(other, 12345, 12345)
    expected[other.name] = "key-file-permissions"

    assert expected == judged(open_directory, NOBODY, expected)


def _encrypted() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))


def _public() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _edited(old: str, new: str) -> bytes:
    """Return a key in which bytes of its DER encoding are others."""
    der = base64.b64decode(b"".join(GOOD.splitlines()[1:-1]))
    assert bytes.fromhex(old) in der
    text = base64.b64encode(der.replace(bytes.fromhex(old), bytes.fromhex(new), 1))
    return b"-----BEGIN PRIVATE KEY-----\n" + text + b"\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda: b"", "key-file", id="empty"),
        pytest.param(lambda: b"garbage", "key-file", id="garbage"),
        pytest.param(lambda: bytes(100), "key-file", id="zeros"),
        pytest.param(lambda: GOOD[:-40], "key-file", id="cut"),
        pytest.param(lambda: b"x" * 100_000 + GOOD, "key-file", id="long"),
        pytest.param(_encrypted, "key-file", id="encrypted"),
        pytest.param(_public, "key-file", id="public"),
        pytest.param(lambda: pem(rsa.generate_private_key(65537, 2048)), "key-file", id="RSA"),
        pytest.param(lambda: pem(x25519.X25519PrivateKey.generate()), "key-file", id="X25519"),
        pytest.param(lambda: pem(ed448.Ed448PrivateKey.generate()), "key-file", id="Ed448"),
        pytest.param(lambda: pem(mldsa.MLDSA87PrivateKey.generate()), "key-file", id="ML-DSA-87"),
        pytest.param(
            lambda: pem(ec.generate_private_key(ec.SECP256K1())), "unsupported-key", id="secp256k1"
        ),
        pytest.param(
            lambda: pem(ec.generate_private_key(ec.SECP521R1())), "unsupported-key", id="P-521"
        ),
        pytest.param(
            lambda: _edited("2a8648ce3d030107", "2a8648ce3d03017f"), "key-file", id="other curve"
        ),
        pytest.param(
            lambda: _edited("2a8648ce3d0201", "2a8648ce3d027f"), "key-file", id="other algorithm"
        ),
    ],
)
def test_no_key(tmp_path: Path, make: Callable[[], bytes], code: str) -> None:
    """
    A file that holds no private key of ours is refused, and its content is not shown.
    """
    path = write(tmp_path / "key.pem", make())

    assert "BEGIN" not in refused(code, lambda: opened(path)).message


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "file",
        "file:",
        "key.pem",
        "/key.pem",
        "pkcs12:key.pem",
        "FILE:key.pem",
        "file:///key.pem",
        "file://host/key.pem",
        "file:key.pem?",
        "file:key.pem#here",
        "file:key%2epem",
        "file:key.pem\n",
        "file:key.pem?passphrase-source=",
        "file:key.pem?Passphrase-source=prompt",
        "file:key.pem?pin-source=prompt",
        "file:key.pem?passphrase-source=prompt&passphrase-source=prompt",
        "file:key.pem?passphrase-source=prompt&x=y",
        "file:key.pem?x=y",
    ],
)
def test_bad_uri(tmp_path: Path, uri: str) -> None:
    """
    A key is named by a URI whose scheme is known, and that asks for nothing unknown.
    """
    write(tmp_path / "key.pem", GOOD)

    assert "file:" in refused("key-uri", lambda: open_key(uri, tmp_path)).message


def test_saved(tmp_path: Path) -> None:
    """
    A key that is written is readable by its owner alone, and never over another file.
    """
    key = MemoryKey.generate("ecdsa-p256")
    key.save(tmp_path / "key.pem")

    assert 0o100600 == (tmp_path / "key.pem").stat().st_mode
    assert key.public == opened(tmp_path / "key.pem").public
    refused("key-exists", lambda: MemoryKey.generate("ed25519").save(tmp_path / "key.pem"))
    refused("key-exists", lambda: write_secret(tmp_path / "key.pem", b"other"))
    (tmp_path / "link.pem").symlink_to("nowhere")
    refused("key-exists", lambda: write_secret(tmp_path / "link.pem", b"other"))
    assert not (tmp_path / "nowhere").exists()
    assert key.public == opened(tmp_path / "key.pem").public


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms(tmp_path: Path, algorithm: str) -> None:
    """
    A key of each algorithm is written, opened again, and signs what its public half verifies.
    """
    key = MemoryKey.generate(algorithm)
    key.save(tmp_path / "key.pem")
    again = opened(tmp_path / "key.pem")

    assert (algorithm, key.public) == (again.public.algorithm.name, again.public)
    again.public.verify(again.sign(b"message"), b"message")
    again.public.verify(key.sign(b"message"), b"message")


@pytest.mark.parametrize(
    ("curve", "name"), [(ec.SECP256R1(), "sha256"), (ec.SECP384R1(), "sha384")], ids=str
)
def test_sign_digest(curve: ec.EllipticCurve, name: str) -> None:
    """
    A signature over a hash is one over the message that has it.
    """
    key = MemoryKey(ec.generate_private_key(curve))
    digest = hashlib.new(name, b"message").digest()

    key.public.verify(key.sign_digest(digest), b"message")
    key.public.verify_digest(key.sign(b"message"), digest)


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44"])
def test_sign_no_digest(algorithm: str) -> None:
    """
    A key that signs whole messages signs no hash: it would be a message of its own.
    """
    key = MemoryKey.generate(algorithm)

    assert "signs no hashes" in refused("key-file", lambda: key.sign_digest(bytes(32))).message


def test_read_secret(tmp_path: Path) -> None:
    """
    A secret is the bytes of its file.
    """
    assert b"\0secret\n" == read_secret(write(tmp_path / "secret", b"\0secret\n"))
    refused("key-file", lambda: read_secret(tmp_path / "none"))
