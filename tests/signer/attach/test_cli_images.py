"""`sealbook sign` and `sealbook attest` of images where they are: in registries and layouts."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from signer.cli import demo_image
from tests.registries.fake_harbor import FakeHarborRules
from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.attach.shelves import attached, pushed, pushed_index, repository, signed, under
from tests.signer.commands import SEALBOOK, Done, check_refused, lines, one
from tests.signer.publish.publishing import configure, publishing
from tests.signer.running import InProcess, running
from tests.signer.second import beside
from tests.signer.world import found_in
from verifier.pull.forms import SIG, find_forms
from verifier.pull.layouts import Layout
from verifier.pull.registry.client import Registry

BOTH = ("--form", "bundle", "--form", "simplesigning", "--settle", "0.1")
MANY = 24


@pytest.fixture(autouse=True)
def _service(signer: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the service where it listens."""
    monkeypatch.setenv("SEALBOOK_SERVICE", signer.addresses.grpc)


def sign(service: InProcess, *words: object) -> Done:
    return service.command("sign", *words, *BOTH, "--json")


def states(done: Done) -> list[str]:
    """Return what became of every signature."""
    return [one["attached"] for line in lines(done) for one in line["signatures"]]


def test_sign_an_image(signer: InProcess, app: Registry) -> None:
    """
    An image is named by its tag, as whoever pushed it does: its index and both children are
    signed for the repository and have their signatures; again, and all of it is there.
    """
    images = pushed_index(app)

    done, again = (sign(signer, f"{app.name}:1.0") for _ in range(2))

    told = lines(done)
    assert (0, 0) == (done.returncode, again.returncode), done.stderr
    assert [f"{app.name}@{one.digest}" for one in images] == [line["image"] for line in told]
    assert ["attached"] * 6 == states(done)
    assert ["there"] * 6 == states(again)
    for image, line in zip(images, told, strict=True):
        indices = {one["form"]: [one["index"]] for one in line["signatures"]}
        assert indices == attached(app, image)
        bundle = find_forms(app, image.digest, tags=()).forms[0].content
        signer.verifier.verify(bundle, image.digest, app.repository)


def test_in_words(signer: InProcess, app: Registry) -> None:
    """
    People are told the digest that the tag was, and where each signature is.
    """
    image = pushed(app)
    done = signer.command("sign", f"{app.name}:1.0", *BOTH)

    first, bundle, legacy = done.stdout.splitlines()
    assert f"signed {app.name}@{image.digest}" == first
    assert bundle.endswith("bundle attached")
    assert legacy.endswith("simplesigning attached")


def test_o7_a_tag_is_looked_at_once(signer: InProcess) -> None:
    """
    O7: a tag that is moved while its image is signed changes nothing: what is signed and gets
    the signature is the digest that it was at the first look.
    """

    class Moving(FakeReferrersRegistry):
        def refuses(self, asked: Asked) -> Refusal | None:
            """Let the tag be another image as soon as it was looked at."""
            if asked.rest == "1.0" and asked.method in ("GET", "HEAD"):
                self.looks += 1
                self.kept("team/app").tags["1.0"] = self.digests[min(self.looks, 2) - 1]
            return None

        looks = 0
        digests: tuple[str, ...] = ()

    with Moving() as registry, repository(registry.address) as app:
        first, second = pushed(app, 1), pushed(app, 2)
        registry.digests = (first.digest, second.digest)
        done = sign(signer, f"{app.name}:1.0")
        looks = registry.looks

        assert (0, 1) == (done.returncode, looks)
        assert [first.digest] == [line["digest"] for line in lines(done)]
        assert {"bundle", "simplesigning"} == attached(app, first).keys()
        assert {} == attached(app, second)


def test_many_from_a_file(signer: InProcess, app: Registry, tmp_path: Path) -> None:
    """
    Images come from a file, with comments; one that is not there is refused by name, and the
    others are signed; the same image twice is signed once.
    """
    images = [pushed(app, n, f"{n}") for n in range(4)]
    names = [f"{app.name}:{n}" for n in range(4)]
    path = tmp_path / "images"
    path.write_text("\n".join(["# all of them", *names, "", f"{app.name}:none", names[0]]))

    done = sign(signer, "--from-file", path)

    refused, *told = lines(done)
    assert 1 == done.returncode
    assert (f"{app.name}:none", "no-image") == (refused["image"], refused["error"])
    assert [image.digest for image in images] == [line["digest"] for line in told]
    assert ["attached"] * 8 == states(subprocess.CompletedProcess([], 0, _without_first(done), ""))


