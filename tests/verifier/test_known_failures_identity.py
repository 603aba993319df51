"""Names and keys that other verifiers took from the wrong hand, and ours does not.

Each test is named after the published failure.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, REPOSITORY, NoteSigner, Signer, World, refused
from tests.verifier.paths import put
from tests.verifier.pinned import DOCUMENT, parse
from tests.verifier.shell import FAR, process
from verifier import jws
from verifier._strict import b64encode
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, pae
from verifier.errors import VerificationError
from verifier.jws import TargetArtifact
from verifier.pull.images import MANIFEST_TYPES, Manifest
from verifier.pull.layouts import Layout
from verifier.pull.whole import whole_image
from verifier.repository import Repository, Scope

MANIFEST = json.dumps({"mediaType": MANIFEST_TYPES[0], "layers": []}).encode()


def _layout(directory: Path, digest: str, data: bytes, size: int | None = None) -> Path:
    """Write an image layout that names its one manifest `digest`, with `data` in its place."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (blobs / Digest.of(MANIFEST).hex).write_bytes(data)
    row = {"digest": digest, "size": size or len(data), "mediaType": MANIFEST_TYPES[0]}
    (directory / "index.json").write_text(json.dumps({"manifests": [row]}))
    return directory


def _read(directory: Path) -> list[Manifest]:
    return whole_image(Layout(directory), "")


def test_cve_2023_33959_bytes_of_another_digest(tmp_path: Path) -> None:
    """
    Bytes that are not those of the digest they are served under are refused (CVE-2022-47633 too).
    """
    good = Digest.of(MANIFEST)
    [found] = _read(_layout(tmp_path / "good", good, MANIFEST))
    assert good == found.descriptor.digest
    other = _layout(tmp_path / "other", good, MANIFEST + b" ")
    refused("wrong-content", lambda: _read(other))
    size = _layout(tmp_path / "size", good, MANIFEST, len(MANIFEST) + 1)
    refused("wrong-content", lambda: _read(size))


def test_cve_2023_47630_the_verdict_names_the_digest_to_pull() -> None:
    """
    A yes says of which digest in which repository it is one, so that nothing is resolved twice.
    """
    verified = World(repository=None).verify()

    assert (IMAGE, REPOSITORY) == (verified.digest, verified.repository)
    for tag in ("registry.example/team/app:latest", "latest", f"{REPOSITORY}@{IMAGE}"):
        refused("bad-digest", partial(Digest, tag))


TRAVERSALS = ("../../etc/passwd", "..", "/etc/passwd", "a/../../b", "..\\..\\x", "a\0b", "%2e%2e/x")


@pytest.mark.parametrize("name", TRAVERSALS)
def test_cve_2021_41131_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """
    What reads like a path is no digest, repository, scope or key name (CVE-2026-24137 too).
    """
    layout = _layout(tmp_path / "layout", f"sha256:{name}".replace("\0", "_"), MANIFEST)
    refused("bad-digest", lambda: _read(layout))
    refused("bad-repository", partial(Repository, f"registry.example/{name}"))
    refused("bad-repository", partial(Scope, name))
    refused("malformed", lambda: parse(put(DOCUMENT, ("keys", 0, "name"), name)))


@pytest.mark.parametrize("name", TRAVERSALS[:-2])
def test_cve_2026_24686_an_origin_is_no_path(name: str) -> None:
    """
    A log may be called what looks like a path: the name is compared, and never opened.
    """
    origin = name.replace("\\", "-")
    world = World(origin=origin, log=NoteSigner(origin))

    assert origin == world.note.split("\n", 1)[0]
    refused("untrusted-log", lambda: World(origin=origin).verify())


def test_cve_2025_62375_what_nobody_signed_names_nobody() -> None:
    """
    A keyid, a hint and a timestamp beside the signature change nothing in who is said to sign.
    """
    world = World()
    document = json.loads(world.bundle.json())
    document["dsseEnvelope"]["signatures"][0]["keyid"] = "the release manager"
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": b64encode(b"signed by anybody")}]}
    document["verificationMaterial"]["timestampVerificationData"] = stamps

    assert world.verify() == world.verify(json.dumps(document).encode())
    assert "release" == world.verify().key


