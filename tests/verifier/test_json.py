"""JSON that two readers could read in two ways is refused, and so is JSON that costs too much."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from tests.verifier.making import refused, rows
from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import VerificationError

LIMIT = 1 << 21


def nested(depth: int) -> bytes:
    """Return an object whose one field makes it `depth` levels deep."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("data", "code"),
    rows(
        # B1: no JSON in UTF-8.
        ("nothing", b"", "malformed"),
        ("spaces", b"  \n", "malformed"),
        ("text", b"yes", "malformed"),
        ("byte-order mark", b"\xef\xbb\xbf{}", "malformed"),
        ("UTF-16", "{}".encode("utf-16"), "malformed"),
        ("UTF-16 without a mark", "{}".encode("utf-16-le"), "malformed"),
        ("UTF-32", "{}".encode("utf-32"), "malformed"),
        ("Latin-1", '{"a":"\u00e9"}'.encode("latin-1"), "malformed"),
        ("overlong UTF-8", b'{"a":"\xc0\xaf"}', "malformed"),
        ("surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}', "malformed"),
        # B2: more than one document.
        ("trailing text", b"{}x", "malformed"),
        ("trailing NUL", b"{}\0", "malformed"),
        ("second document", b"{}{}", "malformed"),
        ("second line", b"{}\n{}", "malformed"),
        # Not an object.
        ("list", b"[]", "malformed"),
        ("string", b'"{}"', "malformed"),
        ("number", b"1", "malformed"),
        ("true", b"true", "malformed"),
        ("null", b"null", "malformed"),
        # What other parsers forgive.
        ("trailing comma", b'{"a":1,}', "malformed"),
        ("comment", b'{"a":1/**/}', "malformed"),
        ("single quotes", b"{'a':1}", "malformed"),
        ("bare key", b"{a:1}", "malformed"),
        ("raw newline in a string", b'{"a":"\n"}', "malformed"),
        ("raw NUL in a string", b'{"a":"\0"}', "malformed"),
        ("leading zero", b'{"a":01}', "malformed"),
        ("plus sign", b'{"a":+1}', "malformed"),
        ("True", b'{"a":True}', "malformed"),
        ("no-break space", b'{\xc2\xa0"a":1}', "malformed"),
        # B3: repeated keys.
        ("key twice", b'{"a":1,"a":1}', "duplicate-key"),
        ("key twice, deeper", b'{"a":{"b":[{"c":1,"c":2}]}}', "duplicate-key"),
        ("key twice, once escaped", b'{"a":1,"\\u0061":2}', "duplicate-key"),
        ("empty key twice", b'{"":1,"":2}', "duplicate-key"),
        # B14: numbers and characters.
        ("NaN", b'{"a":NaN}', "malformed"),
        ("Infinity", b'{"a":Infinity}', "malformed"),
        ("-Infinity", b'{"a":-Infinity}', "malformed"),
        ("1e999", b'{"a":1e999}', "malformed"),
        ("fraction", b'{"a":1.5}', "malformed"),
        ("whole fraction", b'{"a":1.0}', "malformed"),
        ("exponent", b'{"a":1e2}', "malformed"),
        ("100,000 digits", b'{"a":' + b"9" * 100_000 + b"}", "malformed"),
        ("NUL", b'{"a":"x\\u0000y"}', "malformed"),
        ("NUL in a key", b'{"\\u0000":1}', "malformed"),
        ("NUL, deeper", b'{"a":[{"b":["\\u0000"]}]}', "malformed"),
        ("high surrogate", b'{"a":"\\ud800"}', "malformed"),
        ("low surrogate", b'{"a":"\\udfff"}', "malformed"),
        ("surrogates the wrong way", b'{"a":"\\udc00\\ud800"}', "malformed"),
        ("surrogate in a key", b'{"a":{"\\ud800":1}}', "malformed"),
        # B12: depth.
        ("65 levels", nested(limits.JSON_DEPTH + 1), "over-limit"),
        ("65 levels of objects", b'{"a":' * 65 + b"1" + b"}" * 65, "over-limit"),
        ("100,000 levels", nested(100_000), "over-limit"),
        ("100,000 levels, never closed", b"[" * 100_000, "over-limit"),
        ("1,000,000 brackets the wrong way", b"]" * 500_000 + b"[" * 500_000, "over-limit"),
        # B13: size.
        ("too large", b'{"a":"' + b"x" * LIMIT + b'"}', "over-limit"),
    ),
)
def test_bad_json(data: bytes, code: str) -> None:
    """
    Whatever is not one object, read by everyone alike and within the limits, is refused.
    """
    refused(code, lambda: json_object(data, limit=LIMIT))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E400", "NaN", "Infinity"])
def test_no_infinite_numbers(number: str) -> None:
    """
    Where fractions are allowed, numbers are still finite.
    """
    refused("malformed", lambda: json_object(b'{"a":%b}' % number.encode(), limit=99, floats=True))


def test_good_json() -> None:
    """
    Escapes, Unicode, and fractions where they are allowed, are read as they are written.
    """
    data = '{"\u00e9":"\\u00e9\\ud83d\\ude00\\n","b":[true,false,null,-1,1.5,1e2],"c":{}}'
    expected = {"\u00e9": "\u00e9\U0001f600\n", "b": [True, False, None, -1, 1.5, 100.0], "c": {}}

    assert expected == json_object(data.encode(), limit=LIMIT, floats=True)


