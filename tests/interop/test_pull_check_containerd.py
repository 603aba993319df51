"""`sealbook pull install containerd` and `pull check`, on a host with a real containerd."""

from __future__ import annotations

import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.containerd import Containerd
from tests.interop.image import TAG, Image
from tests.interop.product import sealbook, serving_service
from tests.interop.pull_host import Done, PullHost
from tests.interop.pushing import Shelf

BIN = "/opt/containerd/image-verifier/bin"
SETTINGS = '[plugins."io.containerd.image-verifier.v1.bindir"]\n'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A service of these tests' own: what others revoke would be in what a host believes."""
    with serving_service(tmp_path_factory.mktemp("own") / "service") as config:
        yield config


@pytest.fixture(scope="module")
def signed(
    service: Path, registry: str, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """An image in the registry, and the directory with its bundles."""
    out = tmp_path_factory.mktemp("bundles")
    with Shelf(f"{registry}/pull-check/app") as shelf:
        shelf.image(image.layout, TAG)
        name = f"{shelf.name}:{TAG}"
    sealbook("sign", name, "--no-attach", "--out", out, "--config", service)
    return name, out


@pytest.fixture(scope="module")
def host(
    signed: tuple[str, Path], service: Path, tmp_path_factory: pytest.TempPathFactory
) -> PullHost:
    """A host that was set up by one command."""
    host = PullHost(tmp_path_factory.mktemp("host") / "root")
    done = install(host, service, signed[1])
    assert 0 == done.code, done.err
    return host


def install(host: PullHost, service: Path, bundles: Path, *more: str) -> Done:
    return host.sealbook(
        *("pull", "install", "containerd", "--from", service.parent, "--first"),
        *("--bundles", bundles, "--json", *more),
    )


@pytest.fixture(scope="module")
def served(host: PullHost, containerd: Path) -> Iterator[Containerd]:
    with host.containerd(containerd) as served:
        yield served


def check(host: PullHost, served: Containerd, *more: str) -> tuple[int, dict[str, Any]]:
    config = served.home / "config.toml"
    done = host.sealbook(
        *("pull", "check", "containerd", "--socket", served.socket),
        *("--containerd-config", config, "--json", *more),
    )
    assert done.out, done.err
    [told] = done.json["runtimes"]
    assert done.json["enforced"] == (done.code == 0)
    return done.code, told


def codes(told: dict[str, Any], *kinds: str) -> set[str]:
    return {one["code"] for one in told["findings"] if one["kind"] in (kinds or ("open", "shut"))}


def test_enforced(host: PullHost, served: Containerd, signed: tuple[str, Path]) -> None:
    """
    The bait is refused by us and says so, the signed image is allowed, and every known way around
    is named.
    """
    code, told = check(host, served, "--signed", signed[0])

    assert (0, True, True) == (code, told["enforced"], told["works"]), told
    bait, good = told["tried"]
    assert "(unsigned)" in bait["said"]
    assert bait["by"].startswith("CRI")
    assert good["allowed"]
    assert set() == codes(told)
    assert {"ctr-local", "import", "other-clients", "already-here", "socket"} == codes(
        told, "bypass"
    )
    assert told["version"].startswith("2.")


def test_ways_around_are_real(host: PullHost, served: Containerd, registry: str) -> None:
    """
    What is named as a way around is one: `ctr images pull --local` and `ctr images import` take
    what nobody signed, while `ctr images pull` does not.
    """
    with Shelf(f"{registry}/pull-check/other") as shelf:
        other = Image.made(served.home / "layout", "nobody signed this")
        shelf.image(other.layout, TAG)
        name = f"{shelf.name}:{TAG}"

    assert not served.pull(name).allowed
    assert "(unsigned)" in served.ctr("images", "pull", "--plain-http", name).stdout
    done = served.ctr("images", "pull", "--local", "--plain-http", name)
    assert 0 == done.returncode, done.stdout
    served.ctr("images", "rm", name)
    archive = served.home / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(other.layout, ".")
    done = served.ctr("images", "import", "--all-platforms", archive)
    assert 0 == done.returncode, done.stdout


def _no_files(host: PullHost) -> None:
    shutil.rmtree(host.path(BIN))


def _no_verifier(host: PullHost) -> None:
    host.path(f"{BIN}/sealbook").unlink()


def _another(host: PullHost) -> None:
    _no_verifier(host)
    path = host.path(f"{BIN}/other")
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)


def _text_file(host: PullHost) -> None:
    host.path(f"{BIN}/README").write_text("verifiers are here\n")


