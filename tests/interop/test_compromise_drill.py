"""The compromise drill of signer/README.md, typed as it stands there, from the theft to the end.

Whoever has a thief in the house types these lines: a test that ran others would be no drill.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from signer.keys.memory import MemoryKey
from tests.interop.drilling import Site, all_blocks, blocks
from tests.interop.image import TAG, Image
from tests.interop.judges import Cosign, Given, judged
from tests.interop.peers import Containers
from tests.interop.pushing import LegacySignature, Shelf
from tests.interop.test_revoked import skopeo
from verifier import Digest, Policy, Repository, Status, TrustRoot, Verifier
from verifier._strict import utc
from verifier.bundle import Bundle
from verifier.errors import VerificationError
from verifier.statement import APPROVAL, approval

DRILL = blocks("The drill")
DAYS = BEFORE, GOOD, BAD = "before", "good", "bad"


class Files(NamedTuple):
    """What a verifier on a node has."""

    trust: bytes
    status: bytes

    @classmethod
    def of(cls, site: Site) -> Files:
        """Return what the node has now."""
        return cls(*((site.node / f"{name}.json").read_bytes() for name in cls._fields))

    def verifier(self, **more: Any) -> Verifier:
        """Return the library's verifier."""
        trust = TrustRoot.parse(self.trust)
        return Verifier(trust, status=Status.parse(self.status, trust), **more)


class Drill(NamedTuple):
    """What is there when the drill is over."""

    site: Site
    shelf: Shelf
    digests: dict[str, str]  # of each of the three images
    old: dict[str, dict[str, bytes]]  # what was signed before the drill, by image and form
    old_key: bytes
    before: Files
    after: Files
    stolen: MemoryKey
    seen: dict[str, str]  # what was found meanwhile

    def again(self, image: str, form: str) -> bytes:
        """Return what the drill signed."""
        name = self.digests[image].replace(":", "-")
        return (self.site.directory / "again" / f"{name}.{form}.json").read_bytes()


def sign(site: Site, shelf: Shelf, digest: str, out: str) -> dict[str, bytes]:
    """Sign as a runner does, with the token that is there."""
    site.run(f"sealbook sign {digest} --repository {shelf.name} --out {out}")
    name = digest.replace(":", "-")
    return {
        form: (site.directory / out / f"{name}.{form}.json").read_bytes()
        for form in ("bundle", "simplesigning")
    }


@pytest.fixture(scope="module")
def shelf(registry: str, image: Image) -> Iterator[Shelf]:
    """A repository that holds the image, and no signature."""
    with Shelf(f"{registry}/drill/app") as shelf:
        shelf.image(image.layout, TAG)
        yield shelf


@pytest.fixture(scope="module")
def drilled(
    shelf: Shelf, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drill]:
    """A service whose key was copied, and for which the drill was held."""
    site = Site(tmp_path_factory.mktemp("drill"))
    try:
        yield _hold(site, shelf, image)
    finally:
        site.stop()


def _hold(site: Site, shelf: Shelf, image: Image) -> Drill:
    digests = _digests(image)
    seen: dict[str, str] = {}
    site.run('sealbook trust sync "$SERVICE" "$NODE" --first')
    old = {BEFORE: sign(site, shelf, digests[BEFORE], "old")}
    old_key = (site.directory / "release.pub").read_bytes()
    before = Files.of(site)
    # The theft: the key, and a runner's token, with which two images are signed, one of them
    # as every day. Entries have times in whole seconds.
    stolen = MemoryKey.load(site.directory / "keys" / "release.pem")
    now = int(time.time()) + 1
    while time.time() < now:
        time.sleep(0.05)
    site.set(SINCE=utc(now))
    old |= {name: sign(site, shelf, digests[name], "old") for name in (GOOD, BAD)}
    editor = f'#!/bin/sh\nsed -i /{digests[BAD]}/d "$1"\n'
    site.set(EDITOR=str(site.program("editor", editor)))
    # The drill. Each step is typed, then looked at.
    stop, find, revoke, everything, replace, again, tell = DRILL
    site.type(stop)
    seen["stopped"] = site.refused(f"sealbook sign sha256:{'0' * 64} --repository {shelf.name}")
    site.type(find)
    seen["good"] = site.run('echo "$GOOD"').strip()
    site.type(revoke)
    site.type(everything)
    seen["listed"] = (site.directory / "after.jsonl").read_text()
    seen["known"] = (site.directory / "good.tsv").read_text()
    for block in (replace, again, tell):
        site.type(block)
    after = Files.of(site)
    return Drill(site, shelf, digests, old, old_key, before, after, stolen, seen)


