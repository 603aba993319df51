"""in-toto statements: what a signature says about an image.

An approval, as canonical JSON (one line; wrapped here):

    {"_type":"https://in-toto.io/Statement/v1","predicate":{},
     "predicateType":"https://sigstore.dev/cosign/sign/v1",
     "subject":[{"annotations":{"env":"prod"},
                 "digest":{"sha256":"f958…"},"name":"registry.example/team/app"}]}

The fields are cosign's own, plus the repository as the subject's name. Its
bytes are a function of the request: no time, nothing random. Annotations whose
key starts with `sealbook.` are ours; a requester cannot set them.

Spec: github.com/in-toto/attestation, spec/v1/statement.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, canonical_json, json_object, plain
from verifier.digest import Digest
from verifier.errors import LimitError, MalformedError, UnsupportedError
from verifier.repository import Repository

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_OLD_TYPE = "https://in-toto.io/Statement/v0.1"  # what `cosign attest` writes; the same fields
# What stands before the predicate in a payload of ours, whose keys are in order.
BEFORE = b'{"_type":"' + STATEMENT_TYPE.encode() + b'","predicate":'
APPROVAL = "https://sigstore.dev/cosign/sign/v1"
EVENT_PREFIX = "urn:sealbook:"
RESERVED = "sealbook."
REQUESTER = "sealbook.requester."
SUPERSEDES = "sealbook.supersedes"
PROMOTES = "sealbook.promotes"
MEDIA_TYPE = "sealbook.media-type"
SIZE = "sealbook.size"
TAG = "sealbook.tag"

_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?", re.ASCII)
_DESCRIPTOR = ("uri", "mediaType", "downloadLocation", "content")


class Subject(NamedTuple):
    """What the statement is about: bytes by digest, and where they lie by name."""

    digest: Digest
    name: str
    annotations: Mapping[str, str]


class Statement(NamedTuple):
    """A parsed statement. Whether to believe it is another matter."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Parse the payload of an envelope.

        Raises:
            LimitError: too large, or too many subjects.
            UnsupportedError: another version of in-toto; approvals and events are of version 1.
            MalformedError: any other shape, or no subject.
        """
        fields = Fields(json_object(payload, limit=limits.STATEMENT, floats=True), "statement")
        version = fields.text("_type")
        if version not in (STATEMENT_TYPE, _OLD_TYPE):
            raise UnsupportedError(f"expected _type {STATEMENT_TYPE}, found {version[:80]!r}")
        found = fields.items("subject", most=limits.SUBJECTS)
        subjects = tuple(_subject(s, f"statement.subject[{i}]") for i, s in enumerate(found))
        statement = cls(subjects, fields.text("predicateType"), fields.take("predicate", dict))
        fields.done()
        if not subjects or not statement.predicate_type:
            raise MalformedError("expected a subject and a predicate type, found none")
        kind = statement.predicate_type
        if version == _OLD_TYPE and (kind == APPROVAL or kind.startswith(EVENT_PREFIX)):
            raise UnsupportedError(f"expected _type {STATEMENT_TYPE}, found {_OLD_TYPE!r}")
        return statement


def approval(repository: Repository, digest: Digest, annotations: Mapping[str, str]) -> bytes:
    """Return the payload that approves `digest` in `repository`; the same for the same input."""
    subject: dict[str, object] = {"digest": {"sha256": digest.hex}, "name": repository}
    if annotations:
        subject["annotations"] = dict(annotations)
    return _payload(APPROVAL, subject, {})


def around(
    predicate_type: str,
    digests: Sequence[Digest],
    repository: Repository,
    annotations: Mapping[str, str],
) -> tuple[bytes, bytes]:
    """Return what stands before and after the predicate in a payload that attests.

    With any JSON object between them the three are a statement about each of `digests` in
    `repository`; the predicate keeps its own bytes, so that its numbers survive.
    """
    subjects = [
        {"annotations": dict(annotations), "digest": {"sha256": digest.hex}, "name": repository}
        for digest in digests
    ]
    after = canonical_json({"predicateType": predicate_type, "subject": subjects})
    return BEFORE, b"," + after.removeprefix(b"{")


def event(kind: str, ledger: str, predicate: Mapping[str, object]) -> bytes:
    """Return the payload of the event `urn:sealbook:<kind>` about the ledger `ledger`.

    Its subject is the digest of its own predicate, so that an event can be
    looked up by digest as an image can.
    """
    body = canonical_json(predicate)
    subject = {"digest": {"sha256": Digest.of(body).hex}, "name": f"urn:sealbook:ledger:{ledger}"}
    return _payload(EVENT_PREFIX + kind, subject, dict(predicate))


def check_annotations(annotations: Mapping[str, str]) -> None:
    """Check annotations that a requester wants in an approval.

    Raises:
        LimitError: too many or too long.
        MalformedError: a key or value of another form, or a reserved key.
    """
    if len(annotations) > limits.ANNOTATIONS:
        raise LimitError(
            f"expected at most {limits.ANNOTATIONS} annotations, found {len(annotations)}"
        )
    for key, value in annotations.items():
        if len(key) > limits.ANNOTATION_KEY or not _KEY.fullmatch(key):
            raise MalformedError(f"not an annotation key: {key[:80]!r}")
        if key.startswith(RESERVED):
            raise MalformedError(
                f"annotation {key[:80]!r} is reserved", hint="keys under 'sealbook.' are set by us"
            )
        plain(value)
        if len(value.encode()) > limits.ANNOTATION_VALUE:
            raise LimitError(f"annotation {key!r} is over {limits.ANNOTATION_VALUE} bytes")
    total = sum(len(key) + len(value.encode()) for key, value in annotations.items())
    if total > limits.ANNOTATIONS_TOTAL:
        raise LimitError(f"expected at most {limits.ANNOTATIONS_TOTAL} bytes, found {total}")


def _payload(predicate_type: str, subject: object, predicate: object) -> bytes:
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "predicate": predicate,
            "predicateType": predicate_type,
            "subject": [subject],
        }
    )


def _subject(value: object, where: str) -> Subject:
    fields = Fields(value, where)
    digests = fields.inside("digest")
    digest = Digest("sha256:" + digests.text("sha256"))
    digests.done()  # a second algorithm could name other bytes
    name = fields.text("name") if fields.has("name") else ""
    annotations = fields.take("annotations", dict) if fields.has("annotations") else {}
    if not all(isinstance(v, str) for v in annotations.values()):
        raise MalformedError(f"{where}.annotations: expected only strings")
    for field in _DESCRIPTOR:
        if fields.has(field):
            fields.text(field)
    fields.done()
    return Subject(digest, name, annotations)
