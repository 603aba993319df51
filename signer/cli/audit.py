"""`sealbook audit`: check a ledger from outside, once or again and again.

Runs without gRPC, pydantic and SQLite; only `--service` needs the first.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from urllib.parse import quote

from ledger import labels
from ledger.audit.auditor import Auditor
from ledger.audit.bounds import bounds, marks
from ledger.audit.follow import follow
from ledger.audit.scan import Asked
from ledger.audit.trusted import Trusted
from signer.cli import telling
from signer.cli.arguments import parser
from signer.cli.progress import progress
from signer.cli.sources import add_source, check_source, open_source
from verifier import limits
from verifier._strict import decimal
from verifier.bundle import Bundle
from verifier.errors import MalformedError
from verifier.proof import TlogProof
from verifier.tlogpolicy import TlogPolicy
from verifier.trust import TrustRoot

_EXAMPLES = """\
sealbook audit https://ledger.example --trust trust.json --token-file token
  sealbook audit /srv/export --trust trust.json --no-bodies --full
  sealbook audit --service ledger.example:8640 --token-file token --trust trust.json
  sealbook audit https://ledger.example --trust trust.json --token-file token \\
      --follow --match repository=registry.example/team/app --post https://me.example/hook
  sealbook audit https://ledger.example --trust trust.json --against bundle.json
  sealbook audit https://ledger.example --trust trust.json --when 42

exit code: 0 nothing was found, 1 there are findings or no answer, 2 asked wrongly.
A match is delivered before the pin moves past it: at least once, never not at all."""


def main(argv: list[str]) -> int:
    """Audit, and return 1 if anything was found."""
    made = _parser()
    args = made.parse_args(argv[1:])
    _check(made, args)
    trusted = _trusted(args)
    with open_source(args) as source:
        auditor = Auditor(
            source,
            trusted,
            _state(args, trusted.origin),
            args.evidence,
            proofs=args.service is not None,
        )
        if args.follow:
            return _follow(args, auditor, trusted.origin)
        asked = _asked(args)
        with progress("audit") as moved:
            report = auditor.audit(
                asked,
                deliver=_delivery(args, trusted.origin, threading.Event()),
                tell=partial(telling.finding, as_json=args.json),
                progress=moved,
            )
        telling.summary(report, as_json=args.json)
        if args.when is not None:
            found = auditor.seen() + (marks(args.marks.read_bytes(), trusted) if args.marks else [])
            telling.when(args.when, bounds(args.when, found), as_json=args.json)
        return 1 if report.findings else 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "audit",
        "Check from outside that a ledger only grew and that nothing in it is hidden.\n"
        "Remembers what it has seen, and checks what is new since. A contradiction is\n"
        "written to a file that anyone can check with `python -m verifier evidence`.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add_source(made)
    add("--trust", type=Path, metavar="FILE", help="the trust file: logs, witnesses and keys")
    add("--policy", type=Path, metavar="FILE", help="a tlog-policy instead: logs and witnesses")
    add("--origin", default="", metavar="NAME", help="which log, if the file names several")
    add(
        "--state",
        type=Path,
        default=_default_state(),
        metavar="FILE|DIR",
        help="where to remember what was seen: a .json file, or a directory (default: %(default)s)",
    )
    add("--full", action="store_true", help="check everything again, from entry 0")
    add("--no-bodies", action="store_true", help="check hashes alone, not what was signed")
    add("--max-age", type=_count, metavar="S", help="refuse a checkpoint that nobody signed since")
    add("--follow", action="store_true", help="go on auditing")
    add("--every", type=_count, default=60, metavar="S", help="seconds between (default: 60)")
    add(
        "--match",
        action="append",
        default=[],
        type=_label,
        metavar="LABEL=VALUE",
        help=f"tell of new entries with all of these; labels: {', '.join(labels.NAMES)}",
    )
    add("--post", metavar="URL", help="POST matches there as JSON, instead of printing them")
    add(
        "--against",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a checkpoint, bundle or .tlog-proof from elsewhere, to be contained in this ledger",
    )
    add("--when", type=_count, metavar="INDEX", help="say when that entry came in, by whose word")
    add("--marks", type=Path, metavar="FILE", help="a status file whose marks --when may use")
    add(
        "--evidence",
        type=Path,
        default=Path("sealbook-evidence"),
        metavar="DIR",
        help="where evidence is written to (default: %(default)s)",
    )
    return made


def _check(made: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, with exit code 2."""
    check_source(made, args)
    if (args.trust is None) == (args.policy is None):
        made.error("expected one of --trust and --policy")
    if args.no_bodies and args.match:
        made.error("--match needs bodies: labels are derived from them")
    if args.post and not args.match:
        made.error("--post needs --match")
    if args.marks and args.when is None:
        made.error("--marks is for --when")
    if args.follow and (args.full or args.when is not None):
        made.error("--follow goes with neither --full nor --when")


def _follow(args: argparse.Namespace, auditor: Auditor, origin: str) -> int:
    """Audit until SIGINT or SIGTERM; a second one ends it at once, which leaves no gap either."""
    stop = threading.Event()

    def finish(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, finish)
    asked, deliver = _asked(args), _delivery(args, origin, stop)
    well = follow(
        lambda tell: auditor.audit(asked, deliver=deliver, tell=tell),
        tell=partial(telling.finding, as_json=args.json),
        done=partial(telling.summary, as_json=args.json),
        trouble=telling.trouble,
        wait=lambda: stop.wait(args.every),
    )
    return 0 if well else 1


def _delivery(args: argparse.Namespace, origin: str, stop: threading.Event) -> telling.Delivery:
    return telling.Delivery(origin, args.post, args.ca, stop, as_json=args.json)


def _trusted(args: argparse.Namespace) -> Trusted:
    if args.trust is not None:
        return Trusted.root(TrustRoot.parse(args.trust.read_bytes()), args.origin, time.time())
    return Trusted.policy(TlogPolicy.parse(_text(args.policy)), args.origin)


def _state(args: argparse.Namespace, origin: str) -> Path:
    """Return the file of this log: one of its own in a directory."""
    state: Path = args.state
    if state.suffix == ".json" and not state.is_dir():
        return state
    return state / f"{quote(origin, safe='')}.json"


def _default_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sealbook" / "audit"


def _asked(args: argparse.Namespace) -> Asked:
    return Asked(
        full=args.full,
        bodies=not args.no_bodies,
        max_age_s=args.max_age,
        match=tuple(args.match),
        against=tuple(_note(path) for path in args.against),
    )


def _note(path: Path) -> str:
    """Return the signed note in a bundle, a proof or a checkpoint file."""
    text = _text(path)
    if text.startswith("{"):
        return Bundle.parse(text.encode()).note
    if text.startswith("c2sp.org/tlog-proof@"):
        return str(TlogProof.parse(text).note)
    return text


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limits.BUNDLE + 1).decode()
    except UnicodeDecodeError as e:
        raise MalformedError(f"{path}: expected UTF-8") from e


def _count(text: str) -> int:
    """Read a whole number for argparse, which turns a refusal into exit code 2."""
    try:
        return decimal(text)
    except MalformedError as e:
        raise argparse.ArgumentTypeError(e.message) from e


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in labels.NAMES or not value:
        raise argparse.ArgumentTypeError(f"expected LABEL=VALUE, found {text!r}")
    return name, value
