"""Who signs the ledger's checkpoints, and with what the head is sealed.

    ledger.example
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

    — ledger.example M9e0luh4jTG+…A          Ed25519, in every bundle
    — ledger.example 7iUkiQAAAABrBwfy…       ML-DSA-44 with a time, for the public alone

While a key rotates, the old and the new one sign side by side: who knows either
believes the checkpoint.
"""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

from ledger.clock import LedgerClock
from ledger.publication import Published
from verifier import cosignature
from verifier.checkpoint import Checkpoint
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key
from verifier.rekor_v1 import Promise

_FRESH_S = 60  # how old the time in a post-quantum line may get before it is made again


class LogKeys(NamedTuple):
    """What the ledger signs and seals with: `log` is Ed25519, `seal` a secret of 32 bytes.

    While the log key rotates, the Ed25519 keys in `also` sign every checkpoint too.
    `post_quantum` (ML-DSA-44) signs those that are shown to the public, and is not
    in bundles, which it would make 3.3 KB longer. `promise` (ECDSA P-256) signs entry
    timestamps for clients of Rekor v1.
    """

    log: Key
    seal: bytes
    also: tuple[Key, ...] = ()
    post_quantum: Key | None = None
    promise: Key | None = None

    def __repr__(self) -> str:
        """Name the log's key, and not the seal."""
        return f"<LogKeys {self.log.public!r}>"


class Signatory:
    """Signs for one log. Safe in many threads."""

    def __init__(self, origin: str, keys: LogKeys, clock: LedgerClock) -> None:
        """Sign for `origin` with `keys`, by `clock`."""
        self._origin = origin
        self._keys = keys
        self._clock = clock
        self._lock = Lock()
        self._shown: tuple[str, float, str] = ("", 0.0, "")  # note, when, and as it is shown
        self.key = NoteKey.of(origin, keys.log.public)

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """Every key that signs: also one that rotates, and the post-quantum one."""
        quantum = (self._keys.post_quantum,) if self._keys.post_quantum else ()
        more = (*self._keys.also, *quantum)
        return (self.key, *(NoteKey.of(self._origin, key.public) for key in more))

    def sign(self, checkpoint: Checkpoint) -> Note:
        """Return the checkpoint under every Ed25519 key: the same bytes each time."""
        text = str(checkpoint)
        lines = []
        for key in (self._keys.log, *self._keys.also):
            named = NoteKey.of(self._origin, key.public)
            lines.append(NoteSignature(named.name, named.key_id, key.sign(text.encode())))
        return Note(text, tuple(lines))

    def promise(self, entry: bytes, integrated_at: int, index: int) -> bytes:
        """Return Rekor's promise, as records keep it: that `entry` is at `index` since then.

        Raises:
            KeyFailedError: from the key's home; nothing was written yet.
        """
        key = self._keys.promise
        assert key is not None, "who asks for promises gives a key for them"
        return Promise.make(key, entry, integrated_at, index).stored()

    def shown(self, published: Published) -> str:
        """Return a published note as the public reads it: with the post-quantum line.

        Its time says when this ledger last said so; it is at most a minute old.
        """
        key = self._keys.post_quantum
        if key is None:
            return published.note
        with self._lock:
            note, made_at, shown = self._shown
            now = self._clock.now()
            if note != published.note or not 0 <= now - made_at < _FRESH_S:
                parsed = Note.parse(published.note)
                line = cosignature.cosign(key, self._origin, parsed.text, int(now))
                shown = str(parsed._replace(signatures=(*parsed.signatures, line)))
                self._shown = (published.note, now, shown)
            return shown
