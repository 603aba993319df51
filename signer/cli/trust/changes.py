"""What is another in one trust file than in the other, a line each: `+`, `-` or `~`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from verifier._strict import utc
from verifier.note import NoteKey
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey


def changes(old: TrustRoot, new: TrustRoot) -> list[str]:
    """Return what `new` has that `old` has not, what it lost, and what is different."""
    lines: list[str] = []
    for word, before, after in (
        ("version", str(old.version), str(new.version)),
        ("issued", utc(old.issued), utc(new.issued)),
        ("expires", utc(old.expires), utc(new.expires)),
    ):
        if before != after:
            lines.append(f"~ {word} {before} -> {after}")
    lines += _between(_rows(old), _rows(new))
    if not lines and old != new:
        lines.append("~ the order or the wording of what is listed")
    return lines


def key_told(key: TrustedKey) -> str:
    """Return in words what a key may say, where and when."""
    return f"{key.purpose} in {', '.join(key.scope) or 'nothing'}, {window(key)}"


def log_told(key: NoteKey) -> str:
    """Return what a log's key is called: one for the quantum age is too long to read."""
    return f"{key.name}+{key.key_id.hex()}"


def window(key: TrustedKey) -> str:
    """Return in words at which ledger positions a key counts."""
    start, through = key.valid_from_tree_size, key.valid_through_tree_size
    end = "on" if through is None else f"to before {through}"
    return f"from {start} {end}"


def _rows(trust: TrustRoot) -> dict[str, str]:
    """Return all that a trust file lists: what a thing is called, and what is said of it."""
    rows: dict[str, str] = {}
    for log in trust.logs:
        promise = log.promise_key.fingerprint if log.promise_key else "none"
        key = log.checkpoint_key
        rows[f"log {log_told(key)}"] = f"{key.public.fingerprint}, promise key {promise}"
    for one in trust.keys.values():
        rows[f"key {one.label}"] = f"{key_told(one)}, {one.public.fingerprint}"
    if trust.roots:
        for name, public in trust.roots.keys.items():
            rows[f"root {name}"] = public.fingerprint
        rows["threshold"] = str(trust.roots.threshold)
    for name, witness in trust.quorum.witnesses.items():
        rows[f"witness {name}"] = f"{witness} {trust.quorum.urls.get(name, '')}".rstrip()
    for name, group in trust.quorum.groups.items():
        rows[f"group {name}"] = f"{group.threshold} of {', '.join(group.members)}"
    rows["quorum"] = trust.quorum.name
    for authority in trust.authorities:
        chain = hashlib.sha256(b"".join(authority.chain)).hexdigest()
        rows[f"authority {authority.kind} {authority.fingerprint}"] = f"chain {chain}"
    if trust.policy_sha256:
        rows["policy"] = trust.policy_sha256.hex()
    return rows


def _between(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for what, told in old.items():
        if what not in new:
            yield f"- {what}: {told}"
        elif new[what] != told:
            yield f"~ {what}: {told} -> {new[what]}"
    for what, told in new.items():
        if what not in old:
            yield f"+ {what}: {told}"
