"""Errors: one stable code for each decision, and messages that are safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.verifier.making import rows
from verifier.errors import SealbookError, VerificationError
from verifier.pull.errors import ImagesError

# A code is part of the interface: a program somewhere compares it. Add, never change.
CODES = {
    "ambiguous-key",
    "bad-base64",
    "bad-certificate",
    "bad-digest",
    "bad-integer",
    "bad-repository",
    "bad-signature",
    "checkpoint-mismatch",
    "digest-mismatch",
    "duplicate-key",
    "entry-mismatch",
    "example-key",
    "key-purpose",
    "key-scope",
    "key-window",
    "malformed",
    "no-contradiction",
    "not-included",
    "over-limit",
    "predicate-type",
    "repository-mismatch",
    "trust-expired",
    "unknown-field",
    "unknown-key",
    "unnamed-repository",
    "unsupported-key",
    "unsupported-version",
    "untrusted-log",
    "weak-key",
    "witness-quorum",
}


def _kinds(kind: type[SealbookError]) -> Iterator[type[SealbookError]]:
    for below in kind.__subclasses__():
        if below.__module__ in (VerificationError.__module__, ImagesError.__module__):
            if below.code != SealbookError.code:  # else it is there to be caught
                yield below
            yield from _kinds(below)


KINDS = list(_kinds(VerificationError))


def test_codes() -> None:
    """
    Every kind of no has a code of its own, and the codes are these, for ever.
    """
    codes = [kind.code for kind in KINDS]

    assert len(codes) == len(set(codes))
    assert CODES <= set(codes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind(kind: type[SealbookError]) -> None:
    """
    A kind says when it is raised, and its code and hint have the form of all the others.
    """
    assert kind.__doc__
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", kind.code)
    assert kind.hint == kind.hint.strip(". ")
    assert kind.hint[:1] == kind.hint[:1].lower()


@pytest.mark.parametrize(
    "message",
    rows(
        ("escape", "found \x1b[2K"),
        ("second line", "found\nyes: approved"),
        ("carriage return", "found\ryes"),
        ("C1 control", "found \x9b2K"),
        ("right to left", "found \u202eyes"),
        ("lone surrogate", "found \ud800"),
        ("line separator", "found \u2028yes"),
    ),
)
def test_messages_are_escaped(message: str) -> None:
    """
    What a terminal would obey, or show as something else, is shown as what it is.
    """
    error = VerificationError(message)

    assert error.message.isprintable()
    assert error.message == str(error)
    assert error.message.startswith("found")


def test_messages_are_short() -> None:
    """
    A message about a megabyte does not print it.
    """
    assert len(VerificationError("x" * 1_000_000).message) < 10_000


def test_plain_messages_are_kept() -> None:
    """
    A message that is safe is not touched, in whatever script.
    """
    expected = "found \u00e9\u4e2d\u2026 'x'"

    assert expected == VerificationError(expected).message


def test_hint() -> None:
    """
    A hint given on the spot goes before the one of its kind.
    """
    kind = next(kind for kind in KINDS if kind.hint)
    expected = ["there", kind.hint]

    assert expected == [kind("x", hint="there").hint, kind("x").hint]
