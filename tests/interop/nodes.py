"""A node: a real containerd with our plugin, under settings that each test writes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.containerd import Containerd, serving_containerd
from verifier.pull.installing.setups import verifier_script


class Node:
    """A directory with what is believed and what is configured there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / "pull.toml"
        self.socket = directory / "pull.sock"
        self.bin_dir = directory / "bin"
        self.bin_dir.mkdir()
        plugin = verifier_script(str(self.bin_dir), sys.executable)
        self.plugin = Path(plugin.path)
        self.plugin.write_bytes(plugin.content)
        self.plugin.chmod(plugin.mode)
        self.containerd: Containerd

    @contextmanager
    def running(self, program: Path, *plain: str) -> Iterator[Containerd]:
        """Run containerd meanwhile; `plain` are registries that speak HTTP."""
        environment = {"SEALBOOK_PULL": str(self.settings)}
        with serving_containerd(
            program, bin_dir=self.bin_dir, plain=plain, environment=environment
        ) as self.containerd:
            yield self.containerd

    def configure(self, **changes: Any) -> None:
        """Pull under these keys of pull.toml."""
        value = {"deadline_s": 8, **changes}
        tables = {key: one for key, one in value.items() if isinstance(one, dict)}
        lines = [f"{key} = {json.dumps(one)}" for key, one in value.items() if key not in tables]
        usual = {"daemon": {"socket": str(self.socket)}, "cache": {"refused_s": 0}}
        for key, table in {**usual, **tables}.items():
            lines += [f"[{key}]", *(f"{name} = {json.dumps(one)}" for name, one in table.items())]
        self.settings.write_text("\n".join(lines) + "\n")

    def file_of(self, digest: str) -> Path:
        """Return the file that holds the bundle of `digest`."""
        return self.directory / "bundles" / f"{digest.replace(':', '-')}.bundle.json"

    def copy(self, name: str) -> Path:
        """Return a new directory with a copy of what is in the directory `name`."""
        into = self.directory / f"{name}-copy"
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(self.directory / name, into)
        return into
