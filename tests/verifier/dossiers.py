"""Dossiers of one world, and zip files with something wrong in them."""

from __future__ import annotations

import io
import zipfile

from tests.verifier.making import World

README = b"How to check this.\n"
ORDER = (
    "README.txt",
    "statement.json",
    "bundle.json",
    "proof.tlog-proof",
    "checkpoint.txt",
    "trust.json",
)


def members(world: World) -> dict[str, bytes]:
    """Return what a dossier of the world's entry holds."""
    return {
        "README.txt": README,
        "statement.json": world.payload,
        "bundle.json": world.bundle.json(),
        "proof.tlog-proof": str(world.bundle.tlog_proof()).encode(),
        "checkpoint.txt": world.note.encode(),
        "trust.json": world.trust.json(),
    }


def packed(
    content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    """Return a zip file, written as everybody's library writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.comment = comment
    return out.getvalue()


def dossier(world: World) -> bytes:
    """Return the dossier of the world's entry."""
    return packed(members(world))
