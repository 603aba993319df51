"""Programs of newer Debian suites, unpacked without being installed.

These are Go programs that need nothing but a C library as old as this machine's,
so they run where they lie. Packages are trusted to be what they say by apt,
under Debian's archive keys. The system's own packages, lists and settings are
read, never written.
"""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.interop.peers.cache import PeerUnavailable, cached, run

ARCHIVE_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"

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


# What comes from where, and the oldest version that the tests were written for. One
# directory of the cache a suite: an `apt-get update` costs more than all the packages.
# cosign 2 is the last that knows the legacy form only: what older pipelines and controllers run.
SUITES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "forky": {
        "containerd": (2, 1),
        "cosign": (3, 1),
        "docker-registry": (2, 8),
        "notation": (1, 3),
        "oras": (1, 2),
        "rekor-cli": (1, 5),
    },
    "trixie": {"cosign": (2, 5)},
}
_PACKAGES = {"rekor-cli": "rekor"}  # where a program's own name is not its package's
# Each ends well when it is asked for nothing.
_HARMLESS = {"containerd": "--version", "docker-registry": "--version"}


def containerd() -> Path:
    """Return containerd, with `ctr` beside it, or raise `PeerUnavailable` like `cosign`."""
    return _program("forky", "containerd")


def cosign() -> Path:
    """Return a cosign that runs here and writes v0.3 bundles.

    Raises:
        PeerUnavailable: no apt, no mirror, no such package, one too old, or it does not run.
    """
    return _program("forky", "cosign")


def cosign2() -> Path:
    """Return a cosign 2, or raise `PeerUnavailable` like `cosign`."""
    return _program("trixie", "cosign")


def notation() -> Path:
    """Return notation, or raise `PeerUnavailable` like `cosign`."""
    return _program("forky", "notation")


def oras() -> Path:
    """Return oras, or raise `PeerUnavailable` like `cosign`."""
    return _program("forky", "oras")


def rekor_cli() -> Path:
    """Return rekor-cli, or raise `PeerUnavailable` like `cosign`."""
    return _program("forky", "rekor-cli")


def docker_registry() -> Path:
    """Return the registry server, or raise `PeerUnavailable` like `cosign`."""
    return _program("forky", "docker-registry")


def version_of(program: Path) -> str:
    """Return the version of the package that one of these programs came from.

    The programs themselves do not know: Debian's cosign says "GitVersion: devel".
    """
    return (program.parents[2] / "versions" / program.name).read_text()


def mirror() -> str:
    """Return the URI from which this machine takes its own release of Debian.

    apt itself reads its sources here, so that every form it knows counts:
    deb822, one line, disabled. Each index that it would fetch is one line,
    `'<mirror>/dists/<suite>/InRelease' <file name> <size>`.

    Raises:
        PeerUnavailable: this is no Debian, or it has no such source.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    said = run(["apt-get", "update", "--print-uris"])
    found = re.search(rf"^'(\S+)/dists/{release}/InRelease' ", said, re.MULTILINE)
    if not found:
        raise PeerUnavailable(f"apt's sources name no mirror of {release or 'a Debian'}")
    return found[1]


def _program(suite: str, name: str) -> Path:
    # The name lists what is inside, so that a program more is a new directory.
    home = cached(f"{suite}-{'-'.join(SUITES[suite])}", lambda into: _unpack(suite, into))
    return home / "usr" / "bin" / name


def _unpack(suite: str, into: Path) -> None:
    """Leave the programs of `suite` below `into`, each seen to run, and their versions."""
    (into / "versions").mkdir()
    with tempfile.TemporaryDirectory(prefix="sealbook-apt-") as private:
        root = Path(private)
        for part in ("cache/archives/partial", "state/lists/partial"):
            (root / part).mkdir(parents=True)
        (root / "status").touch()
        (root / "apt.conf").write_text(APT_CONF.format(root=root))
        source = f"deb [signed-by={ARCHIVE_KEYS}] {mirror()} {suite} main\n"
        (root / "sources.list").write_text(source)
        apt = ["apt-get", "--quiet", "--config-file", str(root / "apt.conf")]
        run([*apt, "update"], cwd=root)
        for name, oldest in SUITES[suite].items():
            package = _PACKAGES.get(name, name)
            run([*apt, "download", f"{package}/{suite}"], cwd=root)
            [archive] = root.glob(f"{package}_*.deb")
            version = run(["dpkg-deb", "--field", str(archive), "Version"]).strip()
            number = re.match(r"(\d+)\.(\d+)\.", version)
            if not number or (int(number[1]), int(number[2])) < oldest:
                raise PeerUnavailable(f"expected {name} {oldest} or newer, got {version}")
            run(["dpkg-deb", "--extract", str(archive), str(into)])
            run([str(into / "usr" / "bin" / name), _HARMLESS.get(name, "version")])
            (into / "versions" / name).write_text(version)
