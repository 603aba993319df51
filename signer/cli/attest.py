"""`sealbook attest`: say more about images than yes."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from signer.attest import types
from signer.attest.attesting import MOST_PREDICATE
from signer.attest.reports import MOST_REPORT, Told, read
from signer.cli import images
from signer.cli.arguments import add_service, connect, parser
from signer.cli.asking import add_waiting, waiting
from signer.cli.beside import marks
from signer.cli.progress import progress
from signer.client.answer import key_of
from signer.client.attesting import Attested
from signer.config import Config
from verifier import vulnerabilities
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import (
    KeyScopeError,
    KeyWindowError,
    LimitError,
    TrustExpiredError,
    UnknownKeyError,
)
from verifier.note import Note
from verifier.repository import Repository
from verifier.trust import TrustRoot

_SLUG = re.compile(r"[^a-z0-9]+")


def main(argv: list[str]) -> int:
    """Attest, check what came back, and write the bundle; exit code 0 only when all is well."""
    args = _parser().parse_args(argv[1:])
    repository = Repository(args.repository)
    uri = types.uri_of(args.type)
    digests = [m.digest for image in args.images for m in images.manifests(image)]
    digests = list(dict.fromkeys(digests))
    # Before anything is signed: what cannot be checked or kept is not asked for.
    predicate = _predicate(args, uri)
    trust = _trust(args)
    args.out.mkdir(parents=True, exist_ok=True)
    with connect(args) as client, progress("attesting") as tell:
        attested = waiting(
            args,
            client,
            lambda: client.attest(
                digests,
                repository,
                uri,
                predicate,
                key=args.key,
                renew=args.renew,
                idempotency_key=args.idempotency_key,
                reason=args.reason,
                progress=tell,
            ),
        )
    made = (attested, *attested.also)
    if trust is not None:
        check_believed(trust, attested, repository)
        for also in attested.also:
            with suppress(UnknownKeyError):  # whoever does not know the key passes it by
                check_believed(trust, also, repository)
    names = marks([key_of(one.signed.record) for one in made])
    paths = [args.out / file_name(digests[0], uri, mark=mark) for mark in names]
    for one, path in zip(made, paths, strict=True):
        one.write(path)
    _say(made, digests, uri, paths, as_json=args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "attest",
        "Say more about images than yes: where they come from, what is in them, what a\n"
        "scanner found. The predicate is a JSON object of at most 16 MiB, whose bytes are\n"
        "signed as they are; of the types below it must be one. All manifests of a layout\n"
        "are named. The same request again gets the same answer.\n\n"
        "--type vuln takes the JSON reports of Trivy, Grype and Clair too, and makes one\n"
        "typed shape of them before anything is sent.",
        "sealbook attest oci:./image:1.4 --type cyclonedx --predicate bom.json \\\n"
        "      --repository registry.example/team/app",
    )
    add_service(made)
    add = made.add_argument
    add("images", nargs="+", metavar=images.METAVAR, help=images.HELP)
    names = ", ".join(one.name for one in types.TYPES)
    add("--type", required=True, metavar="T", help=f"{names}, or a URI of your own")
    add("--predicate", type=Path, required=True, metavar="FILE", help="the predicate, or a report")
    add("--repository", required=True, metavar="R", help="host[:port]/path")
    add("--key", default="", help="name of a key that attests (default: the service's)")
    add("--reason", default="", help="for the audit trail; not signed")
    add("--renew", action="store_true", help="make a new one that supersedes the last")
    add("--idempotency-key", default="", metavar="ID", help="refuse it for another")
    add_waiting(made)
    add("--trust", type=Path, metavar="FILE", help="verify the answer with this")
    add("--scanner-version", default="", metavar="V", help="for a report that does not say it")
    add("--database-time", default="", metavar="TIME", help="when the scanner's data was built")
    add("--scanned-at", default="", metavar="TIME", help="for a report that does not say it")
    add(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where to write sha256-<hex>.<type>.attestation.json, and"
        " .attestation.<algorithm>.json of keys that sign also (default: here)",
    )
    return made


def _predicate(args: argparse.Namespace, uri: str) -> Path | bytes:
    """Return the predicate: the file, or what its report comes to."""
    path: Path = args.predicate
    is_scan = uri == vulnerabilities.PREDICATE_TYPE
    most = MOST_REPORT if is_scan else MOST_PREDICATE
    if (size := path.stat().st_size) > most:
        raise LimitError(f"expected a predicate of at most {most} bytes, found {size}")
    if not is_scan:
        return path
    scan = read(path.read_bytes(), Told(args.scanner_version, args.database_time, args.scanned_at))
    return path if scan is None else scan.predicate()


def _trust(args: argparse.Namespace) -> TrustRoot | None:
    """Return the trust file that is named, or beside the configuration."""
    path: Path | None = args.trust
    if path is None and args.config.exists():
        config = Config.load(args.config)
        path = config.path(config.trust.trust)
    return None if path is None else TrustRoot.parse(path.read_bytes())


def check_believed(trust: TrustRoot, attested: Attested, repository: Repository) -> None:
    """Check whom an answer, which holds, is from.

    Raises:
        UnknownKeyError, KeyPurposeError, KeyScopeError, KeyWindowError: not a key that attests.
        VerificationError: not a log that is trusted, or the trust file has expired.
    """
    signed = attested.signed
    key = trust.key(Entry.parse(signed.record.entry).key.hint, "attest")
    if not key.covers(repository):
        raise KeyScopeError(f"key {key.name} may not attest images in {repository}")
    trust.tlog_policy().verify(Note.parse(signed.note))
    if not key.valid_at(signed.record.index):
        raise KeyWindowError(f"key {key.name} does not count at entry {signed.record.index}")
    if time.time() >= trust.expires:
        raise TrustExpiredError(f"trust file version {trust.version} has expired")


def file_name(digest: Digest, uri: str, index: int | None = None, mark: str = "") -> str:
    """Return how the bundle of an attestation is called."""
    known = types.name_of(uri)
    name = known if known != uri else _SLUG.sub("-", uri.lower()).strip("-")[:64]
    place = "" if index is None else f".{index}"
    return f"{digest.replace(':', '-')}{place}.{name}.attestation{mark}.json"


def _say(
    made: Sequence[Attested],
    digests: Sequence[Digest],
    uri: str,
    paths: Sequence[Path],
    *,
    as_json: bool,
) -> None:
    places = [(one.signed.record.index, str(path)) for one, path in zip(made, paths, strict=True)]
    if as_json:
        first, *also = ({"index": index, "bundle": path} for index, path in places)
        line = {"digests": digests, "type": uri, **first}
        print(json.dumps({**line, "also": also} if also else line))
        return
    for digest in digests:
        print(f"attested {digest}")
    tree_size = made[0].signed.proof.tree_size
    for index, path in places:
        print(f"  entry {index} of {tree_size}, {types.name_of(uri)} {path}")
