"""`file:PATH`: a key in a file of this machine, readable by its owner alone."""

from __future__ import annotations

from pathlib import Path

from signer.keys.home import Role
from signer.keys.memory import MemoryKey


def open_key(rest: str, role: Role, base: Path) -> MemoryKey:  # noqa: ARG001
    """Open the key in a file; raises `KeyFileError`."""
    return MemoryKey.load(base / rest)


def create_key(rest: str, role: Role, base: Path, algorithm: str) -> MemoryKey:  # noqa: ARG001
    """Make a key in a new file; raises `KeyFileError`."""
    key = MemoryKey.generate(algorithm)
    key.save(base / rest)
    return key
