"""A foreign bundle under a managed key, every part of which a test can spoil.

    foreign = Foreign("dsse", "0.0.1")
    foreign.window["end"] = "2020-01-01T00:00:00Z"
    refused("key-window", foreign.judge)

As in `making.World`, whatever depends on a changed field follows. Bodies, checkpoints and
promises are written here from their specifications, and share no line with the verifier.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode, encodebytes
from dataclasses import dataclass, field
from typing import Any

from tests.verifier import twin
from tests.verifier.certificates import certificate
from tests.verifier.making import NOW, Signer
from verifier.digest import Digest
from verifier.publickey import PublicKey
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import Logged, judge, logged

HOST = "rekor.example"
ARTIFACT = b"a release\n"
IN_TOTO = "application/vnd.in-toto+json"
MEDIA_TYPES = {
    "0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "0.3": "application/vnd.dev.sigstore.bundle.v0.3+json",
}
SECOND = ("hashedrekord", "0.0.2")
KINDS = [SECOND, ("hashedrekord", "0.0.1"), ("dsse", "0.0.1"), ("intoto", "0.0.2")]
INTEGRATED_AT = NOW - 1000


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def statement(*digests: dict[str, str], kind: str = "https://in-toto.io/Statement/v1") -> bytes:
    """Return a statement about things with these digests."""
    subjects = [{"name": "release", "digest": digest} for digest in digests]
    return compact(
        {"_type": kind, "predicateType": "t", "predicate": {"at": 1.5}, "subject": subjects}
    )


PAYLOAD = statement({"sha256": hashlib.sha256(ARTIFACT).hexdigest(), "sha512": "00"})


@dataclass
class Foreign:
    """One signature in a log. A field that is None has the value that follows from the others."""

    kind: str = "hashedrekord"
    kind_version: str = "0.0.2"
    version: str = "0.3"
    envelope: bool = True
    algorithm: str = "ecdsa-p256"
    artifact: bytes = ARTIFACT
    payload: bytes = PAYLOAD
    signature: bytes | None = None
    body: bytes | None = None
    log: Signer = field(default_factory=Signer)
    name: str = HOST  # under the checkpoint
    origin: str | None = None
    extension: str = ""  # lines after the root
    index: int = 4  # in its tree
    leaves: int = 7
    global_index: int | None = None
    promise: bool | None = None
    integrated_at: int | None = None
    proof: bool = True
    window: dict[str, str] = field(default_factory=lambda: {"start": "2021-01-12T11:53:27.123Z"})
    now: float = NOW
    digest_alone: bool = False
    certified: bool = False  # by somebody, for what that is worth

    def __post_init__(self) -> None:
        self.signer = Signer(self.algorithm)
        self.key: PublicKey = self.signer.public

    @property
    def second(self) -> bool:
        return (self.kind, self.kind_version) == SECOND

    @property
    def promised(self) -> bool:
        return not self.second if self.promise is None else self.promise

    @property
    def message(self) -> bytes:
        if not self.envelope:
            return self.artifact
        return b"DSSEv1 %d %b %d %b" % (
            len(IN_TOTO),
            IN_TOTO.encode(),
            len(self.payload),
            self.payload,
        )

    @property
    def signed(self) -> bytes:
        return self.signer.sign(self.message) if self.signature is None else self.signature

    @property
    def pem(self) -> bytes:
        """The key as Rekor v1 logs it."""
        if not self.certified:
            return self.key.pem()
        lines = encodebytes(self.certificate).replace(b"\n", b"")
        cut = b"".join(lines[i : i + 64] + b"\n" for i in range(0, len(lines), 64))
        return b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n" % cut

    @property
    def certificate(self) -> bytes:
        return certificate(self.key)

    @property
    def log_id(self) -> bytes:
        return sha256(self.log.public.spki)

    @property
    def logged(self) -> bytes:
        """The canonical body."""
        if self.body is not None:
            return self.body
        hash_name = self.key.algorithm.hash_name
        sig, pem = b64(self.signed), b64(self.pem)
        spec: dict[str, Any]
        if self.second:
            data = {
                "algorithm": self.key.algorithm.data_algorithm,
                "digest": b64(hashlib.new(hash_name, self.message).digest()),
            }
            verifier: dict[str, Any] = {
                "keyDetails": self.key.algorithm.key_details,
                "publicKey": {"rawBytes": b64(self.key.spki)},
            }
            if self.certified:
                del verifier["publicKey"]
                verifier["x509Certificate"] = {"rawBytes": b64(self.certificate)}
            spec = {
                "hashedRekordV002": {
                    "data": data,
                    "signature": {"content": sig, "verifier": verifier},
                }
            }
        elif self.kind == "hashedrekord":
            spec = {
                "data": {"hash": _hash(self.message)},
                "signature": {"content": sig, "publicKey": {"content": pem}},
            }
        elif self.kind == "dsse":
            spec = {
                "envelopeHash": _hash(b"whatever text"),
                "payloadHash": _hash(self.payload),
                "signatures": [{"signature": sig, "verifier": pem}],
            }
        else:
            line = {"publicKey": pem, "sig": b64(sig.encode())}
            spec = {
                "content": {
                    "envelope": {"payloadType": IN_TOTO, "signatures": [line]},
                    "hash": _hash(b"whatever text"),
                    "payloadHash": _hash(self.payload),
                }
            }
        return compact({"apiVersion": self.kind_version, "kind": self.kind, "spec": spec})

    @property
    def entries(self) -> tuple[bytes, ...]:
        others = [b"entry %d" % i for i in range(self.leaves)]
        return (*others[: self.index], self.logged, *others[self.index + 1 :])

    @property
    def note(self) -> str:
        origin = self.origin
        if origin is None:
            origin = HOST if self.second else f"{HOST} - 2605736670972794746"
        text = f"{origin}\n{self.leaves}\n{b64(twin.root(self.entries))}\n{self.extension}"
        line = b64(self.log_id[:4] + self.log.sign(text.encode()))
        return f"{text}\n\u2014 {self.name} {line}\n"

    @property
    def entry(self) -> dict[str, Any]:
        """The log entry as the bundle has it."""
        index = self.index if self.second else self.index + 1000  # counts over all trees
        index = index if self.global_index is None else self.global_index
        at = self.integrated_at
        if at is None:
            at = INTEGRATED_AT if self.promised else 0
        body = self.logged
        entry: dict[str, Any] = {
            "logIndex": str(index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": self.kind, "version": self.kind_version},
            "integratedTime": str(at),
            "inclusionPromise": None,
            "canonicalizedBody": b64(body),
        }
        if self.promised:
            said = {
                "body": b64(body),
                "integratedTime": at,
                "logID": self.log_id.hex(),
                "logIndex": index,
            }
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.log.sign(compact(said)))}
        if self.proof:
            entry["inclusionProof"] = {
                "logIndex": str(self.index),
                "rootHash": b64(twin.root(self.entries)),
                "treeSize": str(self.leaves),
                "hashes": [b64(one) for one in twin.inclusion(self.index, self.entries)],
                "checkpoint": {"envelope": self.note},
            }
        return entry

    @property
    def document(self) -> dict[str, Any]:
        """The bundle as JSON values."""
        bundle: dict[str, Any] = {
            "mediaType": MEDIA_TYPES[self.version],
            "verificationMaterial": {
                "publicKey": {"hint": b64(sha256(self.key.spki))},
                "tlogEntries": [self.entry],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
        }
        if self.certified:
            material = bundle["verificationMaterial"]
            del material["publicKey"]
            shown = {"rawBytes": b64(self.certificate)}
            if self.version == "0.3":
                material["certificate"] = shown
            else:
                material["x509CertificateChain"] = {"certificates": [shown]}
        if self.envelope:
            bundle["dsseEnvelope"] = {
                "payload": b64(self.payload),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": b64(self.signed), "keyid": ""}],
            }
        else:
            bundle["messageSignature"] = {
                "messageDigest": {"algorithm": "SHA2_256", "digest": b64(sha256(self.artifact))},
                "signature": b64(self.signed),
            }
        return bundle

    @property
    def trusted(self) -> dict[str, Any]:
        """The trusted root as JSON values."""
        log = {
            "baseUrl": f"https://{HOST}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(self.log.public.spki),
                "keyDetails": self.log.public.algorithm.key_details,
                "validFor": self.window,
            },
            "logId": {"keyId": b64(self.log_id)},
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log],
        }

    def judge(self, document: Any = None, trusted: Any = None) -> Logged | None:
        """Ask about this bundle and under this root, or about others in their places."""
        bundle = ForeignBundle.parse(json.dumps(document or self.document).encode())
        root = TrustedRoot.parse(json.dumps(trusted or self.trusted).encode())
        content = None if self.digest_alone else lambda: ARTIFACT
        return judge(bundle, self.key, root, Artifact(Digest.of(ARTIFACT), content), now=self.now)

    def in_log(self, document: Any = None, times: tuple[float, ...] = ()) -> Logged:
        """Ask only whether the log has it, as of a bundle under a certificate."""
        bundle = ForeignBundle.parse(json.dumps(document or self.document).encode())
        root = TrustedRoot.parse(json.dumps(self.trusted).encode())
        about = None if self.envelope else Artifact(Digest.of(self.artifact))
        return logged(bundle, self.key, root, about, now=self.now, times=times)


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
