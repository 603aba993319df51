"""What a trail is compared with: the entries of the ledger, as whoever checks it can read them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger import dedup, labels, tree
from ledger.audit.source import Source
from ledger.errors import SourceError
from ledger.store import Store
from ledger.tiles import WIDTH
from signer.audit_trail import anchoring
from signer.audit_trail.tail import Closed
from verifier import dsse
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry, parse_any
from verifier.errors import VerificationError
from verifier.merkle import Hash, hash_leaf
from verifier.publickey import PublicKey
from verifier.statement import EVENT_PREFIX, Statement

_KEPT = 64  # slices


class Entries(Protocol):
    """The entries of one ledger, up to `tree_size`."""

    @property
    def tree_size(self) -> int:
        """How many there are."""

    def size_now(self) -> int | None:
        """Return how many there are by now, if whoever asks sees all of them at once."""

    def slice(self, n: int) -> Sequence[bytes]:
        """Return the entries of the `n`-th 256."""

    def body(self, index: int, entry: bytes) -> bytes:
        """Return the signed message of an event; empty when it is not there."""


class Event(NamedTuple):
    """An event of the ledger: its kind without the prefix, and the message."""

    kind: str
    body: bytes


class Evidence:
    """Leaves, events and dedup keys of a ledger, read in any order."""

    def __init__(self, entries: Entries, event_keys: Sequence[PublicKey] = ()) -> None:
        """Read `entries`; with `event_keys`, only what these signed is an event."""
        self._entries = entries
        self._event_keys = event_keys
        self._slices: OrderedDict[int, Sequence[bytes]] = OrderedDict()
        self.tree_size = entries.tree_size

    def size_now(self) -> int | None:
        """Return how many entries there are by now, if that can be told."""
        return self._entries.size_now()

    def entry(self, index: int) -> bytes:
        """Return an entry below `tree_size`; raises `SourceError` if it is not there."""
        n, at = divmod(index, WIDTH)
        found = self._slices.get(n)
        if found is None:
            found = self._slices[n] = self._entries.slice(n)
            if len(self._slices) > _KEPT:
                self._slices.popitem(last=False)
        if at >= len(found):
            raise SourceError(f"entry {index} is not there")
        return found[at]

    def leaf(self, index: int) -> Hash:
        """Return the leaf hash of an entry below `tree_size`."""
        return hash_leaf(self.entry(index))

    def event(self, index: int) -> Event | None:
        """Return the event at `index`, if it is one: signed by an event key, and whole."""
        entry = self.entry(index)
        try:
            logged = parse_any(entry)
            if not isinstance(logged, Entry):
                return None
            if self._event_keys and logged.key not in self._event_keys:
                return None
            body = self._entries.body(index, entry)
            algorithm, _, name = (labels.body_name(entry) or "").partition(":")
            if not algorithm or hashlib.new(algorithm, body).hexdigest() != name:
                return None
            logged.key.verify(logged.signature, body)
            kind = Statement.parse(dsse.parse_pae(body)[1]).predicate_type
        except VerificationError:
            return None
        if not kind.startswith(EVENT_PREFIX):
            return None
        return Event(kind.removeprefix(EVENT_PREFIX), body)

    def segment(self, index: int) -> Closed | None:
        """Return the segment that the entry at `index` tells of, if it tells of one."""
        event = self.event(index)
        if event is None or event.kind != anchoring.EVENT:
            return None
        try:
            return anchoring.read(event.body)
        except VerificationError:
            return None

    def known_by(self, index: int) -> set[bytes]:
        """Return the dedup keys that the entry at `index` can have been decided by."""
        entry = self.entry(index)
        found: set[bytes] = set()
        try:
            found.add(dedup.upload(entry))
            logged = parse_any(entry)
            if isinstance(logged, Entry):
                forms = (
                    labels.BUNDLE,
                    labels.SIMPLESIGNING,
                    labels.CERTIFICATE,
                    labels.EVENT,
                    labels.NOTATION,
                )
                found |= {dedup.key_of(form, logged.key, logged.data_digest) for form in forms}
        except VerificationError:
            pass
        return found

    def raw(self, index: int) -> set[tuple[str, str]]:
        """Return hash and key of the entry at `index`, by which raw keys' decisions seek it."""
        try:
            logged = parse_any(self.entry(index))
        except VerificationError:
            return set()
        if not isinstance(logged, Entry):
            return set()
        return {(f"sha256:{logged.data_digest.hex()}", logged.key.fingerprint)}


class StoredEntries:
    """The entries of a database of ours, which may be serving."""

    def __init__(self, store: Store) -> None:
        """Read `store` as it is now."""
        self._store = store
        self.tree_size = store.head().tree_size

    def size_now(self) -> int | None:
        """Return how many there are by now."""
        return self._store.head().tree_size

    def slice(self, n: int) -> Sequence[bytes]:
        """Return the entries of the `n`-th 256."""
        return self._store.entries(n * WIDTH, min((n + 1) * WIDTH, self.tree_size))

    def body(self, index: int, entry: bytes) -> bytes:
        """Return the signed message of an event."""
        del entry
        rows = self._store.rows(index, index + 1)
        return (rows[0].body or b"") if rows else b""


class SourceEntries:
    """The entries under a signed checkpoint, as somebody outside reads them."""

    def __init__(self, source: Source, checkpoint: Checkpoint) -> None:
        """Read `source`, and check that its entries are those of `checkpoint`.

        Raises:
            SourceError: they are not, or are not there.
        """
        self._source = source
        self.tree_size = checkpoint.tree_size
        size, compact = 0, tuple[Hash, ...]()
        while size < self.tree_size:
            leaves = [hash_leaf(entry) for entry in self.slice(size // WIDTH)]
            grown = tree.extend(size, compact, leaves)
            size, compact = grown.tree_size, grown.compact
        if tree.root(compact) != checkpoint.root:
            raise SourceError("the entries are not those of the signed checkpoint")

    def size_now(self) -> int | None:
        """Say nothing: what is durable already may not be published yet."""
        return None

    def slice(self, n: int) -> Sequence[bytes]:
        """Return the entries of the `n`-th 256."""
        width = min(WIDTH, self.tree_size - n * WIDTH)
        found = self._source.entries(n, width)
        if found is None or len(found) != width:
            raise SourceError(f"expected {width} entries from {n * WIDTH} on")
        return found

    def body(self, index: int, entry: bytes) -> bytes:
        """Return the signed message of an event."""
        self.slice(index // WIDTH)  # bodies come with their entries
        name = labels.body_name(entry)
        algorithm, _, hashed = (name or "").partition(":")
        return (self._source.body(algorithm, hashed) if hashed else None) or b""
