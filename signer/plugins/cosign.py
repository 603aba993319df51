"""`sigstore-kms-sealbook`: `cosign sign --key sealbook://NAME[/REPOSITORY]`.

cosign starts it once for each question: "v1" and one JSON object are its arguments,
the message is standard input, the answer one JSON object on standard output.

    {"initOptions":{"protocolVersion":"v1","keyResourceID":"release","hashFunc":5,…},
     "methodName":"signMessage","signMessage":{"signOptions":{…}}}
    {"signMessage":{"signature":"<b64>"}}    or    {"errorMessage":"…"}

Spec: github.com/sigstore/sigstore, pkg/signature/kms/cliplugin.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any, BinaryIO, NamedTuple

from signer.errors import RequestError
from signer.plugins.service import Failure, Named, attempt, connect
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.errors import LimitError, UnsupportedError

_PROTOCOL = "v1"
_SHA256 = 5  # as Go numbers its hashes (crypto.Hash)
_ALGORITHM = "ecdsa-p256-sha256"
_MOST_ASKED = 64 << 10  # characters of the question
_MOST_READ = 256 << 10  # bytes of a message that the service reads
_CHUNK = 1 << 20


class _Message(NamedTuple):
    """What is on standard input; `content` is empty when it is too long to be read."""

    content: bytes
    size: int
    digest: bytes


def main() -> int:
    """Answer the one question; the exit code is not looked at."""
    answer = attempt(lambda: _answer(sys.argv[1:], sys.stdin.buffer))
    failed = isinstance(answer, Failure)
    sys.stdout.write(json.dumps({"errorMessage": str(answer)} if failed else answer) + "\n")
    return int(failed)


def _answer(arguments: list[str], stdin: BinaryIO) -> dict[str, Any]:
    if len(arguments) != 2 or arguments[0] != _PROTOCOL:
        raise UnsupportedError(
            f"expected {_PROTOCOL} and a question", hint="cosign starts this program, by --key"
        )
    asked = json_object(arguments[1].encode(), limit=_MOST_ASKED)
    # Of newer fields the service need not know: what it signs is the message, and that it reads.
    init, method = Fields(asked, "question").inside("initOptions"), asked.get("methodName")
    named = Named.parse(init.text("keyResourceID"))
    if init.has("hashFunc") and init.number("hashFunc") != _SHA256:
        raise UnsupportedError("expected hash function SHA-256", hint="leave the default")
    options = asked.get(method) if isinstance(method, str) else None
    given: dict[str, Any] = options if isinstance(options, dict) else {}
    if method == "publicKey":
        return {method: {"publicKeyPEM": b64encode(_public(named).pem())}}
    if method == "signMessage":
        message = _read(stdin, _digest(given, "signOptions"))
        return {method: {"signature": b64encode(_sign(named, message))}}
    if method == "verifySignature":
        message = _read(stdin, _digest(given, "verifyOptions"))
        _public(named).verify_digest(b64(str(given.get("signature", ""))), message.digest)
        return {method: {}}
    if method == "defaultAlgorithm":
        return {method: {method: _ALGORITHM}}
    if method == "supportedAlgorithms":
        return {method: {method: [_ALGORITHM]}}
    if method == "createKey":
        raise UnsupportedError(
            "keys are not made from here",
            hint="whoever runs the service adds one to its configuration",
        )
    raise UnsupportedError(f"there is no method {str(method)[:40]!r}")


def _public(named: Named) -> Any:
    with connect() as client:
        return client.key(named.key).public


def _sign(named: Named, message: _Message) -> bytes:
    with connect() as client:
        if message.size > _MOST_READ and client.key(named.key).purpose != "raw":
            raise LimitError(
                f"expected a message of at most {_MOST_READ} bytes, found {message.size}",
                hint="`sealbook attest` takes predicates of up to 16 MiB",
            )
        whole = {"message": message.content} if message.content else {"digest": message.digest}
        signed = client.sign_message(**whole, key=named.key, repository=named.repository)
        return signed.signature


def _digest(given: dict[str, Any], options: str) -> bytes:
    """Return the digest that the question bears, which cosign 2 leaves out."""
    for name in (options, "messageOptions"):
        inner = given.get(name)
        given = inner if isinstance(inner, dict) else {}
    digest = given.get("digest")
    return b64(digest, size=hashlib.sha256().digest_size) if isinstance(digest, str) else b""


def _read(stdin: BinaryIO, digest: bytes) -> _Message:
    """Read the message, and hold it against its digest.

    Without a message there is only the digest: what wants a signature over that, says not what.

    Raises:
        RequestError: it is of another message.
    """
    hashed, size, start = hashlib.sha256(), 0, b""
    while chunk := stdin.read(_CHUNK):
        hashed.update(chunk)
        size += len(chunk)
        start += chunk if size <= _MOST_READ else b""
    if size == 0:
        return _Message(b"", 0, digest or hashed.digest())
    if digest and digest != hashed.digest():
        raise RequestError("the message and its digest are not of the same bytes")
    return _Message(start if size <= _MOST_READ else b"", size, hashed.digest())
