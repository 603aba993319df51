"""`sealbook evidence`: write all that proves one entry into a zip that a stranger can check.

Runs without gRPC, pydantic and SQLite; only `--service` needs the first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ledger.dossier import file_name, make
from ledger.durable import write_new
from signer.cli.arguments import parser, show
from signer.cli.sources import add_source, add_trust, check_source, open_source
from verifier._strict import decimal
from verifier.errors import MalformedError, printable

_EXAMPLES = """\
sealbook evidence https://ledger.example --token-file token --trust trust.json --entry 42
  sealbook evidence /srv/export --trust trust.json --entry 42 --out for-the-court.zip
  sealbook evidence --service ledger.example:8640 --token-file token \\
      --trust trust.json --entry 42
  python -m verifier evidence --trust trust.json sealbook-entry-42.zip

exit code: 0 written, 1 not, 2 asked wrongly. No file is ever overwritten."""


def main(argv: list[str]) -> int:
    """Write one dossier, and say what it proves."""
    made = parser(
        "evidence",
        "Write one zip with everything that proves one entry: statement, bundle, proof,\n"
        "checkpoint and trust file. Who gets it needs no network, no account and no ledger,\n"
        "only a trust file from somebody they believe. It was checked before it is written.",
        _EXAMPLES,
        config=False,
    )
    add_source(made)
    add_trust(made)
    made.add_argument(
        "--entry", type=_index, required=True, metavar="N", help="the index of the entry"
    )
    made.add_argument(
        "--out", type=Path, metavar="FILE", help="where to (default: sealbook-entry-N.zip here)"
    )
    args = made.parse_args(argv[1:])
    check_source(made, args)
    out: Path = args.out or Path(file_name(args.entry))
    with open_source(args) as source:
        found = make(
            source,
            args.trust.read_bytes(),
            args.entry,
            origin=args.origin,
            proofs=args.service is not None,
        )
    write_new(out, found.content)
    proven = printable(found.proven)
    show(
        {
            "file": str(out),
            "entry": args.entry,
            "tree_size": found.tree_size,
            "bytes": len(found.content),
            "proven": proven,
        },
        as_json=args.json,
        text=f"{out}: {proven}\n"
        f"check it: python -m verifier evidence --trust trust.json {out.name}",
    )
    return 0


def _index(text: str) -> int:
    """Read an index for argparse, which turns a refusal into exit code 2."""
    try:
        return decimal(text)
    except MalformedError as e:
        raise argparse.ArgumentTypeError(e.message) from e
