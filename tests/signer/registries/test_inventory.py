"""`sealbook inventory`: what is signed in a registry, and what is not, counted and not guessed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from signer.registries.coverage import csv_line, values
from signer.registries.inventory import Row
from signer.registries.listing import WINDOW
from signer.registries.trying.scratch import manifest
from tests.interop.image import TAG, Image
from tests.interop.pushing import BUNDLE, Shelf
from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry, Refusal
from tests.signer.commands import Done, sealbook
from tests.signer.registries.signing import attach, made, manifests, push
from tests.signer.running import InProcess
from verifier.digest import Digest
from verifier.pull.images import EMPTY, IMAGE, INDEX, Descriptor
from verifier.pull.kinds import PREDICATE_TYPE
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository


class Uncatalogued(FakeReferrersRegistry):
    """A registry that tells nobody its repositories, as most public ones."""

    def refuses(self, asked: Asked) -> Refusal | None:
        return Refusal(404, "NOT_FOUND") if asked.kind == "catalog" else None


class Stock(NamedTuple):
    """A registry with images signed in different ways, and the service that signed them."""

    registry: FakeReferrersRegistry
    images: dict[str, Image]
    service: InProcess

    @property
    def address(self) -> str:
        return self.registry.address

    def take(self, where: str, *more: object) -> Done:
        """Run `sealbook inventory` on this registry, or a part of it."""
        return sealbook("inventory", f"{self.address}{where}", *more)

    def rows(self, where: str, *more: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return its rows, and the coverage."""
        done = self.take(where, "--json", *more)
        *rows, last = map(json.loads, done.stdout.splitlines())
        return rows, last["coverage"]


