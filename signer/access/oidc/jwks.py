"""The keys of an issuer: a JSON Web Key set, and what each key may be used for (RFC 7517, 7518).

    {"keys":[{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"…","e":"AQAB"}]}

A set may hold keys that are not for us: of a kind that we do not know, for encryption, too weak.
Those are left out, as if they were not there. A set in which two keys have one name, or which
holds a private key, is refused whole: whoever publishes that does not know what they publish.

The signature is checked by joserfc, under one key and for one algorithm, both chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from signer.access.oidc.prechecks import ALGORITHMS, Parsed, base64url
from signer.errors import KeySetError, TokenAlgorithmError, TokenKeyError, TokenSignatureError
from verifier._strict import json_object, plain
from verifier.errors import MalformedError

SET_BYTES = 256 * 1024
_MOST_KEYS = 64
_KEY_ID = 256  # characters
_RSA_BITS = range(2048, 8192 + 1)
_RSA: tuple[str, ...] = tuple(name for name in ALGORITHMS if name[:2] in {"RS", "PS"})
# Curve to bytes of a coordinate, and the algorithms that a key on it signs by.
_CURVES: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "P-256": (32, ("ES256",)),
    "P-384": (48, ("ES384",)),
    "P-521": (66, ("ES512",)),
    "Ed25519": (32, ("EdDSA", "Ed25519")),
}
_KEY_TYPE = {"P-256": "EC", "P-384": "EC", "P-521": "EC", "Ed25519": "OKP"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
# Powers of 65537 are all that the moduli of a broken generator (ROCA, CVE-2017-15361) are,
# modulo each of these. One modulus in 2**27 of the others looks like it.
_ROCA = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


class _Registry(jws.JWSRegistry):
    """Algorithms by name: which are taken was decided before; sizes too."""

    max_header_length = 8 * 1024
    max_signature_length = 2 * 1024

    def get_alg(self, name: str) -> Any:
        """Return the algorithm, without a word of warning about the older name of Ed25519."""
        assert name in ALGORITHMS
        return self.algorithms[name]


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with the algorithms that it may check."""

    algorithms: tuple[str, ...]
    native: RSAKey | ECKey | OKPKey

    def check(self, token: Parsed) -> None:
        """Check that this key signed `token`, by one of its own algorithms.

        Raises:
            TokenAlgorithmError: the token names another algorithm.
            TokenSignatureError: it did not sign it.
        """
        if token.algorithm not in self.algorithms:
            raise TokenAlgorithmError(
                f"expected an algorithm of its key, {' or '.join(self.algorithms)}"
            )
        try:
            found = jws.deserialize_compact(token.text, self.native, registry=_REGISTRY)
        except (JoseError, ValueError) as e:
            raise TokenSignatureError("the token is not signed by the key it names") from e
        # What was checked is what we read: two decoders, one meaning.
        assert found.payload == token.payload