def test_deepest_json() -> None:
    """
    64 levels are read, and brackets inside strings are no levels.
    """
    assert json_object(nested(limits.JSON_DEPTH), limit=LIMIT)
    text = '[{"' * 100
    written = b'{"a":"' + b'[{\\"' * 100 + b'","b":"\\\\"}'

    assert text == json_object(written, limit=LIMIT)["a"]


def test_many_values() -> None:
    """
    As many values as a quarter of the bytes that may be are read, and no more.
    """
    limit = 4000
    most = b'{"a":[' + b"1," * 1000 + b"1]}"

    assert 1001 == len(json_object(most, limit=limit)["a"])
    refused("over-limit", lambda: json_object(most.replace(b"[", b"[1,"), limit=limit))


def test_many_objects() -> None:
    """
    As many objects as a sixteenth of the bytes that may be are read, and no more.
    """
    limit = 4000
    most = b'{"a":[' + b"{}," * 247 + b"{}]}"

    assert 248 == len(json_object(most, limit=limit)["a"])
    refused("over-limit", lambda: json_object(most.replace(b"[", b"[{},"), limit=limit))


def test_limit_counts_bytes() -> None:
    """
    The largest document is as large as the limit says.
    """
    data = b'{"a":"\xc3\xa9"}'

    assert json_object(data, limit=len(data))
    refused("over-limit", lambda: json_object(data, limit=len(data) - 1))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[]" * 65 + b'"' + b'\\"' * 12_000, id="string never closed"),
        pytest.param(b"[]" * 65 + b'"' * 24_001, id="many strings"),
        pytest.param(b'{"a":' + b"[" * 24_000, id="many brackets"),
    ],
)
def test_time_grows_with_size_only(data: bytes) -> None:
    """
    A document of 24 kB is refused at once: the time to read never grows with its square.
    """
    start = time.process_time()
    with pytest.raises(VerificationError):
        json_object(data, limit=LIMIT)

    assert time.process_time() - start < 0.5


def test_memory_grows_with_size_only() -> None:
    """
    A string of a megabyte takes megabytes, not a hundred of them.
    """
    data = b'{"a":[' + b"[]," * 70 + b'[]],"b":"' + b"x" * 1_000_000 + b'"}'
    tracemalloc.start()
    try:
        json_object(data, limit=LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 16_000_000


VALUE = {"text": "x", "number": 7, "list": [1, 2], "object": {"a": "b"}, "true": True, "null": None}


@pytest.mark.parametrize(
    ("take", "code"),
    rows(
        ("missing", lambda fields: fields.text("none"), "malformed"),
        ("null as text", lambda fields: fields.text("null"), "malformed"),
        ("number as text", lambda fields: fields.text("number"), "malformed"),
        ("text as number", lambda fields: fields.number("text"), "malformed"),
        ("true as number", lambda fields: fields.number("true"), "malformed"),
        ("null as number", lambda fields: fields.number("null"), "malformed"),
        ("text as list", lambda fields: fields.items("text", most=9), "malformed"),
        ("object as list", lambda fields: fields.items("object", most=9), "malformed"),
        ("list too long", lambda fields: fields.items("list", most=1), "over-limit"),
        ("list as object", lambda fields: fields.inside("list"), "malformed"),
        ("null as object", lambda fields: fields.inside("null"), "malformed"),
        ("field of an object", lambda fields: fields.inside("object").text("b"), "malformed"),
        ("rest of an object", lambda fields: fields.inside("object").done(), "unknown-field"),
        ("rest", lambda fields: fields.done(), "unknown-field"),
    ),
)
def test_bad_fields(take: Callable[[Fields], object], code: str) -> None:
    """
    A field that is missing, null, or of another type is refused, and so is one left over.
    """
    refusal = refused(code, lambda: take(Fields(VALUE, "here")))

    assert refusal.message.startswith("here")


def test_fields_are_taken_once() -> None:
    """
    A field can be taken once; then it is as if it had never been there.
    """
    fields = Fields({"a": "x"}, "here")
    taken = fields.text("a")

    assert (taken, fields.has("a")) == ("x", False)
    fields.done()
    refused("malformed", lambda: fields.text("a"))


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_only_objects_have_fields(value: object) -> None:
    """
    Only an object can be opened.
    """
    refused("malformed", lambda: Fields(value, "here"))


@pytest.mark.parametrize(
    "number",
    rows(("-1", -1), ("2**63", 2**63), ("2**64", 2**64), ("4,300 digits", 10**4299)),
)
def test_numbers_out_of_range(number: int) -> None:
    """
    A number is from 0 to 2**63 - 1, and a message about another one is short.
    """
    refusal = refused("bad-integer", lambda: Fields({"a": number}, "here").number("a"))

    assert len(refusal.message) < 200


@pytest.mark.parametrize("number", ["0", "1", str(2**63 - 1)])
def test_numbers(number: str) -> None:
    """
    A number in range is read as it is written.
    """
    fields = Fields(json_object(b'{"a":%b}' % number.encode(), limit=99), "here")

    assert number == str(fields.number("a"))
