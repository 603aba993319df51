"""Unmodified cosign, of two generations, with our log for its own: logged, verified, repeatable.

ECDSA signatures are new at each run, so a second run is a second entry. RSA's repeat,
which Rekor answers with a conflict and cosign takes for a failure: here it is the
same entry, and success.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import handmade
from tests.interop.product import Product
from tests.interop.uploading import BLOB, BUNDLE, CONFIG, KINDS, PREDICATE, PROMISE, ROOT, Desk

SIGNING = ("-y", "--key", "user.key", "--signing-config", CONFIG, "--trusted-root", ROOT)
VERIFYING = ("--key", "user.pub", "--trusted-root", ROOT)
# Not `custom`: cosign puts the time of day into such statements, so that none is made twice.
TYPE = ("--type", "https://example.com/built/v1")
ATTESTED = ("--predicate", PREDICATE, *TYPE)


@pytest.fixture(scope="module", params=KINDS)
def desk(
    request: pytest.FixtureRequest,
    product: Product,
    cosign: Path,
    cosign2: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Desk:
    home = tmp_path_factory.mktemp(request.param)
    return Desk.made(home, request.param, product, cosign, cosign2)


@pytest.fixture
def named(product: Product) -> str:
    return f"{product.shelf.name}@{product.image.index.digest}"


def repeats(desk: Desk) -> bool:
    """Whether the same message gets the same signature."""
    return (desk.home / "rsa.pem").exists()


@pytest.mark.parametrize(
    ("sign", "verify"),
    [
        pytest.param(("sign-blob",), ("verify-blob",), id="blob"),
        pytest.param(
            ("attest-blob", *ATTESTED),
            ("verify-blob-attestation", *TYPE),
            id="attestation of a blob",
        ),
    ],
)
def test_blobs(desk: Desk, sign: tuple[str, ...], verify: tuple[str, ...]) -> None:
    """
    Cosign 3 signs a blob with our signing_config.json and verifies the bundle with our
    trusted_root.json, and can do so again.
    """
    indices = []
    for _ in range(2):
        desk.ran(*sign, *SIGNING, "--bundle", BUNDLE, BLOB)
        desk.ran(*verify, *VERIFYING, "--bundle", BUNDLE, BLOB)
        indices.append(desk.logged_at())

    assert repeats(desk) == (indices[0] == indices[1])
    assert max(indices) < desk.tree_size


def test_images(desk: Desk, named: str) -> None:
    """
    Cosign 3 signs and attests an image in a registry with our log, verifies both, and can do so
    again.
    """
    before = desk.uploads
    for _ in range(2):
        desk.ran("sign", *SIGNING, named)
        desk.ran("verify", *VERIFYING, named)
        desk.ran("attest", *ATTESTED, *SIGNING, named)
        desk.ran("verify-attestation", *TYPE, *VERIFYING, named)

    assert before < desk.uploads


def test_older_blobs(desk: Desk) -> None:
    """
    Cosign 2 signs and attests a blob with the secret in the log's path, takes the log's promise,
    verifies it offline, and can do so again.
    """
    before = desk.uploads
    signing = ("-y", "--key", "user.key", "--rekor-url", desk.legacy_url, "--bundle", "legacy.json")
    offline = ("--offline", "--key", "user.pub", "--bundle", "legacy.json")
    for _ in range(2):
        desk.ran2("sign-blob", *signing, "--output-signature", "signature", BLOB)
        desk.ran2("verify-blob", *offline, "--signature", "signature", BLOB)
        desk.ran2("attest-blob", *ATTESTED, *signing, "--output-signature", "attestation", BLOB)
        desk.ran2("verify-blob-attestation", *TYPE, *offline, "--signature", "attestation", BLOB)

    assert desk.uploads - before == (2 if repeats(desk) else 4)


def test_older_images(desk: Desk, named: str) -> None:
    """
    Cosign 2 signs and attests an image in a registry with our log, verifies both, and can do so
    again.
    """
    before = desk.uploads
    signing = ("-y", "--key", "user.key", "--rekor-url", desk.legacy_url)
    for _ in range(2):
        desk.ran2("sign", *signing, named)
        desk.ran2("verify", "--key", "user.pub", named)
        desk.ran2("attest", *ATTESTED, *signing, named)
        desk.ran2("verify-attestation", *TYPE, "--key", "user.pub", named)

    assert before < desk.uploads


def test_nobody_appends_without_the_secret(desk: Desk) -> None:
    """
    Without the secret cosign gets no entry: what it says names the refusal, and no secret.
    """
    before = desk.uploads
    config = (desk.home / CONFIG).read_text()
    assert desk.secret in config
    (desk.home / "open.json").write_text(config.replace(f"append:{desk.secret}@", ""))

    signing = [word if word != CONFIG else "open.json" for word in SIGNING]
    verdict = desk.run("sign-blob", *signing, "--bundle", "none.json", BLOB)

    assert not verdict.accepted
    assert "401" in verdict.output
    assert before == desk.uploads


def test_cosign_refuses_another_log(desk: Desk) -> None:
    """
    What was logged by us is worth nothing to a cosign that trusts another promise key.
    """
    signing = ("-y", "--key", "user.key", "--rekor-url", desk.legacy_url, "--bundle", "other.json")
    desk.ran2("sign-blob", *signing, "--output-signature", "other", BLOB)
    good = (desk.home / PROMISE).read_bytes()
    (desk.home / PROMISE).write_bytes(handmade.make_legacy("", "").promise_key_pem)
    offline = ("--offline", "--key", "user.pub", "--bundle", "other.json", "--signature", "other")
    try:
        with pytest.raises(AssertionError, match="rekor log public key not found"):
            desk.ran2("verify-blob", *offline, BLOB)
    finally:
        (desk.home / PROMISE).write_bytes(good)
    desk.ran2("verify-blob", *offline, BLOB)
