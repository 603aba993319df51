"""The scanner of predicates: the verifier's own verdict, in little memory, turn by turn."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.attest import scan
from signer.attest.scan import Outline, Scanner
from verifier._strict import json_object
from verifier.errors import DuplicateKeyError, LimitError, MalformedError
from verifier.statement import BEFORE

SPACES = b" \t\r\n"

# Pieces of JSON, and of what is nearly that.
ATOMS = st.sampled_from(
    [
        *(b'{ } [ ] , : "a" "b" "\\u0061" "\\ud83d\\ude00" "\xf0\x9f\x98\x80" "\\ud83d" ').split(),
        *(b'"\\udfff" "\\u0000" "\\n" "\\x" "\\" " \\ 1 -1 0 -0 01 1.0 -0.0 1. .5 1e5 ').split(),
        *(b"1E+99 1e-400 1e308 1e309 1e400 - + true false null tru NaN Infinity").split(),
        *(b" ", b"\n", b"\x00", b'"\x01"', b'"\x7f"', b'"\xff"', b'"\xed\xa0\x80"'),
        *(b"\xef\xbb\xbf", b"\xc3", b"9" * 201, b"9" * 310 + b".5", b'"\xc3\xa9"'),
    ]
)
KEYS = st.sampled_from(["a", "b", "é", "\U0001f600", "\\", '"', ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.builds(
    lambda value, ascii_only, indent: json.dumps(
        value, ensure_ascii=ascii_only, indent=indent
    ).encode("utf-8", "surrogatepass"),
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.booleans(),
    st.sampled_from([None, 1]),
)


def fed(data: bytes, cuts: list[int]) -> bytes:
    """Scan `data` in pieces that are cut there, and return what was kept of it."""
    scanner = Scanner(pause=lambda: None)
    kept = b"".join(
        scanner.feed(data[start:stop])
        for start, stop in itertools.pairwise([0, *sorted(cuts), len(data)])
    )
    scanner.end()
    return kept


def outlined(data: bytes, *wanted: tuple[str, ...], step: int = 1 << 20) -> Outline:
    """Return what is at the wanted paths."""
    scanner = Scanner(wanted, lambda: None)
    for start in range(0, len(data), step):
        scanner.feed(data[start : start + step])
    return scanner.end()


def verdict(data: bytes) -> bool:
    """Whether a verifier takes `data` as the predicate of a statement."""
    try:
        json_object(BEFORE + data + b"}", limit=1 << 20, floats=True)
        # It would take two members that stand in the predicate's place, too.
        json_object(data, limit=1 << 20, floats=True)
    except MalformedError:
        return False
    return True


def check_same(data: bytes, cuts: list[int]) -> None:
    """Check that the scanner says what the verifier says."""
    try:
        kept = fed(data, [cut % (len(data) + 1) for cut in cuts])
    except MalformedError:
        assert not verdict(data)
    else:
        assert verdict(data)
        assert data.strip(SPACES) == kept


CUTS = st.lists(st.integers(0, 1 << 16), max_size=6)


@given(OBJECTS, CUTS)
def test_objects(data: bytes, cuts: list[int]) -> None:
    """
    Whatever json prints passes or fails as in the verifier, however it is cut.
    """
    check_same(data, cuts)


@given(OBJECTS, st.integers(0, 1 << 16), ATOMS, st.integers(0, 3), CUTS)
def test_spoilt_objects(data: bytes, at: int, atom: bytes, gone: int, cuts: list[int]) -> None:
    """
    An object with something in it replaced passes or fails as in the verifier.
    """
    at %= len(data) + 1
    check_same(data[:at] + atom + data[at + gone :], cuts)


@given(st.lists(ATOMS, max_size=9).map(b"".join), CUTS)
def test_pieces_of_json(inside: bytes, cuts: list[int]) -> None:
    """
    Tokens in any order pass or fail as in the verifier.
    """
    check_same(inside, cuts)
    check_same(b'{"a":' + inside + b"}", cuts)
    check_same(b'{"a":[1,' + inside + b"]}", cuts)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"a":1,"a":1}', DuplicateKeyError),
        (b'{"a":1,"\\u0061":1}', DuplicateKeyError),
        (b'{"k":{"a":1,"b":{"a":1},"a":1}}', DuplicateKeyError),
        (b'{"a":[]' + b',"b":2' * 2 + b"}", DuplicateKeyError),
        (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", LimitError),
        (b'{"a":' * 64 + b"1" + b"}" * 64, LimitError),
        (b'{"a":' + b"1" * 4301 + b"}", LimitError),
        (b'{"a":0.' + b"1" * 5000 + b"}", LimitError),
        (b'{"' + b"a" * 4097 + b'":1}', LimitError),
        (b'{"' + b"\\n" * 2049 + b'":1}', LimitError),
        (b'{"a":-0}', MalformedError),
        (b'{"a":1e400}', MalformedError),
        (b'{"a":NaN}', MalformedError),
        *(
            (data % text, MalformedError)
            for data in (b'{"a":"%b"}', b'{"%b":1}', b'{"a":["%b",1]}', b'{"a":{"b":"%b"}}')
            for text in (
                *(rb"\u0000", rb"\ud800", rb"\uD9ffx", rb"\uD800\u0041", rb"\ud800\ud800"),
                *(
                    rb"\udc00",
                    rb"\udc00\udc00",
                    rb"\uDfFf\ud800",
                    rb"\u00g0",
                    rb"\u12",
                    rb"\x41",
                    b"\t",
                    b"\0",
                ),
            )
        ),
        (b"[]", MalformedError),
        (b"", MalformedError),
        (b"{", MalformedError),
        (b'{"a":"', MalformedError),
        (b"{}{}", MalformedError),
        (b"{}\0", MalformedError),
        (b"\xef\xbb\xbf{}", MalformedError),
        (b'{"a":1,}', MalformedError),
        (b'{"a":[1,]}', MalformedError),
        (b'{"a":[1}}', MalformedError),
        (b'{"a":1]', MalformedError),
        (b'{"a":"\xc3', MalformedError),
        (b'{"a":"' + b"x" * 20_000 + b'\x01"}', MalformedError),
        (b'{"a":"' + b"x" * 20_000 + b'\\ud800"}', MalformedError),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_refusals(data: bytes, error: type[MalformedError], step: int) -> None:
    """
    Each kind of bad predicate has its code, however it is cut.
    """
    with pytest.raises(error) as caught:
        outlined(data, step=step)

    assert error is type(caught.value)


@pytest.mark.parametrize("step", [1, 5, 1 << 20])
def test_outline(step: int) -> None:
    """
    What is at the wanted paths is told: scalars as they are, containers and long strings by kind.
    """
    data = (
        b'{"x":{"b":0},"a":{"b":{"c":"\\u00e9"},"n":1.5,"list":[{"c":9}]},"t":true,'
        b'"o":{},"\\u0061a":null,"s":"' + b"s" * 5000 + b'","u":[]}'
    )
    wanted = [("a", "b", "c"), ("a", "n"), ("a", "list"), ("a", "list", "c"), ("t",), ("o",)]
    wanted += [("aa",), ("s",), ("u",), ("missing",), ("a", "b", "c", "d")]

    assert {
        ("a", "b", "c"): "é",
        ("a", "n"): 1.5,
        ("a", "list"): list,
        ("t",): True,
        ("o",): dict,
        ("aa",): None,
        ("s",): str,
        ("u",): list,
    } == outlined(data, *wanted, step=step)


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_longest(step: int) -> None:
    """
    The longest key and number pass, and strings of any length.
    """
    number = b"1." + b"2" * 4298
    data = b'{"' + b"a" * 4096 + b'":' + number + b',"b":"' + b"\\n" * 9000 + b'"}'

    assert {("b",): str} == outlined(data, ("b",), step=step)


@pytest.mark.parametrize(
    "text", [rb"\ud83d\ude00", rb"\uDBFF\uDFFF", rb"\u0001", rb"\ud7ff", rb"\uE000\"\\\/\b\f\n\r\t"]
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_escapes(text: bytes, step: int) -> None:
    """
    Every escape that is a character passes, in keys and values.
    """
    data = b'{"%b":["%b",{"%b":"%b"}]}' % (text, text, text, text)

    assert {} == outlined(data, step=step)
    assert verdict(data)


def test_bytes_survive() -> None:
    """
    What is kept is what was sent, but for the space around it.
    """
    data = b'{ "n": [1.0, 1E2, 0.10,\t100000000000000000000000] ,"e":"\\u00e9\\/" }'

    assert data == fed(b"\r\n " + data + b" \n" * 9000, [1, 3, 30])


def numbers(size: int) -> Iterator[bytes]:
    """Yield an object of about `size` bytes, full of numbers, strings and short keys, in pieces."""
    yield b'{"items":['
    item = b'{"a":1.25,"b":[1,2,3e-5,{"c":null}],"d":"text with \\u00e9 in it"},'
    for _ in range(0, size, len(item) * 1000):
        yield item * 1000
    yield b'0],"long":"'
    for _ in range(0, size, 1 << 18):
        yield b"x" * (1 << 18)
    yield b'"}'


def test_memory() -> None:
    """
    Megabytes of many small values and one long one take less memory than one piece of them.
    """
    scanner = Scanner([("items",)], lambda: None)
    scanner.feed(b" ")
    tracemalloc.start()
    try:
        for piece in numbers(4 << 20):
            scanner.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert {("items",): list} == scanner.end()
    assert peak < 1 << 20


def test_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As many keys as are remembered pass, in one object or below each other, and one more does not.
    """
    most = 1000
    keys = b",".join(b'"k%d":%d' % (n, n) for n in range(most - 1))
    monkeypatch.setattr(scan, "_MOST_KEYS", most)
    outlined(b'{"a":{' + keys + b'},"b":{' + keys[: keys.rindex(b",")] + b"}}")

    with pytest.raises(LimitError):
        outlined(b'{"a":{' + keys + b',"k":1}}')


def test_turns() -> None:
    """
    Somebody else gets a turn every few thousand bytes.
    """
    turns: list[int] = []
    scanner = Scanner(pause=lambda: turns.append(1))
    scanner.feed(b'{"a":[' + b"1," * 50_000 + b"1]}")

    assert 10 <= len(turns) <= 20


def test_wanted_below_many() -> None:
    """
    What is wanted is found behind any number of other members.
    """
    value: dict[str, Any] = {f"k{n}": n for n in range(5000)}
    value["z"] = {"id": "here"}

    assert {("z", "id"): "here"} == outlined(json.dumps(value).encode(), ("z", "id"))
