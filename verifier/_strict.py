r"""Parsers that accept exactly one spelling of each value.

Signed formats need this: if two byte strings decode to one value, an attacker
picks which one gets hashed. Python's own parsers are generous. `int` takes
" +4_2\n" and "٤٢", `b64decode` skips bytes that it does not know, `json.loads`
keeps the last of two equal keys. Use these instead.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from verifier import limits
from verifier.errors import (
    Base64Error,
    DuplicateKeyError,
    IntegerError,
    LimitError,
    MalformedError,
    UnknownFieldError,
)

_T = TypeVar("_T")

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.ASCII)
_NOTE_NAME = re.compile(r"[^\s+\x00-\x20\x7f\ud800-\udfff]+")  # \s is all of Unicode's spaces
# What a terminal or a reader would obey rather than show: controls, line and
# paragraph separators, marks that turn the direction of text; and half characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_INFINITE = float("inf")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Possessive: a string that never ends is passed once, and not tried in every way.
_NESTING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)


def decimal(text: str, *, limit: int = limits.TREE_SIZE) -> int:
    """Parse an ASCII decimal with no sign and no leading zero.

    Raises:
        IntegerError: `text` has another form, or its value is `limit` or more.
    """
    if not _DECIMAL.fullmatch(text) or (n := int(text)) >= limit:
        raise IntegerError(f"expected a decimal below {limit}, found {text[:40]!r}")
    return n


def hexadecimal(text: str, *, size: int) -> bytes:
    """Decode lower-case hexadecimal of exactly `size` bytes.

    Raises:
        MalformedError: `text` is anything else.
    """
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise MalformedError(f"expected {2 * size} lower-case hex digits, found {text[:80]!r}")
    return bytes.fromhex(text)


def b64(text: str, *, size: int | None = None) -> bytes:
    """Decode standard padded Base64 (RFC 4648 section 4), canonical form only.

    Raises:
        Base64Error: `text` is not canonical, or does not hold `size` bytes.
    """
    try:
        raw = binascii.a2b_base64(text)
    except ValueError as e:  # binascii.Error, and text outside ASCII
        raise Base64Error(f"expected Base64, found {text[:40]!r}") from e
    if b64encode(raw) != text:
        raise Base64Error(f"expected canonical Base64, found {text[:40]!r}")
    if size is not None and len(raw) != size:
        raise Base64Error(f"expected Base64 of {size} bytes, found {len(raw)} bytes")
    return raw


def b64encode(raw: bytes) -> str:
    """Encode as standard padded Base64 (RFC 4648 section 4)."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def base64_pieces(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the Base64 of bytes that come in pieces, as if they were one.

    No piece is empty: whoever passes them on may take an empty one for the end.
    """
    left = b""
    for piece in raw:
        left += piece
        whole = len(left) - len(left) % 3
        if whole:
            yield binascii.b2a_base64(left[:whole], newline=False)
        left = left[whole:]
    if left:
        yield binascii.b2a_base64(left, newline=False)


def name(text: str) -> str:
    """Return `text` if it can name a key or a witness: a short lower-case word.

    Raises:
        MalformedError: it cannot.
    """
    if len(text) > limits.NAME or not _NAME.fullmatch(text):
        raise MalformedError(f"expected a name of a-z, 0-9, '.', '_' and '-', found {text[:80]!r}")
    return text


def note_name(text: str) -> str:
    """Return `text` if it can name a note key: no space, no plus, not empty.

    Raises:
        MalformedError: it cannot.
    """
    if not _NOTE_NAME.fullmatch(text) or len(text.encode()) > limits.ORIGIN:
        raise MalformedError(f"expected a key name without space or '+', found {text[:80]!r}")
    return text


def plain(text: str) -> str:
    """Return `text` if it is one line that shows all that it holds.

    Raises:
        MalformedError: it holds a control character, or half of one.
    """
    if _CONTROL.search(text):
        raise MalformedError(f"expected no control character, found {text[:80]!r}")
    return text


def rfc3339(text: str) -> int:
    """Parse a UTC time like 2026-11-23T21:06:41Z into POSIX seconds.

    Raises:
        MalformedError: `text` has another form or names no real day.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise MalformedError(f"expected a time like 2026-11-23T21:06:41Z, found {text[:40]!r}")
    year, month, day, hour, minute, second = map(int, match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (*_DAYS[:1], 28 + leap, *_DAYS[2:])
    if not (year and 1 <= month <= 12 and 1 <= day <= days[month - 1]):
        raise MalformedError(f"no such day: {text!r}")
    if hour > 23 or minute > 59 or second > 59:
        raise MalformedError(f"no such time of day: {text!r}")
    # Days since 0001-01-01, less those until 1970. Importing datetime would cost 8 ms of start-up.
    past = year - 1
    since = past * 365 + past // 4 - past // 100 + past // 400 + sum(days[: month - 1]) + day - 1
    return ((since - 719_162) * 24 + hour) * 3600 + minute * 60 + second


def utc(seconds: int) -> str:
    """Print POSIX seconds as `rfc3339` reads them."""
    from datetime import UTC, datetime

    # Not strftime, which writes the year 999 with three digits.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def json_object(data: bytes, *, limit: int, floats: bool = False) -> dict[str, Any]:
    """Decode one JSON object, strictly (RFC 8259, I-JSON's rules).

    UTF-8 without a byte-order mark; no repeated key; no NaN, Infinity, NUL or
    lone surrogate; at most `limits.JSON_DEPTH` levels; a number with a fraction
    or an exponent only if `floats` is set, and then a finite one.

    Raises:
        LimitError: `data` has more than `limit` bytes, or nests too deep.
        DuplicateKeyError: a key occurs twice in one object.
        MalformedError: `data` is anything else that was not asked for.
    """
    if len(data) > limit:
        raise LimitError(f"expected at most {limit} bytes of JSON, found {len(data)}")
    opened = data.count(b"{") + data.count(b"[")
    if opened > limits.JSON_DEPTH:
        # Many tiny values cost a hundred times their bytes, before anything is known of them.
        if opened > min(limit >> 4, limits.JSON_CONTAINERS):
            raise LimitError(f"expected fewer objects and arrays of JSON, found {opened}")
        _check_depth(data)
    if data.count(b",") > min(limit >> 2, limits.JSON_VALUES):
        raise LimitError("expected fewer values of JSON")
    try:
        value = (_WITH_FLOATS if floats else _WITHOUT_FLOATS).decode(data.decode())
    except (ValueError, RecursionError) as e:
        raise MalformedError(f"not JSON: {str(e)[:120]}") from e
    if not isinstance(value, dict):
        raise MalformedError(f"expected a JSON object, found {type(value).__name__}")
    if b"\\u" in data:
        _check_text(value)
    return value


def canonical_json(value: object) -> bytes:
    """Encode as RFC 8785 does, for values without floats and with ASCII keys.

    Keys outside ASCII would need UTF-16 ordering, which nothing here uses.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Fields:
    """The fields of one JSON object, each taken once and with its type checked.

    `where` names the object in messages, as in `bundle.tlogEntries[0]`. After
    the last `take`, call `done`: what is left over is refused.
    """

    __slots__ = ("_left", "_where")

    def __init__(self, value: object, where: str) -> None:
        """Open `value`, or raise `MalformedError` if it is not an object."""
        if not isinstance(value, dict):
            raise MalformedError(f"{where}: expected an object, found {type(value).__name__}")
        self._left = dict(value)
        self._where = where

    def has(self, field: str) -> bool:
        """Whether `field` is there and was not taken yet."""
        return field in self._left

    def has_list(self, field: str) -> bool:
        """Whether `field` is there, was not taken yet, and is a list."""
        return isinstance(self._left.get(field), list)

    def take(self, field: str, kind: type[_T]) -> _T:
        """Take `field`, which must be there and be exactly a `kind`.

        Raises:
            MalformedError: it is missing, null, or of another type.
        """
        if field not in self._left:
            raise MalformedError(f"{self._where}: expected a field {field!r}, found none")
        value = self._left.pop(field)
        if type(value) is not kind:  # exactly: True is no int here
            raise MalformedError(
                f"{self._where}.{field}: expected {kind.__name__}, found {type(value).__name__}"
            )
        return value

    def time(self, field: str) -> object:
        """Take whatever TOML has for a time."""
        if field not in self._left:
            raise MalformedError(f"{self._where}: expected a field {field!r}, found none")
        return self._left.pop(field)

    def nullable(self, field: str, kind: type[_T]) -> _T | None:
        """Take `field`, which must be there; null is None."""
        if field in self._left and self._left[field] is None:
            del self._left[field]
            return None
        return self.take(field, kind)

    def text(self, field: str) -> str:
        """Take a string."""
        return self.take(field, str)

    def number(self, field: str) -> int:
        """Take a non-negative JSON integer below 2**63."""
        n = self.take(field, int)
        if not 0 <= n < limits.TREE_SIZE:
            raise IntegerError(
                f"{self._where}.{field}: expected 0 to 2**63 - 1, found {str(n)[:40]}"
            )
        return n

    def items(self, field: str, *, most: int) -> list[Any]:
        """Take a list of at most `most` items."""
        found = self.take(field, list)
        if len(found) > most:
            raise LimitError(f"{self._where}.{field}: expected at most {most}, found {len(found)}")
        return found

    def inside(self, field: str) -> Fields:
        """Take an object and open it."""
        return Fields(self.take(field, dict), f"{self._where}.{field}")

    def done(self) -> None:
        """Refuse whatever was not taken.

        Raises:
            UnknownFieldError: something was left.
        """
        if self._left:
            raise UnknownFieldError(f"{self._where}: unknown field {min(self._left)[:80]!r}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise DuplicateKeyError("a JSON key occurs twice in one object")
    return out


def _refuse(token: str) -> NoReturn:
    raise MalformedError(f"{token[:40]} is not a number of this format")


def _integer(digits: str) -> int:
    return _refuse(digits) if digits == "-0" else int(digits)


def _finite(token: str) -> float:
    value = float(token)
    if abs(value) == _INFINITE:
        raise MalformedError(f"{token[:40]} is not a finite number")
    return value


_WITHOUT_FLOATS, _WITH_FLOATS = (
    json.JSONDecoder(
        object_pairs_hook=_once,
        parse_constant=_refuse,
        parse_int=_integer,
        parse_float=parse_float,
    )
    for parse_float in (_refuse, _finite)
)


def _check_depth(data: bytes) -> None:
    depth = 0
    for match in _NESTING.finditer(data):
        if match[1]:
            depth += 1
            if depth > limits.JSON_DEPTH:
                raise LimitError(f"expected at most {limits.JSON_DEPTH} levels of JSON")
        elif match[2]:
            depth -= 1


def _check_text(value: object) -> None:
    """Refuse what only an escape can smuggle in: NUL and lone surrogates."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise MalformedError("a JSON string holds NUL or a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
