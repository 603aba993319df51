"""Trust files: what is pinned, found again, and written for other clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.making import EXPIRES, ISSUED, ORIGIN, refused, rows
from tests.verifier.paths import put
from tests.verifier.pinned import (
    APPROVER,
    CHAINS,
    DOCUMENT,
    GOOD,
    LOG,
    OFFICER,
    PROMISE,
    TRANSPARENCY,
    parse,
)
from verifier._strict import b64encode
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import PURPOSES, Authority, TrustedKey, TrustedLog, keys_by_hint
from verifier.trusted_root import signing_config, trusted_root


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
    expected |= {TRANSPARENCY.public}

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
            "validFor": {"start": "2020-01-01T00:00:00Z"},
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
        "certificateAuthorities": [_vouching(CHAINS[1])],
        "ctlogs": [
            _for_sigstore(TRANSPARENCY.public, "PKIX_ECDSA_P256_SHA_256", TRANSPARENCY.public.hint)
        ],
        "timestampAuthorities": [_vouching(CHAINS[0])],
    }

    assert expected == json.loads(trusted_root(root))


def _vouching(chain: tuple[bytes, ...]) -> dict[str, Any]:
    return {
        "subject": {"organization": ORIGIN, "commonName": ORIGIN},
        "uri": f"https://{ORIGIN}",
        "certChain": {"certificates": [{"rawBytes": b64encode(one)} for one in chain]},
        "validFor": {"start": "2020-01-01T00:00:00Z"},
    }


def test_sigstore_without_authorities() -> None:
    """
    Lists of authorities are there when they are empty: clients demand them.
    """
    root = GOOD._replace(authorities=())
    rendered = json.loads(trusted_root(root))

    for field in ("certificateAuthorities", "ctlogs", "timestampAuthorities"):
        assert rendered[field] == []
    assert b"authorities" not in root.json()
    assert root == TrustRoot.parse(root.json())


def test_signing_config() -> None:
    """
    For cosign a file says where to log, and by which protocol.
    """
    expected = (
        '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogUrls":'
        '[{"url":"http://127.0.0.1:3003","majorApiVersion":2,'
        '"validFor":{"start":"2023-11-14T22:13:20Z"},"operator":"ledger.example"}],'
        '"rekorTlogConfig":{"selector":"ANY"}}'
    )
    written = json.loads(signing_config("http://127.0.0.1:3003", ORIGIN, ISSUED))

    assert expected == json.dumps(written, separators=(",", ":"))


@pytest.mark.parametrize("place", range(4))
def test_authorities(place: int) -> None:
    """
    An authority is read back with its chain in the order that it was written.
    """
    root = GOOD._replace(authorities=(GOOD.authorities[place],) * (1 if place == 2 else 2))

    assert root == TrustRoot.parse(root.json())


def test_transparency_key_is_for_nothing_else() -> None:
    """
    The key that signs certificate timestamps has no other purpose.
    """
    for public in (PROMISE.public, APPROVER.public, LOG.key.public):
        same = GOOD._replace(authorities=(Authority("transparency", (public.spki,)),))
        refused("malformed", lambda same=same: TrustRoot.parse(same.json()))


@pytest.mark.parametrize(
    ("value", "code"),
    rows(
        ("kind", {"kind": "other", "chain": ["AAAA"]}, "malformed"),
        ("no chain", {"kind": "timestamp"}, "malformed"),
        ("empty chain", {"kind": "timestamp", "chain": []}, "malformed"),
        ("numbers", {"kind": "timestamp", "chain": [1]}, "malformed"),
        ("no Base64", {"kind": "timestamp", "chain": ["A"]}, "bad-base64"),
        ("long chain", {"kind": "timestamp", "chain": ["AAAA"] * 9}, "over-limit"),
        (
            "large certificate",
            {"kind": "timestamp", "chain": ["AAAA" * 5462]},
            "over-limit",
        ),
        ("key and chain", {"kind": "timestamp", "chain": ["AAAA"], "key": ""}, "unknown-field"),
        ("chain and key", {"kind": "transparency", "chain": [], "key": "AAAA"}, "unknown-field"),
        ("no key", {"kind": "transparency", "key": "AAAA"}, "unsupported-key"),
    ),
)
def test_bad_authorities(value: object, code: str) -> None:
    """
    Another shape is no authority.
    """
    refused(code, lambda: parse({**DOCUMENT, "authorities": [value]}))


def test_too_many_authorities() -> None:
    """
    Authorities are few.
    """
    many = [{"kind": "timestamp", "chain": ["AAAA"]}] * 33

    refused("over-limit", lambda: parse({**DOCUMENT, "authorities": many}))
