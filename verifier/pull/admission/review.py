"""What the cluster asks: AdmissionReview v1, as far as we need it.

    {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
     "request":{"uid":"705ab4f5-…","kind":{"group":"apps","version":"v1","kind":"Deployment"},
                "operation":"UPDATE","subResource":"…","namespace":"shop","name":"web",
                "object":{…},"oldObject":{…},"dryRun":false, …}}

Whatever else is in it is passed by: clusters add fields. What is read is read strictly, from a
size that was checked before.

Spec: kubernetes.io "Dynamic Admission Control", "Request"; k8s.io/api/admission/v1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from verifier import limits
from verifier._strict import json_object
from verifier.errors import printable
from verifier.pull.admission.errors import ReviewError

VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_UID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NAME = 253


class Review(NamedTuple):
    """One question. `was` is the object before an UPDATE, which nobody but the cluster writes."""

    uid: str
    operation: str
    group: str
    kind: str
    subresource: str
    namespace: str
    name: str
    is_dry: bool
    is_now: Mapping[str, Any] | None
    was: Mapping[str, Any] | None

    @property
    def what(self) -> str:
        """Say what is asked about, in one line."""
        return printable(f"{self.kind} {self.namespace}/{self.name or self._generated}")

    @property
    def _generated(self) -> str:
        """What its name will begin with: the pods of a Deployment have none yet."""
        metadata = (self.is_now or {}).get("metadata")
        prefix = metadata.get("generateName") if isinstance(metadata, dict) else None
        return f"{prefix:.{_NAME}}…" if isinstance(prefix, str) else "…"


def parse_review(body: bytes) -> Review:
    """Read what the cluster sent.

    Raises:
        LimitError: it is too large, too deep, or has too many values.
        DuplicateKeyError: a key is there twice, so that two readers may see two images.
        ReviewError: it is no AdmissionReview v1, or not a question.
        MalformedError: it is no JSON.
    """
    value = json_object(body, limit=limits.ADMISSION, floats=True)
    if (value.get("apiVersion"), value.get("kind")) != (VERSION, KIND):
        raise ReviewError(
            f"expected {KIND} of {VERSION}, found "
            f"{value.get('kind')!r:.80} of {value.get('apiVersion')!r:.80}",
            hint='set admissionReviewVersions to ["v1"] in the webhook configuration',
        )
    request = _object(value, "request", "AdmissionReview")
    if request is None:
        raise ReviewError("AdmissionReview: expected a request, found none")
    uid = _text(request, "uid")
    if not _UID.fullmatch(uid):
        raise ReviewError(f"request.uid: expected an identifier, found {uid[:80]!r}")
    kind = _object(request, "kind", "request") or {}
    found = Review(
        uid,
        _text(request, "operation"),
        _text(kind, "group"),
        _text(kind, "kind"),
        _text(request, "subResource"),
        _text(request, "namespace"),
        _text(request, "name")[:_NAME],
        request.get("dryRun") is True,
        _object(request, "object", "request"),
        _object(request, "oldObject", "request"),
    )
    if found.operation not in OPERATIONS:
        raise ReviewError(f"request.operation: expected one of {', '.join(OPERATIONS)}")
    if not found.kind:
        raise ReviewError("request.kind: expected a kind, found none")
    if found.namespace and not _NAMESPACE.fullmatch(found.namespace):
        raise ReviewError(f"request.namespace: found {found.namespace[:80]!r}")
    return found


def _object(value: Mapping[str, Any], key: str, where: str) -> dict[str, Any] | None:
    """Return an object, or None if there is none."""
    found = value.get(key)
    if found is not None and not isinstance(found, dict):
        raise ReviewError(f"{where}.{key}: expected an object, found {type(found).__name__}")
    return found


def _text(value: Mapping[str, Any], key: str) -> str:
    """Return a string, empty if there is none: Go leaves empty ones out."""
    found = value.get(key, "")
    if not isinstance(found, str):
        raise ReviewError(f"request.{key}: expected a text, found {type(found).__name__}")
    return found
