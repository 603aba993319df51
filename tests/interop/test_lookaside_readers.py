"""Podman and skopeo with nothing in the registry: they ask the service for signatures."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import pytest

from signer.client import Client
from signer.http.lookaside import MOST
from signer.order import Item
from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict
from tests.interop.readers import PODMANS, Home, Programs, There

BARE, MIRROR = "bare/app", "mirror/proxy/app"


@pytest.fixture(scope="module")
def there(
    registry: str,
    image: Image,
    service: Path,
    programs: Programs,
    tmp_path_factory: pytest.TempPathFactory,
) -> There:
    """An image that was signed, and whose signatures nobody attached; readers who ask us."""
    home = Home(tmp_path_factory.mktemp("lookaside") / "home", programs, service.parent)
    there = There(registry, image, service, home)
    there.name = there.push(BARE)
    there.sign(f"{there.name}:{TAG}", "--no-attach", "--out", home.directory / "out")
    home.trust_podman("--registry", registry, "--lookaside", there.lookaside)
    return there


def read(there: There, reader: str, *names: str) -> list[Verdict]:
    return [there.home.read(reader, name) for name in names]


def assert_all(verdicts: list[Verdict], *, accepted: bool) -> None:
    for verdict in verdicts:
        assert accepted == verdict.accepted, verdict.output


@pytest.mark.parametrize("reader", PODMANS)
def test_accepts(there: There, reader: str) -> None:
    """
    By its tag, and each digest of it, while the registry has the image's own tag and no other.
    """
    names = (f":{TAG}", *(f"@{digest}" for digest in there.digests))

    assert_all(read(there, reader, *(there.name + name for name in names)), accepted=True)
    tags = httpx.get(f"http://{there.address}/v2/{BARE}/tags/list").json()["tags"]
    assert [TAG] == tags
    assert not there.home.read("cosign", f"{there.name}:{TAG}").accepted


@pytest.mark.parametrize("reader", PODMANS)
def test_refuses(there: There, reader: str, tmp_path: Path) -> None:
    """
    What nobody signed, and what was signed for another repository, are refused.
    """
    other = Image.made(tmp_path / "layout", "something else")
    unsigned = there.push(BARE, other, "other")
    elsewhere = there.push("bare/elsewhere")

    names = (f"{unsigned}:other", f"{unsigned}@{other.child}", f"{elsewhere}:{TAG}")
    assert_all(read(there, reader, *names), accepted=False)


def test_revoked(there: There, tmp_path: Path) -> None:
    """
    An image is accepted until its signature is revoked; again by another signature, until the
    image itself is. Neither needs a new policy on the machines that pull.
    """
    taken_back = Image.made(tmp_path / "layout", "taken back")
    name = there.push(BARE, taken_back, "taken-back")
    options = ("--no-attach", "--out", tmp_path / "out")

    def verdicts() -> list[bool]:
        return [
            one.accepted for reader in PODMANS for one in read(there, reader, f"{name}:taken-back")
        ]

    told = there.sign(f"{name}:taken-back", *options)
    assert [True, True] == verdicts()
    [child] = [line for line in told if line["digest"] == taken_back.child]
    [entry] = [one["index"] for one in child["signatures"] if one["form"] == "simplesigning"]
    there.revoke("--entry", str(entry))
    assert [False, False] == verdicts()
    there.sign(f"{name}:taken-back", *options, "-a", "again=yes")
    assert [True, True] == verdicts()
    there.revoke("--digest", taken_back.child, "--repository", name)
    assert [False, False] == verdicts()


def test_more_than_they_take(there: There, tmp_path: Path) -> None:
    """
    They refuse an image with 128 signatures, as a server's error; we have that many, and more,
    and hand out fewer.
    """
    often = Image.made(tmp_path / "layout", "signed often")
    name = there.push(BARE, often, "often")
    items = [Item(often.child, annotations={"n": str(n)}) for n in range(MOST + 3)]
    token = (there.config.parent / "token").read_text().strip()
    with Client(there.grpc, token) as client:
        client.sign_batch(name, items, forms=["simplesigning"])

    for reader in PODMANS:
        assert_all(read(there, reader, f"{name}@{often.child}"), accepted=True)


@pytest.mark.parametrize("reader", PODMANS)
def test_mirror(there: There, reader: str) -> None:
    """
    From a mirror under another name the image is accepted where its repository is said to be that
    of the original, by tag and by digest, and not without.
    """
    mirror = there.push(MIRROR)
    names = (f"{mirror}:{TAG}", f"{mirror}@{there.image.child}")
    options = ("--registry", there.address, "--lookaside", there.lookaside)
    without = read(there, reader, *names)
    there.home.trust_podman(*options, "--remap", f"{mirror}={there.name}")
    mapped = read(there, reader, *names)
    original = read(there, reader, f"{there.name}:{TAG}")
    there.home.trust_podman(*options, "--remap", f"{mirror}={there.name}-not")
    for_another = read(there, reader, *names)
    there.home.trust_podman(*options)

    assert_all(without, accepted=False)
    assert_all(mapped, accepted=True)
    assert_all(original, accepted=True)
    assert_all(for_another, accepted=False)


def test_why_not_by_their_remapping(there: There) -> None:
    """
    Their own `remapIdentity` refuses every signature that names no tag, as cosign's and ours do,
    so that the mirror's repository is named instead.
    """
    mirror = there.push(MIRROR)
    where = there.home.directory / ".config" / "containers" / "policy.json"
    options = ("--registry", there.address, "--lookaside", there.lookaside)
    there.home.trust_podman(*options, "--remap", f"{mirror}={there.name}")
    policy = json.loads(where.read_bytes())
    [rule] = policy["transports"]["docker"][mirror]
    rule["signedIdentity"] = {
        "type": "remapIdentity",
        "prefix": mirror,
        "signedPrefix": there.name,
    }
    where.write_text(json.dumps(policy))
    verdicts = read(there, "skopeo", f"{mirror}:{TAG}", f"{mirror}@{there.image.child}")
    there.home.trust_podman(*options)

    assert_all(verdicts, accepted=False)
    for verdict in verdicts:
        assert "is not accepted" in verdict.output


def test_with_a_token(there: There) -> None:
    """
    Where the service wants to know who asks, a token in the URL is enough; a wrong one is refused.
    """
    token = (there.config.parent / "token").read_text().strip()
    host = there.lookaside.removeprefix("http://")
    wrong = base64.urlsafe_b64encode(b"wrong").decode()
    answers = {}
    for secret in (token, wrong):
        there.home.trust_podman(
            "--registry", there.address, "--lookaside", f"http://append:{secret}@{host}"
        )
        answers[secret] = there.home.read("skopeo", f"{there.name}:{TAG}")
    there.home.trust_podman("--registry", there.address, "--lookaside", there.lookaside)

    assert answers[token].accepted, answers[token].output
    assert not answers[wrong].accepted
    assert "401" in answers[wrong].output
