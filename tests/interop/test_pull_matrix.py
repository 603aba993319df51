"""Podman and skopeo on a host set up by `sealbook pull install podman`: what they take, and not.

Each row puts other signatures beside one image, or has the policy believe other keys. What they
say is what a user sees, and what our documentation quotes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop import handmade
from tests.interop.image import TAG, Image
from tests.interop.peers import Containers
from tests.interop.product import sealbook, serving_service
from tests.interop.pull_host import PullHost
from tests.interop.pushing import LegacySignature, Shelf

POLICY = "/etc/containers/policy.json"
READERS = ("podman", "skopeo")
PROMISE = "dev.sigstore.cosign/bundle"


class There(NamedTuple):
    """An image of two platforms in a registry, its signatures by digest and form, and a host."""

    host: PullHost
    shelf: Shelf
    image: Image
    signatures: Mapping[str, Mapping[str, bytes]]

    def legacy(self, digest: str) -> LegacySignature:
        return LegacySignature.parse(self.signatures[digest]["simplesigning"])

    def put(self, *digests: str, without: str = "") -> None:
        """Have the registry hold the signatures of these digests, and of no others."""
        for digest in self.signatures:
            signature = self.legacy(digest)
            kept = {key: value for key, value in signature.annotations.items() if key != without}
            signatures = [signature._replace(annotations=kept)] if digest in digests else []
            self.shelf.legacy(digest, *signatures)

    def pull(self, reader: str, *options: str) -> tuple[bool, str]:
        """Return whether `reader` takes the image by its tag, and what it says."""
        name = f"{self.shelf.name}:{TAG}"
        if reader == "podman":
            storage = ("--storage-driver", "vfs", "--root", "/run/store", "--runroot", "/run/run")
            done = self.host.run(reader, *storage, "pull", "--quiet", *options, name)
        else:
            arch = [word.replace("--arch", "--override-arch") for word in options]
            to = ("docker://" + name, "dir:/run/image")
            done = self.host.run(reader, *arch, "copy", "--quiet", *to)
        return done.code == 0, done.err


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A service of these tests' own: what others revoke would be in what a host believes."""
    with serving_service(tmp_path_factory.mktemp("own") / "service") as config:
        yield config


@pytest.fixture(scope="module")
def there(
    containers: Containers,
    registry: str,
    image: Image,
    service: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[There]:
    host = PullHost(tmp_path_factory.mktemp("matrix") / "root")
    host.containers(containers, *READERS)
    known = host.path("/etc/containers/registries.conf")
    known.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    done = host.sealbook(
        *("pull", "install", "podman", "--from", service.parent, "--first"),
        *("--attachments", "--registry", registry),
    )
    assert 0 == done.code, done.err
    with Shelf(f"{registry}/matrix/app") as shelf:
        shelf.image(image.layout, TAG)
        told = sealbook(
            *("sign", f"{shelf.name}:{TAG}", "--no-attach", "--form", "simplesigning"),
            *("--form", "bundle", "--out", tmp_path_factory.mktemp("out"), "--json"),
            *("--config", service),
        )
        lines = [json.loads(line) for line in told.splitlines()]
        signatures = {
            line["digest"]: {
                one["form"]: Path(one["file"]).read_bytes() for one in line["signatures"]
            }
            for line in lines
        }
        yield There(host, shelf, image, signatures)


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_right_key(there: There, reader: str) -> None:
    """
    An image that is signed in all its platforms is taken, of whichever of them.
    """
    there.put(*there.signatures)

    assert there.pull(reader)[0]
    assert there.pull(reader, "--arch", "arm64")[0]


def test_one_platform_signed(there: There, reader: str) -> None:
    """
    Of an index with one signed platform that one is taken, and the other refused; so we sign all.
    """
    there.put(there.image.index.digest, there.image.child)

    assert there.pull(reader)[0]
    taken, said = there.pull(reader, "--arch", "arm64")
    assert not taken
    assert "A signature was required, but no signature exists" in said


@pytest.mark.parametrize(
    ("field", "logged", "said"),
    [
        ("keyData", True, "publicKey in Rekor SET does not match"),
        ("keyData", False, "cryptographic signature verification failed"),
        ("rekorPublicKeyData", True, "No public key verified against the RekorSET"),
    ],
)
def test_wrong_key(there: There, reader: str, field: str, logged: bool, said: str) -> None:
    """
    Under another key, where it has to be logged or not, or another log's, a signature is refused.
    """
    there.put(*there.signatures)
    other = handmade.make_legacy(there.shelf.name, there.image.child)
    pem = other.public_key_pem if field == "keyData" else other.promise_key_pem
    good = there.host.read(POLICY)
    policy: dict[str, Any] = json.loads(good)
    for [rule] in policy["transports"]["docker"].values():
        assert field in rule
        if not logged:
            del rule["rekorPublicKeyData"]
        rule[field] = base64.b64encode(pem).decode()
    there.host.path(POLICY).write_text(json.dumps(policy))
    try:
        taken, output = there.pull(reader)
    finally:
        there.host.path(POLICY).write_text(good)

    assert not taken
    assert said in output


def test_no_promise(there: There, reader: str) -> None:
    """
    A signature that nobody promised to log is refused: it may be hidden from the log.
    """
    there.put(*there.signatures, without=PROMISE)
    taken, said = there.pull(reader)

    assert not taken
    assert f"missing {PROMISE} annotation" in said


def test_bundle_only(there: There, reader: str) -> None:
    """
    They do not read bundles: an image with nothing else is unsigned to them.
    """
    there.put()
    for digest, forms in there.signatures.items():
        there.shelf.refer(digest, bundles=[forms["bundle"]])
    taken, said = there.pull(reader)

    assert not taken
    assert "A signature was required, but no signature exists" in said


def test_other_repository(there: There, reader: str) -> None:
    """
    What was signed for this repository is refused under another name.
    """
    there.put(*there.signatures)
    host, _, _ = there.shelf.name.partition("/")
    with Shelf(f"{host}/matrix/other") as other:
        other.image(there.image.layout, TAG)
        for digest in there.signatures:
            other.legacy(digest, there.legacy(digest))
        taken, said = there._replace(shelf=other).pull(reader)

    assert not taken
    assert "is not accepted" in said


def test_policy_names_our_keys(there: There, service: Path) -> None:
    """
    What the host believes is what its trust files say: the key that approves, and the log's.
    """
    [[rule]] = json.loads(there.host.read(POLICY))["transports"]["docker"].values()

    for field, name in (("keyData", "release.pub"), ("rekorPublicKeyData", "promise.pub")):
        assert (service.parent / name).read_bytes() == base64.b64decode(rule[field])
