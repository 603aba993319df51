"""One image, one Sign call; then everybody who reads signatures, by their own normal command.

On a real registry, which has no referrers API, and on a double that has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.image import TAG, Image
from tests.interop.judging import ask_at
from tests.interop.pushing import BUNDLE, NOTATION, Shelf
from tests.interop.readers import ANYWHERE, PODMANS, READERS, Home, Programs, There, put_beside
from tests.registries.fake_referrers import FakeReferrersRegistry
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.forms import find_forms
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verify import Verifier

PLATFORMS = "readers/platforms"
FORMS = {"bundle", "certificate", "simplesigning", "notation"}


@pytest.fixture(scope="module", params=["docker-registry", "FakeReferrersRegistry"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A registry without the referrers API, and one with it."""
    if request.param == "docker-registry":
        yield request.getfixturevalue("registry")
        return
    with FakeReferrersRegistry() as double:
        yield double.address


@pytest.fixture(scope="module")
def there(
    address: str,
    image: Image,
    service: Path,
    programs: Programs,
    tmp_path_factory: pytest.TempPathFactory,
) -> There:
    """The image, pushed, and signed by one command, as in another repository too."""
    home = Home(tmp_path_factory.mktemp("readers") / "home", programs, service.parent)
    home.trust_podman("--registry", address, "--attachments")
    there = There(address, image, service, home)
    there.sign(*(f"{there.push(path)}:{TAG}" for path in ("readers/app", PLATFORMS)))
    return there


@pytest.mark.parametrize("reader", READERS)
def test_accepts(there: There, reader: str) -> None:
    """
    Each reader accepts the image by its tag, and the index and every child by digest.
    """
    verdicts = [
        there.home.read(reader, f"{there.name}{which}")
        for which in (f":{TAG}", *(f"@{digest}" for digest in there.digests))
    ]

    for verdict in verdicts:
        assert verdict.accepted, verdict.output


@pytest.fixture(scope="module")
def signatures(
    there: There, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, bytes]]:
    """Every signature of the image, by digest and form."""
    return there.files(tmp_path_factory.mktemp("signatures"))


@pytest.fixture(scope="module")
def other(there: There, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Another image in the same repository, under the tag "other"; nobody signed it."""
    image = Image.made(tmp_path_factory.mktemp("other") / "layout", "something else")
    there.push("readers/app", image, "other")
    return image


def found(name: str, digest: str) -> list[str]:
    """Return the kind of each signature that our own tools find."""
    with open_images(parse_place(name), Registries(())) as images:
        return [form.kind for form in find_forms(images, Digest(digest)).forms]


def test_both_digests_have_every_form(there: There) -> None:
    """
    Runtimes look at different digests, Podman at the child's and containerd at the index's: each
    has every form, once.
    """
    assert 3 == len(there.digests)
    for digest in there.digests:
        assert sorted(FORMS) == sorted(found(there.name, digest))


def test_signed_again(there: There, signatures: dict[str, dict[str, bytes]]) -> None:
    """
    The same command again makes no signature, and attaches nothing.
    """
    assert set(there.digests) == signatures.keys()
    for digest, by_form in signatures.items():
        assert FORMS == by_form.keys()
        assert sorted(FORMS) == sorted(found(there.name, digest))


@pytest.mark.parametrize("reader", READERS)
def test_refuses_what_is_not_signed(
    there: There, other: Image, signatures: dict[str, dict[str, bytes]], reader: str
) -> None:
    """
    Each reader refuses an image that nobody signed, and goes on when a registry claims that the
    signatures of another image are its own.
    """
    name = there.push(f"readers/claimed-{reader}", other)
    none = there.home.read(reader, f"{there.name}:other")
    with Shelf(name) as shelf:
        for digest, like in zip((other.index.digest, *other.children), there.digests, strict=True):
            put_beside(shelf, digest, signatures[like])
    claimed = there.home.read(reader, f"{name}:{TAG}")

    assert not none.accepted, none.output
    assert not claimed.accepted, claimed.output


@pytest.mark.parametrize("reader", READERS)
def test_for_another_repository(
    there: There, signatures: dict[str, dict[str, bytes]], reader: str
) -> None:
    """
    In a repository that it was not signed for, those refuse the image that ask for which one it
    was: Podman, skopeo and we. The others look at the digest alone.
    """
    name = there.push(f"readers/elsewhere-{reader}")
    with Shelf(name) as shelf:
        for digest in there.digests:
            put_beside(shelf, digest, signatures[digest])
    verdict = there.home.read(reader, f"{name}:{TAG}")
    verifier = Verifier(TrustRoot.parse((there.config.parent / "trust.json").read_bytes()))

    assert (reader in ANYWHERE) == verdict.accepted, verdict.output
    index = there.digests[0]
    with pytest.raises(VerificationError):
        verifier.verify(signatures[index]["bundle"], Digest(index), Repository(name))


def test_podman_looks_at_the_child(there: There) -> None:
    """
    Without the index's signature Podman and skopeo accept the image, without the child's they
    refuse it; whoever looks at the index takes it in any case.
    """
    name = f"{there.address}/{PLATFORMS}"
    with Shelf(name) as shelf:
        shelf.legacy(there.image.index.digest)
        without_index = [there.home.read(one, f"{name}:{TAG}") for one in PODMANS]
        shelf.legacy(there.image.child)
        without_child = [there.home.read(one, f"{name}:{TAG}") for one in PODMANS]

    assert [True, True] == [one.accepted for one in without_index], without_index
    assert [False, False] == [one.accepted for one in without_child], without_child
    assert there.home.read("cosign", f"{name}:{TAG}").accepted


def test_oras_sees_them(there: There, oras: Path, tmp_path: Path) -> None:
    """
    `oras discover` lists the bundles and notation's signature of the index and of every child,
    by their type.
    """
    for digest in there.digests:
        image = f"{there.name}@{digest}"
        command = (oras, "discover", "--plain-http", "--format", "json", image)
        answer = ask_at(tmp_path, command)
        assert answer.accepted, answer.output
        listed = json.loads(answer.output)["referrers"]
        assert sorted([BUNDLE, BUNDLE, NOTATION]) == sorted(one["artifactType"] for one in listed)
