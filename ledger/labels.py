"""Labels: what an entry can be found by, derived from its body and nothing else.

    {"digest":["sha256:…"],"form":["bundle"],"key":["<hex sha256 of the SPKI>"],
     "predicate_type":["https://sigstore.dev/cosign/sign/v1"],
     "repository":["registry.example/team/app"],"requester":["issuer#subject"]}

The service derives them when it appends, an auditor derives them again: a
label that the body does not give is a lie that shows. An entry without a body is
`opaque`: it says who signed which hash, and that hash is its digest.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping

from ledger.errors import DamagedError
from verifier import dsse, jws, simplesigning
from verifier._strict import canonical_json
from verifier.entry import Entry, parse_any
from verifier.errors import MalformedError
from verifier.publickey import PublicKey
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry
from verifier.statement import APPROVAL, EVENT_PREFIX, REQUESTER, RESERVED, Statement

# The first bytes of an entry, up to the digest of its body; the form is canonical.
_DATA = re.compile(
    rb'\{"apiVersion":"0\.0\.2","kind":"hashedrekord","spec":\{"hashedRekordV002":\{"data":'
    rb'\{"algorithm":"SHA2_(256|384|512)","digest":"([A-Za-z0-9+/]+={0,2})"\}'
)
_LEGACY_DATA = re.compile(
    rb'\{"apiVersion":"0\.0\.1","kind":"hashedrekord","spec":\{"data":'
    rb'\{"hash":\{"algorithm":"sha256","value":"([0-9a-f]{64})"\}\}'
)
_DIGEST_BYTES = {b"256": 32, b"384": 48, b"512": 64}

NAMES = ("digest", "form", "key", "predicate_type", "repository", "requester")
BUNDLE = "bundle"
EVENT = "event"
SIMPLESIGNING = "simplesigning"
CERTIFICATE = "certificate"
NOTATION = "notation"
OPAQUE = "opaque"
_FORM = re.compile(rb'"form":\["([a-z]+)"\]', re.ASCII)
_OPAQUE = b'"form":["opaque"]'
REPOSITORY = RESERVED + "repository"  # the annotation by which our notation payloads name it

Labels = Mapping[str, list[str]]


def of(entry: bytes, body: bytes | None) -> dict[str, list[str]]:
    """Return the labels of the record with this entry and body.

    Raises:
        VerificationError: no entry, or a body of no form that we make.
    """
    logged = parse_any(entry)
    if not body:
        return of_upload(logged)
    if isinstance(logged, LegacyEntry):
        simple = simplesigning.SimpleSigning.parse(body)
        return of_simplesigning(simple.repository, simple.digest, simple.annotations, logged.key)
    if isinstance(logged, EnvelopeEntry):
        raise MalformedError("an entry of Rekor's dsse kind has no body of ours")
    if logged.certificate and not body.startswith(dsse.PREFIX):
        return of_notation(jws.parse(body).target, logged.key)
    payload_type, payload = dsse.parse_pae(body)
    if payload_type != dsse.IN_TOTO:
        raise MalformedError(f"expected a body of type {dsse.IN_TOTO}, found {payload_type[:80]!r}")
    statement = Statement.parse(payload)
    return of_statement(statement, logged.key, certified=bool(logged.certificate))


def of_statement(
    statement: Statement, key: PublicKey, *, certified: bool = False
) -> dict[str, list[str]]:
    """Return the labels of a statement signed by `key`, `certified` by a certificate of ours."""
    subjects = statement.subjects
    form = CERTIFICATE if certified else BUNDLE
    if statement.predicate_type.startswith(EVENT_PREFIX):
        form = EVENT
    return _filled(
        {
            "digest": sorted({str(subject.digest) for subject in subjects}),
            "form": [form],
            "key": [key.fingerprint],
            "predicate_type": [statement.predicate_type],
            "repository": sorted({subject.name for subject in subjects if subject.name}),
            "requester": sorted({r for s in subjects if (r := requester(s.annotations))}),
        }
    )


def of_simplesigning(
    repository: str, digest: str, annotations: Mapping[str, str], key: PublicKey
) -> dict[str, list[str]]:
    """Return the labels of a simple-signing payload signed by `key`."""
    return _image(SIMPLESIGNING, digest, repository, annotations, key)


def of_notation(target: jws.TargetArtifact, key: PublicKey) -> dict[str, list[str]]:
    """Return the labels of a notation payload signed by `key`.

    One that notation's own client made names no repository.
    """
    repository = target.annotations.get(REPOSITORY, "")
    return _image(NOTATION, target.digest, repository, target.annotations, key)


def _image(
    form: str, digest: str, repository: str, annotations: Mapping[str, str], key: PublicKey
) -> dict[str, list[str]]:
    asked = requester(annotations)
    return _filled(
        {
            "digest": [str(digest)],
            "form": [form],
            "key": [key.fingerprint],
            "repository": [repository] if repository else [],
            "requester": [asked] if asked else [],
        }
    )


def of_upload(logged: Entry | LegacyEntry | EnvelopeEntry) -> dict[str, list[str]]:
    """Return the labels of what somebody else signed, or nobody read: who signed which hash."""
    if isinstance(logged, EnvelopeEntry):
        keys = sorted({public.fingerprint for _, public in logged.signatures})
        digest = logged.payload_hash
    else:
        keys, digest = [logged.key.fingerprint], logged.data_digest
    is_sha256 = len(digest) == _DIGEST_BYTES[b"256"]
    named = ["sha256:" + digest.hex()] if is_sha256 else []
    return _filled({"digest": named, "form": [OPAQUE], "key": keys})


def _filled(labels: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in labels.items() if values}


def approval_annotations(form: str, body: bytes) -> Mapping[str, str]:
    """Return the annotations of the approval of one image in `body`, in the form `form`.

    Raises:
        VerificationError: it is of another form.
    """
    if form == SIMPLESIGNING:
        return simplesigning.SimpleSigning.parse(body).annotations
    if form == NOTATION:
        return jws.parse(body).target.annotations
    return Statement.parse(dsse.parse_pae(body)[1]).subjects[0].annotations


def requester(annotations: Mapping[str, str]) -> str:
    """Return who asked, as `issuer#subject`, or nothing when the statement does not say."""
    issuer = annotations.get(REQUESTER + "issuer", "")
    subject = annotations.get(REQUESTER + "subject", "")
    return f"{issuer}#{subject}" if issuer or subject else ""


def body_name(entry: bytes) -> str | None:
    """Return what `entry` names its body, as `sha256:<hex>`, or None when it does not say.

    Quick, because every append asks; whether the rest is an entry, `Entry.parse` says.
    """
    found = _DATA.match(entry)
    if found is None:
        legacy = _LEGACY_DATA.match(entry)
        return f"sha256:{legacy[1].decode()}" if legacy else None
    try:
        digest = binascii.a2b_base64(found[2])
    except binascii.Error:
        return None
    if len(digest) != _DIGEST_BYTES[found[1]]:
        return None
    return f"sha{found[1].decode()}:{digest.hex()}"


def is_permanent(predicate_type: str) -> bool:
    """Whether a body of this type can never be deleted: approvals and events stay."""
    return predicate_type == APPROVAL or predicate_type.startswith(EVENT_PREFIX)


def is_deletable(labels: Labels) -> bool:
    """Whether a body with these labels is an attestation's: it may be secret, and be deleted."""
    kinds = labels.get("predicate_type", ())
    return bool(kinds) and not any(map(is_permanent, kinds))


def is_opaque(row: bytes) -> bool:
    """Whether a row's labels, as `encode` prints them, say that there never was a body. Quick."""
    return _OPAQUE in row


def decode_form(row: bytes) -> str:
    """Return the form that a row's labels name; empty when they cannot be read."""
    found = _FORM.search(row)
    return found[1].decode() if found else ""


def encode(labels: Labels) -> bytes:
    """Print as canonical JSON, as the entry's row keeps it."""
    return canonical_json(labels)


def decode(row: bytes) -> dict[str, list[str]]:
    """Read what `encode` printed into a row of ours.

    Raises:
        DamagedError: it is nothing that `encode` prints.
    """
    try:
        labels: dict[str, list[str]] = json.loads(row)
    except ValueError as e:
        raise DamagedError("the labels of an entry cannot be read") from e
    if not isinstance(labels, dict):
        raise DamagedError("the labels of an entry cannot be read")
    return labels
