"""Labels: what an entry can be found by, derived from its body and nothing else.

    {"digest":["sha256:…"],"form":["bundle"],"key":["<hex sha256 of the SPKI>"],
     "predicate_type":["https://sigstore.dev/cosign/sign/v1"],
     "repository":["registry.example/team/app"],"requester":["issuer#subject"]}

The service derives them when it appends, an auditor derives them again: a
label that the body does not give is a lie that shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ledger.errors import DamagedError
from verifier import dsse
from verifier._strict import canonical_json
from verifier.entry import Entry
from verifier.errors import MalformedError
from verifier.publickey import PublicKey
from verifier.statement import EVENT_PREFIX, REQUESTER, Statement

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
