"""Keys from elsewhere: read strictly, within bounds, and written under a passphrase alone."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import KeyFileError
from signer.keys import cosign_key, importing, open_key, pbes2
from signer.keys.home import Role
from signer.keys.homes import file
from signer.keys.importing import read_any
from signer.keys.memory import HeldKey, MemoryKey
from signer.keys.private import Private
from tests.signer import roots
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.commands import check_refused, one, sealbook
from tests.signer.openssl_authority import OPENSSL
from tests.signer.running import running
from tests.signer.world import World, found_in
from verifier.publickey import PublicKey

PASSPHRASE = b"secret"
ROLE = ("--name", "release", "--purpose", "approve")
SOURCE = ("--passphrase-source", "file:pass")
PKCS8, SEC1 = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
KEYS: tuple[Private, ...] = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 3072),
)
KEY = KEYS[0]

# Made by cosign 3.1: `COSIGN_PASSWORD=secret cosign generate-key-pair`.
COSIGN = b"""\
-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiI3UXFWbkFicTBMSnFjTWFWT1lhQlRPTVI3cU9Dc1Q2
KzhCUTFrakR4NjBRPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJJRlJDM241MFhrVlUvNENjdHUwdkJxWUUxOE1mQ3AwUiJ9LCJj
aXBoZXJ0ZXh0IjoidUV6WExDVHM0SW13RzBwMEUwVCt5U0RuWVJLZFhSd1JMc3N1
RjlkSjdDZUdDZFN5amo0bDFtQm5UZ29GVHZ6OUREZGlwM01oUHRsNklFaGw1ckRY
N3RTdm1rZFBnRERFbDd2NHVCZXJEaDhTSmQrWTZpbUlVSUhnWG02dlJCK0F2OEZ1
Y1l1ZmZYKzZJeTFReWQ1eUZnSis0YmhnWm0vUFMxaytWSlREL3Blclllb1dKVlR3
aG1yWW1wUHE5V0ExT3hiK3pYZWZ1TXl4SXc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
"""
COSIGN_PUBLIC = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEK45wC1nk1Ag8+gIDgAv/n3R2ltAs
e8kw3wRuS/pjj5aowTozi44+TbaXdaxgqa7OUt/T6oK0Srz5IIStklajgw==
-----END PUBLIC KEY-----
"""


def ask() -> bytes:
    """Give the passphrase."""
    return PASSPHRASE


def nobody() -> bytes:
    """Fail: nobody is to be asked."""
    raise AssertionError


def written(
    private: Private,
    encoding: Encoding = Encoding.PEM,
    form: PrivateFormat = PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """Return a private key as others write it."""
    return private.private_bytes(encoding, form, encryption or NoEncryption())


@functools.cache
def encrypted(encoding: Encoding = Encoding.PEM) -> bytes:
    """Return `KEY` under the passphrase, by PBES2."""
    words = "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 100000 -passout pass:secret"
    form = ("-outform", "PEM" if encoding is Encoding.PEM else "DER")
    return subprocess.run(
        [OPENSSL, *words.split(), *form], input=written(KEY), capture_output=True, check=True
    ).stdout


def pem(label: str, der: bytes) -> bytes:
    """Write PEM in lines of 64 characters."""
    text = base64.b64encode(der)
    lines = b"\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), lines, label.encode())


def cosign_file(*path: str, value: object) -> bytes:
    """Return cosign's file with one value changed."""
    whole = json.loads(base64.b64decode(b"".join(COSIGN.splitlines()[1:-1])))
    place = whole
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return pem("ENCRYPTED SIGSTORE PRIVATE KEY", json.dumps(whole).encode())


def same(private: Private, other: Private) -> bool:
    """Whether both are one key."""
    return HeldKey(private).public == HeldKey(other).public


@pytest.mark.parametrize("private", KEYS, ids=lambda key: HeldKey(key).public.algorithm.name)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_plain(private: Private, encoding: Encoding) -> None:
    """
    PKCS#8 without encryption is read, in PEM and in DER, and nobody is asked for a passphrase.
    """
    content = written(private, encoding)

    assert same(private, read_any(content, None, "key"))
    error = refused("key-file", lambda: read_any(content, nobody, "key"))
    assert "to be encrypted" in error.message


def test_line_ends(tmp_path: Path) -> None:
    """
    Lines of PEM may end as those of Windows do; bytes of DER are what they are.
    """
    content = written(KEY).replace(b"\n", b"\r\n")
    secret(tmp_path, "key.pem", content)
    scalar = int.from_bytes(b"\r\n" * 16, "big")
    private = ec.derive_private_key(scalar, ec.SECP256R1())

    assert same(KEY, read_any(content, None, "key"))
    assert HeldKey(KEY).public == open_key("file:key.pem", tmp_path).public
    assert same(private, read_any(written(private, Encoding.DER), None, "key"))


def test_sec1() -> None:
    """
    What `openssl ecparam -genkey` writes is read, with the curve's name before it or without.
    """
    content = written(KEY, form=SEC1)
    parameters = pem("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107"))

    assert same(KEY, read_any(content, None, "key"))
    assert same(KEY, read_any(parameters + content, None, "key"))


