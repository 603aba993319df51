"""A token is for us alone, of its very issuer, and for now (rows A6-A8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.access.oidc import claims as said
from signer.errors import TokenClaimError, TokenTimeError
from tests.signer.access.oidc.issuing import AUDIENCE, NOW, Offline, claims_of, compact
from tests.signer.asking import refused

_HEADER = b'{"alg":"RS256","kid":"one"}'


def raw(ci: Offline, member: str, without: str) -> str:
    """Return a token with a member as it is written here, in place of another."""
    claims = compact(claims_of(ci.URL, **{without: None})).decode()[:-1]
    return ci.pair.token(_HEADER, f"{claims},{member}}}".encode())


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a6_missing(ci: Offline, name: str) -> None:
    """
    A6: a token that does not say when it ends, or when it was made, is refused.
    """
    ci.refuses("token-time", ci.token(**{name: None}))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (f'"{NOW}"', "token-time"),
        ("true", "token-time"),
        ("false", "token-time"),
        ("null", "token-time"),
        (f"{NOW}.0", "token-time"),
        (f"{NOW}e0", "token-time"),
        ("1.79e9", "token-time"),
        (f"-{NOW}", "token-time"),
        ("1" + "0" * 30, "token-time"),
        (f"[{NOW}]", "token-time"),
        ("NaN", "bad-token"),
        ("Infinity", "bad-token"),
        ("-Infinity", "bad-token"),
        ("1e999", "bad-token"),
        ("-0", "bad-token"),
        ("9" * 5000, "bad-token"),
        (f"0{NOW}", "bad-token"),
        (f"+{NOW}", "bad-token"),
    ],
)
def test_a6_no_whole_number(ci: Offline, name: str, value: str, code: str) -> None:
    """
    A6: a time that is text, true, NaN, infinite, a fraction, negative or huge is refused.
    """
    ci.refuses(code, raw(ci, f'"{name}":{value}', name))


def test_a6_no_nbf(ci: Offline) -> None:
    """
    A6: a token need not say when it begins: some issuers do not.
    """
    assert "job" == ci.verify(ci.token(nbf=None)).subject


def test_a6_edges(ci: Offline) -> None:
    """
    A6: clocks may differ by 30 s at both ends, and not by a second more.
    """
    token = ci.token(iat=NOW, nbf=None, exp=NOW + 600)
    assert NOW + 600 == ci.verify(token, NOW + 629.9).expires_at
    assert NOW == ci.verify(token, NOW - 30).issued_at
    assert "ended" in ci.refuses("token-time", token, NOW + 630).message
    assert "begun" in ci.refuses("token-time", token, NOW - 30.1).message
    later = ci.token(iat=NOW - 100, nbf=NOW + 31)
    assert "begun" in ci.refuses("token-time", later).message
    assert NOW - 100 == ci.verify(later, NOW + 1).issued_at
    earlier = ci.token(iat=NOW + 31, nbf=NOW - 600, exp=NOW + 60)
    assert "begun" in ci.refuses("token-time", earlier).message


def test_a6_lifetime(ci: Offline) -> None:
    """
    A6: a token may live for 15 minutes and no second longer, or by what its section says.
    """
    assert 900 == ci.verify(ci.token(exp=NOW + 900)).lifetime_s
    assert "900" in ci.refuses("token-time", ci.token(exp=NOW + 901)).message
    assert "900" in ci.refuses("token-time", ci.token(iat=NOW - 800, exp=NOW + 101)).message
    ci.refuses("token-time", ci.token(iat=0, nbf=0, exp=NOW + 60))
    ci.refuses("token-time", ci.token(exp=NOW))
    ci.refuses("token-time", ci.token(iat=NOW + 10, nbf=None, exp=NOW))


def test_a6_lifetime_of_the_section(tmp_path: Path) -> None:
    """
    A6: `lifetime_s` of an issuer's section is the limit, shorter or longer.
    """
    short = Offline(tmp_path, lifetime_s=60)
    assert 60 == short.verify(short.token(exp=NOW + 60)).lifetime_s
    short.refuses("token-time", short.token(exp=NOW + 61))


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        "other.example",
        AUDIENCE[:-1],
        AUDIENCE + "/",
        AUDIENCE + "x",
        AUDIENCE.upper(),
        f" {AUDIENCE}",
        [],
        [AUDIENCE, "other.example"],
        ["other.example", AUDIENCE],
        [AUDIENCE, AUDIENCE],
        [[AUDIENCE]],
        {"0": AUDIENCE},
        {AUDIENCE: True},
        True,
        f"{AUDIENCE},other.example",
        f"{AUDIENCE} other.example",
        [None],
    ],
    ids=str,
)
def test_a7_audience(ci: Offline, audience: object) -> None:
    """
    A7: a token that is for nobody, for another, for more than us, or nearly for us is refused.
    """
    ci.refuses("token-audience", ci.token(aud=audience))


def test_a7_list_of_one(ci: Offline) -> None:
    """
    A7: a list that holds us alone is how Kubernetes says it, and is taken.
    """
    assert "job" == ci.verify(ci.token(aud=[AUDIENCE])).subject


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https:",
        "https://ci.exampl",
        "https://ci.example/",
        "https://ci.example.evil.example",
        "https://CI.example",
        "http://ci.example",
        "https://ci.example:443",
        " https://ci.example",
        "https://ci.example\n",
        ["https://ci.example"],
        {"https://ci.example": 1},
        True,
        0,
    ],
    ids=str,
)
def test_a8_issuer(ci: Offline, url: object) -> None:
    """
    A8: an issuer that is missing, or differs by a slash, a letter or its case, is not ours.
    """
    ci.refuses("token-issuer", ci.token(iss=url))


@pytest.mark.parametrize("subject", [None, "", 5, True, ["job"], {"a": "job"}, "j" * 1025])
def test_subject(ci: Offline, subject: object) -> None:
    """
    A token has to say whom it is for, in a text of bounded length.
    """
    ci.refuses("token-claim", ci.token(sub=subject))


@pytest.mark.parametrize("jti", ["", 5, ["a"], "j" * 257, {"a": 1}, True])
def test_token_id(ci: Offline, jti: object) -> None:
    """
    The id of a token, if it has one, is a short text.
    """
    ci.refuses("token-claim", ci.token(jti=jti))


@pytest.mark.parametrize("text", ["a\nb", "a\x1bb", "a\u202eb", "a\u2028b", "\x7f"])
def test_control_characters(ci: Offline, text: str) -> None:
    """
    A claim that would break a line, colour it or turn it round is refused, name or value.
    """
    ci.refuses("token-claim", ci.token(ref=text))
    ci.refuses("token-claim", ci.token(**{text: "ref"}))


def test_claims_as_text(ci: Offline) -> None:
    """
    Objects are named by their paths; numbers, true and false are text; lists are left out.
    """
    found = ci.verify(
        ci.token(
            **{"kubernetes.io": {"namespace": "ci", "serviceaccount": {"uid": "8a"}}},
            runner=12,
            protected=True,
            hidden=False,
            groups=["a", "b"],
            ratio=0.5,
            none=[],
            long="x" * 1025,
        )
    ).claims

    assert "ci" == found["kubernetes.io/namespace"]
    assert "8a" == found["kubernetes.io/serviceaccount/uid"]
    assert ("12", "true", "false") == (found["runner"], found["protected"], found["hidden"])
    assert {"groups", "ratio", "none", "long", "kubernetes.io"}.isdisjoint(found)


def test_one_name_for_two_claims(ci: Offline) -> None:
    """
    A claim that is written so as to be taken for one inside an object is refused.
    """
    both = {"kubernetes.io/namespace": "prod", "kubernetes.io": {"namespace": "dev"}}
    ci.refuses("token-claim", ci.token(**both))
    ci.refuses("token-claim", ci.token(**dict(reversed(both.items()))))


def test_too_many_claims(ci: Offline) -> None:
    """
    Claims are bounded in number and depth.
    """
    ci.refuses("token-claim", ci.token(**{f"c{i}": "" for i in range(260)}))
    ci.refuses("token-claim", ci.token(a={"b": {"c": {"d": {"e": 1}}}}))
    assert "1" == ci.verify(ci.token(a={"b": {"c": {"d": 1}}})).claims["a/b/c/d"]


@pytest.mark.parametrize(
    "bound",
    ["", [], {}, {"jkt": "a" * 43}, {"x5t#S256": "a" * 42}, {"x5t#S256": 1}, {"jwk": {}}, None],
    ids=str,
)
def test_bound_to_what_we_cannot_check(ci: Offline, bound: object) -> None:
    """
    A token that counts only with a key, and not a certificate that we would see, is refused.
    """
    if bound is None:
        bound = {"x5t#S256": "a" * 43, "jkt": "a" * 43}
    ci.refuses("token-claim", ci.token(cnf=bound))


def test_bound_to_a_certificate(ci: Offline) -> None:
    """
    A token that counts only with one client certificate says with which.
    """
    assert "a" * 43 == ci.verify(ci.token(cnf={"x5t#S256": "a" * 43})).confirmation
    assert "" == ci.verify(ci.token()).confirmation


@given(
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.none() | st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.integers(60, 86_400),
)
def test_times(issued: int, ends: int, begins: int | None, now: int, lifetime: int) -> None:
    """
    Whatever times are taken: made, begun and not ended by a clock 30 s off at most, and short.
    """
    claims = {"iat": issued, "exp": ends} | ({} if begins is None else {"nbf": begins})
    try:
        said.check_times(claims, now, lifetime)
        taken = True
    except TokenTimeError:
        taken = False
    begun = max(issued, issued if begins is None else begins)

    assert taken == (issued < ends <= issued + lifetime and begun - 30 <= now < ends + 30)


@given(
    st.recursive(
        st.dictionaries(st.text("ab/", max_size=3), st.text("xy", max_size=2), max_size=3),
        lambda inner: st.dictionaries(st.text("ab/", max_size=3), inner, max_size=3),
        max_leaves=6,
    )
)
def test_no_claim_is_lost(claims: dict[str, object]) -> None:
    """
    Whatever objects there are, each text of theirs has a name of its own, or all are refused.
    """

    def leaves(value: object) -> int:
        return sum(map(leaves, value.values())) if isinstance(value, dict) else 1

    try:
        found = said.as_text(claims)
    except TokenClaimError:
        return

    assert leaves(claims) == len(found)


@pytest.mark.parametrize(
    "payload", [b"[]", b'"a"', b"1", b"null", b"{}{}", b"{", b"\xff", b"\xef\xbb\xbf{}"]
)
def test_read_is_strict(payload: bytes) -> None:
    """
    What a token says is a JSON object and nothing else.
    """
    refused("bad-token", lambda: said.read(payload))
