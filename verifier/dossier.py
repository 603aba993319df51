"""Dossiers: one ledger entry with everything that proves it, in a zip file.

    README.txt          for people; not read here
    statement.json      the payload that was signed, as in bundle.json
    bundle.json         signature, entry and proof, as `sealbook verify` takes it
    proof.tlog-proof    the proof alone, as C2SP tools take it
    checkpoint.txt      the signed checkpoint of that proof
    trust.json          the trust file of whoever made this; not read here

Nothing in it is believed: every key comes from the trust file of the one who asks.
A zip file can show each reader another content. So this takes the one layout that
leaves no room: members end to end from the first byte, then the directory.
"""

from __future__ import annotations

import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import json_object
from verifier.bundle import Bundle
from verifier.errors import (
    CheckpointMismatchError,
    EntryMismatchError,
    KeyPurposeError,
    KeyScopeError,
    LimitError,
    MalformedError,
    RepositoryError,
)
from verifier.merkle import hash_leaf
from verifier.note import Note
from verifier.proof import TlogProof
from verifier.repository import Repository
from verifier.statement import APPROVAL, EVENT_PREFIX, Statement
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.verify import Verifier

MEMBERS = {
    "README.txt": 64 << 10,
    "statement.json": limits.STATEMENT,
    "bundle.json": limits.ATTESTATION,
    "proof.tlog-proof": limits.NOTE,
    "checkpoint.txt": limits.NOTE,
    "trust.json": limits.TRUST_FILE,
}  # and the most bytes of each

_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = 20  # bytes, right before the end record
_HEADER = struct.Struct("<4s5H3L2H")
_STRICT = "expected a zip file of plain members, end to end"


class Dossier(NamedTuple):
    """The members that are judged; `statement` and `checkpoint` may be absent."""

    bundle: bytes
    proof: str
    statement: bytes | None
    checkpoint: str | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take the members out of a zip file; nothing in them is believed yet.

        Raises:
            LimitError: the file, or what a member says it holds, is too large.
            MalformedError: no zip file of the one layout, an unknown or repeated
                member, or no bundle or proof.
        """
        if len(data) > limits.DOSSIER:
            raise LimitError(f"expected at most {limits.DOSSIER} bytes, found {len(data)}")
        members = _members(data)
        if not {"bundle.json", "proof.tlog-proof"} <= members.keys():
            raise MalformedError("expected bundle.json and proof.tlog-proof in the zip file")
        checkpoint = members.get("checkpoint.txt")
        return cls(
            members["bundle.json"],
            _text(members["proof.tlog-proof"]),
            members.get("statement.json"),
            None if checkpoint is None else _text(checkpoint),
        )

    def verify(self, trust: TrustRoot, clock: Callable[[], float] = time.time) -> str:
        """Return in one sentence what is proven under the caller's `trust`.

        1. The bundle is judged as one of an image is, and its key may say what it says.
        2. The proof file leads the same entry to a checkpoint of the same log.
        3. The other members say what bundle and proof say.

        Raises:
            VerificationError: one of its subclasses.
        """
        # 1.
        bundle = Bundle.parse(self.bundle, limits.ATTESTATION)
        endorsed, key = Verifier(trust, clock).logged(bundle)
        said = _said(Statement.parse(bundle.envelope.payload), key)
        # 2.
        proof = TlogProof.parse(self.proof)
        again = proof.judge(hash_leaf(bundle.entry), trust.tlog_policy())
        origin = endorsed.checkpoint.origin
        if (proof.index, again.checkpoint.origin) != (bundle.proof.index, origin):
            raise EntryMismatchError(
                f"the bundle is entry {bundle.proof.index} of {origin}, "
                f"the proof entry {proof.index} of {again.checkpoint.origin}"
            )
        # 3.
        if self.statement is not None and not _same_json(self.statement, bundle.envelope.payload):
            raise EntryMismatchError("statement.json is not what the bundle's signature covers")
        if self.checkpoint is not None and Note.parse(self.checkpoint) != proof.note:
            raise CheckpointMismatchError("checkpoint.txt is not the checkpoint of the proof")
        return (
            f"entry {proof.index} of {origin}, signed by {key.purpose} key {key.name}, {said}; "
            f"witnesses {len(again.witnesses)} of {len(trust.quorum.witnesses)}"
        )


def _said(statement: Statement, key: TrustedKey) -> str:
    """Return what the statement says, if it is for keys of this purpose to say."""
    kind = statement.predicate_type
    fits = {
        "approve": kind == APPROVAL,
        "attest": kind != APPROVAL and not kind.startswith(EVENT_PREFIX),
        "event": kind.startswith(EVENT_PREFIX),
    }
    if not fits.get(key.purpose, False):
        raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, and signed {kind[:120]!r}")
    if key.purpose == "event":
        return f"records {kind[len(EVENT_PREFIX) :][:80]!r}"
    for subject in statement.subjects:
        if not key.covers_name(subject.name):
            raise KeyScopeError(f"key {key.name} may not speak of {subject.name[:255]!r}")
    verb = "approves" if key.purpose == "approve" else f"states {kind[:120]!r} of"
    first = statement.subjects[0]
    more = f" and {len(statement.subjects) - 1} more" if len(statement.subjects) > 1 else ""
    return f"{verb} {first.digest}{_where(first.name)}{more}"


def _where(name: str) -> str:
    """Return what a statement calls its subject; a file's name may be anything."""
    if not name:
        return ""
    try:
        return f" in {Repository(name)}"
    except RepositoryError:
        return f", called {name[:255]!r}"


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_layout(data, infos)
            return {info.filename: archive.read(info) for info in infos}
    except (
        # What the library raises for files that are none, and says nowhere.
        *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
        *(NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError),
    ) as e:
        raise MalformedError(f"{_STRICT}: {str(e)[:120]}") from e


