"""`sealbook audit-log verify`: check the audit trail against the ledger, one to one."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.audit.trusted import Trusted
from signer.audit_trail.evidence import Evidence, SourceEntries, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.verifying import Checking, Report
from signer.cli.arguments import credentials_of, parser
from signer.cli.sources import add_source, check_source, open_source, settle_source
from verifier.errors import UntrustedLogError
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot

_EXAMPLES = """\
sealbook audit-log verify --config /var/lib/sealbook/sealbook.toml
  sealbook audit-log verify --service ledger.example:8640 --token-file session --trust trust.json
  sealbook audit-log verify /srv/export --trail /srv/trail --trust trust.json

exit code: 0 nothing is wrong, 1 there are findings or no answer, 2 asked wrongly.
Whether the ledger itself only grew is checked by `sealbook audit` and `sealbook fsck`."""


def main(argv: list[str]) -> int:
    """Check, say what is wrong and what cannot be proven yet, and return 1 if anything is wrong."""
    made = parser(
        "audit-log verify",
        "Prove that the audit trail is whole: its chain, its segments as the ledger has them, and\n"
        "that each entry came of one decision. Without a source: the service of --config, on its\n"
        "machine, running or not. With one: from outside, by the trust file that you pinned.",
        _EXAMPLES,
    )
    add_source(made)
    made.add_argument("--trail", type=Path, metavar="DIR", help="a copy of the trail's files")
    made.add_argument("--trust", type=Path, metavar="FILE", help="the trust file that you pinned")
    made.add_argument("--origin", default="", metavar="NAME", help="which log, if it names several")
    args = made.parse_args(argv)
    settle_source(args)
    is_outside = args.source is not None or args.service is not None
    if is_outside:
        check_source(made, args)
        if args.trust is None:
            made.error("expected --trust, the file that says whose ledger it is")
        if args.source is not None and args.trail is None:
            made.error("SOURCE needs --trail, the trail's files")
    with _outside(args) if is_outside else _inside(args) as checking:
        count = 0
        for finding in checking.findings():
            count += 1
            print(json.dumps(finding._asdict()) if args.json else f"finding: {finding}")
        _conclude(checking.report(), count, as_json=args.json)
    return 1 if count else 0


@contextmanager
def _inside(args: argparse.Namespace) -> Iterator[Checking]:
    """Open what is on the service's own disk, and change nothing."""
    from ledger.store.files import path_in
    from ledger.store.sqlite import SqliteStore
    from signer.config import Config

    config = Config.load(args.config)
    trust = TrustRoot.parse(config.path(args.trust or config.trust.trust).read_bytes())
    folder = Folder(args.trail or config.path(config.trail.directory))
    store = SqliteStore(path_in(config.home.directory), read_only=True)
    try:  # the entries first: each has its decision on the disk by then
        yield Checking(folder, Evidence(StoredEntries(store), _event_keys(trust)))
    finally:
        store.close()


@contextmanager
def _outside(args: argparse.Namespace) -> Iterator[Checking]:
    """Open what can be had from a service, or from copies."""
    trust = TrustRoot.parse(args.trust.read_bytes())
    trusted = Trusted.root(trust, args.origin, time.time())
    with open_source(args) as source, tempfile.TemporaryDirectory() as scratch:
        note = source.checkpoint()
        if note is None:
            raise UntrustedLogError("there is no checkpoint")
        entries = SourceEntries(source, trusted.head(note).checkpoint)
        folder = Folder(args.trail or Path(scratch))
        if args.trail is None:
            from signer.client.trail import trail_of

            with trail_of(args.service, credentials_of(args)) as trail:
                trail.save(folder)
        yield Checking(folder, Evidence(entries, _event_keys(trust)))


def _event_keys(trust: TrustRoot) -> list[PublicKey]:
    return [key.public for key in trust.keys.values() if key.purpose == "event"]


def _conclude(report: Report, count: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"findings": count, **report._asdict()}))
        return
    print(
        f"{report.lines} lines in {report.segments} segments: {report.decisions} decisions, "
        f"{report.outcomes} outcomes with {report.entries} entries, {report.refusals} refusals"
    )
    if report.begins_at:
        print(f"entries 0 to {report.begins_at - 1} are from before the trail")
    if report.purged:
        print(f"{report.purged} lines were purged, as the ledger tells")
    if report.under_way:
        print(f"{len(report.under_way)} decisions are under way, or wait for the next start")
    if report.unlogged_from is not None:
        why = (
            "the ledger is frozen, and will not tell of them"
            if report.frozen
            else "the ledger tells of them within a minute, while the service runs"
        )
        print(
            f"lines from {report.unlogged_from} on, since {report.unlogged_since}, are proven by "
            f"their entries alone: {why}"
        )
    print("nothing is wrong" if count == 0 else f"{count} findings")
