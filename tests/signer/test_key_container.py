"""The container of a key: opened with its passphrase, for what it was made, and unchanged."""

from __future__ import annotations

import base64
import copy
import functools
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from signer.keys import container as containers
from signer.keys import create_key, open_key
from signer.keys.container import LEAST, MOST, PURPOSES, WORK, Container, Work
from signer.keys.home import Role
from signer.keys.memory import HeldKey, MemoryKey
from signer.keys.private import ALGORITHMS, Private, generate
from tests.signer.asking import refused
from verifier.errors import SealbookError

ROLE = Role("release", "approve")
PASSPHRASE = b"correct horse battery staple"
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
URI = "file:release.key?passphrase-source=file:pass"

# Written by the first version of this format: whoever has such a file can open it for good.
FIRST = b"""\
{
  "type": "urn:sealbook:key:v1",
  "name": "release",
  "purpose": "approve",
  "public_key": "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
  "kdf": {
    "name": "argon2id",
    "memory_kib": 65536,
    "passes": 3,
    "lanes": 4,
    "salt": "GRl4UxCu025uN4hMF54K8w=="
  },
  "cipher": {
    "name": "aes-256-gcm",
    "nonce": "Zh/wUzdojFXTN+lj"
  },
  "ciphertext": "TJUZfvyMdkcEDUcKUiC5SKfbo2fy9kbhUsXPTTIA2mlKgXSzORrvjIpKwypqQBhpTrKGdO6vME8/KDLzks5+RA=="
}
"""  # noqa: E501
FIRST_PUBLIC = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


def ask() -> bytes:
    """Give the passphrase."""
    return PASSPHRASE


def nobody() -> bytes:
    """Fail: nobody is to be asked."""
    raise AssertionError


def sealed(role: Role = ROLE, private: Private = KEY, work: Work = LEAST) -> Container:
    """Return a key in a container that costs little."""
    return Container.seal(private, role, PASSPHRASE, work)


def opened(content: bytes, role: Role = ROLE, asked: Callable[[], bytes] = ask) -> Private:
    """Open a file's content."""
    return Container.parse(content, "release.key").open(asked, role, "release.key")


def edited(content: bytes, *path: str, value: object) -> bytes:
    """Return a file, written as it should be, in which one value is another."""
    whole = json.loads(content)
    place = whole
    for name in path[:-1]:
        place = place[name]
    assert place[path[-1]] != value
    place[path[-1]] = value
    return json.dumps(whole, indent=2).encode() + b"\n"


def key_in(directory: Path, content: bytes, passphrase: bytes = PASSPHRASE) -> Path:
    """Write a container, and its passphrase, where `URI` looks for them."""
    for name, bytes_ in (("release.key", content), ("pass", passphrase)):
        (directory / name).touch(mode=0o600)
        (directory / name).write_bytes(bytes_)
    return directory


@pytest.fixture(scope="module")
def derived_once() -> Iterator[None]:
    """The same passphrase, salt and work are not worked on twice: many files differ elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(containers, "derive", functools.cache(containers.derive))
        yield


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts to derive a key fails the test."""

    def derive(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(containers, "Argon2id", derive)


CONTENT = sealed().content()


def test_first() -> None:
    """
    A file of the first version opens, and is written again as it was.
    """
    container = Container.parse(FIRST, "first")
    private = container.open(ask, ROLE, "first")

    assert FIRST == container.content()
    assert (ROLE, WORK) == (container.role, container.work)
    assert base64.b64decode(FIRST_PUBLIC) == private.public_key().public_bytes_raw()


@settings(max_examples=25)  # each is worked for twice
@given(
    st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", fullmatch=True),
    st.sampled_from(PURPOSES),
)
@pytest.mark.usefixtures("derived_once")
def test_round_trip(name: str, purpose: str) -> None:
    """
    Whatever is sealed reads back to the same file, and opens for its role and for any.
    """
    container = sealed(Role(name, purpose))
    content = container.content()

    assert container == Container.parse(content, "key")
    for role in (Role(name, purpose), Role(name, ""), Role("", purpose), Role("", "")):
        assert KEY.private_bytes_raw() == opened(content, role).private_bytes_raw()


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255))
@pytest.mark.usefixtures("derived_once")
def test_changed_byte(place: int, byte: int) -> None:
    """
    A file in which any byte is another is refused.
    """
    assume(CONTENT[place] != byte)
    changed = CONTENT[:place] + bytes([byte]) + CONTENT[place + 1 :]

    with pytest.raises(SealbookError) as caught:
        opened(changed)
    assert caught.value.code in ("key-file", "key-passphrase", "key-role")


