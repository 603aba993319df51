"""Trust files: what is pinned, found again, and written for other clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.making import EXPIRES, ISSUED, ORIGIN, refused
from tests.verifier.paths import put
from tests.verifier.pinned import APPROVER, DOCUMENT, GOOD, LOG, OFFICER, PROMISE, parse
from verifier._strict import b64encode
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.trust import PURPOSES, TrustedKey, TrustedLog, TrustRoot, keys_by_hint


def test_round_trip() -> None:
    """
    A trust root that is written and read again is the same trust root.
    """
    again = TrustRoot.parse(GOOD.json())

    assert again == GOOD


@pytest.mark.parametrize(
    ("issued", "expires"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"),
        ("2026-11-23T21:06:41Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z"),
    ],
)
def test_times_round_trip(issued: str, expires: str) -> None:
    """
    Every time that is read is written again as it was.
    """
    written = json.loads(parse(DOCUMENT | {"issued": issued, "expires": expires}).json())

    assert (issued, expires) == (written["issued"], written["expires"])


def test_least() -> None:
    """
    A trust root without witnesses, promise key, keys, or the end of a window is complete.
    """
    key = TrustedKey("release", "approve", APPROVER.public, ())
    quorum = Quorum.parse("quorum none\n")
    logs = (TrustedLog(ORIGIN, LOG.key),)
    for keys in ({}, keys_by_hint([key])):
        least = TrustRoot(1, ISSUED, EXPIRES, logs, keys, quorum)

        assert least == TrustRoot.parse(least.json())


def test_key_by_hint() -> None:
    """
    A key is found by its hint, and only for its purpose.
    """
    key = GOOD.key(APPROVER.public.hint, "approve")

    assert APPROVER.public == key.public
    refused("key-purpose", lambda: GOOD.key(APPROVER.public.hint, "event"))
    refused("unknown-key", lambda: GOOD.key("", "approve"))
    refused("unknown-key", lambda: GOOD.key(LOG.key.public.hint, "log"))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_purposes(purpose: str) -> None:
    """
    Each purpose can be written and read.
    """
    assert (
        purpose
        == parse(put(DOCUMENT, ("keys", 0, "purpose"), purpose)).keys[APPROVER.public.hint][1]
    )


def test_keys_by_hint_refuses_repetition() -> None:
    """
    No key and no name is indexed twice.
    """
    key = TrustedKey("release", "approve", APPROVER.public, ())

    refused("malformed", lambda: keys_by_hint([key, key._replace(name="other")]))
    refused("malformed", lambda: keys_by_hint([key, key._replace(public=OFFICER.public)]))


def test_log_keys() -> None:
    """
    A log is found by its exact origin.
    """
    expected = (LOG.key,)

    assert expected == GOOD.log_keys(ORIGIN)
    for origin in ("", ORIGIN.upper(), f"{ORIGIN}/", "other.example"):
        assert not GOOD.log_keys(origin)


def test_publics() -> None:
    """
    Every key that may sign for this service is listed, witnesses left out.
    """
    expected = {LOG.key.public, PROMISE.public, APPROVER.public, OFFICER.public}

    assert expected == set(GOOD.publics())


def test_example_trust_file() -> None:
    """
    Every key that the example trust file pins is known to be everybody's.
    """
    data = (Path(__file__).parents[2] / "keys-example" / "trust.json").read_bytes()
    publics = TrustRoot.parse(data).publics()

    assert publics
    for public in publics:
        refused("example-key", public.refuse_example)


def _for_sigstore(key: PublicKey, details: str, log_id: str) -> dict[str, Any]:
    return {
        "baseUrl": f"https://{ORIGIN}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64encode(key.spki),
            "keyDetails": details,
            "validFor": {"start": DOCUMENT["issued"]},
        },
        "logId": {"keyId": log_id},
    }


@pytest.mark.parametrize("promise", [PROMISE.public, None], ids=["with promises", "without"])
def test_sigstore(promise: PublicKey | None) -> None:
    """
    For other clients each log is listed once for each of its keys, with what they require.
    """
    root = GOOD._replace(logs=(GOOD.logs[0]._replace(promise_key=promise),))
    logs = [_for_sigstore(LOG.key.public, "PKIX_ED25519", b64encode(LOG.key.log_id))]
    if promise:
        logs.append(_for_sigstore(promise, "PKIX_ECDSA_P256_SHA_256", promise.hint))
    expected = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": logs,
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [],
    }

    assert expected == json.loads(root.sigstore())
