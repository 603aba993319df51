"""The tokens of JSON as patterns over bytes, so that most of a document is passed in C.

A pattern that matches needs no further check; what is rare, an escaped key or a number
that might overflow, is left to `TOKEN` and `number`.

Spec: RFC 8259, sections 2, 6 and 7.
"""

from __future__ import annotations

import math
import re

from verifier.errors import LimitError, MalformedError

LONGEST_NUMBER = 4300  # characters; the digits that Python's int() takes
LONGEST_ESCAPE = 12  # bytes, of a surrogate pair
LITERALS = {b"true": True, b"false": False, b"null": None}

# Characters, and escapes that are no NUL and no lone surrogate.
_CHARACTERS = (
    rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?:(?!0000)[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}'
    rb"|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))*+"
)
_STRING = rb'"' + _CHARACTERS + rb'"'
_S = rb"[ \t\r\n]*+"
# Numbers of which no float overflows, and no integer is -0: most there are.
_PLAIN = (
    rb"(?:-?[1-9][0-9]{0,199}+(?:\.[0-9]{1,999}+)?|-?0\.[0-9]{1,999}+|0)"
    rb"(?:[eE](?:-[0-9]{1,19}+|\+?[0-9]{1,2}+))?"
)
_SCALAR = rb"(?:" + _STRING + rb"|" + _PLAIN + rb"|true|false|null)"

# One token: string, sign, number or literal. The last two may go on in the next piece.
TOKEN = re.compile(
    _S + rb"(?:(" + _STRING + rb")"
    rb"|([{}\[\],:])"
    rb"|(?:(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"
    rb"|(true|false|null))(?=[ \t\r\n,\]}]))"
)
# Of an object: a key and what its value is or begins with. Groups: key, sign, comma.
MEMBER = re.compile(
    _S + rb'"([^"\\\x00-\x1f]*+)"' + _S + rb":" + _S + rb"(?:([\[{])|"
    rb"" + _SCALAR + _S + rb"(?:(,)|(?=\})))"
)
# Of an array: scalars, each with its comma.
ITEMS = re.compile(rb"(?:" + _S + _SCALAR + _S + rb",){1,1024}+")
# The end of an object or array, and what often follows. Groups: end, comma, sign.
ENDING = re.compile(_S + rb"([}\]])(?:" + _S + rb"(,)(?:" + _S + rb"(\{))?+)?+")
CHARACTERS = re.compile(_CHARACTERS)
SPACE = re.compile(_S)
WHOLE = re.compile(rb"[^ \t\r\n,\]}]*+[ \t\r\n,\]}]")


def end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Return where a pattern ends that matches nothing too."""
    match = pattern.match(data, at)
    assert match is not None
    return match.end()


def number(text: bytes) -> int | float:
    """Return a number that the verifier takes too.

    Raises:
        LimitError: it is longer than any number that it takes.
        MalformedError: it is -0, or not finite.
    """
    if len(text) > LONGEST_NUMBER:
        raise LimitError(f"expected numbers of at most {LONGEST_NUMBER} characters")
    if text.removeprefix(b"-").isdigit():
        if text == b"-0":
            raise MalformedError("-0 is not a number of this format")
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise MalformedError(f"{text[:40].decode()} is not a finite number")
    return value