@given(st.integers(0, len(CONTENT) - 1), st.binary(max_size=3), st.integers(0, 3))
@pytest.mark.usefixtures("derived_once")
def test_changed_length(place: int, added: bytes, removed: int) -> None:
    """
    So is one in which bytes are missing, or others are between them.
    """
    changed = CONTENT[:place] + added + CONTENT[place + removed :]
    assume(changed != CONTENT)

    with pytest.raises(SealbookError) as caught:
        opened(changed)
    assert caught.value.code in ("key-file", "key-passphrase", "key-role")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), "hotfix"),
        (("purpose",), "attest"),
        (("public_key",), base64.b64encode(HeldKey(generate("ed25519")).public.spki).decode()),
        (("kdf", "memory_kib"), LEAST.memory_kib + 1),
        (("kdf", "passes"), LEAST.passes + 1),
        (("kdf", "lanes"), LEAST.lanes + 1),
        (("kdf", "salt"), base64.b64encode(bytes(16)).decode()),
        (("cipher", "nonce"), base64.b64encode(bytes(12)).decode()),
        (("ciphertext",), base64.b64encode(bytes(80)).decode()),
        (("ciphertext",), ""),
    ],
)
def test_bound(path: tuple[str, ...], value: object) -> None:
    """
    Every value of a file is part of what opens it, its name and purpose too.
    """
    error = refused(
        "key-passphrase", lambda: opened(edited(CONTENT, *path, value=value), Role("", ""))
    )

    assert "release.key: a wrong passphrase, or the file was changed" == error.message


@pytest.mark.parametrize(
    "wrong", [b"", b"x", PASSPHRASE[:-1], PASSPHRASE + b"\n", PASSPHRASE.upper()]
)
def test_wrong_passphrase(wrong: bytes) -> None:
    """
    A wrong passphrase is refused in the words of a changed file: nothing tells them apart.
    """
    error = refused("key-passphrase", lambda: opened(CONTENT, asked=lambda: wrong))

    assert "release.key: a wrong passphrase, or the file was changed" == error.message


@pytest.mark.parametrize(
    "role",
    [Role("hotfix", "approve"), Role("release", "attest"), Role("", "attest"), Role("hotfix", "")],
)
def test_other_role(role: Role) -> None:
    """
    A key that was made for another name or purpose is refused, before anybody is asked.
    """
    refused("key-role", lambda: opened(CONTENT, role, nobody))


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_kib", 10 << 20),  # 10 GiB
        ("memory_kib", MOST.memory_kib + 1),
        ("memory_kib", 2**32 + LEAST.memory_kib),
        ("memory_kib", 2**63),
        ("memory_kib", LEAST.memory_kib - 1),
        ("memory_kib", 8),
        ("memory_kib", 0),
        ("memory_kib", -WORK.memory_kib),
        ("memory_kib", True),
        ("passes", 10**9),
        ("passes", MOST.passes + 1),
        ("passes", LEAST.passes - 1),
        ("passes", 0),
        ("lanes", 1 << 20),
        ("lanes", MOST.lanes + 1),
        ("lanes", 0),
    ],
)
def test_too_much_or_too_little(tmp_path: Path, field: str, value: int) -> None:
    """
    What a file may ask of the machine is bounded, and nothing is done before that is known.
    """
    hostile = edited(CONTENT, "kdf", field, value=value)

    refused("key-file", lambda: Container.parse(hostile, "release.key"))
    refused("key-file", lambda: open_key(URI, key_in(tmp_path, hostile)))


