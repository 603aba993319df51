"""A JSON object read in pieces, as strictly as the verifier reads it, and never built.

What passes here passes `verifier._strict.json_object` inside a statement, and the
other way round, but for three things that are refused because they would cost
memory: an object of more keys, a key or a number of more bytes than any reader needs.
A value of 16 MiB is held for no longer than a piece of it, and the interpreter's
lock for about a millisecond, so that nobody else has to wait.

    scanner = Scanner(wanted={("runDetails", "builder", "id")})
    for piece in pieces:
        kept.write(scanner.feed(piece))      # without white space around the object
    outline = scanner.end()                  # what is at the wanted paths

Spec: RFC 8259.
"""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from signer.attest import tokens
from verifier import limits
from verifier.errors import DuplicateKeyError, LimitError, MalformedError

Path = tuple[str, ...]
Outline = Mapping[Path, Any]

_DEPTH = limits.JSON_DEPTH - 1  # the statement is the level above
_MOST_KEYS = 1 << 18  # of all objects that are open: what is remembered to find the second of two
_LONGEST_KEY = 4096  # bytes, as written
_LONGEST_OUTLINED = 4096  # bytes of a string
_WINDOW = 8 << 10  # bytes between two pauses
_PAUSE_S = 50e-6  # a pause of nothing ends before anybody else is awake

# What may come next; each is the place of a method in `_STEPS`.
_FIRST, _VALUE_OR_END, _VALUE, _KEY_OR_END, _KEY, _COLON, _COMMA_OR_END = range(7)
_KEYS = (_KEY_OR_END, _KEY)


class _Object:
    """An object that is open: hashes of its keys so far, and the key whose value comes."""

    __slots__ = ("key", "keys")

    def __init__(self) -> None:
        # Hashes take a tenth of the room; two keys share one in 2**64, and are then refused.
        self.keys: set[int] = set()
        self.key = b""


