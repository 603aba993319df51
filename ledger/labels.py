"""Labels: what an entry can be found by, derived from its body and nothing else.

    {"digest":["sha256:…"],"form":["bundle"],"key":["<hex sha256 of the SPKI>"],
     "predicate_type":["https://sigstore.dev/cosign/sign/v1"],
     "repository":["registry.example/team/app"],"requester":["issuer#subject"]}

The service derives them when it appends, an auditor derives them again: a
label that the body does not give is a lie that shows.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping

from ledger.errors import DamagedError
from verifier import dsse
from verifier._strict import canonical_json
from verifier.entry import Entry
from verifier.errors import MalformedError
from verifier.publickey import PublicKey
from verifier.statement import APPROVAL, EVENT_PREFIX, REQUESTER, Statement

# The first bytes of an entry, up to the digest of its body; the form is canonical.
_DATA = re.compile(
    rb'\{"apiVersion":"0\.0\.2","kind":"hashedrekord","spec":\{"hashedRekordV002":\{"data":'
    rb'\{"algorithm":"SHA2_(256|384|512)","digest":"([A-Za-z0-9+/]+={0,2})"\}'
)
_DIGEST_BYTES = {b"256": 32, b"384": 48, b"512": 64}

NAMES = ("digest", "form", "key", "predicate_type", "repository", "requester")
BUNDLE = "bundle"
EVENT = "event"

Labels = Mapping[str, list[str]]


def of(entry: bytes, body: bytes) -> dict[str, list[str]]:
    """Return the labels of the record with this entry and body.

    Raises:
        MalformedError: the body is of no form that we make.
    """
    payload_type, payload = dsse.parse_pae(body)
    if payload_type != dsse.IN_TOTO:
        raise MalformedError(f"expected a body of type {dsse.IN_TOTO}, found {payload_type[:80]!r}")
    return of_statement(Statement.parse(payload), Entry.parse(entry).key)


def of_statement(statement: Statement, key: PublicKey) -> dict[str, list[str]]:
    """Return the labels of a statement signed by `key`."""
    subjects = statement.subjects
    is_event = statement.predicate_type.startswith(EVENT_PREFIX)
    labels = {
        "digest": sorted({str(subject.digest) for subject in subjects}),
        "form": [EVENT if is_event else BUNDLE],
        "key": [key.fingerprint],
        "predicate_type": [statement.predicate_type],
        "repository": sorted({subject.name for subject in subjects if subject.name}),
        "requester": sorted({r for s in subjects if (r := requester(s.annotations))}),
    }
    return {name: values for name, values in labels.items() if values}


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
        return None
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