@pytest.fixture(scope="module")
def stock(service: InProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Five repositories: one with all our forms, one each with one form, one foreign, one bare."""
    directory = tmp_path_factory.mktemp("stock")
    with FakeReferrersRegistry() as registry:
        images = {}
        for name in ("all", "legacy", "notation", "moved", "bare"):
            images[name] = push(directory, f"{registry.address}/team/{name}")
        signed = {"all": ("bundle", "simplesigning", "notation"), "legacy": ("simplesigning",)}
        for name, forms in {**signed, "notation": ("notation",)}.items():
            repository = f"{registry.address}/team/{name}"
            attach(repository, made(service, repository, manifests(images[name]), forms))
        there = f"{registry.address}/team/moved"
        attach(there, made(service, "other.example/app", manifests(images["moved"]), ("bundle",)))
        with Shelf(f"{registry.address}/team/all") as shelf:
            shelf.image(images["all"].layout, "latest")
        yield Stock(registry, images, service)


def test_each_image_is_a_row_with_what_signs_it(stock: Stock) -> None:
    """
    Each index and each platform under it is one row, with its tags and all that signs it.
    """
    rows, coverage = stock.rows("/team")

    by = {(row["repository"].rpartition("/")[2], row["kind"]): row["signed_by"] for row in rows}
    assert {
        ("all", "index"): ["ours", "bundle", ".sig", "notation"],
        ("all", "child"): ["ours", "bundle", ".sig", "notation"],
        ("legacy", "index"): [".sig"],
        ("legacy", "child"): [".sig"],
        ("notation", "index"): ["ours", "notation"],
        ("notation", "child"): ["ours", "notation"],
        ("moved", "index"): ["ours", "bundle"],
        ("moved", "child"): ["ours", "bundle"],
        ("bare", "index"): [],
        ("bare", "child"): [],
    } == by
    [index] = [row for row in rows if row["tags"] == [TAG, "latest"]]
    assert stock.images["all"].index.digest == index["digest"]
    children = [row for row in rows if row["parent"] == index["digest"]]
    assert stock.images["all"].child in {row["digest"] for row in children}
    assert 2 == len(children)
    assert {
        "repositories": 5,
        "images": 15,
        "kinds": {"index": 5, "image": 0, "child": 10},
        "signed_by": {"ours": 9, "bundle": 6, ".sig": 6, "notation": 6},
        "none": 3,
        "unread": 0,
    } == coverage


def test_under_a_trust_file_ours_is_what_verifies(stock: Stock) -> None:
    """
    With --trust an image is ours when our verifier accepts it for its repository, else not.
    """
    rows, coverage = stock.rows("/team", "--trust", stock.service.directory / "trust.json")

    found = {row["repository"].rpartition("/")[2]: row for row in rows}
    assert ("verified", "") == (found["all"]["proof"], found["all"]["code"])
    assert ["bundle"] == found["moved"]["signed_by"]
    assert "repository-mismatch" == found["moved"]["code"]
    assert 3 == coverage["signed_by"]["ours"]
    assert 0 == coverage["unread"]


def test_a_public_key_recognises_what_names_it(stock: Stock, tmp_path: Path) -> None:
    """
    With --key an image is ours when a bundle names that key, and with another key none is.
    """
    key = tmp_path / "ours.pub"
    [approver] = [one for one in stock.service.trust.keys.values() if one.purpose == "approve"]
    key.write_bytes(approver.public.pem())
    other = tmp_path / "log.pub"
    [log, *_] = [one for one in stock.service.trust.keys.values() if one.purpose != "approve"]
    other.write_bytes(log.public.pem())

    _, ours = stock.rows("/team", "--key", key)
    _, theirs = stock.rows("/team", "--key", other)

    assert 6 == ours["signed_by"]["ours"]
    assert 0 == theirs["signed_by"]["ours"]
    assert 6 == theirs["signed_by"]["bundle"]


def test_what_says_more_is_no_signature(tmp_path: Path) -> None:
    """
    An attestation is counted apart, and any other artifact not at all: neither signs the image.
    """
    with FakeReferrersRegistry() as registry:
        image = push(tmp_path, f"{registry.address}/team/app")
        [index] = manifests(image, children=False)
        with Registry(Repository(f"{registry.address}/team/app"), Registries()) as app:
            empty = Descriptor.of(EMPTY, b"{}")
            app.put_blob(empty, [b"{}"])
            for kind, said in ((BUNDLE, "https://slsa.dev/provenance/v1"), ("text/plain", "")):
                layer = Descriptor.of(kind, b"{}")
                annotations = {PREDICATE_TYPE: said}
                told = {"artifact_type": kind, "annotations": annotations}
                made = json.dumps(manifest(empty, [layer], subject=index, **told))
                app.put_manifest(made.encode(), IMAGE)
        done = sealbook("inventory", registry.address, "--json")

    rows = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert [([], 1), ([], 0), ([], 0)] == [(row["signed_by"], row["attestations"]) for row in rows]


def test_the_table_and_csv_say_the_same(stock: Stock) -> None:
    """
    The table has a line for each image and the coverage in percent; CSV has the rows of --json.
    """
    rows, _ = stock.rows("/team")
    table = stock.take("/team").stdout
    done = stock.take("/team", "--csv")

    assert 15 == sum(TAG in line or "child" in line for line in table.splitlines()[:-6])
    assert "  .sig             6   40.0 %" in table
    assert "  none             3   20.0 %" in table
    read = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["digest"] for row in rows] == [row["digest"] for row in read]
    assert [" ".join(row["signed_by"]) for row in rows] == [row["signed_by"] for row in read]
    assert "15 manifests in 5 repositories (5 indexes, 0 images, 10 children)" in done.stderr


def test_a_spreadsheet_runs_nothing() -> None:
    """
    What a registry says is text, also in a spreadsheet that the CSV is opened in.
    """
    row = Row(Repository("a.example/b"), None, "image", code="malformed", message='=cmd("x")')

    assert csv_line(values(row)).endswith(""",malformed,"'=cmd(""x"")\"""")


def test_what_is_needed_decides_the_exit_code(stock: Stock) -> None:
    """
    --need fails where one image is not signed so; --unsigned lists what nothing signs.
    """
    assert 0 == stock.take("/team/all", "--need", "ours").returncode
    assert 1 == stock.take("/team/legacy", "--need", "ours").returncode
    assert 1 == stock.take("/team", "--need", "any").returncode
    assert 0 == stock.take("/team").returncode

    rows, coverage = stock.rows("/team", "--unsigned")
    assert {f"{stock.address}/team/bare"} == {row["repository"] for row in rows}
    assert 15 == coverage["images"], "what is not listed is counted nevertheless"


def test_what_cannot_be_read_is_not_unsigned(service: InProcess, tmp_path: Path) -> None:
    """
    A spoiled manifest, and too many referrers, are rows with a code, counted apart, and a failure.
    """
    with FakeReferrersRegistry() as registry:
        image = push(tmp_path, f"{registry.address}/team/app")
        other = push(tmp_path, f"{registry.address}/team/other")
        kept = registry.kept("team/app")
        kept.manifests[image.index.digest] = (image.index.media_type, b'{"manifests":[]}')
        flood = [{"mediaType": "a/b", "digest": f"sha256:{n:064x}", "size": 1} for n in range(2000)]
        registry.referring = lambda _, digest: (  # type: ignore[method-assign]
            iter({**one, "annotations": {}, "artifactType": "a/b"} for one in flood)
            if digest == other.index.digest
            else iter(())
        )

        done = sealbook("inventory", registry.address, "--json")

    *rows, last = map(json.loads, done.stdout.splitlines())
    assert 1 == done.returncode
    codes = {(row["repository"].rpartition("/")[2], row["kind"]): row["code"] for row in rows}
    assert "wrong-content" == codes["app", "image"]
    assert "too-many-signatures" == codes["other", "index"]
    assert (2, 2) == (last["coverage"]["unread"], last["coverage"]["none"])


