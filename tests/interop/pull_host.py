"""A host where images are pulled: its own /etc, /opt and /run, and this machine's programs.

Each command runs in a mount namespace of its own, in which those directories are the host's. So
`sealbook pull install` and `pull check` run as they do in earnest, as root, and touch nothing of
this machine. Podman and skopeo come with their small Debian, containerd as it is.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.interop.containerd import Containerd, serving_containerd
from tests.interop.peers import Containers

OWN = ("etc", "opt", "run")
TIMEOUT_S = 120

_ALONE = ("unshare", "--mount", "--propagation", "private")
_ENTER = "".join(f'mount --bind "$1/{name}" /{name}; ' for name in OWN) + 'shift; exec "$@"'
# Of a program that lives in a tree of its own: what it reads and writes is the host's.
_IN_TREE = """\
#!/bin/sh
exec unshare --mount --propagation private sh -euc '
tree=$1; shift
mount --bind "$tree" "$tree"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount --rbind /proc "$tree/proc"
mount --rbind /tmp "$tree/tmp"
mount -t tmpfs tmpfs "$tree/run"
mount -t tmpfs tmpfs "$tree/var/tmp"
mount --bind /etc/containers "$tree/etc/containers"
exec chroot "$tree" "$@"' sh {tree} /usr/bin/{program} "$@"
"""


class Done(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told


class PullHost:
    """One such host."""

    def __init__(self, root: Path) -> None:
        """Make it in the new directory `root`, with none of our files."""
        self.root = root
        for name in OWN[1:]:
            (root / name).mkdir(parents=True)
        shutil.copytree("/etc", root / "etc", symlinks=True, ignore=_ignored)
        (root / "etc" / "containers").mkdir()
        (root / "bin").mkdir()
        self.home = root / "home"
        self.home.mkdir()
        users = root / "etc" / "passwd"
        users.write_text(users.read_text().replace(":/root:", f":{self.home}:"))

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        return self.path(name).read_text()

    def sealbook(self, *words: str | Path) -> Done:
        """Run our command on this host."""
        return self.run(sys.executable, "-m", "signer", *words)

    def run(self, *words: str | Path, environment: Mapping[str, str] | None = None) -> Done:
        """Run any command on this host, as its root."""
        path = f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [*_ALONE, "sh", "-euc", _ENTER, "sh", self.root, *words],
            env={"PATH": path, "HOME": str(self.home), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def containers(self, containers: Containers, *programs: str) -> None:
        """Install Podman, skopeo or both."""
        for name in programs:
            tree = shlex.quote(str(containers.tree))
            self._program(name, _IN_TREE.format(tree=tree, program=name))

    @contextmanager
    def containerd(self, program: Path, settings: str = "") -> Iterator[Containerd]:
        """Install containerd and run it meanwhile; `settings` is more of its config.toml."""
        entered = shlex.join(["sh", "-euc", _ENTER, "sh", str(self.root), str(program)])
        self._program("containerd", f'#!/bin/sh\nexec {entered} "$@"\n')
        ctr = self.path("/bin/ctr")
        if not ctr.exists():
            ctr.symlink_to(program.with_name("ctr"))
        with serving_containerd(self.path("/bin/containerd"), settings=settings) as served:
            yield served

    def _program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)


def _ignored(directory: str, names: list[str]) -> list[str]:
    """Leave out what is not to be read, and what a host of ours must not start with."""
    return [
        name
        for name in names
        if name in ("containers", "sealbook", "containerd", "crio")
        or not os.access(Path(directory, name), os.R_OK)
    ]
