"""A refusal as an answer over HTTP: ours as JSON, or in the words that Rekor's clients read.

{"code": "over-limit", "message": "expected …", "hint": "…", "reference": "0f3a…"}
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from grpc import StatusCode

from ledger.errors import FrozenError
from signer.errors import RateError
from signer.refusal import Refused
from signer.rekor.messages import JSON, Reply

_REKOR, _TILES = "/api/", ("/api/v2/checkpoint", "/api/v2/tile/", "/api/v2/bodies/")
# As google.rpc.Code maps them; what is full or busy may pass, and says so.
_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.FAILED_PRECONDITION: 409,
    StatusCode.INTERNAL: 500,
    StatusCode.UNIMPLEMENTED: 501,
}
# As the original's gateway maps them.
_REKOR_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,  # and whatever else is no fault of the caller's
}
_BUSY, _SLOWER = 503, 429
_FROZEN = b"This log has been frozen, please switch to the latest log.\n"
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


def is_rekors(path: str) -> bool:
    """Whether the clients of Rekor read what is answered there."""
    return path.startswith(_REKOR) and not path.startswith(_TILES)


def reply(path: str, told: Refused, error: Exception) -> Reply:
    """Return the answer to a request of `path` that ended with `error`."""
    # What is not there yet may be there in a second: no cache may remember a refusal.
    headers = [
        (b"sealbook-code", told.code.encode()),
        (b"sealbook-reference", told.reference.encode()),
        (b"cache-control", b"no-store"),
    ]
    if isinstance(error, RateError):
        headers.append((b"retry-after", b"1"))
    if is_rekors(path):
        return _rekors(told, error, headers)
    if told.status is StatusCode.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    status = _SLOWER if isinstance(error, RateError) else _STATUS.get(told.status, _BUSY)
    body = {
        "code": told.code,
        "message": told.message,
        "hint": told.hint,
        "reference": told.reference,
    }
    body |= {"request": told.request} if told.request else {}
    return status, json.dumps(body).encode(), (*headers, *JSON)


def other_verb(verbs: Sequence[str]) -> Reply:
    """Return the answer to a verb that a path does not have."""
    allow = (b"allow", ", ".join(verbs).encode())
    return 405, b"Method Not Allowed", (allow, _PLAIN)


def _rekors(told: Refused, error: Exception, headers: list[tuple[bytes, bytes]]) -> Reply:
    if isinstance(error, FrozenError):
        return 405, _FROZEN, (*headers, _PLAIN)
    if isinstance(error, RateError):
        known, status = StatusCode.RESOURCE_EXHAUSTED, _SLOWER
    else:
        known = told.status if told.status in _REKOR_STATUS else StatusCode.UNAVAILABLE
        status = _REKOR_STATUS[known]
    if known is StatusCode.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b'Basic realm="sealbook"'))
    if known is StatusCode.UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    hint = f"; {told.hint}" if told.hint else ""
    message = f"{told.message} ({told.code}{hint})"
    body = json.dumps({"code": known.value[0], "message": message, "details": []}).encode()
    return status, body, (*headers, *JSON)
