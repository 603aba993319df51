"""Promoting and pushing: what is approved goes on, and of anything else nothing does."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from signer.cli import main
from tests.interop.image import TAG, Image
from tests.interop.product import sealbook, serving_service
from tests.interop.readers import Home, Programs, There
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.errors import NoImageError
from verifier.pull.forms import find_forms
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verdict import Verdict
from verifier.verify import Verifier


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    lines: list[dict[str, Any]]
    told: str


def asked(*words: str | Path) -> Done:
    """Run our command, however it ends."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*map(str, words), "--json"])
    return Done(code, [json.loads(one) for one in out.getvalue().splitlines()], err.getvalue())


@pytest.fixture(scope="module")
def there(
    registry: str,
    image: Image,
    service: Path,
    programs: Programs,
    tmp_path_factory: pytest.TempPathFactory,
) -> There:
    """An image in a staging repository, signed in every form; Podman believes no remap."""
    scratch = tmp_path_factory.mktemp("gates")
    there = There(registry, image, service, Home(scratch / "home", programs, service.parent))
    there.name = there.push("gates/staging")
    there.sign(f"{there.name}:{TAG}")
    there.home.trust_podman("--registry", registry, "--attachments")
    return there


@pytest.fixture(scope="module")
def forms(service: Path) -> tuple[str | Path, ...]:
    """Words that have the service make every form."""
    made = ("bundle", "certificate", "simplesigning", "notation")
    words = [word for form in made for word in ("--form", form)]
    return ("--config", service, "--trust", service.parent / "trust.json", *words)


def judged(there: There, name: str) -> list[Verdict | str]:
    """Return what our verifier says of each digest in `name`, by what is attached there."""
    verifier = Verifier(TrustRoot.parse((there.config.parent / "trust.json").read_bytes()))
    said: list[Verdict | str] = []
    with closing(open_images(parse_place(name), Registries(()))) as images:
        for digest in map(Digest, there.digests):
            found = find_forms(images, digest).forms
            bundles = [one.content for one in found if one.kind == "bundle"]
            try:
                said.append(verifier.judge(bundles, digest, Repository(name)))
            except VerificationError as e:
                said.append(e.code)
    return said


def is_empty(name: str) -> bool:
    """Whether nothing at all is in a repository."""
    with closing(open_images(parse_place(name), Registries(()))) as images:
        try:
            return not list(images.tags())
        except NoImageError:
            return True


def approvals(verdicts: list[Verdict | str]) -> list[dict[str, str]]:
    """Return the annotations of what approves each digest."""
    found = []
    for one in verdicts:
        assert isinstance(one, Verdict)
        [approval] = one.approvals
        found.append(dict(approval.annotations))
    return found


def test_promote(there: There, forms: tuple[str | Path, ...]) -> None:
    """
    A copy is refused where it is; promoted, it is approved there by all, without remap, and each
    approval names the first entry that it stands on, from repository to repository.
    """
    production, edge = (f"{there.address}/gates/{where}" for where in ("production", "edge"))
    sealbook("copy", f"{there.name}:{TAG}", production)
    copied = judged(there, production), there.home.read("podman", f"{production}:{TAG}")
    done = asked("promote", f"{there.name}:{TAG}", production, *forms)
    further = asked("promote", f"{production}:{TAG}", f"{edge}:prod", *forms)
    first = [line["index"] for line in there.sign(f"{there.name}:{TAG}")]

    assert (["repository-mismatch"] * 3, False) == (copied[0], copied[1].accepted)
    assert (0, 0) == (done.code, further.code), done.told + further.told
    expected = [{"sealbook.promotes": str(index)} for index in first]
    for name, tag in ((production, TAG), (edge, "prod")):
        seen = [
            {key: value for key, value in one.items() if key == "sealbook.promotes"}
            for one in approvals(judged(there, name))
        ]
        assert expected == seen
        for reader in ("podman", "cosign"):
            verdict = there.home.read(reader, f"{name}:{tag}")
            assert verdict.accepted, verdict.output
    assert first == [line["promotes"] for line in done.lines[1:]]
    again = asked("promote", f"{there.name}:{TAG}", production, *forms)
    assert (0, done.lines[1:]) == (again.code, again.lines[1:])


