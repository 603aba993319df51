"""Layouts and archives that are written: whole or not at all, and nothing there is lost."""

from __future__ import annotations

import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verifier.laid_out import CONFIG, IMAGE, INDEX, LAYER, LaidOut, Row, tagged
from tests.verifier.making import refused
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.archive import Archive
from verifier.pull.errors import WrongContentError
from verifier.pull.images import Descriptor, Images, Manifest, fallback_tag
from verifier.pull.layouts import Layout
from verifier.pull.whole import whole_image

LARGE = b"0123456789abcdef" * (3 << 16)  # three pieces
ARTIFACT = "application/vnd.example.signature"


class Target:
    """A place that a test makes, and opens again."""

    def __init__(self, path: Path, *, archived: bool) -> None:
        self.path, self.archived = path, archived

    def open(self) -> Layout | Archive:
        """Open it, and make it when it is not there."""
        kind = Archive if self.archived else Layout
        return kind(self.path, create=True)


@pytest.fixture(params=["oci", "oci-archive"])
def target(tmp_path: Path, request: pytest.FixtureRequest) -> Target:
    """A place where nothing is yet."""
    return Target(tmp_path / "target", archived=request.param == "oci-archive")


def manifest(name: str, subject: Descriptor | None = None, **more: object) -> bytes:
    """Return the manifest of an image or, with a subject, of an artifact, whose blobs are `put`."""
    layer = Descriptor.of(LAYER, f"layer of {name}".encode()).json()
    value: Row = {"schemaVersion": 2, "mediaType": IMAGE, "layers": [layer], **more}
    value["config"] = Descriptor.of(CONFIG, b"{}").json()
    if subject is not None:
        value |= {"subject": subject.json(), "artifactType": ARTIFACT}
        value["annotations"] = {"made.of": name}
    return json.dumps(value).encode()


def put(images: Images, name: str, tag: str = "", subject: Descriptor | None = None) -> Descriptor:
    """Put an image or artifact there, with its blobs."""
    for media_type, content in ((LAYER, f"layer of {name}".encode()), (CONFIG, b"{}")):
        images.put_blob(Descriptor.of(media_type, content), [content])
    content = manifest(name, subject)
    images.put_manifest(content, IMAGE, tag)
    return Descriptor.of(IMAGE, content)


def test_round_trip(target: Target) -> None:
    """
    What was put is there for who opens it later: index, children, layers, names and referrers.
    """
    images = target.open()
    children = [put(images, name) for name in "ab"]
    index = json.dumps({"schemaVersion": 2, "manifests": [c.json() for c in children]}).encode()
    top = Descriptor.of(INDEX, index)
    assert images.put_manifest(index, INDEX, "1.0").listed is False
    signature = put(images, "signature", subject=top)
    of_signature = put(images, "of the signature", subject=signature)
    legacy = put(images, "legacy", f"{fallback_tag(top.digest)}.sig")
    images.close()

    again = target.open()
    assert [top, *children] == [m.descriptor for m in whole_image(again, "1.0")]
    assert [top, *children] == [m.descriptor for m in whole_image(again, "")]
    shown = {"artifact_type": ARTIFACT, "annotations": {"made.of": "signature"}}
    assert [signature._replace(**shown)] == again.referrers(top.digest)
    assert [of_signature.digest] == [one.digest for one in again.referrers(signature.digest)]
    assert [] == again.referrers(of_signature.digest)
    assert legacy == again.resolve(f"{fallback_tag(top.digest)}.sig")
    assert ["1.0", f"{fallback_tag(top.digest)}.sig"] == list(again.tags())
    layer = again.manifest(children[1].digest).layers[0]
    assert b"layer of b" == b"".join(again.blob(layer)) == again.small_blob(layer, 100)
    again.close()


def test_only_roots_are_listed(target: Target) -> None:
    """
    index.json lists what nothing else leads to: indexes, single images, and referrers.
    """
    images = target.open()
    child, alone = put(images, "child"), put(images, "alone")
    index = json.dumps({"schemaVersion": 2, "manifests": [child.json()]}).encode()
    images.put_manifest(index, INDEX)
    put(images, "signature", subject=child)
    images.put_manifest(manifest("child"), IMAGE, "amd64")
    images.close()

    again = target.open()
    assert ["amd64"] == list(again.tags())
    assert "found 3" in refused("no-image", lambda: again.resolve("")).message
    assert child == again.resolve(child.digest)
    again.delete("amd64")
    again.delete(alone.digest)
    assert Digest.of(index) == again.resolve("").digest
    again.close()


