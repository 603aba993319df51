"""What is attached to an image, in its registry or a layout: found in time, and never hidden."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.pull.hostile import JSON, SLACK, Asked, HostileRegistry, answer, bounded, told
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.verifier.books import Book
from tests.verifier.gates import Host, Shelf, junk, said
from tests.verifier.making import IMAGE
from verifier import limits
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull import kinds
from verifier.pull.decision import Question
from verifier.pull.images import EMPTY, EMPTY_CONTENT, INDEX, Descriptor, Images, fallback_tag
from verifier.pull.images import IMAGE as MANIFEST
from verifier.pull.layouts import Layout
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.pull.sources.layout import LayoutSource
from verifier.pull.sources.registry import RegistrySource
from verifier.repository import Repository

ALONE = Registries((), docker=False)
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
OURS = Repository("registry.example/team/app")


class Shop:
    """A place of images with one image, to which a test attaches what it likes."""

    def __init__(self, images: Images) -> None:
        self.images = images
        config = self.blob("application/vnd.oci.image.config.v1+json", b"{}")
        value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.json(), "layers": []}
        self.subject = self.put(value, "1.0")

    def blob(self, media_type: str, content: bytes) -> Descriptor:
        described = Descriptor.of(media_type, content)
        self.images.put_blob(described, [content])
        return described

    def put(self, value: Mapping[str, Any], tag: str = "") -> Descriptor:
        content = json.dumps(value).encode()
        self.images.put_manifest(content, value["mediaType"], tag)
        return Descriptor.of(value["mediaType"], content)

    def attach(
        self, content: bytes, *, kind: str = BUNDLE, subject: Descriptor | None = None, **more: Any
    ) -> Descriptor:
        """Attach an artifact with one layer, and list it where there is no API for that."""
        layer = self.blob(kind, content)
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": self.blob(EMPTY, EMPTY_CONTENT).json(),
            "layers": [layer.json()],
            "subject": (subject or self.subject).json(),
            **more,
        }
        said = more.get("annotations", {})
        return self.put(value)._replace(artifact_type=kind, annotations=said)

    def list(self, *attached: Descriptor) -> None:
        """Write the index under the fallback tag."""
        listed = [one.json() for one in attached]
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        self.put(value, fallback_tag(self.subject.digest))


@pytest.fixture
def book() -> Book:
    """A ledger."""
    return Book()


@pytest.fixture(params=["docker-registry", "api", "layout"])
def shop(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Shop, Question, RegistrySource | LayoutSource]]:
    """A real registry, one with the referrers API, and a layout, each with its source."""
    if request.param == "layout":
        images: Images = Layout(tmp_path / "layout", create=True)
        source: RegistrySource | LayoutSource = LayoutSource(str(tmp_path / "layout"))
        shop = Shop(images)
        yield shop, Question(shop.subject.digest, OURS), source
        images.close()
        return
    if request.param == "api":
        with FakeReferrersRegistry() as registry:
            yield from _in(registry.address)
    else:
        yield from _in(request.getfixturevalue("address"))


def _in(address: str) -> Iterator[tuple[Shop, Question, RegistrySource]]:
    repository = Repository(f"{address}/team/{uuid4().hex}")
    with Registry(repository, ALONE) as images:
        shop = Shop(images)
        yield shop, Question(shop.subject.digest, repository), RegistrySource(ALONE)


def bundle(book: Book, question: Question) -> bytes:
    index = book.approve(digest=question.digest, repository=question.repository)
    return book.bundle(index)


def test_a_bundle_is_found(shop: tuple[Shop, Question, RegistrySource], book: Book) -> None:
    """
    A bundle that is attached is found, by the API, the fallback tag, or in a layout.
    """
    place, question, source = shop
    assert [] == list(source.bundles(question, 20.0))
    content = bundle(book, question)
    place.list(place.attach(content))

    assert [content] == list(source.bundles(question, 20.0))


def test_others_are_no_bundles(shop: tuple[Shop, Question, RegistrySource]) -> None:
    """
    An image that is signed for notation or Podman only is not "unsigned": it has no proof.
    """
    place, question, source = shop
    place.list(place.attach(b"{}", kind="application/vnd.cncf.notary.signature"))
    assert "no-proof" == code(source, question)
    place.put(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": place.blob(EMPTY, EMPTY_CONTENT).json(),
            "layers": [place.blob(SIMPLE, b"{}").json()],
        },
        f"{fallback_tag(question.digest)}.sig",
    )
    place.list()
    assert "no-proof" == code(source, question)


def code(source: Any, question: Question, left_s: float = 20.0) -> str:
    try:
        list(source.bundles(question, left_s))
    except VerificationError as e:
        return e.code
    return ""


def test_odd_ones_hide_no_other(shop: tuple[Shop, Question, RegistrySource], book: Book) -> None:
    """
    O2 to O4: an artifact about another image, or too large a layer, hides no good one, and is
    told where there is none.
    """
    place, question, source = shop
    other = Descriptor.of(MANIFEST, b"another image")
    odd = [place.attach(b"{}", subject=other), place.attach(b"x" * (limits.CANDIDATE + 1))]
    place.list(*odd)
    assert code(source, question) in ("malformed", "over-limit")
    content = bundle(book, question)
    place.list(*odd, place.attach(content))
    found: list[bytes] = []
    with contextlib.suppress(VerificationError):
        found.extend(source.bundles(question, 20.0))

    assert [content] == found


def test_what_says_its_place_comes_first(
    shop: tuple[Shop, Question, RegistrySource], book: Book
) -> None:
    """
    O5: behind any number of junk, a signature that is listed with its place in the log is found.
    """
    place, question, source = shop
    content = bundle(book, question)
    flood = [place.attach(one) for one in junk(content, limits.CANDIDATES + 5)]
    place.list(*flood)
    assert "too-many-signatures" == code(source, question)
    hint = {kinds.INDEX: "0", kinds.LOG_ID: "0" * 64}
    place.list(*flood, place.attach(content, annotations=hint))

    assert content == next(source.bundles(question, 20.0))


def test_the_gate_finds_it(shop: tuple[Shop, Question, RegistrySource], tmp_path: Path) -> None:
    """
    The gate lets an image run for what is attached to it, and names the source.
    """
    place, question, source = shop
    host = Host(tmp_path / "host")
    content = bundle(host.book, question)
    host.believe()
    place.list(place.attach(content))
    found = host.gate(source).decide(question)

    assert ((True, ""), (source.name,)) == (said(found), found.sources)
    assert question.digest == found.digest


class TestHostile:
    """A registry that lies, behind the gate. No row ends in "unsigned", and none in a yes."""

    REFERRERS = f"/v2/app/referrers/{IMAGE}"
    TAG = f"/v2/app/manifests/{fallback_tag(IMAGE)}"

    @pytest.fixture
    def host(self, tmp_path: Path) -> Host:
        host = Host(tmp_path)
        host.book.approve()
        host.believe()
        return host

    def question(self, hostile: HostileRegistry) -> Question:
        return Question(IMAGE, Repository(f"{hostile.address}/app"))

    def referrer(self, number: int) -> dict[str, object]:
        return {
            "mediaType": MANIFEST,
            "digest": Digest.of(b"%d" % number),
            "size": 300,
            "artifactType": BUNDLE,
        }

    def listing(self, *listed: object) -> list[bytes]:
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        return told(value, media_type=INDEX)

    def refused(self, hostile: HostileRegistry, host: Host, left_s: float = 20.0) -> str:
        found = host.gate(RegistrySource(ALONE)).decide(self.question(hostile), left_s)
        assert not found.allowed
        assert "unsigned" != found.code
        return found.code

    def test_ten_thousand_referrers(self, hostile: HostileRegistry, host: Host) -> None:
        """
        O1: 10,000 referrers are too many.
        """
        page = self.listing(*map(self.referrer, range(10_000)))
        hostile.sends[self.REFERRERS] = lambda _: page
        with bounded(seconds=5, mebibytes=30):
            assert "too-many-signatures" == self.refused(hostile, host)

    def test_pages_without_end(self, hostile: HostileRegistry, host: Host) -> None:
        """
        O1: a list whose next page is always another one ends.
        """
        number = itertools.count()

        def send(_: Asked) -> Iterable[bytes]:
            at = next(number)
            link = f'<{self.REFERRERS}?n={at}>; rel="next"'
            value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [self.referrer(at)]}
            return answer(200, json.dumps(value).encode(), {"Content-Type": INDEX, "Link": link})

        hostile.sends[self.REFERRERS] = send
        self.refused(hostile, host, 5.0)

    def test_another_manifest(self, hostile: HostileRegistry, host: Host) -> None:
        """
        O3: a manifest that is not the one that was listed.
        """
        hostile.sends[self.REFERRERS] = lambda _: self.listing(self.referrer(1))
        path = f"/v2/app/manifests/{self.referrer(1)['digest']}"
        hostile.sends[path] = lambda _: answer(200, b"{}", {"Content-Type": MANIFEST})

        assert "wrong-content" == self.refused(hostile, host)

    def test_a_blob_of_gigabytes(self, hostile: HostileRegistry, host: Host) -> None:
        """
        O4, CVE-2024-29902: a layer of 5 GB is not fetched.
        """
        layer = {"mediaType": BUNDLE, "digest": Digest.of(b"x"), "size": 5 << 30}
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(EMPTY, EMPTY_CONTENT).json(),
            "layers": [layer],
            "subject": {"mediaType": MANIFEST, "digest": IMAGE, "size": 8},
        }
        content = json.dumps(value).encode()
        listed = Descriptor.of(MANIFEST, content)
        hostile.sends[self.REFERRERS] = lambda _: self.listing(listed.json())
        hostile.sends[f"/v2/app/manifests/{listed.digest}"] = lambda _: answer(
            200, content, {"Content-Type": MANIFEST}
        )

        assert "over-limit" == self.refused(hostile, host)
        assert not [one for one in hostile.asked if "blobs" in one.path]

    @pytest.mark.parametrize("status", [401, 403, 412, 429, 500, 503], ids=str)
    def test_faults(self, hostile: HostileRegistry, host: Host, status: int) -> None:
        """
        A registry that lets nobody ask, or is ill, is named as that.
        """
        hostile.sends[self.REFERRERS] = lambda _: answer(status, b"{}", JSON)

        assert "unsigned" != self.refused(hostile, host, 5.0)

    def test_no_registry(self, host: Host) -> None:
        """
        Where nobody listens, nobody said that it is unsigned.
        """
        question = Question(IMAGE, Repository("127.0.0.1:1/app"))

        assert (False, "registry-unreachable") == said(
            host.gate(RegistrySource(ALONE)).decide(question)
        )

    @pytest.mark.parametrize("pace", ["slow", "quick"])
    def test_a_byte_at_a_time(self, hostile: HostileRegistry, host: Host, pace: str) -> None:
        """
        A registry that drips does not get more time by dripping faster, and leaves time for
        whoever is asked after it.
        """
        piece, pause_s = (b" ", 0.05) if pace == "slow" else (b" " * 8192, 0.05)
        head = f"HTTP/1.1 200 X\r\nContent-Type: {INDEX}\r\nContent-Length: {4 << 20}\r\n\r\n"

        def send(_: Asked) -> Iterable[bytes]:
            return itertools.chain(
                [head.encode()], hostile.slowly(itertools.repeat(piece), pause_s)
            )

        hostile.sends[self.REFERRERS] = hostile.sends[self.TAG] = send
        question = self.question(hostile)
        index = host.book.approve(repository=question.repository)
        host.believe(2)
        began = time.monotonic()
        good = Shelf("service", host.book.bundle(index))
        found = host.gate(RegistrySource(ALONE), good).decide(question, 2.0)

        assert (True, "") == said(found)
        assert time.monotonic() - began < 2.0 * SLACK
        alone = host.gate(RegistrySource(ALONE)).decide(question, 1.0)
        assert alone.code in ("registry-timeout", "pull-timeout")
