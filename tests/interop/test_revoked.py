"""What other people's clients make of a revocation: who stops, and from when on.

They read no status file, but what the service or `sealbook trust podman` writes for them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from signer.cli.trust import podman
from tests.interop.judges import Judge, judged
from tests.interop.judging import Verdict
from tests.interop.legacy_judges import STORAGE
from tests.interop.peers import Containers
from tests.interop.product import Product
from tests.interop.pushing import LegacySignature
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.revocation import Revocation
from verifier.trusted_root import trusted_root

KINDS = ("certificate", "timestamp", "transparency")
# The ends that a client does not read: what was made after them, it still accepts.
ENDS_IGNORED: Mapping[str, Mapping[str, str]] = {
    "cosign": {},
    "sigstore-js": {},
    "sigstore-python": {
        "certificate": "it reads the dates of the certificates, and not the authority's window",
        "transparency": "it reads which keys there are, and not until when",
    },
}
POLICY = ("--policy", "/mnt/policy.json", "--registries.d", "/mnt/registries.d")


def trust(product: Product) -> TrustRoot:
    """Return what the service's verifiers pin."""
    return TrustRoot.parse((product.directory / "trust.json").read_bytes())


def ended(product: Product, kind: str, until: int) -> bytes:
    """Return trusted_root.json once the authority of this kind is revoked."""
    [authority] = [one for one in trust(product).authorities if one.kind == kind]
    revocation = Revocation("authority", authority.fingerprint, "a test", 9, until)
    return trusted_root(trust(product), [revocation])


def accepts(judge: Judge, product: Product, form: str, root: bytes) -> bool:
    """Whether `judge` accepts the signature in this form under this trusted_root.json."""
    digest = product.digests[0]
    given = product.given(digest)._replace(trusted_root=root)
    return judged(judge, product.of(digest, form), given).accepted


@pytest.mark.parametrize("kind", KINDS)
def test_authority_under_a_certificate(
    product: Product, certificate_judge: Judge, kind: str
) -> None:
    """
    A client refuses what was made after an authority's end, unless its table lists that it does
    not read this end, and goes on accepting what was made before.
    """
    before, after = trust(product).issued - 60, int(time.time()) + 1
    refuses = not accepts(certificate_judge, product, "certificate", ended(product, kind, before))

    assert refuses is (kind not in ENDS_IGNORED[certificate_judge.name])
    assert accepts(certificate_judge, product, "certificate", ended(product, kind, after))


@pytest.mark.parametrize("kind", KINDS)
def test_authority_under_a_key(product: Product, judge: Judge, kind: str) -> None:
    """
    A client of bundles under a key, which asks for a timestamp, refuses one that was made after
    the end of its authority; the others' ends are no matter to it.
    """
    before, after = trust(product).issued - 60, int(time.time()) + 1

    assert (kind != "timestamp") is accepts(judge, product, "bundle", ended(product, kind, before))
    assert accepts(judge, product, "bundle", ended(product, kind, after))


def settle(scratch: Path, product: Product, *revocations: Revocation) -> None:
    """Write the policy as `sealbook trust podman` prints it, and where signatures lie."""
    known = trust(product)
    policy = podman.policy(known, podman.live_keys(known, revocations), revocations)
    scratch.joinpath("policy.json").write_text(json.dumps(policy))
    where = scratch / "registries.d"
    where.mkdir(exist_ok=True)
    attached = {"docker": {product.shelf.name: {"use-sigstore-attachments": True}}}
    (where / "attached.yaml").write_text(json.dumps(attached))  # JSON is YAML


def skopeo(peer: Containers, scratch: Path, image: str) -> Verdict:
    """Say whether skopeo may copy the image."""
    copy = ("copy", "--quiet", "--src-tls-verify=false", f"docker://{image}", "dir:/tmp/image")
    return Verdict.of(peer.run(scratch, "skopeo", *POLICY, *copy))


def pull(peer: Containers, scratch: Path, image: str) -> Verdict:
    """Say whether Podman may pull the image."""
    settings = ("--signature-policy", "/mnt/policy.json", "--tls-verify=false")
    place = "mkdir -p ~/.config/containers && ln -s /mnt/registries.d ~/.config/containers/"
    command = ("podman", *STORAGE, "pull", "--quiet", *settings, image)
    return Verdict.of(peer.run(scratch, "sh", "-euc", f'{place}; exec "$@"', "sh", *command))


@pytest.mark.parametrize("ask", [skopeo, pull])
def test_podman(
    product: Product,
    containers: Containers,
    tmp_path: Path,
    ask: Callable[[Containers, Path, str], Verdict],
) -> None:
    """
    Under our policy.json skopeo and Podman take what a live key signed; nothing of a revoked
    key; and no revoked image by its digest, while others of its repository go on.
    """
    child = product.image.child
    product.shelf.legacy(child, LegacySignature.parse(product.of(child, "simplesigning")))
    image = f"{product.shelf.name}@{child}"
    [release] = [key for key in trust(product).keys.values() if key.name == "release"]
    scope, other = Scope(product.shelf.name), "sha256:" + "0" * 64
    stays = Revocation("digest", other, "a test", 9, repository=scope)
    key_gone = Revocation("key", release.public.hint, "a test", 9, 10**6)
    image_gone = Revocation("digest", child, "a test", 9, repository=scope)
    verdicts = []
    for revocations in ((), (stays,), (key_gone,), (image_gone,)):
        settle(tmp_path, product, *revocations)
        verdicts.append(ask(containers, tmp_path, image))

    assert [True, True, False, False] == [verdict.accepted for verdict in verdicts], verdicts
    assert all("reject" in verdict.output for verdict in verdicts[2:])
