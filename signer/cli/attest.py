"""`sealbook attest`: say more about images than yes."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from signer.attach import Attaching, Made
from signer.attach.making import is_read
from signer.attest import types
from signer.attest.attesting import MOST_PREDICATE
from signer.attest.reports import MOST_REPORT, Told, read
from signer.cli import images
from signer.cli.arguments import add_service, connect, parser
from signer.cli.asking import add_waiting, waiting
from signer.cli.attaching import (
    Ends,
    Shelf,
    add_attaching,
    attaches,
    check_attaching,
    patience,
    publish,
    tell_errors,
)
from signer.cli.beside import marks
from signer.cli.progress import progress
from signer.client import Client
from signer.client.answer import key_of
from signer.client.attesting import Attested
from signer.config import Config
from signer.errors import RequestError
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
    """Attest, check what came back, and attach or write it; exit code 0 only when all is well."""
    parsing = _parser()
    args = parsing.parse_args(argv[1:])
    images.check_repository(parsing, args, args.images)
    uri = types.uri_of(args.type)
    check_attaching(args, args.images)
    # Before anything is signed: what cannot be checked or kept is not asked for.
    predicate, trust = _predicate(args, uri), _trust(args)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    with images.Places.of(args) as places, connect(args) as client:
        targets = images.found(places, args.images, args.repository)
        repository = _one_repository(targets)
        digests = list(dict.fromkeys(m.digest for one in targets for m in one.manifests))
        attested = _attest(args, client, (digests, repository, uri, predicate))
        made = (attested, *attested.also)
        if trust is not None:
            _check(trust, made, repository)
        names = [
            file_name(digests[0], uri, mark=mark)
            for mark in marks([key_of(one.signed.record) for one in made])
        ]
        ends: Ends = {}
        if args.publish:
            ends = publish(args, client, repository, digests)
        with _directory(args, targets) as out:
            for one, name in zip(made, names, strict=True):
                one.write(out / name)
            if any(attaches(args, one) for one in targets):
                ends = _attached(args, targets, made, [out / name for name in names], uri)
        paths = [out / name for name in names if (out / name).exists()]
    _say(made, digests, uri, paths, ends, as_json=args.json)
    return 0 if all(end.is_well for end in ends.values()) else 1


def _attest(
    args: argparse.Namespace,
    client: Client,
    what: tuple[Sequence[Digest], Repository, str, Path | bytes],
) -> Attested:
    with progress("attesting") as tell:
        return waiting(
            args,
            client,
            lambda: client.attest(
                *what,
                key=args.key,
                renew=args.renew,
                idempotency_key=args.idempotency_key,
                reason=args.reason,
                progress=tell,
            ),
        )


def _attached(
    args: argparse.Namespace,
    targets: Sequence[images.Target],
    made: Sequence[Attested],
    paths: Sequence[Path],
    uri: str,
) -> Ends:
    """Attach it to every manifest that it is about; what keys sign also, if that is asked for."""
    artifacts = [
        Made.of(one.signed.record, path, one.signed.log_id, uri)
        for one, path in zip(made, paths, strict=True)
        if args.also or is_read(one.signed.record)
    ]
    with Attaching(patience(args)) as attaching:
        shelf = Shelf(attaching)
        for target in targets:
            for manifest in target.manifests:
                if attaches(args, target):
                    shelf.put(target, manifest, artifacts)
        outcomes = shelf.outcomes()
    ends: Ends = {}
    for (_, digest, _), end in outcomes.items():
        if digest not in ends or not end.is_well:
            ends[digest] = end
    return ends


@contextmanager
def _directory(args: argparse.Namespace, targets: Sequence[images.Target]) -> Iterator[Path]:
    """Yield where bundles are written: what is attached is not kept unless somebody says where."""
    if args.out is not None:
        yield args.out
    elif args.publish or any(attaches(args, one) for one in targets):
        with TemporaryDirectory() as scratch:
            yield Path(scratch)
    else:
        yield Path()


def _one_repository(targets: Sequence[images.Target]) -> Repository:
    found = {one.repository for one in targets}
    if len(found) != 1:
        raise RequestError(
            f"expected images in one repository, found {len(found)}",
            hint="attest them one by one, or say --repository",
        )
    return found.pop()


def _check(trust: TrustRoot, made: Sequence[Attested], repository: Repository) -> None:
    """Check whom the answer is from; what keys sign also is passed by if the key is unknown."""
    first, *also = made
    check_believed(trust, first, repository)
    for one in also:
        with suppress(UnknownKeyError):
            check_believed(trust, one, repository)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "attest",
        "Say more about images than yes: where they come from, what is in them, what a\n"
        "scanner found. The predicate is a JSON object of at most 16 MiB, whose bytes are\n"
        "signed as they are; of the types below it must be one. All manifests of a layout\n"
        "are named, and to each image in a registry the bundle is attached. The same request\n"
        "again gets the same answer, and attaches nothing twice.\n\n"
        "--type vuln takes the JSON reports of Trivy, Grype and Clair too, and makes one\n"
        "typed shape of them before anything is sent.",
        "sealbook attest registry.example/team/app:1.4 --type cyclonedx --predicate bom.json",
    )
    add_service(made)
    add = made.add_argument
    add("images", nargs="+", metavar=images.METAVAR, help=images.HELP)
    names = ", ".join(one.name for one in types.TYPES)
    add("--type", required=True, metavar="T", help=f"{names}, or a URI of your own")
    add("--predicate", type=Path, required=True, metavar="FILE", help="the predicate, or a report")
    add("--repository", metavar="R", help="host[:port]/path (default: where the images are)")
    add("--key", default="", help="name of a key that attests (default: the service's)")
    add("--reason", default="", help="for the audit trail; not signed")
    add("--renew", action="store_true", help="make a new one that supersedes the last")
    add("--idempotency-key", default="", metavar="ID", help="refuse it for another")
    add_waiting(made)
    add_attaching(made)
    images.add_registries(made)
    add("--trust", type=Path, metavar="FILE", help="verify the answer with this")
    add("--scanner-version", default="", metavar="V", help="for a report that does not say it")
    add("--database-time", default="", metavar="TIME", help="when the scanner's data was built")
    add("--scanned-at", default="", metavar="TIME", help="for a report that does not say it")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write sha256-<hex>.<type>.attestation.json, and"
        " .attestation.<algorithm>.json of keys that sign also (default: here, for what is"
        " attached nowhere)",
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
    ends: Ends,
    *,
    as_json: bool,
) -> None:
    places = list(zip_longest((one.signed.record.index for one in made), map(str, paths)))
    if as_json:
        first, *also = (
            {"index": index, **({"bundle": path} if path else {})} for index, path in places
        )
        line = {"digests": digests, "type": uri, **first}
        if ends:
            line["attached"] = {digest: end.state for digest, end in ends.items()}
        print(json.dumps({**line, "also": also} if also else line))
    else:
        for digest in digests:
            print(f"attested {digest}" + (f" {ends[digest].state}" if digest in ends else ""))
        tree_size = made[0].signed.proof.tree_size
        for index, path in places:
            print(f"  entry {index} of {tree_size}, {types.name_of(uri)} {path or ''}".rstrip())
    tell_errors(ends.values())