class KeySet:
    """The keys of an issuer by their ids."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        """Take `keys` by id."""
        self._keys = dict(keys)

    def __contains__(self, key_id: str) -> bool:
        """Whether there is a key of that id."""
        return key_id in self._keys

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def key(self, key_id: str) -> Key:
        """Return the key of that id; raises `TokenKeyError` when there is none."""
        if key_id not in self._keys:
            raise TokenKeyError("the issuer has no key of the id that the token names")
        return self._keys[key_id]

    @classmethod
    def parse(cls, data: bytes) -> KeySet:
        """Read a key set.

        Raises:
            KeySetError: it is none, two keys have one id, a private key is in it, or none of
                its keys is for checking tokens.
        """
        try:
            members = json_object(data, limit=SET_BYTES, floats=True).get("keys")
        except MalformedError as e:
            raise KeySetError(f"expected a JSON Web Key set: {e.message}") from e
        if not isinstance(members, list) or len(members) > _MOST_KEYS:
            raise KeySetError(f"expected a list of at most {_MOST_KEYS} keys in a key set")
        keys: dict[str, Key] = {}
        seen: set[str] = set()
        for member in members:
            if not isinstance(member, dict):
                raise KeySetError("expected each key of a key set to be an object")
            if not _PRIVATE.isdisjoint(member):
                raise KeySetError("a key set holds a private key", hint="replace that key, now")
            key_id = member.get("kid")
            if not isinstance(key_id, str):
                continue  # nobody can name it
            if key_id in seen:
                raise KeySetError(f"two keys of a key set have the id {key_id[:80]!r}")
            seen.add(key_id)
            key = _usable(member)
            if key is not None and _is_name(key_id):
                keys[key_id] = key
        if not keys:
            raise KeySetError("expected a key for checking tokens, with an id, in a key set")
        return cls(keys)


def _usable(member: dict[str, Any]) -> Key | None:
    """Return the key if it is for checking tokens, and strong enough."""
    if member.get("use", "sig") != "sig" or "verify" not in _operations(member):
        return None
    match member.get("kty"):
        case "RSA":
            found = _rsa(member)
        case "EC" | "OKP":
            found = _on_curve(member)
        case _:
            return None
    if found is None or "alg" not in member:
        return found
    algorithm = member["alg"]
    return Key((algorithm,), found.native) if algorithm in found.algorithms else None


def _operations(member: dict[str, Any]) -> list[Any]:
    operations = member.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []


def _rsa(member: dict[str, Any]) -> Key | None:
    # Jenkins writes a modulus with the sign that Java gives it: a first byte of zero.
    modulus, exponent = _number(member.get("n"), sign=True), _number(member.get("e"))
    if modulus is None or exponent is None or modulus.bit_length() not in _RSA_BITS:
        return None
    if exponent < 3 or exponent.bit_length() > 32 or not exponent & modulus & 1:
        return None
    if all(_is_power(modulus % prime, prime) for prime in _ROCA):
        return None
    native = _imported(RSAKey, {"kty": "RSA", "n": member["n"], "e": member["e"]})
    return Key(_RSA, native) if native else None


def _on_curve(member: dict[str, Any]) -> Key | None:
    curve = member.get("crv")
    if not isinstance(curve, str) or _KEY_TYPE.get(curve) != member["kty"]:
        return None
    size, algorithms = _CURVES[curve]
    kept: dict[str, str | list[str]] = {"kty": member["kty"], "crv": curve}
    for coordinate in ("x", "y") if member["kty"] == "EC" else ("x",):
        raw = _bytes(member.get(coordinate))
        if raw is None or len(raw) != size:
            return None
        kept[coordinate] = member[coordinate]
    native = _imported(ECKey if member["kty"] == "EC" else OKPKey, kept)
    return Key(algorithms, native) if native else None


def _imported(
    kind: type[RSAKey | ECKey | OKPKey], kept: dict[str, str | list[str]]
) -> RSAKey | ECKey | OKPKey | None:
    """Return the key of these numbers, and of no other member; None when they are no key."""
    try:
        return kind.import_key(kept)
    except (JoseError, ValueError):
        return None


def _bytes(value: object) -> bytes | None:
    try:
        return base64url(value) if isinstance(value, str) else None
    except MalformedError:
        return None


def _number(value: object, *, sign: bool = False) -> int | None:
    """Return an unsigned number without zeros in front, or with one byte of them for a sign."""
    raw = _bytes(value)
    if raw is None or (raw[0] == 0 and not (sign and len(raw) > 1 and raw[1] & 0x80)):
        return None
    return int.from_bytes(raw, "big")


def _is_power(remainder: int, prime: int) -> bool:
    """Whether `remainder` is a power of 65537 modulo `prime`."""
    power = 1
    while True:
        if power == remainder:
            return True
        power = power * 65537 % prime
        if power == 1:
            return False


def _is_name(key_id: str) -> bool:
    try:
        plain(key_id)
    except MalformedError:
        return False
    return 0 < len(key_id) <= _KEY_ID