def _without_first(done: Done) -> str:
    return done.stdout.partition("\n")[2]


def test_killed_and_run_again(signer: InProcess, tmp_path: Path) -> None:
    """
    A run that is killed (SIGKILL) in the middle is done again: in the end every image has its
    signatures once, and nothing was signed a second time.
    """

    class Slow(FakeReferrersRegistry):
        def refuses(self, asked: Asked) -> Refusal | None:
            """Hold everybody up once half of it is there."""
            if asked.method == "PUT" and asked.rest.endswith(SIG):
                self.written += 1
                if self.written == MANY // 2:
                    self.half.set()
                    self.go_on.wait(PATIENCE_S)
            return None

        written = 0
        half, go_on = threading.Event(), threading.Event()

    with Slow(referrers_api=False) as registry, repository(registry.address) as app:
        images = [pushed(app, n, f"{n}") for n in range(MANY)]
        path = tmp_path / "images"
        path.write_text("\n".join(f"{app.name}:{n}" for n in range(MANY)))
        size = signer.tree_size
        command = [SEALBOOK, "sign", "--from-file", str(path), *BOTH, "--json"]
        with subprocess.Popen(command, cwd=signer.directory, stdout=subprocess.PIPE) as running:
            assert registry.half.wait(PATIENCE_S)
            running.send_signal(signal.SIGKILL)
            printed, _ = running.communicate()
        registry.go_on.set()
        before = [under(app, image, SIG) for image in images]

        done = sign(signer, "--from-file", path)

        assert (-signal.SIGKILL, b"") == (running.returncode, printed)
        assert None in before
        assert any(before)
        assert 0 == done.returncode, done.stderr
        assert {"there", "attached"} == set(states(done))
        assert 2 * MANY == signer.tree_size - size
        for image, line in zip(images, lines(done), strict=True):
            indices = {one["form"]: [one["index"]] for one in line["signatures"]}
            assert indices == attached(app, image)


