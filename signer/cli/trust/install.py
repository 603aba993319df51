"""`sealbook trust install`: let the running service hand out the next trust file."""

from __future__ import annotations

import time
from pathlib import Path

from signer.cli import operator
from signer.cli.arguments import parser, show
from signer.cli.asking import add_requester, asked
from signer.cli.trust.changes import changes
from signer.cli.trust.draft import Draft, read
from signer.config import Config
from signer.v1 import operator_pb2
from verifier._strict import utc
from verifier.errors import printable


def main(argv: list[str]) -> int:
    """Install FILE, without a restart, and say what changed."""
    made = parser(
        "trust install",
        "Let the running service hand out FILE in the place of its trust.json. Enough roots of\n"
        "both have to have signed it. It may bring, end and drop keys; other logs, witnesses\n"
        "or authorities need a restart. For admins on the service's machine.",
        "sealbook trust install trust-next.json",
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the next trust file, signed")
    add_requester(made)
    args = made.parse_args(argv)
    config = Config.load(args.config)
    data = read(args.file)
    before, after = Draft.parse(read(config.path(config.trust.trust))), Draft.parse(data)
    request = operator_pb2.InstallTrustRequest(trust=data, requester=args.requester)
    answer = asked(
        args,
        config,
        lambda: operator.ask(
            config,
            "InstallTrust",
            request,
            operator_pb2.InstallTrustResponse,
            operator.EVENT_TIMEOUT_S,
        ),
    )
    lines = [] if answer.known else changes(before.trust, after.trust)
    value = {
        "version": answer.version,
        "known": answer.known,
        "index": answer.index if answer.HasField("index") else None,
        "changes": lines,
    }
    ready = utc(int(time.time() + config.signing.overlap_s))
    told = "was in force already" if answer.known else "in force from now on"
    text = "\n".join(
        [
            f"{told}: trust file version {answer.version}",
            *(f"  {printable(one)}" for one in lines),
            f"  a key that is new in it may sign from {ready} on:",
            "next:  sealbook key rotate NAME --switch",
        ]
    )
    show(value, as_json=args.json, text=text)
    return 0
