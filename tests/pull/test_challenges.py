"""WWW-Authenticate, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.hostile import bounded
from verifier.pull.errors import RegistryAnswerError
from verifier.pull.registry.challenges import Challenge, choose, parse

BEARER = Challenge("bearer", {"realm": "https://a.example/token", "service": "r"})


@pytest.mark.parametrize(
    "header",
    [
        'Bearer realm="https://a.example/token",service="r"',
        'bearer realm="https://a.example/token", service=r',
        'BEARER Realm = "https://a.example/token" , SERVICE = "r"',
        ' Bearer realm="https:\\/\\/a.example\\/token",service="r" ',
    ],
)
def test_one(header: str) -> None:
    """
    Names have no case, and values may be quoted.
    """
    assert [BEARER] == parse(header)


def test_several() -> None:
    """
    Several schemes may stand in one header, or in several; Bearer comes before Basic.
    """
    header = 'Basic realm="x, y", Negotiate, Bearer realm="https://a.example/token",service="r"'

    assert ["basic", "negotiate", "bearer"] == [one.scheme for one in parse(header)]
    assert BEARER == choose([header])
    assert BEARER == choose(header.replace("x, y", "x").split(", "))
    assert choose(["Negotiate abc=="]) is None
    assert choose([]) is None


@pytest.mark.parametrize(
    "header",
    [
        'Bearer realm="x',
        'Bearer realm="x" service="y"',
        'Bearer realm="x",realm="y"',
        'Bearer realm="x",REALM="y"',
        'Bearer realm="x\x01"',
        "Bearer realm=x y",
        '="x"',
        ",",
        "\x00",
        'Bearer realm="\\\x7f"',
    ],
)
def test_none(header: str) -> None:
    """
    What has two readings has none.
    """
    with pytest.raises(RegistryAnswerError):
        parse(header)


@pytest.mark.parametrize("piece", ["a=b,", 'a="', "\\", "x ", ", ", '"', "Bearer ", "="])
def test_long(piece: str) -> None:
    """
    Ten megabytes are refused by their length, and what is as long as may be is read at once.
    """
    with bounded(seconds=0.1, mebibytes=1):
        with pytest.raises(RegistryAnswerError):
            parse(piece * 1_000_000)
        try:
            parse((piece * 8192)[:8192])
        except RegistryAnswerError:
            return


@given(st.text(alphabet='Bearer=" ,\\x\x00é', max_size=60))
def test_anything(header: str) -> None:
    """
    Whatever a registry sends is read, or refused as an answer.
    """
    try:
        found = parse(header)
    except RegistryAnswerError:
        return

    assert all(one.scheme == one.scheme.lower() for one in found)