def test_encrypted() -> None:
    """
    PKCS#8 under enough rounds of PBKDF2 is read, in PEM and in DER.
    """
    for encoding in (Encoding.PEM, Encoding.DER):
        content = encrypted(encoding)
        assert same(KEY, read_any(content, ask, "key"))
        refused("key-passphrase", lambda content=content: read_any(content, None, "key"))  # type: ignore[misc]
        refused("key-passphrase", lambda content=content: read_any(content, lambda: b"x", "key"))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("-scrypt", ""),
        ("-scrypt -scrypt_N 8192", "key-file"),
        ("-v2 aes-128-cbc -v2prf hmacWithSHA512 -iter 600000", ""),
        ("-v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 99999", "key-file"),
        ("-v2 aes-256-cbc", "key-file"),  # 2,048 rounds
        ("-v2 aes-256-cbc -v2prf hmacWithSHA1 -iter 600000", "key-file"),
        ("-v2 des3 -v2prf hmacWithSHA256 -iter 600000", "key-file"),
        ("-v1 PBE-SHA1-3DES -iter 600000", "key-file"),
    ],
)
def test_openssl(tmp_path: Path, options: str, code: str) -> None:
    """
    What openssl encrypts is read if guessing the passphrase costs something, and else refused.
    """
    (tmp_path / "plain.pem").write_bytes(written(KEY))
    words = (OPENSSL, "pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:secret")
    done = subprocess.run(
        [*words, *options.split()], cwd=tmp_path, capture_output=True, check=True, timeout=60
    )

    if code:
        refused(code, lambda: read_any(done.stdout, nobody, "key"))
    else:
        assert same(KEY, read_any(done.stdout, ask, "key"))


