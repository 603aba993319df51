"""Rekor v2: what is asked, and how it is answered.

    {"hashedRekordRequestV002":{"digest":"<b64>","signature":{"content":"<b64>","verifier":
    {"publicKey":{"rawBytes":"<b64 SPKI>"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}

A `dsseRequestV002`, which cosign 2.6 to 3.0 send, is logged as the hashedrekord of its
pre-authentication encoding: those clients compare signature and key only, and newer
ones know nothing else. The original accepts a key under the name of another
algorithm; such an entry could never verify, and is refused here.

Spec: rekor-tiles, api/proto/rekor/v2/{entry,hashedrekord,verifier}.proto.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from signer.rekor import protojson
from signer.rekor.protojson import inside, raw, spelled, text
from signer.rekor.uploads import Logged, check_key
from verifier import dsse, limits
from verifier._strict import Fields, b64encode, json_object
from verifier.entry import KIND, VERSION, Entry, certified_key
from verifier.errors import KeyDetailsError, LimitError, UnsupportedError
from verifier.publickey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Sequence

_HASHED, _DSSE = "hashedRekordRequestV002", "dsseRequestV002"


def parse(body: bytes, limit: int) -> Entry:
    """Return the entry that a request asks for, its signature verified.

    Raises:
        LimitError, MalformedError, UnsupportedError: it is no request of ours to answer.
        KeyDetailsError, UnsupportedKeyError: the key is not what it is called, or not accepted.
        SignatureError: the signature does not fit.
    """
    fields = Fields(json_object(body, limit=limit), "request")
    if spelled(fields, _DSSE):
        entry = _of_envelope(inside(fields, _DSSE))
    elif spelled(fields, _HASHED):
        entry = _of_hash(inside(fields, _HASHED))
    else:
        raise UnsupportedError("invalid type, must be hashedrekord")
    fields.done()
    return entry


def answer(logged: Logged, log_id: bytes) -> bytes:
    """Return the TransparencyLogEntry of an upload, as the original prints it."""
    record, proof = logged.record, logged.proof
    hashes = ",".join(f'"{b64encode(one)}"' for one in proof.path)
    note = logged.published.note.replace("\n", "\\n")  # nothing else in a note needs escaping
    return (
        f'{{"logIndex":"{record.index}","logId":{{"keyId":"{b64encode(log_id)}"}},'
        f'"kindVersion":{{"kind":"{KIND}","version":"{VERSION}"}},"integratedTime":"0",'
        f'"inclusionPromise":null,"inclusionProof":{{"logIndex":"{record.index}",'
        f'"rootHash":"{b64encode(logged.published.checkpoint.root)}",'
        f'"treeSize":"{proof.tree_size}","hashes":[{hashes}],'
        f'"checkpoint":{{"envelope":"{note}"}}}},'
        f'"canonicalizedBody":"{b64encode(record.entry)}"}}'
    ).encode()


def _of_hash(request: Fields) -> Entry:
    digest, signature = raw(request, "digest"), inside(request, "signature")
    content = raw(signature, "content")
    key, certificate = _verifier(inside(signature, "verifier"))
    for part in (signature, request):
        part.done()
    return _verified(Entry(digest, content, key, certificate))


def _of_envelope(request: Fields) -> Entry:
    envelope = inside(request, "envelope")
    payload, payload_type = raw(envelope, "payload"), text(envelope, "payloadType")
    line = Fields(_only(envelope, "signatures"), "request.envelope.signatures[0]")
    signature = raw(line, "sig")
    if line.has("keyid"):
        line.text("keyid")
    by = Fields(_only(request, "verifiers"), "request.verifiers[0]")
    key, certificate = _verifier(by)
    for part in (line, envelope, request):
        part.done()
    message = dsse.pae(payload_type, payload)
    digest = hashlib.new(key.algorithm.hash_name, message).digest()
    return _verified(Entry(digest, signature, key, certificate))


def _only(fields: Fields, name: str) -> object:
    found: Sequence[object] = fields.items(name, most=1)
    if not found:
        raise UnsupportedError(f"expected one of {name}, found none")
    return found[0]


def _verifier(fields: Fields) -> tuple[PublicKey, bytes]:
    """Return the key, and the certificate that it came in, if it did."""
    certificate = b""
    if protojson.spelled(fields, "x509Certificate"):
        holder = inside(fields, "x509Certificate")
        certificate = raw(holder, "rawBytes")
        key = certified_key(certificate)
    else:
        holder = inside(fields, "publicKey")
        key = PublicKey(raw(holder, "rawBytes"))
    details = text(fields, "keyDetails")
    holder.done()
    fields.done()
    check_key(key)
    if details != key.algorithm.key_details:
        raise KeyDetailsError(f"expected {key.algorithm.key_details}, found {details[:80]!r}")
    return key, certificate


def _verified(entry: Entry) -> Entry:
    if len(entry.signature) > limits.SIGNATURE:
        raise LimitError(f"expected at most {limits.SIGNATURE} bytes of signature")
    entry.key.verify_digest(entry.signature, entry.data_digest)
    return entry
