"""Keys of an issuer: which are used, which are left out, and which sets are refused (A3, A10)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from signer.access.oidc import jwks, prechecks
from signer.access.oidc.jwks import KeySet
from signer.errors import KeySetError
from tests.signer.access.oidc.issuing import Pair, b64url, compact, key_set
from tests.signer.asking import refused

GOOD = Pair().jwk()
_PAIRS = [
    *(Pair(name.lower(), name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    Pair("p256", "ES256", ec.generate_private_key(ec.SECP256R1())),
    Pair("p384", "ES384", ec.generate_private_key(ec.SECP384R1())),
    Pair("p521", "ES512", ec.generate_private_key(ec.SECP521R1())),
    Pair("older", "EdDSA", ed25519.Ed25519PrivateKey.generate()),
    Pair("newer", "Ed25519", ed25519.Ed25519PrivateKey.generate()),
]


def parsed(pair: Pair, payload: bytes = b"{}", algorithm: str = "") -> prechecks.Parsed:
    """Return a token that `pair` signed."""
    name = algorithm or pair.algorithm
    return prechecks.parse(pair.token(compact({"alg": name, "kid": pair.kid}), payload))


def left_out(member: dict[str, Any]) -> None:
    """Check that a key is left out: beside another it is not there, and alone there is none."""
    beside = Pair.other("beside")
    found = KeySet.parse(key_set(member, beside.jwk()))
    assert 1 == len(found)
    assert "beside" in found
    refused("bad-key-set", lambda: KeySet.parse(key_set(member)))
    refused("token-key", lambda: found.key("one"))


@pytest.mark.parametrize("pair", _PAIRS, ids=lambda pair: pair.kid)
@pytest.mark.parametrize("named", [True, False], ids=["alg", "no alg"])
def test_each_algorithm(pair: Pair, named: bool) -> None:
    """
    A token of each algorithm is taken under its key, and a changed one is not.
    """
    member = pair.jwk() if named else pair.jwk(alg=None)
    keys = KeySet.parse(key_set(member))
    keys.key(pair.kid).check(parsed(pair))
    forged = parsed(pair).text.replace(b64url(b"{}"), b64url(b"[]"))

    refused("token-signature", lambda: keys.key(pair.kid).check(prechecks.parse(forged)))


@pytest.mark.parametrize("pair", _PAIRS, ids=lambda pair: pair.kid)
def test_a1_no_other_algorithm(pair: Pair) -> None:
    """
    A1: under a key, no algorithm counts but its own, though the signature would be good.
    """
    key = KeySet.parse(key_set(pair.jwk())).key(pair.kid)
    for name in prechecks.ALGORITHMS:
        if name == pair.algorithm:
            continue
        if name[1:2] == pair.algorithm[1:2] == "S" and (name[0] == "E") == (
            pair.algorithm[0] == "E"
        ):
            signed = b64url(compact({"alg": name, "kid": pair.kid})) + "." + b64url(b"{}")
            text = f"{signed}.{b64url(pair.sign(signed.encode(), name))}"
        else:
            text = parsed(pair).text.replace(
                b64url(compact({"alg": pair.algorithm, "kid": pair.kid})),
                b64url(compact({"alg": name, "kid": pair.kid})),
            )
        refused("token-algorithm", lambda text=text: key.check(prechecks.parse(text)))  # type: ignore[misc]


@pytest.mark.parametrize(
    "signature", [b"\0", b"\0" * 64, b"\xff" * 256, b"\0" * 1024, b"\0" * 256, b"\x30\x06" * 32]
)
@pytest.mark.parametrize("pair", _PAIRS, ids=lambda pair: pair.kid)
def test_no_signature_at_all(pair: Pair, signature: bytes) -> None:
    """
    A signature of the wrong length, of zeros or of ones is refused, and is no error of ours.
    """
    key = KeySet.parse(key_set(pair.jwk())).key(pair.kid)
    token = f"{parsed(pair).signed.decode()}.{b64url(signature)}"

    refused("token-signature", lambda: key.check(prechecks.parse(token)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[]}',
        b'{"keys":[1]}',
        b'{"keys":["a"]}',
        b'{"keys":[[]]}',
        b"<html></html>",
        b'{"keys":[]}{"keys":[]}',
        compact(GOOD),
        compact({"Keys": [GOOD]}),
        b'{"keys":[],"keys":[' + compact(GOOD) + b"]}",
        b"\xef\xbb\xbf" + key_set(GOOD),
        key_set(GOOD)[:-1],
        b'{"keys":[{"kid":"a","kid":"b"}]}',
    ],
)
def test_no_key_set(data: bytes) -> None:
    """
    What is no key set, or has a member twice, is refused.
    """
    refused("bad-key-set", lambda: KeySet.parse(data))


def test_a3_two_keys_of_one_id() -> None:
    """
    A3: a set in which two keys have one id is refused whole, even if one of them is not used.
    """
    for other in (Pair.other("one").jwk(), GOOD, Pair.ec("one").jwk(use="enc"), {"kid": "one"}):
        refused("bad-key-set", lambda other=other: KeySet.parse(key_set(GOOD, other)))  # type: ignore[misc]
        refused("bad-key-set", lambda other=other: KeySet.parse(key_set(other, GOOD)))  # type: ignore[misc]


def test_private_key() -> None:
    """
    A set that holds a private key is refused whole: whoever reads it could sign.
    """
    for name in ("d", "p", "q", "dp", "dq", "qi", "oth"):
        member = Pair.other().jwk(**{name: "AQAB"})
        refused("bad-key-set", lambda m=member: KeySet.parse(key_set(GOOD, m)))  # type: ignore[misc]


def test_sizes() -> None:
    """
    A set may hold 64 keys and 256 KiB.
    """
    keys = [Pair(f"k{i}").jwk() for i in range(65)]
    assert 64 == len(KeySet.parse(key_set(*keys[:64])))
    refused("bad-key-set", lambda: KeySet.parse(key_set(*keys)))
    refused("bad-key-set", lambda: KeySet.parse(key_set({**GOOD, "x": "a" * jwks.SET_BYTES})))
    assert 1 == len(KeySet.parse(key_set({**GOOD, "x5c": ["a" * 200_000]})))


@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"},
        {"use": "SIG"},
        {"use": ""},
        {"use": ["sig"]},
        {"use": None, "key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": {"verify": 1}},
        {"key_ops": [["verify"]]},
        {"key_ops": None},
    ],
    ids=str,
)
def test_a10_not_for_checking(more: dict[str, Any]) -> None:
    """
    A10: a key that is for encryption, or whose operations lack "verify", is left out.
    """
    member = {**GOOD, **more}
    left_out(member)
    left_out({**Pair.ec("one").jwk(), **more})


def test_a10_for_checking() -> None:
    """
    A10: a key whose operations have "verify", or which says nothing of its use, is used.
    """
    for more in ({"key_ops": ["verify"]}, {"use": None}, {"use": None, "key_ops": ["verify"]}):
        member = Pair().jwk(**more)
        assert "one" in KeySet.parse(key_set(member))


@pytest.mark.parametrize(
    "more",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "rsa"},
        {"kty": None},
        {"kty": ["RSA"]},
        {"kty": "EC"},
        {"kty": "OKP"},
        {"alg": "RSA-OAEP"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "ES256"},
        {"alg": ["RS256"]},
        {"alg": ""},
        {"alg": None},
        {"n": None},
        {"n": 5},
        {"n": ""},
        {"n": GOOD["n"] + "="},
        {"n": GOOD["n"] + "AA"},
        {"n": "AAAA" + GOOD["n"]},
        {"e": None},
        {"e": ""},
        {"e": "AA"},
        {"e": "AQ"},
        {"e": "Ag"},
        {"e": "AAEAAQ"},
        {"e": "AQAC"},
        {"e": b64url(b"\1" + b"\0" * 4 + b"\1")},
        {"kid": None},
        {"kid": 5},
        {"kid": ""},
        {"kid": "k" * 257},
        {"kid": "a\u202eb"},
    ],
    ids=str,
)
def test_no_key_of_ours(more: dict[str, Any]) -> None:
    """
    A key of another kind or algorithm, with numbers that are none, or nameless, is left out.
    """
    left_out({**GOOD, **more})


@pytest.mark.parametrize("bits", [1024, 2040, 2047])
def test_weak_keys(bits: int) -> None:
    """
    An RSA key of fewer than 2,048 bits is left out.
    """
    left_out(Pair("one", "RS256", rsa.generate_private_key(65537, bits)).jwk())


def test_huge_keys() -> None:
    """
    An RSA key so large that each check would take long is left out.
    """
    left_out({**GOOD, "n": b64url(b"\xff" * 1025)})


def test_even_modulus() -> None:
    """
    A modulus that no two odd primes make is left out.
    """
    number = int.from_bytes(prechecks.base64url(GOOD["n"]), "big") - 1
    left_out({**GOOD, "n": b64url(number.to_bytes(256, "big"))})


def test_sign_in_front() -> None:
    """
    A modulus with the byte of zero that Java puts in front, as Jenkins does, is used.
    """
    signed = b64url(b"\0" + prechecks.base64url(GOOD["n"]))
    keys = KeySet.parse(key_set({**GOOD, "n": signed}))
    keys.key("one").check(parsed(Pair()))
    left_out({**GOOD, "n": b64url(b"\0\0" + prechecks.base64url(GOOD["n"]))})


@pytest.mark.parametrize(
    "more",
    [
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": "P-256K"},
        {"crv": None},
        {"crv": ["P-256"]},
        {"crv": "Ed25519"},
        {"kty": "OKP"},
        {"kty": "RSA"},
        {"alg": "ES384"},
        {"alg": "EdDSA"},
        {"y": None},
        {"y": "AA"},
        {"y": b64url(b"\0" * 32)},
        {"x": b64url(b"\xff" * 32)},
        {"x": Pair.ec().jwk()["x"] + "="},
        {"x": b64url(b"\0" + prechecks.base64url(Pair.ec().jwk()["x"]))},
        {"x": b64url(prechecks.base64url(Pair.ec().jwk()["x"])[:31])},
    ],
    ids=str,
)
def test_no_point(more: dict[str, Any]) -> None:
    """
    A key on another curve than it says, off its curve, or of another length is left out.
    """
    left_out({**Pair.ec("one").jwk(), **more})


def test_other_edwards_curves() -> None:
    """
    Of the Edwards curves Ed25519 is used, and no other.
    """
    good = _PAIRS[-1].jwk(kid="one")
    other = ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()
    left_out({**good, "crv": "Ed448", "x": b64url(other)})
    left_out({**good, "crv": "X25519"})
    left_out({**good, "x": b64url(b"\1" * 31)})
    left_out({**good, "kty": "EC"})


def test_what_else_is_in_a_key() -> None:
    """
    Members that we do not know change nothing: real key sets have certificates and more.
    """
    more = {"x5t": "a", "x5c": ["MAA="], "x5u": "https://a.example", "ext": True, "exp": 1.5}
    keys = KeySet.parse(compact({"keys": [{**GOOD, **more}], "version": 1.5}))
    keys.key("one").check(parsed(Pair()))


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.text(max_size=9), max_size=3))
def test_any_change(change: dict[str, Any]) -> None:
    """
    Whatever is changed in a key, it is used as it was, under another id, or not at all.
    """
    member = {**GOOD, **change}
    try:
        keys = KeySet.parse(key_set(member))
    except KeySetError:
        return

    assert 1 == len(keys)
    assert member["kid"] in keys
    assert (GOOD["n"], GOOD["e"]) == (member["n"], member["e"])
    assert {"RS256"} == {*keys.key(member["kid"]).algorithms}


@given(st.lists(st.sampled_from(_PAIRS), min_size=1, unique_by=lambda pair: pair.kid))
def test_round_trip(pairs: list[Pair]) -> None:
    """
    Of a set of good keys each is found by its id, and by nothing else.
    """
    keys = KeySet.parse(json.dumps({"keys": [pair.jwk() for pair in pairs]}, indent=2).encode())

    assert len(pairs) == len(keys)
    for pair in pairs:
        assert (pair.algorithm,) == keys.key(pair.kid).algorithms
        assert pair.kid + "x" not in keys
