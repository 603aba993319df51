"""Bundles of other makers that other verifiers took, and `sealbook verify-bundle` does not.

Each test is named after the published failure.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer, refused, verdict
from tests.verifier.old_log import V1, V3, Foreign
from tests.verifier.paths import GONE, Path, put
from verifier._strict import b64encode
from verifier.digest import Digest
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry
from verifier.sigstore.trusted_root import MEDIA_TYPE
from verifier.statement import approval

OTHER = Digest.of(b"another image")
KINDS = pytest.mark.parametrize("kind", ["hashedrekord", "dsse"])
ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)


@KINDS
@pytest.mark.parametrize("media_type", [V1, V3])
def test_good(kind: str, media_type: str) -> None:
    """
    The bundles that the tests below spoil are good ones.
    """
    good = Foreign(kind)
    good.media_type = media_type

    assert "yes" == verdict(good.judge)


@KINDS
def test_cve_2022_36056_entry_of_another_signature(kind: str) -> None:
    """
    A good entry of another signature by the same key is not this one's, promised and proven.
    """
    world, other = Foreign(kind), Foreign(kind, approval(REPOSITORY, OTHER, {}))
    other.signer = world.signer
    world.logged = other.body

    refused("entry-mismatch", world.judge)


@KINDS
@pytest.mark.parametrize("field", ["digest", "signature", "key"])
def test_cve_2026_22703_each_field_of_the_entry_is_compared(kind: str, field: str) -> None:
    """
    An entry that is promised and proven, and differs in one field, is refused.
    """
    world = Foreign(kind)
    made, key = world.envelope, world.signer.public
    signature = world.signer.sign(b"x") if field == "signature" else made.signature
    by = Signer().public if field == "key" else key
    if kind == "dsse":
        payload = b"{}" if field == "digest" else made.payload
        world.logged = EnvelopeEntry.of(b"{}", payload, (signature, by)).body()
    else:
        message = b"x" if field == "digest" else made.message
        world.logged = LegacyEntry.of(message, signature, by).body()

    refused("entry-mismatch", world.judge)


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b"\xff", b'{"kind":"hashedrekord"}'])
@KINDS
def test_cve_2022_36056_broken_entry_is_no_entry(kind: str, body: bytes) -> None:
    """
    An entry that cannot be read is refused, also under a promise for just these bytes.
    """
    world = Foreign(kind)
    world.logged = body

    assert verdict(world.judge) in ("entry-mismatch", "malformed")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ((*ENTRY, "inclusionPromise", "signedEntryTimestamp"), "bad-signature"),
        ((*ENTRY, "inclusionProof", "checkpoint", "envelope"), "checkpoint-mismatch"),
        ((*ENTRY, "inclusionProof", "hashes"), "not-included"),
    ],
)
def test_cve_2022_23649_proof_and_promise_of_another_entry(path: Path, code: str) -> None:
    """
    A promise, a checkpoint and a path are each checked, though each of the others is good.
    """
    world, other = Foreign(), Foreign()
    other.log, other.logged = world.log, b"another entry"
    value = other.bundle
    for step in path:
        value = value[step]
    if code == "not-included":
        value = value[::-1]

    refused(code, lambda: world.judge(put(world.bundle, path, value)))


def test_sigstore_python_1247_no_time_that_nobody_signed() -> None:
    """
    A time without a promise, or with another one's, does not bring a log's key back.
    """
    world = Foreign()
    world.until = NOW + 10
    assert "yes" == verdict(world.judge)  # the promise says when, and then the key counted
    time, promise = (*ENTRY, "integratedTime"), (*ENTRY, "inclusionPromise")

    refused("bad-signature", lambda: world.judge(put(world.bundle, time, str(NOW - 1))))
    refused("key-window", lambda: world.judge(put(world.bundle, promise, GONE)))


@pytest.mark.parametrize("at", [NOW - 1001, NOW + 11])
def test_cve_2026_54787_the_log_has_a_window(at: int) -> None:
    """
    What a log promised before its key counted, or after, does not count.
    """
    world = Foreign()
    world.at, world.until = at, NOW + 10

    refused("key-window", world.judge)


def test_cve_2023_47122_no_log_key_is_ever_learned() -> None:
    """
    A log that the trusted root does not name is not believed, also if it names none at all.
    """
    world = Foreign()
    none: dict[str, Any] = {"mediaType": MEDIA_TYPE, "tlogs": []}

    refused("untrusted-log", lambda: world.judge(root=Foreign().root))
    refused("untrusted-log", lambda: world.judge(root=none))


@pytest.mark.parametrize("count", [0, 2, 32])
def test_cve_2026_49834_one_entry_and_no_other_number(count: int) -> None:
    """
    An entry that is repeated is no second log, and a bundle without one is not logged.
    """
    world = Foreign()
    entries = ("verificationMaterial", "tlogEntries")

    refused(
        "unsupported-version",
        lambda: world.judge(put(world.bundle, entries, [world.entry] * count)),
    )


def test_sigstore_go_609_nothing_to_compare_is_no_success() -> None:
    """
    A statement about nothing is about no image, and one about another is not about this one.
    """
    said = json.loads(approval(REPOSITORY, IMAGE, {}))
    for subjects in ([], [{"name": "x", "digest": {}}], [{"digest": {"sha256": OTHER.hex}}]):
        payload = json.dumps(said | {"subject": subjects}).encode()
        assert verdict(Foreign(payload=payload).judge) in ("digest-mismatch", "malformed")


def test_cve_2026_44309_the_received_bytes_are_verified() -> None:
    """
    A payload that means the same in other bytes does not verify.
    """
    world = Foreign()
    spaced = b64encode(json.dumps(json.loads(world.payload)).encode())

    refused(
        "bad-signature", lambda: world.judge(put(world.bundle, ("dsseEnvelope", "payload"), spaced))
    )
