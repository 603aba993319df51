"""The database of logins: what was written stays, what cannot be told apart is refused."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.at_rest import DataKey
from ledger.errors import LedgerBusyError, OutcomeUnknownError
from ledger.store.connection import Connection, connect, transaction
from signer.access.oidc import Reuse
from signer.access.store import Session, Store, Used
from signer.at_rest import Sealing
from signer.errors import AccessError
from tests.signer.asking import refused

NOW = 1_790_000_000
ONE, OTHER = b"\x01" * 32, b"\x02" * 32


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class OneKey:
    """Data keys of which there is one."""

    def __init__(self, n: int = 1) -> None:
        self._key = DataKey(bytes([n]) * 8, bytes([n]) * 32)

    def newest(self) -> DataKey:
        return self._key

    def find(self, key_id: bytes) -> bytes | None:
        return self._key.secret if key_id == self._key.id else None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty database."""
    Store.create(tmp_path / "access.db")
    return tmp_path / "access.db"


@contextmanager
def opened(path: Path, clock: Clock, sealing: Sealing | None = None) -> Iterator[Store]:
    with Store(path, sealing, clock) as store:
        yield store


def used(token: bytes = ONE, reuse: Reuse = "once", issued_at: int = NOW) -> Used:
    """A token that is being used."""
    return Used(token, reuse, issued_at, issued_at + 900)


def exchange(store: Store, token: Used, hashed: bytes) -> None:
    """Have a session made for `token`."""
    asyncio.run(store.exchange(token, Session(hashed, token.expires_at, b"{}")))


def test_once(path: Path, clock: Clock) -> None:
    """
    A token is used once, also across a restart, and long after its end.
    """
    with opened(path, clock) as store:
        exchange(store, used(), b"a")
        refused("token-used", lambda: exchange(store, used(), b"b"))
        exchange(store, used(OTHER), b"c")
    with opened(path, clock) as store:
        refused("token-used", lambda: exchange(store, used(), b"d"))
        clock.now += 1800
        exchange(store, used(b"third", issued_at=NOW + 1800), b"e")
        refused("token-used", lambda: exchange(store, used(), b"f"))
        assert [b"e"] == [session.hash for session in store.sessions()]


def test_once_a_minute(path: Path, clock: Clock) -> None:
    """
    A token that is used again by design is used once in a minute.
    """
    with opened(path, clock) as store:
        exchange(store, used(reuse="minute"), b"a")
        for wait_s, lets in ((0, False), (59.9, False), (60, True), (119, False), (120, True)):
            clock.now = NOW + wait_s
            if lets:
                exchange(store, used(reuse="minute"), b"%d" % wait_s)
            else:
                refused("token-used", lambda: exchange(store, used(reuse="minute"), b"x"))


def test_used_and_session_together(path: Path, clock: Clock) -> None:
    """
    When the session cannot be written the token is not used, and the other way round.
    """
    with opened(path, clock) as store:
        exchange(store, used(), b"a")
        refused("access-store", lambda: exchange(store, used(OTHER), b"a"))  # the hash is taken
        exchange(store, used(OTHER), b"b")
        refused("token-used", lambda: exchange(store, used(), b"c"))
        assert [b"a", b"b"] == sorted(session.hash for session in store.sessions())


def test_full_disk(path: Path, clock: Clock) -> None:
    """
    A full disk refuses a login, uses no token up, and is over when there is space.
    """
    with opened(path, clock) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        large = Session(b"a", NOW + 900, b"x" * 100_000)
        refused("access-store", lambda: asyncio.run(store.exchange(used(), large)))
        store._connection.execute("PRAGMA max_page_count = 100000")
        asyncio.run(store.exchange(used(), large))


def test_failed_but_landed(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A login of which nobody knows whether it was written is refused; if it was, its token is used.
    """
    real = transaction

    @contextmanager
    def landed(connection: Connection) -> Iterator[None]:
        with real(connection):
            yield
        raise OutcomeUnknownError("the disk said nothing")

    with opened(path, clock) as store:
        monkeypatch.setattr("signer.access.store.transaction", landed)
        refused("access-store", lambda: exchange(store, used(), b"a"))
        monkeypatch.undo()
        refused("token-used", lambda: exchange(store, used(), b"b"))


def test_made_anew(path: Path, clock: Clock) -> None:
    """
    A database that is missing is made anew, and takes no token from before, or from within the
    minute in which an issuer's clock may be ahead.
    """
    path.unlink()
    with opened(path, clock) as store:
        clock.now += 200
        refused("token-used", lambda: exchange(store, used(issued_at=NOW + 59), b"a"))
        exchange(store, used(issued_at=NOW + 60), b"b")


def test_clock_set_back(path: Path, clock: Clock) -> None:
    """
    With a clock that went back nobody logs in: a token that ended would not have.
    """
    with opened(path, clock) as store:
        exchange(store, used(), b"a")
        clock.now = NOW - 61
        refused("access-store", lambda: exchange(store, used(OTHER), b"b"))
        clock.now = NOW - 60
        exchange(store, used(OTHER), b"b")


@pytest.mark.parametrize("what", ["text", "other program", "newer", "torn"])
def test_broken(path: Path, clock: Clock, what: str) -> None:
    """
    A database that is broken, another program's or newer keeps the service from starting.
    """
    if what == "text":
        path.write_text("not a database, but longer than a header of one " * 100)
    elif what == "torn":
        content = bytearray(path.read_bytes())
        content[4096:12288] = b"\xff" * 8192
        path.write_bytes(content)
    else:
        connection = connect(path, "rw")
        pragma = "application_id = 7" if what == "other program" else "user_version = 99"
        connection.execute(f"PRAGMA {pragma}")
        connection.close()
    with pytest.raises(AccessError), opened(path, clock):
        pass


def test_nobody_else_reads_it(path: Path, clock: Clock) -> None:
    """
    Its files are readable by the service alone, whatever they were.
    """
    path.chmod(0o666)
    with opened(path, clock) as store:
        exchange(store, used(), b"a")
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert len(list(path.parent.iterdir())) > 2

    assert {0o600} == modes


def test_one_process(path: Path, clock: Clock) -> None:
    """
    Two services do not share it: one would not see what the other revokes.
    """
    with opened(path, clock), pytest.raises(LedgerBusyError):
        Store(path)


def test_encrypted(path: Path, clock: Clock) -> None:
    """
    With encryption, records lie encrypted, each for its row; one that is not, or was put into
    another row, is no record; and nothing opens them without the key.
    """
    record = b'{"hash":"00"}'
    with opened(path, clock, Sealing(OneKey())) as store:
        asyncio.run(store.put_api_key("sbk_a", NOW + 60, record))
        asyncio.run(store.put_api_key("sbk_b", NOW + 60, record))
        exchange(store, used(), b"a")
        assert [record, record] == store.api_keys()
        assert [b"{}"] == [session.record for session in store.sessions()]
    assert record not in path.read_bytes()
    with opened(path, clock) as store:
        refused("access-store", store.api_keys)
        refused("access-store", store.sessions)
    with opened(path, clock, Sealing(OneKey(2))) as store:
        refused("access-store", store.api_keys)
    with opened(path, clock, Sealing(OneKey())) as store:
        run = store._connection.execute
        run("INSERT INTO api_key VALUES ('sbk_c', ?, ?)", (NOW + 60, record))
        assert [record, record] == store.api_keys()
        run("UPDATE api_key SET record = (SELECT record FROM api_key WHERE id = 'sbk_a')")
        refused("access-store", store.api_keys)