def test_a_bundle_that_is_gone_hides_no_other(service: InProcess, tmp_path: Path) -> None:
    """
    A bundle that is listed and cannot be had is odd; what else signs the image counts.
    """
    with FakeReferrersRegistry() as registry:
        repository = f"{registry.address}/team/app"
        image = push(tmp_path, repository)
        index = manifests(image, children=False)
        first = made(service, repository, index, ("bundle", "simplesigning"))
        attach(repository, [*first, *made(service, repository, index, ("bundle",), renew=True)])
        [_, [bundle, _]] = first[0]
        del registry.kept("team/app").blobs[bundle.described.digest]
        trust = service.directory / "trust.json"
        done = sealbook("inventory", f"{repository}", "--trust", trust, "--json")

    row = json.loads(done.stdout.splitlines()[0])
    assert (["ours", "bundle", ".sig"], "verified") == (row["signed_by"], row["proof"])
    assert 1 == row["odd"]
    assert 0 == done.returncode


def test_a_registry_without_a_catalog(stock: Stock, tmp_path: Path) -> None:
    """
    Where repositories are not listed that is said: a named one is looked at alone, or a file names
    them.
    """
    with Uncatalogued() as registry:
        push(tmp_path, f"{registry.address}/team/app")
        host = sealbook("inventory", registry.address)
        alone = sealbook("inventory", f"{registry.address}/team/app")
        names = tmp_path / "names"
        names.write_text(f"{registry.address}/team/app\n\n{registry.address}/team/gone\n")
        named = sealbook("inventory", "--from-file", names, "--json")
        asked = len(registry.requests)
        exactly = sealbook("inventory", f"{registry.address}/team/app", "--alone")
        catalogs = [one for one in registry.requests[asked:] if "_catalog" in one]

    assert (1, "") == (host.returncode, host.stdout)
    assert "no-image" in host.stderr
    assert "--from-file" in host.stderr
    assert 0 == alone.returncode
    assert "is looked at alone" in alone.stderr
    assert "3 manifests in 1 repositories" in alone.stdout
    assert (1, []) == (named.returncode, catalogs)
    rows = [json.loads(line) for line in named.stdout.splitlines()]
    assert 3 == sum(row.get("signed_by") == [] and not row["code"] for row in rows[:-1])
    assert "no-image" == rows[-2]["code"], "one that is not there hides no other"
    assert 0 == exactly.returncode


def test_a_registry_that_does_not_answer() -> None:
    """
    A registry that nobody reaches is an error, and not one without a catalog.
    """
    done = sealbook("inventory", "127.0.0.1:9/team/app", "--json")

    assert (1, "registry-unreachable") == (done.returncode, json.loads(done.stdout)["error"])
    assert "alone" not in done.stderr


def test_a_catalog_that_ends_early(tmp_path: Path) -> None:
    """
    Half a catalog is no inventory: it fails, and nothing is looked at in its stead.
    """

    class Halved(FakeReferrersRegistry):
        """A registry that shows nobody the second page of its catalog."""

        def refuses(self, asked: Asked) -> Refusal | None:
            is_later = asked.kind == "catalog" and "last" in asked.query
            return Refusal(403, "DENIED") if is_later else None

        def answer(self, asked: Asked) -> Answer:
            paged = {**asked.query, "n": "1"} if asked.kind == "catalog" else asked.query
            return super().answer(asked._replace(query=paged))

    with Halved() as registry:
        push(tmp_path, f"{registry.address}/team/app")
        push(tmp_path, f"{registry.address}/team/app/more")
        done = sealbook("inventory", f"{registry.address}/team/app")

    assert 1 == done.returncode
    assert "registry-denied" in done.stderr
    assert "alone" not in done.stderr


