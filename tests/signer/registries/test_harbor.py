"""Harbor's rules: what can be attached is, the rest has a code of its own, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

from tests.interop.image import TAG
from tests.registries.fake_harbor import COSIGN, NOTATION, FakeHarborRules
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.commands import Done, sealbook
from tests.signer.publish.publishing import configure, publish, publishing
from tests.signer.publish.publishing import push as push_small
from tests.signer.publish.publishing import sign as sign_small
from tests.signer.registries.signing import attach, made, manifests, push
from tests.signer.running import InProcess
from tests.signer.world import found_in
from verifier.digest import Digest
from verifier.pull.forms import find_forms
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

PROJECT = "payments/app"
THREE = ("bundle", "simplesigning", "notation")


def sign(service: InProcess, image: str, *more: object, forms: tuple[str, ...] = THREE) -> Done:
    """Run `sealbook sign` for an image in a registry, as somebody who has the service's token."""
    asked = [word for form in forms for word in ("--form", form)]
    where = ("--service", service.addresses.grpc, "--token-file", service.directory / "token")
    return sealbook("sign", image, *where, *asked, *more, "--settle", "0", "--json")


def outcomes(done: Done) -> list[dict[str, str]]:
    """Return what `sealbook sign --json` says became of each form, a line for each digest."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [{one["form"]: one["attached"] for one in line["signatures"]} for line in lines]


def kinds_at(repository: str, digest: str) -> list[str]:
    """Return the kinds of all signatures that a registry shows of a digest."""
    with Registry(Repository(repository), Registries()) as images:
        return sorted(form.kind for form in find_forms(images, Digest(digest)).forms)


def test_immutable_signature_tags(service: InProcess, tmp_path: Path) -> None:
    """
    Where all tags are immutable the first push has every signature; of what is signed later the
    referrers are attached, and the legacy form is `immutable-tag`, with the lookaside as the way.
    """
    with FakeHarborRules(immutable=["**"]) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        image = push(tmp_path, repository)
        first = sign(service, f"{repository}:{TAG}")
        again = sign(service, f"{repository}:{TAG}")
        renewed = sign(service, f"{repository}:{TAG}", "--renew")
        shown = kinds_at(repository, image.index.digest)

    assert (0, [dict.fromkeys(THREE, "attached")] * 3) == (first.returncode, outcomes(first))
    assert (0, [dict.fromkeys(THREE, "there")] * 3) == (again.returncode, outcomes(again))
    assert 1 == renewed.returncode, "not every form is where its reader looks"
    later = {"bundle": "attached", "notation": "attached", "simplesigning": "immutable-tag"}
    assert [later] * 3 == outcomes(renewed)
    assert "configured as immutable" in renewed.stderr
    assert "lookaside" in renewed.stderr
    assert ["bundle"] * 2 + ["notation"] * 2 + ["simplesigning"] == shown
    assert all(".sig PRECONDITION" in one for one in harbor.refused), harbor.refused


def test_signatures_tags_that_are_excepted(service: InProcess, tmp_path: Path) -> None:
    """
    With images' tags immutable and signatures' tags excepted, as check-registry says it, all fits.
    """
    with FakeHarborRules(immutable=["v*", TAG]) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        push(tmp_path, repository)
        first = sign(service, f"{repository}:{TAG}")
        renewed = sign(service, f"{repository}:{TAG}", "--renew")

    assert (0, 0) == (first.returncode, renewed.returncode), renewed.stderr
    assert [dict.fromkeys(THREE, "attached")] * 3 == outcomes(renewed)


def test_content_trust_by_digest(service: InProcess, tmp_path: Path) -> None:
    """
    An image that is hidden until it is signed is signed by its digest: index and platforms, in all
    forms, after which the registry shows it; and again, without anything being there twice.
    """
    with FakeHarborRules(content_trust=COSIGN) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        image = push(tmp_path, repository)
        named = f"{repository}@{image.index.digest}"
        first = sign(service, named)
        count = len(harbor.kept(PROJECT).manifests)
        again = sign(service, f"{repository}:{TAG}")
        attached = {
            one.digest: sorted(a.kind for a in harbor.accessories(PROJECT, one.digest))
            for one in manifests(image)
        }
        shown = kinds_at(repository, image.child)

    assert 0 == first.returncode, first.stderr
    index, *children = outcomes(first)
    assert [dict.fromkeys(THREE, "attached")] * 2 == children
    assert {"attached", "there"} >= set(index.values())
    assert (0, [dict.fromkeys(THREE, "there")] * 3) == (again.returncode, outcomes(again))
    assert count == len(harbor.kept(PROJECT).manifests), "nothing was put there again"
    assert {COSIGN, NOTATION, ""} == set(attached[image.child])
    assert ["notation", "simplesigning"] == shown, "what is no signature for Harbor it hides"


def test_content_trust_by_tag(service: InProcess, tmp_path: Path) -> None:
    """
    By tag a hidden image cannot be found: `content-trust`, and the hint says to name the digest.
    """
    with FakeHarborRules(content_trust=COSIGN) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        push(tmp_path, repository)
        before = service.tree_size
        done = sign(service, f"{repository}:{TAG}")

    assert 1 == done.returncode
    assert "content-trust" == json.loads(done.stdout)["error"]
    assert "not signed by cosign" in done.stderr
    assert "digest" in done.stderr
    assert before == service.tree_size, "nothing was signed"


def test_attesting_what_is_hidden(service: InProcess, tmp_path: Path) -> None:
    """
    An image that is hidden is not attested, not even by digest, as nothing can refer to it; once
    it is signed it is.
    """
    predicate = tmp_path / "predicate.json"
    predicate.write_text('{"buildDefinition":{},"runDetails":{}}')
    where = ("--service", service.addresses.grpc, "--token-file", service.directory / "token")
    with FakeHarborRules(content_trust=COSIGN) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        image = push(tmp_path, repository)
        named = f"{repository}@{image.index.digest}"
        words = ("attest", named, "--type", "custom", "--predicate", predicate, *where, "--json")
        before = service.tree_size
        hidden = sealbook(*words)
        meanwhile = service.tree_size
        sign(service, named)
        shown = sealbook(*words)

    assert (1, before) == (hidden.returncode, meanwhile)
    assert "content-trust" == json.loads(hidden.stdout)["error"]
    assert 0 == shown.returncode, shown.stderr


def test_content_trust_that_only_notation_satisfies(service: InProcess, tmp_path: Path) -> None:
    """
    Where notation's signatures alone count, a legacy one is attached and uncovers nothing: the
    image is refused with `content-trust`, and nothing else is signed of it.
    """
    with FakeHarborRules(content_trust=NOTATION) as harbor:
        repository = f"{harbor.address}/{PROJECT}"
        image = push(tmp_path, repository)
        before = service.tree_size
        done = sign(service, f"{repository}@{image.index.digest}")

    assert 1 == done.returncode
    assert "content-trust" in done.stderr
    assert 1 == service.tree_size - before


def test_published_by_the_service(tmp_path: Path) -> None:
    """
    What content trust hides the service attaches as well: the legacy form first, then the rest.
    """
    with FakeHarborRules(content_trust=COSIGN) as harbor:
        world = found_in(tmp_path / "service", THREE)
        configure(world, harbor.address)
        image = push_small(harbor.address, PROJECT, 1)
        with publishing(world) as service:
            wanted = sign_small(service, image)
            found = publish(service, image, wait_s=60)
            seen = [one.kind for one in harbor.accessories(PROJECT, image.digest)]

    assert ("attached", tuple(wanted)) == (found.state, found.entries), found
    assert COSIGN == seen[0], "the legacy form, which lets Harbor show the image"
    assert sorted([COSIGN, NOTATION, ""]) == sorted(seen)


def test_replication_that_keeps_the_last_one(service: InProcess, tmp_path: Path) -> None:
    """
    Of all that signs an image replication brings what was pushed last; the inventory shows what
    is missing there, and `sealbook copy` brings the rest.
    """
    with FakeHarborRules() as harbor, FakeReferrersRegistry() as replica:
        source, target = f"{harbor.address}/{PROJECT}", f"{replica.address}/{PROJECT}"
        image = push(tmp_path, source)
        attach(source, made(service, source, manifests(image), THREE))
        assert ["bundle", "notation", "simplesigning"] == kinds_at(source, image.index.digest)

        harbor.replicate(PROJECT, TAG, replica)
        replicated = kinds_at(target, image.index.digest)
        counted = sealbook("inventory", replica.address, "--json")
        copied = sealbook("copy", f"{source}:{TAG}", f"{target}:{TAG}")
        after = kinds_at(target, image.index.digest)

    assert ["simplesigning"] == replicated, "the .sig was pushed last"
    coverage = json.loads(counted.stdout.splitlines()[-1])["coverage"]
    assert {"ours": 0, "bundle": 0, ".sig": 1, "notation": 0} == coverage["signed_by"]
    assert 2 == coverage["none"], "the platforms"
    assert 0 == copied.returncode, copied.stderr
    assert ["bundle", "notation", "simplesigning"] == after
