"""The data keys in use: opened at start, made anew in time, wrapped anew in the background.

A key is made anew after 30 days or a million uses; far before random nonces could meet. When the
configuration names another key-encryption key, and the one of before as `previous`, everything
opens at once, and is wrapped anew while we serve: one write, all of it or nothing. Then
`previous` is no longer needed, and the log says so.

Beside the anchor, which is on another disk, lies the name of the newest data key: a book that was
lost, or put back from before, is noticed at start, and not when somebody needs a body.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

import structlog

from ledger.at_rest import DataKey, DataKeys
from ledger.durable import write_durably
from ledger.opening import Home
from ledger.store.files import data_keys
from signer.at_rest.book import Book, Held
from signer.at_rest.kek import Kek, open_kek
from signer.at_rest.sealing import Sealing
from signer.config.record import AtRestSection
from signer.errors import AtRestError, DataKeysError
from verifier.errors import SealbookError

MOST_USES = 1 << 20
MOST_AGE_S = 30 * 86_400
_TICK_S = 5.0
_SAVED_AFTER = 4096  # uses: what a crash forgets of them

log = structlog.get_logger()


class Rotated(NamedTuple):
    """The key that is used from now on, and how many are wrapped anew in the background."""

    key: str
    wrapping: int


class Reading:
    """Data keys that open, and encrypt nothing. Safe in many threads; may travel to a process."""

    def __init__(self, keys: dict[bytes, bytes]) -> None:
        """Know these secrets by their ids."""
        self._keys = keys

    def newest(self) -> DataKey | None:
        """Return none: what is new stays as it is."""
        return None

    def find(self, key_id: bytes) -> bytes | None:
        """Return the secret of a data key, if it is known here."""
        return self._keys.get(key_id)


class AtRest:
    """The data keys of a service. Safe in many threads."""

    def __init__(
        self,
        section: AtRestSection,
        home: Home,
        book: Book,
        *,
        kek: Kek,
        keks: ExitStack,
        clock: Callable[[], float],
    ) -> None:
        """Use the `book` of the ledger at `home`; `keks` closes `kek`, the present one."""
        self._section = section
        self._path = data_keys(home.database)
        self._mark = home.data_keys_mark
        self._book = book
        self._keks = keks
        self._kek = kek
        self._clock = clock
        self._lock = Lock()  # guards what is in the book
        self._writing = Lock()  # and this the file: one change after the other
        self._found = {held.key.id: held.key.secret for held in book.keys}
        self._uses = self._saved = book.keys[-1].uses
        self._told = False

    @classmethod
    def open(
        cls,
        section: AtRestSection | None,
        base: Path,
        home: Home,
        clock: Callable[[], float] = time.time,
    ) -> Self | None:
        """Open the data keys of the ledger at `home`, or begin with one; None: nothing is to be.

        Raises:
            DataKeysError: the book is missing, altered or older than it was; or something is
                encrypted, and the configuration no longer says with what.
            WrongKekError: the configured keys do not open it.
            KeyHomeError, KeyUnavailableError: one of them cannot be used.
        """
        path, mark = data_keys(home.database), home.data_keys_mark
        if section is None:
            if path.exists() or mark.exists():
                raise DataKeysError(
                    f"{path} has keys of what is encrypted, and there is no [at_rest]",
                    hint="keep at_rest.key; with bodies = false nothing new is encrypted",
                )
            return None
        with ExitStack() as stack:
            keks = _open_keks(section, base, stack)
            if path.exists():
                book = Book.read(path, keks)
            elif mark.exists():
                raise DataKeysError(f"expected the book of data keys at {path}, found none")
            else:
                book = Book.fresh(keks[0], int(clock()))
                book.write(path)
            _check_mark(mark, book)
            found = cls(section, home, book, kek=keks[0], keks=stack.pop_all(), clock=clock)
            found._write_mark()
            return found

    @property
    def bodies(self) -> DataKeys:
        """What encrypts bodies, if they are to be, and opens them."""
        return self if self._section.bodies else Reading(self._found)

    @property
    def encrypts_bodies(self) -> bool:
        """Whether bodies that are new are encrypted."""
        return self._section.bodies

    @property
    def api_keys(self) -> Sealing | None:
        """What encrypts records of API keys, if they are to be."""
        return Sealing(self) if self._section.api_keys else None

    @property
    def older_below(self) -> int:
        """Up to which entry bodies of before are encrypted as well."""
        return self._book.older_below

    def newest(self) -> DataKey:
        """Return the key for another content."""
        with self._lock:
            self._uses += 1
            return self._book.keys[-1].key

    def find(self, key_id: bytes) -> bytes | None:
        """Return the secret of a data key, if there is such a one."""
        return self._found.get(key_id)

    def rotate(self) -> Rotated:
        """Make a new data key, durably, and use it from now on.

        Raises:
            AtRestError: the book cannot be written; the key of before is used on.
            KeyUnavailableError, KeyHomeError: the key-encryption key wraps nothing now.
        """
        with self._writing:
            fresh = Held.fresh(self._kek, int(self._clock()))
            with self._lock:
                book = self._counted()
                self._found[fresh.key.id] = fresh.key.secret
            self._put(replace(book, keys=(*book.keys, fresh)), uses=0)
            self._write_mark()
            return Rotated(fresh.key.id.hex(), self._book.stale)

    def set_older_below(self, index: int) -> None:
        """Remember up to which entry bodies of before are encrypted; raises `AtRestError`."""
        with self._writing:
            with self._lock:
                book = self._counted()
            self._put(replace(book, older_below=index))

    def tend(self) -> None:
        """Do what is due: wrap anew, make a new key, write down how often this one was used.

        Raises:
            AtRestError, KeyUnavailableError, KeyHomeError: it could not be done now.
        """
        if self._book.stale:
            with self._writing:
                with self._lock:
                    book = self._counted()
                self._put(book.rewrapped(self._kek))
        if self._section.previous and not self._told:
            log.info("all data keys are wrapped by at_rest.key: at_rest.previous can go")
            self._told = True
        newest = self._book.keys[-1]
        if self._uses >= MOST_USES or self._clock() - newest.made_at >= MOST_AGE_S:
            log.info("made a new data key", key=self.rotate().key)
        elif self._uses - self._saved >= _SAVED_AFTER:
            self.save()

    def save(self) -> None:
        """Write down how often the newest key was used; raises `AtRestError`."""
        with self._writing:
            with self._lock:
                book = self._counted()
            self._put(book)

    async def keep(self) -> None:
        """Do what is due, for as long as we serve; what fails is tried again."""
        while True:
            try:
                await asyncio.to_thread(self.tend)
            except SealbookError as e:
                log.warning("data keys could not be tended", code=e.code, error=e.message)
            await asyncio.sleep(_TICK_S)

    def close(self) -> None:
        """Log out of the tokens that key-encryption keys are in."""
        self._keks.close()

    def _counted(self) -> Book:
        newest = replace(self._book.keys[-1], uses=self._uses)
        return replace(self._book, keys=(*self._book.keys[:-1], newest))

    def _put(self, book: Book, uses: int | None = None) -> None:
        """Write `book`, and go by it from then on."""
        book.write(self._path)
        with self._lock:
            self._saved = book.keys[-1].uses
            self._uses = self._uses if uses is None else uses
            self._book = book

    def _write_mark(self) -> None:
        try:
            write_durably(self._mark, self._book.keys[-1].key.id.hex().encode() + b"\n")
        except OSError as e:
            raise AtRestError(f"cannot write {self._mark}: {e.strerror}") from e


def open_to_read(section: AtRestSection | None, base: Path, database: Path) -> Reading | None:
    """Return what opens the bodies of `database`, a ledger's or a backup's; None: nothing does.

    Raises:
        DataKeysError, WrongKekError, KeyHomeError, KeyUnavailableError: as `AtRest.open`.
    """
    path = data_keys(database)
    if section is None or not path.exists():
        return None
    with ExitStack() as stack:
        book = Book.read(path, _open_keks(section, base, stack))
        return Reading({held.key.id: held.key.secret for held in book.keys})


def _open_keks(section: AtRestSection, base: Path, stack: ExitStack) -> list[Kek]:
    keks = []
    for uri in (section.key, section.previous):
        if uri is not None:
            keks.append(open_kek(uri, base))
            stack.callback(keks[-1].close)
    return keks


def _check_mark(mark: Path, book: Book) -> None:
    """Check that the book has the newest key that was ever in use here."""
    try:
        name = mark.read_bytes().strip()
    except FileNotFoundError:
        return
    except OSError as e:
        raise DataKeysError(f"cannot read {mark}: {e.strerror}") from e
    if name not in (held.key.id.hex().encode() for held in book.keys):
        raise DataKeysError(
            f"the book of data keys lacks key {name.decode('ascii', 'replace')[:32]}, the newest",
            hint="it was put back from before: bring the newest one back",
        )
