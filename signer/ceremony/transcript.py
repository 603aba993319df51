"""Transcripts of key ceremonies: canonical JSON, by whose SHA-256 the ledger names one.

    {"failure":"","file":"…","keys":[{"attributes":{…},
     "name":"release-2027","public_key":"MFkw…","self_test":"MEUC…","uri":"pkcs11:…"}],
     "outcome":"done","program":"sealbook 0.1.0","steps":[{"at":"2026-11-26T09:30:00Z",
     "did":"…","found":"…"}],"type":"urn:sealbook:ceremony-transcript:v1"}

It holds the whole file that was reviewed, so that it is checked from itself alone. `outcome`
is "begun" until there is another one: what a killed ceremony leaves says so. A rehearsal is of
another type, "urn:sealbook:ceremony-rehearsal:v1".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Self

from signer.ceremony.reading import Ceremony
from signer.errors import TranscriptError
from verifier import limits
from verifier._strict import Fields, b64, b64encode, canonical_json, json_object, rfc3339, utc
from verifier.errors import VerificationError
from verifier.publickey import PublicKey

LIMIT = 256 << 10
BEGUN, DONE, FAILED = "begun", "done", "failed"
_EARNEST = "urn:sealbook:ceremony-transcript:v1"
_REHEARSAL = "urn:sealbook:ceremony-rehearsal:v1"
_STEPS = 1024


class Step(NamedTuple):
    """What was done when, POSIX seconds, and what was found."""

    at: int
    did: str
    found: str


class MadeKey(NamedTuple):
    """A key that was made: where, what its home says of it, and what it signed of itself.

    `self_test` is empty until it did.
    """

    name: str
    uri: str
    public: PublicKey
    attributes: Mapping[str, str]
    self_test: bytes = b""


class Transcript(NamedTuple):
    """What a ceremony did. Whether to believe it, `checking` says."""

    ceremony: Ceremony
    rehearsal: bool
    program: str
    steps: tuple[Step, ...] = ()
    keys: tuple[MadeKey, ...] = ()
    outcome: str = BEGUN
    failure: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `json` printed, and nothing else.

        Raises:
            TranscriptError: it is anything else.
            CeremonyFileError: the file in it is none.
        """
        try:
            fields = Fields(json_object(data, limit=LIMIT), "transcript")
            found = cls._read(fields)
            fields.done()
        except VerificationError as e:
            raise TranscriptError(f"no transcript of a ceremony: {e.message}") from e
        if found.json() != data:
            raise TranscriptError("expected a transcript in canonical JSON")
        return found

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        kind = fields.text("type")
        if kind not in (_EARNEST, _REHEARSAL):
            raise TranscriptError(f"expected type {_EARNEST}, found {kind[:80]!r}")
        outcome = fields.text("outcome")
        if outcome not in (BEGUN, DONE, FAILED):
            raise TranscriptError(f"expected an outcome, found {outcome[:40]!r}")
        return cls(
            Ceremony.parse(fields.text("file").encode()),
            kind == _REHEARSAL,
            fields.text("program"),
            tuple(_step(v, i) for i, v in enumerate(fields.items("steps", most=_STEPS))),
            tuple(_key(v, i) for i, v in enumerate(fields.items("keys", most=limits.ROOTS))),
            outcome,
            fields.text("failure"),
        )

    def json(self) -> bytes:
        """Print as canonical JSON."""
        return canonical_json(
            {
                "failure": self.failure,
                "file": self.ceremony.text.decode(),
                "keys": [
                    {
                        "attributes": dict(key.attributes),
                        "name": key.name,
                        "public_key": b64encode(key.public.spki),
                        "self_test": b64encode(key.self_test),
                        "uri": key.uri,
                    }
                    for key in self.keys
                ],
                "outcome": self.outcome,
                "program": self.program,
                "steps": [
                    {"at": utc(step.at), "did": step.did, "found": step.found}
                    for step in self.steps
                ],
                "type": _REHEARSAL if self.rehearsal else _EARNEST,
            }
        )

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the JSON: what people write down, and the ledger keeps."""
        return hashlib.sha256(self.json()).hexdigest()


def _step(value: object, number: int) -> Step:
    fields = Fields(value, f"transcript.steps[{number}]")
    found = Step(rfc3339(fields.text("at")), fields.text("did"), fields.text("found"))
    fields.done()
    return found


def _key(value: object, number: int) -> MadeKey:
    fields = Fields(value, f"transcript.keys[{number}]")
    attributes = fields.take("attributes", dict)
    if not all(isinstance(one, str) for one in attributes.values()):
        raise TranscriptError("expected attributes that are strings")
    found = MadeKey(
        fields.text("name"),
        fields.text("uri"),
        PublicKey(b64(fields.text("public_key"))),
        attributes,
        b64(fields.text("self_test")),
    )
    fields.done()
    return found
