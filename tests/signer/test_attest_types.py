"""Predicates against the type that they are said to be of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signer.attest import types
from signer.attest.scan import Scanner
from tests.signer.asking import refused
from verifier.statement import APPROVAL

GOOD: dict[str, dict[str, Any]] = {
    "slsaprovenance1": {
        "buildDefinition": {"buildType": "https://b.example", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://b.example/builder"}},
    },
    "slsaprovenance": {"buildType": "https://b.example", "builder": {"id": "https://b.example/b"}},
    "spdx": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
    "vuln": {
        "invocation": {},
        "scanner": {"uri": "pkg:x", "result": {}},
        "metadata": {"scanFinishedOn": "2026-11-23T21:06:41Z"},
    },
    "openvex": {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []},
    "custom": {},
}


def check(name: str, predicate: dict[str, Any]) -> None:
    """Check a predicate as the service does."""
    uri = types.uri_of(name)
    scanner = Scanner(types.wanted(uri), lambda: None)
    scanner.feed(json.dumps(predicate).encode())
    types.check(uri, scanner.end())


@pytest.mark.parametrize("name", GOOD)
def test_each_is_itself(name: str) -> None:
    """
    A predicate that has what its type needs is of it, by name and by URI.
    """
    check(name, GOOD[name])
    check(types.uri_of(name), {**GOOD[name], "more": [1]})
    assert name == types.name_of(types.uri_of(name))


@pytest.mark.parametrize("name", [name for name in GOOD if name != "custom"])
@pytest.mark.parametrize("other", GOOD)
def test_none_is_another(name: str, other: str) -> None:
    """
    A predicate of one type is of no other that is known.
    """
    if name != other:
        refused("predicate-type-mismatch", lambda: check(name, GOOD[other]))


@pytest.mark.parametrize("name", [name for name in GOOD if name != "custom"])
def test_every_need(name: str) -> None:
    """
    Without any one of what a type needs, or with something else there, it is not of it.
    """
    for path in types.wanted(types.uri_of(name)):
        for value in (None, 7, "", [{}]):
            predicate = json.loads(json.dumps(GOOD[name]))
            inside = predicate
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]] = value
            if name == "openvex" and path == ("statements",) and value == [{}]:
                continue
            refused("predicate-type-mismatch", lambda p=predicate: check(name, p))  # type: ignore[misc]


def test_own_type() -> None:
    """
    A type of the caller's own may be anything.
    """
    check("https://team.example/tested/v1", {"anything": 1})
    assert "urn:team:tested" == types.name_of(types.uri_of("urn:team:tested"))


@pytest.mark.parametrize(
    "named",
    [
        "",
        "provenance",
        "https:",
        "team.example/tested",
        "https://team.example/a b",
        "https://team.example/\x1b[1m",
        "https://team.example/é",
        "https://team.example/" + "a" * 512,
        APPROVAL,
        "urn:sealbook:genesis:v1",
        "urn:sealbook:",
        "urn:Sealbook:genesis:v1",
    ],
)
def test_no_type(named: str) -> None:
    """
    What is no URI, or a type that only the service writes, is refused.
    """
    refused("bad-predicate-type", lambda: types.uri_of(named))
