"""A second algorithm, put before clients that have never heard of it.

They accept the first bundle, whatever lies beside it, and refuse the second one in words; and
somebody else's ML-DSA, Node's, takes ours and is taken.
"""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode as decoded
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from signer.order import Item
from tests.interop.image import TAG, Image
from tests.interop.judges import KEY, TRUSTED_ROOT, Given, Judge, SigstoreJs, judged
from tests.interop.judging import Verdict, ask
from tests.interop.legacy_judges import LegacyJudge
from tests.interop.peers import Containers, JsPeer
from tests.interop.pushing import LegacySignature, Shelf
from tests.interop.test_revoked import pull, skopeo
from tests.signer.running import running
from tests.signer.second import beside
from tests.signer.world import World, found_in
from tests.verifier.making import refused
from verifier.bundle import Bundle
from verifier.publickey import PublicKey
from verifier.repository import Repository
from verifier.statement import APPROVAL

FORMS = ("bundle", "simplesigning")
# By Node's own ML-DSA: check what came with the key, then sign the same with a key of its own.
SCRIPT = """
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
const { spki, message, signature } = JSON.parse(process.argv[2]);
const bytes = (text) => Buffer.from(text, 'base64');
const key = createPublicKey({ key: bytes(spki), format: 'der', type: 'spki' });
const good = verify(null, bytes(message), key, bytes(signature));
const { publicKey, privateKey } = generateKeyPairSync('ml-dsa-65');
console.log(JSON.stringify({
  type: key.asymmetricKeyType,
  good,
  spki: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  signature: sign(null, bytes(message), privateKey).toString('base64'),
}));
"""


@dataclass(frozen=True)
class Signed:
    """An image with what two keys said of its index; nothing is in the registry yet."""

    world: World
    shelf: Shelf
    image: Image
    first: bytes
    second: bytes
    legacy: bytes
    quantum: PublicKey

    @property
    def digest(self) -> str:
        return self.image.index.digest

    def file(self, name: str) -> bytes:
        return (self.world.directory / name).read_bytes()

    def given(self, pem: bytes = b"") -> Given:
        """What a judge is told, who knows the first key unless it is given another."""
        root, key = self.file("trusted_root.json"), pem or self.file("release.pub")
        return Given(root, self.digest, APPROVAL, key)

    def cosign_verify(self, cosign: Path) -> Verdict:
        """Run `cosign verify` on what is in the registry, under the first key."""
        files = {TRUSTED_ROOT: self.file("trusted_root.json"), KEY: self.file("release.pub")}
        image = f"{self.shelf.name}@{self.digest}"
        how = ("verify", "--trusted-root", TRUSTED_ROOT, "--key", KEY, image)
        return ask((cosign, *how), files)


@pytest.fixture(scope="module")
def signed(
    registry: str, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signed]:
    """The image, signed by P-256 and ML-DSA-65, and for Podman."""
    world = found_in(tmp_path_factory.mktemp("second") / "service")
    quantum = beside(world)
    with Shelf(f"{registry}/second/app") as shelf, running(world) as service:
        shelf.image(image.layout, TAG)
        digests = [image.index.digest, image.child]
        [found, child] = service.asking(
            lambda client: client.sign_batch(
                Repository(shelf.name), [Item(one) for one in digests], forms=FORMS
            )
        )
        first, _, second = (found._replace(more=()), *found.more)
        legacy = child.more[0].bundle()
        yield Signed(world, shelf, image, first.bundle(), second.bundle(), legacy, quantum)


def test_only_the_first_is_accepted(signed: Signed, judge: Judge) -> None:
    """
    Under the first key judges accept the first bundle and refuse the second as nobody's.
    """
    accepted = judged(judge, signed.first, signed.given())
    other = judged(judge, signed.second, signed.given())

    assert accepted.accepted, accepted.output
    assert not other.accepted
    assert "panic" not in other.output


