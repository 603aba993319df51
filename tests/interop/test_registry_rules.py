"""Registries that are not alike: who finds their signatures is who check-registry said would.

The real clients are asked, after one command of ours, in doubles with Harbor's rules; that they
find everything where nothing is refused is `test_readers`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop import peers
from tests.interop.conftest import _program
from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict, ask_at
from tests.interop.product import sealbook
from tests.interop.pushing import Shelf
from tests.interop.readers import Home, Programs, There
from tests.interop.registry import serving_registry
from tests.registries.fake_harbor import COSIGN, FakeHarborRules
from tests.registries.fake_referrers import FakeReferrersRegistry

APP = "payments/app"
# The password is robot-secret, as bcrypt with as few rounds as there can be.
HTPASSWD = "robot:$2b$04$Xe7aKMWdpT9kcGcgMuHoWOzluGnNfT7Dk.H/gPPfbQQ6OnxEwlZ1m\n"
# Which form each reads, as check-registry calls it.
READS = {
    "cosign": "bundle, .sig",
    "cosign-certificate": "bundle",
    "cosign2": ".sig",
    "skopeo": ".sig",
    "notation": "notation",
}


def checked(address: str, *more: str | Path) -> dict[str, Any]:
    """Return what check-registry says of a registry."""
    command = (sys.executable, "-m", "signer", "check-registry", f"{address}/{APP}", "--json")
    done = subprocess.run((*command, *more), capture_output=True, text=True, check=False)
    assert "" == done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["all_found"] == (done.returncode == 0)
    return said


def works(said: dict[str, Any]) -> dict[str, str]:
    """Return which form works, in the words of check-registry."""
    return {one["form"]: one["works"] for one in said["readers"]}


class Rules(NamedTuple):
    """A registry with rules, and which form works there by check-registry."""

    address: str
    works: dict[str, str]


@pytest.fixture(scope="module")
def registry_program() -> Path:
    """The program docker-registry."""
    return _program(peers.docker_registry)


@pytest.fixture(scope="module", params=["immutable", "content-trust"])
def rules(request: pytest.FixtureRequest) -> Iterator[Rules]:
    """Each of Harbor's rules in turn, after it was checked."""
    immutable, trust = (["**"], "") if request.param == "immutable" else ([], COSIGN)
    with FakeHarborRules(immutable=immutable, content_trust=trust) as harbor:
        yield Rules(harbor.address, works(checked(harbor.address)))


@pytest.fixture(scope="module")
def there(
    rules: Rules,
    image: Image,
    service: Path,
    programs: Programs,
    tmp_path_factory: pytest.TempPathFactory,
) -> There:
    """An image in that registry, signed by its digest, by one command."""
    home = Home(tmp_path_factory.mktemp("rules") / "home", programs, service.parent)
    home.trust_podman("--registry", rules.address, "--attachments")
    there = There(rules.address, image, service, home)
    there.sign(f"{there.push(APP)}@{image.index.digest}")
    return there


@pytest.mark.parametrize("reader", READS)
def test_readers_find_what_was_said(rules: Rules, there: There, reader: str) -> None:
    """
    Each client accepts the image, index and child, where its form was said to work, if only for
    the first push, and does not where it was not.
    """
    is_found = rules.works[READS[reader]] != "no"
    name = f"{rules.address}/{APP}"
    verdicts = [
        there.home.read(reader, f"{name}@{digest}")
        for digest in (there.image.index.digest, there.image.child)
    ]

    assert [is_found] * 2 == [one.accepted for one in verdicts], verdicts


def test_a_real_registry(registry: str) -> None:
    """
    Of a real registry without the referrers API it is said that it is none, that everybody finds
    their form nevertheless, and nothing of what was tried is left there.
    """
    said = checked(registry)
    left = sealbook("inventory", said["scratch"].rpartition("/")[0], "--json")

    outcomes = {one["name"]: one["outcome"] for one in said["findings"]}
    assert {"no"} == {outcomes.pop(name) for name in ("referrers-api", "tokens", "delete-tag")}
    assert {"yes", "untried"} == set(outcomes.values())
    assert ["mount"] == [name for name, one in outcomes.items() if one == "untried"]
    assert {"yes"} == set(works(said).values())
    assert [] == said["left"]
    assert 0 == json.loads(left.splitlines()[-1])["coverage"]["images"]


