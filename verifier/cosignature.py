"""Cosignatures (c2sp.org/tlog-cosignature) as lines of a note: made, and read for their time.

What exactly is signed is in `verifier.cosigned`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import cosigned, limits
from verifier.note import NoteKey, NoteSignature

if TYPE_CHECKING:
    from verifier.publickey import Key


def cosign(key: Key, name: str, text: str, time: int) -> NoteSignature:
    """Return the line with which `key`, called `name`, says that it saw the checkpoint `text`.

    `time` is POSIX seconds, above 0. A log that signs its own checkpoint with
    ML-DSA-44 passes its origin as `name`.

    Raises:
        MalformedError: `name` names no key, or `text` is no checkpoint.
        UnsupportedKeyError: a key that makes no cosignatures.
    """
    assert 0 < time < limits.TREE_SIZE
    named = NoteKey.witness(name, key.public)
    signature = key.sign(cosigned.message(name, key.public, text, time))
    return NoteSignature(name, named.key_id, time.to_bytes(cosigned.TIME_BYTES, "big") + signature)


def time_of(line: NoteSignature) -> int:
    """Return the POSIX seconds that a *verified* line of kind 4 or 6 states."""
    return int.from_bytes(line.signature[: cosigned.TIME_BYTES], "big")
