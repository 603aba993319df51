"""Bundles of other makers that other verifiers took, and `sealbook verify-bundle` does not.

Each test is named after the published failure. The log is one of Rekor v1: it promises, it
tells when, and it proves in a tree whose number stands behind its name.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier import twin
from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer, refused, verdict
from tests.verifier.paths import GONE, Path, put
from verifier._strict import b64encode, utc
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope
from verifier.merkle import Hash
from verifier.note import NoteSignature
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry, promise_message
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import MEDIA_TYPE, TrustedRoot
from verifier.sigstore.verify import judge
from verifier.statement import approval

HOST, ORIGIN = "rekor.example", "rekor.example - 1193050959916656506"
OTHER = Digest.of(b"another image")
KINDS = pytest.mark.parametrize("kind", ["hashedrekord", "dsse"])
V3 = "application/vnd.dev.sigstore.bundle.v0.3+json"
V1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)


class Foreign:
    """A signed envelope, its entry in a log of Rekor v1, and the question about both."""

    def __init__(self, kind: str = "hashedrekord", payload: bytes = b"") -> None:
        self.kind = kind
        self.signer, self.log = Signer(), Signer()
        self.payload = payload or approval(REPOSITORY, IMAGE, {})
        self.logged: bytes | None = None
        self.media_type = V3
        self.at, self.until = NOW, 0

    @property
    def envelope(self) -> Envelope:
        """What is signed."""
        unsigned = Envelope(self.payload, b"x")
        return unsigned._replace(signature=self.signer.sign(unsigned.message))

    @property
    def body(self) -> bytes:
        """What the log has."""
        if self.logged is not None:
            return self.logged
        made, key = self.envelope, self.signer.public
        if self.kind == "dsse":
            return EnvelopeEntry.of(b"{}", made.payload, (made.signature, key)).body()
        return LegacyEntry.of(made.message, made.signature, key).body()

    @property
    def entry(self) -> dict[str, Any]:
        """What the bundle says of that."""
        entries = (*(b"entry %d" % i for i in range(4)), self.body, b"entry 5")
        root, path = Hash(twin.root(entries)), twin.inclusion(4, entries)
        text = f"{ORIGIN}\n6\n{b64encode(root)}\n"
        line = NoteSignature(HOST, self.log_id[:4], self.log.sign(text.encode()))
        promise = self.log.sign(promise_message(self.body, self.at, self.log_id, 904))
        return {
            "logIndex": "904",
            "logId": {"keyId": b64encode(self.log_id)},
            "kindVersion": {"kind": self.kind, "version": "0.0.1"},
            "integratedTime": str(self.at),
            "inclusionPromise": {"signedEntryTimestamp": b64encode(promise)},
            "inclusionProof": {
                "logIndex": "4",
                "rootHash": b64encode(root),
                "treeSize": "6",
                "hashes": [b64encode(h) for h in path],
                "checkpoint": {"envelope": f"{text}\n{line}\n"},
            },
            "canonicalizedBody": b64encode(self.body),
        }

    @property
    def log_id(self) -> bytes:
        """By what Rekor v1 names its log."""
        return bytes.fromhex(Digest.of(self.log.public.spki).hex)

    @property
    def bundle(self) -> dict[str, Any]:
        """All of it."""
        made = self.envelope
        return {
            "mediaType": self.media_type,
            "verificationMaterial": {
                "publicKey": {"hint": self.signer.public.hint},
                "tlogEntries": [self.entry],
            },
            "dsseEnvelope": {
                "payload": b64encode(made.payload),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": b64encode(made.signature)}],
            },
        }

    @property
    def root(self) -> dict[str, Any]:
        """Who is trusted."""
        window = {"start": utc(NOW - 1000)} | ({"end": utc(self.until)} if self.until else {})
        public = {
            "rawBytes": b64encode(self.log.public.spki),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": window,
        }
        log = {
            "baseUrl": f"https://{HOST}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": public,
            "logId": {"keyId": b64encode(self.log_id)},
        }
        return {"mediaType": MEDIA_TYPE, "tlogs": [log]}

    def judge(self, bundle: Any = None, digest: Digest = IMAGE, root: Any = None) -> object:
        """Ask about `bundle`, or about the good one."""
        parsed = ForeignBundle.parse(json.dumps(bundle or self.bundle).encode())
        trusted = TrustedRoot.parse(json.dumps(root or self.root).encode())
        return judge(parsed, self.signer.public, trusted, Artifact(digest), now=NOW + 60)


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