def test_tag_moves(target: Target) -> None:
    """
    A name that is put again means the new image; the old one is there by its digest.
    """
    images = target.open()
    old = put(images, "old", "1.0")
    new = put(images, "new", "1.0")
    put(images, "new", "1.1")
    images.close()

    again = target.open()
    assert new == again.resolve("1.0") == again.resolve("1.1")
    assert old == again.resolve(old.digest)._replace(media_type=IMAGE)
    assert ["1.0", "1.1"] == sorted(again.tags())
    again.close()


def test_named_referrer_stays(target: Target) -> None:
    """
    A signature whose name goes to another stays on the list of referrers.
    """
    images = target.open()
    image = put(images, "app")
    first = put(images, "first", "signature", image)
    put(images, "second", "signature", image)
    images.delete("signature")

    assert 2 == len(images.referrers(image.digest))
    assert first.digest in [one.digest for one in images.referrers(image.digest)]
    images.close()


def test_delete(target: Target) -> None:
    """
    What is deleted by digest is gone, with its names; what is deleted by name is there by digest.
    """
    images = target.open()
    kept, gone = put(images, "kept", "kept"), put(images, "gone", "gone")
    signature = put(images, "signature", subject=kept)
    images.delete("kept")
    images.delete(gone.digest)
    images.delete(signature.digest)
    images.close()

    again = target.open()
    assert kept.digest == again.manifest(kept.digest).descriptor.digest
    assert [] == list(again.tags()) == again.referrers(kept.digest)
    for missing in ("kept", "gone", gone.digest, signature.digest):
        refused("no-image", lambda missing=missing: again.resolve(missing))
        refused("no-image", lambda missing=missing: again.delete(missing))
    again.close()


def test_deleted_and_put_again(target: Target) -> None:
    """
    What was deleted can be put again, before and after it is written.
    """
    images = target.open()
    image = put(images, "app", "1")
    images.close()
    images = target.open()
    images.delete(image.digest)
    assert image == put(images, "app", "1")
    images.close()

    again = target.open()
    assert image == again.manifest("1").descriptor
    again.close()


def test_blob_is_sent_once(target: Target) -> None:
    """
    Nothing is read of a blob that is there already; not even by who comes later.
    """

    def never() -> Iterator[bytes]:
        raise AssertionError("read again")
        yield b""

    images = target.open()
    put(images, "app", "1")
    layer = Descriptor.of(LAYER, b"layer of app")
    images.put_blob(layer, never())
    images.close()
    images = target.open()
    images.put_blob(layer, never())

    assert images.has_blob(layer.digest)
    assert not images.has_blob(Digest.of(b"other"))
    images.close()


@pytest.mark.parametrize("pieces", [[LARGE[:-1]], [LARGE, b"x"], [LARGE[:-1], b"x"], []])
def test_wrong_blob(target: Target, pieces: list[bytes]) -> None:
    """
    A blob that is not what was described is not put there at all, and leaves nothing behind.
    """
    images = target.open()
    put(images, "app", "1")
    before = sorted(str(path) for path in target.path.parent.rglob("*"))
    refused("wrong-content", lambda: images.put_blob(Descriptor.of(LAYER, LARGE), pieces))

    assert not images.has_blob(Digest.of(LARGE))
    assert before == sorted(str(path) for path in target.path.parent.rglob("*"))
    images.close()


def test_too_long_is_not_read(target: Target) -> None:
    """
    Of a blob that never ends no more is taken than was described.
    """

    def endless() -> Iterator[bytes]:
        for n in range(100):
            assert n < 5
            yield LARGE

    images = target.open()
    refused("wrong-content", lambda: images.put_blob(Descriptor.of(LAYER, LARGE), endless()))
    images.close()


def test_failing_source(target: Target) -> None:
    """
    A blob whose source fails half-way is not there.
    """

    def failing() -> Iterator[bytes]:
        yield LARGE[:100]
        raise WrongContentError("the other side")

    images = target.open()
    refused("wrong-content", lambda: images.put_blob(Descriptor.of(LAYER, LARGE), failing()))
    assert not images.has_blob(Digest.of(LARGE))
    images.close()


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", "malformed"), (b'{"manifests":[],"layers":[]}', "ambiguous-manifest")],
)
def test_bad_manifest(target: Target, content: bytes, code: str) -> None:
    """
    What is no manifest is not put there.
    """
    images = target.open()
    refused(code, lambda: images.put_manifest(content, IMAGE, "1"))
    assert [] == list(images.tags())
    images.close()


def test_listed_and_missing(tmp_path: Path) -> None:
    """
    Where something that is listed is not there, nobody is told that there are no signatures.
    """
    target = Target(tmp_path / "target", archived=False)
    images = target.open()
    image = put(images, "app", "1")
    content = manifest("signature", image)
    images.put_manifest(content, IMAGE)
    images.close()
    (target.path / "blobs" / "sha256" / Digest.of(content).hex).unlink()

    refused("bad-layout", lambda: target.open().referrers(image.digest))


