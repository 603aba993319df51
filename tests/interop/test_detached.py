"""A key is revoked, and what it signed since is taken out of two registries, by one command.

Those who read no status file then refuse it by their own normal command, as they accepted it
before: on a real registry, which has no referrers API, and on a double that has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.image import TAG, Image
from tests.interop.judging import ask_at
from tests.interop.product import sealbook, serving_service
from tests.interop.readers import READERS, Home, Programs, There
from tests.registries.fake_referrers import FakeReferrersRegistry

REASON = ("--reason", "the build host was broken into")
THEIRS = "theirs"  # somebody else's key


class Detached(NamedTuple):
    """Both places, who accepted the late image before, and what the command said of each."""

    places: list[There]
    late: Image
    accepted: dict[tuple[str, str], bool]
    told: list[dict[str, object]]


@pytest.fixture(scope="module")
def detached(
    registry: str,
    image: Image,
    programs: Programs,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Detached]:
    """An image that was signed early, and one late, which somebody else signed, too."""
    folder = tmp_path_factory.mktemp("detached")
    late = Image.made(folder / "late", "late")
    with serving_service(folder / "service") as config, FakeReferrersRegistry() as double:
        home = Home(folder / "home", programs, config.parent)
        options = [word for one in (registry, double.address) for word in ("--registry", one)]
        home.trust_podman(*options, "--attachments")
        places = [There(one, image, config, home) for one in (registry, double.address)]
        for place in places:
            place.name = place.push("detached/app")
            place.push("detached/app", late, "late")
        places[0].sign(*(f"{place.name}:{TAG}" for place in places))
        size = json.loads(sealbook("status", "--config", config, "--json"))["tree_size"]
        sign_as_others(programs.cosign2, home, [f"{p.name}@{late.index.digest}" for p in places])
        places[0].sign(*(f"{place.name}:late" for place in places))
        accepted = {
            (place.address, reader): home.read(reader, f"{place.name}:late").accepted
            for place in places
            for reader in READERS
        }
        where = ("--detach", *(place.name for place in places))
        what = ("--key", "release", "--after", str(size))
        said = sealbook("revoke", *what, *REASON, *where, "--config", config, "--json")
        yield Detached(places, late, accepted, json.loads(said)["detached"])


def sign_as_others(cosign2: Path, home: Home, images: list[str]) -> None:
    """Sign images by a key that is nobody's here, before anybody else."""
    secret = {"COSIGN_PASSWORD": ""}
    pair = ("generate-key-pair", "--output-key-prefix", THEIRS)
    assert ask_at(home.directory, (cosign2, *pair), secret).accepted
    for image in images:
        sign = ("sign", "--key", f"{THEIRS}.key", "--tlog-upload=false", "--yes", image)
        verdict = ask_at(home.directory, (cosign2, *sign), secret)
        assert verdict.accepted, verdict.output


@pytest.mark.parametrize("reader", READERS)
def test_readers(detached: Detached, reader: str) -> None:
    """
    Each reader accepted what the key signed late, and refuses it now; what it signed early it
    accepts as ever.
    """
    for place in detached.places:
        assert detached.accepted[place.address, reader]
        late = place.home.read(reader, f"{place.name}:late")
        assert not late.accepted, late.output
        early = place.home.read(reader, f"{place.name}:{TAG}")
        assert early.accepted, early.output


def test_somebody_else(detached: Detached, programs: Programs) -> None:
    """
    What somebody else signed is there, and good.
    """
    for place in detached.places:
        image = f"{place.name}@{detached.late.index.digest}"
        who = ("--key", f"{THEIRS}.pub", "--insecure-ignore-tlog")
        verdict = ask_at(place.home.directory, (programs.cosign2, "verify", *who, image))
        assert verdict.accepted, verdict.output


def test_what_was_said(detached: Detached) -> None:
    """
    The command says of each place how many went, of how many images, and that none stays.
    """
    for place, told in zip(detached.places, detached.told, strict=True):
        assert place.name == told["place"]
        assert [] == told["stays"] == told["failed"]
        removed = told["removed"]
        assert isinstance(removed, list)
        # In four forms, each an entry of its own: the index and both platforms.
        assert 12 == len(removed) == len({piece["entry"] for piece in removed})
