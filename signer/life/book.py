"""The book: where the private half of a key lives that was made, or brought, by command.

    {"type":"urn:sealbook:key-book:v1","keys":[{"key":"<hint>","name":"release","version":2,
     "uri":"file:keys/release-2.pem","forms":["bundle"]},…]}

A row is written, durably, before the ledger hears of the key. A row that no event followed is
of a key that a crash left over, and is used for nothing. No row holds a secret; whoever can
write in the book can keep the service from a key, and cannot make it use another one: what is
opened has to be the key that the ledger names.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

from ledger.durable import write_durably
from signer.errors import KeyBookError
from verifier import limits
from verifier._strict import Fields, json_object, name
from verifier.errors import MalformedError, VerificationError

TYPE = "urn:sealbook:key-book:v1"
_MOST = 4096


class Row(NamedTuple):
    """Where a key is, by its hint, and what it makes when no forms are asked for."""

    key: str
    name: str
    version: int
    uri: str
    forms: tuple[str, ...] = ("bundle",)

    @classmethod
    def read(cls, value: object) -> Self:
        """Take what `json` returns.

        Raises:
            MalformedError: any other shape.
        """
        fields = Fields(value, "keys")
        called = name(fields.text("name"))
        row = cls(
            fields.text("key"),
            called,
            fields.number("version"),
            fields.text("uri"),
            tuple(fields.items("forms", most=16)),
        )
        fields.done()
        if not row.forms or not all(isinstance(form, str) for form in row.forms):
            raise MalformedError("expected the names of forms")
        return row

    def json(self) -> dict[str, object]:
        """Return what `read` takes."""
        return self._asdict() | {"forms": list(self.forms)}


class Book:
    """The book in one file. Safe in many threads of one process, which alone writes it."""

    def __init__(self, path: Path) -> None:
        """Read what is at `path`; nothing is an empty book.

        Raises:
            KeyBookError: it cannot be read, or is no book.
        """
        self._path = path
        self._lock = Lock()
        self._rows = {row.key: row for row in _read(path)}

    def find(self, hint: str) -> Row | None:
        """Return where the key with this hint is."""
        return self._rows.get(hint)

    def rows(self) -> list[Row]:
        """Return all of it, the oldest row first."""
        return list(self._rows.values())

    def add(self, row: Row) -> None:
        """Write a row, durably, in the place of an older one of the same key.

        Raises:
            KeyBookError: it cannot be written.
        """
        with self._lock:
            rows = {**self._rows, row.key: row}
            value = {"type": TYPE, "keys": [one.json() for one in rows.values()]}
            try:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                write_durably(self._path, (json.dumps(value, indent=1) + "\n").encode())
            except OSError as e:
                raise KeyBookError(f"cannot write {self._path}: {e.strerror}") from e
            self._rows = rows


def _read(path: Path) -> list[Row]:
    try:
        with path.open("rb") as file:
            content = file.read(limits.TRUST_FILE + 1)
    except FileNotFoundError:
        return []
    except OSError as e:
        raise KeyBookError(f"cannot read {path}: {e.strerror}") from e
    try:
        fields = Fields(json_object(content, limit=limits.TRUST_FILE), "book")
        kind, rows = fields.text("type"), fields.items("keys", most=_MOST)
        fields.done()
        if kind != TYPE:
            raise MalformedError(f"expected type {TYPE}, found {kind[:80]!r}")
        return [Row.read(row) for row in rows]
    except VerificationError as e:
        raise KeyBookError(f"{path}: {e.message}") from e