def der(tag: int, *parts: bytes) -> bytes:
    """Write one value of DER."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + content


def number(value: int) -> bytes:
    """Write an INTEGER."""
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def scheme(
    kdf: str,
    *parameters: bytes,
    cipher: str = "60864801650304012a",
    kind: str = "2a864886f70d01050d",
) -> bytes:
    """Write a key that is encrypted by PBES2, with these parameters; nothing is inside."""
    return der(
        0x30,
        der(
            0x30,
            der(6, bytes.fromhex(kind)),
            der(
                0x30,
                der(0x30, der(6, bytes.fromhex(kdf)), der(0x30, *parameters)),
                der(0x30, der(6, bytes.fromhex(cipher)), der(4, bytes(16))),
            ),
        ),
        der(4, bytes(160)),
    )


SALT = der(4, bytes(16))
SHA_2 = der(0x30, der(6, bytes.fromhex("2a864886f70d0209")), der(5))
SHA_1 = der(0x30, der(6, bytes.fromhex("2a864886f70d0207")), der(5))
PBKDF2, SCRYPT = "2a864886f70d01050c", "2b06010401da47040b"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts to derive a key fails the test."""

    def derive(*_: object, **__: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(importing.serialization, "load_der_private_key", derive)
    monkeypatch.setattr(cosign_key, "Scrypt", derive)


@pytest.mark.parametrize(
    "content",
    [
        scheme(PBKDF2, SALT, number(pbes2.LEAST_ROUNDS), SHA_2),
        scheme(PBKDF2, SALT, number(pbes2.MOST_ROUNDS), number(32), SHA_2),
        scheme(SCRYPT, SALT, number(1 << 14), number(8), number(1)),
        scheme(SCRYPT, SALT, number(1 << 18), number(8), number(1), number(32)),
        scheme(SCRYPT, SALT, number(1 << 14), number(8), number(16)),
    ],
)
def test_enough_and_not_too_much(content: bytes) -> None:
    """
    What asks for as much work as it may, or as little, is worked on.
    """
    assert pbes2.is_encrypted(content)
    pbes2.check(content, "key")


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(scheme(PBKDF2, SALT, number(10**9), SHA_2), id="10^9 rounds"),
        pytest.param(scheme(PBKDF2, SALT, number(pbes2.MOST_ROUNDS + 1), SHA_2), id="more rounds"),
        pytest.param(scheme(PBKDF2, SALT, number(pbes2.LEAST_ROUNDS - 1), SHA_2), id="fewer"),
        pytest.param(scheme(PBKDF2, SALT, number(-(10**6)), SHA_2), id="negative"),
        pytest.param(scheme(PBKDF2, SALT, number(2**80), SHA_2), id="2^80 rounds"),
        pytest.param(scheme(PBKDF2, SALT, number(600_000)), id="SHA-1 by default"),
        pytest.param(scheme(PBKDF2, SALT, number(600_000), SHA_1), id="SHA-1"),
        pytest.param(scheme(PBKDF2, SALT, number(600_000), SHA_2, SHA_2), id="two hashes"),
        pytest.param(scheme(PBKDF2, SALT, number(600_000), SHA_2) + b"\0", id="byte after"),
        pytest.param(scheme(PBKDF2, SALT, number(600_000), SHA_2)[:-1], id="byte less"),
        pytest.param(scheme(PBKDF2, SALT, der(2), SHA_2), id="empty number"),
        pytest.param(scheme(PBKDF2, der(4, bytes(7)), number(600_000), SHA_2), id="short salt"),
        pytest.param(scheme(PBKDF2, SALT), id="no rounds"),
        pytest.param(scheme(PBKDF2), id="nothing"),
        pytest.param(
            scheme(PBKDF2, SALT, number(600_000), SHA_2, kind="2a864886f70d01050e"), id="PBMAC"
        ),
        pytest.param(
            scheme(PBKDF2, SALT, number(600_000), SHA_2, cipher="2b0e030207"), id="single DES"
        ),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 40), number(8), number(1)), id="N = 2^40"),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 14), number(1 << 20), number(1)), id="r"),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 14), number(8), number(1 << 20)), id="p"),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 18), number(8), number(2)), id="N·r·p"),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 13), number(8), number(1)), id="little N"),
        pytest.param(scheme(SCRYPT, SALT, number(1 << 14), number(8)), id="no p"),
        pytest.param(scheme(SCRYPT, SALT, number(0), number(8), number(1)), id="N = 0"),
        pytest.param(scheme("2a864886f70d01050e", SALT, number(600_000), SHA_2), id="other KDF"),
        *(
            pytest.param(
                cosign_file("kdf", "params", name, value=value), id=f"cosign {name} {value}"
            )
            for name, value in (
                ("N", 1 << 30),
                ("N", 1 << 19),
                ("N", 65_535),
                ("N", 1 << 14),
                ("N", 0),
                ("N", -65_536),
                ("r", 1 << 20),
                ("r", 1),
                ("p", 1 << 20),
                ("p", 0),
            )
        ),
        pytest.param(cosign_file("kdf", "name", value="argon2"), id="cosign kdf"),
        pytest.param(cosign_file("kdf", "salt", value="AAAA"), id="cosign salt"),
        pytest.param(cosign_file("cipher", "name", value="aes"), id="cosign cipher"),
        pytest.param(cosign_file("cipher", "nonce", value="AAAA"), id="cosign nonce"),
        pytest.param(cosign_file("more", value=1), id="cosign field"),
    ],
)
def test_too_much_or_too_little(content: bytes) -> None:
    """
    What a file may ask of the machine is bounded, and nothing is done before that is known.
    """
    refused("key-file", lambda: read_any(content, ask, "key"))
    if not content.startswith(b"-"):
        label = "ENCRYPTED PRIVATE KEY"
        refused("key-file", lambda: read_any(pem(label, content), nobody, "key"))