@pytest.mark.parametrize("signed", [[0], [1, 2]], ids=["the index", "the children"])
def test_promote_refuses(
    there: There, forms: tuple[str | Path, ...], tmp_path: Path, signed: list[int]
) -> None:
    """
    What is not approved with everything under it is refused before anything reaches the target.
    """
    other = Image.made(tmp_path / "other", f"other {signed}")
    name = there.push(f"gates/partly-{len(signed)}", other)
    digests = [other.index.digest, *other.children]
    for n in signed:
        sealbook("sign", digests[n], "--repository", name, *forms[:2], "--out", tmp_path)
    target = f"{there.address}/gates/never-{len(signed)}"
    done = asked("promote", f"{name}:{TAG}", target, *forms)

    assert 1 == done.code
    refused = [digest for n, digest in enumerate(digests) if n not in signed]
    assert refused == [line["digest"] for line in done.lines]
    assert {"not-approved"} == {line["error"] for line in done.lines}
    assert is_empty(target)


def test_promote_from_elsewhere(
    there: There, image: Image, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    What another service approved is promoted out of a tar file by ours, which says whence it came:
    its ledger has no entry to name.
    """
    target = f"{there.address}/gates/inside"
    theirs = "theirs.example/app"
    with serving_service(tmp_path_factory.mktemp("theirs") / "service") as config:
        sign = ("sign", f"oci:{image.layout}:{TAG}", "--repository", theirs, "--config", config)
        shutil.copytree(image.layout, tmp_path / "layout")
        sealbook(*sign[:1], f"oci:{tmp_path}/layout:{TAG}", *sign[2:], "--attach")
        trust = config.parent / "trust.json"
        sealbook("copy", f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/in.tar")
    words = ("promote", f"oci-archive:{tmp_path}/in.tar", target, "--config", there.config)
    unnamed = asked(*words, "--trust", trust)
    done = asked(*words, "--repository", theirs, "--trust", trust)
    wrong = asked(*words, "--repository", theirs, "--trust", there.config.parent / "trust.json")

    assert ("bad-request", 1) == (unnamed.lines[0]["error"], unnamed.code)
    assert 1 == wrong.code
    assert 0 == done.code, done.told
    assert [theirs] * 3 == [one["promoted-from"] for one in approvals(judged(there, target))]


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give the URL of somebody who is told of refusals, and what they were told."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", told
    finally:
        server.shutdown()
        server.server_close()


def test_push(there: There, image: Image, forms: tuple[str | Path, ...], tmp_path: Path) -> None:
    """
    A layout that nobody signed is refused, somebody is told, and nothing reaches the registry.
    Signed for this repository, what is attached to it counts, and goes along.
    """
    layout, name = tmp_path / "layout", f"{there.address}/gates/pushed"
    shutil.copytree(image.layout, layout)
    words = ("push", f"oci:{layout}:{TAG}", name, *forms[2:4])
    with listening() as (url, told):
        refused = asked(*words, "--alert", url)
    sign = ("sign", f"oci:{layout}:{TAG}", "--attach", *forms, "--repository")
    sealbook(*sign, f"{name}-other")
    other = asked(*words, "--alert", "http://127.0.0.1:9/hook")
    nothing = is_empty(name)
    sealbook(*sign, name)
    done = asked(*words, "--alert", "http://127.0.0.1:9/hook")

    assert 1 == refused.code == other.code
    assert ["not-approved"] * 3 == [line["error"] for line in refused.lines]
    assert ["not-approved"] * 3 == [line["error"] for line in other.lines]
    assert all("repository-mismatch" in line["message"] for line in other.lines)
    assert "no alert" in other.told
    assert nothing
    [alert] = told
    assert ("urn:sealbook:refused:v1", name, TAG, there.digests[0]) == tuple(
        alert[key] for key in ("type", "repository", "tag", "digest")
    )
    assert there.digests == [one["digest"] for one in alert["refused"]]
    assert 0 == done.code, done.told
    for reader in ("podman", "cosign", "notation"):
        assert there.home.read(reader, f"{name}:{TAG}").accepted


def test_push_asks_the_service(
    there: There, image: Image, forms: tuple[str | Path, ...], tmp_path: Path
) -> None:
    """
    What the service has of an image counts too, where nothing is attached to it yet.
    """
    name = f"{there.address}/gates/asked"
    words = ("push", f"oci:{image.layout}:{TAG}", name, *forms[2:4], "--bundles", there.lookaside)
    before = asked(*words)
    sealbook(
        *("sign", f"oci:{image.layout}:{TAG}", "--repository", name, "--out", tmp_path), *forms[:2]
    )
    done = asked(*words)

    assert ["not-approved"] * 3 == [line["error"] for line in before.lines]
    assert 0 == done.code, done.told
    assert not is_empty(name)
