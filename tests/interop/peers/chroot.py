"""Podman and skopeo, in a small Debian of their own.

They need a newer C library than this machine may have, and Debian 12's own are
built without Sigstore. So they live in a tree that mmdebstrap makes (20 seconds
and 0.3 GB, once), and each command enters it with `chroot`.

Nothing leaks: whatever is mounted is mounted in a mount namespace of the
command's own, which the kernel takes away when the command ends, however it
ends. The tree itself is read-only meanwhile. Needs root, and the right to make
namespaces, which some containers lack.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.interop.peers.cache import PeerUnavailable, cached, run
from tests.interop.peers.debian import mirror

SUITE = "forky"
PACKAGES = ("ca-certificates", "crun", "netavark", "podman", "skopeo")
BUILD_TIMEOUT_S = 270
RUN_TIMEOUT_S = 60
INSIDE = Path("/mnt")

# Everything below the first command dies with it, so that a build that takes
# too long leaves no process and no mount in what is then removed.
_ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
# As if the programs were installed: the caller's home is /mnt, and the directory is the caller's.
_INSTALLED = """\
#!/bin/sh
exec {alone} sh -euc '{enter}' sh {tree} "$HOME" \\
    env HOME=/mnt CONTAINERS_STORAGE_CONF=/mnt/.containers/storage.conf \\
    sh -euc 'cd "/mnt/$1"; shift; exec "$@"' sh "$(realpath --relative-to="$HOME" .)" {program} "$@"
"""
_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "/mnt/.containers/store"
runroot = "/mnt/.containers/run"
"""
# Arguments: the tree, the directory that becomes /mnt, the command.
_ENTER = """
tree=$1 scratch=$2; shift 2
mount --bind "$tree" "$tree"
mount -o remount,bind,ro "$tree"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount -t proc proc "$tree/proc"
for writable in tmp run var/tmp root; do mount -t tmpfs tmpfs "$tree/$writable"; done
mount --bind "$scratch" "$tree/mnt"
exec chroot "$tree" "$@"
"""


class Containers(NamedTuple):
    """Podman and skopeo, of these versions."""

    tree: Path
    podman: str
    skopeo: str

    def run(self, scratch: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` as root, in an empty Debian where `scratch` is /mnt.

        The network is this machine's.

        Raises:
            subprocess.TimeoutExpired: it did not end in time, and was killed.
        """
        return subprocess.run(
            [*_ALONE, "sh", "-euc", _ENTER, "sh", str(self.tree), str(scratch), *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    def install(self, into: Path, home: Path) -> None:
        """Leave commands `podman` and `skopeo` in `into`, for who types at home or below.

        They keep what they keep in `home`, and see nothing else of this machine's files.
        """
        (home / ".containers").mkdir(exist_ok=True)
        (home / ".containers" / "storage.conf").write_text(_STORAGE)
        words = {"alone": shlex.join(_ALONE), "enter": _ENTER, "tree": shlex.quote(str(self.tree))}
        for program in ("podman", "skopeo"):
            path = into / program
            path.write_text(_INSTALLED.format(program=program, **words))
            path.chmod(0o755)


def containers() -> Containers:
    """Return a Podman and a skopeo that run here and read Sigstore signatures.

    Raises:
        PeerUnavailable: not root, no mmdebstrap, no mirror, no namespaces, or they do not run.
    """
    if os.geteuid() != 0:
        raise PeerUnavailable("Podman and skopeo live in a chroot, and that needs root")
    tree = cached("-".join((SUITE, "chroot", *PACKAGES)), _build)
    found = [(tree / "versions" / name).read_text() for name in ("podman", "skopeo")]
    return Containers(tree, *found)


def _build(into: Path) -> None:
    """Make the tree, and see that both programs run in it."""
    # A mirror's copy of a suite may be past its Valid-Until; its signature still counts.
    options = ("--quiet", "--mode=root", "--variant=minbase")
    late = '--aptopt=Acquire::Check-Valid-Until "false"'
    command = ("mmdebstrap", *options, late, f"--include={','.join(PACKAGES)}", SUITE)
    run([*_ALONE, "--mount-proc", *command, str(into), mirror()], timeout_s=BUILD_TIMEOUT_S)
    (into / "versions").mkdir()
    (into / "scratch").mkdir()
    made = Containers(into, "", "")
    for name in ("podman", "skopeo"):
        done = made.run(into / "scratch", name, "--version")
        if done.returncode != 0:
            raise PeerUnavailable(f"{name} does not run in its chroot: {done.stdout}")
        (into / "versions" / name).write_text(done.stdout.split()[-1])
