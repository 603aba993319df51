"""Copying: nothing is lost, neither of what is brought nor of what was there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signer.attach.settling import Patience
from signer.carry import carrier as carriers
from signer.carry.copying import Copying
from signer.carry.routes import Leg
from signer.cli import main
from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from tests.signer.carry.stocked import (
    SIMPLE,
    copy,
    index,
    list_referrer,
    opened,
    put,
    stock,
)
from verifier import limits
from verifier.digest import Digest
from verifier.pull.forms import find_forms
from verifier.pull.images import INDEX, Descriptor, fallback_tag
from verifier.pull.whole import whole_image

Capture = pytest.CaptureFixture[str]
ATTACHED = 6  # what `stock` attaches


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settle at once: nobody else writes here, but where a test says so."""
    monkeypatch.setattr(carriers, "PATIENCE", Patience(settle_s=0.0, total_s=5.0))


@pytest.fixture(params=[True, False], ids=["API", "no API"])
def registry(request: pytest.FixtureRequest) -> Iterator[FakeReferrersRegistry]:
    """A registry that keeps the list of referrers, and one that does not."""
    with FakeReferrersRegistry(referrers_api=request.param) as double:
        yield double


def everything(place: str, top: Digest) -> dict[str, list[tuple[str, str]]]:
    """Return what is attached to an image and all under it, and to what is attached."""
    found: dict[str, list[tuple[str, str]]] = {}
    with closing(opened(place)) as images:
        new = [one.descriptor.digest for one in whole_image(images, top)]
        while new:
            digest = new.pop()
            attached = find_forms(images, digest)
            found[digest] = sorted(
                (one.where.replace("fallback", "referrers"), one.layer.digest)
                for one in attached.forms
            )
            new += [
                one.manifest.descriptor.digest
                for one in attached.artifacts
                if one.manifest.descriptor.digest not in found
            ]
    return found


@pytest.mark.parametrize("middle", ["registry", "layout", "archive"])
def test_all_of_it(
    registry: FakeReferrersRegistry, middle: str, tmp_path: Path, capsys: Capture
) -> None:
    """
    Whatever is attached to an index, a child, or an artifact arrives, from place to place.
    """
    start, end = f"{registry.address}/start", f"{registry.address}/end"
    top = stock(start)
    between = {
        "registry": f"{registry.address}/between",
        "layout": f"oci:{tmp_path}/layout",
        "archive": f"oci-archive:{tmp_path}/out.tar",
    }[middle]
    code, lines, _ = copy(capsys, f"{start}:1.0", between)
    tag = ":1.0" if middle == "registry" else ""
    code += copy(capsys, f"{between}{tag}", end)[0]

    assert 0 == code
    assert (3, ATTACHED, [], []) == tuple(
        lines[0][key] for key in ("manifests", "attached", "refused", "left_behind")
    )
    before, after = everything(start, top.digest), everything(end, top.digest)
    assert before == after
    assert ATTACHED == sum(len(what) for what in after.values())
    assert top.digest == registry.kept("end").tags["1.0"]


