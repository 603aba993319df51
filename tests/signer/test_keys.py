"""Keys: only a file that nobody else can read is one, and a bad signature never leaves."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import stat
import struct
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
from signer.keys.memory import MemoryKey
from signer.keys.private import ALGORITHMS
from signer.keys.secret_files import read_secret, write_secret
from tests.signer.asking import refused
from tests.signer.commands import ROOT
from verifier import limits
from verifier.publickey import Key

NOBODY = 65534
BAD_MODES = (0o644, 0o640, 0o604, 0o660, 0o610, 0o601, 0o602, 0o620, 0o777, 0o700 | 0o4)
GOOD_MODES = (0o600, 0o400, 0o700)
BAD_DIRECTORIES = (0o777, 0o1777, 0o702, 0o1703, 0o3777)
# Tags of a list of rights, linux/posix_acl.h, in the order that the kernel wants.
ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 0x10, 0x20
NO_ID = 2**32 - 1

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


def test_hard_link(tmp_path: Path) -> None:
    """
    A file that has another name too is refused under both: who knows where that is.
    """
    path = write(tmp_path / "key.pem", GOOD)
    os.link(path, tmp_path / "other.pem")

    assert "2 of them" in refused("key-file-permissions", lambda: opened(path)).message
    (tmp_path / "other.pem").unlink()
    opened(path)


@pytest.mark.parametrize("mode", BAD_DIRECTORIES, ids=oct)
def test_directory_of_everybody(tmp_path: Path, mode: int) -> None:
    """
    A key is not read from, nor written to, a directory in which everybody may write.
    """
    (tmp_path / "keys").mkdir()
    path = write(tmp_path / "keys" / "key.pem", GOOD)
    path.parent.chmod(mode)
    error = refused("key-file-permissions", lambda: opened(path))
    refused("key-file-permissions", lambda: write_secret(path.with_name("new.pem"), GOOD))

    assert f"found mode {mode:04o}" in error.message
    assert f"chmod go-w {path.parent}" in error.hint
    assert ["key.pem"] == [found.name for found in path.parent.iterdir()]


@pytest.mark.parametrize("mode", BAD_DIRECTORIES, ids=oct)
def test_directory_above(tmp_path: Path, mode: int) -> None:
    """
    Where everybody may write on the way to it, only what is theirs may be theirs to take away.
    """
    (tmp_path / "above" / "keys").mkdir(parents=True)
    path = write(tmp_path / "above" / "keys" / "key.pem", GOOD)
    (tmp_path / "above").chmod(mode)

    if mode & stat.S_ISVTX:
        opened(path)
    else:
        assert (
            f"{path.parent.parent},"
            in refused("key-file-permissions", lambda: opened(path)).message
        )


@pytest.mark.parametrize("target", ["keys", "../{here}/keys", "{tmp}/keys", ".//keys/."])
def test_link_on_the_way(tmp_path: Path, target: str) -> None:
    """
    A directory may be a link; where it leads is looked at as if it were named.
    """
    (tmp_path / "keys").mkdir()
    write(tmp_path / "keys" / "key.pem", GOOD)
    (tmp_path / "link").symlink_to(target.format(here=tmp_path.name, tmp=tmp_path))
    opened(tmp_path / "link" / "key.pem")
    (tmp_path / "keys").chmod(0o777)

    refused("key-file-permissions", lambda: opened(tmp_path / "link" / "key.pem"))


def test_link_to_itself(tmp_path: Path) -> None:
    """
    A link is no way around the directory that the file is in, and one without an end is none.
    """
    write(tmp_path / "key.pem", GOOD)
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "loop").symlink_to("loop")
    opened(tmp_path / "here" / "key.pem")
    refused("key-file", lambda: opened(tmp_path / "loop" / "key.pem"))
    tmp_path.chmod(0o1777)

    refused("key-file-permissions", lambda: opened(tmp_path / "here" / "key.pem"))


def test_no_way(tmp_path: Path) -> None:
    """
    Where there is no way, no file is read or written.
    """
    write(tmp_path / "key.pem", GOOD)
    for path in (tmp_path / "none" / "key.pem", tmp_path / "key.pem" / "key.pem"):
        refused("key-file", lambda path=path: opened(path))  # type: ignore[misc]
        refused("key-file", lambda path=path: write_secret(path, GOOD))  # type: ignore[misc]


@pytest.mark.root
@pytest.mark.parametrize("owned", ["above", "above/keys", "above/link"])
def test_directory_of_another_user(tmp_path: Path, owned: str) -> None:
    """
    What belongs to another user on the way to a key is refused, even by root.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    (tmp_path / "above" / "keys").mkdir(parents=True)
    (tmp_path / "above" / "link").symlink_to("keys")
    write(tmp_path / "above" / "keys" / "key.pem", GOOD)
    path = tmp_path / "above" / "link" / "key.pem"
    opened(path)
    os.chown(tmp_path / owned, NOBODY, NOBODY, follow_symlinks=False)

    assert f"of user {NOBODY}" in refused("key-file-permissions", lambda: opened(path)).message