def _directory(host: PullHost) -> None:
    host.path(f"{BIN}/old").mkdir()


def _not_executable(host: PullHost) -> None:
    host.path(f"{BIN}/sealbook").chmod(0o644)


def _no_settings(host: PullHost) -> None:
    host.path("/etc/sealbook/pull.toml").unlink()


def _no_trust(host: PullHost) -> None:
    host.path("/etc/sealbook/trust/trust.json").unlink()


# What goes missing or wrong, whether unsigned images run then, and how it is named.
Spoiled = tuple[Callable[[PullHost], None], bool, str]
SPOILED: list[Spoiled] = [
    (_no_files, True, "no-bin-dir"),
    (_no_verifier, True, "empty-bin-dir"),
    (_another, True, "not-ours"),
    (_text_file, False, "not-a-program"),
    (_directory, False, "not-a-program"),
    (_not_executable, False, "not-a-program"),
    (_no_settings, False, "no-pull-settings"),
    (_no_trust, False, "unreadable"),
]


@pytest.mark.parametrize("spoiled", SPOILED, ids=lambda one: one[0].__name__)
def test_one_file_missing(
    host: PullHost, served: Containerd, tmp_path: Path, spoiled: Spoiled
) -> None:
    """
    For each file that is missing or wrong the check fails, says whether the bait ran, and names it.
    """
    spoil, runs, named = spoiled
    for name in ("etc/sealbook", "opt"):
        shutil.copytree(host.root / name, tmp_path / name)
    try:
        spoil(host)
        code, told = check(host, served)
    finally:
        for name in ("etc/sealbook", "opt"):
            _put_back(tmp_path / name, host.root / name)

    assert 1 == code
    assert named in codes(told), told
    assert runs == told["tried"][0]["allowed"], told["tried"]
    if runs:
        assert not told["enforced"]


def _put_back(kept: Path, to: Path) -> None:
    """Have `to`, which is mounted in containerd's namespace, hold what `kept` holds."""
    for one in to.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    shutil.copytree(kept, to, dirs_exist_ok=True)


# Lines of config.toml, whether unsigned images run then, and how it is named.
LINES = [
    (f'{SETTINGS}bin_dir = "/opt/elsewhere"\n', True, "no-bin-dir"),
    (f"{SETTINGS}max_verifiers = 0\n", True, "never-asked"),
    (
        '[plugins."io.containerd.cri.v1.images"]\nuse_local_image_pull = true\n',
        True,
        "pulls-itself",
    ),
    (
        '[plugins."io.containerd.cri.v1.images"]\ndisable_snapshot_annotations = false\n',
        True,
        "pulls-itself",
    ),
]


@pytest.mark.parametrize(("line", "runs", "named"), LINES)
def test_one_line_wrong(
    host: PullHost, containerd: Path, line: str, runs: bool, named: str
) -> None:
    """
    For each line of containerd's configuration with which it does not ask us, the bait runs, the
    check fails, and names the line. The host does not keep the bait that it took.
    """
    with host.containerd(containerd, line) as served:
        code, told = check(host, served)
        here = served.ctr("images", "ls", "-q").stdout

    assert 1 == code
    assert named in codes(told), told
    assert runs == told["tried"][0]["allowed"], told["tried"]
    assert not told["enforced"]
    assert "unsigned" not in here


def test_without_cri(host: PullHost, served: Containerd) -> None:
    """
    With neither crictl nor grpcio `ctr` is asked, which our verifier refuses too; but that is not
    how Kubernetes pulls, so it is not said to be enforced.
    """
    hidden = "import sys; sys.modules |= {'grpc': None, 'pydantic': None, 'google': None}; "
    command = f"{hidden}from signer.cli import main; sys.exit(main(sys.argv[1:]))"
    done = host.run(
        *(sys.executable, "-c", command, "pull", "check", "containerd", "--json"),
        *("--socket", served.socket, "--containerd-config", served.home / "config.toml"),
    )
    [told] = done.json["runtimes"]

    assert 1 == done.code
    assert not told["enforced"]
    assert {"cri-not-tried"} == codes(told)
    assert told["tried"][0]["by"].startswith("ctr")
    assert "(unsigned)" in told["tried"][0]["said"]


def test_stopped(host: PullHost, served: Containerd) -> None:
    """
    Where nothing answers nothing is proven, however good the configuration.
    """
    done = host.sealbook(
        *("pull", "check", "containerd", "--socket", "/run/nobody.sock"),
        *("--containerd-config", served.home / "config.toml"),
    )

    assert 1 == done.code
    assert "NOT ENFORCED" in done.out
    assert "could not be tried" in done.out
