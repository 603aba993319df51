"""Trust files that nobody should pin: other shapes, weak keys, and one key in two roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier.making import Signer, refused, rows
from tests.verifier.paths import GONE, Path, get, inside, put
from tests.verifier.pinned import APPROVER, DOCUMENT, LOG, PROMISE, WITNESSES, parse
from verifier import limits
from verifier._strict import b64encode
from verifier.errors import VerificationError
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


def spki(key: PublicKey) -> str:
    return b64encode(key.spki)


def weak(encoding: str) -> str:
    """Return the SPKI of an Ed25519 key in its raw hex encoding."""
    return b64encode(bytes.fromhex(f"302a300506032b6570032100{encoding}"))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, list, str, int))
@pytest.mark.parametrize("value", [None, True, 1.5, "a b\n", [{}], {"": 0}], ids=repr)
def test_other_types(path: Path, value: object) -> None:
    """
    A value of another type, null included, is refused with a code, at every position.
    """
    with pytest.raises(VerificationError):
        parse(put(DOCUMENT, path, value))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, top=True))
def test_unknown_fields(path: Path) -> None:
    """
    No object of a trust file has room for a field that nobody reads.
    """
    refused("unknown-field", lambda: parse(put(DOCUMENT, (*path, "zzz"), "")))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, top=True))
def test_repeated_keys(path: Path) -> None:
    """
    No object of a trust file has a key twice.
    """
    first = min(get(DOCUMENT, path))
    text = json.dumps(put(DOCUMENT, (*path, "zzz"), "")).replace('"zzz"', f'"{first}"')

    refused("duplicate-key", lambda: TrustRoot.parse(text.encode()))


KEY, LOG_0 = ("keys", 0), ("logs", 0)
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
SECOND_SPELLINGS = (
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)


@pytest.mark.parametrize("encoding", [*SMALL_ORDER, *SECOND_SPELLINGS])
@pytest.mark.parametrize(
    "path", [(*KEY, "key"), (*LOG_0, "checkpoint_key"), (*LOG_0, "promise_key")]
)
def test_weak_keys(path: Path, encoding: str) -> None:
    """
    No Ed25519 point under which anyone can sign, and no second spelling, is trusted anywhere.
    """
    refused("weak-key", lambda: parse(put(DOCUMENT, path, weak(encoding))))


@pytest.mark.parametrize(
    "private",
    rows(
        ("rsa-1024", lambda: rsa.generate_private_key(65537, 1024)),
        ("rsa, exponent 3", lambda: rsa.generate_private_key(3, 2048)),
        ("secp256k1", lambda: ec.generate_private_key(ec.SECP256K1())),
        ("p224", lambda: ec.generate_private_key(ec.SECP224R1())),
        ("p521", lambda: ec.generate_private_key(ec.SECP521R1())),
    ),
)
def test_keys_that_are_not_in_the_table(private: Callable[[], Any]) -> None:
    """
    Keys of other sizes and curves are not trusted.
    """
    key = private().public_key()
    text = b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    refused("unsupported-key", lambda: parse(put(DOCUMENT, (*KEY, "key"), text)))


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        # The frame.
        ("other type", ("type",), "urn:sealbook:trust:v2", "unsupported-version"),
        ("no type", ("type",), GONE, "malformed"),
        ("version 0", ("version",), 0, "malformed"),
        ("version -1", ("version",), -1, "bad-integer"),
        ("version 2**63", ("version",), 2**63, "bad-integer"),
        ("version as text", ("version",), "1", "malformed"),
        ("version true", ("version",), True, "malformed"),
        # Time.
        ("expiry at the issue", ("expires",), DOCUMENT["issued"], "malformed"),
        ("expiry before the issue", ("expires",), "2000-01-01T00:00:00Z", "malformed"),
        ("expiry with a zone", ("expires",), "2030-01-01T00:00:00+00:00", "malformed"),
        ("expiry as a day", ("expires",), "2030-01-01", "malformed"),
        ("expiry as a number", ("expires",), 2**31, "malformed"),
        ("no expiry", ("expires",), GONE, "malformed"),
        # Logs.
        ("no logs", ("logs",), [], "malformed"),
        ("33 logs of junk", ("logs",), [None] * 33, "over-limit"),
        ("origin with a space", (*LOG_0, "origin"), "a b", "malformed"),
        ("no origin", (*LOG_0, "origin"), "", "malformed"),
        ("log key, no Base64", (*LOG_0, "checkpoint_key"), "x", "bad-base64"),
        ("log key, nothing", (*LOG_0, "checkpoint_key"), "", "unsupported-key"),
        (
            "log key, raw",
            (*LOG_0, "checkpoint_key"),
            b64encode(LOG.key.public.raw),
            "unsupported-key",
        ),
        (
            "log key of P-384",
            (*LOG_0, "checkpoint_key"),
            spki(Signer("ecdsa-p384").public),
            "unsupported-key",
        ),
        # Keys.
        ("1,025 keys of junk", ("keys",), [None] * 1025, "over-limit"),
        *(
            (f"name {name!r}", (*KEY, "name"), name, "malformed")
            for name in ("", "Release", "a b", "../x", "a\n", "x" * (limits.NAME + 1))
        ),
        ("unknown purpose", (*KEY, "purpose"), "sign", "malformed"),
        ("purpose in upper case", (*KEY, "purpose"), "Approve", "malformed"),
        (
            "key with a byte more",
            (*KEY, "key"),
            b64encode(APPROVER.public.spki + b"\0"),
            "unsupported-key",
        ),
        ("key too long", (*KEY, "key"), b64encode(bytes(limits.KEY + 1)), "over-limit"),
        ("scope as text", (*KEY, "scope"), "*", "malformed"),
        ("scope null", (*KEY, "scope"), [None], "malformed"),
        ("scope with a pattern", (*KEY, "scope"), ["a.example/*"], "bad-repository"),
        ("scope that ends in a slash", (*KEY, "scope"), ["a.example/"], "bad-repository"),
        ("1,025 scopes of junk", (*KEY, "scope"), [None] * 1025, "over-limit"),
        # Windows.
        ("window backwards", (*KEY, "valid_through_tree_size"), 1, "malformed"),
        ("window before 0", (*KEY, "valid_from_tree_size"), -1, "bad-integer"),
        ("window beyond 63 bits", (*KEY, "valid_through_tree_size"), 2**63, "bad-integer"),
        ("window null", (*KEY, "valid_through_tree_size"), None, "malformed"),
        ("window as text", (*KEY, "valid_from_tree_size"), "0", "malformed"),
        ("no start", (*KEY, "valid_from_tree_size"), GONE, "malformed"),
        # Witnesses.
        ("no policy", ("witnesses",), "", "malformed"),
        ("no quorum", ("witnesses",), f"witness w {WITNESSES[0].key}\n", "malformed"),
        # One key in two roles, or under two names.
        ("one name twice", ("keys", 1, "name"), "release", "malformed"),
        ("one key twice", ("keys", 1, "key"), spki(APPROVER.public), "malformed"),
        ("log key approves", (*KEY, "key"), spki(LOG.key.public), "malformed"),
        ("promise key approves", (*KEY, "key"), spki(PROMISE.public), "malformed"),
        ("witness approves", (*KEY, "key"), spki(WITNESSES[1].key.public), "malformed"),
        ("approver promises", (*LOG_0, "promise_key"), spki(APPROVER.public), "malformed"),
        ("log key promises", (*LOG_0, "promise_key"), spki(LOG.key.public), "malformed"),
        ("log witnesses", (*LOG_0, "checkpoint_key"), spki(WITNESSES[0].key.public), "malformed"),
        ("one key for two logs", ("logs",), [DOCUMENT["logs"][0]] * 2, "malformed"),
    ),
)
def test_bad_trust_files(path: Path, value: object, code: str) -> None:
    """
    A trust file with anything in it that is wrong is not trusted at all.
    """
    refused(code, lambda: parse(put(DOCUMENT, path, value)))


def test_too_large() -> None:
    """
    A trust file over the limit is not even parsed.
    """
    refused("over-limit", lambda: TrustRoot.parse(b" " * (limits.TRUST_FILE + 1)))
