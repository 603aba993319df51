"""The file of a key ceremony: what is to be made, before whom. Reviewed, then never touched.

    type = "urn:sealbook:ceremony:v1"
    title = "The approval key of 2027"
    date = 2026-11-26
    origin = "ledger.bank.example"

    [[present]]
    name = "Ada Okafor"
    role = "operator"

    [[present]]
    name = "Jan de Vries"
    role = "internal audit"
    statement = "I saw every step, and I compared the fingerprint."

    [[key]]
    name = "release"
    purpose = "approve"
    scope = ["registry.bank.example"]
    algorithm = "ecdsa-p256"
    uri = "pkcs11:token=s;object=release-2027;id=%01?module-path=/usr/lib/hsm.so&pin-source=prompt"
    attributes = { CKA_EXTRACTABLE = "false", CKA_NEVER_EXTRACTABLE = "true" }

The name of a key is what callers will ask for: an encrypted file is bound to it. Two people at
least, one of whom has something to say. `statement` is what they will sign
for by hand. `attributes` is what the home of the key must say of it; what homes say is in
their documentation. A secret has no place here: the file and its transcript are shown around.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple, Self

from signer.errors import CeremonyFileError
from verifier import limits
from verifier._strict import Fields, name, note_name, plain
from verifier.algorithms import ALGORITHMS
from verifier.errors import MalformedError, RepositoryError
from verifier.repository import Scope
from verifier.trust.listed import PURPOSES

TYPE = "urn:sealbook:ceremony:v1"
FILE_LIMIT = 64 << 10
_SCOPED = ("approve", "attest")
_OURS = (
    "raw",
    "promise",
    "certificate",
    "transparency",
    "authority",
    "root",
    "person",
)  # trust.json lists none
_PEOPLE = 32
_KEYS = 16
_ATTRIBUTES = 64
_TEXT = limits.ANNOTATION_VALUE  # UTF-8 bytes
_URI = re.compile(r"[a-z][a-z0-9]*:[\x21-\x7e]{1,1023}", re.ASCII)
_SECRET = re.compile(r"[?&;][^=&;]*(?:pin|pass|secret)[^=&;]*(?<!-source)=", re.ASCII)


class Present(NamedTuple):
    """Somebody in the room, and what they sign for."""

    name: str
    role: str
    statement: str = ""


class WantedKey(NamedTuple):
    """A key that is to be made."""

    name: str
    purpose: str
    scope: tuple[Scope, ...]
    algorithm: str
    uri: str
    attributes: Mapping[str, str]

    def missed(self, found: Mapping[str, str]) -> str:
        """Return in words what `found`, which the home says, lacks of what is demanded."""
        return "; ".join(
            f"expected {attribute} to be {wanted!r}, found {found.get(attribute, 'nothing')!r}"
            for attribute, wanted in self.attributes.items()
            if found.get(attribute) != wanted
        )


class Ceremony(NamedTuple):
    """A parsed file; `text` are its bytes, by whose hash everything else names it."""

    title: str
    date: str
    origin: str
    present: tuple[Present, ...]
    keys: tuple[WantedKey, ...]
    text: bytes

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read a ceremony's file.

        Raises:
            CeremonyFileError: no TOML; a field that is unknown, missing or of another kind;
                nobody to watch; no key, or two in one place; a secret.
        """
        if len(text) > FILE_LIMIT:
            raise CeremonyFileError(f"expected at most {FILE_LIMIT} bytes, found more")
        try:
            fields = Fields(tomllib.loads(text.decode()), "ceremony")
            found = cls._read(fields, text)
        except (ValueError, RecursionError) as e:  # of TOML, of UTF-8, of a number too long
            raise CeremonyFileError(f"not a ceremony in TOML: {str(e)[:200]}") from e
        except (MalformedError, RepositoryError) as e:
            raise CeremonyFileError(e.message, hint=e.hint) from e
        return found

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file."""
        return hashlib.sha256(self.text).hexdigest()

    @classmethod
    def _read(cls, fields: Fields, text: bytes) -> Self:
        kind = fields.text("type")
        if kind != TYPE:
            raise CeremonyFileError(f"expected type {TYPE}, found {kind[:80]!r}")
        ceremony = cls(
            _line(fields, "title"),
            _day(fields.time("date")),
            note_name(fields.text("origin")),
            tuple(_present(v, i) for i, v in enumerate(fields.items("present", most=_PEOPLE))),
            tuple(_key(v, i) for i, v in enumerate(fields.items("key", most=_KEYS))),
            text,
        )
        fields.done()
        ceremony._check()
        return ceremony

    def _check(self) -> None:
        people = {one.name for one in self.present}
        if len(people) < 2 or len(people) != len(self.present):
            raise CeremonyFileError("expected two people or more to be present, each named once")
        if not any(one.statement for one in self.present):
            raise CeremonyFileError("expected a statement of somebody who watches, found none")
        if not self.keys:
            raise CeremonyFileError("expected a key that is to be made, found none")
        for what in ("name", "uri"):
            if len({getattr(key, what) for key in self.keys}) != len(self.keys):
                raise CeremonyFileError(f"two keys have the same {what}")


def _present(value: object, number: int) -> Present:
    fields = Fields(value, f"present[{number}]")
    statement = _line(fields, "statement") if fields.has("statement") else ""
    found = Present(_line(fields, "name"), _line(fields, "role"), statement)
    fields.done()
    return found


def _key(value: object, number: int) -> WantedKey:
    fields = Fields(value, f"key[{number}]")
    called, purpose, algorithm = name(fields.text("name")), fields.text("purpose"), ""
    if purpose not in (*PURPOSES, *_OURS):
        wanted = ", ".join((*PURPOSES, *_OURS))
        raise CeremonyFileError(f"key {called}: expected a purpose of {wanted}")
    places = fields.items("scope", most=limits.SUBJECTS) if fields.has("scope") else []
    if bool(places) is not (purpose in _SCOPED):
        needs = "where it may speak" if purpose in _SCOPED else f"no scope, it is for {purpose!r}"
        raise CeremonyFileError(f"key {called}: expected {needs}")
    algorithm = fields.text("algorithm")
    known = [row.name for row in ALGORITHMS]
    if algorithm not in known:
        raise CeremonyFileError(f"key {called}: expected an algorithm of {', '.join(known)}")
    found = WantedKey(
        called,
        purpose,
        tuple(Scope(str(place)) for place in places),
        algorithm,
        _uri(fields.text("uri")),
        _attributes(fields.take("attributes", dict), called),
    )
    fields.done()
    return found


def _uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise CeremonyFileError(f"expected a key's URI in printable ASCII, found {text[:40]!r}")
    if _SECRET.search(text):  # not quoted: the message is shown around too
        raise CeremonyFileError(
            "a key's URI holds a secret, which has no place in a ceremony's file",
            hint="say where it is: pin-source=prompt, or pin-source=file:/…",
        )
    return text


def _attributes(found: Mapping[str, object], called: str) -> Mapping[str, str]:
    """Return what is demanded of a key; somebody must have said what they rely on."""
    if not 0 < len(found) <= _ATTRIBUTES:
        raise CeremonyFileError(
            f"key {called}: expected 1 to {_ATTRIBUTES} attributes that its home must state",
            hint='of an HSM at least CKA_EXTRACTABLE = "false"; of a file home = "file"',
        )
    checked = {}
    for attribute, value in found.items():
        if not attribute.isascii() or not isinstance(value, str):
            raise CeremonyFileError(f"key {called}: expected attributes that are strings")
        checked[plain(attribute)] = plain(value)
    return checked


def _line(fields: Fields, field: str) -> str:
    text = plain(fields.text(field))
    if not 0 < len(text.encode()) <= _TEXT:
        raise CeremonyFileError(f"expected 1 to {_TEXT} bytes of {field}")
    return text


def _day(value: object) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise CeremonyFileError("expected a date like 2026-11-26, without a time of day")
    return value.isoformat()
