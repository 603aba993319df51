"""Bindings and API keys as the ledger and the database keep them: what is written is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.access.apikeys import ApiKey
from signer.access.binding import Binding
from signer.access.roles import ANONYMOUS, ROLES
from signer.access.where import Where
from signer.errors import AccessError, SigningError
from verifier._strict import Fields, canonical_json
from verifier.errors import SealbookError, VerificationError

PLACES = ("*", "registry.example/team/app", "registry.example/team/**", "registry.example/**")
NETWORKS = st.lists(st.sampled_from(("10.0.0.0/8", "::1/128")), max_size=2, unique=True)
TEXT = st.text(min_size=1, max_size=20).filter(str.isprintable)
ROLE, PLACE = st.sampled_from(sorted(ROLES)), st.sampled_from(PLACES)
CLAIMS = st.dictionaries(st.sampled_from(("project_id", "ref")), TEXT, min_size=1)


def certified(role: Any, place: str, networks: list[str]) -> Binding:
    """A binding of a certificate."""
    return Binding(role, place, "spiffe://bank.example/ci", networks=tuple(networks))


def claiming(role: Any, place: str, networks: list[str], claims: dict[str, str]) -> Binding:
    """A binding of an issuer."""
    by_token = Binding(role, place, "", "gitlab", claims, networks=tuple(networks))
    return by_token._replace(issuer_url="https://gitlab.example")


def calling(role: Any, place: str) -> Binding:
    """A binding of a network."""
    return Binding(role, place, networks=("10.0.0.0/8",))


BINDINGS = st.one_of(
    st.builds(certified, ROLE, PLACE, NETWORKS),
    st.builds(claiming, ROLE, PLACE, NETWORKS, CLAIMS),
    st.builds(calling, st.sampled_from(sorted(ANONYMOUS)), PLACE),
)


@settings(max_examples=50)
@given(BINDINGS)
def test_binding(binding: Binding) -> None:
    """
    A binding that is logged is read as it was.
    """
    read = Binding.read(Fields(json.loads(canonical_json(binding.json())), "binding"))

    assert binding == read
    assert read.same(binding)


@pytest.mark.parametrize(
    "more",
    [
        {"role": "root"},
        {"repository": "registry.example/../x"},
        {"certificate": "spiffe://bank.example/ci", "issuer": "gitlab"},
        {"issuer": "gitlab"},
        {"issuer": "gitlab", "claims": {"a": "b"}},
        {"issuer": "gitlab", "issuer_url": "https://x", "claims": {"a": 1}},
        {"networks": []},
        {"networks": ["10.0.0.0/8"], "role": "developer"},
        {"networks": [1]},
        {"certificate": "spiffe://bank.example/ci", "pin": "x"},
        {"certificate": 1},
    ],
    ids=str,
)
def test_no_binding(more: dict[str, Any]) -> None:
    """
    Whatever else an event says is no binding.
    """
    said = {"role": "runtime", "repository": "*", **more}
    with pytest.raises((VerificationError, SigningError)):
        Binding.read(Fields(said, "binding"))


@given(
    st.sampled_from(sorted(ROLES)),
    NETWORKS,
    st.integers(0, 2**40),
    st.binary(min_size=32, max_size=32),
)
def test_api_key(role: Any, networks: list[str], at: int, hashed: bytes) -> None:
    """
    An API key that is kept is read as it was.
    """
    key = ApiKey(
        "sbk_a", "nightly", role, (Where("*"),), at, at + 60, "x#y", hashed, "", tuple(networks)
    )

    assert key == ApiKey.parse(key.record())


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_no_api_key(content: bytes) -> None:
    """
    Whatever else lies in the database is told as such.
    """
    with pytest.raises(SealbookError) as caught:
        ApiKey.parse(content)
    assert isinstance(caught.value, AccessError)