def test_an_image_without_a_tag_is_found_by_its_signature(
    service: InProcess, tmp_path: Path
) -> None:
    """
    An untagged image is found by the tag of its signatures; signatures without an image are none.
    """
    with FakeReferrersRegistry(referrers_api=False) as registry:
        repository = f"{registry.address}/team/app"
        image = push(tmp_path, repository)
        attach(repository, made(service, repository, manifests(image), ("bundle", "simplesigning")))
        kept = registry.kept("team/app")
        del kept.tags[TAG]
        lone = sealbook("inventory", registry.address, "--json")
        del kept.manifests[image.index.digest]
        for one in manifests(image)[1:]:
            del kept.manifests[one.digest]
        gone = sealbook("inventory", registry.address, "--json")

    *rows, last = map(json.loads, lone.stdout.splitlines())
    assert {image.index.digest, image.child} < {row["digest"] for row in rows}
    assert [["ours", "bundle", ".sig"]] * 3 == [row["signed_by"] for row in rows]
    assert [[]] * 3 == [row["tags"] for row in rows]
    assert 3 == last["coverage"]["images"]
    assert 0 == json.loads(gone.stdout.splitlines()[-1])["coverage"]["images"]
    assert 0 == gone.returncode


def test_an_index_of_indexes(tmp_path: Path) -> None:
    """
    What is under an index that is under an index counts; what buildx puts beside platforms does
    not; a platform with a tag of its own is an image.
    """
    with FakeReferrersRegistry() as registry:
        repository = f"{registry.address}/team/app"
        inner = manifests(push(tmp_path, repository))
        beside = manifests(push(tmp_path / "beside", repository, "beside"))[1]
        marked = beside._replace(annotations={"vnd.docker.reference.type": "attestation-manifest"})
        listed = [inner[0].json(), marked.json()]
        outer = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        kept = registry.kept("team/app")
        with Shelf(repository) as shelf:
            shelf.manifest(INDEX, json.dumps(outer).encode(), "outer")
        kept.tags = {"outer": kept.tags["outer"], "second": inner[2].digest}
        done = sealbook("inventory", repository, "--json")
        del kept.manifests[inner[0].digest]
        broken = sealbook("inventory", repository, "--json")

    rows = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert {
        ("index", "outer", ""),
        ("child", "", kept.tags["outer"]),
        ("child", "", inner[0].digest),
        ("image", "second", ""),
    } == {(row["kind"], " ".join(row["tags"]), row["parent"]) for row in rows}
    assert 4 == len(rows)
    assert 0 == done.returncode
    assert 1 == broken.returncode, "what is under an index that is gone is not known"
    [lost, *_, told] = map(json.loads, broken.stdout.splitlines())
    assert (inner[0].digest, "no-image") == (lost["digest"], lost["code"])
    assert (2, 1) == (told["coverage"]["images"], told["coverage"]["unread"])


def test_a_platform_with_a_tag_of_its_own(tmp_path: Path) -> None:
    """
    A platform that has a tag is an image, whichever of the two is read first.
    """
    with FakeReferrersRegistry() as registry:
        repository = f"{registry.address}/team/app"
        index, first, second = manifests(push(tmp_path, repository))
        kept = registry.kept("team/app")
        kept.tags = {"a": first.digest, "b": index.digest, "c": second.digest}
        done = sealbook("inventory", repository, "--json")

    rows = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert {("image", "a", ""), ("index", "b", ""), ("image", "c", "")} == {
        (row["kind"], *row["tags"], row["parent"]) for row in rows
    }


def test_what_tags_do_not_name_is_not_asked_for(tmp_path: Path) -> None:
    """
    An image that nothing signs costs its manifest, and one list of referrers for each digest.
    """
    with FakeReferrersRegistry() as registry:
        push(tmp_path, f"{registry.address}/team/app")
        before = len(registry.requests)
        sealbook("inventory", f"{registry.address}/team")
        asked = registry.requests[before:]

    assert 1 == sum("/manifests/" in one for one in asked), asked
    assert 3 == sum("/referrers/" in one for one in asked), asked
    assert 6 == len(asked), "the catalog, and the list of tags"


def test_many_tags(tmp_path: Path) -> None:
    """
    More tags than are looked at at a time are all looked at, in their order, once for each digest.
    """
    count = 2 * WINDOW + 7
    with FakeReferrersRegistry(referrers_api=False) as registry:
        push(tmp_path, f"{registry.address}/team/app")
        kept = registry.kept("team/app")
        media_type, content = kept.manifests[kept.tags[TAG]]
        for n in range(count):
            spaced = content + b" " * n
            kept.tags[f"v{n:04}"] = Digest.of(spaced)
            kept.manifests[Digest.of(spaced)] = media_type, spaced
        done = sealbook("inventory", f"{registry.address}/team/app", "--json", "--jobs", "8")

    rows = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    tagged = [row["tags"] for row in rows if row["kind"] == "index"]
    assert [[TAG, "v0000"], *([f"v{n:04}"] for n in range(1, count))] == tagged
    assert 2 == sum(row["kind"] == "child" for row in rows)
