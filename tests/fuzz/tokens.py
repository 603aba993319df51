"""Tokens of issuers, and their key sets: what is taken is what a plain reader would read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signer.access.oidc import claims as said
from signer.access.oidc import prechecks
from signer.access.oidc.jwks import KeySet
from signer.access.oidc.presets import PRESETS, is_proposed, preset
from signer.access.templates import Template
from signer.access.where import Where
from signer.errors import SigningError
from tests.fuzz.target import Targets, same, text
from verifier.errors import MalformedError

TARGETS = Targets()
_NOW = 1_790_000_000
_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
_NUMBERS = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _token(header: object, claims: object) -> str:
    signed = f"{_b64url(_compact(header))}.{_b64url(_compact(claims))}"
    return f"{signed}.{_b64url(_PRIVATE.sign(signed.encode()))}"


_EDWARDS = {
    "kty": "OKP",
    "crv": "Ed25519",
    "kid": "one",
    "use": "sig",
    "alg": "EdDSA",
    "x": _b64url(_PRIVATE.public_key().public_bytes_raw()),
}
_CURVE = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "two",
    "key_ops": ["verify"],
    "x": _b64url(_NUMBERS.x.to_bytes(32, "big")),
    "y": _b64url(_NUMBERS.y.to_bytes(32, "big")),
}
# A modulus of a fixed shape: whether it has two prime factors is nobody's question here.
_RSA = {"kty": "RSA", "kid": "three", "n": _b64url(b"\xc5" + b"\x5b" * 255), "e": "AQAB"}
_HEADER = {"alg": "EdDSA", "typ": "JWT", "kid": "one"}
_CLAIMS = {
    "iss": "https://ci.example",
    "aud": "ledger.example",
    "sub": "project_path:payments/core/api:ref_type:branch:ref:main",
    "iat": _NOW,
    "nbf": _NOW - 5,
    "exp": _NOW + 3600,
    "jti": "7a53c3fe",
    "project_id": "20",
    "namespace_id": "72",
    "namespace_path": "payments/core",
    "pipeline_source": "push",
    "ref": "main",
    "ref_protected": "true",
    "runner_id": 1,
    "groups_direct": ["payments"],
    "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "b", "uid": "a0-87"}},
}
_KEYS = KeySet.parse(_compact({"keys": [_EDWARDS]}))


@contextmanager
def _refusing() -> Iterator[None]:
    """Let a refusal of this room be one of the verifier's, which is no finding."""
    try:
        yield
    except SigningError as e:
        raise MalformedError(e.code) from e


@TARGETS.add(
    _token(_HEADER, _CLAIMS).encode(),
    _token({"alg": "RS256", "kid": "k", "x5t": "thumbprint"}, {}).encode(),
)
def token(data: bytes) -> None:
    """A token is three parts, each in its one spelling, and says no more than how it is signed."""
    with _refusing():
        found = prechecks.parse(text(data))
    parts = data.decode("ascii").split(".")
    header, payload, signature = (base64.urlsafe_b64decode(part + "==") for part in parts)
    same(parts, [_b64url(header), _b64url(payload), _b64url(signature)])
    same(payload, found.payload)
    same(f"{parts[0]}.{parts[1]}".encode(), found.signed)
    plain = json.loads(header)
    same((plain["alg"], plain["kid"]), (found.algorithm, found.key_id))
    assert plain.keys() <= {"alg", "kid", "typ", "x5t", "x5t#S256"}


@TARGETS.add(
    _compact({"header": _HEADER, "claims": _CLAIMS}),
    _compact({"header": _HEADER, "claims": {**_CLAIMS, "aud": ["ledger.example"]}}),
)
def told(data: bytes) -> None:
    """Whoever a token is for: it is for us, for now, and its place lies below its template."""
    try:
        document = json.loads(data)
        made = _token(document["header"], document["claims"])
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise MalformedError("no token") from e
    with _refusing():
        parsed = prechecks.parse(made)
        claims = said.read(parsed.payload)
        said.check_audience(claims, "ledger.example")
        times = said.check_times(claims, _NOW, 3600)
        _KEYS.key(parsed.key_id).check(parsed)
        texts = said.as_text(claims)
        said.token_id(claims)
        said.confirmation(claims)
        for name in PRESETS:
            is_proposed(name, texts)
        subject, stable = preset("gitlab").whom(texts)
        place = Template("harbor.bank/team/{namespace_path}/**").fill(texts)
    plain: dict[str, Any] = document["claims"]
    assert plain["aud"] in ("ledger.example", ["ledger.example"])
    assert plain["iat"] - 30 <= _NOW < plain["exp"] + 30
    same((plain["iat"], plain["exp"]), times)
    same(f"project_id:{int(plain['project_id'])}", subject)
    assert set(stable) <= {"project_id", "namespace_id", "ref", "ref_protected"}
    assert Where("harbor.bank/team/**").contains(place)
    assert all("\n" not in value for value in (*texts, *texts.values()))


@TARGETS.add(
    _compact({"keys": [_EDWARDS, _CURVE, _RSA]}),
    _compact({"keys": [_CURVE]}),
    _compact({"keys": [_RSA]}),
)
def key_set(data: bytes) -> None:
    """Of a key set those keys are used that have an id of their own, and are for checking."""
    with _refusing():
        found = KeySet.parse(data)
    members = json.loads(data)["keys"]
    named = [member for member in members if isinstance(member.get("kid"), str)]
    same(len(named), len({member["kid"] for member in named}))
    used = [member for member in named if member["kid"] in found]
    same(len(found), len(used))
    for member in used:
        assert member.get("use", "sig") == "sig"
        assert "verify" in member.get("key_ops", ["verify"])
        assert "d" not in member
        for name in found.key(member["kid"]).algorithms:
            assert name in prechecks.ALGORITHMS
            assert member.get("alg", name) == name
