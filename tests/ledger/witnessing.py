"""A witness to test with, and a real ledger that asks it.

with Bench(tmp_path) as bench:
    bench.log.grow(3)
    assert 200 == bench.submit(0).status
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import uvicorn
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.witness.judge import Answer, Judge
from ledger.witness.state import Recorded, WitnessState
from ledger.witness.wire import Submission
from tests.ledger.making import (
    KEYS,
    ORIGIN,
    LogSigner,
    entries,
    ledger_over,
    memory_store,
    prove_all,
)
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key, PublicKey

WITNESS = "witness.example"
OTHER_ROOT = Hash(hashlib.sha256(b"another history").digest())


class PostQuantumSigner:
    """An ML-DSA-44 key."""

    def __init__(self, seed: bytes) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(hashlib.sha256(seed).digest())
        public = self._key.public_key()
        self.public = PublicKey(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`."""
        return self._key.sign(message)


LOG_KEY = KEYS.log
NEXT_LOG_KEY = LogSigner(b"the log's next key")
WITNESS_KEY = LogSigner(b"witness")
WITNESS_PQ_KEY = PostQuantumSigner(b"witness")


class Log:
    """A real ledger, and everything that it ever signed; another `first` makes another history."""

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.ledger = ledger_over(memory_store())
        self.notes: dict[int, str] = {}
        self.grow(1)

    @property
    def tree_size(self) -> int:
        """How many entries it holds."""
        return self.ledger.head.tree_size

    def grow(self, by: int) -> None:
        """Append one entry after the other, and keep each signed checkpoint."""
        for i in range(self.tree_size, self.tree_size + by):
            prove_all(self.ledger.append(entries(self.first + i, self.first + i + 1)))
            self.notes[i + 1] = self.ledger.signed.note


class Bench:
    """A witness over a state in `directory`, and a log that it was told of."""

    def __init__(
        self,
        directory: Path,
        keys: Sequence[Key] = (WITNESS_KEY,),
        clock: Callable[[], float] = time.time,
        log_keys: Sequence[NoteKey] | None = None,
    ) -> None:
        self.directory = directory
        self.log = Log()
        if not (directory / "witness.db").exists():
            WitnessState.create(directory)
        self.state = WitnessState(directory)
        for key in self.log.ledger.log_keys if log_keys is None else log_keys:
            self.state.add(key)
        self.judge = Judge(self.state, WITNESS, keys, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.state.close()

    def body(self, old: int, size: int | None = None) -> bytes:
        """Return an honest request from `old` to `size`, by default the newest tree."""
        size = self.log.tree_size if size is None else size
        path = self.log.ledger.path_between(old, size)
        return str(Submission(old, path, Note.parse(self.log.notes[size]))).encode()

    def submit(self, old: int, size: int | None = None) -> Answer:
        """Submit what `body` returns."""
        return self.judge.add_checkpoint(self.body(old, size))

    def send(self, old: int, path: Sequence[Hash], note: str) -> Answer:
        """Submit anything in the right form."""
        return self.judge.add_checkpoint(
            str(Submission(old, tuple(path), Note.parse(note))).encode()
        )

    @property
    def recorded(self) -> Recorded:
        """What the witness has recorded of the log."""
        row = self.state.recorded(origin_hash())
        assert row is not None
        return row


def origin_hash(origin: str = ORIGIN) -> bytes:
    """Return under what a witness files a log."""
    return hashlib.sha256(origin.encode()).digest()


def line(key: Any, name: str, text: str) -> NoteSignature:
    """Return a log's signature line over `text`."""
    named = NoteKey.of(name, key.public)
    return NoteSignature(name, named.key_id, key.sign(text.encode()))


def signed(size: int, root: Hash, *keys: Any, origin: str = ORIGIN, more: str = "") -> str:
    """Return a checkpoint of whatever tree, genuinely signed, with `more` lines in its text."""
    text = str(Checkpoint(origin, size, root)) + more
    return str(Note(text, tuple(line(key, origin, text) for key in keys or (LOG_KEY,))))


def lines_of(answer: Answer, text: str) -> tuple[NoteSignature, ...]:
    """Return the cosignatures in an answer of 200."""
    assert 200 == answer.status, answer
    return Note.parse(f"{text}\n{answer.body.decode()}").signatures


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on loopback, in a thread of this process; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http="httptools", ws="none", log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