@pytest.mark.root
def test_group_of_strangers(tmp_path: Path) -> None:
    """
    A group may write there if nobody but we and root is in it.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to a group")
    path = write(tmp_path / "key.pem", GOOD)
    tmp_path.chmod(0o770)
    users = {user.pw_gid for user in pwd.getpwall() if user.pw_uid != 0}
    private = {group.gr_gid for group in grp.getgrall() if not group.gr_mem} - users
    for gid in (min(users), 123_456):  # the group of a user, and one that nobody knows
        os.chown(tmp_path, 0, gid)
        refused("key-file-permissions", lambda: opened(path))
    os.chown(tmp_path, 0, min(private))

    opened(path)


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


@pytest.mark.root
def test_directories_as_nobody(open_directory: Path) -> None:
    """
    A user without rights judges directories as root does, and trusts root's.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    expected = {}
    for who, mode, code in (
        (NOBODY, 0o700, "opened"),
        (NOBODY, 0o755, "opened"),
        (NOBODY, 0o777, "key-file-permissions"),
        (NOBODY, 0o1777, "key-file-permissions"),
        (0, 0o755, "opened"),
        (0, 0o775, "key-file-permissions"),  # root's group is not nobody's
        (0, 0o777, "key-file-permissions"),
        (0, 0o700, "key-file"),
        (12345, 0o755, "key-file-permissions"),
    ):
        directory = open_directory / f"{who}-{mode:o}"
        directory.mkdir()
        path = write(directory / "key.pem", GOOD)
        os.chown(path, NOBODY, NOBODY)
        os.chown(directory, who, 12345)
        directory.chmod(mode)
        expected[f"{directory.name}/key.pem"] = code

    assert expected == judged(open_directory, NOBODY, expected)


@pytest.mark.root
def test_list_of_rights(open_directory: Path) -> None:
    """
    A file of root's whose list of rights names one user is that user's, as systemd hands it over.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    expected = {}
    for name, rights, code in (
        ("ours", {(ACL_USER, NOBODY): 4}, "opened"),
        ("theirs", {(ACL_USER, 12345): 4}, "key-file"),  # cannot be opened at all
        ("both", {(ACL_USER, NOBODY): 4, (ACL_USER, 12345): 4}, "key-file-permissions"),
        ("group", {(ACL_USER, NOBODY): 4, (ACL_GROUP, 12345): 4}, "key-file-permissions"),
        ("own-group", {(ACL_USER, NOBODY): 4, (ACL_GROUP_OBJ, NO_ID): 4}, "key-file-permissions"),
        ("others", {(ACL_USER, NOBODY): 4, (ACL_OTHER, NO_ID): 4}, "key-file-permissions"),
    ):
        path = write(open_directory / name, GOOD, 0o400)
        entries = {
            (ACL_USER_OBJ, NO_ID): 4,
            (ACL_GROUP_OBJ, NO_ID): 0,
            (ACL_MASK, NO_ID): 4,
            (ACL_OTHER, NO_ID): 0,
            **rights,
        }
        packed = b"".join(
            struct.pack("<HHI", tag, right, who) for (tag, who), right in sorted(entries.items())
        )
        try:
            os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
        except OSError as e:
            pytest.skip(f"this file system keeps no lists of rights: {e}")
        assert path.stat().st_mode & 0o077
        expected[name] = code

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


@pytest.mark.parametrize("algorithm", ["rsa-3072"])
def test_sign_digest_rsa(algorithm: str) -> None:
    """
    RSA signs as verifiers check it: PKCS #1 v1.5 over SHA-256.
    """
    key = MemoryKey.generate(algorithm)
    digest = hashlib.sha256(b"message").digest()

    assert key.sign(b"message") == key.sign_digest(digest)
    key.public.verify_digest(key.sign(b"message"), digest)
    for wrong in (b"", bytes(20), bytes(48)):
        with pytest.raises(ValueError, match="digest"):
            key.sign_digest(wrong)


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44", "ml-dsa-65"])
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
    assert limits.KEY == len(read_secret(write(tmp_path / "secret", bytes(limits.KEY))))
    refused("key-file", lambda: read_secret(write(tmp_path / "secret", bytes(limits.KEY + 1))))
