"""A ledger of a million entries, made in bulk by the ledger's own code.

The entries are as large and as different as real ones, and read like them; their
signatures are real only where a figure needs that, because making them would
take longer than all the measuring.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger import dedup, labels, tree
from ledger.anchor import Anchor
from ledger.edge import advance, load_edge
from ledger.opening import Home, create
from ledger.plan import NewEntry
from ledger.seal import sealed
from ledger.signatory import LogKeys
from ledger.store import Batch, Head, Row
from ledger.store.sqlite import SqliteStore
from signer.events import signed_event
from signer.keys.memory import MemoryKey
from verifier import dsse
from verifier import statement as statements
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import hash_leaf
from verifier.repository import Repository
from verifier.statement import Statement, Subject

ORIGIN = "ledger.example"
_BULK = 65_536  # entries a transaction while making: a service's are 256
_TEAMS = 200  # repositories


class Workshop:
    """Makes entries and ledgers of them, with the same keys."""

    def __init__(self, directory: Path) -> None:
        """Make keys for ledgers below `directory`."""
        self.keys = LogKeys(MemoryKey.generate("ed25519"), random.randbytes(32))
        self.release = MemoryKey.generate("ecdsa-p256")
        self._directory = directory

    def found(self, name: str) -> Home:
        """Return the home of a new ledger that has its genesis entry."""
        home = Home(self._directory / name / "ledger", self._directory / name / "anchor", ORIGIN)
        genesis = signed_event("genesis", ORIGIN, MemoryKey.generate("ecdsa-p256"), {}, None)
        create(home, self.keys, genesis)
        return home

    def entry(self, i: int, *, signed: bool = False) -> NewEntry:
        """Return the approval of image `i`, with six labels; about 600 bytes of entry."""
        digest = Digest.of(b"image %d" % i)
        repository = Repository(f"registry.example/team-{i % _TEAMS}/app")
        annotations = {
            statements.REQUESTER + "issuer": "https://gitlab.example",
            statements.REQUESTER + "subject": f"project:{i % _TEAMS}:ref:main",
        }
        message = dsse.pae(dsse.IN_TOTO, statements.approval(repository, digest, annotations))
        signature = self.release.sign(message) if signed else _stand_in_signature(i)
        entry = Entry.of(message, signature, self.release.public).body()
        subject = Subject(digest, repository, annotations)
        found_by = labels.of_statement(
            Statement((subject,), statements.APPROVAL, {}), self.release.public
        )
        key = dedup.key(labels.BUNDLE, self.release.public, message)
        return NewEntry(entry, message, found_by, key)

    def grow(
        self, home: Home, count: int, step: Callable[[str], None], *, signed: bool = False
    ) -> None:
        """Let a closed ledger have `count` entries, in few large transactions."""
        store = SqliteStore(home.database)
        anchor = Anchor(home.anchor, ORIGIN, home.database)
        anchor.load()
        try:
            while (size := store.head().tree_size) < count:
                step(f"a ledger of {count:,}: {size:,}")
                stop = min(count, size + _BULK)
                head = _bulk(
                    store, self.keys, [self.entry(i, signed=signed) for i in range(size, stop)]
                )
                anchor.write(head.tree_size, head.root)
        finally:
            store.close()
            anchor.close()


def raw_entries(start: int, stop: int) -> Iterator[NewEntry]:
    """Yield entries of 600 bytes without labels, that say nothing."""
    for i in range(start, stop):
        seed = hashlib.sha256(b"raw %d" % i).digest()
        yield NewEntry(seed * 18 + seed[:24], b"", {}, seed)


def _bulk(store: SqliteStore, keys: LogKeys, entries: list[NewEntry]) -> Head:
    """Append `entries` as `ledger.ledger` does, in one transaction of any size."""
    old = store.head()
    leaves = [hash_leaf(entry.entry) for entry in entries]
    extension = tree.extend(old.tree_size, old.compact, leaves)
    _, full = advance(load_edge(store, old.tree_size), extension)
    moment = old.time
    head = sealed(
        ORIGIN,
        keys.seal,
        Head(extension.tree_size, extension.root, extension.compact, moment, False, b""),  # noqa: FBT003
    )
    numbered = list(enumerate(entries, old.tree_size))
    store.commit(
        Batch(
            old.tree_size,
            head,
            [Row(e.entry, e.body, labels.encode(e.labels), moment) for e in entries],
            [(e.dedup, i) for i, e in numbered],
            [
                (name, v, i)
                for i, e in numbered
                for name, values in e.labels.items()
                for v in values
            ],
            full,
        )
    )
    return head


def _stand_in_signature(i: int) -> bytes:
    """Return what looks like an ECDSA signature, and is none."""
    r, s = hashlib.sha256(b"r %d" % i).digest(), hashlib.sha256(b"s %d" % i).digest()
    return b"\x30\x44\x02\x20\x7f" + r[1:] + b"\x02\x20\x7f" + s[1:]
