"""`sealbook report`: say what was signed in a part of a ledger, and audit it on the way.

Runs without gRPC, pydantic and SQLite; only `--service` needs the first.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ledger.audit.auditor import Auditor
from ledger.audit.bounds import marks
from ledger.audit.trusted import Trusted
from ledger.durable import write_new
from ledger.report import as_csv, as_html, as_json
from ledger.report.make import Wanted, make
from ledger.report.model import Account
from ledger.report.period import check
from signer import __version__
from signer.cli.arguments import parser
from signer.cli.progress import progress
from signer.cli.sources import add_source, add_trust, check_source, open_source
from verifier.errors import MalformedError
from verifier.trust import TrustRoot

_FORMATS = {"json": as_json.render, "csv": as_csv.render, "html": as_html.render}
_EXAMPLES = """\
sealbook report https://ledger.example --token-file token --trust trust.json \\
      --format html --out 2026-11.html --from 2026-11-01 --to 2026-12-01 --marks status.json
  sealbook report /srv/export --trust trust.json --from 0 --to 1000 --format csv
  sealbook report --service ledger.example:8640 --token-file token --trust trust.json \\
      --from 2026-11-23T00:00:00Z

exit code: 0 nothing was found, 1 the audit in it has findings, or no answer, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Write one report, and return 1 if the audit in it has findings."""
    made = _parser()
    args = made.parse_args(argv[1:])
    check_source(made, args)
    form = "json" if args.json and not args.format else args.format or _by_name(args.out)
    trusted = Trusted.root(TrustRoot.parse(args.trust.read_bytes()), args.origin, time.time())
    with open_source(args) as source, progress("report") as moved:
        account = make(
            source,
            trusted,
            Auditor(source, trusted, args.state, args.evidence, proofs=args.service is not None),
            Wanted(
                args.start or "",
                args.stop or "",
                f"--service {args.service}" if args.service else args.source,
                args.by,
                f"sealbook {__version__}",
            ),
            marks=marks(args.marks.read_bytes(), trusted) if args.marks else (),
            proofs=args.service is not None,
            progress=moved,
        )
    content = _FORMATS[form](account)
    if args.out is None:
        sys.stdout.write(content.decode())
    else:
        write_new(args.out, content)
        print(_said(account, args.out, as_json=args.json))
    for finding in account.findings:
        print(f"finding: {finding}", file=sys.stderr)
    return 1 if account.findings else 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "report",
        "Say what was signed in a part of a ledger: per repository, key, requester, kind and\n"
        "form; with events, witnesses, gaps, and the findings of an audit. Labels are derived\n"
        "from what was signed, and every entry is proven to be the tree's.",
        _EXAMPLES,
        config=False,
    )
    add_source(made)
    add_trust(made)
    add = made.add_argument
    for option, name, what in (("--from", "start", "begin"), ("--to", "stop", "end before")):
        add(
            option,
            dest=name,
            type=_when,
            metavar="INDEX|TIME",
            help=f"{what} this entry, day or moment (default: all)",
        )
    add("--format", choices=_FORMATS, help="default: what --out ends in, or json")
    add("--out", type=Path, metavar="FILE", help="where to; never over another file")
    add("--by", default="", metavar="NAME", help="who has this report made, for its reader")
    add("--marks", type=Path, metavar="FILE", help="a status file whose marks date positions")
    add(
        "--state",
        type=Path,
        metavar="FILE",
        help="an audit's memory: audit what is new since (default: audit everything)",
    )
    add(
        "--evidence",
        type=Path,
        default=Path("sealbook-evidence"),
        metavar="DIR",
        help="where evidence is written to (default: %(default)s)",
    )
    return made


def _by_name(out: Path | None) -> str:
    found = out.suffix[1:].lower() if out else ""
    return found if found in _FORMATS else "json"


def _said(account: Account, out: Path, *, as_json: bool) -> str:
    counted = account.counted
    entries = counted.entries if counted else 0
    signatures = counted.signatures if counted else 0
    findings = len(account.findings)
    if as_json:
        return json.dumps(
            {
                "file": str(out),
                "origin": account.origin,
                "entries": entries,
                "signatures": signatures,
                "findings": findings,
            }
        )
    return f"{out}: {signatures} signatures in {entries} entries, {findings} findings"


def _when(text: str) -> str:
    """Check a position or time for argparse, which turns a refusal into exit code 2."""
    try:
        return check(text)
    except MalformedError as e:
        raise argparse.ArgumentTypeError(e.message) from e
