"""Signed notes (c2sp.org/signed-note), the envelope of checkpoints.

    example.com/log
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

    — example.com/log M9e0luh4jTG+…A
    — example.com/witness F10gAQAAAABlU…Aw==

The text ends at the *last* empty line; signatures follow, each with the name
of its key and the Base64 of a 4-byte key id and the signature. Unknown keys are
ignored, a known key whose signature fails condemns the whole note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import b64, b64encode, hexadecimal, note_name
from verifier.algorithms import ALGORITHMS
from verifier.errors import (
    AmbiguousKeyError,
    LimitError,
    MalformedError,
    UnsupportedKeyError,
    UntrustedLogError,
)
from verifier.publickey import PublicKey

ED25519 = 0x01
ECDSA = 0x02
COSIGNATURE = 0x04  # c2sp.org/tlog-cosignature, with a time of its own
ML_DSA = 0x06  # the same with ML-DSA-44, by a witness or, under its origin, by a log

_LOG_KINDS = {row.name: row.log_kind for row in ALGORITHMS if row.log_kind}
_WITNESS_KINDS = {row.name: row.witness_kind for row in ALGORITHMS if row.witness_kind}
_BY_KIND = {kind: row for row in ALGORITHMS for kind in (row.log_kind, row.witness_kind) if kind}

_DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


class NoteSignature(NamedTuple):
    """One signature line: `key_id` has 4 bytes, `signature` at least one."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Print the line, without its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature)}"


class Note(NamedTuple):
    """A text that ends in a newline, and the signatures under it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Parse `note`; nothing in it is trusted yet.

        Raises:
            LimitError: too long, or too many signatures.
            MalformedError: any other form than the specification's.
        """
        if len(note) > limits.NOTE:
            raise LimitError(f"expected at most {limits.NOTE} characters, found {len(note)}")
        if _CONTROL.search(note):
            raise MalformedError("a note holds a control character or is not Unicode")
        split = note.rfind("\n\n")
        if split < 0 or not note.endswith("\n"):
            raise MalformedError("expected text, an empty line, and signature lines")
        text, block = note[: split + 1], note[split + 2 : -1]
        lines = block.split("\n") if block else []
        if not lines:
            raise MalformedError("expected at least one signature line, found none")
        if len(lines) > limits.NOTE_SIGNATURES:
            raise LimitError(
                f"expected at most {limits.NOTE_SIGNATURES} signatures, found {len(lines)}"
            )
        return cls(text, tuple(_parse_line(line) for line in lines))

    def __str__(self) -> str:
        """Print the note: the exact inverse of `parse`."""
        return f"{self.text}\n" + "".join(f"{line}\n" for line in self.signatures)


class NoteKey(NamedTuple):
    """A key that may sign notes under `name`; name and id together identify it."""

    name: str
    kind: int
    public: PublicKey

    @classmethod
    def of(cls, name: str, public: PublicKey) -> Self:
        """Name the log key `public`; its kind follows from its algorithm."""
        return cls._named(name, public, _LOG_KINDS)

    @classmethod
    def witness(cls, name: str, public: PublicKey) -> Self:
        """Name the key `public` of a witness; its kind follows from its algorithm."""
        return cls._named(name, public, _WITNESS_KINDS)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Parse a verifier key: `<name>+<8 hex digits>+<base64 of kind and key>`.

        Raises:
            MalformedError: another form, or an id that is not this key's.
            UnsupportedKeyError: a kind of key that this verifier does not know.
        """
        parts = vkey.split("+", 2)  # Base64 may hold a plus, a name may not
        if len(vkey) > 2 * limits.KEY or len(parts) != 3:
            raise MalformedError("expected a verifier key of three parts joined by '+'")
        name, hex_id, material = note_name(parts[0]), parts[1], b64(parts[2])
        kind, rest = (material[0], material[1:]) if material else (0, b"")
        if kind not in _BY_KIND:
            known = ", ".join(map(str, sorted(_BY_KIND)))
            raise UnsupportedKeyError(f"expected a note key of kind {known}, found {kind}")
        algorithm = _BY_KIND[kind]
        key = cls(name, kind, PublicKey(rest if kind == ECDSA else algorithm.spki(rest)))
        if key.public.algorithm is not algorithm:
            raise UnsupportedKeyError(f"expected {algorithm.name}, found {key.public!r}")
        if hexadecimal(hex_id, size=4) != key.key_id:
            raise MalformedError(f"expected key id {key.key_id.hex()}, found {hex_id}")
        return key

    @property
    def log_id(self) -> bytes:
        """The 32 bytes whose first four are the key id; Sigstore's `logId`."""
        if self.kind == ECDSA:  # the specification leaves the name out for these
            return hashlib.sha256(self.public.spki).digest()
        return hashlib.sha256(
            self.name.encode() + b"\n" + bytes([self.kind]) + self.public.raw
        ).digest()

    @property
    def key_id(self) -> bytes:
        """The 4 bytes before each signature of this key."""
        return self.log_id[:4]

    def verify(self, text: str, signature: bytes) -> None:
        """Check the body of one signature line over `text`.

        Raises:
            SignatureError: it does not fit.
            MalformedError: a signature of kind 6 over anything but a checkpoint.
        """
        if self.kind in (ED25519, ECDSA):
            self.public.verify(signature, text.encode())
            return
        from verifier import cosigned  # most bundles have no witness, and start sooner

        cosigned.verify(self.name, self.public, text, signature)

    def __str__(self) -> str:
        """Print the verifier key: the exact inverse of `parse`."""
        material = self.public.spki if self.kind == ECDSA else self.public.raw
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + material)}"

    @classmethod
    def _named(cls, name: str, public: PublicKey, kinds: dict[str, int]) -> Self:
        note_name(name)
        if public.algorithm.name not in kinds:
            raise UnsupportedKeyError(f"expected a key of {', '.join(kinds)}, found {public!r}")
        return cls(name, kinds[public.algorithm.name], public)


def refuse_ambiguous(keys: Iterable[NoteKey]) -> None:
    """Refuse keys that no signature line tells apart: nobody could say who signed.

    Raises:
        AmbiguousKeyError: two different keys have one name and one id.
    """
    known: dict[tuple[str, bytes], NoteKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise AmbiguousKeyError(f"two keys are called {key.name}+{key.key_id.hex()}")


def verify(note: Note, keys: Iterable[NoteKey]) -> tuple[NoteKey, ...]:
    """Return those of `keys` that signed `note`, each once.

    Raises:
        SignatureError: a line that names one of `keys` does not verify.
        UntrustedLogError: none of `keys` signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signed: dict[tuple[str, bytes], NoteKey] = {}
    for line in note.signatures:
        identity = (line.name, line.key_id)
        if identity in known:
            known[identity].verify(note.text, line.signature)
            signed[identity] = known[identity]
    if not signed:
        names = ", ".join(sorted({line.name for line in note.signatures}))[:200]
        raise UntrustedLogError(f"expected a signature by a pinned key, found only {names}")
    return tuple(signed.values())


def _parse_line(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise MalformedError("expected a signature line: an em dash, a space, name, Base64")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    if not space:
        raise MalformedError("expected a signature line: an em dash, a space, name, Base64")
    raw = b64(encoded)
    if len(raw) < 5:
        raise MalformedError(f"expected a key id and a signature, found {len(raw)} bytes")
    if len(raw) > limits.SIGNATURE:
        raise LimitError(f"expected at most {limits.SIGNATURE} bytes, found {len(raw)}")
    return NoteSignature(note_name(name), raw[:4], raw[4:])