def test_unknown_fields_stay(tmp_path: Path) -> None:
    """
    What others wrote into index.json stays, also what nobody here knows.
    """
    layout = LaidOut(tmp_path / "image")
    strange = {"mediaType": "text/plain", "digest": Digest.of(b"?"), "size": 1, "x-y": [1, {}]}
    odd = {**layout.image("odd"), "annotations": {"a": "b"}, "platform": {"os": "linux"}}
    layout.top(strange, odd, tagged(layout.image("old"), "1.0"))
    index = json.loads((layout.directory / "index.json").read_bytes())
    (layout.directory / "index.json").write_text(json.dumps({**index, "annotations": {"c": "d"}}))
    images = Layout(layout.directory)
    put(images, "new", "1.1")
    assert [] == images.referrers(odd["digest"])
    images.put_manifest(images.manifest(odd["digest"]).content, IMAGE, "odd")
    images.close()

    written = json.loads((layout.directory / "index.json").read_bytes())
    assert {"c": "d"} == written["annotations"]
    assert strange == written["manifests"][0]
    name = {"org.opencontainers.image.ref.name": "odd"}
    assert {**odd, "annotations": {"a": "b", **name}} == written["manifests"][1]
    assert 4 == len(written["manifests"])


def test_many_writers(target: Target) -> None:
    """
    Of many threads that put manifests at once, none undoes what another listed.
    """
    images = target.open()
    image = put(images, "app", "app")
    errors: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for k in range(5):
                put(images, f"{n} {k}", f"tag-{n}-{k}")
                put(images, f"signature {n} {k}", subject=image)
        except VerificationError as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert 41 == len(list(images.tags()))
    assert 40 == len(images.referrers(image.digest))
    images.close()


def test_two_layouts_at_once(tmp_path: Path) -> None:
    """
    Two who have one directory open see what the other put, and undo nothing of it.
    """
    first, second = (Layout(tmp_path / "both", create=True) for _ in range(2))
    for n in range(5):
        put(first, f"a {n}", f"a-{n}")
        put(second, f"b {n}", f"b-{n}")
        assert 2 * n + 2 == len(list(first.tags())) == len(list(second.tags()))
    first.close()
    second.close()