def _other(private: object) -> bytes:
    return written(private)  # type: ignore[arg-type]


def _spelled_otherwise() -> bytes:
    """Return a key whose Base64 says two bits that nobody reads."""
    content = written(KEYS[1])
    end = content.index(b"=")
    assert content[end - 1 : end] in b"AEIMQUYcgkosw048"
    return content[: end - 1] + bytes([content[end - 1] + 1]) + content[end:]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"", id="empty"),
        pytest.param(lambda: b"garbage", id="garbage"),
        pytest.param(lambda: b"\x30\x00", id="empty sequence"),
        pytest.param(lambda: b"a key:\n" + written(KEY), id="text before"),
        pytest.param(lambda: written(KEY) + b"and so on\n", id="text after"),
        pytest.param(lambda: written(KEY) + written(KEYS[1]), id="two keys"),
        pytest.param(
            lambda: written(KEY, form=SEC1) + written(KEYS[1], form=SEC1), id="two of SEC1"
        ),
        pytest.param(lambda: written(KEY).replace(b"M", b"!", 1), id="Base64"),
        pytest.param(lambda: pem("PRIVATE KEY", bytes(100)), id="zeros"),
        pytest.param(_spelled_otherwise, id="Base64 of another spelling"),
        pytest.param(lambda: written(KEY, Encoding.DER) + b"\0", id="byte after"),
        pytest.param(lambda: written(KEYS[3], form=SEC1), id="PKCS#1"),
        pytest.param(
            lambda: written(KEY, form=SEC1, encryption=BestAvailableEncryption(PASSPHRASE)),
            id="RFC 1421",
        ),
        pytest.param(
            lambda: KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            id="public",
        ),
        pytest.param(lambda: _other(ed448.Ed448PrivateKey.generate()), id="Ed448"),
        pytest.param(lambda: _other(dsa.generate_private_key(1024)), id="DSA"),
        pytest.param(lambda: COSIGN.replace(b"SIGSTORE", b"SOMEBODY"), id="label"),
    ],
)
def test_no_key(make: Callable[[], bytes]) -> None:
    """
    A file that is no one key of ours is refused, and what is in it is not shown.
    """
    content = make()
    error = refused("key-file", lambda: read_any(content, None, "key"))

    assert "BEGIN" not in error.message


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=3))
def test_any_parameters(place: int, byte: int, more: bytes) -> None:
    """
    Whatever the parameters of an encrypted key are, they are judged, or refused in a sentence.
    """
    content = encrypted(Encoding.DER)
    place %= len(content)
    for changed in (
        content[:place] + bytes([byte]) + content[place + 1 :],
        content[:place] + more + content[place:],
        content[:place],
    ):
        pbes2.is_encrypted(changed)
        try:
            pbes2.check(changed, "key")
        except KeyFileError:
            continue


@given(
    st.sampled_from((PBKDF2, SCRYPT, "00")),
    st.lists(st.sampled_from((SALT, number(1), number(1 << 17), SHA_2, der(5), der(0x30), b""))),
)
def test_any_shape(kdf: str, parameters: list[bytes]) -> None:
    """
    So are they in whatever number and order they come.
    """
    try:
        pbes2.check(scheme(kdf, *parameters), "key")
    except KeyFileError:
        return
    assert SALT == parameters[0]