def test_not_attached(signer: InProcess, app: Registry, tmp_path: Path) -> None:
    """
    With --no-attach nothing is written to the registry, and the files are where they are wanted;
    what is attached is written into files only when somebody says where.
    """
    image = pushed(app)
    done = sign(signer, f"{app.name}:1.0", "--no-attach", "--out", tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    before = attached(app, image)
    attaching = sign(signer, f"{app.name}@{image.digest}")

    name = image.digest.replace(":", "-")
    assert [f"{name}.bundle.json", f"{name}.simplesigning.json"] == files
    assert ({}, 0) == (before, done.returncode)
    assert "bundle" not in one(attaching)
    assert not list(signer.directory.glob("sha256-*"))


def test_a_layout(signer: InProcess, tmp_path: Path) -> None:
    """
    Into a layout signatures are put when that is asked for, and then it has them as a registry
    would; otherwise they are files.
    """
    demo_image.write(tmp_path / "image", "1.0", "hello")
    where = (f"oci:{tmp_path / 'image'}:1.0", "--repository", REPOSITORY)

    beside = sign(signer, *where, "--out", tmp_path / "out")
    layout = Layout(tmp_path / "image")
    before = attached(layout, layout.resolve("1.0"))
    inside = sign(signer, *where, "--attach")

    assert (0, 0) == (beside.returncode, inside.returncode), inside.stderr
    assert 6 == len(list((tmp_path / "out").iterdir()))
    assert {} == before
    assert ["attached"] * 6 == states(inside)
    assert {"bundle", "simplesigning"} == attached(layout, layout.resolve("1.0")).keys()


def test_attest_an_image(signer: InProcess, app: Registry, tmp_path: Path) -> None:
    """
    An attestation is attached to the index and to each child, and is found there by its type;
    again, and it is there.
    """
    images = pushed_index(app)
    (tmp_path / "predicate.json").write_text(json.dumps({"passed": [12]}))
    words = ("attest", f"{app.name}:1.0", "--type", "https://example.com/tests/v1", "--json")
    words += ("--settle", "0.1")

    done, again = (
        signer.command(*words, "--predicate", tmp_path / "predicate.json") for _ in range(2)
    )

    assert 0 == done.returncode, done.stderr
    assert dict.fromkeys((i.digest for i in images), "attached") == one(done)["attached"]
    assert dict.fromkeys((i.digest for i in images), "there") == one(again)["attached"]
    assert [{"attestation": [one(done)["index"]]}] * 3 == [attached(app, i) for i in images]
    assert not list(signer.directory.glob("*.attestation.json"))


def test_attached_in_part(signer: InProcess) -> None:
    """
    What a registry does not take is told, with what to do about it, and the exit code is no.
    """
    with FakeHarborRules(immutable=["**"]) as harbor, repository(harbor.address) as app:
        pushed(app)
        sign(signer, f"{app.name}:1.0")
        done = sign(signer, f"{app.name}:1.0", "-a", "n=1")

        told = check_refused(done, "immutable-tag")
        assert ["attached", "immutable-tag"] == states(done)
        assert "hint:" in told


def test_what_keys_sign_also(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What an ML-DSA key signs also stays out of the registry, where few could read it, until that
    is asked for.
    """
    world = found_in(tmp_path / "service")
    beside(world)
    with (
        running(world) as service,
        FakeReferrersRegistry() as registry,
        repository(registry.address) as app,
    ):
        monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
        image = pushed(app)
        first, _, second = one(sign(service, f"{app.name}:1.0"))["signatures"]
        before = attached(app, image)["bundle"]
        sign(service, f"{app.name}:1.0", "--also")

        assert ("attached", None) == (first["attached"], second.get("attached"))
        assert [first["index"]] == before
        assert {first["index"], second["index"]} == set(attached(app, image)["bundle"])


def test_the_service_attaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With --publish the service attaches, and the command says when it has, and when it has not yet;
    where it does not, that is the answer, and nothing is attached by anybody.
    """
    predicate = tmp_path / "predicate.json"
    predicate.write_text("{}")
    world = found_in(tmp_path / "service")
    with FakeReferrersRegistry() as registry, FakeReferrersRegistry() as elsewhere:
        configure(world, registry.address)
        with (
            publishing(world) as service,
            repository(registry.address) as app,
            repository(elsewhere.address) as other,
        ):
            monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
            image, unwanted = pushed(app), pushed(other)
            done = sign(service, f"{app.name}:1.0", "--publish")
            words = ("attest", f"{app.name}:1.0", "--type", "https://example.com/x/v1", "--publish")
            attested = service.command(*words, "--predicate", predicate, "--json")
            refused = sign(service, f"{other.name}:1.0", "--publish")
            monkeypatch.setattr("signer.cli.attaching._WAIT_S", 0.2)
            nowhere = ("--repository", f"{registry.address}/team/none")
            waiting = sign(service, digest(1), *nowhere, "--publish")

            assert (0, 0) == (done.returncode, attested.returncode), done.stderr + attested.stderr
            assert "attached" == one(done)["publication"]
            assert {image.digest: "attached"} == one(attested)["attached"]
            assert {"bundle", "simplesigning", "attestation"} == attached(app, image).keys()
            check_refused(refused, "not-published-here")
            assert (1, "waiting") == (waiting.returncode, one(waiting)["publication"])
            assert {} == attached(other, unwanted)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((f"{REPOSITORY}",), "bad-request"),
        ((digest(1), "--repository", REPOSITORY, "--attach"), "bad-request"),
        (("oci:nowhere", "--repository", REPOSITORY), "bad-layout"),
        ((f"{REPOSITORY}:1.0", "--publish", "--no-attach"), "bad-request"),
        ((f"{REPOSITORY}:1.0:2",), "bad-place"),
        (("--from-file", "token.bin"), "bad-request"),
        (("127.0.0.1:1/team/app:1.0",), "registry-unreachable"),
    ],
)
def test_asked_wrongly(signer: InProcess, words: tuple[str, ...], code: str) -> None:
    """
    What cannot be meant is refused before anything is signed.
    """
    (signer.directory / "token.bin").write_bytes(b"\xff\xfe")
    size = signer.tree_size

    check_refused(sign(signer, *words), code)
    assert size == signer.tree_size


def test_signed_before(signer: InProcess, app: Registry) -> None:
    """
    An image that was signed elsewhere already keeps those signatures, and gets the new ones.
    """
    image = pushed(app)
    made = signed(signer, app, image, n=3)
    sign(signer, f"{app.name}:1.0", "-a", "n=3")
    again = sign(signer, f"{app.name}:1.0", "-a", "n=4")

    found = attached(app, image)
    assert 0 == again.returncode
    assert {one.index for one in made if one.form in ("bundle", "simplesigning")} < {
        index for indices in found.values() for index in indices
    }
