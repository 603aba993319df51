"""Keys in a SoftHSM token: what they sign verifies, and what is not guarded is refused."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, ObjectClass

from signer.keys import create_key, open_key
from signer.keys.home import Role
from signer.keys.memory import MemoryKey
from signer.keys.token.library import Library
from signer.keys.token.schemes import SCHEMES, Scheme
from tests.signer.asking import refused
from tests.signer.hsm.conftest import Shim
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, PIN, SoftToken, run
from verifier.algorithms import ECDSA_P256

pytestmark = NEEDS_SOFTHSM

ROLE = Role("release", "approve")
KINDS = {
    "ecdsa-p256": "EC:prime256v1",
    "ecdsa-p384": "EC:secp384r1",
    "ed25519": "EC:edwards25519",
    "rsa-2048": "rsa:2048",
    "rsa-3072": "rsa:3072",
}
PREHASHED = ("ecdsa-p256", "ecdsa-p384", "rsa-2048")


def imported(token: SoftToken, **different: bool) -> Path:
    """Bring a private key into the token alone, guarded but for what is `different`.

    Returns a file with its public half.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    usage = {"SIGN": True, "SENSITIVE": True, "EXTRACTABLE": False, "PRIVATE": True, **different}
    template = {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.TOKEN: True,
        Attribute.ID: b"\x01",
        Attribute.LABEL: "release",
        Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107"),
        Attribute.VALUE: scalar,
        **{Attribute[name]: value for name, value in usage.items()},
    }
    library = pkcs11.lib(str(token.module))
    with suppress(pkcs11.PKCS11Error):
        library.finalize()  # it was, behind its back
    library.initialize()
    session = library.get_token(token_label=token.label).open(rw=True, user_pin=PIN)
    session.create_object(template)
    session.close()
    library.finalize()
    public = token.directory / "imported.pub"
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return public


def stranger_object(token: SoftToken, key_id: str, label: str) -> None:
    """Put a public key into the token whose private half is nowhere."""
    pem, der = token.directory / "stranger.pub", token.directory / "stranger.der"
    pem.write_bytes(MemoryKey.generate("ecdsa-p256").public.pem())
    run("openssl", "pkey", "-pubin", "-in", str(pem), "-outform", "DER", "-out", str(der))
    token.tool("-w", str(der), "-y", "pubkey", "--id", key_id, "--label", label)


@pytest.mark.parametrize("algorithm", KINDS)
def test_keys_of_other_tools_are_used(token: SoftToken, algorithm: str) -> None:
    """
    A key that OpenSC's pkcs11-tool made signs, and our verifier agrees.
    """
    token.make(KINDS[algorithm], "release", "0102")

    with token.key("id=%01%02") as key:
        assert algorithm == key.public.algorithm.name
        for message in (b"", b"a message", bytes(100_000)):
            key.public.verify(key.sign(message), message)


@pytest.mark.parametrize("algorithm", KINDS)
def test_keys_of_ours_sign_and_do_nothing_else(token: SoftToken, algorithm: str) -> None:
    """
    A key that was made here cannot leave the token, can only sign, and bears its public key's
    hash as its id.
    """
    key = create_key(token.uri(), token.directory, ROLE, algorithm)
    key.public.verify(key.sign(b"x"), b"x")
    said = key.attributes
    key.close()

    yes = (
        "SENSITIVE",
        "PRIVATE",
        "TOKEN",
        "SIGN",
        "ALWAYS_SENSITIVE",
        "NEVER_EXTRACTABLE",
        "LOCAL",
    )
    no = ("EXTRACTABLE", "DECRYPT", "UNWRAP", "DERIVE", "SIGN_RECOVER", "COPYABLE")
    assert ["true"] * len(yes) == [said[f"CKA_{name}"] for name in yes]
    assert ["false"] * len(no) == [said[f"CKA_{name}"] for name in no]
    assert hashlib.sha256(key.public.spki).hexdigest() == said["CKA_ID"]
    assert ("pkcs11", "release", "sealbook") == (
        said["home"],
        said["CKA_LABEL"],
        said["token_label"],
    )
    assert PIN not in str(dict(said))
    with token.key("object=release") as again:
        assert key.public == again.public