def _check_layout(data: bytes, infos: list[zipfile.ZipInfo]) -> None:
    """Check names, sizes and places of all members before any of them is read."""
    magic, *numbers, size, start, comment = _END.unpack(data[-_END.size :])
    before = data[-_END.size - _ZIP64_LOCATOR :]
    if (
        magic != b"PK\5\6"
        or before.startswith(b"PK\6\7")
        or numbers != [0, 0, len(infos), len(infos)]
        or comment
        or start + size + _END.size != len(data)
    ):
        raise MalformedError(f"{_STRICT}, then the directory and nothing else")
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or not MEMBERS.keys() >= set(names):
        raise MalformedError(f"expected each of {', '.join(MEMBERS)} at most once")
    here = 0
    for info in infos:
        if info.file_size > MEMBERS[info.filename]:
            raise LimitError(
                f"{info.filename}: expected at most {MEMBERS[info.filename]} bytes, "
                f"found {info.file_size}"
            )
        name = info.filename.encode()
        magic, _, *local, name_size, extra = _HEADER.unpack_from(data, here)
        flags, method, _, _, *sizes = local
        if (
            info.header_offset != here
            or magic != b"PK\3\4"
            or flags
            or info.flag_bits
            or method != info.compress_type
            or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            or sizes != [info.CRC, info.compress_size, info.file_size]
            or (name_size, extra) != (len(name), 0)
            or info.extra
            or info.comment
        ):
            raise MalformedError(f"{info.filename}: {_STRICT}")
        here += _HEADER.size + len(name) + info.compress_size
    if here != start:
        raise MalformedError(_STRICT)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        raise MalformedError("expected UTF-8 in the zip file") from e


def _same_json(one: bytes, other: bytes) -> bool:
    """Whether two documents mean the same; one may be indented for people."""
    first, second = (
        json_object(data, limit=limits.STATEMENT, floats=True) for data in (one, other)
    )
    return first == second
