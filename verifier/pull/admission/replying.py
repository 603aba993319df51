"""What a webhook sends back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from verifier.errors import printable
from verifier.pull.admission.judging import Judged

_UID = re.compile(rb'\s*\{[^{}]{0,200}"request"\s*:\s*\{\s*"uid"\s*:\s*"([0-9A-Za-z-]{1,64})"')


class Reply(NamedTuple):
    """What goes back. `close`: what is left of the request is not read."""

    status: int
    body: bytes
    media_type: bytes = b"text/plain; charset=utf-8"
    close: bool = False
    allow: bytes = b""


def _refusal(uid: str, message: str) -> dict[str, Any]:
    """Return the AdmissionReview that says no, with a message for whoever asked."""
    status = {"code": 403, "status": "Failure", "reason": "Forbidden", "message": message}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": False, "status": status},
    }


def refused(body: bytes, code: str, message: str, hint: str = "") -> Reply:
    """Return the refusal of the review `body`, which was not judged."""
    told = printable(f"sealbook: refused: {message[:400]} ({code})" + (f"; {hint}" if hint else ""))
    uid = _UID.match(body, 0, 512)
    if uid is None:  # an API server that writes another way is told by the status
        return text(500, told)
    return _json(_refusal(uid[1].decode(), told))


def reply_of(judged: Judged) -> Reply:
    """Return the answer as it is sent, once it is seen to say what was judged.

    Raises:
        ValueError, LookupError, TypeError: it does not.
    """
    response = judged.review["response"]
    if response["allowed"] is not judged.allowed or response["uid"] != judged.uid:
        raise ValueError("the answer is not what was judged")
    if judged.allowed and not all(one.allowed for one in judged.decisions):
        raise ValueError("an image was refused, and the answer is yes")
    return _json(judged.review)


def text(status: int, told: str) -> Reply:
    """Return a line of text."""
    return Reply(status, f"{printable(told)}\n".encode())


def _json(review: Mapping[str, Any]) -> Reply:
    return Reply(200, json.dumps(review).encode(), b"application/json")
