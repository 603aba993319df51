"""A signed envelope in a log of Rekor v1, and the question about both.

The log promises, it tells when, and it proves in a tree whose number stands behind its name.
"""

from __future__ import annotations

import json
from typing import Any

from tests.verifier import twin
from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer
from verifier._strict import b64encode, utc
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope
from verifier.merkle import Hash
from verifier.note import NoteSignature
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry, promise_message
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import MEDIA_TYPE, TrustedRoot
from verifier.sigstore.verify import judge, logged
from verifier.statement import approval

HOST, ORIGIN = "rekor.example", "rekor.example - 1193050959916656506"
V3 = "application/vnd.dev.sigstore.bundle.v0.3+json"
V1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"


class Foreign:
    """A signed envelope, its entry in a log of Rekor v1, and the question about both."""

    def __init__(self, kind: str = "hashedrekord", payload: bytes = b"") -> None:
        self.kind = kind
        self.signer, self.log = Signer(), Signer()
        self.payload = payload or approval(REPOSITORY, IMAGE, {})
        self.logged: bytes | None = None
        self.media_type = V3
        self.at, self.until, self.now = NOW, 0, NOW + 60.0

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

    def judge(self, bundle: Any = None, root: Any = None) -> object:
        """Ask about `bundle`, or about the good one."""
        parsed, trusted = _parsed(bundle or self.bundle, root or self.root)
        return judge(parsed, self.signer.public, trusted, Artifact(IMAGE), now=self.now)

    def stamped(self, bundle: Any, root: Any, *times: float) -> object:
        """Ask about a bundle of which others say when it was signed."""
        parsed, trusted = _parsed(bundle, root)
        key = self.signer.public
        return logged(parsed, key, trusted, Artifact(IMAGE), now=self.now, times=times)


def _parsed(bundle: Any, root: Any) -> tuple[ForeignBundle, TrustedRoot]:
    data, trusted = (json.dumps(value).encode() for value in (bundle, root))
    return ForeignBundle.parse(data), TrustedRoot.parse(trusted)
