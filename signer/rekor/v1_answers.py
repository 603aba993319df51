"""Rekor v1: what its clients want to hear.

    {"<16 hex digits><leaf hash in hex>":{"body":"<b64>","integratedTime":…,"logID":"<hex>",
    "logIndex":…,"verification":{"inclusionProof":{"checkpoint":"<note>","hashes":["<hex>",…],
    "logIndex":…,"rootHash":"<hex>","treeSize":…},"signedEntryTimestamp":"<b64>"}}}

They take the log's promise for a proof, so that every answer has one, and the proof too.
Whoever checks that proof knows one key of a log and takes no note that others signed
besides: checkpoints stand here under the promise key, and under no other.

Spec: github.com/sigstore/rekor, openapi.yaml.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable

from ledger.publication import Published
from signer.keys.home import waits
from signer.rekor.uploads import Logged
from verifier._strict import b64encode
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, UnsupportedError
from verifier.merkle import Hash, hash_leaf
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key
from verifier.rekor_v1 import Promise

_INDEX_DIGITS, _LEAF_DIGITS = 16, 64
_UUID = re.compile(r"[0-7][0-9a-f]{79}", re.ASCII)


def uuid(index: int, entry: bytes) -> str:
    """Return what v1 calls an entry: 16 hex digits, and its leaf hash.

    The original writes there which of its trees it is in. Here there is one, and its
    index, which finds it again: the ledger has no index of leaf hashes.
    """
    return f"{index:016x}{hash_leaf(entry).hex()}"


def index_in(uuid: str) -> int:
    """Return the index in what `uuid` printed; whether the hash is that entry's is not looked at.

    Raises:
        UnsupportedError: it is a leaf hash and nothing else.
        MalformedError: it is something else.
    """
    if len(uuid) == _LEAF_DIGITS:
        raise UnsupportedError(
            "expected the 80 digits of the upload's answer, found a leaf hash alone",
            hint="ask with ?logIndex=",
        )
    if not _UUID.fullmatch(uuid):
        raise MalformedError(f"expected 80 hex digits, found {len(uuid)} other characters")
    return int(uuid[:_INDEX_DIGITS], 16)


class TreeHeads:
    """Published checkpoints as clients of v1 read them: under the promise key."""

    def __init__(self, origin: str, key: Key) -> None:
        """Sign with `key` for the log `origin`."""
        self._key = key
        self._named = NoteKey.of(origin, key.public)
        self._last: tuple[Checkpoint, str] | None = None

    async def note(self, published: Published) -> str:
        """Return the published checkpoint as a note; signed once, while it is the newest.

        Raises:
            KeyUnavailableError, KeyFailedError: the key is in a device that does not answer,
                or failed.
        """
        checkpoint, last = published.checkpoint, self._last
        if last is not None and last[0] == checkpoint:
            return last[1]
        text = str(checkpoint)
        if waits(self._key):
            signature = await asyncio.to_thread(self._key.sign, text.encode())
        else:
            signature = self._key.sign(text.encode())
        line = NoteSignature(self._named.name, self._named.key_id, signature)
        self._last = (checkpoint, str(Note(text, (line,))))
        return self._last[1]


def answer(logged: Logged, note: str) -> bytes:
    """Return the answer about one entry, whose proof is under `note`.

    One that nobody uploaded has no promise.
    """
    return _json(_entry(logged, note))


def answers(found: Iterable[Logged], note: str) -> bytes:
    """Return the answer about entries that were looked for."""
    return _json([_entry(one, note) for one in found])


def log_info(tree: Checkpoint, note: str) -> bytes:
    """Return the answer about the log itself."""
    value = {
        "inactiveShards": [],
        "rootHash": tree.root.hex(),
        "signedTreeHead": note,
        "treeID": "0",
        "treeSize": tree.tree_size,
    }
    return _json(value)


def consistency(path: Iterable[Hash], root: Hash) -> bytes:
    """Return the answer that shows how a tree grew into the one with this root."""
    return _json({"hashes": [one.hex() for one in path], "rootHash": root.hex()})


def _entry(logged: Logged, note: str) -> dict[str, object]:
    record, proof = logged.record, logged.proof
    checkpoint = logged.published.checkpoint
    verification: dict[str, object] = {
        "inclusionProof": {
            "checkpoint": note,
            "hashes": [one.hex() for one in proof.path],
            "logIndex": record.index,
            "rootHash": checkpoint.root.hex(),
            "treeSize": proof.tree_size,
        }
    }
    value: dict[str, object] = {
        "body": b64encode(record.entry),
        "integratedTime": record.integrated_at,
        "logIndex": record.index,
        "verification": verification,
    }
    if record.promise:
        promise = Promise.parse(record.promise)
        verification["signedEntryTimestamp"] = b64encode(promise.signature)
        value["logID"] = promise.log_id.hex()
    return {uuid(record.index, record.entry): value}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
