"""`sealbook approve --check`: who agreed to what the ledger has, by their own signatures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from signer.approvals.behind import is_behind
from signer.approvals.logged import PREDICATE_TYPE, Approval, read_event
from signer.cli.arguments import connect, show
from signer.client import Client, Signed
from signer.client.answer import check_included, check_logged, record
from signer.config import Config
from signer.errors import NotFoundError, RequestError
from verifier import limits
from verifier.errors import LimitError, VerificationError
from verifier.note import Note
from verifier.publickey import PublicKey
from verifier.record import Record
from verifier.trust import TrustRoot

_GRACE_S = 120  # what was let through in the last second is committed a little later


class _Entry(NamedTuple):
    """An entry of the ledger, which is in its tree."""

    record: Record
    committed_at: int


def check(args: argparse.Namespace) -> int:
    """Say who approved what is at an index; exit code 0 only if every signature holds."""
    persons = _persons(args)
    trust = TrustRoot.parse(args.trust.read_bytes()) if args.trust else None
    with connect(args) as client:
        entry = _entry(client, args.check, trust)
        if entry.record.form == "event":
            found = [(args.check, _verified(read_event(entry.record.body)[0], persons))]
        else:
            found = list(_behind(client, entry, persons, trust))
    if not found:
        raise NotFoundError(
            f"no approval is behind entry {args.check}", hint="it may not have needed one"
        )
    value = {
        "index": args.check,
        "request": found[0][1].request.id,
        "approvals": [{"index": index, "person": a.person, "key": a.key} for index, a in found],
        "requester": found[0][1].request.asked.requester,
    }
    lines = [f"  entry {index}: {_says(a)} by {a.person}, key {a.key}" for index, a in found]
    text = f"entry {args.check}: request {found[0][1].request.id}, asked by {value['requester']}\n"
    show(value, as_json=args.json, text=text + "\n".join(lines))
    return 0


def _says(approval: Approval) -> str:
    """Return what a signature says: of whoever asks it is no approval."""
    own = f"urn:sealbook:person#{approval.person}"
    return "asked for" if approval.request.asked.requester == own else "approved"


def _behind(
    client: Client, entry: _Entry, persons: dict[str, PublicKey], trust: TrustRoot | None
) -> list[tuple[int, Approval]]:
    """Return the approvals before `entry` that are of it, each person's once, in one request."""
    if entry.record.body_size:
        raise LimitError(
            "the body is too large to be looked at here",
            hint="fetch it by its hash, and compare its predicate's SHA-256 with the request's",
        )
    index = entry.record.index
    found: dict[str, dict[str, tuple[int, Approval]]] = {}
    for logged in client.search("predicate_type", PREDICATE_TYPE, stop=index):
        approval, _ = read_event(logged.body)
        if approval.request.expires + _GRACE_S < entry.committed_at:
            continue
        if not is_behind(approval.request, entry.record):
            continue
        _entry(client, logged.index, trust)
        _verified(approval, persons)
        by = found.setdefault(approval.request.id, {})
        by.setdefault(approval.person, (logged.index, approval))
    return sorted(max(found.values(), key=len).values()) if found else []


def _entry(client: Client, index: int, trust: TrustRoot | None) -> _Entry:
    """Return an entry once it is seen to be of one piece, and in the tree."""
    answer = client.entry(index)
    proof, note = client.inclusion_proof(index)
    signed = Signed(record(answer.record), proof, note, b"")
    if signed.record.body:
        check_logged(signed)
    else:
        check_included(signed)
    if trust is not None:
        trust.tlog_policy().verify(Note.parse(note))
    return _Entry(signed.record, answer.committed_at)


def _verified(approval: Approval, persons: dict[str, PublicKey]) -> Approval:
    public = persons.get(approval.person)
    if public is None:
        raise RequestError(
            f"nobody says which key {approval.person[:80]} has",
            hint=f"--person {approval.person[:80]}=FILE, the PEM of their public key",
        )
    approval.verify(public)
    return approval


def _persons(args: argparse.Namespace) -> dict[str, PublicKey]:
    """Return the persons that are named, or those of the configuration."""
    files: dict[str, Path] = {}
    for pair in args.persons:
        name, equals, file = pair.partition("=")
        if not equals:
            raise RequestError(f"expected a person as NAME=FILE, found {pair[:80]!r}")
        files[name] = Path(file)
    if not files and args.config.exists():
        config = Config.load(args.config)
        files = {name: config.path(one.key) for name, one in config.approvers.items()}
    return {name: _public(path) for name, path in files.items()}


def _public(path: Path) -> PublicKey:
    with path.open("rb") as file:
        try:
            return PublicKey.from_pem(file.read(limits.KEY + 1))
        except VerificationError as e:
            raise RequestError(f"{path}: {e.message}") from e
