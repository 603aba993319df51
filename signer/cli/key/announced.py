"""What the commands share that announce a key: the question, and how its answer is told."""

from __future__ import annotations

import argparse

from google.protobuf.message import Message

from signer.cli import operator
from signer.cli.arguments import show
from signer.cli.asking import asked
from signer.cli.key.telling import as_json, draft_told, label
from signer.v1 import operator_pb2


def announce(args: argparse.Namespace, place: operator.Place, method: str, request: Message) -> int:
    """Ask for it, and print what was announced and what is to be done next."""
    answer = asked(
        args,
        place,
        lambda: operator.ask(
            place,
            method,
            request,
            operator_pb2.AnnounceKeyResponse,
            operator.EVENT_TIMEOUT_S,
        ),
    )
    value = as_json(answer.key) | {
        "index": answer.index,
        "note": answer.note,
        "draft": answer.draft,
    }
    show(value, as_json=args.json, text=_told(answer))
    return 0


def _told(answer: operator_pb2.AnnounceKeyResponse) -> str:
    key = answer.key
    name = key.name
    later = f"       sealbook key rotate {name} --switch, once verifiers had the time to hear of it"
    return "\n".join(
        [
            f"announced: {label(key)}, {key.algorithm} {key.fingerprint}",
            f"  entry {answer.index} says so, and it lives in {key.uri}",
            "  it signs NOTHING yet: verifiers have to hear of it first",
            *filter(None, [draft_told(answer.draft)]),
            later if answer.draft else f"next:  {later.strip()}",
        ]
    )