@pytest.mark.usefixtures("no_work")
def test_bounded_once_more() -> None:
    """
    Nor is it done for a container that nobody parsed.
    """
    huge = Container.parse(CONTENT, "")._replace(work=WORK._replace(memory_kib=10 << 20))

    refused("key-file", lambda: huge.open(ask, ROLE, "release.key"))


def _without(*path: str) -> bytes:
    whole = json.loads(CONTENT)
    place = whole
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return json.dumps(whole, indent=2).encode() + b"\n"


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{}", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{" * 5000, id="deep"),
        pytest.param(json.dumps(json.loads(CONTENT)).encode() + b"\n", id="one line"),
        pytest.param(CONTENT[:-1], id="no newline"),
        pytest.param(CONTENT + b"\n", id="two newlines"),
        pytest.param(CONTENT.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(CONTENT.replace(b'"name"', b'"n\\u0061me"'), id="escaped"),
        pytest.param(
            CONTENT.replace(b'{\n  "type"', b'{\n  "name": "x",\n  "type"', 1), id="twice"
        ),
        pytest.param(CONTENT.replace(b'{\n  "type"', b'{\n  "note": "x",\n  "type"', 1), id="more"),
        pytest.param(edited(CONTENT, "type", value="urn:sealbook:key:v2"), id="version"),
        pytest.param(edited(CONTENT, "name", value="Release"), id="name"),
        pytest.param(edited(CONTENT, "name", value=""), id="no name"),
        pytest.param(edited(CONTENT, "purpose", value="everything"), id="purpose"),
        pytest.param(edited(CONTENT, "purpose", value=""), id="no purpose"),
        pytest.param(edited(CONTENT, "public_key", value=""), id="no public key"),
        pytest.param(edited(CONTENT, "kdf", "name", value="argon2i"), id="kdf"),
        pytest.param(edited(CONTENT, "kdf", "salt", value="AAAA"), id="salt"),
        pytest.param(edited(CONTENT, "cipher", "name", value="aes-128-gcm"), id="cipher"),
        pytest.param(edited(CONTENT, "cipher", "nonce", value="AAAA"), id="nonce"),
        *(
            pytest.param(_without(*path), id="no " + ".".join(path))
            for path in (("type",), ("kdf",), ("kdf", "passes"), ("cipher",), ("ciphertext",))
        ),
    ],
)
def test_no_container(tmp_path: Path, content: bytes) -> None:
    """
    A container has one spelling; anything else is refused, and nothing is tried.
    """
    refused("key-file", lambda: open_key(URI, key_in(tmp_path, content)))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("type",), "urn:sealbook:key:v2", "urn:sealbook:key:v1"),
        (("kdf", "name"), "argon2d", "argon2id"),
        (("cipher", "name"), "aes-256-siv", "aes-256-gcm"),
    ],
)
def test_another_version(path: tuple[str, ...], value: str, said: str) -> None:
    """
    Of a file that another version wrote it is said what was expected.
    """
    content = edited(CONTENT, *path, value=value)

    assert said in refused("key-file", lambda: Container.parse(content, "release.key")).message


