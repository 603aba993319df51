"""One line of the audit trail: canonical JSON in ASCII, so that nothing in it ends a line.

    {"content":{"code":"permission-denied",…},
     "head":{"commitment":"…","kind":"denied","prev":"…","seq":42,"time":"2026-11-26T07:10:00.123Z"},
     "salt":"…"}

on one line. `commitment` is SHA-256(salt || canonical content), `prev` the hash of the line
before, and the hash of a line is SHA-256("sealbook-trail-v1" NUL canonical head): content and
salt can be taken away, and the chain still holds. The head of an outcome also says of which
decision it is (`of`), and which entries of the ledger came of it (`entries`: index, leaf hash).

Text of callers is cut at 1,024 characters. What a terminal or a parser would obey is an escape.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self, cast, get_args

from verifier import limits
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.errors import MalformedError
from verifier.merkle import Hash

Kind = Literal[
    "opened", "closed", "decision", "outcome", "denied", "suppressed", "recovered", "purged"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What the trail says of itself: nobody's personal content, and needed to read the rest.
OF_ITSELF: frozenset[Kind] = frozenset({"opened", "closed", "recovered", "purged"})
LONGEST = 4 << 20  # bytes of a line
SALT = 16
NO_LINE = Hash(bytes(Hash.SIZE))  # before the first one
_PREFIX = b"sealbook-trail-v1\0"
_MOST_TEXT = 1024
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_CUT = "\u2026"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode

Place = tuple[int, bytes]


class Head(NamedTuple):
    """What stays of a line for good. `of` and `entries` are an outcome's."""

    seq: int
    time: str
    kind: Kind
    prev: bytes
    commitment: bytes
    of: int | None = None
    entries: tuple[Place, ...] = ()

    def json(self) -> str:
        """Print as the one text that is hashed."""
        about = ""
        if self.entries:
            told = ",".join(f'[{index},"{b64encode(leaf)}"]' for index, leaf in self.entries)
            about = f'"entries":[{told}],'
        of = "" if self.of is None else f'"of":{self.of},'
        return (
            f'{{"commitment":"{b64encode(self.commitment)}",{about}"kind":"{self.kind}",{of}'
            f'"prev":"{b64encode(self.prev)}","seq":{self.seq},"time":"{self.time}"}}'
        )

    @property
    def hash(self) -> Hash:
        """What the next line calls `prev`."""
        return hash_of(self.json())


class Line(NamedTuple):
    """A line; `content` is JSON, and None once it was purged, with its salt."""

    head: Head
    content: str | None
    salt: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Parse a line without its line feed.

        Raises:
            VerificationError: it is not a line exactly as we write it, or its content is
                not what its head commits to.
        """
        fields = Fields(json_object(raw, limit=LONGEST), "line")
        content: str | None = None
        salt = b""
        if fields.has("content"):
            content = print_json(fields.take("content", dict))
            salt = b64(fields.text("salt"), size=SALT)
        head = _head(fields.inside("head"))
        fields.done()
        line = cls(head, content, salt)
        if line.bytes() != raw:
            raise MalformedError("expected canonical JSON")
        if content is not None and commitment(salt, content) != head.commitment:
            raise MalformedError("the content is not what the line commits to")
        return line

    def bytes(self) -> bytes:
        """Print as `parse` reads it."""
        return print_line(self.head.json(), self.content, self.salt)

    def without_content(self) -> Self:
        """Return what is left of it after a purge."""
        return self._replace(content=None, salt=b"")

    @property
    def fields(self) -> Mapping[str, Any]:
        """The content; empty once it was purged."""
        return cast("Mapping[str, Any]", json.loads(self.content)) if self.content else {}


def print_line(head: str, content: str | None, salt: bytes) -> bytes:
    """Print a line whose parts are printed."""
    if content is None:
        return f'{{"head":{head}}}'.encode("ascii")
    return f'{{"content":{content},"head":{head},"salt":"{b64encode(salt)}"}}'.encode("ascii")


def print_json(content: object) -> str:
    """Print what `cleaned` returned, in the one spelling of it."""
    text = _encode(content)
    return text.replace("\x7f", "\\u007f") if "\x7f" in text else text


def cleaned(value: Any) -> Any:
    """Return a value for JSON with each text cut, and without what JSON must not hold."""
    if isinstance(value, str):
        if len(value) > _MOST_TEXT:
            value = value[:_MOST_TEXT] + _CUT
        if not value.isascii():  # half characters: from bytes that were no text
            value = value.encode("utf-8", "replace").decode()
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, Mapping):
        return {
            name if name.isidentifier() and len(name) < _MOST_TEXT else cleaned(name): cleaned(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


def commitment(salt: bytes, content: str) -> bytes:
    """Return what a head says of content that may go."""
    return hashlib.sha256(salt + content.encode("ascii")).digest()


def hash_of(head: str) -> Hash:
    """Return the hash of a line with this head."""
    return Hash(hashlib.sha256(_PREFIX + head.encode("ascii")).digest())


def places(pairs: Sequence[Any]) -> tuple[Place, ...]:
    """Read the entries of an outcome; raises `MalformedError`."""
    found = []
    for pair in pairs:
        match pair:
            case [int(index), str(leaf)] if 0 <= index < limits.TREE_SIZE:
                found.append((index, b64(leaf, size=Hash.SIZE)))
            case _:
                raise MalformedError("expected an index and a leaf hash")
    return tuple(found)


def _head(fields: Fields) -> Head:
    kind = fields.text("kind")
    if kind not in KINDS:
        raise MalformedError(f"expected one of {', '.join(KINDS)}, found {kind[:40]!r}")
    head = Head(
        fields.number("seq"),
        fields.text("time"),
        kind,
        b64(fields.text("prev"), size=Hash.SIZE),
        b64(fields.text("commitment"), size=Hash.SIZE),
        fields.number("of") if fields.has("of") else None,
        places(fields.items("entries", most=limits.TREE_SIZE)) if fields.has("entries") else (),
    )
    fields.done()
    if not _TIME.fullmatch(head.time):
        raise MalformedError(f"expected a time with milliseconds, found {head.time[:40]!r}")
    if (head.kind == "outcome") != (head.of is not None) or (head.entries and head.of is None):
        raise MalformedError("an outcome, and nothing else, is of a decision")
    return head