@pytest.mark.parametrize("algorithm", PREHASHED)
def test_hashes_are_signed(token: SoftToken, algorithm: str) -> None:
    """
    The signature over a hash is one over its message.
    """
    token.make(KINDS[algorithm], "release", "01")
    with token.key("object=release") as key:
        digest = hashlib.new(key.public.algorithm.hash_name, b"a message").digest()

        key.public.verify(key.sign_digest(digest), b"a message")


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"])
def test_a_hash_of_another_length_is_not_signed(
    token: SoftToken, shim: Shim, algorithm: str
) -> None:
    """
    SoftHSM would sign a hash of five bytes; it never gets one. Ed25519 signs no hashes at all.
    """
    token.make(KINDS[algorithm], "release", "01")
    for length in (5, 0, 64, 31):
        with token.key("object=release", "sessions=1") as key:
            before = shim.calls("S")
            refused("key-failed", lambda n=length: key.sign_digest(bytes(n)))  # type: ignore[misc]
            assert before == shim.calls("S")


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.algorithm)
def test_an_answer_of_another_length_is_no_signature(scheme: Scheme) -> None:
    """
    Half of r and s would still be two numbers; only an answer of the one right length is taken.
    """
    for length in (0, 2, scheme.size - 1, scheme.size + 1):
        refused("key-failed", lambda n=length: scheme.signature(bytes(n)))  # type: ignore[misc]
    scheme.signature(b"\x01" * scheme.size)


def test_both_halves_of_s_verify(token: SoftToken) -> None:
    """
    SoftHSM gives a high s half of the time, and such signatures verify as the others do.
    """
    token.make(KINDS["ecdsa-p256"], "release", "01")
    half = ECDSA_P256.order // 2
    highs = set()
    with token.key("object=release") as key:
        for n in range(64):
            signature = key.sign(b"%d" % n)
            key.public.verify(signature, b"%d" % n)
            highs.add(decode_dss_signature(signature)[1] > half)

    assert {True, False} == highs


def test_a_label_finds_one_key(token: SoftToken) -> None:
    """
    Two keys of one label are refused with their ids, and told apart by them.
    """
    token.make("EC:prime256v1", "release", "01")
    token.make("EC:prime256v1", "release", "02")

    refusal = refused("key-object", lambda: open_key(token.uri("object=release"), token.directory))

    assert "01, 02" in refusal.hint
    with token.key("object=release;id=%01") as one, token.key("id=%02") as two:
        assert one.public != two.public


def test_two_keys_of_one_id_are_refused(token: SoftToken) -> None:
    """
    An id that two private keys have finds neither.
    """
    token.make("EC:prime256v1", "release", "01")
    token.make("EC:prime256v1", "another", "01")

    assert "found 2" in _refused(token, "id=%01")


def test_what_is_not_there_is_refused(token: SoftToken) -> None:
    """
    A key that is not in the token, and a token that is in no slot, are told apart.
    """
    assert "no private key" in _refused(token, "object=release")
    token.label = "another"
    assert "is not there" in _refused(token, "object=release", code="key-unavailable")


def test_a_uri_without_a_key_is_refused(token: SoftToken) -> None:
    """
    A URI that names a token alone opens nothing.
    """
    assert "which key" in _refused(token, "", code="key-uri")


@pytest.mark.parametrize("different", ["SENSITIVE", "EXTRACTABLE", "SIGN", "PRIVATE"])
def test_keys_that_are_not_guarded_are_refused(token: SoftToken, different: str) -> None:
    """
    A key that could leave the token, needs no PIN, or is not for signing is refused for that.
    """
    public = imported(token, **{different: different == "EXTRACTABLE"})

    said = _refused(token, "object=release", f"public-key={public}")

    assert f"expected CKA_{different} = " in said