def test_under_the_second_key(signed: Signed, judge: Judge) -> None:
    """
    Told to take the second key, sigstore-js does, by Node's ML-DSA; cosign says that it cannot.
    """
    given = signed.given(signed.quantum.pem())
    second, first = judged(judge, signed.second, given), judged(judge, signed.first, given)

    assert not first.accepted
    assert (judge.name == SigstoreJs.name) == second.accepted, second.output
    assert second.accepted or "unsupported public key type" in second.output


@pytest.mark.parametrize("order", ["second last", "second first"])
def test_both_in_a_registry(signed: Signed, cosign: Path, order: str) -> None:
    """
    Should somebody push both, cosign finds the one that it can read, in whatever order.
    """
    bundles = [signed.first, signed.second]
    signed.shelf.refer(signed.digest, bundles=bundles if order == "second last" else bundles[::-1])
    verdict = signed.cosign_verify(cosign)

    assert verdict.accepted, verdict.output


def test_the_second_alone_in_a_registry(signed: Signed, cosign: Path) -> None:
    """
    With the second bundle alone an image is as good as unsigned to cosign.
    """
    signed.shelf.refer(signed.digest, bundles=[signed.second])

    assert not signed.cosign_verify(cosign).accepted


def test_beside_the_legacy_form(signed: Signed, legacy_judge: LegacyJudge) -> None:
    """
    Clients of the legacy form find what they read, though both bundles lie beside it.
    """
    child = signed.image.child
    signed.shelf.legacy(child, LegacySignature.parse(signed.legacy))
    signed.shelf.refer(child, bundles=[signed.second, signed.first])
    keys = {
        "public_key_pem": signed.file("release.pub"),
        "promise_key_pem": signed.file("promise.pub"),
    }
    verdict = legacy_judge.judge(child, shelf=signed.shelf, **keys)

    assert verdict.accepted, verdict.output


@pytest.mark.parametrize("client", [skopeo, pull])
def test_under_the_printed_policy(
    signed: Signed,
    containers: Containers,
    tmp_path: Path,
    client: Callable[[Containers, Path, str], Verdict],
) -> None:
    """
    The policy.json that we print, from a trust file with both keys, is one that they can read.
    """
    child, name = signed.image.child, signed.shelf.name
    signed.shelf.legacy(child, LegacySignature.parse(signed.legacy))
    done = signed.world.command("trust", "podman", "trust.json")
    (tmp_path / "policy.json").write_text(done.stdout)
    (tmp_path / "registries.d").mkdir()
    attached = {"docker": {name: {"use-sigstore-attachments": True}}}
    (tmp_path / "registries.d" / "attached.yaml").write_text(json.dumps(attached))
    verdict = client(containers, tmp_path, f"{name}@{child}")

    assert verdict.accepted, verdict.output


def test_node_agrees(signed: Signed, sigstore_js: JsPeer, tmp_path: Path) -> None:
    """
    Node verifies our second signature under our spelling of its key, and we verify Node's.
    """
    envelope = Bundle.parse(signed.second).envelope
    script = tmp_path / "ml_dsa.mjs"
    script.write_text(SCRIPT)
    asked = {
        "spki": b64encode(signed.quantum.spki).decode(),
        "message": b64encode(envelope.message).decode(),
        "signature": b64encode(envelope.signature).decode(),
    }
    done = subprocess.run(
        [sigstore_js.node, script, json.dumps(asked)], capture_output=True, check=False, text=True
    )
    if "ERR_INVALID_ARG_VALUE" in done.stderr:
        pytest.skip("this Node has no ML-DSA")
    assert 0 == done.returncode, done.stderr
    said = json.loads(done.stdout)

    assert ("ml-dsa-65", True) == (said["type"], said["good"])
    key, signature = PublicKey(decoded(said["spki"])), decoded(said["signature"])
    assert "ml-dsa-65" == key.algorithm.name
    key.verify(signature, envelope.message)
    refused("bad-signature", partial(key.verify, signature, envelope.message + b"!"))