def _digests(image: Image) -> dict[str, str]:
    """Return what the three images are: two platforms, and the index of both."""
    [top] = json.loads((image.layout / "index.json").read_bytes())["manifests"]
    content = image.layout / "blobs" / "sha256" / top["digest"].partition(":")[2]
    before, bad = (each["digest"] for each in json.loads(content.read_bytes())["manifests"])
    return {BEFORE: before, GOOD: top["digest"], BAD: bad}


def test_stopped(drilled: Drill) -> None:
    """
    From the first step on the service signs nothing with the stolen key.
    """
    assert "(revoked)" in drilled.seen["stopped"]


def test_found(drilled: Drill) -> None:
    """
    The last good tree size is where the key first signed after the theft, and everything from
    there on is listed, of each image every form, and nothing from before.
    """
    bundles = {name: Bundle.parse(forms["bundle"]) for name, forms in drilled.old.items()}
    first = bundles[GOOD].proof.index
    listed = [json.loads(line) for line in drilled.seen["listed"].splitlines()]

    assert str(first) == drilled.seen["good"]
    assert list(range(first, first + 4)) == [one["index"] for one in listed]
    assert {drilled.digests[GOOD], drilled.digests[BAD]} == {one["digest"] for one in listed}
    assert f"{drilled.digests[GOOD]}\t{drilled.shelf.name}\n" == drilled.seen["known"]


def says(drilled: Drill, image: str, bundle: bytes, files: Files) -> str:
    """Return the library's verdict, as "yes" or a code."""
    where = Repository(drilled.shelf.name)
    try:
        files.verifier().verify(bundle, Digest(drilled.digests[image]), where)
    except VerificationError as e:
        return e.code
    return "yes"


def test_library(drilled: Drill) -> None:
    """
    Offline, with the new files: what was signed before the theft is good, what was signed after
    is not, and what was signed again is good. The status file alone says the same of the key.
    """
    old = {name: drilled.old[name]["bundle"] for name in DAYS}
    status_alone = Files(drilled.before.trust, drilled.after.status)
    synced, told = (
        [says(drilled, name, old[name], files) for name in DAYS]
        for files in (drilled.after, status_alone)
    )

    assert ["yes", "key-window", "key-window"] == synced
    assert ["yes", "revoked", "revoked"] == told
    for name in (BEFORE, GOOD):
        assert "yes" == says(drilled, name, drilled.again(name, "bundle"), drilled.after)


def test_who_has_not_heard(drilled: Drill) -> None:
    """
    Who has no newer files than those from before the theft still takes all that is logged, and
    nothing any more once they are older than the policy's `max_trust_age`.
    """
    bad = drilled.old[BAD]["bundle"]
    old = [says(drilled, one, drilled.old[one]["bundle"], drilled.before) for one in DAYS]
    policy = Policy.parse(
        b'type = "urn:sealbook:policy:v1"\nmax_trust_age = "1 day"\n[[images]]\nunder = "*"\n'
        b"[images.approval]\n"
    )
    later = drilled.before.verifier(clock=lambda: time.time() + 90_000, policy=policy)

    assert ["yes", "yes", "yes"] == old
    with pytest.raises(VerificationError) as caught:
        later.verify(bad, Digest(drilled.digests[BAD]), Repository(drilled.shelf.name))
    assert "trust-stale" == caught.value.code


def test_without_the_ledger(drilled: Drill) -> None:
    """
    What the thief signs with the copied key, and has not logged, was never good for anything.
    """
    digest = Digest("sha256:" + "6" * 64)
    bundle = json.loads(drilled.old[BEFORE]["bundle"])
    payload = approval(Repository(drilled.shelf.name), digest, {})
    forged = Bundle.parse(drilled.old[BEFORE]["bundle"]).envelope._replace(payload=payload)
    forged = forged._replace(signature=drilled.stolen.sign(forged.message))
    bundle["dsseEnvelope"] = forged.json()
    with pytest.raises(VerificationError) as caught:
        drilled.before.verifier().verify(
            json.dumps(bundle).encode(), digest, Repository(drilled.shelf.name)
        )

    assert "entry-mismatch" == caught.value.code