def test_another_key_inside() -> None:
    """
    The key inside has to be the one that the file says, even to who knows the passphrase.
    """
    der = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    lying = sealed()._replace(public=HeldKey(generate("ed25519")).public)
    ciphertext = lying._cipher(PASSPHRASE).encrypt(lying.nonce, der, lying.bound)
    lying = lying._replace(ciphertext=ciphertext)

    error = refused("key-file", lambda: lying.open(ask, ROLE, "release.key"))
    assert "another key" in error.message


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (LEAST, "7132e6a6028b7abb94eb36beb767146777cd7c75426211a827c8a7a5c50d7307"),
        (
            LEAST._replace(memory_kib=LEAST.memory_kib + 1),
            "08ff169be9feb15dd944dd195ec128715ef359353ec23f4e5773098d8dd7f8f9",
        ),
        (
            LEAST._replace(passes=3),
            "151c25dce65203058c0e3cebc176a746bdf0421819577878045c20ab2c9a6c79",
        ),
        (
            LEAST._replace(lanes=2),
            "dac1f6a263733b216fe2b4eb471670d006973b99e355140ac916ee1c78959168",
        ),
    ],
)
def test_derived(work: Work, expected: str) -> None:
    """
    The key is what Node's Argon2id makes of the same passphrase, salt and work.
    """
    assert expected == containers.derive(b"correct horse", bytes([7]) * 16, work).hex()


def test_sealed_anew() -> None:
    """
    No two containers share a salt or a nonce.
    """
    made = [sealed() for _ in range(8)]

    assert 8 == len({one.salt for one in made}) == len({one.nonce for one in made})


@pytest.mark.parametrize("role", [Role("", "approve"), Role("Release", "approve"), Role("x", "y")])
def test_no_role(role: Role) -> None:
    """
    A container is for a name and a purpose that there are.
    """
    refused("key-file", lambda: sealed(role))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_created(tmp_path: Path, algorithm: str) -> None:
    """
    A key of each algorithm is made in a container, and signs after it was opened again.
    """
    key_in(tmp_path, b"").joinpath("release.key").unlink()
    made = create_key(URI, tmp_path, ROLE, algorithm)
    again = open_key(URI, tmp_path, ROLE)

    assert 0o100600 == (tmp_path / "release.key").stat().st_mode
    assert b"PRIVATE" not in (tmp_path / "release.key").read_bytes()
    assert (algorithm, made.public) == (again.public.algorithm.name, again.public)
    made.public.verify(again.sign(b"message"), b"message")
    assert ("container", *ROLE) == tuple(again.attributes[n] for n in ("form", "name", "purpose"))
    refused("key-exists", lambda: create_key(URI, tmp_path, ROLE, algorithm))


def test_created_wrongly(tmp_path: Path) -> None:
    """
    Where a key cannot be made, no file is left.
    """
    key_in(tmp_path, b"").joinpath("release.key").unlink()
    refused("key-file", lambda: create_key(URI, tmp_path, ROLE, "rsa-1024"))
    refused("key-file", lambda: create_key(URI, tmp_path, Role("release", "all"), "ed25519"))
    (tmp_path / "pass").write_bytes(b"\n")
    refused("key-passphrase", lambda: create_key(URI, tmp_path, ROLE, "ed25519"))

    assert ["pass"] == [path.name for path in tmp_path.iterdir()]


def test_said_by_the_configuration(tmp_path: Path) -> None:
    """
    Whether a file has to be encrypted is not for the file to say.
    """
    key_in(tmp_path, CONTENT)
    plain, encrypted = MemoryKey(KEY), tmp_path / "release.key"
    open_key(URI, tmp_path)

    refused("key-passphrase", lambda: open_key("file:release.key", tmp_path))
    encrypted.unlink()
    plain.save(encrypted)
    refused("key-file", lambda: open_key(URI, tmp_path))


def test_no_way_out(tmp_path: Path) -> None:
    """
    A key that was in a container has no method that writes it, and is not copied or pickled.
    """
    key: Any = open_key(URI, key_in(tmp_path, CONTENT))._key

    assert not isinstance(key, MemoryKey)
    assert not [name for name in dir(key) if name in ("save", "export", "private_bytes", "load")]
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="stays where it is"):
            take(key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_not_shown(algorithm: str) -> None:
    """
    What is printed of a key is its public half.
    """
    for key in (HeldKey(generate(algorithm)), MemoryKey.generate(algorithm)):
        assert f"<{type(key).__name__} {key.public!r}>" == repr(key) == str(key) == f"{key}"
