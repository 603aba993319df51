"""What lies encrypted, and the book of its keys: what is taken is what was written, to the bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ledger.at_rest import CHUNK, DataKey, Place, seal, unseal
from ledger.errors import DamagedError, LockedError
from signer.at_rest.book import Book
from signer.at_rest.kek import FileKek
from signer.errors import AtRestError
from tests.fuzz.target import Targets, same
from verifier.errors import MalformedError

TARGETS = Targets()
_PLACE = Place("entry", b"7")
_PLAIN = (b"", b'{"bomFormat":"CycloneDX"}', b"x" * CHUNK + b"y")


class _Keys:
    key = DataKey(b"12345678", bytes(range(32)))

    def newest(self) -> DataKey:
        """Return the one there is."""
        return self.key

    def find(self, key_id: bytes) -> bytes | None:
        """Return its secret."""
        return self.key.secret if key_id == self.key.id else None


_SEALED = {plain: seal(_Keys(), _PLACE, plain) for plain in _PLAIN}


@TARGETS.add(*_SEALED.values())
def encrypted_content(data: bytes) -> None:
    """Open content."""
    try:
        plain = unseal(_Keys(), _PLACE, data)
    except (DamagedError, LockedError) as e:
        raise MalformedError(e.message) from e
    same(data, _SEALED.get(plain))


def _book() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "book"
        Book.fresh(_KEK, 1_764_140_000).write(path)
        return path.read_bytes()


_KEK = FileKek(bytes(32))
_BOOK = _book()


@TARGETS.add(_BOOK)
def data_keys(data: bytes) -> None:
    """Read a book of data keys."""
    try:
        book = Book.parse(data, [_KEK])
    except AtRestError as e:
        raise MalformedError(e.message) from e
    same(_KEYS, book.keys)


_KEYS = Book.parse(_BOOK, [_KEK]).keys