@pytest.mark.parametrize("kind", ["certificate", "x509CertificateChain", "rawBytes"])
def test_cve_2025_24976_no_key_comes_with_the_signature(kind: str) -> None:
    """
    A key or certificate in a bundle is never believed, also not beside a hint that is known.
    """
    stranger = Signer()
    world = World()
    document = json.loads(world.bundle.json())
    signed = b64encode(stranger.sign(pae(IN_TOTO, world.payload)))
    document["dsseEnvelope"]["signatures"][0]["sig"] = signed
    material = document["verificationMaterial"]
    der = {"rawBytes": b64encode(certificate(stranger.public))}
    if kind == "rawBytes":
        material["publicKey"]["rawBytes"] = b64encode(stranger.public.spki)
    else:
        material[kind] = der if kind == "certificate" else {"certificates": [der]}
    both = json.dumps(document).encode()
    material.pop("publicKey", None)
    alone = json.dumps(document).encode()

    for data in (both, alone):
        with pytest.raises(VerificationError):
            world.verify(data)


TARGET = TargetArtifact(MANIFEST_TYPES[0], IMAGE, 527, {})
GOOD_JWS = jws.signing_input("ecdsa-p256", 1_750_000_000, jws.payload(TARGET))


@pytest.mark.parametrize(
    "critical",
    [
        [],
        ["exp"],
        ["io.cncf.notary.signingScheme", "b64"],
        ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"],
        ["io.cncf.notary.signingScheme"] * 2,
        ["io.cncf.notary.signingscheme"],
        [None],
    ],
)
def test_cve_2026_32597_what_is_critical_must_be_known(critical: list[object]) -> None:
    """
    A header that calls critical what we do not know, or not what it must, is refused.
    """
    protected, _, payload = GOOD_JWS.partition(b".")
    header = json.loads(jws._decode(protected))
    assert jws.parse(GOOD_JWS).target == TARGET
    for changed in (header | {"crit": critical}, header | {"crit": critical, "b64": False}):
        odd = jws._encode(json.dumps(changed).encode()) + b"." + payload
        with pytest.raises(VerificationError):
            jws.parse(odd)


SEGMENT = st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True)
REPOSITORIES = st.lists(SEGMENT, min_size=1, max_size=3).map(
    lambda path: "/".join(["r.example", *path])
)
SCOPES = st.lists(SEGMENT, max_size=3).map(lambda path: "/".join(["r.example", *path]))


@given(REPOSITORIES, SCOPES)
def test_cve_2021_41087_two_matchers_agree(repository: str, scope: str) -> None:
    """
    A scope covers a repository exactly when its segments are the first ones of the repository's.
    """
    first, wanted = repository.split("/"), scope.split("/")
    expected = first[: len(wanted)] == wanted

    assert expected == Scope(scope).covers(Repository(repository))


@pytest.mark.parametrize(
    "pattern",
    ["r.example/*", "r.example/**", "!r.example/a", "r.example/[ab]", "r.example/a?", "*/a"],
)
def test_ghsa_pmwq_pjrm_6p5r_there_are_no_patterns(pattern: str) -> None:
    """
    Nothing in a scope is a wildcard or a negation, but the one word for everywhere.
    """
    refused("bad-repository", lambda: Scope(pattern))
    assert Scope("*").covers(Repository("r.example/a"))


@pytest.mark.parametrize("question", [[IMAGE, "bundle.json"], ["evidence", "bundle.json"]])
def test_cve_2023_32076_nothing_is_believed_for_where_it_lies(
    tmp_path: Path, question: list[str]
) -> None:
    """
    A trust file in the working directory is not read unless it is named.
    """
    world = World()
    world.expires = FAR
    (tmp_path / "trust.json").write_bytes(world.trust.json())
    (tmp_path / "bundle.json").write_bytes(world.bundle.json())
    words = question if question[0] == "evidence" else ["--repository", REPOSITORY, *question]

    asked = process(tmp_path, *words)
    assert (2, "") == asked[:2]
    assert "--trust" in asked.err
    named = process(tmp_path, *words, "--trust", "trust.json")
    assert question[0] == "evidence" or named.code == 0