@pytest.mark.parametrize("program", [("signer", "verify"), ("verifier",)], ids=" ".join)
def test_commands(drilled: Drill, tmp_path: Path, program: tuple[str, ...]) -> None:
    """
    `sealbook verify` and `python -m verifier` on a synced node say the same as the library.
    """
    rows = [(name, drilled.old[name]["bundle"], name == BEFORE) for name in DAYS]
    for number, (name, bundle, good) in enumerate(
        [*rows, (GOOD, drilled.again(GOOD, "bundle"), 1)]
    ):
        path = tmp_path / f"{number}.json"
        path.write_bytes(bundle)
        words = ("--trust", drilled.site.node, "--repository", drilled.shelf.name)
        done = subprocess.run(
            [sys.executable, "-m", *program, *words, drilled.digests[name], path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert bool(good) is (done.returncode == 0), done.stderr
        assert good or "(key-window)" in done.stderr


def test_podman(drilled: Drill, containers: Containers, tmp_path: Path) -> None:
    """
    Under the new policy.json skopeo takes nothing that the old key signed, not even before the
    theft, and takes what was signed again. (Of an index it judges the platform.)
    """
    policy = (drilled.site.directory / "policy.json").read_text()
    (tmp_path / "policy.json").write_text(policy)
    (tmp_path / "registries.d").mkdir()
    attached = {"docker": {drilled.shelf.name: {"use-sigstore-attachments": True}}}
    (tmp_path / "registries.d" / "attached.yaml").write_text(json.dumps(attached))
    cases = [(name, drilled.old[name]["simplesigning"], False) for name in (BEFORE, BAD)]
    for name, signature, good in [*cases, (BEFORE, drilled.again(BEFORE, "simplesigning"), True)]:
        digest = drilled.digests[name]
        drilled.shelf.legacy(digest, LegacySignature.parse(signature))
        verdict = skopeo(containers, tmp_path, f"{drilled.shelf.name}@{digest}")
        assert good is verdict.accepted, (name, verdict.output)


def test_cosign(drilled: Drill, cosign: Path) -> None:
    """
    A cosign that keeps the old public key goes on; with the new one it refuses what the
    old key signed, and takes what was signed again.
    """
    root = (drilled.site.directory / "trusted_root.json").read_bytes()
    new_key = (drilled.site.directory / "release.pub").read_bytes()

    def accepts(image: str, bundle: bytes, key: bytes) -> bool:
        given = Given(root, drilled.digests[image], APPROVAL, key)
        return judged(Cosign(cosign), bundle, given).accepted

    assert accepts(BAD, drilled.old[BAD]["bundle"], drilled.old_key)
    assert not accepts(BAD, drilled.old[BAD]["bundle"], new_key)
    assert accepts(GOOD, drilled.again(GOOD, "bundle"), new_key)


def test_what_comes_after(drilled: Drill) -> None:
    """
    The other procedures of the page go as they stand there, on the same service: another token,
    another event key, another status key, and the end of the ledger. An audit from outside then
    finds what the stolen key signed after the theft, and nothing else.
    """
    site, where = drilled.site, f"--repository {drilled.shelf.name}"
    zeros = f"sha256:{'0' * 64}"
    site.run("cp token stolen-token")
    [token] = blocks("Another token")
    site.type(token)
    assert "(unauthenticated)" in site.refused(
        f"sealbook sign {zeros} {where} --token-file stolen-token"
    )
    site.run(f"sealbook sign {zeros} {where}")
    event, status = blocks("Another key of the service's own")
    site.type(event)
    site.run(f"sealbook revoke --digest sha256:{'1' * 64} --reason 'by the new event key'")
    site.type(status)
    site.run(f"sealbook revoke --digest sha256:{'2' * 64} --reason 'by the new status key'")
    site.run('sealbook trust sync "$SERVICE" "$NODE"')
    told = site.run('sealbook trust show "$NODE"')

    assert 4 == told.count("[proven]")
    synced = [
        says(drilled, one, drilled.old[one]["bundle"], Files.of(site)) for one in (BEFORE, BAD)
    ]
    assert ["yes", "key-window"] == synced
    audit = 'sealbook audit "$SERVICE" --trust trust.json --token-file token --state audit.json'
    found = re.findall(r"^finding: ([a-z-]+) at (\d+):", site.refused(audit), re.MULTILINE)
    listed = [json.loads(line)["index"] for line in drilled.seen["listed"].splitlines()]
    assert [("key-window", str(index)) for index in listed] == found
    [freeze] = blocks("Another ledger")
    site.type(freeze)
    assert "(ledger-frozen)" in site.refused(f"sealbook sign sha256:{'3' * 64} {where}")
    assert sorted(all_blocks()) == sorted(site.typed)
