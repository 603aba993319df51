"""What the cluster is told: an AdmissionReview with a response.

    {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
     "response":{"uid":"705ab4f5-…","allowed":true,"patchType":"JSONPatch","patch":"<Base64>",
                 "auditAnnotations":{"pinned":"registry.example/web:1.4 is …/web@sha256:…"}}}

    …"response":{"uid":"705ab4f5-…","allowed":false,
                 "status":{"status":"Failure","code":403,"reason":"Forbidden","message":"…"}}

A person reads `message` where they typed `kubectl apply`, so each image that was refused is in
it, with why and what to do. What is too long for the cluster is cut, and says so.

Spec: kubernetes.io "Dynamic Admission Control", "Response"; RFC 6902.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from verifier._strict import b64encode
from verifier.errors import VerificationError, printable
from verifier.pull.admission.errors import AdmissionError
from verifier.pull.admission.review import KIND, VERSION
from verifier.pull.decision import Decision

_WARNING = 250  # characters; the cluster cuts one at 256, and all at 4096 bytes
_WARNINGS = 3800  # bytes
_MESSAGE = 8000  # characters
_REASONS = {400: "BadRequest", 403: "Forbidden", 500: "InternalError", 504: "Timeout"}
# When even a refusal cannot be written; without a uid the cluster takes it for one.
LAST = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"",'
    b'"allowed":false,"status":{"status":"Failure","code":500,"reason":"InternalError",'
    b'"message":"sealbook: the answer cannot be written (internal-error)"}}}'
)


class Outcome(NamedTuple):
    """What became of one image: where it is named, how, and what was decided of it."""

    where: str
    image: str
    decision: Decision

    @property
    def line(self) -> str:
        """Say why not, for a person who wrote the object."""
        said = self.decision
        hint = f"; {said.hint}" if said.hint else ""
        return printable(f"{self.where}, {self.image:.300}: {said.message} ({said.code}){hint}")


class Change(NamedTuple):
    """One image that is to be named otherwise, and what it was named."""

    pointer: str
    image: str
    was: str


def refusal(error: VerificationError) -> Decision:
    """Return the no that `error` is, about no image."""
    return Decision(
        allowed=False,
        digest="",
        repository="",
        code=error.code,
        message=error.message,
        hint=error.hint,
    )


def allowed(uid: str, changes: Sequence[Change] = (), warned: Sequence[Outcome] = ()) -> Any:
    """Return a yes that changes these images, and tells of those that would be refused."""
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    if changes:
        patch = [{"op": "replace", "path": one.pointer, "value": one.image} for one in changes]
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(json.dumps(patch, separators=(",", ":")).encode())
        told = dict.fromkeys(f"{one.was} is {one.image}" for one in changes)
        response["auditAnnotations"] = {"pinned": printable("; ".join(told))}
    if warned:
        response["warnings"] = _warnings([f"sealbook: {one.line}" for one in warned])
    return _review(response)


def refused(uid: str, outcomes: Sequence[Outcome], asked: int) -> Any:
    """Return a no because of these images, of `asked` that were looked at."""
    late = all(one.decision.code == "admission-timeout" for one in outcomes)
    count = f"{len(outcomes)} of {asked} images" if asked > 1 else "the image"
    lines = "; ".join(f"[{i}] {one.line}" for i, one in enumerate(outcomes, 1))
    return _no(uid, 504 if late else 403, f"sealbook refuses {count}: {lines}")


def refused_whole(uid: str, error: VerificationError) -> Any:
    """Return a no to an object in which no image was looked at."""
    hint = f"; {error.hint}" if error.hint else ""
    code = 403 if isinstance(error, AdmissionError) else 500
    return _no(uid, code, f"sealbook: {error.message} ({error.code}){hint}")


def bad_request(error: VerificationError) -> Any:
    """Return a no to what is no question; without its uid, which the cluster takes for a no."""
    return _no("", 400, f"sealbook: {error.message} ({error.code})")


def _no(uid: str, code: int, message: str) -> Any:
    if len(message) > _MESSAGE:
        message = f"{message[:_MESSAGE]}… and more"
    status = {
        "status": "Failure",
        "code": code,
        "reason": _REASONS[code],
        "message": message,
    }
    return _review({"uid": uid, "allowed": False, "status": status})


def _review(response: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": KIND, "response": response}


def _warnings(lines: Sequence[str]) -> list[str]:
    """Cut warnings to what the cluster shows; the last one says how many are not."""
    kept: list[str] = []
    room = _WARNINGS
    for i, line in enumerate(lines):
        line = line if len(line) <= _WARNING else f"{line[: _WARNING - 1]}…"  # noqa: PLW2901
        room -= len(line.encode())
        if room < 0:
            return [*kept, f"sealbook: {len(lines) - i} more images would be refused"]
        kept.append(line)
    return kept