def test_an_imported_key_shows_that_it_was_outside(token: SoftToken) -> None:
    """
    A guarded key that came from outside is used, once its public half is known, and says that
    somebody could have read it.
    """
    public = imported(token)

    assert "which public key" in _refused(token, "object=release")
    with token.key("object=release", f"public-key={public}") as key:
        assert public.read_bytes() == key.public.pem()
        assert ("false", "false") == (
            key.attributes["CKA_NEVER_EXTRACTABLE"],
            key.attributes["CKA_LOCAL"],
        )


def test_another_key_than_the_pinned_one_is_refused(token: SoftToken) -> None:
    """
    With public-key= in its URI, a key with another public half is refused.
    """
    token.make("EC:prime256v1", "release", "01")
    stranger = token.directory / "stranger.pub"
    stranger.write_bytes(MemoryKey.generate("ecdsa-p256").public.pem())
    with token.key("object=release") as key:
        pinned = token.directory / "release.pub"
        pinned.write_bytes(key.public.pem())

    with token.key("object=release", f"public-key={pinned}"):
        pass
    assert "expected <PublicKey" in _refused(token, "object=release", f"public-key={stranger}")
    missing = token.directory / "missing.pub"
    _refused(token, "object=release", f"public-key={missing}", code="key-file")
    missing.write_bytes(b"no key")
    _refused(token, "object=release", f"public-key={missing}", code="key-file")


def test_the_public_object_is_not_believed(token: SoftToken) -> None:
    """
    A public object beside the private one that belongs to another key gives nothing away.
    """
    imported(token)
    stranger_object(token, "01", "release")

    assert "is not by" in _refused(token, "id=%01")


def test_nothing_is_made_twice(token: SoftToken) -> None:
    """
    A label that is taken, by an object of any kind, makes no second key, and neither does an id.
    """
    create_key(token.uri("object=a;id=%01"), token.directory, ROLE, "ecdsa-p256").close()
    stranger_object(token, "02", "c")

    for key in ("object=a", "object=b;id=%01", "object=c"):
        uri = token.uri(key)
        refused("key-exists", lambda u=uri: create_key(u, token.directory, ROLE, "ecdsa-p256"))  # type: ignore[misc]
    assert 1 == token.tool("--list-objects").count("Private Key Object")


def test_unknown_algorithms_are_refused(token: SoftToken) -> None:
    """
    What a token of ours cannot make is refused before it is asked.
    """
    create = lambda: create_key(token.uri(), token.directory, ROLE, "ml-dsa-44")  # noqa: E731
    assert "found ml-dsa-44" in refused("key-object", create).message


def test_another_curve_is_refused(token: SoftToken) -> None:
    """
    A key on a curve that verifiers do not know is refused at opening.
    """
    token.make("EC:secp521r1", "release", "01")

    assert "curve" in _refused(token, "object=release")


def test_a_library_that_anybody_may_write_is_refused(token: SoftToken, tmp_path: Path) -> None:
    """
    The library gets the PIN, so one that everybody may write, or none at all, is not loaded.
    """
    token.module = tmp_path / "missing.so"
    assert "cannot read" in _refused(token, "object=a", code="key-library")
    token.module.write_bytes(b"no library")
    assert "no PKCS#11 library" in _refused(token, "object=a", code="key-library")
    token.module.chmod(0o666)
    assert "everybody may write" in _refused(token, "object=a", code="key-library")


def test_a_library_under_two_names_is_one(token: SoftToken, tmp_path: Path) -> None:
    """
    Keys that name one library by two paths share it, and neither takes it from the other.
    """
    token.make("EC:prime256v1", "release", "01")
    with token.key("object=release") as one:
        link = tmp_path / "link.so"
        link.symlink_to(token.module)
        token.module = link
        with token.key("id=%01") as two:
            assert 1 == len(Library._held)
            two.sign(b"x")
        one.sign(b"x")


def _refused(token: SoftToken, key: str, *more: str, code: str = "key-object") -> str:
    return refused(code, lambda: open_key(token.uri(key, *more), token.directory)).message
