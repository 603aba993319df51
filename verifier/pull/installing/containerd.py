"""What containerd's configuration lets through, and whether it asks our verifier.

CRI, and so Kubernetes, pulls past every verifier before 2.1, and when a setting has it pull by
itself (`use_local_image_pull`, and each that only that way knows). An empty or missing bin_dir
allows everything; a file in it that cannot be run, or a directory, blocks everything.

Spec: github.com/containerd/containerd, docs/image-verification.md and docs/cri/config.md.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import BYPASS, NOTE, OPEN, SHUT, Finding
from verifier.pull.installing.setups import BIN_DIR, DEADLINE_S, MODULE, containerd_lines

CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
PLUGIN = "io.containerd.image-verifier.v1.bindir"
_IMAGES = ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri")
_LEAST, _LEAST_CRI = (2, 0), (2, 1)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_READ = 64 << 10  # of a verifier, to see whether it is ours
_PROGRAM = "sealbook-containerd-verifier"

BYPASSES = (
    Finding(BYPASS, "ctr-local", "`ctr images pull --local` asks no verifier"),
    Finding(BYPASS, "import", "`ctr images import` and `nerdctl load` ask no verifier"),
    Finding(
        BYPASS,
        "other-clients",
        "clients that pull by themselves, as nerdctl, Docker and BuildKit, ask no verifier",
    ),
    Finding(
        BYPASS,
        "already-here",
        "images that are here already are not judged again: kubelet does not pull them",
        "remove those that came before the verifier; imagePullPolicy: Always asks each time",
    ),
    Finding(BYPASS, "socket", "whoever may open containerd's socket may do any of these: guard it"),
)


class Configured(NamedTuple):
    """What counts of the configuration."""

    bin_dir: str = BIN_DIR
    most: int = 10
    timeout_s: float = 10.0
    disabled: bool = False
    pulls_itself: tuple[str, ...] = ()  # the settings by which CRI pulls past verifiers

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a config.toml, or what `containerd config dump` prints.

        Raises:
            InstallError: it is no TOML, or has other types than containerd takes.
        """
        try:
            return cls.of(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as e:
            raise InstallError(f"containerd's configuration is not TOML: {str(e)[:200]}") from e

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take parsed TOML; raises as `parse`."""
        try:
            plugins = values.get("plugins", {})
            ours = plugins.get(PLUGIN, {})
            images = [setting for name in _IMAGES for setting in _local(plugins.get(name, {}))]
            return cls(
                str(ours.get("bin_dir", BIN_DIR)),
                int(ours.get("max_verifiers", 10)),
                _seconds(str(ours.get("per_verifier_timeout", "10s"))),
                PLUGIN in values.get("disabled_plugins", []),
                tuple(images),
            )
        except (AttributeError, TypeError, ValueError) as e:
            raise InstallError(f"containerd's configuration: {str(e)[:200]}") from e


def read(host: Host, name: str) -> Configured:
    """Return what the host's file `name` says with all that it imports; the defaults of none.

    Raises:
        InstallError: a file is not to be understood.
        OSError: one cannot be read.
    """
    merged: dict[str, Any] = {}
    _merge_file(host, name, merged, depth=4)
    return Configured.of(merged)


def version(text: str) -> tuple[int, int] | None:
    """Find the version in what `containerd --version` or CRI says; None if there is none."""
    found = re.search(r"\bv?(\d{1,4})\.(\d{1,4})\.\d", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def findings(
    configured: Configured, release: tuple[int, int] | None, host: Host
) -> Iterator[Finding]:
    """Yield what lets images through, or none."""
    if release is None:
        yield Finding(NOTE, "unknown-version", "nothing says which version of containerd this is")
    elif release < _LEAST:
        yield Finding(
            OPEN,
            "too-old",
            "containerd before 2.0 knows no image verifiers",
            "install 2.1 or later",
        )
    elif release < _LEAST_CRI:
        yield Finding(
            OPEN,
            "cri-not-judged",
            "containerd before 2.1 asks no verifier when Kubernetes pulls",
            "install 2.1 or later",
        )
    if configured.disabled:
        yield Finding(
            OPEN, "disabled", "the verifiers are off", f"take {PLUGIN!r} out of disabled_plugins"
        )
    for setting in configured.pulls_itself:
        yield Finding(
            OPEN,
            "pulls-itself",
            f"{setting} has CRI pull by itself, past every verifier",
            f"take {setting.partition(' ')[0]} out of [plugins.'{_IMAGES[0]}']",
        )
    if configured.timeout_s <= DEADLINE_S:
        yield Finding(
            NOTE,
            "short-time-out",
            f"containerd kills the verifier after {configured.timeout_s:g} s, and then nobody"
            " learns why",
            'per_verifier_timeout = "10s"',
        )
    yield from _directory(configured, host)


def _directory(configured: Configured, host: Host) -> Iterator[Finding]:
    """Yield what is wrong with the verifiers themselves."""
    directory = host.path(configured.bin_dir)
    lines = containerd_lines(configured.bin_dir)
    install = "sealbook pull install containerd"
    try:
        names = sorted(one.name for one in directory.iterdir())
    except FileNotFoundError:
        yield Finding(
            OPEN,
            "no-bin-dir",
            f"{configured.bin_dir} is not there, which allows everything",
            f"{install} --bin-dir {configured.bin_dir}; or, for another directory:\n{lines}",
        )
        return
    if not names:
        yield Finding(
            OPEN,
            "empty-bin-dir",
            f"{configured.bin_dir} is empty, which allows everything",
            install,
        )
        return
    asked = names if configured.most < 0 else names[: configured.most]
    ours = [name for name in names if _is_ours(directory / name)]
    if not ours:
        yield Finding(OPEN, "not-ours", f"no verifier in {configured.bin_dir} is ours", install)
    elif not set(ours) & set(asked):
        yield Finding(
            OPEN,
            "never-asked",
            f"{ours[0]} is number {names.index(ours[0]) + 1} of the verifiers, and containerd"
            f" asks the first {configured.most}",
            "max_verifiers = -1",
        )
    for name in asked:
        mode = (directory / name).stat().st_mode
        if not stat.S_ISREG(mode) or not mode & 0o111:
            what = "a directory" if stat.S_ISDIR(mode) else "no program"
            yield Finding(
                SHUT,
                "not-a-program",
                f"{directory / name} is {what}, which blocks every pull",
                f"remove it, or chmod 755 {directory / name}",
            )
    for path in (directory, *(directory / name for name in ours)):
        if path.stat().st_mode & stat.S_IWOTH:
            yield Finding(OPEN, "writable", f"anybody can write {path}", f"chmod o-w {path}")


def _is_ours(path: Path) -> bool:
    try:
        if path.resolve().name == _PROGRAM:
            return True
        with path.open("rb") as file:
            return MODULE.encode() in file.read(_MOST_READ)
    except OSError:
        return False


def _local(images: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings of CRI's images with which containerd does not use transfers."""
    registry = images.get("registry", {})
    for key, harmless in (
        ("use_local_image_pull", False),
        ("disable_snapshot_annotations", True),
        ("discard_unpacked_layers", False),
        ("image_pull_with_sync_fs", False),
    ):
        if (said := images.get(key, harmless)) != harmless:
            yield f"{key} = {'true' if said else 'false'}"
    for key in ("mirrors", "configs", "auths"):
        if registry.get(key):
            yield f"registry.{key}"


def _seconds(text: str) -> float:
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    if "".join(map("".join, parts)) != text:
        raise ValueError(f"expected a time as 10s, found {text[:40]!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _merge_file(host: Host, name: str, merged: dict[str, Any], *, depth: int) -> None:
    data = host.read(name)
    if data is None or not depth:
        return
    try:
        values = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as e:
        raise InstallError(f"{name} is not TOML: {str(e)[:200]}") from e
    _merge(merged, values)
    for pattern in values.get("imports", []):
        absolute = (
            str(pattern) if str(pattern).startswith("/") else f"{name.rpartition('/')[0]}/{pattern}"
        )
        for found in sorted(host.root.glob(absolute.lstrip("/"))):
            _merge_file(host, f"/{found.relative_to(host.root)}", merged, depth=depth - 1)


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] = [*into[key], *value]
        else:
            into[key] = value
