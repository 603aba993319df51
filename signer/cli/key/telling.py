"""How versions of keys are named and told, to people and as JSON."""

from __future__ import annotations

from typing import Any

from signer.errors import RequestError
from signer.v1 import operator_pb2
from verifier._strict import decimal
from verifier.errors import MalformedError
from verifier.publickey import PublicKey

Version = operator_pb2.SigningKeyVersion


def named(text: str) -> tuple[str, int]:
    """Return the name and the version of NAME or NAME@VERSION; 0 where none is named.

    Raises:
        RequestError: it is neither.
    """
    name, at, version = text.partition("@")
    try:
        number = decimal(version, limit=1 << 32) if at else 0
    except MalformedError as e:
        raise RequestError(f"expected NAME or NAME@VERSION, found {text[:80]!r}") from e
    if at and number == 0:
        raise RequestError(f"expected a version from 1 on, found {text[:80]!r}")
    return name, number


def label(key: Version) -> str:
    """Return what tells a version from others."""
    return f"{key.name}@{key.version}"


def as_json(key: Version) -> dict[str, Any]:
    """Return a version for machines."""
    ends = key.HasField("valid_through_tree_size")
    return {
        "name": key.name,
        "version": key.version,
        "purpose": key.purpose,
        "scope": list(key.scope),
        "algorithm": key.algorithm,
        "fingerprint": key.fingerprint,
        "hint": PublicKey(key.spki).hint,
        "public_key": PublicKey(key.spki).pem().decode(),
        "standing": key.standing,
        "trusted": key.trusted,
        "valid_from_tree_size": key.valid_from_tree_size,
        "valid_through_tree_size": key.valid_through_tree_size if ends else None,
        "announced_at": key.announced_at if key.HasField("announced_at") else None,
        "uri": key.uri,
        "forms": list(key.forms),
        "attributes": dict(key.attributes),
        "healthy": key.healthy,
        "available": key.available,
    }


def window(key: Version) -> str:
    """Return in words at which ledger positions a version counts."""
    if not key.HasField("valid_through_tree_size"):
        return f"from {key.valid_from_tree_size} on"
    return f"from {key.valid_from_tree_size} to before {key.valid_through_tree_size}"


def line(key: Version) -> str:
    """Return a version in one line."""
    said = [
        f"{label(key):<20}",
        f"{key.standing:<9}",
        f"{key.purpose} in {', '.join(key.scope) or 'nothing'}",
        window(key),
        f"{key.algorithm} {key.fingerprint[:16]}…",
        *warnings(key),
    ]
    return "  ".join(said)


def warnings(key: Version) -> list[str]:
    """Return what whoever runs the service should know of a version, a word or two each."""
    ended = key.standing in ("retired", "revoked")
    return [
        word
        for word, holds in (
            ("NOT IN THE TRUST FILE", not key.trusted and not ended and key.purpose != "raw"),
            ("MISSING: nobody knows where it lives", not key.uri and not ended),
            ("OUT OF USE", not key.healthy),
            ("DOES NOT ANSWER", not key.available),
        )
        if holds
    ]


def draft_told(draft: str) -> str:
    """Return what is to be done with the draft of the next trust file, if there is one."""
    if not draft:
        return ""
    return (
        f"next:  the roots sign {draft}:\n"
        f"         sealbook trust sign {draft} --previous trust.json --key ROOT.pem\n"
        f"       sealbook trust install {draft}"
    )
