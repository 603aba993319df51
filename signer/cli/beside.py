"""How the files of a second algorithm are called: never as the first one's.

    sha256-<hex>.bundle.json              what everybody reads, and pushes to a registry
    sha256-<hex>.bundle.ml-dsa-65.json    the same statement by the key that signs also

Whoever picks up `*.bundle.json` finds what every client can read, and nothing else. The
names come from the entries, not from what a service calls its keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.publickey import PublicKey


def marks(keys: Sequence[PublicKey]) -> list[str]:
    """Return what goes before `.json` for the signature of each key, nothing for the first."""
    found: list[str] = []
    used = {key.algorithm.name for key in keys[:1]}
    for n, key in enumerate(keys):
        name = key.algorithm.name
        if name in used:
            name = f"{name}-{key.fingerprint[:8]}"
        used.add(name)
        found.append(f".{name}" if n else "")
    return found
