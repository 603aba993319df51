"""Log entries of every kind that Sigstore's clients read, compared with what was signed.

    hashedrekord 0.0.2   the hash of the message, or of an envelope's encoding; Rekor v2
    hashedrekord 0.0.1   the same, of Rekor v1
    dsse 0.0.1           the hash of an envelope's payload, and its signatures
    intoto 0.0.2         the same, as older clients upload it

What a body says is never believed: the one that this signature makes is built, and found to
be the same. Two fields cannot be built, the hashes of an envelope's own text in `dsse` and
`intoto`: that text is whatever JSON was uploaded, and the bundle does not have it.

Spec: github.com/sigstore/rekor, pkg/types; rekor-tiles, api/proto/rekor/v2.
"""

from __future__ import annotations

import hashlib
from typing import Any

from verifier import limits
from verifier._strict import Fields, b64encode, hexadecimal, json_object
from verifier.dsse import IN_TOTO, Envelope
from verifier.entry import KIND, VERSION, Entry, check_same
from verifier.errors import EntryMismatchError, UnsupportedError
from verifier.publickey import PublicKey
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import LogEntry, Message

_V1 = (("hashedrekord", "0.0.1"), ("dsse", "0.0.1"), ("intoto", "0.0.2"))
_HASH, _HASH_SIZE = "sha256", 32
_PEM_LINE = 64


def is_second(entry: LogEntry) -> bool:
    """Whether the entry is of Rekor v2, which promises nothing and tells no time.

    Raises:
        UnsupportedError: it is of a kind that no log here has.
    """
    kind = entry.kind, entry.version
    if kind == (KIND, VERSION):
        return True
    if kind not in _V1:
        raise UnsupportedError(
            f"expected a log entry of {KIND}, dsse or intoto, "
            f"found {entry.kind[:40]!r} {entry.version[:40]!r}"
        )
    return False


def check_entry(
    entry: LogEntry,
    signed: Message | Envelope,
    key: PublicKey,
    certificate: bytes,
    artifact: Artifact | None,
) -> None:
    """Check that `entry` is of just this signature, by this key or under this certificate.

    Raises:
        EntryMismatchError: it is of another, or of another kind than its own body.
        UnsupportedError: a kind that is not for what was signed.
        MalformedError: a body that cannot be read.
    """
    if is_second(entry):
        digest = _logged_digest(signed, artifact, key.algorithm.hash_name)
        check_same(Entry(digest, signed.signature, key, certificate), entry.body)
        return
    signer = b64encode(_pem(certificate) if certificate else key.pem())
    found = json_object(entry.body, limit=limits.BUNDLE)
    kind = entry.kind
    if kind == "hashedrekord":
        digest = _logged_digest(signed, artifact, _HASH)
        spec: dict[str, Any] = {
            "data": {"hash": _hash(digest)},
            "signature": {
                "content": b64encode(signed.signature),
                "publicKey": {"content": signer},
            },
        }
    elif isinstance(signed, Message):
        raise UnsupportedError(f"expected an entry of {KIND} for a message, found {kind!r}")
    elif kind == "dsse":
        spec = {
            "envelopeHash": _own_hash(found, "envelopeHash"),
            "payloadHash": _hash(hashlib.sha256(signed.payload).digest()),
            "signatures": [{"signature": b64encode(signed.signature), "verifier": signer}],
        }
    else:
        line = {
            "publicKey": signer,
            "sig": b64encode(b64encode(signed.signature).encode()),  # twice, as that server does
        }
        content = {
            "envelope": {"payloadType": IN_TOTO, "signatures": [line]},
            "hash": _own_hash(found, "content", "hash"),
            "payloadHash": _hash(hashlib.sha256(signed.payload).digest()),
        }
        spec = {"content": content}
    if found != {"apiVersion": entry.version, "kind": kind, "spec": spec}:
        raise EntryMismatchError(
            "the log entry differs from what this signature, its key and what it signs make"
        )


def _logged_digest(signed: Message | Envelope, artifact: Artifact | None, hash_name: str) -> bytes:
    if isinstance(signed, Envelope):
        return hashlib.new(hash_name, signed.message).digest()
    assert artifact is not None, "a message is judged with what was signed"
    return artifact.hashed(hash_name)


def _hash(digest: bytes) -> dict[str, str]:
    return {"algorithm": _HASH, "value": digest.hex()}


def _own_hash(body: dict[str, Any], *path: str) -> dict[str, str]:
    """Return the hash that `body` itself has in its spec: the one field that is its own."""
    fields = Fields(body, "entry").inside("spec")
    for name in path:
        fields = fields.inside(name)
    return _hash(hexadecimal(fields.text("value"), size=_HASH_SIZE))


def _pem(certificate: bytes) -> bytes:
    """Return a certificate as Go prints it (RFC 7468)."""
    text = b64encode(certificate)
    lines = [text[i : i + _PEM_LINE] for i in range(0, len(text), _PEM_LINE)]
    parts = ("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", "")
    return "\n".join(parts).encode()