def test_two_layouts_in_many_threads(tmp_path: Path) -> None:
    """
    Of two who have one directory open and write all the time, none undoes what the other listed.
    """
    both = [Layout(tmp_path / "both", create=True) for _ in range(2)]

    def work(n: int) -> None:
        for k in range(15):
            put(both[n % 2], f"{n} {k}", f"tag-{n}-{k}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 60 == len(list(both[0].tags())) == len(list(both[1].tags()))
    for one in both:
        one.close()


def test_archive_has_one_writer(tmp_path: Path) -> None:
    """
    While one writes an archive no other can; who comes after has what the first put there.
    """
    path = tmp_path / "a.tar"
    first, second = (Archive(path, create=True) for _ in range(2))
    put(first, "one", "1")
    refused("read-only", lambda: put(second, "two", "2"))
    first.close()
    put(second, "two", "2")
    second.close()

    third = Archive(path)
    assert ["1", "2"] == sorted(third.tags())
    third.close()
    assert [path] == list(tmp_path.iterdir())


def test_same_content_same_bytes(tmp_path: Path) -> None:
    """
    An archive is the same bytes for the same content, in whatever steps it was put there.
    """
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    images = Archive(one, create=True)
    for name in "abc":
        put(images, name)
    for name in "abc":
        put(images, name, name)
    images.close()
    for name in "abc":
        images = Archive(two, create=True)
        put(images, name, name)
        images.close()
        os.utime(two, (0, 0))

    assert one.read_bytes() == two.read_bytes()


def test_abandoned_archive(tmp_path: Path) -> None:
    """
    An archive that is abandoned is as it was, and what was put is not sent again next time.
    """
    path = tmp_path / "a.tar"
    images = Archive(path, create=True)
    put(images, "one", "1")
    images.close()
    before = path.read_bytes()
    images = Archive(path)
    put(images, "two", "2")
    images.abandon()
    assert before == path.read_bytes()

    again = Archive(path)
    assert ["1"] == list(again.tags())
    put(again, "three", "3")
    again.put_blob(Descriptor.of(LAYER, b"layer of two"), iter([b"not read"]))
    again.close()
    last = Archive(path)
    assert ["1", "3"] == sorted(last.tags())
    assert not last.has_blob(Digest.of(b"layer of two"))  # nothing leads to it
    last.close()
    assert [path] == list(tmp_path.iterdir())


def test_left_over_is_checked(tmp_path: Path) -> None:
    """
    What an earlier try left beside an archive counts only as far as it is whole.
    """
    path = tmp_path / "a.tar"
    images = Archive(path, create=True)
    put(images, "one", "1")
    images.abandon()
    blobs = tmp_path / "a.tar.partial" / "blobs" / "sha256"
    layer = Descriptor.of(LAYER, b"layer of one")
    (blobs / layer.digest.hex).write_bytes(bytes(layer.size))
    (blobs / ".0123.part").write_bytes(b"half of")

    again = Archive(path, create=True)
    put(again, "one", "1")
    again.close()
    last = Archive(path)
    assert b"layer of one" == last.small_blob(layer, 100)
    last.close()
    assert [path] == list(tmp_path.iterdir())


def test_untouched_archive(tmp_path: Path) -> None:
    """
    An archive that was only read is not written, and one that nothing was put into is not made.
    """
    path = tmp_path / "a.tar"
    Archive(path, create=True).close()
    assert [] == list(tmp_path.iterdir())
    images = Archive(path, create=True)
    put(images, "one", "1")
    images.close()
    seen = path.stat()
    again = Archive(path)
    whole_image(again, "1")
    again.close()

    assert (seen.st_ino, seen.st_mtime_ns) == (path.stat().st_ino, path.stat().st_mtime_ns)


def test_others_of_an_archive_stay(tmp_path: Path) -> None:
    """
    What else is in an archive, for older programs, stays there.
    """
    layout = LaidOut(tmp_path / "image", archived=True)
    (layout.directory / "manifest.json").write_text("[]")
    (layout.directory / "more").mkdir()
    (layout.directory / "more" / "repositories").write_text("{}")
    layout.top(tagged(layout.image("app"), "1.0"))
    path = layout.archive()
    images = Archive(path)
    put(images, "new", "1.1")
    images.close()

    with tarfile.open(path) as tar:
        names = tar.getnames()
        file = tar.extractfile("more/repositories")
        assert file is not None
        assert b"{}" == file.read()
    assert ["oci-layout", "index.json"] == names[:2]
    assert {"manifest.json", "more", "more/repositories", "blobs", "blobs/sha256"} < set(names)
    assert names[2:] == [*sorted(names[2:5]), *sorted(names[5:])]


def test_not_over_something_else(tmp_path: Path) -> None:
    """
    Nothing is written into a directory that holds something else, or where a file is.
    """
    (tmp_path / "thesis.txt").write_text("mine")
    refused("bad-layout", lambda: Layout(tmp_path, create=True))
    refused("read-only", lambda: Layout(tmp_path / "thesis.txt", create=True))
    refused("bad-layout", lambda: Archive(tmp_path / "thesis.txt", create=True))

    assert ["thesis.txt"] == [path.name for path in tmp_path.iterdir()]


def test_begun_layout(tmp_path: Path) -> None:
    """
    A layout whose making was ended half-way is made to its end.
    """
    (tmp_path / "image" / "blobs").mkdir(parents=True)
    images = Layout(tmp_path / "image", create=True)

    put(images, "app", "1")
    images.close()


def test_place_that_is_gone(tmp_path: Path) -> None:
    """
    Where nothing can be written, that is said, with what it was.
    """
    images = Layout(tmp_path / "image", create=True)
    (tmp_path / "image" / "blobs" / "sha256").rmdir()
    refused("read-only", lambda: put(images, "app", "1"))
    images.close()
    archive = Archive(tmp_path / "here" / "a.tar", create=True)
    (tmp_path / "here").write_text("a file")
    refused("read-only", lambda: put(archive, "app", "1"))
    archive.close()


def test_largest_of_small(target: Target) -> None:
    """
    A blob that is read whole has a largest size, whatever its descriptor says.
    """
    images = target.open()
    described = Descriptor.of(LAYER, LARGE)
    images.put_blob(described, [LARGE])
    assert LARGE == images.small_blob(described, len(LARGE))
    refused("over-limit", lambda: images.small_blob(described, len(LARGE) - 1))
    shorter = described._replace(size=10)
    refused("over-limit", lambda: images.small_blob(shorter, 100))
    refused("wrong-content", lambda: images.small_blob(shorter, len(LARGE)))
    refused("wrong-content", lambda: next(images.blob(shorter)))
    longer = described._replace(size=1 << 40)
    refused("wrong-content", lambda: images.small_blob(longer, len(LARGE)))
    missing = Descriptor.of(LAYER, b"missing")
    refused("no-image", lambda: images.small_blob(missing, 100))
    images.close()


def test_manifest_parses(target: Target) -> None:
    """
    A manifest is given out as it was put, byte for byte.
    """
    images = target.open()
    content = manifest("app", **{"x-unknown": 1.5}) + b"\n "
    images.put_manifest(content, IMAGE, "1")
    images.close()

    again = target.open()
    assert Manifest.parse(content, IMAGE) == again.manifest("1")
    again.close()
