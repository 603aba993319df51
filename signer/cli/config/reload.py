"""`sealbook config reload`: let a running service put in force what the file says now."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Print what changed, and where it is logged; exit code 1 when nothing of it is in force."""
    made = parser(
        "config reload",
        "Let the running service read its file again: all that changed comes into force, or\n"
        "nothing. What takes a restart is named. The same as SIGHUP, but it says what came of it.",
        "sealbook config check && sealbook config reload",
    )
    add_operating(made)
    args = made.parse_args(argv)
    done = operator.ask(
        operator.place(args),
        "ReloadConfig",
        operator_pb2.ReloadConfigRequest(),
        operator_pb2.ReloadConfigResponse,
        operator.EVENT_TIMEOUT_S,
    )
    index = done.index if done.HasField("index") else None
    lines = ["nothing changed"]
    if done.changed:
        place = "nowhere: the ledger is frozen" if index is None else f"at entry {index}"
        lines = [f"in force now, and logged {place}", *(f"  {name}" for name in done.sections)]
    show(
        {"changed": done.changed, "index": index, "sections": list(done.sections)},
        as_json=args.json,
        text="\n".join(lines),
    )
    return 0