def test_byte_for_byte(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    Where nothing was, every manifest is the very same afterwards, and each blob was sent once.
    """
    stock(f"{registry.address}/start")
    code, _lines, _ = copy(capsys, f"{registry.address}/start:1.0", f"{registry.address}/end")
    start, end = registry.kept("start"), registry.kept("end")
    sums = dict(start.manifests.items())

    assert 0 == code
    tags = {tag: digest for tag, digest in start.tags.items() if "." in tag}
    assert tags == {tag: digest for tag, digest in end.tags.items() if "." in tag}
    if registry.referrers_api:
        assert sums == end.manifests
    assert start.blobs == end.blobs


def test_again_sends_nothing(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    A copy that is there already is looked at, and none of it is sent again.
    """
    words = (f"{registry.address}/start:1.0", f"{registry.address}/end")
    stock(words[0].removesuffix(":1.0"))
    copy(capsys, *words)
    before = registry.kept("end").manifests.copy()
    registry.requests.clear()
    code, lines, _ = copy(capsys, *words)

    assert (0, {"images": 1, "of": 1, "blobs": 0, "bytes": 0}) == (code, lines[-1])
    assert before == registry.kept("end").manifests
    assert [] == [one for one in registry.requests if one.startswith(("POST", "PATCH"))]


def test_stopped_and_gone_on(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    A copy that is stopped half-way has no tag there yet; started again it sends the rest alone.
    """

    class Failing(FakeReferrersRegistry):
        """Takes no manifests, until it does."""

        fails = True

        def refuses(self, asked: Asked) -> Refusal | None:
            is_manifest = (asked.method, asked.kind) == ("PUT", "manifests")
            return Refusal(403, "DENIED") if self.fails and is_manifest else None

    stock(f"{registry.address}/start")
    with Failing() as target:
        words = (f"{registry.address}/start:1.0", f"{target.address}/end")
        stopped = copy(capsys, *words)
        there = set(target.kept("end").blobs)
        tags = dict(target.kept("end").tags)
        target.fails = False
        code, lines, _ = copy(capsys, *words)
        sent = set(target.kept("end").blobs) - there

    assert (1, {}, "registry-denied") == (stopped[0], tags, stopped[1][0]["error"])
    assert (0, len(sent)) == (code, lines[-1]["blobs"])
    assert there
    assert sent


def test_tag_comes_last(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    When the tag is put there, all that belongs to the image is there.
    """
    stock(f"{registry.address}/start")
    registry.requests.clear()
    copy(capsys, f"{registry.address}/start:1.0", f"{registry.address}/end")
    puts = [one for one in registry.requests if one.startswith("PUT") and "/manifests/" in one]

    assert puts[-1].endswith("/end/manifests/1.0")
    assert 1 == sum(one.endswith("/manifests/1.0") for one in puts)


def test_merged_with_what_is_there(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    What the target has stays, in its order and with every field: signatures under the tags that
    all share, referrers that somebody listed.
    """
    start, end = f"{registry.address}/start", f"{registry.address}/end"
    top = stock(start)
    with closing(opened(end)) as images:
        children = [put(images, [f"app {n}".encode()]) for n in range(2)]
        assert top == index(images, children)
        put(images, [b"theirs"], subject=top)
        for kind in ("sig", "att", "sbom"):
            tag = f"{fallback_tag(top.digest)}.{kind}"
            put(images, [f"their {kind}".encode()], tag, layer_type=SIMPLE)
        list_referrer(images, children[1].digest, put(images, [b"strange"]), strange=[1])
    code, _, _ = copy(capsys, f"{start}:1.0", end)
    kept = registry.kept("end")

    assert 0 == code

    def layers(kind: str) -> list[bytes]:
        _, content = kept.manifests[kept.tags[f"{fallback_tag(top.digest)}.{kind}"]]
        return [kept.blobs[one["digest"]] for one in json.loads(content)["layers"]]

    assert [b"their sig", b"app simple"] == layers("sig")
    assert [b"their att"] == layers("att")
    assert [b"their sbom", b"app sbom"] == layers("sbom")
    rows = json.loads(kept.manifests[kept.tags[fallback_tag(children[1].digest)]][1])["manifests"]
    assert [1] == rows[0]["strange"]
    referrers = [where for where, _ in everything(end, top.digest)[top.digest]]
    assert 2 == referrers.count("referrers")


def test_rows_keep_their_fields(capsys: Capture) -> None:
    """
    A referrer is listed with every field that its list had, also those that nobody here knows.
    """
    with FakeReferrersRegistry(referrers_api=False) as registry:
        start, end = f"{registry.address}/start", f"{registry.address}/end"
        with closing(opened(start)) as images:
            top = put(images, [b"app"], "1.0")
            made = put(images, [b"odd"], subject=top)
            registry.kept("start").tags.clear()
            registry.kept("start").tags["1.0"] = top.digest
            list_referrer(images, top.digest, made, strange={"a": 1}, artifactType="wrong/type")
        code, _, _ = copy(capsys, f"{start}:1.0", end)
        kept = registry.kept("end")

    assert 0 == code
    [row] = json.loads(kept.manifests[kept.tags[fallback_tag(top.digest)]][1])["manifests"]
    assert ({"a": 1}, "wrong/type") == (row["strange"], row["artifactType"])


def test_written_by_another_meanwhile(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who overwrites the tag that all share, having read it before us, does not take ours away.
    """
    monkeypatch.setattr(carriers, "PATIENCE", Patience(settle_s=0.4, total_s=20.0))

    class Racing(FakeReferrersRegistry):
        """Has somebody write once, right after us, what they had read before us."""

        raced = False

        def refuses(self, asked: Asked) -> Refusal | None:
            if not self.raced and asked.method == "HEAD" and asked.rest.endswith(".sig"):
                kept = self.kept("end")
                if asked.name == "end" and asked.rest in kept.tags:
                    self.raced = True
                    kept.tags[asked.rest] = kept.tags["theirs"]
            return None

    with Racing(referrers_api=False) as registry:
        start, end = f"{registry.address}/start", f"{registry.address}/end"
        top = stock(start)
        with closing(opened(end)) as images:
            put(images, [b"theirs"], "theirs", layer_type=SIMPLE)
        code, _, told = copy(capsys, f"{start}:1.0", end)
        kept = registry.kept("end")
        _, content = kept.manifests[kept.tags[f"{fallback_tag(top.digest)}.sig"]]

    assert (0, True) == (code, registry.raced), told
    layers = [kept.blobs[one["digest"]] for one in json.loads(content)["layers"]]
    assert [b"theirs", b"app simple"] == sorted(layers, reverse=True)


def test_immutable_signatures(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    A tag that the target does not let be written again is said; all else is there.
    """
    start, end = f"{registry.address}/start", f"{registry.address}/end"
    top = stock(start)
    sig = f"{fallback_tag(top.digest)}.sig"
    with closing(opened(end)) as images:
        put(images, [b"theirs"], sig, layer_type=SIMPLE)
    words = "Failed to process request due to 'x' configured as immutable."
    registry.refuses = lambda asked: (  # type: ignore[method-assign]
        Refusal(412, "PRECONDITION", words)
        if (asked.method, asked.name, asked.rest) == ("PUT", "end", sig)
        else None
    )
    code, lines, told = copy(capsys, f"{start}:1.0", end)

    assert (1, [{"tag": sig, "error": "immutable-tag"}]) == (code, lines[0]["refused"])
    assert "lookaside" in told
    assert top.digest == registry.kept("end").tags["1.0"]
    before, after = everything(start, top.digest), everything(end, top.digest)
    missing = Counter(what for row in before.values() for what in row) - Counter(
        what for row in after.values() for what in row
    )
    assert [".sig"] == [where for where, _ in missing]


def test_taken_from_beside(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    Within one registry blobs are taken from the other repository, and none is sent.
    """
    stock(f"{registry.address}/start")
    registry.requests.clear()
    _, lines, _ = copy(capsys, f"{registry.address}/start:1.0", f"{registry.address}/end")

    assert any("mount=" in one and "from=start" in one for one in registry.requests)
    assert (0, 0) == (lines[-1]["blobs"], lines[-1]["bytes"])


def test_all_tags(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    A whole repository: every tag, and signatures of images that no tag leads to, even of such
    that are gone.
    """
    start, end = f"{registry.address}/start", f"{registry.address}/end"
    for n in range(3):
        stock(start, f"app {n}", f"1.{n}")
    untagged = stock(start, "untagged", "gone")
    gone = Digest.of(b"deleted long ago")
    del registry.kept("start").tags["gone"]
    with closing(opened(start)) as images:
        put(images, [b"of nothing"], f"{fallback_tag(gone)}.sig", layer_type=SIMPLE)
    code, lines, told = copy(capsys, start, end, "--all-tags")

    assert 0 == code, told
    assert registry.kept("start").tags.keys() == registry.kept("end").tags.keys()
    assert everything(start, untagged.digest) == everything(end, untagged.digest)
    assert {"1.0", "1.1", "1.2", ""} == {line["tag"] for line in lines[:-1]}


def test_many_repositories_in_one_file(
    registry: FakeReferrersRegistry, tmp_path: Path, capsys: Capture
) -> None:
    """
    Images of many repositories go into one tar file under the same tag, each with its own
    signatures, and out of it under another registry's roof.
    """
    names = [f"team-{n}/app" for n in range(3)]
    tops = [stock(f"{registry.address}/{name}", name) for name in names]
    listed = tmp_path / "images.txt"
    listed.write_text("".join(f"{registry.address}/{name}:1.0\n" for name in names))
    out = f"oci-archive:{tmp_path}/out.tar"
    code, lines, _ = copy(capsys, "--from-file", listed, out)
    assert (0, 3) == (code, lines[-1]["images"])
    with FakeReferrersRegistry(referrers_api=not registry.referrers_api) as inside:
        unclear = copy(capsys, out, f"{inside.address}/mirror")
        several = copy(capsys, out, f"{inside.address}/mirror", "--all-tags")
        code, lines, told = copy(capsys, out, f"{inside.address}/mirror", "--all-tags", "--under")
        one = f"{out}:{registry.address}/{names[1]}:1.0"
        single = copy(capsys, one, f"{inside.address}/single:2.0")

        assert (1, "no-image") == (unclear[0], unclear[1][0]["error"])
        assert (1, "bad-request") == (several[0], several[1][0]["error"])
        assert (0, 3) == (code, lines[-1]["images"]), told
        assert 0 == single[0], single[2]
        assert {f"mirror/{name}" for name in names} | {"single"} == set(inside.repositories)
        for name, top in zip(names, tops, strict=True):
            expected = everything(f"{registry.address}/{name}", top.digest)
            assert expected == everything(f"{inside.address}/mirror/{name}", top.digest)
        expected = everything(f"{registry.address}/{names[1]}", tops[1].digest)
        assert expected == everything(f"{inside.address}/single", tops[1].digest)
        assert tops[1].digest == inside.kept("single").tags["2.0"]


def test_same_tar_file(registry: FakeReferrersRegistry, tmp_path: Path, capsys: Capture) -> None:
    """
    The same images make the same tar file, byte for byte, however many threads sent them.
    """
    for n in range(4):
        stock(f"{registry.address}/start", f"app {n}", f"1.{n}")
    for file in ("one.tar", "two.tar"):
        words = (f"{registry.address}/start", f"oci-archive:{tmp_path}/{file}", "--all-tags")
        assert 0 == copy(capsys, *words)[0]

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("{r}/a",), "bad-request"),
        (("{r}/a", "{r}/b"), "bad-request"),
        (("{r}/a:1", "{r}/b:1", "{r}/c"), "bad-request"),
        (("{r}/a:1", "{r}/a:2", "{r}/c:3"), "bad-request"),
        (("{r}/a:1", "{r}/c@sha256:" + "0" * 64), "bad-request"),
        (("{r}/a:1", "{r}/c", "--all-tags"), "bad-request"),
        (("{r}/a:1", "oci:{t}/x", "--under"), "bad-request"),
        (("{r}/a:1", "nowhere"), "bad-place"),
        (("{r}/a:none", "{r}/b"), "no-image"),
        (("oci:{t}/none", "{r}/b"), "bad-layout"),
    ],
)
def test_words(tmp_path: Path, capsys: Capture, words: tuple[str, ...], code: str) -> None:
    """
    Words that do not fit together are refused before anything is written.
    """
    with FakeReferrersRegistry() as registry:
        stock(f"{registry.address}/a", tag="1")
        stock(f"{registry.address}/a", "other", tag="2")
        stock(f"{registry.address}/b", tag="1")
        registry.requests.clear()
        filled = [one.format(r=registry.address, t=tmp_path) for one in words]
        ended, lines, _ = copy(capsys, *filled)

        assert (1, code) == (ended, lines[0]["error"])
        assert [] == [one for one in registry.requests if not one.startswith(("GET", "HEAD"))]
        assert [] == list(tmp_path.iterdir())


def test_one_of_many_fails(
    registry: FakeReferrersRegistry, tmp_path: Path, capsys: Capture
) -> None:
    """
    What goes wrong with one image is said, and stops none of the others.
    """
    start = f"{registry.address}/start"
    bad, good = stock(start, "bad", "bad"), stock(start, "good", "good")
    with closing(opened(start)) as images:
        layer = whole_image(images, bad.digest)[1].layers[0]
    registry.kept("start").blobs[layer.digest] += b"x"
    code, lines, _told = copy(capsys, start, f"oci-archive:{tmp_path}/out.tar", "--all-tags")

    assert (1, "wrong-content") == (code, next(one["error"] for one in lines if "error" in one))
    with closing(opened(f"oci-archive:{tmp_path}/out.tar")) as archive:
        assert [f"{start}:good"] == [one for one in archive.tags() if "sha256-" not in one]
        assert good.digest == archive.resolve(f"{start}:good").digest


def test_odd_is_left_behind(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    What is listed and is about another image, or not there, is left behind and named.
    """
    start = f"{registry.address}/start"
    with closing(opened(start)) as images:
        top, other = put(images, [b"app"], "1.0"), put(images, [b"other"])
        stray = put(images, [b"stray"], subject=other)
        list_referrer(images, top.digest, stray)
    code, lines, told = copy(capsys, f"{start}:1.0", f"{registry.address}/end")

    assert (0, 0) == (code, lines[0]["attached"])
    assert stray.digest in lines[0]["left_behind"][0]
    assert "left behind" in told


def test_too_many(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    More artifacts than anybody needs are refused, whatever refers to what.
    """
    monkeypatch.setattr(limits, "CARRIED", 3)
    with FakeReferrersRegistry() as registry:
        start = f"{registry.address}/start"
        with closing(opened(start)) as images:
            last = put(images, [b"app"], "1.0")
            for n in range(4):
                last = put(images, [str(n).encode()], subject=last)
        code, lines, _ = copy(capsys, f"{start}:1.0", f"{registry.address}/end")
        assert (1, "too-many-signatures") == (code, lines[0]["error"])
        assert "end" not in registry.repositories or not registry.kept("end").manifests


def test_index_as_artifact(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    What is attached may be an index: all under it comes along.
    """
    start, end = f"{registry.address}/start", f"{registry.address}/end"
    with closing(opened(start)) as images:
        top = put(images, [b"app"], "1.0")
        child = put(images, [b"inside of it"])
        value = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [child.json()],
            "subject": top.json(),
            "artifactType": "a/b",
        }
        content = json.dumps(value).encode()
        if not images.put_manifest(content, INDEX).listed:
            list_referrer(images, top.digest, Descriptor.of(INDEX, content))
    code, _, told = copy(capsys, f"{start}:1.0", end)

    assert 0 == code, told
    assert {child.digest, Digest.of(content)} <= registry.kept("end").manifests.keys()


@pytest.mark.parametrize("elsewhere", [True, False])
def test_layer_that_lies_elsewhere(tmp_path: Path, capsys: Capture, elsewhere: bool) -> None:
    """
    A layer that may only be had from its vendor need not be there; any other has to be.
    """
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" if elsewhere else SIMPLE
    with closing(opened(f"oci:{tmp_path}/start")) as images:
        top = put(images, [b"windows"], "1.0", layer_type=kind)
    (tmp_path / "start" / "blobs" / "sha256" / Digest.of(b"windows").hex).unlink()
    code, lines, _ = copy(capsys, f"oci:{tmp_path}/start", f"oci:{tmp_path}/end")

    assert (0 if elsewhere else 1) == code
    assert (top.digest if elsewhere else "no-image") == lines[0]["digest" if elsewhere else "error"]


def test_people_are_told(registry: FakeReferrersRegistry, capsys: Capture) -> None:
    """
    People read what was copied, of how many parts, and how much was sent.
    """
    stock(f"{registry.address}/start")
    with FakeReferrersRegistry() as other:
        code = main(["copy", f"{registry.address}/start:1.0", f"{other.address}/end"])
    told = capsys.readouterr().out

    assert 0 == code
    assert "3 manifests, 6 attached" in told
    assert "1 of 1 images, 9 blobs sent" in told


def test_progress(registry: FakeReferrersRegistry) -> None:
    """
    Whoever watches is told of every blob, manifest and artifact, and in the end that all is done.
    """
    told: list[tuple[int, int]] = []
    start = f"{registry.address}/start"
    stock(start)
    with (
        FakeReferrersRegistry() as other,
        closing(opened(start)) as source,
        closing(opened(f"{other.address}/end")) as target,
        Copying(lambda done, total: told.append((done, total))) as copying,
    ):
        [ended] = copying.settled(copying.copy([Leg(source, "1.0", target, "1.0")]))

    assert ended.is_whole
    blobs, manifests = 9, 3
    assert (blobs + manifests + ATTACHED,) * 2 == told[-1]
    assert all(done <= total for done, total in told)
    assert sorted(told) == told
