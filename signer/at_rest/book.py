"""The book of data keys: one file beside the database, which is backed up with it.

    {"format":"sealbook-data-keys-v1",
     "keys":[{"id":"…","made_at":1764140000,"uses":4711,"wrapped":"…"},…],
     "lock":"…","mac":"…","older_below":0}

Each key is wrapped by the key-encryption key, and so is the key of the MAC over all the rest: who
has only the file can neither read a key nor add, change or take away one. The newest key comes
last, and encrypts what is new. Keys are never removed: something may lie in a backup under any.
`older_below` says up to which entry bodies of before are encrypted as well.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ledger.at_rest import KEY_ID, SECRET, DataKey
from ledger.durable import write_durably
from signer.at_rest.kek import Kek
from signer.errors import AtRestError, DataKeysError, WrongKekError
from verifier._strict import Fields, b64, b64encode, canonical_json, hexadecimal, json_object
from verifier.errors import MalformedError

_FORMAT = "sealbook-data-keys-v1"
_LARGEST = 1 << 20  # bytes
_MOST_KEYS = 4096
_LOCK = b"sealbook-data-keys-v1\0"
_KEY = b"sealbook-data-key-v1\0"


@dataclass(frozen=True, slots=True)
class Held:
    """One data key: what the book says of it, and what it is. `made_at` is POSIX seconds."""

    key: DataKey
    made_at: int
    uses: int
    wrapped: bytes
    stale: bool = False  # whether the key-encryption key of before wraps it

    @classmethod
    def fresh(cls, kek: Kek, now: int) -> Self:
        """Make a data key, wrapped by `kek`; raises what that raises."""
        key = DataKey(secrets.token_bytes(KEY_ID), secrets.token_bytes(SECRET))
        return cls(key, now, 0, kek.wrap(key.secret, _about(key.id, now)))

    def rewrapped(self, kek: Kek) -> Self:
        """Return it wrapped by `kek`; raises what that raises."""
        wrapped = kek.wrap(self.key.secret, _about(self.key.id, self.made_at))
        return replace(self, wrapped=wrapped, stale=False)


@dataclass(frozen=True, slots=True)
class Book:
    """All data keys, the newest one last."""

    keys: tuple[Held, ...]
    lock: bytes
    wrapped_lock: bytes
    older_below: int = 0
    lock_stale: bool = False

    @classmethod
    def fresh(cls, kek: Kek, now: int) -> Self:
        """Begin a book with one key; raises what `kek` raises."""
        lock = secrets.token_bytes(SECRET)
        return cls((Held.fresh(kek, now),), lock, kek.wrap(lock, _LOCK))

    @classmethod
    def read(cls, path: Path, keks: Sequence[Kek]) -> Self:
        """Open the book at `path` by the first of `keks`, the present one, or a later one.

        Raises:
            DataKeysError: it cannot be read, or is altered.
            WrongKekError: none of `keks` opens it.
            KeyUnavailableError, KeyHomeError: a token does not do it, now or ever.
        """
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST + 1)
        except OSError as e:
            raise DataKeysError(f"cannot read {path}: {e.strerror}") from e
        try:
            return cls.parse(raw, keks)
        except MalformedError as e:
            raise DataKeysError(f"{path}: {e.message}") from e

    @classmethod
    def parse(cls, raw: bytes, keks: Sequence[Kek]) -> Self:
        """Take the bytes of a book; raises like `read`, and `MalformedError` for what is none."""
        value = json_object(raw, limit=_LARGEST)
        mac = hexadecimal(Fields(value, "book").text("mac"), size=SECRET)
        fields = Fields({name: v for name, v in value.items() if name != "mac"}, "book")
        if fields.text("format") != _FORMAT:
            raise MalformedError(f"expected the format {_FORMAT}")
        wrapped_lock = b64(fields.text("lock"))
        lock, stale = _unwrapped(keks, wrapped_lock, _LOCK)
        rest = {name: v for name, v in value.items() if name != "mac"}
        if not hmac.compare_digest(_mac(lock, rest), mac):
            raise MalformedError("the book of data keys is altered")
        keys = tuple(_held(one, keks) for one in fields.items("keys", most=_MOST_KEYS))
        older_below = fields.number("older_below")
        fields.done()
        if not keys or len({held.key.id for held in keys}) != len(keys):
            raise MalformedError("expected data keys, each once")
        return cls(keys, lock, wrapped_lock, older_below, stale)

    @property
    def stale(self) -> int:
        """How many keys the key-encryption key of before still wraps."""
        return sum(held.stale for held in self.keys) + self.lock_stale

    def rewrapped(self, kek: Kek) -> Self:
        """Return it with everything wrapped by `kek`; raises what that raises."""
        lock = kek.wrap(self.lock, _LOCK) if self.lock_stale else self.wrapped_lock
        keys = tuple(held.rewrapped(kek) if held.stale else held for held in self.keys)
        return replace(self, keys=keys, wrapped_lock=lock, lock_stale=False)

    def write(self, path: Path) -> None:
        """Put it in the place of what is at `path`, durably and whole.

        Raises:
            AtRestError: it cannot be written; what was there is there.
        """
        rest: dict[str, object] = {
            "format": _FORMAT,
            "keys": [
                {
                    "id": held.key.id.hex(),
                    "made_at": held.made_at,
                    "uses": held.uses,
                    "wrapped": b64encode(held.wrapped),
                }
                for held in self.keys
            ],
            "lock": b64encode(self.wrapped_lock),
            "older_below": self.older_below,
        }
        content = canonical_json({**rest, "mac": _mac(self.lock, rest).hex()})
        try:
            write_durably(path, content)
        except OSError as e:
            raise AtRestError(f"cannot write {path}: {e.strerror}") from e


def _held(value: object, keks: Sequence[Kek]) -> Held:
    fields = Fields(value, "data key")
    key_id = hexadecimal(fields.text("id"), size=KEY_ID)
    made_at, uses = fields.number("made_at"), fields.number("uses")
    wrapped = b64(fields.text("wrapped"))
    fields.done()
    secret, stale = _unwrapped(keks, wrapped, _about(key_id, made_at))
    if len(secret) != SECRET:
        raise MalformedError(f"expected a data key of {SECRET} bytes")
    return Held(DataKey(key_id, secret), made_at, uses, wrapped, stale)


def _unwrapped(keks: Sequence[Kek], wrapped: bytes, about: bytes) -> tuple[bytes, bool]:
    """Return what one of `keks` opens, and whether that is not the present one."""
    for number, kek in enumerate(keks):
        try:
            return kek.unwrap(wrapped, about), number > 0
        except WrongKekError:
            continue
    raise WrongKekError("the configured key-encryption key does not open the book of data keys")


def _about(key_id: bytes, made_at: int) -> bytes:
    return _KEY + key_id + struct.pack(">Q", made_at)


def _mac(lock: bytes, rest: dict[str, object]) -> bytes:
    return hmac.digest(lock, canonical_json(rest), "sha256")
