"""Ceremonies to be held in tests: a good file, and what is made of it."""

from __future__ import annotations

from pathlib import Path

from signer.ceremony.reading import Ceremony
from signer.ceremony.running import hold, make_folder
from signer.ceremony.transcript import Transcript
from tests.signer.asking import ORIGIN

FILE = f"""\
type = "urn:sealbook:ceremony:v1"
title = "The approval key of 2027"
date = 2026-11-26
origin = "{ORIGIN}"

[[present]]
name = "Ada Okafor"
role = "operator"

[[present]]
name = "Jan de Vries"
role = "internal audit"
statement = "I saw every step, and I compared the fingerprint."

[[key]]
name = "release-2027"
purpose = "approve"
scope = ["registry.example"]
algorithm = "ecdsa-p256"
uri = "file:release-2027.key"
attributes = {{ home = "file" }}
"""
SECOND = """
[[key]]
name = "status-2027"
purpose = "status"
algorithm = "ed25519"
uri = "file:status-2027.key"
attributes = { home = "file" }
"""


def write(folder: Path, text: str = FILE) -> Path:
    """Write a ceremony's file into a new folder, where its keys will lie too."""
    folder.mkdir(parents=True)
    path = folder / "ceremony.toml"
    path.write_text(text)
    return path


def held(folder: Path, text: str = FILE, *, rehearsal: bool = False) -> Transcript:
    """Hold a ceremony in the new folder `folder`, with its output in `out` there."""
    path = write(folder, text)
    make_folder(folder / "out")
    place = (lambda uri: uri) if rehearsal else None
    return hold(Ceremony.parse(path.read_bytes()), folder / "out", folder, place=place)
