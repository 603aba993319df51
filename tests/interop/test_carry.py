"""Carrying images: all forms arrive, by whatever way, and each reader says what it should.

A signature is for a repository. Readers that look at the digest alone accept a copy anywhere;
Podman, skopeo and we do where they are told that what was signed for the one counts in the other,
and nowhere else.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest

from signer.cli import main
from tests.interop.image import TAG, Image
from tests.interop.pushing import BUNDLE, NOTATION
from tests.interop.readers import ANYWHERE, READERS, Home, Programs, There
from tests.registries.fake_referrers import FakeReferrersRegistry
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.policy import Policy
from verifier.pull.forms import find_forms
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.verify import Verifier

WAYS = ("to another registry and on", "to a layout and back", "to a tar file and back")
FORMS = ("bundle", "certificate", "simplesigning", "notation")
SBOM = "application/spdx+json"


def everything(name: str, digests: Sequence[str]) -> dict[str, set[tuple[str, str]]]:
    """Return what is attached to digests, and to what is attached: kinds and layers, by digest."""
    found: dict[str, set[tuple[str, str]]] = {}
    with closing(open_images(parse_place(name), Registries(()))) as images:
        new = list(digests)
        while new:
            digest = new.pop()
            attached = find_forms(images, Digest(digest))
            assert [] == list(attached.odd)
            found[digest] = {(one.kind, one.layer.digest) for one in attached.forms}
            below = {one.manifest.descriptor.digest for one in attached.artifacts}
            new += [one for one in below if one not in found]
    return {digest: what for digest, what in found.items() if what}


def run(command: Sequence[str | Path], where: Path) -> None:
    """Run a peer, which must do what it was asked for."""
    environment = {"HOME": str(where), "COSIGN_PASSWORD": "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def carry(*words: str) -> list[dict[str, object]]:
    """Copy by our command; return what it says."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert 0 == main(["copy", *words, "--json"])
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture(scope="module")
def there(
    registry: str,
    image: Image,
    service: Path,
    programs: Programs,
    oras: Path,
    *,
    tmp_path_factory: pytest.TempPathFactory,
) -> There:
    """An image in a registry with all that one can attach.

    Every form of ours on the index and its children; an attestation of cosign 2 under `.att`; an
    SBOM by oras, and on that every form of ours again.
    """
    scratch = tmp_path_factory.mktemp("carried")
    there = There(registry, image, service, Home(scratch / "home", programs, service.parent))
    there.name = there.push("carried/app")
    there.sign(f"{there.name}:{TAG}")
    (scratch / "sbom.json").write_text('{"spdxVersion":"SPDX-2.3"}')
    run(
        (
            oras,
            "attach",
            "--plain-http",
            "--artifact-type",
            SBOM,
            f"{there.name}:{TAG}",
            "sbom.json",
        ),
        scratch,
    )
    with closing(open_images(parse_place(there.name), Registries(()))) as images:
        found = find_forms(images, Digest(there.digests[0])).artifacts
    [sbom] = [one.manifest.descriptor.digest for one in found if one.manifest.kind == SBOM]
    there.sign(f"{there.name}@{sbom}")
    run((programs.cosign2, "generate-key-pair"), scratch)
    said = ("--predicate", "sbom.json", "--type", "custom", f"{there.name}@{there.digests[0]}")
    run(
        (programs.cosign2, "attest", "--yes", "--key", "cosign.key", "--tlog-upload=false", *said),
        scratch,
    )
    return there


