"""A host that pulls, and has on its disk all that a yes about one image needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.verifier.making import EXPIRES, IMAGE, REPOSITORY, World
from verifier.digest import Digest
from verifier.pull.decision import Question
from verifier.pull.line import Asked

ROOT = Path(__file__).parents[2]
DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"
OTHER = Digest.of(b"an image that nobody signed")
GOOD, UNSIGNED = Question(IMAGE, REPOSITORY), Question(OTHER, REPOSITORY)


class Host:
    """A directory with trust files, a bundle and the settings of pulls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / "pull.toml"
        self.socket = directory / "pull.sock"
        world = World(expires=10 * EXPIRES)
        for name in ("trust", "bundles"):
            (directory / name).mkdir()
        (directory / "trust" / "trust.json").write_bytes(world.trust.json())
        name = IMAGE.replace(":", "-") + ".bundle.json"
        (directory / "bundles" / name).write_bytes(world.bundle.json())
        self.configure()

    def configure(self, *lines: str) -> None:
        """Write the settings: the directory of bundles is asked, and `lines` count, too."""
        settings = ['trust = "trust"', 'sources = ["file"]', *lines, "[file]"]
        settings += ['directory = "bundles"', "[cache]", 'directory = "cache"', "refused_s = 0"]
        settings += ["[daemon]", f'socket = "{self.socket}"']
        self.settings.write_text("\n".join(settings) + "\n")

    def asked(self, question: Question = GOOD, left_s: float = 20) -> Asked:
        """Return what the daemon is asked here."""
        return Asked(str(self.settings), question, left_s)

    def run(
        self, *words: str, stdin: bytes | None = None, program: str = "verifier.pull.containerd"
    ) -> subprocess.CompletedProcess[bytes]:
        """Start the plugin as containerd does; without words about the good image."""
        return subprocess.run(
            [sys.executable, "-m", program, *(words or call())],
            cwd=ROOT,
            env=os.environ | {"SEALBOOK_PULL": str(self.settings)},
            input=described(IMAGE) if stdin is None else stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )


def call(name: str = f"{REPOSITORY}:1.4", digest: str = IMAGE, kind: str = DESCRIPTOR) -> list[str]:
    """Return the arguments that containerd gives."""
    return ["-name", name, "-digest", digest, "-stdin-media-type", kind]


def described(digest: Any) -> bytes:
    """Return what containerd writes to standard input."""
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"mediaType": kind, "digest": digest, "size": 491}).encode() + b"\n"
