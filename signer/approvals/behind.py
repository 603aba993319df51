"""Which approvals stand behind a signature: for auditors, who ask the ledger and no service.

A request says what is to be signed, an entry what was. That they are the same is seen from the
bytes of both; who agreed, from the persons' own signatures, which their public keys verify.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ledger import labels
from signer.approvals.protection import ATTEST, MESSAGE, SIGN
from signer.approvals.request import Asked, Request
from verifier import dsse
from verifier import statement as statements
from verifier.entry import parse_any
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry
from verifier.statement import RESERVED, SUPERSEDES, Statement


def is_behind(request: Request, record: Record) -> bool:
    """Whether what `record` keeps is what `request` asked for, by a key that it names.

    `record` has been seen to be of one piece: its entry is of its body.

    Raises:
        VerificationError: the record has a body that cannot be read.
    """
    asked, logged = request.asked, parse_any(record.entry)
    keys = [one.get("key_sha256") for one in _rows(asked, "signatures")]
    if isinstance(logged, EnvelopeEntry) or logged.key.fingerprint not in keys:
        return False
    if asked.action == MESSAGE:
        digest = hashlib.sha256(record.body).digest() if record.body else logged.data_digest
        return asked.what.get("message_digest") == digest.hex()
    named = labels.of(record.entry, record.body)
    if (named.get("requester"), named.get("repository")) != (
        [asked.requester],
        list(asked.repositories),
    ):
        return False
    if asked.action == ATTEST:
        return _attests(asked, record)
    items = _rows(asked, "items")
    return asked.action == SIGN and any(_is_of(one, named["digest"], record) for one in items)


def _rows(asked: Asked, field: str) -> Iterator[Mapping[str, Any]]:
    rows = asked.what.get(field)
    if isinstance(rows, list):
        yield from (row for row in rows if isinstance(row, dict))


def _is_of(item: Mapping[str, Any], digests: list[str], record: Record) -> bool:
    """Whether the approval in `record` says what was asked of `item`, and nothing else."""
    said = labels.approval_annotations(record.form, record.body)
    return (
        digests == [item.get("digest")]
        and item.get("annotations", {})
        == {key: value for key, value in said.items() if not key.startswith(RESERVED)}
        and item.get("tag") == said.get(statements.TAG)
        and item.get("promotes") == said.get(statements.PROMOTES)
        and _renews(item, said)
    )


def _renews(asked: Mapping[str, Any], said: Mapping[str, str]) -> bool:
    """Whether what is said supersedes what was to be superseded, or nothing."""
    wanted = [str(index) for index in asked.get("supersedes", [])]
    superseded = said.get(SUPERSEDES)
    return superseded in wanted if wanted else superseded is None


def _attests(asked: Asked, record: Record) -> bool:
    """Whether the attestation in `record` has the predicate that was asked for."""
    what = asked.what
    _, payload = dsse.parse_pae(record.body)
    said = Statement.parse(payload)
    digests = tuple(subject.digest for subject in said.subjects)
    annotations = said.subjects[0].annotations
    before, after = statements.around(
        said.predicate_type, digests, asked.repositories[0], annotations
    )
    predicate = payload.removeprefix(before).removesuffix(after)
    return (
        list(digests) == what.get("digests")
        and said.predicate_type == what.get("predicate_type")
        and _renews(what, annotations)
        and before + predicate + after == payload
        and hashlib.sha256(predicate).hexdigest() == what.get("predicate_sha256")
    )