def test_encrypted_file(tmp_path: Path) -> None:
    """
    Encrypted PKCS#8 can be a key as it is; too few rounds cannot, and no passphrase is asked for.
    """
    secret(tmp_path, "pass", b"secret\n")
    secret(tmp_path, "key.pem", encrypted())
    uri = "file:key.pem?passphrase-source=file:"
    key = open_key(uri + "pass", tmp_path, Role("any", "approve"))

    assert HeldKey(KEY).public == key.public
    assert not isinstance(key._key, MemoryKey)
    assert (
        "passphrase-source" in refused("key-file", lambda: open_key("file:key.pem", tmp_path)).hint
    )
    secret(tmp_path, "key.pem", written(KEY, encryption=BestAvailableEncryption(PASSPHRASE)))
    refused("key-file", lambda: open_key(uri + "none", tmp_path))


def test_cosign() -> None:
    """
    A key file of cosign's own is read, under both of its names.
    """
    for content in (COSIGN, COSIGN.replace(b"SIGSTORE", b"COSIGN")):
        key = HeldKey(read_any(content, ask, "cosign.key"))
        assert PublicKey.from_pem(COSIGN_PUBLIC) == key.public
    refused("key-passphrase", lambda: read_any(COSIGN, lambda: b"Secret", "cosign.key"))
    refused("key-passphrase", lambda: read_any(COSIGN, None, "cosign.key"))
    changed = cosign_file("ciphertext", value=base64.b64encode(bytes(178)).decode())
    refused("key-passphrase", lambda: read_any(changed, ask, "cosign.key"))


def test_cosign_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where what reads cosign's file is not installed, a sentence says what to install.
    """
    monkeypatch.setitem(sys.modules, "nacl.secret", None)
    error = refused("key-library", lambda: read_any(COSIGN, nobody, "cosign.key"))

    assert "pip install 'sealbook[cosign]'" == error.hint


def secret(directory: Path, name: str, content: bytes) -> Path:
    """Write a file that only its owner can read."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def imported(directory: Path, *words: object) -> str:
    """Import into release.key, which must work, and return what was said."""
    done = sealbook("key", "import", *words, "--out", "release.key", *ROLE, *SOURCE, cwd=directory)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("content", [written(KEY), written(KEY, form=SEC1), COSIGN])
def test_import(tmp_path: Path, content: bytes) -> None:
    """
    What is imported is a container for one name and purpose, and the public half is told.
    """
    secret(tmp_path, "pass", b"secret\n")
    secret(tmp_path, "theirs", content)
    more = ("--from-passphrase-source", "file:pass") if content is COSIGN else ()
    said = imported(tmp_path, "theirs", *more)
    uri = "file:release.key?passphrase-source=file:pass"
    key = open_key(uri, tmp_path, Role("release", "approve"))

    assert HeldKey(read_any(content, ask if more else None, "")).public == key.public
    assert uri in said
    assert key.public.pem().decode() in said
    assert "PRIVATE" not in said + (tmp_path / "release.key").read_text()
    assert content == (tmp_path / "theirs").read_bytes()
    refused("key-role", lambda: open_key(uri, tmp_path, Role("release", "attest")))


