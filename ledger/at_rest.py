"""Content that lies encrypted: what a disk, a backup or an administrator of the database sees.

    magic    f5 "sealed" 01    8 bytes; no text and no JSON begins so, nor anything that we sign
    key id   of a data key     8
    nonce                      12
    secret   of this content   32 + 16, AES-256-GCM under the data key
    chunks   64 KiB each, the last one shorter: AES-256-GCM under that secret, 16 bytes more each

Associated data of the secret are magic, key id, table and row: content that was moved to
another row is refused. Those of a chunk are its number and whether it is the last: none can be
left out, doubled, or put elsewhere. Each content has a secret of its own, so that chunks need no
random nonces; and it is encrypted while it is written, before anybody knows its name.

Whether something is encrypted, its first eight bytes say. An approval begins with "DSSEv1 ",
"{" or "ey", and so does everything else that is kept here.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import DamagedError, LockedError

MAGIC = b"\xf5sealed\x01"
KEY_ID = 8  # bytes
SECRET = 32
CHUNK = 64 << 10
TAG = 16
NONCE = 12
HEADER = len(MAGIC) + KEY_ID + NONCE + SECRET + TAG
SEALED_CHUNK = CHUNK + TAG


class DataKey(NamedTuple):
    """A key that encrypts the secrets of contents, and the name that is written beside them."""

    id: bytes
    secret: bytes


class DataKeys(Protocol):
    """The data keys of whoever serves. Safe in many threads."""

    def newest(self) -> DataKey | None:
        """Return the key for another content; None when what is new stays as it is."""

    def find(self, key_id: bytes) -> bytes | None:
        """Return the secret of a data key, if it is known here."""


class Place(NamedTuple):
    """Where a content belongs, and nowhere else."""

    table: str
    row: bytes

    @classmethod
    def of_entry(cls, index: int) -> Self:
        """Return the place of a body in the row of its entry."""
        return cls("entry", b"%d" % index)

    @classmethod
    def of_file(cls, name: str) -> Self:
        """Return the place of a body in a file of its own, `sha256:<hex>`."""
        return cls("body", name.encode())

    @property
    def bound(self) -> bytes:
        """Both, so that no two places look alike."""
        table = self.table.encode()
        return struct.pack(">HH", len(table), len(self.row)) + table + self.row


class Content:
    """One content on its way in or out, chunk by chunk."""

    def __init__(self, secret: bytes) -> None:
        """Use the secret of this content alone."""
        self._secret = secret
        self._cipher = AESGCM(secret)

    @classmethod
    def fresh(cls) -> Self:
        """Begin a content that nobody has yet."""
        return cls(secrets.token_bytes(SECRET))

    @classmethod
    def opened(cls, keys: DataKeys | None, place: Place, header: bytes) -> Self:
        """Return the content with this header, once it is seen to belong to `place`.

        Raises:
            LockedError: its data key is not known here.
            DamagedError: it is another place's, or altered.
        """
        if len(header) != HEADER or not is_sealed(header):
            raise DamagedError(f"expected an encrypted content in {_shown(place)}")
        known, rest = header[: len(MAGIC) + KEY_ID], header[len(MAGIC) + KEY_ID :]
        key_id = known[len(MAGIC) :]
        found = keys.find(key_id) if keys is not None else None
        if found is None:
            raise LockedError(f"{_shown(place)} is encrypted with data key {key_id.hex()}")
        try:
            secret = AESGCM(found).decrypt(rest[:NONCE], rest[NONCE:], known + place.bound)
        except InvalidTag as e:
            raise _altered(place) from e
        return cls(secret)

    def header(self, key: DataKey, place: Place) -> bytes:
        """Return what comes before the chunks: how `place` opens them."""
        nonce, known = secrets.token_bytes(NONCE), MAGIC + key.id
        return known + nonce + AESGCM(key.secret).encrypt(nonce, self._secret, known + place.bound)

    def seal(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        """Return a chunk encrypted; each number is used once."""
        return self._cipher.encrypt(_nonce(number), chunk, _bound(number, last=last))

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Return a chunk as it was.

        Raises:
            DamagedError: it is altered, or another one.
        """
        try:
            return self._cipher.decrypt(_nonce(number), sealed, _bound(number, last=last))
        except InvalidTag as e:
            raise DamagedError(f"chunk {number} of an encrypted content is altered") from e


def is_sealed(content: bytes) -> bool:
    """Whether this is encrypted; its first bytes are enough."""
    return content.startswith(MAGIC)


def sealed_size(size: int) -> int:
    """Return how many bytes a content of `size` takes when it is encrypted."""
    return HEADER + size + TAG * max(1, -(-size // CHUNK))


def seal(keys: DataKeys, place: Place, plain: bytes) -> bytes:
    """Return `plain` encrypted for `place`; unchanged when what is new stays as it is."""
    key = keys.newest()
    if key is None:
        return plain
    content = Content.fresh()
    chunks = (
        content.seal(n, chunk, last=last) for n, (chunk, last) in enumerate(_chunks(plain, CHUNK))
    )
    return b"".join((content.header(key, place), *chunks))


def unseal(keys: DataKeys | None, place: Place, sealed: bytes) -> bytes:
    """Return what `seal` was given.

    Raises:
        LockedError: its data key is not known here.
        DamagedError: it is no such content, of another place, or altered.
    """
    content = Content.opened(keys, place, sealed[:HEADER])
    return b"".join(open_chunks(content, _chunks(sealed[HEADER:], SEALED_CHUNK)))


def unopened(keys: DataKeys | None, sealed: bytes) -> LockedError | DamagedError:
    """Return why a content was not opened: without its key nobody can say that it is damaged."""
    key_id = sealed[len(MAGIC) : len(MAGIC) + KEY_ID]
    if keys is None or (len(key_id) == KEY_ID and keys.find(key_id) is None):
        return LockedError(f"it is encrypted with data key {key_id.hex()}")
    return DamagedError("the encrypted content is altered, or another's")


def open_chunks(content: Content, sealed: Iterable[tuple[bytes, bool]]) -> Iterator[bytes]:
    """Yield the chunks of a content, each with whether it is the last; raises `DamagedError`."""
    for number, (chunk, last) in enumerate(sealed):
        plain = content.open(number, chunk, last=last)
        if not plain and number:
            raise DamagedError("an encrypted content has an empty chunk")
        yield plain


def _chunks(whole: bytes, size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield pieces of `size` bytes, at least one, each with whether it is the last."""
    for at in range(0, max(1, len(whole)), size):
        yield whole[at : at + size], at + size >= len(whole)


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE, "big")


def _bound(number: int, *, last: bool) -> bytes:
    return struct.pack(">Q?", number, last)


def _shown(place: Place) -> str:
    return f"{place.table} {place.row.decode('utf-8', 'replace')[:80]}"


def _altered(place: Place) -> DamagedError:
    return DamagedError(
        f"the encrypted content of {_shown(place)} is altered, or another's",
        hint="restore it from a mirror or a backup",
    )
