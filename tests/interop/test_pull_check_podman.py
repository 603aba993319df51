"""`sealbook pull install podman|crio` and `pull check`, with a real Podman and skopeo."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.image import TAG, Image
from tests.interop.peers import Containers
from tests.interop.product import sealbook, serving_service
from tests.interop.pull_host import PullHost
from tests.interop.pushing import Shelf

POLICY = "/etc/containers/policy.json"
LOOKUPS = "/etc/containers/registries.d/sealbook.yaml"
OWN = ".config/containers/policy.json"
DEFAULT = {"default": [{"type": "insecureAcceptAnything"}]}  # as distributions have it


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A service of these tests' own: what others revoke would be in what a host believes."""
    with serving_service(tmp_path_factory.mktemp("own") / "service") as config:
        yield config


@pytest.fixture(scope="module")
def signed(
    registry: str, image: Image, service: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An image in the registry, whose signatures the service has."""
    with Shelf(f"{registry}/pull-check/podman") as shelf:
        shelf.image(image.layout, TAG)
        name = f"{shelf.name}:{TAG}"
    out = ("--out", tmp_path_factory.mktemp("out"))
    sealbook("sign", name, "--form", "simplesigning", "--no-attach", *out, "--config", service)
    return name


@pytest.fixture(scope="module")
def host(
    containers: Containers,
    registry: str,
    service: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> PullHost:
    """A host as a distribution leaves it, which was then set up by one command."""
    host = PullHost(tmp_path_factory.mktemp("host") / "root")
    host.containers(containers, "podman", "skopeo")
    host.path(POLICY).write_text(json.dumps(DEFAULT))
    known = host.path("/etc/containers/registries.conf")
    known.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    done = host.sealbook(*install("podman", registry, service), "--force")
    assert 0 == done.code, done.err
    return host


def install(runtime: str, registry: str, service: Path) -> list[str | Path]:
    listen = tomllib.loads(service.read_text())["listen"]["http"]
    return [
        *("pull", "install", runtime, "--from", service.parent, "--first"),
        *("--lookaside", f"http://{listen}", "--registry", registry),
    ]


def check(host: PullHost, *more: str, runtime: str = "podman") -> tuple[int, dict[str, Any]]:
    done = host.sealbook("pull", "check", runtime, "--json", *more)
    assert done.out, done.err
    [told] = done.json["runtimes"]
    assert done.json["enforced"] == (done.code == 0)
    return done.code, told


def codes(told: dict[str, Any], *kinds: str) -> set[str]:
    return {one["code"] for one in told["findings"] if one["kind"] in (kinds or ("open", "shut"))}


def tried(told: dict[str, Any]) -> list[tuple[str, str, bool | None]]:
    return [(one["by"], one["image"], one["allowed"]) for one in told["tried"]]


def test_enforced(host: PullHost, signed: str, registry: str) -> None:
    """
    Podman and skopeo each refuse the bait, by its own name and as if it lay in the registry that
    the policy names; they accept what is signed; the ways around are named.
    """
    code, told = check(host, "--signed", signed)

    assert (0, True, True) == (code, told["enforced"], told["works"]), told["tried"]
    assert [
        (program, *what)
        for program in ("podman", "skopeo")
        for what in (("unsigned", False), ("unsigned", False), ("signed", True))
    ] == tried(told)
    assert f"{registry}/sealbook-check:bait" == told["tried"][1]["reference"]
    assert "no signature exists" in told["tried"][1]["said"]
    assert {"other-policy", "user-policy", "already-here"} == codes(told, "bypass")
    assert "podman" in told["version"]
    assert "skopeo" in told["version"]


def test_what_was_there_is_kept(host: PullHost, signed: str) -> None:
    """
    The distribution's own policy is somebody else's, and --force keeps a copy of it.
    """
    [kept] = host.path("/etc/sealbook/replaced").iterdir()

    assert "etc%containers%policy.json.1" == kept.name
    assert DEFAULT == json.loads(kept.read_text())


def _distribution(host: PullHost, registry: str) -> None:
    host.path(POLICY).write_text(json.dumps(DEFAULT))


def _default(host: PullHost, registry: str) -> None:
    docker = json.loads(host.read(POLICY))["transports"]["docker"]
    judged = {"transports": {"docker": {registry: docker[""]}}}
    host.path(POLICY).write_text(json.dumps(judged | DEFAULT))


def _one_place(host: PullHost, registry: str) -> None:
    policy = json.loads(host.read(POLICY))
    policy["transports"]["docker"][f"{registry}/lab"] = DEFAULT["default"]
    host.path(POLICY).write_text(json.dumps(policy))


def _no_policy(host: PullHost, registry: str) -> None:
    host.path(POLICY).unlink()


def _not_a_policy(host: PullHost, registry: str) -> None:
    host.path(POLICY).write_text("{}")


def _no_lookups(host: PullHost, registry: str) -> None:
    host.path(LOOKUPS).unlink()


def _no_lookaside(host: PullHost, registry: str) -> None:
    lines = [line for line in host.read(LOOKUPS).splitlines() if "lookaside:" not in line]
    host.path(LOOKUPS).write_text("\n".join(lines) + "\n")


def _rejects_all(host: PullHost, registry: str) -> None:
    policy = json.loads(host.read(POLICY))
    host.path(POLICY).write_text(json.dumps(policy | {"transports": {}}))


# What is spoiled; whether the bait ran, by its own name and in each place that is named; whether
# unsigned images are refused all the same; and the code.
Spoiled = tuple[Callable[[PullHost, str], None], tuple[bool | None, ...], bool, str]
SPOILED: list[Spoiled] = [
    (_distribution, (True, True), False, "default-accepts"),
    (_default, (True, False), False, "default-accepts"),
    (_one_place, (False, True, False), False, "scope-accepts"),
    (_no_policy, (None,), False, "no-policy"),
    (_not_a_policy, (None,), False, "bad-policy"),
    (_no_lookups, (False,), True, "nowhere-to-look"),
    (_no_lookaside, (False,), True, "nowhere-to-look"),
    (_rejects_all, (False, False), True, "no-signatures-wanted"),
]


@pytest.mark.parametrize("spoiled", SPOILED, ids=lambda one: one[0].__name__)
def test_one_line_missing(
    host: PullHost, signed: str, registry: str, tmp_path: Path, spoiled: Spoiled
) -> None:
    """
    For each line that is missing or wrong the check fails, tells which baits ran, and names it;
    where nothing runs any more, the signed image neither, it says that it is enforced, and shut.
    """
    spoil, ran, enforced, code = spoiled
    kept = tmp_path / "kept"
    shutil.copytree(host.path("/etc/containers"), kept)
    try:
        spoil(host, registry)
        exit_code, told = check(host, "--signed", signed)
    finally:
        shutil.copytree(kept, host.path("/etc/containers"), dirs_exist_ok=True)

    assert 1 == exit_code
    assert code in codes(told), told
    assert enforced == told["enforced"], told["tried"]
    assert not (enforced and told["works"])
    for program in ("podman", "skopeo"):
        unsigned = [one[2] for one in tried(told) if one[:2] == (program, "unsigned")]
        assert ran == tuple(unsigned), told["tried"]


def test_users_own_policy(host: PullHost, signed: str) -> None:
    """
    A user whose own policy takes anything is found, and what that user pulls is seen to run.
    """
    own = host.home / OWN
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps(DEFAULT))
    try:
        code, told = check(host)
    finally:
        own.unlink()

    assert 1 == code
    assert not told["enforced"]
    assert {True} == {one[2] for one in tried(told)}
    [found] = [one for one in told["findings"] if one["code"] == "user-policy-found"]
    assert str(own) in found["message"]


def test_ways_around_are_real(host: PullHost, containers: Containers, registry: str) -> None:
    """
    What is named as a way around is one: another policy on the command line.
    """
    with Shelf(f"{registry}/pull-check/unsigned") as shelf:
        shelf.image(Image.made(host.root / "tmp" / "layout", "nobody signed this").layout, TAG)
        name = f"docker://{shelf.name}:{TAG}"

    to = f"dir:{host.root}/tmp/image"
    assert 0 != host.run("skopeo", "copy", name, to).code
    assert 0 == host.run("skopeo", "--insecure-policy", "copy", name, to).code


def test_crio(host: PullHost, registry: str, service: Path) -> None:
    """
    For CRI-O the same files are written, and a drop-in that points at them. Without a CRI-O to
    try nothing is proven, and each policy that it would go by is read.
    """
    words = install("crio", registry, service)
    done = host.sealbook(*words, "--json")
    assert 0 == done.code, done.err
    states = {one["file"]: one["state"] for one in done.json["files"]}
    dropin = tomllib.loads(host.read("/etc/crio/crio.conf.d/90-sealbook.conf"))

    assert {
        LOOKUPS: "same",
        POLICY: "same",
        "/etc/crio/crio.conf.d/90-sealbook.conf": "new",
    } == states
    assert POLICY == dropin["crio"]["image"]["signature_policy"]
    code, told = check(host, runtime="crio")
    assert (1, False, set()) == (code, told["enforced"], codes(told))
    assert told["tried"][0]["allowed"] is None

    namespace = host.path("/etc/crio/policies/lab.json")
    namespace.parent.mkdir()
    namespace.write_text(json.dumps(DEFAULT))
    code, told = check(host, runtime="crio")
    assert "default-accepts" in codes(told)
    [found] = [one for one in told["findings"] if one["code"] == "default-accepts"]
    assert "/etc/crio/policies/lab.json" in found["message"]


def test_nothing_here(host: PullHost, tmp_path: Path) -> None:
    """
    A host without a runtime has nothing that could enforce, and the check fails.
    """
    bare = PullHost(tmp_path / "root")
    command = 'PATH=/nowhere exec "$0" -m signer pull check'
    done = bare.run("/bin/sh", "-c", command, sys.executable)

    assert 1 == done.code
    assert "no containerd" in done.err
