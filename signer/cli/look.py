"""`sealbook search`, `checkpoint`, `proof` and `status`: look at what the ledger holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from ledger import labels
from signer.cli.arguments import add_operating, add_service, connect, parser, show
from signer.errors import RequestError
from verifier import dsse, jws
from verifier._strict import decimal, rfc3339
from verifier.checkpoint import Checkpoint
from verifier.merkle import hash_leaf
from verifier.note import Note
from verifier.proof import TlogProof
from verifier.record import Record
from verifier.simplesigning import SimpleSigning
from verifier.statement import Statement

if TYPE_CHECKING:
    from signer.client import Client


def main(argv: list[str]) -> int:
    """Run the command that `argv` starts with."""
    commands = {"search": _search, "checkpoint": _checkpoint, "proof": _proof, "status": _status}
    return commands[argv[0]](argv[1:])


def _search(argv: list[str]) -> int:
    """List entries by label; exit code 1 when there are none."""
    made = parser(
        "search",
        f"List the entries that bear a label, oldest first. Labels: {', '.join(labels.NAMES)}.\n"
        "Times are turned into positions by what the service wrote beside the entries.",
        "sealbook search repository registry.example/team/app --also form=bundle \\\n"
        "      --since 2026-11-01T00:00:00Z",
    )
    add_service(made)
    made.add_argument("label", choices=labels.NAMES, metavar="LABEL", help="what to search by")
    made.add_argument("value", metavar="VALUE", help="the whole value")
    made.add_argument(
        "--also", action="append", default=[], metavar="LABEL=VALUE", help="and this label too"
    )
    made.add_argument("--from", dest="start", default="0", metavar="INDEX", help="first position")
    made.add_argument("--before", default="0", metavar="INDEX", help="position after the last")
    made.add_argument("--since", metavar="TIME", help="committed then or later (RFC 3339, UTC)")
    made.add_argument("--until", metavar="TIME", help="committed before then")
    made.add_argument("--limit", default="0", metavar="N", help="stop after so many")
    args = made.parse_args(argv)
    limit, count = decimal(args.limit), 0
    with connect(args) as client:
        found = client.search(
            args.label,
            args.value,
            decimal(args.start),
            also=[_label(text) for text in args.also],
            stop=decimal(args.before),
            since=rfc3339(args.since) if args.since else 0,
            until=rfc3339(args.until) if args.until else 0,
        )
        for record in islice(found, limit or None):
            count += 1
            about = _about(client, record)
            where = about["repository"] or "-"
            text = f"{record.index:>8}  {record.form:<13} {where}  {about['digest']}"
            show(about, as_json=args.json, text=text)
    if not args.json:
        print(f"{count} entries")
    return 0 if count else 1


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"expected a label as LABEL=VALUE, found {text[:80]!r}")
    return name, value


def _checkpoint(argv: list[str]) -> int:
    """Print the newest signed checkpoint."""
    made = parser(
        "checkpoint", "Print the ledger's newest signed checkpoint.", "sealbook checkpoint"
    )
    add_service(made)
    args = made.parse_args(argv)
    with connect(args) as client:
        note = client.checkpoint()
    tree = Checkpoint.parse(Note.parse(note).text)
    value = {"origin": tree.origin, "tree_size": tree.tree_size, "root": tree.root.hex()}
    show({**value, "note": note}, as_json=args.json, text=note.removesuffix("\n"))
    return 0


def _proof(argv: list[str]) -> int:
    """Print the proof of one entry, once it was checked against the entry itself."""
    made = parser(
        "proof",
        "Print the proof that an entry is in the ledger, as a C2SP .tlog-proof file.",
        "sealbook proof 5 > entry-5.tlog-proof",
    )
    add_service(made)
    made.add_argument("index", metavar="INDEX", help="position of the entry, from 0")
    args = made.parse_args(argv)
    index = decimal(args.index)
    with connect(args) as client:
        record = client.entry(index).record
        path, note = client.inclusion_proof(index)
    proof = TlogProof(index, path.path, Note.parse(note))
    tree = proof.verify(hash_leaf(record.entry))
    value = {"index": index, "tree_size": tree.tree_size, "proof": str(proof)}
    show(value, as_json=args.json, text=str(proof).removesuffix("\n"))
    return 0


def _status(argv: list[str]) -> int:
    """Say how the service is."""
    from google.protobuf.json_format import MessageToDict

    from signer.cli import operator

    made = parser("status", "Say how the service is, as an operator.", "sealbook status")
    add_operating(made)
    args = made.parse_args(argv)
    status = operator.status(operator.place(args))
    value = MessageToDict(status, preserving_proto_field_name=True)
    show(value, as_json=args.json, text=operator.lines(status))
    return 0


def _about(client: Client, record: Record) -> dict[str, object]:
    """Return what a record says, from its own bytes.

    Of a body that is too large to be sent along, or was deleted, the labels are the service's word.
    """
    is_here = record.body or record.form == labels.OPAQUE
    found: Mapping[str, list[str]] = (
        labels.decode(client.entry(record.index).labels)
        if not is_here
        else labels.of(record.entry, record.body)
    )
    return {
        "index": record.index,
        "form": record.form,
        "digest": found.get("digest", [""])[0],
        "repository": found.get("repository", [""])[0],
        "predicate_type": found.get("predicate_type", [""])[0],
        "key": found["key"][0],
        **_content(record),
    }


def _content(record: Record) -> dict[str, object]:
    """Return annotations and content of a body that is here."""
    if not record.body:
        if record.body_size:
            return {"body_size": record.body_size}
        return {} if record.form == labels.OPAQUE else {"body_deleted": True}
    if record.form == labels.SIMPLESIGNING:
        return {
            "annotations": SimpleSigning.parse(record.body).annotations,
            "payload": json.loads(record.body),
        }
    if record.form == labels.NOTATION:
        signed = jws.parse(record.body)
        annotations = dict(signed.target.annotations)
        return {"annotations": annotations, "payload": json.loads(signed.payload)}
    _, payload = dsse.parse_pae(record.body)
    annotations = dict(Statement.parse(payload).subjects[0].annotations)
    return {"annotations": annotations, "statement": json.loads(payload)}
