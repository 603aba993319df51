"""One content, encrypted for the row of the table that it belongs to."""

from __future__ import annotations

from ledger import at_rest
from ledger.at_rest import DataKeys, Place


class Sealing:
    """Encrypts rows of tables. Safe in many threads."""

    def __init__(self, keys: DataKeys) -> None:
        """Encrypt with `keys`."""
        self._keys = keys

    def seal(self, table: str, row: bytes | str, plain: bytes) -> bytes:
        """Return `plain`, encrypted, for this row of this table and no other."""
        return at_rest.seal(self._keys, _place(table, row), plain)

    def open(self, table: str, row: bytes | str, sealed: bytes) -> bytes:
        """Return what `seal` was given for this row.

        Raises:
            LockedError: its data key is not known here.
            DamagedError: it is altered, another row's, or was never encrypted.
        """
        return at_rest.unseal(self._keys, _place(table, row), sealed)

    @staticmethod
    def is_sealed(content: bytes) -> bool:
        """Whether this is what `seal` makes: a row of before may be as it was."""
        return at_rest.is_sealed(content)


def _place(table: str, row: bytes | str) -> Place:
    return Place(table, row.encode() if isinstance(row, str) else row)
