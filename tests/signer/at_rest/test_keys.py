"""Key-encryption keys and the book of data keys: only the right ones open what is whole."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.opening import Home
from ledger.store.files import data_keys
from signer.at_rest import Sealing
from signer.at_rest.book import Book
from signer.at_rest.keeping import MOST_AGE_S, MOST_USES, AtRest, open_to_read
from signer.at_rest.kek import FileKek, make_kek, open_kek
from signer.config.record import AtRestSection
from tests.signer.asking import refused

NOW = 1_764_140_000.0


class Site:
    """A directory with a ledger's home and key-encryption keys, and a clock."""

    def __init__(self, base: Path) -> None:
        """Make it, with a key in keys/kek."""
        self.base = base
        self.now = NOW
        self.home = Home(base / "ledger", base / "anchor", "ledger.example")
        for directory in (self.home.directory, self.home.anchor, base / "keys"):
            directory.mkdir(mode=0o700)
        self.book = data_keys(self.home.database)
        make_kek("file:keys/kek", base)

    def open(self, key: str = "kek", **more: object) -> AtRest:
        """Open the data keys."""
        section = AtRestSection.model_validate({"key": f"file:keys/{key}", **more})
        found = AtRest.open(section, self.base, self.home, lambda: self.now)
        assert found is not None
        return found

    def raw(self) -> dict[str, object]:
        """Return what the book says."""
        found: dict[str, object] = json.loads(self.book.read_bytes())
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without data keys."""
    return Site(tmp_path)


def seal(at_rest: AtRest, plain: bytes = b"plain") -> bytes:
    return Sealing(at_rest).seal("t", "row", plain)


def unseal(at_rest: AtRest, sealed: bytes) -> bytes:
    return Sealing(at_rest).open("t", "row", sealed)


def test_opened_again(site: Site) -> None:
    """
    What one process encrypted the next one opens; the book has no key in clear.
    """
    first = site.open()
    sealed = seal(first)
    second = site.open()

    assert b"plain" == unseal(second, sealed)
    assert first.newest() == second.newest()
    for spelled in (first.newest().secret, first.newest().secret.hex().encode()):
        assert spelled not in site.book.read_bytes()
    assert 0o600 == site.book.stat().st_mode & 0o777
    assert first.newest().id.hex() == site.home.data_keys_mark.read_text().strip()


def test_rows(site: Site) -> None:
    """
    A record is opened in its own row of its own table, and no other; rows are text or bytes.
    """
    sealing = Sealing(site.open())
    sealed = sealing.seal("api_key", b"id", b"record")

    assert b"record" == sealing.open("api_key", "id", sealed)
    for table, row in (("api_key", "di"), ("session", "id")):
        refused("ledger-damaged", lambda t=table, r=row: sealing.open(t, r, sealed))  # type: ignore[misc]
    assert Sealing.is_sealed(sealed)
    assert not Sealing.is_sealed(b"record")


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("file:keys/none", "key-file"),
        ("file:keys/short", "key-file"),
        ("file:keys/open", "key-file-permissions"),
        ("file://host/kek", "key-uri"),
        ("file:keys/kek?passphrase-source=prompt", "key-uri"),
        ("env:KEK", "key-uri"),
        ("", "key-uri"),
        ("pkcs11:", "key-uri"),
        ("pkcs11:token=a;object=kek", "key-uri"),
    ],
)
def test_keys_that_cannot_be_used(site: Site, key: str, code: str) -> None:
    """
    A key-encryption key that is not there, is no key, or that others can read is refused, by code.
    """
    (site.base / "keys" / "short").write_bytes(bytes(31))
    (site.base / "keys" / "short").chmod(0o600)
    (site.base / "keys" / "open").write_bytes(bytes(32))
    (site.base / "keys" / "open").chmod(0o644)

    refused(code, lambda: open_kek(key, site.base))


def test_nothing_is_overwritten(site: Site) -> None:
    """
    Making a key twice fails, and the first one stays.
    """
    before = (site.base / "keys" / "kek").read_bytes()
    refused("key-exists", lambda: make_kek("file:keys/kek", site.base))
    assert before == (site.base / "keys" / "kek").read_bytes()
    assert 32 == len(before)


def test_wrong_kek(site: Site) -> None:
    """
    With another key-encryption key nothing opens, and nothing is written.
    """
    site.open()
    before = site.book.read_bytes()
    make_kek("file:keys/other", site.base)

    refused("at-rest-key", lambda: site.open("other"))
    assert before == site.book.read_bytes()


def _edited(change: Callable[[dict[str, object]], object]) -> Callable[[Site], object]:
    def spoil(site: Site) -> None:
        value = site.raw()
        change(value)
        site.book.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda site: site.book.unlink(), id="gone"),
        pytest.param(lambda site: site.book.write_bytes(b""), id="empty"),
        pytest.param(lambda site: site.book.write_bytes(site.book.read_bytes()[:-9]), id="cut"),
        pytest.param(lambda site: site.book.write_bytes(b"[" * 9999), id="deep"),
        pytest.param(lambda site: site.book.write_bytes(b" " * (1 << 21)), id="large"),
        pytest.param(_edited(lambda v: v.update(older_below=7)), id="number"),
        pytest.param(_edited(lambda v: v.update(more=1)), id="field more"),
        pytest.param(_edited(lambda v: v.pop("lock")), id="field less"),
        pytest.param(_edited(lambda v: v["keys"].pop()), id="key less"),  # type: ignore[attr-defined]
        pytest.param(_edited(lambda v: v["keys"].reverse()), id="order"),  # type: ignore[attr-defined]
        pytest.param(_edited(lambda v: v["keys"][0].update(uses=1)), id="uses"),  # type: ignore[index]
    ],
)
def test_book_that_was_altered(site: Site, spoil: Callable[[Site], object]) -> None:
    """
    A book that is gone, cut or altered in anything is refused: nobody begins another one.
    """
    site.open().rotate()
    spoil(site)
    there = site.book.read_bytes() if site.book.exists() else None
    refused("data-keys", site.open)
    assert there == (site.book.read_bytes() if site.book.exists() else None)


def test_book_put_back(site: Site) -> None:
    """
    A book of before a newer key was made is refused: what that one encrypted would be lost.
    """
    at_rest = site.open()
    before = site.book.read_bytes()
    at_rest.rotate()
    site.book.write_bytes(before)

    refused("data-keys", site.open)


def test_section_that_is_gone(site: Site) -> None:
    """
    Who encrypted something keeps [at_rest]; who never did needs no key.
    """
    assert AtRest.open(None, site.base, site.home) is None
    site.open()
    refused("data-keys", lambda: AtRest.open(None, site.base, site.home))


def test_rotation(site: Site) -> None:
    """
    A new data key encrypts what is new, and what is there stays readable, also after a restart.
    """
    at_rest = site.open()
    old, key = seal(at_rest), at_rest.newest().id
    rotated = at_rest.rotate()
    new = seal(at_rest)

    assert (rotated.key, 0) == (at_rest.newest().id.hex(), rotated.wrapping)
    assert key != at_rest.newest().id
    for found in (at_rest, site.open()):
        assert b"plain" == unseal(found, old) == unseal(found, new)
    assert old[8:16] != new[8:16]


@pytest.mark.parametrize("due", ["uses", "age"])
def test_key_that_was_used_enough(site: Site, due: str) -> None:
    """
    After a million uses, or 30 days, there is a new key; not before.
    """
    at_rest = site.open()
    key = at_rest.newest().id
    at_rest._uses = MOST_USES - 1  # to look which key it is, is a use
    site.now += MOST_AGE_S - 1
    at_rest.tend()
    assert key == at_rest.newest().id
    if due == "age":
        at_rest._uses = 0
        site.now += 1
    at_rest.tend()

    assert key != at_rest.newest().id
    assert 2 == len(Book.read(site.book, [open_kek("file:keys/kek", site.base)]).keys)


def test_uses_are_remembered(site: Site) -> None:
    """
    How often a key was used outlives the process, but for the last few thousand.
    """
    at_rest = site.open()
    for _ in range(5000):
        at_rest.newest()
    at_rest.tend()

    assert 5000 == Book.read(site.book, [open_kek("file:keys/kek", site.base)]).keys[-1].uses
    assert 5000 == site.open()._uses


def test_new_kek(site: Site) -> None:
    """
    With the new key-encryption key and the previous one everything opens at once; once it is
    wrapped anew, the previous one is no longer needed, and opens nothing any more.
    """
    at_rest = site.open()
    old = seal(at_rest)
    at_rest.rotate()
    make_kek("file:keys/new", site.base)
    changed = site.open("new", previous="file:keys/kek")
    assert b"plain" == unseal(changed, old)
    assert 3 == changed.rotate().wrapping
    newer = seal(changed)
    assert 3 == changed._book.stale
    changed.tend()
    assert 0 == changed._book.stale

    alone = site.open("new")
    assert b"plain" == unseal(alone, old) == unseal(alone, newer)
    refused("at-rest-key", site.open)


def test_wrapping_that_was_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wherever wrapping anew dies, the book is the old one or the new one, and opens with both keys.
    """
    old = seal(site.open())
    make_kek("file:keys/new", site.base)
    renamed = Path.rename
    for step in ("write", "rename", "after"):
        changed = site.open("new", previous="file:keys/kek")

        def die(*_: object) -> None:
            raise OSError(5, "died")

        with monkeypatch.context() as patched:
            if step == "write":
                patched.setattr(os, "fsync", die)
            elif step == "rename":
                patched.setattr(Path, "rename", die)
            else:
                patched.setattr(Path, "rename", lambda a, b: (renamed(a, b), die()))
            refused("at-rest", changed.tend)
        assert b"plain" == unseal(changed, old)
        assert b"plain" == unseal(site.open("new", previous="file:keys/kek"), old)
    assert b"plain" == unseal(site.open("new"), old)


