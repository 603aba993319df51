"""The traps in Python's own parsers, one by one: numbers, Base64, names and times."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.making import refused, verdict
from verifier import limits
from verifier._strict import (
    b64,
    b64encode,
    base64_pieces,
    canonical_json,
    decimal,
    hexadecimal,
    name,
    rfc3339,
)

LAST = 2**63 - 1


@pytest.mark.parametrize("number", [0, 1, 9, 10, 42, 2**32, LAST])
def test_decimals(number: int) -> None:
    """
    A number from 0 to 2**63 - 1 has its usual spelling.
    """
    assert number == decimal(str(number))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+5", "-0", "-1", "00", "007", "1_000", " 12", "12 ", "12\n", "\n12", "12\r"),
        *("12\0", "1e3", "1.0", "0x1f", "0b1", "0o7", "1,000", "inf", "nan", "True", "None", "1L"),
        # Digits of other scripts, which int() takes, and ones that only isdigit() takes.
        *("\uff11\uff12", "\u0661\u0662", "\u0967", "\u00b2", "1\u0660", "\U0001d7d9", "\u2460"),
        *("\u2212\u0031", "1\u200b", "\ufeff1"),
        *(str(2**63), str(2**64), str(2**64 + 1), "9" * 19, "9" * 20, "1" * 100_000),
    ],
)
def test_bad_decimals(text: str) -> None:
    """
    No second spelling of a number is read, and no number that 63 bits cannot hold.
    """
    refused("bad-integer", lambda: decimal(text))


@pytest.mark.parametrize(("text", "good"), [("9", True), ("10", False), ("11", False)])
def test_decimal_limit(text: str, good: bool) -> None:
    """
    The limit is the first number that is too large.
    """
    if good:
        assert text == str(decimal(text, limit=10))
    else:
        refused("bad-integer", lambda: decimal(text, limit=10))


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff\xfe", b"a" * 100])
def test_base64(raw: bytes) -> None:
    """
    What is encoded is read back.
    """
    assert raw == b64(b64encode(raw)) == b64(b64encode(raw), size=len(raw))


@given(st.lists(st.binary(max_size=7), max_size=9))
def test_base64_in_pieces(pieces: list[bytes]) -> None:
    """
    Bytes that come in pieces have the Base64 of them as one, in pieces of which none is empty.
    """
    found = list(base64_pieces(pieces))

    assert b64encode(b"".join(pieces)) == b"".join(found).decode()
    assert all(found)


@pytest.mark.parametrize(
    "text",
    [
        *("YQ", "YQ=", "YQ===", "Y", "=", "====", "Y===", "YWI", "YWI==", "=YQ=", "Y=Q="),
        # The bits that the last character has to spare are zero: YQ== is `a`.
        *("YR==", "YZ==", "YWJ="),
        # What b64decode() skips.
        *("YQ==\n", "\nYQ==", "YQ== ", " YQ==", "Y Q==", "YW\nJj", "YW\r\nJj", "!!YQ==", "YQ==!"),
        *("YQ==YQ==", "YQ==\0", "\0", "YQ==\t"),
        # Other alphabets and other characters.
        *("-_-_", "____", "YWJ.", "\uff39YQ=", "YQ\u200b==", "\u00e9", "\ud800"),
    ],
)
def test_bad_base64(text: str) -> None:
    """
    Base64 has one spelling for each value: padded, of the standard alphabet, with no spare bits.
    """
    refused("bad-base64", lambda: b64(text))


@pytest.mark.parametrize("size", [0, 1, 3, 32])
def test_base64_of_another_size(size: int) -> None:
    """
    Where a size is asked for, Base64 of more or fewer bytes is refused.
    """
    refused("bad-base64", lambda: b64(b64encode(b"ab"), size=size))


def test_hexadecimal() -> None:
    """
    Lower-case digits of the right count are read.
    """
    expected = b"\x00\xab"

    assert expected == hexadecimal("00ab", size=2)


@pytest.mark.parametrize(
    "text",
    [
        *("", "00a", "00ab0", "00ab00", "00AB", "00aB", "0xab", "00 ab", " 00ab", "00ab\n", "00\n"),
        *("00ag", "00a\uff11", "00a\u0661", "00a\0"),
    ],
)
def test_bad_hexadecimal(text: str) -> None:
    """
    No upper case, no space and no other count, all of which fromhex() takes.
    """
    refused("malformed", lambda: hexadecimal(text, size=2))


@pytest.mark.parametrize("text", ["a", "0", "release-2026", "a.b_c-d", "a" * limits.NAME])
def test_names(text: str) -> None:
    """
    A key or witness is called by a short word in lower case.
    """
    assert text == name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "a b", " a", "a\n", "a/b", "../x", ".a", "a.", "-a", "a-", "_a", "a:b", "a+b"),
        *("\u017f", "\u212a", "\u00e9", "\u0661", "a\0", "a" * (limits.NAME + 1)),
    ],
)
def test_bad_names(text: str) -> None:
    """
    What could be a path, an option, or another word to the eye is no name.
    """
    refused("malformed", lambda: name(text))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("2001-09-09T01:46:40Z", 1_000_000_000),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2026-11-23T21:06:41Z", 1_795_468_001),
        ("2038-01-19T03:14:08Z", 2**31),
        ("2106-02-07T06:28:16Z", 2**32),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ],
)
def test_times(text: str, seconds: int) -> None:
    """
    A time is UTC, to the second, and means the same POSIX time everywhere.
    """
    assert seconds == rfc3339(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-11-23", "2026-11-23T21:06:41", "2026-11-23T21:06Z", "2026-W48-1T21:06:41Z"),
        *("20261123T210641Z", "2026-11-23 21:06:41Z", "2026-11-23t21:06:41z", "1795467601"),
        *("2026-11-23T21:06:41+00:00", "2026-11-23T21:06:41-00:00", "2026-11-23T21:06:41+01:00"),
        *("2026-11-23T21:06:41.0Z", "2026-11-23T21:06:41,5Z", "2026-11-23T21:06:41Z\n"),
        *(" 2026-11-23T21:06:41Z", "2026-11-23T21:06:41ZZ", "+2026-11-23T21:06:41Z"),
        *("2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z"),
        *("2026-01-32T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z"),
        *("2026-04-31T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
        *("2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-12-31T23:59:60Z"),
        *("\uff12026-11-23T21:06:41Z", "\u0662\u0660\u0662\u0666-11-23T21:06:41Z"),
    ],
)
def test_bad_times(text: str) -> None:
    """
    No other form of a time is read, no zone but Z, no leap second, and no day that never was.
    """
    refused("malformed", lambda: rfc3339(text))


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_those_of_the_calendar(moment: datetime) -> None:
    """
    Every second from the year 1 to 9999 is the second that Python's calendar says.
    """
    second = moment.replace(microsecond=0)
    text = second.replace(tzinfo=None).isoformat() + "Z"

    assert int(second.timestamp()) == rfc3339(text)


@pytest.mark.parametrize("year", [1, 4, 1900, 2000, 2023, 2024, 2100, 9999])
def test_days_of_every_month(year: int) -> None:
    """
    A month has the days that it has in that year, and no more.
    """
    for month in range(1, 13):
        days = monthrange(year, month)[1]
        for day in range(1, 33):
            text = f"{year:04}-{month:02}-{day:02}T00:00:00Z"
            expected = "yes" if day <= days else "malformed"

            assert expected == verdict(partial(rfc3339, text))


def test_canonical_json() -> None:
    """
    Canonical JSON has its keys in order, no spaces, and its text in UTF-8.
    """
    expected = '{"a":[1,true,null],"b":{"A":"\u00e9\u2028","c":"\\n\\u0001\\""}}'

    assert expected.encode() == canonical_json(
        {"b": {"c": '\n\x01"', "A": "\u00e9\u2028"}, "a": [1, True, None]}
    )
