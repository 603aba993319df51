"""A world in which one image was approved, every part of which a test can spoil.

    world = World()
    world.payload = approval(world.repository, OTHER_DIGEST, {})
    refused("digest-mismatch", world.verify)

Change a field and whatever depends on it follows: another payload is signed
anew, logged anew, and the checkpoint is signed anew. So each attack differs from
the good case in its one field and in nothing else. All keys are fresh.
"""

from __future__ import annotations

import json
import os
import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier import twin
from tests.verifier.paths import Path, put
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope, pae
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.merkle import Hash, InclusionProof
from verifier.note import COSIGNATURE, ED25519, ML_DSA, Note, NoteKey, NoteSignature
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.repository import Repository, Scope
from verifier.statement import approval
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, TrustedLog, keys_by_hint
from verifier.verdict import Verified
from verifier.verify import Verifier

ORIGIN = "ledger.example"
IMAGE = Digest.of(b"an image")
REPOSITORY = Repository("registry.example/team/app")
ISSUED, NOW, EXPIRES = 1_700_000_000, 1_750_000_000, 1_800_000_000


def refused(code: str, call: Callable[[], object]) -> VerificationError:
    """Check that `call` says no with this code, and return what it said."""
    with pytest.raises(VerificationError) as caught:
        call()
    assert code == caught.value.code, caught.value.message
    return caught.value


def verdict(call: Callable[[], object]) -> str:
    """Return "yes", or the code with which `call` says no."""
    try:
        call()
    except VerificationError as e:
        return e.code
    return "yes"


def rows(*table: tuple[Any, ...]) -> list[Any]:
    """Return the parameters of a test from rows that start with a name."""
    return [pytest.param(*values, id=name) for name, *values in table]


def public(key: Any) -> PublicKey:
    """Return one of cryptography's public keys as ours."""
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


