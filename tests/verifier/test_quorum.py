"""Witness policies: their grammar, and which sets of witnesses satisfy them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations

import pytest

from tests.verifier import examples
from tests.verifier.making import refused, rows, witnesses
from verifier import limits
from verifier.errors import VerificationError
from verifier.quorum import Quorum

WITNESSES = witnesses(5)
A, B, C, D, E = (str(witness.key) for witness in WITNESSES)
RENAMED = str(WITNESSES[0].key._replace(name="other.example"))
KNOWN = f"witness a {A}\nwitness b {B}\nwitness c {C}\n"


@pytest.mark.parametrize(
    ("text", "names"),
    rows(
        ("nobody", "quorum none\n", ""),
        ("nobody of one", f"witness a {A}\nquorum none\n", "a"),
        ("one", f"witness a {A}\nquorum a\n", "a"),
        ("address", f"witness a {A} https://a.example/\nquorum a\n", "a"),
        ("group", f"{KNOWN}group g 2 a b c\nquorum g\n", "abc"),
        ("comments", f"# one\n \t# two\n\n \n{KNOWN}\nquorum a\n#\n", "abc"),
        ("blanks", f"\twitness  a\t \t{A}  \n  quorum\ta\t\n", "a"),
        ("names of others", f"witness \u00e9+#1 {A}\nquorum \u00e9+#1\n", ("\u00e9+#1",)),
        ("quorum before the rest", f"witness a {A}\nquorum a\nwitness b {B}\n", "ab"),
    ),
)
def test_good_policies(text: str, names: str) -> None:
    """
    A policy of the specification's form is read, and its text is kept.
    """
    quorum = Quorum.parse(text)

    assert (text, list(names)) == (quorum.text, list(quorum.witnesses))


def test_published_witness() -> None:
    """
    A witness of the public network can be asked for.
    """
    quorum = Quorum.parse(f"witness remora {examples.WITNESS_VKEY}\nquorum remora\n")

    assert quorum.satisfied_by({"remora"})
    assert not quorum.satisfied_by(set())


@pytest.mark.parametrize(
    ("text", "code"),
    rows(
        ("nothing", "", "malformed"),
        ("only a comment", "#\n", "malformed"),
        ("no quorum", KNOWN, "malformed"),
        ("two quorums", f"{KNOWN}quorum a\nquorum a\n", "malformed"),
        ("no newline at the end", "quorum none", "malformed"),
        ("carriage returns", "quorum none\r\n", "malformed"),
        ("unknown line", "log x\nquorum none\n", "malformed"),
        ("upper case", "Quorum none\n", "malformed"),
        ("no-break space", "quorum\u00a0none\n", "malformed"),
        ("vertical tab", "quorum\vnone\n", "malformed"),
        ("line separator", f"witness a {A}\u2028quorum a\n", "bad-base64"),
        ("two words", "quorum\n", "malformed"),
        ("four words", "quorum none none\n", "malformed"),
        ("comment after a line", "quorum none # nobody\n", "malformed"),
        ("quorum of an unknown", f"{KNOWN}quorum d\n", "malformed"),
        ("quorum of a later one", f"quorum a\n{KNOWN}", "malformed"),
        # Witnesses.
        ("witness without a key", "witness a\nquorum none\n", "malformed"),
        ("witness of five words", f"witness a {A} https://a.example x\nquorum a\n", "malformed"),
        ("witness called none", f"witness none {A}\nquorum none\n", "malformed"),
        ("two witnesses of one name", f"witness a {A}\nwitness a {B}\nquorum a\n", "malformed"),
        ("one key under two names", f"witness a {A}\nwitness b {A}\nquorum a\n", "malformed"),
        ("one key renamed", f"witness a {A}\nwitness b {RENAMED}\nquorum a\n", "malformed"),
        ("a log's key", f"witness a {examples.LOG_VKEY}\nquorum a\n", "malformed"),
        ("an ECDSA key", f"witness a {examples.ECDSA_VKEY}\nquorum a\n", "malformed"),
        ("no key", "witness a x\nquorum a\n", "malformed"),
        ("control character", f"witness a\x01 {A}\nquorum none\n", "malformed"),
        ("control character in a comment", "# \x01\nquorum none\n", "malformed"),
        # Groups.
        ("group without members", f"{KNOWN}group g 1\nquorum g\n", "malformed"),
        ("group called none", f"{KNOWN}group none 1 a\nquorum none\n", "malformed"),
        ("group called like a witness", f"{KNOWN}group a 1 b\nquorum a\n", "malformed"),
        ("two groups of one name", f"{KNOWN}group g 1 a\ngroup g 1 b\nquorum g\n", "malformed"),
        ("group of an unknown", f"{KNOWN}group g 1 d\nquorum g\n", "malformed"),
        ("group of itself", f"{KNOWN}group g 1 g\nquorum g\n", "malformed"),
        ("group of a later one", f"group g 1 a\n{KNOWN}quorum g\n", "malformed"),
        ("member twice", f"{KNOWN}group g 2 a a\nquorum g\n", "malformed"),
        ("member of two", f"{KNOWN}group g 1 a b\ngroup h 1 a c\nquorum g\n", "malformed"),
        ("nobody of two", f"{KNOWN}group g 0 a b\nquorum g\n", "malformed"),
        ("three of two", f"{KNOWN}group g 3 a b\nquorum g\n", "malformed"),
        ("threshold 01", f"{KNOWN}group g 01 a b\nquorum g\n", "bad-integer"),
        ("threshold -1", f"{KNOWN}group g -1 a b\nquorum g\n", "bad-integer"),
        ("threshold most", f"{KNOWN}group g most a b\nquorum g\n", "bad-integer"),
        ("threshold All", f"{KNOWN}group g All a b\nquorum g\n", "bad-integer"),
        ("too long", "#" * limits.NOTE + "\nquorum none\n", "over-limit"),
    ),
)
def test_bad_policies(text: str, code: str) -> None:
    """
    A policy that another reader could understand otherwise is refused.
    """
    refused(code, lambda: Quorum.parse(text))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("quorum none\n", lambda _: True),
        ("quorum a\n", lambda w: "a" in w),
        ("group g any a b c\nquorum g\n", lambda w: bool(w & {"a", "b", "c"})),
        ("group g all a b c\nquorum g\n", lambda w: {"a", "b", "c"} <= w),
        ("group g 1 a\nquorum g\n", lambda w: "a" in w),
        ("group g 2 a b c\nquorum g\n", lambda w: len(w & {"a", "b", "c"}) > 1),
        ("group g 4 a b c d e\nquorum g\n", lambda w: len(w) > 3),
        (
            "group g 1 a b\ngroup h all c d\ngroup i 2 g h e\nquorum i\n",
            lambda w: bool(w & {"a", "b"}) + ({"c", "d"} <= w) + ("e" in w) > 1,
        ),
    ],
)
def test_satisfied(policy: str, expected: Callable[[set[str]], bool]) -> None:
    """
    Exactly the sets that the policy describes suffice, of all sets of five witnesses.
    """
    keys = dict(zip("abcde", (A, B, C, D, E), strict=True))
    known = "".join(f"witness {name} {key}\n" for name, key in keys.items())
    quorum = Quorum.parse(known + policy)
    everyone = chain.from_iterable(combinations("abcde", count) for count in range(6))
    for some in map(set, everyone):
        assert expected(some) == quorum.satisfied_by(some), some


def test_unknown_witnesses_do_not_satisfy() -> None:
    """
    Names that the policy does not know count for nothing.
    """
    quorum = Quorum.parse(f"{KNOWN}group g 2 a b c\nquorum g\n")

    assert not quorum.satisfied_by({"a", "x", "y", "g"})


def test_many_witnesses() -> None:
    """
    As many witnesses as C2SP demands can be asked for.
    """
    keys = [str(witness.key) for witness in witnesses(64)]
    known = "".join(f"witness w{i} {key}\n" for i, key in enumerate(keys))
    names = " ".join(f"w{i}" for i in range(64))
    quorum = Quorum.parse(f"{known}group g 33 {names}\nquorum g\n")

    assert not quorum.satisfied_by({f"w{i}" for i in range(32)})
    assert quorum.satisfied_by({f"w{i}" for i in range(33)})


def test_groups_of_groups_of_groups() -> None:
    """
    A policy of many levels is judged or refused, and never crashes who reads it.
    """
    groups = "".join(f"group g{i} 1 g{i - 1}\n" for i in range(1, 2000))
    text = f"witness a {A}\ngroup g0 1 a\n{groups}quorum g1999\n"
    try:
        satisfied = Quorum.parse(text).satisfied_by({"a"})
    except VerificationError:
        return

    assert satisfied