class Scanner:
    """Reads one JSON object. `feed` and `end` raise what `json_object` raises."""

    def __init__(
        self,
        wanted: Collection[Path] = (),
        pause: Callable[[], object] = lambda: time.sleep(_PAUSE_S),
    ) -> None:
        """Keep what is at the `wanted` paths of keys; call `pause` every 8 KiB."""
        self._wanted = {tuple(key.encode() for key in path): path for path in wanted}
        self._names = {key for path in self._wanted for key in path}
        self._depth_wanted = max(map(len, wanted), default=0)
        self._pause = pause
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._left = b""
        self._open: list[_Object | None] = []  # None: an array
        self._expect = _FIRST
        self._started = False
        self._ended = False
        self._in_string = False
        self._keys = 0
        self._outline: dict[Path, Any] = {}

    def feed(self, piece: bytes) -> bytes:
        """Read on, and return what of `piece` belongs to the object.

        Raises:
            LimitError: it nests too deep, or has too many keys or too long ones.
            DuplicateKeyError: a key occurs twice in one object.
            MalformedError: it is no such object in any other way.
        """
        kept = []
        for start in range(0, len(piece), _WINDOW):
            if start:
                self._pause()
            kept.append(self._window(piece[start : start + _WINDOW]))
        return b"".join(kept)

    def end(self) -> Outline:
        """Return what is at the wanted paths, once the object is whole; raises like `feed`.

        Of an object or array there is `dict` or `list` in the value's place, of a long
        string `str`. Below an array there is no path.
        """
        if not self._ended:
            raise MalformedError("not JSON: it is cut off")
        return self._outline

    def _window(self, piece: bytes) -> bytes:
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError as e:
            raise MalformedError("not JSON: it is no UTF-8") from e
        if self._ended:
            _check_space(piece)
            return b""
        before, started = len(self._left), self._started
        data = self._left + piece
        at = self._read(data)
        self._left = b"" if self._ended else data[at:]
        if not self._started:
            return b""
        start = 0 if started else data.index(b"{") - before
        return piece[start : at - before if self._ended else len(piece)]

    def _read(self, data: bytes) -> int:
        """Read whole tokens from `data`, and return where the rest of it starts."""
        at, match, steps = 0, tokens.TOKEN.match, self._STEPS
        if self._in_string:
            at = self._rest_of_string(data, at)
        if self._in_string:
            return at
        while True:
            at = self._fast(data, at)
            if self._ended:
                _check_space(data[at:])
                return at
            token = match(data, at)
            if token is None:
                return self._incomplete(data, at)
            steps[self._expect](self, token)
            at = token.end()

    def _fast(self, data: bytes, at: int) -> int:
        """Pass what is usual in one step each, and return where that ends."""
        before = -1
        while self._open and before < at:
            before, inside = at, self._open[-1]
            if self._expect == _COMMA_OR_END:
                at = self._ending(data, at, inside)
            elif inside is not None:
                at = self._member(data, at, inside)
            elif items := tokens.ITEMS.match(data, at):
                self._expect = _VALUE
                at = items.end()
        return at

    def _ending(self, data: bytes, at: int, inside: _Object | None) -> int:
        """Pass the end of an object or array, with the comma and the start of another."""
        ending = tokens.ENDING.match(data, at)
        if ending is None or ending[1] != (b"]" if inside is None else b"}"):
            return at
        self._close()
        if not ending[2] or self._ended:
            return ending.end(1)
        outside = self._open[-1]
        self._expect = _VALUE if outside is None else _KEY
        if not ending[3] or outside is not None:
            return ending.end(2)
        self._begin(_Object())
        return ending.end(3)

    def _member(self, data: bytes, at: int, inside: _Object) -> int:
        """Pass a key that is not wanted, and a scalar or the start of what is more."""
        member = tokens.MEMBER.match(data, at) if self._expect in _KEYS else None
        if member is None:
            return at
        key, sign, comma = member.groups()
        _check_key(key)
        if key in self._names and self._is_near_top():
            return at
        self._remember(inside, key)
        inside.key = key
        if sign:
            self._begin(_Object() if sign == b"{" else None)
        else:
            self._expect = _KEY if comma else _COMMA_OR_END
        return member.end()

    def _incomplete(self, data: bytes, at: int) -> int:
        """Return where a token starts that the next piece may complete."""
        start = tokens.end(tokens.SPACE, data, at)
        rest = data[start : start + 1]
        if rest == b'"' and self._expect in (_VALUE, _VALUE_OR_END):
            if len(data) - start <= _LONGEST_OUTLINED and self._is_wanted():
                return start
            self._keep(str)
            self._after_value()
            self._in_string = True
            return self._rest_of_string(data, start + 1)
        if rest == b'"':  # a key
            stop = tokens.end(tokens.CHARACTERS, data, start + 1)
            if len(data) - stop > tokens.LONGEST_ESCAPE:
                raise MalformedError(f"not JSON: in a string, {data[stop : stop + 20]!r}")
            _check_key(data[start + 1 :])
        elif rest and (rest not in b"-0123456789tfn" or tokens.WHOLE.match(data, start)):
            raise MalformedError(f"not JSON: {data[start : start + 20]!r}")
        elif len(data) - start > tokens.LONGEST_NUMBER:
            raise LimitError(f"expected numbers of at most {tokens.LONGEST_NUMBER} characters")
        return start

    def _rest_of_string(self, data: bytes, at: int) -> int:
        """Pass the characters of a long string, and return where the rest starts."""
        at = tokens.end(tokens.CHARACTERS, data, at)
        if data[at : at + 1] == b'"':
            self._in_string = False
            return at + 1
        if len(data) - at >= tokens.LONGEST_ESCAPE or data[at : at + 1] not in (b"", b"\\"):
            raise MalformedError(f"not JSON: in a string, {data[at : at + 20]!r}")
        return at

    # Each takes a token: string, sign, number or literal.

    def _first(self, token: re.Match[bytes]) -> None:
        if token[2] != b"{":
            raise MalformedError("expected a JSON object")
        self._started = True
        self._begin(_Object())

    def _value_or_end(self, token: re.Match[bytes]) -> None:
        if token[2] == b"]":
            self._close()
        else:
            self._value(token)

    def _value(self, token: re.Match[bytes]) -> None:
        text, sign, number, literal = token.groups()
        if sign == b"{":
            self._keep(dict)
            self._begin(_Object())
        elif sign == b"[":
            self._keep(list)
            self._begin(None)
        elif sign:
            _refuse(token)
        else:
            if number:
                self._keep(tokens.number(number))
            elif literal:
                self._keep(tokens.LITERALS[literal])
            elif self._is_wanted():
                self._keep(json.loads(text) if len(text) <= _LONGEST_OUTLINED else str)
            self._after_value()

    def _key_or_end(self, token: re.Match[bytes]) -> None:
        if token[2] == b"}":
            self._close()
        else:
            self._key(token)

    def _key(self, token: re.Match[bytes]) -> None:
        found, text = self._open[-1], token[1]
        if text is None or found is None:
            _refuse(token)
        _check_key(text[1:-1])
        key = json.loads(text).encode() if b"\\" in text else text[1:-1]
        self._remember(found, key)
        found.key = key
        self._expect = _COLON

    def _remember(self, found: _Object, key: bytes) -> None:
        known = hash(key)
        if known in found.keys:
            raise DuplicateKeyError(f"key {key[:80].decode(errors='replace')!r} occurs twice")
        self._keys += 1
        if self._keys > _MOST_KEYS:
            raise LimitError(f"expected at most {_MOST_KEYS} keys in open objects")
        found.keys.add(known)

    def _colon(self, token: re.Match[bytes]) -> None:
        if token[2] != b":":
            _refuse(token)
        self._expect = _VALUE

    def _comma_or_end(self, token: re.Match[bytes]) -> None:
        inside = self._open[-1]
        if token[2] == b",":
            self._expect = _VALUE if inside is None else _KEY
        elif token[2] == (b"]" if inside is None else b"}"):
            self._close()
        else:
            _refuse(token)

    _STEPS = (_first, _value_or_end, _value, _key_or_end, _key, _colon, _comma_or_end)

    def _begin(self, inside: _Object | None) -> None:
        if len(self._open) >= _DEPTH:
            raise LimitError(f"expected at most {_DEPTH} levels of JSON")
        self._open.append(inside)
        self._expect = _VALUE_OR_END if inside is None else _KEY_OR_END

    def _close(self) -> None:
        inside = self._open.pop()
        if inside is not None:
            self._keys -= len(inside.keys)
        self._after_value()

    def _after_value(self) -> None:
        self._expect = _COMMA_OR_END
        self._ended = not self._open

    def _is_near_top(self) -> bool:
        return len(self._open) <= self._depth_wanted and None not in self._open

    def _is_wanted(self) -> bool:
        return self._path() is not None

    def _path(self) -> Path | None:
        """Return the path of the value that comes, if it is a wanted one."""
        if not self._is_near_top():
            return None
        return self._wanted.get(tuple(inside.key for inside in self._open if inside is not None))

    def _keep(self, value: Any) -> None:
        path = self._path()
        if path is not None:
            self._outline[path] = value


def _check_key(written: bytes) -> None:
    if len(written) > _LONGEST_KEY:
        raise LimitError(f"expected keys of at most {_LONGEST_KEY} bytes")


def _check_space(data: bytes) -> None:
    if tokens.SPACE.fullmatch(data) is None:
        raise MalformedError("not JSON: something follows the object")


def _refuse(token: re.Match[bytes]) -> NoReturn:
    raise MalformedError(f"not JSON: {token[0].strip()[:20]!r} is in the wrong place")
