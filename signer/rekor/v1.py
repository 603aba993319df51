"""Rekor v1: what cosign before 3 uploads, and what it wants to hear.

    {"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256",
    "value":"<hex>"}},"signature":{"content":"<b64>","publicKey":{"content":"<b64 PEM>"}}}}
    {"apiVersion":"0.0.1","kind":"dsse","spec":{"proposedContent":{"envelope":"<JSON text>",
    "verifiers":["<b64 PEM>"]}}}

It takes the log's promise for a proof, so that every answer has one, and the proof too.
Whoever checks that proof knows one key of a log and takes no note that others signed
besides: checkpoints stand here under the promise key, and under no other.
"""

from __future__ import annotations

import hashlib
import json
import re

from ledger.publication import Published
from signer.rekor.protojson import raw
from signer.rekor.uploads import Logged, check_key
from verifier import dsse, limits
from verifier._strict import Fields, b64encode, hexadecimal, json_object
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, SignatureError, UnsupportedError
from verifier.merkle import hash_leaf
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key, PublicKey
from verifier.rekor_v1 import ENVELOPE, LEGACY, VERSION, EnvelopeEntry, LegacyEntry, Promise

_SHA256 = "sha256"
_PEM_LINE = 64
_INDEX_DIGITS, _LEAF_DIGITS = 16, 64
_UUID = re.compile(r"[0-7][0-9a-f]{79}", re.ASCII)


def parse(body: bytes, limit: int) -> LegacyEntry | EnvelopeEntry:
    """Return the entry that a proposal asks for, its signatures verified.

    Raises:
        LimitError, MalformedError, UnsupportedError: it is no proposal of ours to answer.
        UnsupportedKeyError: the key is of a kind that some client refuses.
        SignatureError: a signature does not fit.
    """
    fields = Fields(json_object(body, limit=limit), "proposal")
    kind, version = fields.text("kind"), fields.text("apiVersion")
    spec = fields.inside("spec")
    fields.done()
    if (kind, version) == (LEGACY, VERSION):
        return _hashedrekord(spec)
    if (kind, version) == (ENVELOPE, VERSION):
        return _dsse(spec, limit)
    raise UnsupportedError(
        f"expected {LEGACY} or {ENVELOPE} {VERSION}, found {kind[:40]!r} {version[:40]!r}"
    )


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

    def note(self, published: Published) -> str:
        """Return the published checkpoint as a note; signed once, while it is the newest."""
        checkpoint = published.checkpoint
        if self._last is None or self._last[0] != checkpoint:
            text = str(checkpoint)
            signature = self._key.sign(text.encode())
            line = NoteSignature(self._named.name, self._named.key_id, signature)
            self._last = (checkpoint, str(Note(text, (line,))))
        return self._last[1]


def answer(logged: Logged, note: str) -> bytes:
    """Return the answer about one entry, whose proof is under `note`.

    One that nobody uploaded has no promise.
    """
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
    return json.dumps({uuid(record.index, record.entry): value}, separators=(",", ":")).encode()


def log_info(tree: Checkpoint, note: str) -> bytes:
    """Return the answer about the log itself."""
    value = {
        "inactiveShards": [],
        "rootHash": tree.root.hex(),
        "signedTreeHead": note,
        "treeID": "0",
        "treeSize": tree.tree_size,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _hashedrekord(spec: Fields) -> LegacyEntry:
    data, signature = spec.inside("data"), spec.inside("signature")
    hashed, public = data.inside("hash"), signature.inside("publicKey")
    algorithm = hashed.text("algorithm")
    if algorithm != _SHA256:
        raise UnsupportedError(f"expected {_SHA256}, found {algorithm[:40]!r}")
    digest = hexadecimal(hashed.text("value"), size=32)
    entry = LegacyEntry(digest, raw(signature, "content"), _key(raw(public, "content")))
    if data.has("url"):
        data.text("url")  # where the data may be; no part of the entry
    for part in (hashed, public, data, signature, spec):
        part.done()
    entry.key.verify_digest(entry.signature, entry.data_digest)
    return entry


def _dsse(spec: Fields, limit: int) -> EnvelopeEntry:
    content = spec.inside("proposedContent")
    filled = spec.nullable("signatures", list) if spec.has("signatures") else None
    if filled:  # the log's to fill in
        raise UnsupportedError("expected a proposal without signatures beside its envelope")
    spec.done()
    text = content.text("envelope").encode()
    pems = [
        Fields({"verifier": one}, f"verifiers[{i}]")
        for i, one in enumerate(content.items("verifiers", most=limits.TIMESTAMPS))
    ]
    keys = [_key(raw(one, "verifier")) for one in pems]
    content.done()
    envelope = Fields(json_object(text, limit=limit), "envelope")
    payload, payload_type = raw(envelope, "payload"), envelope.text("payloadType")
    lines = [
        Fields(one, f"envelope.signatures[{i}]")
        for i, one in enumerate(envelope.items("signatures", most=limits.TIMESTAMPS))
    ]
    envelope.done()
    message = dsse.pae(payload_type, payload)
    signatures = [_line(one, message, keys) for one in lines]
    if not signatures or {key for _, key in signatures} != set(keys):
        raise SignatureError("expected a signature by each verifier, and nobody else")
    return EnvelopeEntry(
        hashlib.sha256(text).digest(),
        hashlib.sha256(payload).digest(),
        tuple(sorted(signatures, key=lambda line: b64encode(line[0]))),
    )


def _line(line: Fields, message: bytes, keys: list[PublicKey]) -> tuple[bytes, PublicKey]:
    """Return a signature and the one of `keys` that it is by."""
    signature = raw(line, "sig")
    if line.has("keyid"):
        line.text("keyid")
    line.done()
    for key in keys:
        try:
            key.verify(signature, message)
        except SignatureError:
            continue
        return signature, key
    raise SignatureError("a signature of the envelope is by none of its verifiers")


def _key(pem: bytes) -> PublicKey:
    """Take a key in PEM as people write it: lines of any length, and an end of line or none."""
    lines = pem.replace(b"\r\n", b"\n").strip().split(b"\n")
    inner = b"".join(lines[1:-1])
    wrapped = [inner[i : i + _PEM_LINE] for i in range(0, len(inner), _PEM_LINE)]
    key = PublicKey.from_pem(b"\n".join((lines[0], *wrapped, lines[-1])) + b"\n")
    check_key(key)
    return key
