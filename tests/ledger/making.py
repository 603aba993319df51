"""Keys, entries and ledgers to test with, and stores and anchors that fail on purpose.

Keys come from fixed seeds and signatures are deterministic, so a test and the
process that it starts make the same bytes for `entry(7)`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pysqlite3 import dbapi2

from ledger import dedup, labels
from ledger.anchor import Anchor
from ledger.answer import Appended
from ledger.clock import LedgerClock
from ledger.dedup import key as dedup_key
from ledger.errors import StorageFailedError
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.plan import NewEntry
from ledger.seal import empty_head
from ledger.signatory import LogKeys
from ledger.store import Batch, Store
from ledger.store.memory import MemoryStore
from verifier import dsse, statement
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import SealbookError
from verifier.merkle import Hash, hash_leaf, verify_inclusion
from verifier.publickey import PublicKey
from verifier.repository import Repository

ROOT = Path(__file__).parent.parent.parent
ORIGIN = "ledger.example"
REPOSITORY = Repository("registry.example/team/app")
NOW = 1_750_000_000


class Signer:
    """A P-256 key that approves images."""

    def __init__(self) -> None:
        self._key = ec.derive_private_key(7, ec.SECP256R1())
        self.public = _public(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over `message`, always the same."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class LogSigner:
    """An Ed25519 key that signs checkpoints."""

    def __init__(self, seed: bytes = b"log") -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
        self.public = _public(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return self._key.sign(message)


def _public(key: Any) -> PublicKey:
    public = key.public_key()
    return PublicKey(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


SIGNER = Signer()
KEYS = LogKeys(LogSigner(), bytes(range(32)))


@cache
def entry(i: int, claim: tuple[bytes, bytes] | None = None) -> NewEntry:
    """Return the approval of image `i`, all of whose bytes follow from `i`."""
    payload = statement.approval(REPOSITORY, Digest.of(b"%d" % i), {})
    return signed(payload, claim=claim)


def signed(
    payload: bytes, dedup: bytes | None = None, claim: tuple[bytes, bytes] | None = None
) -> NewEntry:
    """Return `payload` as an entry, signed and labelled, by default under its own dedup key."""
    body = dsse.pae(dsse.IN_TOTO, payload)
    logged = Entry.of(body, SIGNER.sign(body), SIGNER.public).body()
    found_by = labels.of(logged, body)
    key = dedup or dedup_key(found_by["form"][0], SIGNER.public, body)
    return NewEntry(logged, body, found_by, key, claim)


def claim_on(new: NewEntry, *, renew: bool = False) -> tuple[bytes, bytes]:
    """Return an idempotency key for the request that `new` answers."""
    payload = dsse.parse_pae(new.body)[1]
    key = hashlib.sha256(b"idempotency" + new.dedup + bytes([renew])).digest()
    return key, dedup.request(SIGNER.public, payload, renew=renew)


def entries(start: int, stop: int) -> list[NewEntry]:
    """Return the approvals of the images from `start` to before `stop`."""
    return [entry(i) for i in range(start, stop)]


GENESIS = entry(-1)


def prove_all(found: Iterable[object]) -> list[int]:
    """Check the proof in each answer as a stranger would, and return the indices."""
    indices = []
    for answer in found:
        assert isinstance(answer, Appended), answer
        checkpoint = answer.published.checkpoint
        verify_inclusion(hash_leaf(answer.record.entry), answer.proof, checkpoint.root)
        assert (answer.proof.index, answer.proof.tree_size) == (
            answer.record.index,
            checkpoint.tree_size,
        )
        indices.append(answer.record.index)
    return indices


def refused(code: str, call: Callable[[], object]) -> SealbookError:
    """Check that `call` refuses with this code, and return what it said."""
    with pytest.raises(SealbookError) as caught:
        call()
    assert code == caught.value.code, caught.value.message
    return caught.value


def home_in(folder: Path, origin: str = ORIGIN) -> Home:
    """Return the place of a ledger below `folder`; nothing is made yet."""
    return Home(folder / "ledger", folder / "anchor", origin)


def grow(home: Home, start: int, stop: int) -> None:
    """Open a ledger, append the images from `start` to before `stop`, and close it."""
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append(entries(start, stop)))


def memory_store() -> MemoryStore:
    """Return an empty store in memory."""
    return MemoryStore(ORIGIN, empty_head(ORIGIN, KEYS.seal))


def ledger_over(
    store: Any, clock: Callable[[], float] = lambda: NOW, anchor: Anchor | None = None
) -> Ledger:
    """Return a ledger over any store, by default with an anchor in memory."""
    # The time since boot is the same clock: here only what is behind the last entry matters.
    return Ledger(store, anchor or MemoryAnchor(), KEYS, LedgerClock(clock, clock))


def edit(database: Path, sql: str, *values: object) -> list[Any]:
    """Run one statement on a database that this process does not have open."""
    connection = dbapi2.connect(str(database), isolation_level=None)
    try:
        found: list[Any] = connection.execute(sql, values).fetchall()
        return found
    finally:
        connection.close()


class MemoryAnchor(Anchor):
    """Remembers every mark, and forgets them when the process ends."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, Hash]] = []
        self.failures: list[str] = []

    def write(self, tree_size: int, root: Hash) -> None:
        """Remember one mark more."""
        self.marks.append((tree_size, root))

    def note_failure(self, message: str) -> None:
        """Remember the note."""
        self.failures.append(message)

    def close(self) -> None:
        """Nothing to close."""


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


class CountingStore:
    """Any store, counting the commits that came back from it."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.batches: list[Batch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, batch: Batch) -> None:
        """Commit, and count."""
        self._inner.commit(batch)
        self.batches.append(batch)


class GatedStore(CountingStore):
    """A store whose commits wait until `gate` is open; `entered` says that one does."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.gate = threading.Event()
        self.entered = threading.Event()

    def commit(self, batch: Batch) -> None:
        """Commit once the gate is open."""
        self.entered.set()
        assert self.gate.wait(30)
        super().commit(batch)


class FailingStore(CountingStore):
    """A store whose next commit fails: with nothing written, or after it `landed`."""

    def __init__(self, inner: Store, *, landed: bool = False) -> None:
        super().__init__(inner)
        self.landed = landed
        self.broken = False

    def commit(self, batch: Batch) -> None:
        """Commit, unless it is `broken`: then only if it `landed`, and fail either way."""
        if self.landed or not self.broken:
            super().commit(batch)
        if self.broken:
            raise StorageFailedError("commit: disk I/O error")


def python(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run this Python from the repository's root until it ends."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def script(code: str, *args: object) -> list[str]:
    """Run `code` in a process of its own that must succeed, and return the lines it prints."""
    done = python("-c", code, *map(str, args))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Start `code` in a process of its own, to talk to over its pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