@pytest.fixture(scope="module", params=WAYS)
def copy(
    there: There, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The repository of the same registry into which the image came, by this way."""
    scratch = tmp_path_factory.mktemp("way")
    end = f"{there.address}/carried/copy-{WAYS.index(request.param)}"
    with FakeReferrersRegistry() as double:
        middle = {
            WAYS[0]: f"{double.address}/carried/copy",
            WAYS[1]: f"oci:{scratch}/layout",
            WAYS[2]: f"oci-archive:{scratch}/out.tar",
        }[request.param]
        carry(f"{there.name}:{TAG}", middle)
        carry(f"{middle}:{TAG}" if request.param == WAYS[0] else middle, end)
    return end


def test_all_of_it_is_there(there: There, copy: str) -> None:
    """
    Every form on every digest, cosign's attestation, the SBOM and its signatures: no more, no less.
    """
    before, after = everything(there.name, there.digests), everything(copy, there.digests)
    kinds = Counter(kind for what in after.values() for kind, _ in what)

    assert before == after
    assert Counter(dict.fromkeys(FORMS, 4) | {"attestation": 1, "other": 1}) == kinds


def test_again(there: There, copy: str) -> None:
    """
    The same copy again sends no blob, and puts nothing there twice.
    """
    before = everything(copy, there.digests)
    *_, total = carry(f"{there.name}:{TAG}", copy)

    assert {"images": 1, "of": 1, "blobs": 0, "bytes": 0} == total
    assert before == everything(copy, there.digests)


@pytest.fixture(scope="module")
def strict(there: There, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Where Podman believes what was signed for the very repository, and nothing else."""
    home = Home(tmp_path_factory.mktemp("strict") / "home", programs, there.config.parent)
    home.trust_podman("--registry", there.address, "--attachments")
    return home


@pytest.mark.parametrize("reader", READERS)
def test_readers(there: There, strict: Home, copy: str, reader: str) -> None:
    """
    Each reader accepts the copy, by its tag and the digest of a child; Podman and skopeo only
    where they are told of which repository it is a copy.
    """
    there.home.trust_podman(
        "--registry", there.address, "--attachments", "--remap", f"{copy}={there.name}"
    )
    names = (f"{copy}:{TAG}", f"{copy}@{there.digests[2]}")
    for verdict in [there.home.read(reader, name) for name in names]:
        assert verdict.accepted, verdict.output
    if reader not in ANYWHERE:
        for name in names:
            assert not strict.read(reader, name).accepted


def ours(there: There, copy: str, rules: str) -> list[str]:
    """Return what our verifier says of each digest of the copy: yes, or the code of its no."""
    files = there.config.parent
    trust = TrustRoot.parse((files / "trust.json").read_bytes())
    status = Status.parse((files / "status.json").read_bytes(), trust)
    verifier = Verifier(trust, status=status, policy=Policy.parse(rules.encode()))
    said = []
    with closing(open_images(parse_place(copy), Registries(()))) as images:
        for digest in there.digests:
            forms = find_forms(images, Digest(digest)).forms
            bundles = [one.content for one in forms if one.kind == "bundle"]
            try:
                verifier.judge(bundles, Digest(digest), Repository(copy))
            except VerificationError as e:
                said.append(e.code)
            else:
                said.append("yes")
    return said


def test_our_verifier(there: There, copy: str) -> None:
    """
    Our verifier accepts the copy under a policy with `remap`, and not without.
    """
    rules = f'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "{there.address}"\n'
    remap = f'remap = [{{ signed = "{there.name}", as = "{copy}" }}]\n'
    approval = '[images.approval]\nkeys = ["release"]\n'

    assert ["yes"] * 3 == ours(there, copy, rules + remap + approval)
    assert ["repository-mismatch"] * 3 == ours(there, copy, rules + approval)


def test_others_read_our_files(
    there: There, programs: Programs, oras: Path, tmp_path: Path
) -> None:
    """
    Our archive is read by skopeo, and our layout by oras, which finds what is attached; and what
    skopeo writes is read by us.
    """
    home = Home(tmp_path / "home", programs, there.config.parent)
    ours, theirs = home.directory / "ours.tar", home.directory / "theirs.tar"
    carry(f"{there.name}:{TAG}", f"oci-archive:{ours}")
    carry(f"oci-archive:{ours}", f"oci:{tmp_path}/layout:{TAG}")
    out = home.skopeo("copy", "--all", f"oci-archive:ours.tar:{there.name}:{TAG}", "oci:out:1")
    back = home.skopeo("copy", "--all", "oci:out:1", f"oci-archive:theirs.tar:{TAG}")
    found = subprocess.run(
        (oras, "discover", "--format", "json", "--oci-layout", f"{tmp_path}/layout:{TAG}"),
        capture_output=True,
        check=True,
    )
    [line, _] = carry(f"oci-archive:{theirs}", f"{there.address}/carried/theirs")

    assert out.accepted, out.output
    assert back.accepted, back.output
    assert (there.digests[0], 3) == (line["digest"], line["manifests"])
    listed = [one["artifactType"] for one in json.loads(found.stdout)["referrers"]]
    assert sorted([SBOM, NOTATION, BUNDLE, BUNDLE]) == sorted(listed)


@pytest.mark.parametrize("attachments", [False, True])
def test_what_skopeo_loses(
    there: There, programs: Programs, attachments: bool, tmp_path: Path
) -> None:
    """
    `skopeo copy --all` takes the image, and of what is attached nothing; and of simple signing,
    where it is told to, that of what it looks at.
    """
    home = Home(tmp_path / "home", programs, there.config.parent)
    if attachments:
        home.trust_podman("--registry", there.address, "--attachments")
    end = f"{there.address}/carried/skopeo-{int(attachments)}"
    verdict = home.skopeo(
        *("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"),
        *(f"docker://{there.name}:{TAG}", f"docker://{end}:{TAG}"),
    )
    assert verdict.accepted, verdict.output
    after = everything(end, there.digests)
    kinds = Counter(kind for what in after.values() for kind, _ in what)

    assert Counter({"simplesigning": 3} if attachments else {}) == kinds
