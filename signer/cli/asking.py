"""Asking for what others have to approve: waiting for them, and signing that it is us who ask."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TypeVar

from signer.cli import operator
from signer.client import Client
from signer.client.patience import NEEDED, patiently
from signer.errors import RequestError, ServiceError

T = TypeVar("T")


def add_waiting(made: argparse.ArgumentParser) -> None:
    """Add the option that has a command wait for approvals."""
    made.add_argument(
        "--wait-approval",
        action="store_true",
        help="where others have to approve this first, wait for them, up to an hour",
    )


def add_requester(made: argparse.ArgumentParser) -> None:
    """Add the options of a command that somebody in particular has to ask for."""
    made.add_argument(
        "--as",
        dest="requester",
        default="",
        metavar="NAME",
        help="who asks, by your name in [approvers], where others have to approve this",
    )
    made.add_argument(
        "--as-key",
        metavar="KEY",
        help="with --as: your private key, or its URI, to sign the request here; better stays"
        " where it is, and `sealbook approve ID --as NAME` signs there",
    )
    add_waiting(made)


def waiting(args: argparse.Namespace, client: Client, call: Callable[[], T]) -> T:
    """Return what `call` returns; with --wait-approval once others approved it.

    Raises:
        SealbookError: whatever `call` raises, also that approvals are needed.
    """
    if not args.wait_approval:
        return call()
    return patiently(call, client, lambda needed: _tell(needed, as_json=args.json))


def asked(args: argparse.Namespace, place: operator.Place, call: Callable[[], T]) -> T:
    """Return what `call`, of an operator's method at `place`, returns, asked for as --as NAME.

    Where others have to approve it, the request is signed with --as-key first, if that is
    here, which says that it is really NAME who asks.

    Raises:
        RequestError: --as-key without --as.
        SealbookError: whatever `call` raises, also that approvals are needed.
    """
    if args.as_key and not args.requester:
        raise RequestError("expected --as NAME with --as-key")
    try:
        return call()
    except ServiceError as e:
        if e.code != NEEDED or not args.requester:
            raise
        with operator.client(place) as client:
            if args.as_key:
                _sign(args, client, e.request)
            return waiting(args, client, call)


def _sign(args: argparse.Namespace, client: Client, id_: str) -> None:
    from signer.cli.approve import sign

    found = client.request(id_)
    assert found.request is not None
    if found.unsigned_by == args.requester:
        client.approve(id_, args.requester, sign(found.request, args.requester, args.as_key))


def _tell(needed: ServiceError, *, as_json: bool) -> None:
    if as_json:
        line = {"waiting": needed.code, "request": needed.request, "message": needed.message}
        print(json.dumps(line), flush=True)
    print(f"waiting: {needed.message}", file=sys.stderr)
    print(f"hint:  {needed.hint}", file=sys.stderr, flush=True)
