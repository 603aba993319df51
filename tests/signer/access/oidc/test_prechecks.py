"""Tokens of another shape are refused before anything in them is believed (rows A1-A5, A9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import string
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from signer.access.oidc import prechecks
from signer.errors import TokenError
from tests.signer.access.oidc.issuing import NOW, Offline, Pair, b64url, claims_of, compact, key_set
from tests.signer.asking import refused
from verifier.errors import MalformedError

_PEM = Pair().private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
_DER = Pair().private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def test_taken(ci: Offline) -> None:
    """
    A token as issuers make it is taken, with or without a type; everything below is its fault.
    """
    assert "job" == ci.verify(ci.token()).subject
    assert "job" == ci.verify(ci.token({"typ": None})).subject


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256", "RS1", "ES256K"])
def test_a1_no_algorithm_of_ours(ci: Offline, name: str) -> None:
    """
    A1: a token with no algorithm, or one that is not asymmetric and strong, is refused as that.
    """
    ci.refuses("token-algorithm", ci.token({"alg": name}))
    refused("token-algorithm", lambda: prechecks.parse(ci.token({"alg": name})))
    unsigned = b64url(compact({"alg": name, "kid": "one"})), b64url(compact(claims_of(ci.URL)))
    ci.refuses("bad-token", ".".join(unsigned) + ".")


@pytest.mark.parametrize("value", [None, ["RS256"], {"RS256": 1}, 256, True])
def test_a1_algorithm_is_text(ci: Offline, value: object) -> None:
    """
    A1: an algorithm that is missing, a list or anything but text is refused.
    """
    token = ci.pair.token(
        compact({"kid": "one", "typ": "JWT"} | ({} if value is None else {"alg": value})),
        compact(claims_of(ci.URL)),
    )

    ci.refuses("token-algorithm", token)


@pytest.mark.parametrize(
    "secret",
    [
        _PEM,
        _PEM.rstrip(),
        _DER,
        compact(Pair().jwk()),
        b"\xef\xbb\xbf" + _PEM,
        base64.b64encode(_DER),
        b"",
    ],
    ids=["pem", "pem-stripped", "der", "jwk", "bom", "base64", "empty"],
)
@pytest.mark.parametrize("name", ["HS256", "RS256"])
def test_a1_public_key_as_secret(ci: Offline, secret: bytes, name: str) -> None:
    """
    A1: the public key, however it is spelled, is nobody's secret: no HMAC with it is taken.
    """
    signed = f"{b64url(compact({'alg': name, 'kid': 'one'}))}.{b64url(compact(claims_of(ci.URL)))}"
    forged = hmac.new(secret, signed.encode(), hashlib.sha256).digest()

    code = "token-algorithm" if name == "HS256" else "token-signature"
    ci.refuses(code, f"{signed}.{b64url(forged)}")


def test_a1_algorithm_of_another_key(tmp_path: Path) -> None:
    """
    A1: a token that names an RSA algorithm and an EC key, or the reverse, is refused.
    """
    both = Offline(tmp_path, Pair(), Pair.ec())
    both.refuses("token-algorithm", both.token({"kid": "ec"}))
    both.refuses("token-algorithm", both.token({"alg": "ES256"}))
    both.refuses("token-algorithm", both.token({"alg": "PS256"}))
    both.refuses("token-algorithm", both.token({"alg": "RS512"}))


def test_a1_algorithms_of_the_issuer(tmp_path: Path) -> None:
    """
    A1: an algorithm that is good, but is not one that this issuer signs by, is refused.
    """
    strict = Offline(tmp_path, Pair.ec(), algorithms=["RS256"])
    strict.refuses("token-algorithm", strict.token())


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ('{"alg":"RS256","alg":"RS256","kid":"one"}', None),
        ('{"alg":"none","alg":"RS256","kid":"one"}', None),
        ('{"alg":"RS256","kid":"two","kid":"one"}', None),
        ('{"alg":"RS256","kid":"one","\\u0061lg":"none"}', None),
        (None, '"sub":"admin","sub":"job"'),
        (None, '"aud":"other","aud":"ledger.example"'),
        (None, '"more":{"a":1,"a":2}'),
    ],
)
def test_a2_one_key_twice(ci: Offline, header: str | None, claims: str | None) -> None:
    """
    A2: a header or claims in which a key occurs twice is refused, and not read either way.
    """
    start = json.dumps(claims_of(ci.URL))[:-1]
    payload = f"{start},{claims}}}" if claims else f"{start}}}"
    token = ci.pair.token((header or '{"alg":"RS256","kid":"one"}').encode(), payload.encode())

    assert "duplicate-key" in ci.refuses("bad-token", token).message


@pytest.mark.parametrize(
    "key_id",
    [
        None,
        "",
        "../../etc/passwd",
        "' OR 1=1 --",
        "ONE",
        "one ",
        "on\n",
        "one\u202e",
        {"kid": "one"},
        ["one"],
        1,
        True,
        "k" * 257,
    ],
)
def test_a3_key_id(ci: Offline, key_id: object) -> None:
    """
    A3: a key's id that is missing, no text, long, or simply none of the issuer's is refused.
    """
    ci.refuses("token-key", ci.token({"kid": key_id}))
    if key_id not in ("../../etc/passwd", "' OR 1=1 --", "ONE", "one "):
        refused("token-key", lambda: prechecks.parse(ci.token({"kid": key_id})))
    ci.refuses("bad-token", ci.token({"kid": "on\0e"}))


def test_a3_huge_key_id(ci: Offline) -> None:
    """
    A3: a key's id of a megabyte is refused by the size of the token.
    """
    ci.refuses("bad-token", ci.token({"kid": "k" * 1_000_000}))


@pytest.mark.parametrize(
    "more",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"jwk": Pair.other().jwk()},
        {"x5c": ["MAA="]},
    ],
    ids=str,
)
def test_a4_keys_in_the_token(ci: Offline, more: dict[str, object]) -> None:
    """
    A4: a token that brings a key, or says where one is, is refused, though it is well signed.
    """
    ci.refuses("bad-token", ci.token(more))


def test_a4_signed_by_the_key_it_brings(ci: Offline) -> None:
    """
    A4: the key in a token's header is not what its signature is checked by.
    """
    mine = Pair.other("one")
    header = {"alg": "RS256", "kid": "one", "jwk": mine.jwk()}
    ci.refuses("bad-token", mine.token(compact(header), compact(claims_of(ci.URL))))
    header.pop("jwk")
    ci.refuses("token-signature", mine.token(compact(header), compact(claims_of(ci.URL))))


def test_a4_thumbprint(ci: Offline) -> None:
    """
    A4: a thumbprint, which GitHub's tokens have and which leads nowhere, changes nothing.
    """
    assert "job" == ci.verify(ci.token({"x5t": "example-thumbprint"})).subject
    ci.refuses("bad-token", ci.token({"x5t": ["a"]}))


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A128GCM"},
        {"typ": "at+jwt"},
        {"typ": "jwt"},
        {"typ": "JOSE"},
        {"typ": 1},
        {"nonce": "n"},
        {"": ""},
    ],
    ids=str,
)
def test_a5_what_must_be_understood(ci: Offline, more: dict[str, object]) -> None:
    """
    A5: a header that asks for more than a plain signature is refused, whatever it asks for.
    """
    ci.refuses("bad-token", ci.token(more))


def test_a5_other_forms(ci: Offline) -> None:
    """
    A5: an encrypted token, a token within a token, a detached one and the JSON form are refused.
    """
    whole = ci.token()
    header, payload, signature = whole.split(".")
    flattened = {"protected": header, "payload": payload, "signature": signature}
    nested = ci.pair.token(compact({"alg": "RS256", "kid": "one"}), whole.encode())
    for token in (f"{header}..{payload}.{signature}.tag", f"{header}..{signature}", nested):
        ci.refuses("bad-token", token)
    ci.refuses("bad-token", compact(flattened).decode())
    ci.refuses("bad-token", compact({**flattened, "signatures": [flattened]}).decode())


def test_a9_every_other_spelling(ci: Offline) -> None:
    """
    A9: padding, blanks, line ends, another alphabet and other last bits are refused in each part.
    """
    whole = ci.token()
    parts = whole.split(".")
    for i, part in enumerate(parts):
        last = _ALPHABET.index(part[-1])
        others = [
            part + "=",
            part + "==",
            part + " ",
            " " + part,
            part + "\n",
            part[:8] + "\n" + part[8:],
            part + "\0",
            part[:4] + "+" + part[5:],
            part[:4] + "/" + part[5:],
            part[:4] + "ä" + part[5:],
            part[:4] + "١" + part[5:],  # noqa: RUF001 - a digit of another script
            part[:-1] + "%3D",
            "",
        ]
        # Of a last character, two or four bits are of no byte.
        if spare := {2: 15, 3: 3}.get(len(part) % 4):
            others += [part[:-1] + _ALPHABET[last ^ bit] for bit in range(1, spare + 1)]
        for other in others:
            token = ".".join([*parts[:i], other, *parts[i + 1 :]])
            assert ci.refuses("bad-token", token).message
    for token in (f"{whole}\n", f" {whole}", f"Bearer {whole}", f"{whole},{whole}"):
        ci.refuses("bad-token", token)


@pytest.mark.parametrize("dots", [0, 1, 3, 4, 16_000])
def test_a9_parts(ci: Offline, dots: int) -> None:
    """
    A9: a token of any other number of parts than three is refused.
    """
    ci.refuses("bad-token", ".".join(["e30"] * (dots + 1))[: prechecks.TOKEN_BYTES])


@pytest.mark.parametrize("filler", [".", "a", "{", "ä"])
def test_a9_ten_megabytes(ci: Offline, filler: str) -> None:
    """
    A9: a token of ten megabytes is refused by its size, before it costs anything.
    """
    huge = filler * 10_000_000
    start = time.process_time()
    refusal = ci.refuses("bad-token", huge)

    assert "at most 16384" in refusal.message
    assert time.process_time() - start < 1


def test_a9_sizes(ci: Offline) -> None:
    """
    A9: a token may have 16 KiB, and its header 4 KiB; one character more is refused.
    """
    room = prechecks.TOKEN_BYTES - len(ci.token(filler="")) - 8
    fits = ci.token(filler="x" * (room * 3 // 4))
    assert prechecks.TOKEN_BYTES - 64 < len(fits) <= prechecks.TOKEN_BYTES
    assert "job" == ci.verify(fits).subject
    assert "16384" in ci.refuses("bad-token", ci.token(filler="x" * room)).message
    assert "4096" in ci.refuses("bad-token", ci.token({"x5t": "x" * 3100})).message
    assert "job" == ci.verify(ci.token({"x5t": "x" * 2900})).subject


def test_a9_nesting(ci: Offline) -> None:
    """
    A9: claims that nest as deep as a token is long are refused, and nothing overflows.
    """
    deep = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    token = ci.pair.token(b'{"alg":"RS256","kid":"one"}', deep.encode())

    assert "limit" in ci.refuses("bad-token", token).message


def test_nothing_of_a_token_in_messages(ci: Offline) -> None:
    """
    What is said of a token that is refused quotes no part of it, and neither does its repr.
    """
    canary = "CANARY-of-a-token"
    token = ci.token(jti=canary)
    header, payload, signature = token.split(".")
    for bad in (
        f"{header}.{payload}={signature}",
        f"{header}.{payload}.{signature}=",
        ci.token({"typ": canary}),
        ci.token({"alg": canary}),
        ci.pair.token(f'{{"{canary}'.encode(), b"{}"),
    ):
        with pytest.raises(TokenError) as caught:
            ci.verify(bad)
        told = f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"
        assert canary not in told
        assert signature[:20] not in told
        assert payload[:20] not in told
    assert canary not in repr(prechecks.parse(token))


@given(st.binary(min_size=1, max_size=200))
def test_base64url_round_trip(raw: bytes) -> None:
    """
    Whatever bytes there are, their base64url is read back as they were.
    """
    assert raw == prechecks.base64url(b64url(raw))


@given(st.text(alphabet=_ALPHABET + "=+/ \n.", max_size=40))
def test_base64url_is_exact(text: str) -> None:
    """
    Whatever is read as base64url prints back to the same text.
    """
    try:
        raw = prechecks.base64url(text)
    except MalformedError:
        return

    assert text == b64url(raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "x5t", "crit", "jku", "b64"]), _JSON)
    | st.fixed_dictionaries(
        {"alg": st.sampled_from(prechecks.ALGORITHMS), "kid": st.text("ab", min_size=1)}
    ),
    st.binary(min_size=1, max_size=100),
)
def test_parse_is_exact(header: dict[str, object], payload: bytes) -> None:
    """
    Whatever header is read, it said no more than an algorithm, a key, a type and a thumbprint.
    """
    token = f"{b64url(compact(header))}.{b64url(payload)}.{b64url(b'signature')}"
    try:
        parsed = prechecks.parse(token)
    except TokenError:
        assert header.keys() != {"alg", "kid"} or header["alg"] not in prechecks.ALGORITHMS
        return

    assert header.keys() <= {"alg", "typ", "kid", "x5t"}
    assert (header["alg"], header["kid"], payload) == (
        parsed.algorithm,
        parsed.key_id,
        parsed.payload,
    )
    assert token == f"{parsed.signed.decode()}.{b64url(b'signature')}"


def test_one_token_two_signatures(tmp_path: Path) -> None:
    """
    A token whose ECDSA signature is written in its other way is remembered as the same token.
    """
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    issuer = Offline(tmp_path, Pair.ec())
    for jti in ("first", None):
        token = issuer.token(jti=jti)
        signed, _, signature = token.rpartition(".")
        raw = prechecks.base64url(signature)
        other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
        twin = f"{signed}.{b64url(other)}"

        assert token != twin
        assert issuer.verify(token).used == issuer.verify(twin).used
    assert issuer.verify(issuer.token()).used != issuer.verify(issuer.token(jti="x")).used
    assert (
        issuer.verify(issuer.token(jti=None)).used
        != issuer.verify(issuer.token(jti=None, sub="other")).used
    )


def test_ids_of_two_issuers(tmp_path: Path) -> None:
    """
    One id of a token under two issuers is two tokens.
    """
    first = Offline(tmp_path)
    second = Offline(tmp_path, issuer="https://other.example")
    token = first.pair.token(
        compact({"alg": "RS256", "kid": "one"}), compact(claims_of("https://other.example"))
    )

    assert first.verify(first.token()).jti == second.verify(token, NOW).jti == "first"
    assert first.verify(first.token()).used != second.verify(token, NOW).used


def test_key_set_of_the_file(tmp_path: Path) -> None:
    """
    A file of keys that is none stops the start, and says which file.
    """
    (tmp_path / "keys.json").write_bytes(key_set())
    with pytest.raises(Exception, match=r"keys\.json") as caught:
        Offline(tmp_path, Pair(algorithm="RSA-OAEP"))
    assert "config" == getattr(caught.value, "code", "")
