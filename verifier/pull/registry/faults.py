"""What a registry's refusals mean, in our classes; its own words are told, cut.

    {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}

Spec: OCI distribution-spec, "Error Codes"; what Harbor, ECR and others say of their own rules.
"""

from __future__ import annotations

from typing import NamedTuple

from verifier._strict import json_object
from verifier.errors import MalformedError
from verifier.pull.errors import (
    ContentTrustError,
    ImagesError,
    ImmutableTagError,
    NoImageError,
    ReadOnlyError,
    RefusedContentError,
    RegistryAccessError,
    RegistryAnswerError,
    RegistryBusyError,
)

_SAID = 64 << 10
_RIGHTS = "has whom we are there the right to do that?"
_EXISTS = {"TAG_ALREADY_EXISTS", "ImageTagAlreadyExistsException"}


class Said(NamedTuple):
    """The first error of an answer: a code and a message, or what there is instead."""

    code: str
    message: str

    def __str__(self) -> str:
        """Tell it, after a colon."""
        told = " ".join(part for part in (self.code, self.message) if part)
        return f", and says: {told[:300]}" if told else ""


def read_said(content: bytes) -> Said:
    """Read the body of a refusal, whatever it is."""
    try:
        first = json_object(content, limit=_SAID, floats=True)["errors"][0]
        code, message = first.get("code"), first.get("message")
    except (MalformedError, KeyError, IndexError, TypeError, AttributeError):
        return Said("", content[:200].decode(errors="replace").strip())
    return Said(code if isinstance(code, str) else "", message if isinstance(message, str) else "")


def fault(what: str, status: int, content: bytes, *, writes: bool) -> ImagesError:
    """Return what went wrong when `what` was asked for and answered with `status`.

    `writes`: something was to be put there or deleted.
    """
    said = read_said(content)
    told = f"{what}: the registry answers {status}{said}"
    if "HTTP request to an HTTPS server" in said.message:
        return RegistryAnswerError(
            told, hint="it speaks TLS: plain_http = false for it in registries.toml"
        )
    if status == 429 or status >= 500:
        return RegistryBusyError(told)
    if status == 404:
        return NoImageError(told)
    return (_unwritten if writes else _unread)(status, said, told)


def _unread(status: int, said: Said, told: str) -> ImagesError:
    # Harbor's content trust; to a HEAD it has no words, and nothing else answers one so.
    if status == 412 and (said == Said("", "") or "not signed" in said.message):
        return ContentTrustError(told)
    if status in (401, 403, 412):
        return RegistryAccessError(told, hint=_RIGHTS)
    return RegistryAnswerError(told)


def _unwritten(status: int, said: Said, told: str) -> ImagesError:
    """Say why nothing was written: by the status alone, registries differ too much."""
    rule = status in (400, 403, 405, 409, 412) and "immutab" in said.message.lower()
    if rule or status == 412 or said.code in _EXISTS:
        return ImmutableTagError(told)
    if status == 405 or said.code == "UNSUPPORTED":
        return ReadOnlyError(told)
    if status in (401, 403):
        return RegistryAccessError(told, hint=_RIGHTS)
    return RefusedContentError(told)
