"""`sealbook inventory`: what is signed in a registry, and what is not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from signer.cli.arguments import parser
from signer.cli.progress import progress
from signer.registries.coverage import (
    NONE,
    Coverage,
    csv_line,
    is_unread,
    text_line,
    values,
)
from signer.registries.inventory import Inventory, Row
from signer.registries.signs import WAYS, Look
from verifier import limits
from verifier.errors import RepositoryError
from verifier.publickey import PublicKey
from verifier.pull.errors import NoImageError, RegistryAccessError, RegistryAnswerError
from verifier.pull.registry.catalog import catalog
from verifier.pull.registry.client import Registry
from verifier.pull.registry.reading import read_registries
from verifier.pull.registry.settings import Registries
from verifier.pull.trust_directory import TrustDirectory
from verifier.repository import Repository, Scope
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.verify import Verifier

_EXAMPLES = """\
sealbook inventory registry.example/team --trust trust.json
  sealbook inventory registry.example --csv > signed.csv
  sealbook inventory registry.example/team/app --alone --unsigned --need ours --trust trust.json

exit code: 0 all was looked at (and is signed as needed), 1 not, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Print a row for each image, then the coverage; exit code as the help says."""
    args = _parsed(argv[1:])
    look = Look(_verifier(args), [PublicKey.from_pem(_read(path, limits.KEY)) for path in args.key])
    registries = read_registries(args.registries)
    coverage = Coverage()
    if args.csv:
        print(csv_line())
    with progress("looked at") as told:
        inventory = Inventory(
            look, lambda where: Registry(where, registries), jobs=args.jobs, told=told
        )
        for row in inventory.rows(_repositories(args, registries)):
            coverage.count(row)
            if not (args.unsigned and row.signs.by and not is_unread(row)):
                _print(row, args)
    if args.json:
        print(json.dumps({"coverage": coverage.json()}))
    else:
        print(coverage.text(), file=sys.stderr if args.csv else sys.stdout)
    return 0 if _is_enough(coverage, args.need) else 1


def _print(row: Row, args: argparse.Namespace) -> None:
    if args.csv:
        print(csv_line(values(row)))
    elif args.json:
        print(json.dumps(values(row)))
    else:
        print(text_line(row))


def _is_enough(coverage: Coverage, need: str | None) -> bool:
    if coverage.unread:
        return False
    if need is None:
        return True
    return coverage.of(NONE) == 0 if need == "any" else coverage.of(need) == coverage.images


def _parsed(argv: list[str]) -> argparse.Namespace:
    made = parser(
        "inventory",
        "List the images of a registry with what signs them: ours, a Sigstore bundle, .sig,\n"
        "notation, or none. Each index counts, and each platform under it, as runtimes check\n"
        "either. Images without any tag are found only by the tags of their signatures.\n"
        "Only --trust verifies; all else goes by what registries and signatures say.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add("where", metavar="REGISTRY[/PREFIX]", nargs="?", help="a host, and the start of a path")
    add("--alone", action="store_true", help="it is one repository; ask for no catalog")
    add("--from-file", type=Path, metavar="FILE", help="repositories, one a line")
    add("--trust", type=Path, metavar="PATH", help="ours is what verifies under this trust file")
    add("--registries", type=Path, metavar="FILE", help="registries.toml, instead of its places")
    add("--status", type=Path, metavar="FILE", help="with --trust: what was revoked since")
    add(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="without --trust: ours is what names this public key; again for more",
    )
    add("--unsigned", action="store_true", help="list only what nothing signs, or is unknown")
    add("--need", choices=("any", *WAYS), help="fail unless every image is signed in this way")
    add("--csv", action="store_true", help="print CSV, and the coverage to stderr")
    add("--jobs", type=int, default=16, metavar="N", help="requests at a time (default: 16)")
    args = made.parse_args(argv)
    if (args.where is None) is (args.from_file is None):
        made.error("expected REGISTRY[/PREFIX] or --from-file")
    if args.csv and args.json:
        made.error("--csv and --json do not go together")
    if args.status and not args.trust:
        made.error("--status goes with --trust")
    if not 1 <= args.jobs <= 64:
        made.error("expected --jobs from 1 to 64")
    return args


def _repositories(args: argparse.Namespace, registries: Registries) -> Iterable[Repository]:
    if args.from_file is not None:
        lines = args.from_file.read_text().split("\n")
        return [Repository(line.strip()) for line in lines if line.strip()]
    if args.alone:
        return [Repository(args.where)]
    return _catalogued(args.where, registries)


def _catalogued(where: str, registries: Registries) -> Iterator[Repository]:
    """Yield what the catalog has; without one, the repository that was named, which is said."""
    host, _, prefix = Scope(where).partition("/")
    count = 0
    try:
        for repository in catalog(host, registries, prefix):
            count += 1
            yield repository
    except (NoImageError, RegistryAccessError, RegistryAnswerError) as e:
        alone = _as_repository(where)
        if count or alone is None:
            hint = "not every registry lists its repositories: name them with --from-file"
            e.hint = e.hint or hint
            raise
        print(f"note: no catalog: {e.message} ({e.code})", file=sys.stderr)
        print(f"note: {where} is looked at alone", file=sys.stderr)
        yield alone


def _verifier(args: argparse.Namespace) -> Verifier | None:
    if args.trust is None:
        return None
    if args.trust.is_dir():
        trusted = TrustDirectory(str(args.trust)).load()
        return Verifier(trusted.trust, status=trusted.status, policy=trusted.policy)
    trust = TrustRoot.parse(_read(args.trust, limits.TRUST_FILE))
    status = Status.parse(_read(args.status, limits.STATUS_FILE), trust) if args.status else None
    return Verifier(trust, status=status)


def _read(path: Path, limit: int) -> bytes:
    """Read one byte more than allowed, so that the parser can refuse what is too long."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def _as_repository(text: str) -> Repository | None:
    try:
        return Repository(text)
    except RepositoryError:
        return None