def test_a_real_registry_that_asks(registry_program: Path, tmp_path: Path) -> None:
    """
    A real registry that asks who we are lets nobody in whose credential is not configured, which is
    said with the lines to add; with these and the credential all is tried.
    """
    with serving_registry(registry_program, tmp_path, htpasswd=HTPASSWD) as address:
        nobody = checked(address)
        [advice] = nobody["configure"]
        path = tmp_path / "registries.toml"
        path.write_text("\n".join(advice["lines"]))
        (tmp_path / "robot").write_text("robot:robot-secret\n")
        (tmp_path / "robot").chmod(0o600)
        robot = checked(address, "--registries", path)

    asked = {one["name"]: (one["outcome"], one["code"]) for one in nobody["findings"]}
    let_in = ("no", "registry-denied")
    assert {"reached": ("yes", ""), "tokens": ("yes", ""), "let-in": let_in} == asked
    assert 'Basic realm="tests"' == nobody["findings"][1]["detail"]
    assert "registries.toml" == advice["where"]
    assert {"yes"} == set(works(robot).values())


class Signer:
    """cosign 2 with a key of its own."""

    def __init__(self, program: Path, home: Path) -> None:
        self._program = program
        self._home = home
        pair = (program, "generate-key-pair")
        assert ask_at(home, pair, {"COSIGN_PASSWORD": ""}).accepted

    def sign(self, image: str, *more: str) -> Verdict:
        """Sign an image as its users do."""
        command = ("sign", "--key", "cosign.key", "--tlog-upload=false", "--yes", *more, image)
        return ask_at(self._home, (self._program, *command), {"COSIGN_PASSWORD": ""})


def pushed(registry: FakeReferrersRegistry, image: Image) -> str:
    """Put an image into a registry; return the name of its repository."""
    with Shelf(f"{registry.address}/{APP}") as shelf:
        shelf.image(image.layout, TAG)
        return shelf.name


def test_cosign_under_the_same_rules(image: Image, cosign2: Path, tmp_path: Path) -> None:
    """
    Under Harbor's rules cosign itself ends as its users report it, with Harbor's words: so the
    double refuses what they would be refused.
    """
    signer = Signer(cosign2, tmp_path)
    with FakeHarborRules(immutable=["**"]) as harbor:
        name = pushed(harbor, image)
        first = signer.sign(f"{name}@{image.index.digest}")
        second = signer.sign(f"{name}@{image.index.digest}", "-a", "again=true")
    with FakeHarborRules(content_trust=COSIGN) as harbor:
        name = pushed(harbor, image)
        hidden = signer.sign(f"{name}@{image.index.digest}")

    assert first.accepted, first.output
    assert not second.accepted
    assert "PRECONDITION: Failed to process request due to 'app:sha256-" in second.output
    assert "configured as immutable" in second.output
    assert not hidden.accepted
    assert "PROJECTPOLICYVIOLATION: The image is not signed by cosign" in hidden.output


def test_replicated(image: Image, service: Path, programs: Programs, tmp_path: Path) -> None:
    """
    After a replication that brings the last signature alone, cosign 3 and notation refuse what
    they accepted; after `sealbook copy` they accept it.
    """
    home = Home(tmp_path / "home", programs, service.parent)
    readers = ("cosign-certificate", "cosign2", "notation")
    with FakeHarborRules() as harbor, FakeReferrersRegistry() as replica:
        there = There(harbor.address, image, service, home)
        source, target = there.push(APP), f"{replica.address}/{APP}"
        there.sign(f"{source}:{TAG}")
        harbor.replicate(APP, TAG, replica)
        found = [home.read(one, f"{target}:{TAG}").accepted for one in readers]
        sealbook("copy", f"{source}:{TAG}", f"{target}:{TAG}")
        copied = [home.read(one, f"{target}:{TAG}").accepted for one in readers]

    assert [False, True, False] == found
    assert [True] * 3 == copied
