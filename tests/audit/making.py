"""Ledgers to audit, made by hand: an operator with every key, who may write any file.

    log = Log()
    log.approve(3)
    log.write(folder)                       # a static tree, as nginx would serve it
    findings = audit(folder, log.trust()).findings

The tree is hashed here by the recursion of RFC 6962, in this file's own words, so
that an honest ledger's silence means that two programs agree.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import struct
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.audit.auditor import Auditor, Report
from ledger.audit.scan import Asked, Match
from ledger.audit.source import DirectoryReader, StaticSource
from ledger.audit.trusted import Trusted
from verifier import cosignature, dsse, statement
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.repository import Repository, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, TrustedLog, keys_by_hint

ORIGIN = "ledger.example"
REPOSITORY = Repository("registry.example/team/app")
OTHER = Repository("registry.example/team/other")
NOW = 1_750_000_000
_ISSUED, _EXPIRES = NOW - 1_000_000, NOW + 1_000_000_000


class Signer:
    """A P-256 key whose signatures follow from the message."""

    def __init__(self, seed: int) -> None:
        self._key = ec.derive_private_key(seed, ec.SECP256R1())
        self.public = _public(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over `message`."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class NoteSigner:
    """An Ed25519 key, for a log or a witness."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
        self.public = _public(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return self._key.sign(message)


def _public(key: Any) -> PublicKey:
    public = key.public_key()
    return PublicKey(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


LOG, OTHER_LOG = NoteSigner(b"log"), NoteSigner(b"another")
WITNESSES = {"w1": NoteSigner(b"w1"), "w2": NoteSigner(b"w2")}
APPROVE, ATTEST, EVENT, STATUS, STRANGER = (Signer(seed) for seed in (11, 12, 13, 14, 15))


class Log:
    """Entries and bodies, as the operator wants them to be."""

    def __init__(self, *, empty: bool = False) -> None:
        self.entries: list[bytes] = []
        self.bodies: dict[bytes, bytes] = {}  # by SHA-256
        self._last: dict[str, int] = {}
        if not empty:
            self.event("genesis", {})

    def approve(self, image: int, repository: str = REPOSITORY, key: Signer = APPROVE) -> int:
        """Log an approval and return its index."""
        return self.sign(
            statement.approval(Repository(repository), Digest.of(b"%d" % image), {}), key
        )

    def attest(self, image: int, key: Signer = ATTEST) -> int:
        """Log an attestation of another kind than an approval."""
        payload = statement.approval(REPOSITORY, Digest.of(b"%d" % image), {})
        kind = b"https://slsa.dev/provenance/v1"
        return self.sign(payload.replace(statement.APPROVAL.encode(), kind), key)

    def event(self, kind: str, predicate: dict[str, object], key: Signer = EVENT) -> int:
        """Log an event that names the one before it, unless `predicate` says something else."""
        chained = {"previous": self._last.get(kind), **predicate}
        index = self.sign(statement.event(kind, ORIGIN, chained), key)
        self._last[kind] = index
        return index

    def delete_body(self, index: int, *, logged: bool = True) -> None:
        """Take the body of an entry away, with a statement that says so or without."""
        digest = Entry.parse(self.entries[index]).data_digest
        del self.bodies[digest]
        if logged:
            self.event("body-deleted", {"index": index, "digest": f"sha256:{digest.hex()}"})

    def sign(self, payload: bytes, key: Signer, *, body: bool = True) -> int:
        """Log a statement and return its index."""
        message = dsse.pae(dsse.IN_TOTO, payload)
        return self.add(_logged(message, key), message, body=body)

    def add(self, entry: bytes, message: bytes, *, body: bool = True) -> int:
        """Log an entry as it is."""
        self.entries.append(entry)
        if body:
            self.bodies[hashlib.sha256(message).digest()] = message
        return len(self.entries) - 1

    def grow(self, size: int) -> Log:
        """Approve images until there are `size` entries; returns this log."""
        for image in range(len(self.entries), size):
            self.approve(image)
        return self

    def note(
        self,
        size: int | None = None,
        key: NoteSigner = LOG,
        cosigned: dict[str, int] | None = None,
        origin: str = ORIGIN,
    ) -> str:
        """Return a signed checkpoint of `size`, cosigned by witnesses at these times."""
        size = len(self.entries) if size is None else size
        text = f"{origin}\n{size}\n{_b64(root(self.entries[:size]))}\n"
        named = NoteKey.of(origin, key.public)
        lines = [NoteSignature(origin, named.key_id, key.sign(text.encode()))]
        for name, time in (cosigned or {}).items():
            lines.append(cosignature.cosign(WITNESSES[name], f"{name}.example", text, time))
        return str(Note(text, tuple(lines)))

    def write(self, folder: Path, size: int | None = None, note: str | None = None) -> Path:
        """Write the static tree of the first `size` entries into `folder`."""
        size = len(self.entries) if size is None else size
        for path, content in files(self.entries[:size]).items():
            put(folder / path, content)
        for digest, body in self.bodies.items():
            if not (path := folder / "bodies" / "sha256" / digest.hex()).exists():
                put(path, body)
        put(folder / "checkpoint", (note or self.note(size)).encode())
        return folder


@cache
def _logged(message: bytes, key: Signer) -> bytes:
    """Return the entry for a message, which follows from it."""
    return Entry.of(message, key.sign(message), key.public).body()


def trust(quorum: str = "", keys: Sequence[TrustedKey] = (), log: NoteSigner = LOG) -> TrustRoot:
    """Return a trust root; `quorum` names one of the witnesses, "any" of them or "both"."""
    everywhere = (Scope("*"),)
    usual = [
        TrustedKey("release", "approve", APPROVE.public, everywhere),
        TrustedKey("ci", "attest", ATTEST.public, everywhere),
        TrustedKey("event", "event", EVENT.public, everywhere),
        TrustedKey("status", "status", STATUS.public, everywhere),
    ]
    others = {key.name for key in keys}
    trusted = keys_by_hint([*(key for key in usual if key.name not in others), *keys])
    logs = (TrustedLog(ORIGIN, NoteKey.of(ORIGIN, log.public)),)
    return TrustRoot(1, _ISSUED, _EXPIRES, logs, trusted, Quorum.parse(_policy(quorum)))


def _policy(quorum: str) -> str:
    if not quorum:
        return "quorum none\n"
    lines = [
        f"witness {name} {NoteKey.witness(f'{name}.example', key.public)}\n"
        for name, key in WITNESSES.items()
    ]
    members = " ".join(WITNESSES)
    groups = {"any": f"group any any {members}\n", "both": f"group both all {members}\n"}
    return "".join(lines) + groups.get(quorum, "") + f"quorum {quorum}\n"


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


class Outsider:
    """Somebody with a trust file and a memory, on a machine of their own."""

    def __init__(self, home: Path, trusted: TrustRoot | None = None) -> None:
        self.home = home
        self.state = home / "pin.json"
        self.evidence = home / "evidence"
        self.trust = trusted or trust()
        self.clock = Clock()

    def audit(
        self,
        source: Any,
        *,
        proofs: bool = False,
        deliver: Callable[[Match], None] = lambda _: None,
        **asked: Any,
    ) -> Report:
        """Audit a folder, or any source."""
        if isinstance(source, Path):
            source = StaticSource(DirectoryReader(source))
        trusted = Trusted.root(self.trust, ORIGIN, self.clock())
        auditor = Auditor(
            source, trusted, self.state, self.evidence, proofs=proofs, clock=self.clock
        )
        return auditor.audit(Asked(**asked), deliver=deliver)

    def found(self, source: Any, **more: Any) -> list[tuple[str, int | None]]:
        """Audit, and return code and index of each finding."""
        return [(f.code, f.index) for f in self.audit(source, **more).findings]


def leaf(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def mth(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of RFC 6962 section 2.1 over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def root(entries: list[bytes]) -> bytes:
    """Return the root over entries."""
    return mth([leaf(entry) for entry in entries])


def files(entries: list[bytes]) -> dict[str, bytes]:
    """Return tiles and entry bundles of c2sp.org/tlog-tiles, by path."""
    found: dict[str, bytes] = {}
    for n in range(0, len(entries), 256):
        bundle = entries[n : n + 256]
        packed = b"".join(struct.pack(">H", len(entry)) + entry for entry in bundle)
        found[f"tile/entries/{name(n // 256, len(bundle))}"] = packed
    row = [leaf(entry) for entry in entries]
    for level in itertools.count():
        if not row:
            return found
        for n in range(0, len(row), 256):
            tile = row[n : n + 256]
            found[f"tile/{level}/{name(n // 256, len(tile))}"] = b"".join(tile)
        row = [mth(row[n : n + 256]) for n in range(0, len(row) // 256 * 256, 256)]
    raise AssertionError


def name(n: int, width: int = 256) -> str:
    """Return the path of tile `n`, as in x001/x234/067.p/8."""
    parts = [f"{n % 1000:03}"]
    while n := n // 1000:
        parts.insert(0, f"x{n % 1000:03}")
    return "/".join(parts) + (f".p/{width}" if width < 256 else "")


def put(path: Path, content: bytes) -> None:
    """Write a file whose folders may not be there yet, as a whole: somebody may read it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_bytes(content)
    fresh.replace(path)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