def test_new_keys_under_load(site: Site) -> None:
    """
    While four threads encrypt, keys are made anew and wrapped anew, and all of it opens.
    """
    make_kek("file:keys/new", site.base)
    site.open()
    at_rest = site.open("new", previous="file:keys/kek")
    made: list[bytes] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.0005):
            made.append(seal(at_rest, b"x" * 100))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        at_rest.rotate()
        at_rest.tend()
    over.set()
    for thread in threads:
        thread.join()

    again = site.open("new")
    assert {b"x" * 100} == {unseal(again, one) for one in made}
    at_rest.save()
    held = Book.read(site.book, [open_kek("file:keys/new", site.base)]).keys
    assert 6 == len(held)
    assert len(made) >= held[-1].uses


def test_to_read(site: Site) -> None:
    """
    Who only reads opens what was encrypted, encrypts nothing, and makes no book.
    """
    section = AtRestSection(key="file:keys/kek")
    assert open_to_read(section, site.base, site.home.database) is None
    assert open_to_read(None, site.base, site.home.database) is None
    sealed = seal(site.open())
    reading = open_to_read(section, site.base, site.home.database)
    assert reading is not None

    assert reading.newest() is None
    assert b"plain" == Sealing(reading).open("t", "row", sealed)


def test_about() -> None:
    """
    A wrapped key is opened as what it was wrapped for; a flipped bit, and it is not.
    """
    kek = FileKek(bytes(32))
    wrapped = kek.wrap(b"secret", b"about")
    assert b"secret" == kek.unwrap(wrapped, b"about")
    for wrong in (wrapped[:-1], wrapped + b"\0", b"", wrapped[:12], wrapped[::-1]):
        refused("at-rest-key", lambda wrong=wrong: kek.unwrap(wrong, b"about"))  # type: ignore[misc]
    refused("at-rest-key", lambda: kek.unwrap(wrapped, b"other"))
