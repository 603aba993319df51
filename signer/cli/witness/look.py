"""`sealbook witness show`: who the witness is, and what it cosigned last."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.durable import write_durably
from ledger.witness.state import WitnessState
from ledger.witness.wire import genuine
from signer.cli.arguments import parser, show
from signer.cli.witness.setup import Setup, policy_lines
from verifier import cosignature
from verifier.evidence import Evidence
from verifier.note import Note, NoteKey


def main(argv: list[str]) -> int:
    """Show the witness, also while it serves."""
    made = parser(
        "witness show",
        "Say who the witness is, what it cosigned last of each log, and against which logs it\n"
        "has evidence: two checkpoints of one size with two roots.",
        "sealbook witness show /var/lib/witness --evidence /tmp/evidence",
        config=False,
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="the witness")
    made.add_argument("--url", default="", help="where it is reached, for the policy lines")
    made.add_argument(
        "--evidence",
        type=Path,
        metavar="DIR",
        help="write the evidence there, for `python -m verifier evidence`",
    )
    args = made.parse_args(argv)
    keys = Setup.load(args.directory).public_keys()
    with WitnessState(args.directory, read_only=True) as state:
        logs = [_log(state, origin, keys, args.evidence) for origin in state.origins()]
    lines = policy_lines(keys, args.url)
    value = {"name": keys[0].name, "vkeys": list(map(str, keys)), "policy": lines, "logs": logs}
    show(value, as_json=args.json, text="\n".join([*lines, *map(_line, logs)]))
    return 0


def _log(
    state: WitnessState, origin: str, keys: tuple[NoteKey, ...], directory: Path | None
) -> dict[str, Any]:
    origin_hash = hashlib.sha256(origin.encode()).digest()
    row = state.recorded(origin_hash)
    assert row is not None
    files = []
    splits = state.splits(origin)
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        for number, split in enumerate(splits):
            path = directory / f"{origin_hash.hex()}-{number}.json"
            ours = genuine(Note.parse(split.first), keys)
            first_seen = min([split.seen, *map(cosignature.time_of, ours)])
            times = (_time(first_seen), _time(split.seen))
            evidence = Evidence.split_view(split.first, split.second, times)
            write_durably(path, evidence.json(), 0o644)
            files.append(str(path))
    return {
        "origin": origin,
        "vkeys": [str(key) for key in state.keys(origin)],
        "tree_size": row.tree_size,
        "root": row.root.hex(),
        "cosigned_at": _time(row.time) if row.note else "",
        "splits": len(splits),
        "evidence": files,
    }


def _line(log: dict[str, Any]) -> str:
    when = f"cosigned {log['cosigned_at']}" if log["cosigned_at"] else "nothing cosigned yet"
    warning = f"; {log['splits']} split views: see --evidence" if log["splits"] else ""
    return f"{log['origin']}: {log['tree_size']} entries, {when}{warning}"


def _time(posix: int) -> str:
    return datetime.fromtimestamp(posix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