class Signer:
    """A fresh key whose signatures are functions of the message."""

    def __init__(self, algorithm: str = "ecdsa-p256") -> None:
        generate: dict[str, Callable[[], Any]] = {
            "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "ed25519": Ed25519PrivateKey.generate,
            "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
            "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
            "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
        }
        how: dict[str, tuple[Any, ...]] = {
            "ecdsa-p256": (ec.ECDSA(hashes.SHA256(), deterministic_signing=True),),
            "ecdsa-p384": (ec.ECDSA(hashes.SHA384(), deterministic_signing=True),),
            "ed25519": (),
            "ml-dsa-44": (),
            "ml-dsa-65": (),
            "rsa-2048": (padding.PKCS1v15(), hashes.SHA256()),
        }
        self._key, self._how = generate[algorithm](), how[algorithm]
        self._made: dict[bytes, bytes] = {}  # ML-DSA draws each signature anew
        self.public = public(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, as `PublicKey.verify` takes it."""
        if message not in self._made:
            self._made[message] = self._key.sign(message, *self._how)
        return self._made[message]


class NoteSigner:
    """A key, fresh or from `seed`, that signs notes: a log, or a witness. ML-DSA-44 or Ed25519."""

    def __init__(self, name: str, kind: int = ED25519, seed: bytes | None = None) -> None:
        seed = os.urandom(32) if seed is None else seed
        self._key: Any = (
            mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
            if kind == ML_DSA
            else Ed25519PrivateKey.from_private_bytes(seed)
        )
        self.key = NoteKey(name, kind, public(self._key.public_key()))

    def sign(self, text: str, time: int = NOW) -> NoteSignature:
        """Return the signature line under `text`; a log with Ed25519 states no `time`."""
        if self.key.kind == ED25519:
            return self.line(self._key.sign(text.encode()))
        message = f"cosignature/v1\ntime {time}\n{text}".encode()
        if self.key.kind == ML_DSA:
            message = subtree(self.key.name, time, text)
        return self.line(time.to_bytes(8, "big") + self._key.sign(message))

    def line(self, signature: bytes) -> NoteSignature:
        """Return the line that claims `signature` for this key."""
        return NoteSignature(self.key.name, self.key.key_id, signature)


def subtree(cosigner: str, time: int, text: str) -> bytes:
    """Return what c2sp.org/tlog-cosignature has an ML-DSA-44 key sign about a checkpoint."""
    origin, tree_size, root, _ = text.split("\n")
    names = [bytes([len(name.encode())]) + name.encode() for name in (cosigner, origin)]
    sizes = struct.pack(">QQ", 0, int(tree_size))
    return b"subtree/v1\n\0" + struct.pack(">Q", time).join(names) + sizes + b64decode(root)


def witnesses(count: int, kind: int = COSIGNATURE) -> tuple[NoteSigner, ...]:
    """Return `count` fresh witnesses."""
    return tuple(NoteSigner(f"witness.example/{i}", kind) for i in range(count))


def policy(threshold: int, known: Sequence[NoteSigner]) -> str:
    """Return the policy that asks for `threshold` of `known`, who are called w0, w1, …"""
    names = [f"w{i}" for i in range(len(known))]
    lines = [f"witness {name} {w.key}" for name, w in zip(names, known, strict=True)]
    return "\n".join([*lines, f"group q {threshold} {' '.join(names)}", "quorum q", ""])


@dataclass
class World:
    """One approval, its ledger, who trusts them, and the question that is asked.

    A field that is None has the value that follows from the others.
    """

    # The question.
    digest: Digest = IMAGE
    repository: Repository | None = REPOSITORY
    now: float = NOW
    # What was signed, by whom.
    signer: Signer = field(default_factory=Signer)
    payload: bytes = field(default_factory=lambda: approval(REPOSITORY, IMAGE, {"env": "prod"}))
    signature: bytes | None = None
    hint: str | None = None
    # What was logged, and where.
    logged: bytes | None = None
    index: int = 4
    leaves: int = 7
    path: tuple[Hash, ...] | None = None
    origin: str = ORIGIN
    log: NoteSigner = field(default_factory=lambda: NoteSigner(ORIGIN))
    log_id: bytes | None = None
    witnesses: tuple[NoteSigner, ...] = ()
    lines: tuple[NoteSignature, ...] = ()  # further lines under the checkpoint
    # Who is trusted.
    key: TrustedKey = field(init=False)
    logs: tuple[TrustedLog, ...] = field(init=False)
    quorum: str = "quorum none\n"
    expires: int = EXPIRES

    def __post_init__(self) -> None:
        self.key = TrustedKey("release", "approve", self.signer.public, (Scope("*"),))
        self.logs = (TrustedLog(ORIGIN, self.log.key),)

    @property
    def envelope(self) -> Envelope:
        """The payload with its signature."""
        signature = self.signature
        if signature is None:
            signature = self.signer.sign(pae(IN_TOTO, self.payload))
        return Envelope(self.payload, signature)

    @property
    def entry(self) -> bytes:
        """The body that is in the ledger."""
        if self.logged is not None:
            return self.logged
        return Entry.of(self.envelope.message, self.envelope.signature, self.signer.public).body()

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All bodies of the ledger."""
        others = [b"entry %d" % i for i in range(self.leaves)]
        return (*others[: self.index], self.entry, *others[self.index + 1 :])

    @property
    def checkpoint(self) -> Checkpoint:
        """What the ledger says of itself."""
        return Checkpoint(self.origin, self.leaves, Hash(twin.root(self.entries)))

    @property
    def note(self) -> str:
        """The signed checkpoint."""
        text = str(self.checkpoint)
        signed = (self.log.sign(text), *(w.sign(text) for w in self.witnesses))
        return str(Note(text, (*signed, *self.lines)))

    @property
    def bundle(self) -> Bundle:
        """Everything that is handed to the verifier."""
        path = self.path
        if path is None:
            path = tuple(Hash(h) for h in twin.inclusion(self.index, self.entries))
        return Bundle(
            self.envelope,
            self.signer.public.hint if self.hint is None else self.hint,
            self.logs[0].checkpoint_key.log_id if self.log_id is None else self.log_id,
            self.entry,
            InclusionProof(self.index, self.leaves, path),
            self.note,
        )

    @property
    def trust(self) -> TrustRoot:
        """What the verifier believes."""
        keys = keys_by_hint([self.key])
        return TrustRoot(1, ISSUED, self.expires, self.logs, keys, Quorum.parse(self.quorum))

    @property
    def verifier(self) -> Verifier:
        """A new verifier without memory."""
        return Verifier(self.trust, clock=lambda: self.now)

    def verify(self, data: bytes | None = None) -> Verified:
        """Ask a new verifier about `data`, or else about this world's own bundle."""
        data = self.bundle.json() if data is None else data
        return self.verifier.verify(data, self.digest, self.repository)


def rewrite(world: World, path: Path, value: object) -> None:
    """Let the world's statement say `value` at `path`, before it is signed."""
    world.payload = json.dumps(put(json.loads(world.payload), path, value)).encode()