def test_import_refused(tmp_path: Path) -> None:
    """
    Nothing is written over, without a passphrase, from a file that others can read, or in
    another role than the key's own.
    """
    secret(tmp_path, "pass", b"secret\n")
    secret(tmp_path, "theirs", written(KEY))
    secret(tmp_path, "open", written(KEY)).chmod(0o644)
    imported(tmp_path, "theirs")
    before = (tmp_path / "release.key").read_bytes()

    def refuses(code: str, name: str, out: str, role: tuple[str, ...], *words: str) -> None:
        command = ("key", "import", name, "--out", out, *role)
        done = sealbook(*command, *(words or SOURCE), "--json", cwd=tmp_path)
        assert code == one(done)["error"]
        check_refused(done, code)

    other = ("--name", "release", "--purpose", "attest")
    again = (*SOURCE, "--from-passphrase-source", "file:pass")
    refuses("key-exists", "theirs", "release.key", ROLE)
    refuses("key-file-permissions", "open", "x.key", ROLE)
    refuses("key-passphrase", "theirs", "x.key", ROLE, "--passphrase-source", "secret")
    refuses("key-passphrase", "release.key", "x.key", ROLE)
    refuses("key-role", "release.key", "x.key", other, *again)
    refuses("key-file", "theirs", "x.key", ("--name", "Release", "--purpose", "approve"))
    refuses("key-uri", "theirs", "x#.key", ROLE)
    assert (
        2 == sealbook("key", "import", "theirs", "--out", "x.key", *ROLE, cwd=tmp_path).returncode
    )
    assert before == (tmp_path / "release.key").read_bytes()
    assert {"pass", "theirs", "open", "release.key"} == {path.name for path in tmp_path.iterdir()}


def test_import_without_a_passphrase(tmp_path: Path) -> None:
    """
    What is imported is never written in plain.
    """
    role = Role("release", "approve")
    refused("key-passphrase", lambda: file.import_key("x.key", role, tmp_path, KEY))

    assert [] == list(tmp_path.iterdir())


def test_import_again(tmp_path: Path) -> None:
    """
    A file of ours is imported under another passphrase, in its own role.
    """
    for name in ("pass", "new"):
        secret(tmp_path, name, name.encode())
    secret(tmp_path, "theirs", written(KEY))
    imported(tmp_path, "theirs")
    words = ("--from-passphrase-source", "file:pass", "--passphrase-source", "file:new")
    done = sealbook(
        "key", "import", "release.key", "--out", "x.key", *ROLE, *words, "--json", cwd=tmp_path
    )

    told = one(done)
    assert HeldKey(KEY).public == open_key(told["uri"], tmp_path).public
    assert base64.b64decode(told["public_key"]) == HeldKey(KEY).public.spki
    assert ("release", "approve", "ecdsa-p256") == (
        told["name"],
        told["purpose"],
        told["algorithm"],
    )
    old = told["uri"].replace("file:new", "file:pass")
    refused("key-passphrase", lambda: open_key(old, tmp_path))


def sealed(world: World, name: str, purpose: str) -> None:
    """Put a key of the world's into a container, and let the configuration say so."""
    if not (world.directory / "pass").exists():
        secret(world.directory, "pass", b"secret\n")
    words = ("--name", name, "--purpose", purpose, *SOURCE, "--out", f"keys/{name}.key")
    done = world.command("key", "import", f"keys/{name}.pem", *words)
    assert 0 == done.returncode, done.stderr
    (world.directory / "keys" / f"{name}.pem").unlink()
    world.edit(f"file:keys/{name}.pem", f"file:keys/{name}.key?passphrase-source=file:pass")


def test_service(tmp_path: Path) -> None:
    """
    A service signs with encrypted keys, and does not start with one that was made for another.
    """
    world = found_in(tmp_path / "service")
    for name, purpose in (("release", "approve"), ("event", "event")):
        sealed(world, name, purpose)
    with running(world) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        service.verify(signed)

    sealed(world, "attest", "approve")
    check_refused(world.spawn("serve"), "key-role")


def test_trust_sign(tmp_path: Path) -> None:
    """
    A root's key can be encrypted; then it was made for that, and for nothing else.
    """
    world = found_in(tmp_path / "service")
    secret(world.directory, "pass", b"secret\n")
    for purpose in ("root", "approve"):
        words = ("--name", "root", "--purpose", purpose, *SOURCE, "--out", f"{purpose}.key")
        roots.good(world.command("key", "import", roots.ROOT, *words))
    roots.created(world)
    check_refused(roots.sign(world, "approve.key", *SOURCE), "key-role")
    check_refused(roots.sign(world, "root.key"), "key-passphrase")

    assert "signed as" in roots.good(roots.sign(world, "root.key", *SOURCE))
    roots.trust_of(world)
