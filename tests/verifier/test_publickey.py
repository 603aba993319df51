"""Public keys: which we take, in which encoding, and which signatures they accept."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.interop.edits import P256_ORDER
from tests.verifier.making import Signer, public, refused, rows
from verifier import limits, publickey
from verifier._strict import b64encode
from verifier.errors import VerificationError
from verifier.publickey import PublicKey, ed25519

ALGORITHMS = ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048", "ml-dsa-65")
KEY = Signer()
SPKI = KEY.public.spki
PEM = KEY.public.pem()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signatures(algorithm: str) -> None:
    """
    A signature verifies under its key over its message, and under nothing else.
    """
    signer, other = Signer(algorithm), Signer(algorithm)
    signature = signer.sign(b"message")
    signer.public.verify(signature, b"message")

    refused("bad-signature", lambda: signer.public.verify(signature, b"message\n"))
    refused("bad-signature", lambda: signer.public.verify(signature + b"\0", b"message"))
    refused("bad-signature", lambda: signer.public.verify(signature[:-1], b"message"))
    refused("bad-signature", lambda: other.public.verify(signature, b"message"))
    digest = hashlib.sha256(b"message").digest()
    refused("bad-signature", lambda: signer.public.verify(signature, digest))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 256, 100_000])
def test_junk_signatures(algorithm: str, size: int) -> None:
    """
    Junk of any length is refused as a signature, and raises nothing else.
    """
    key = Signer(algorithm).public

    refused("bad-signature", lambda: key.verify(bytes(size), b"message"))
    refused("bad-signature", lambda: key.verify(b"\x30" * size, b"message"))


def _der(r: bytes, s: bytes) -> bytes:
    body = b"\x02%c%b\x02%c%b" % (len(r), r, len(s), s)
    return b"\x30%c%b" % (len(body), body)


N = P256_ORDER.to_bytes(33, "big")


@pytest.mark.parametrize(
    "signature",
    rows(
        ("r and s are 0", _der(b"\0", b"\0")),
        ("r is 0", _der(b"\0", b"\1")),
        ("r and s are n", _der(N, N)),
        ("negative", _der(b"\xff", b"\xff")),
        ("raw", b"\1" * 64),
        ("indefinite length", b"\x30\x80\x02\x01\x01\x02\x01\x01\0\0"),
        ("long length", b"\x30\x81\x06\x02\x01\x01\x02\x01\x01"),
        ("padded", _der(b"\0\1", b"\0\1")),
        ("empty numbers", _der(b"", b"")),
    ),
)
def test_malformed_ecdsa(signature: bytes) -> None:
    """
    An ECDSA signature is DER of two numbers below the order, and nothing like it.
    """
    refused("bad-signature", lambda: KEY.public.verify(signature, b"message"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_encodings(algorithm: str) -> None:
    """
    A key is the same from its DER and from its PEM, and names itself.
    """
    key = Signer(algorithm).public
    again = PublicKey.from_pem(key.pem())
    digest = hashlib.sha256(key.spki)

    assert (key, hash(key)) == (again, hash(again))
    assert (digest.hexdigest(), b64encode(digest.digest())) == (key.fingerprint, key.hint)
    assert algorithm == key.algorithm.name
    assert algorithm in repr(key)


@pytest.mark.parametrize("other", [Signer().public, SPKI, None])
def test_other_keys_are_not_equal(other: object) -> None:
    """
    A key equals no other key, and nothing that is no key.
    """
    assert other != KEY.public


def test_raw() -> None:
    """
    Only an Ed25519 key is 32 bytes.
    """
    key = Signer("ed25519").public

    assert key == ed25519(key.raw)
    refused("unsupported-key", lambda: KEY.public.raw)


HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
P384_HEAD = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")
ED_HEAD = bytes.fromhex("302a300506032b6570032100")


def _compressed(signer: Signer) -> bytes:
    """Return the point of `signer` with one coordinate and the sign of the other."""
    point: bytes = signer._key.public_key().public_bytes(
        Encoding.X962, PublicFormat.CompressedPoint
    )
    return point


COMPRESSED = b"\x30\x39" + HEAD[2:-3] + b"\x03\x22\0" + _compressed(KEY)
P384_COMPRESSED = b"\x30\x46" + P384_HEAD[2:-3] + b"\x03\x32\0" + _compressed(Signer("ecdsa-p384"))


@pytest.mark.parametrize(
    ("spki", "code"),
    rows(
        ("nothing", b"", "unsupported-key"),
        ("junk", b"x" * 91, "unsupported-key"),
        ("PEM", PEM, "unsupported-key"),
        ("trailing byte", SPKI + b"\0", "unsupported-key"),
        ("missing byte", SPKI[:-1], "unsupported-key"),
        ("compressed", COMPRESSED, "unsupported-key"),
        ("compressed P-384", P384_COMPRESSED, "unsupported-key"),
        ("hybrid", HEAD + b"\x06" + SPKI[27:], "unsupported-key"),
        ("hybrid, odd", HEAD + b"\x07" + SPKI[27:], "unsupported-key"),
        ("not on the curve", SPKI[:-1] + bytes([SPKI[-1] ^ 1]), "unsupported-key"),
        ("point 0, 0", HEAD + b"\4" + bytes(64), "unsupported-key"),
        ("point at infinity", b"\x30\x19" + HEAD[2:-3] + b"\x03\x02\0\0", "unsupported-key"),
        ("long length", b"\x30\x81\x59" + SPKI[2:], "unsupported-key"),
        ("Ed25519 of 31 bytes", ED_HEAD + bytes(31), "unsupported-key"),
        ("Ed25519 of 33 bytes", ED_HEAD + bytes(33), "unsupported-key"),
        ("P-384 with a byte more", Signer("ecdsa-p384").public.spki + b"\0", "unsupported-key"),
        ("RSA with a byte more", Signer("rsa-2048").public.spki + b"\0", "unsupported-key"),
        ("too long", bytes(limits.KEY + 1), "over-limit"),
    ),
)
def test_bad_spki(spki: bytes, code: str) -> None:
    """
    A key has one encoding; another one, or no point of the curve, is refused.
    """
    refused(code, lambda: PublicKey(spki))


def test_no_point() -> None:
    """
    32 bytes that are no point of Ed25519 are no key, or one under which nothing verifies.
    """
    try:
        key = ed25519(b"\2" + bytes(31))
    except VerificationError:
        return

    refused("bad-signature", lambda: key.verify(bytes(64), b"message"))
    refused("bad-signature", lambda: key.verify(b"\1" + bytes(63), b"message"))


@pytest.mark.parametrize(
    "private",
    rows(
        ("brainpool", lambda: ec.generate_private_key(ec.BrainpoolP256R1())),
        ("x25519", x25519.X25519PrivateKey.generate),
        ("dsa", lambda: dsa.generate_private_key(1024)),
    ),
)
def test_other_algorithms(private: Any) -> None:
    """
    A key that is not for one of our signatures is refused.
    """
    key = private().public_key()

    refused("unsupported-key", lambda: public(key))


@pytest.mark.parametrize(
    "text",
    rows(
        ("nothing", b""),
        ("only the frame", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"),
        ("text before", b"# key\n" + PEM),
        ("empty line before", b"\n" + PEM),
        ("byte-order mark", b"\xef\xbb\xbf" + PEM),
        ("text after", PEM + b"x"),
        ("space after", PEM + b" \n"),
        ("two keys", PEM + PEM),
        ("two keys, nothing between", PEM[:-1] + PEM),
        ("no newlines", PEM.replace(b"\n", b"")),
        ("no end", PEM[: PEM.index(b"-----END")]),
        ("indented", b" " + PEM),
        ("spaces at line ends", PEM.replace(b"\n", b" \n")),
        ("header", PEM.replace(b"-----\nM", b"-----\nProc-Type: 4\n\nM")),
        ("private", PEM.replace(b"PUBLIC", b"PRIVATE")),
        ("certificate", PEM.replace(b"PUBLIC KEY", b"CERTIFICATE")),
        ("RSA of its own kind", PEM.replace(b"PUBLIC", b"RSA PUBLIC")),
        ("lower case", PEM.lower()),
        ("junk in the Base64", PEM.replace(b"\nM", b"\n*M")),
        ("too long", PEM + b"\n" * 20_000),
    ),
)
def test_bad_pem(text: bytes) -> None:
    """
    A PEM file holds one public key and nothing else, so that nobody reads another one.
    """
    with pytest.raises(VerificationError):
        PublicKey.from_pem(text)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_pem_of_other_tools(newline: bytes) -> None:
    """
    A key that another tool wrote is read, with either kind of line ends.
    """
    key = KEY._key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert pem == PEM
    assert PublicKey.from_pem(pem.replace(b"\n", newline)) == KEY.public


def test_example_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key whose private half is public is refused where it matters.
    """
    KEY.public.refuse_example()
    monkeypatch.setattr(publickey, "EXAMPLE_KEYS", frozenset({KEY.public.fingerprint}))

    refused("example-key", KEY.public.refuse_example)


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_digests(algorithm: str) -> None:
    """
    A signature verifies over the hash alone as it does over the message, and over no other.
    """
    signer, other = Signer(algorithm), Signer(algorithm)
    signature = signer.sign(b"message")
    name = signer.public.algorithm.hash_name
    digest = hashlib.new(name, b"message").digest()

    signer.public.verify_digest(signature, digest)

    for key, made, hashed in (
        (other.public, signature, digest),
        (signer.public, signature, hashlib.new(name, b"Message").digest()),
        (signer.public, signature, digest[:-1]),
        (signer.public, signature, b""),
        (signer.public, signature[:-1], digest),
        (signer.public, b"", digest),
        (signer.public, other.sign(b"message"), digest),
    ):
        refused("bad-signature", partial(key.verify_digest, made, hashed))


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44", "ml-dsa-65"])
def test_keys_that_sign_messages(algorithm: str) -> None:
    """
    A key that signs whole messages verifies nothing by a hash.
    """
    key = Signer(algorithm)

    refused("unsupported-key", lambda: key.public.verify_digest(key.sign(b""), bytes(32)))
