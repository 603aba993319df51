"""What an answer of a registry says about a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from signer.registries.trying import findings as names
from signer.registries.trying.findings import NO, YES, Finding
from signer.registries.trying.scratch import Said
from verifier._strict import json_object
from verifier.errors import MalformedError, VerificationError
from verifier.pull import kinds
from verifier.pull.images import Descriptor

_MOST_ANSWER = 4 << 20


def answered(name: str, said: Said) -> Finding:
    """Return yes, or no and what the registry says about it."""
    if said.is_good:
        return Finding(name, YES)
    hint = said.error.hint if said.error is not None else ""
    return Finding(name, NO, said.words, _code(said), hint)


def _code(said: Said) -> str:
    """Return our code for a refusal, where a rule of the registry's is behind it."""
    if said.error is not None:
        return said.error.code
    words = said.words.lower()
    if "immutab" in words:
        return "immutable-tag"
    if said.status == 412 and "not signed" in words:
        return "content-trust"
    if said.status in (401, 403):
        return "registry-denied"
    return ""


def listed_as(found: Said, pushed: Descriptor, artifact_type: str) -> Finding:
    """Return whether the list has what was pushed, so that clients can tell what it is."""
    if not found.is_good:
        return answered(names.REFERRERS_LISTED, found)
    try:
        value = json_object(found.content, limit=_MOST_ANSWER).get("manifests", [])
        listed = [Descriptor.parse(one, "referrers") for one in value]
    except (VerificationError, TypeError):
        return Finding(names.REFERRERS_LISTED, NO, "not an index", "bad-registry-answer")
    for one in listed:
        if one.digest == pushed.digest:
            if one.artifact_type != artifact_type:
                found_type = one.artifact_type or "none"
                return Finding(names.REFERRERS_LISTED, NO, f"with the artifact type {found_type}")
            if kinds.PREDICATE_TYPE not in one.annotations:
                return Finding(names.REFERRERS_LISTED, YES, "without annotations")
            return Finding(names.REFERRERS_LISTED, YES)
    return Finding(names.REFERRERS_LISTED, NO, f"not among {len(listed)}")


def largest(name: str, sizes: Sequence[int], put: Callable[[int], Said]) -> Finding:
    """Return whether the first of `sizes` is taken, and which one else."""
    said = put(sizes[0])
    if said.is_good:
        return Finding(name, YES)
    for size in sizes[1:]:
        if put(size).is_good:
            return Finding(name, NO, f"takes {size >> 10} KiB; of more it says {said.words}")
    return Finding(name, NO, said.words)


def texts(said: Said, key: str) -> list[str]:
    """Return the texts that are listed under `key`; none of an answer that lists none."""
    try:
        found = json_object(said.content, limit=_MOST_ANSWER).get(key)
    except MalformedError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
