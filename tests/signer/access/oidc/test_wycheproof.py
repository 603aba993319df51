"""Wycheproof's tokens and keys: nothing invalid is taken, and of the valid what is ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from signer.access.oidc import prechecks
from signer.access.oidc.jwks import KeySet
from tests.signer.access.oidc.issuing import compact
from tests.vectors import vectors
from verifier.errors import SealbookError

_FILES = ("json_web_signature", "json_web_key")


def judge(keys: dict[str, Any], token: str) -> str:
    """Return the code of the refusal, or "" when the token is signed by one of the keys."""
    try:
        parsed = prechecks.parse(token)
        KeySet.parse(compact(keys)).key(parsed.key_id).check(parsed)
    except SealbookError as e:
        return e.code
    return ""


def cases(name: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield each case with its group's comment, what to expect and the public keys."""
    for group in vectors(f"wycheproof/{name}_test.json")["testGroups"]:
        # Of symmetric keys there is no public part: what is secret is offered as if it were one.
        keys = group.get("public") or group["private"]
        for case in group["tests"]:
            offered = keys if "keys" in keys else {"keys": [keys]}
            yield group["comment"], case["result"], offered, case


@pytest.mark.parametrize("name", _FILES)
def test_nothing_invalid(name: str) -> None:
    """
    Of Wycheproof's tokens, and those under its keys, none is taken that it calls invalid.
    """
    found = list(cases(name))
    taken = [
        (comment, case["tcId"])
        for comment, result, keys, case in found
        if result != "valid" and not judge(keys, case["jws"])
    ]

    assert not taken
    assert {"json_web_signature": 355, "json_web_key": 21}[name] == sum(
        result == "invalid" for _, result, _, _ in found
    )


def test_valid_tokens() -> None:
    """
    Of the 46 valid tokens 26 are taken; 20 are refused by a rule of ours, each by its code.

    HMAC: nobody shares a secret with us; two of these have characters that are no base64url. No
    payload: what would such a token say? And RFC 7520's keys name an algorithm that is not their
    token's, or none that there is ("ES521").
    """
    verdicts = Counter(
        (judge(keys, case["jws"]) or "taken", _kind(keys, case))
        for _, result, keys, case in cases("json_web_signature")
        if result == "valid"
    )

    assert {
        ("taken", ""): 26,
        ("bad-token", "no payload"): 6,
        ("token-algorithm", "HMAC"): 8,
        ("bad-token", "HMAC"): 2,
        ("token-algorithm", "PS384 under a key for PS256"): 2,
        ("bad-key-set", "under a key for ES521"): 2,
    } == verdicts


def test_valid_keys() -> None:
    """
    Of the 5 valid key sets the one of an RSA key is used; four are of HMAC.
    """
    verdicts = Counter(
        (judge(keys, case["jws"]) or "taken", _kind(keys, case))
        for _, result, keys, case in cases("json_web_key")
        if result == "valid"
    )

    assert {("taken", ""): 1, ("token-algorithm", "HMAC"): 4} == verdicts


def _kind(keys: dict[str, Any], case: dict[str, Any]) -> str:
    """Return which rule of ours a valid case would break."""
    key = keys["keys"][0]
    if key["kty"] == "oct":
        return "HMAC"
    if ".." in case["jws"]:
        return "no payload"
    if key["alg"] == "ES521":
        return "under a key for ES521"
    if key["alg"] == "PS256" and case["comment"] == "Figure20":
        return "PS384 under a key for PS256"
    return ""
