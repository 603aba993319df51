"""`sealbook sign`: approve an image."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ledger import labels
from signer.cli import images
from signer.cli.arguments import add_service, connect, parser
from signer.cli.asking import add_waiting, waiting
from signer.cli.beside import marks
from signer.client import Signed
from signer.client.answer import key_of
from signer.config import Config
from signer.errors import RequestError
from signer.order import Item
from verifier.digest import Digest
from verifier.errors import SealbookError, UnknownKeyError
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verify import Verifier


def main(argv: list[str]) -> int:
    """Sign, verify what came back, and write the bundles; exit code 0 only when all is well."""
    args = _parser().parse_args(argv[1:])
    repository = Repository(args.repository)
    items = _items(args)
    # Before anything is signed: what cannot be checked or kept is not asked for.
    verifier = _verifier(args)
    args.out.mkdir(parents=True, exist_ok=True)
    with connect(args) as client:
        answers = waiting(
            args,
            client,
            lambda: client.sign_batch(
                repository, items, key=args.key, reason=args.reason, forms=args.forms
            ),
        )
    refused = False
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, SealbookError):
            refused = True
            _say_no(item, answer, as_json=args.json)
            continue
        made = (answer._replace(more=()), *answer.more)
        if verifier is not None:
            _check(verifier, made, Digest(item.digest), repository)
        _say_yes(item, _written(args.out, item, made), args)
    return 1 if refused else 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "sign",
        "Approve an image in a repository. An image index is signed together with every\n"
        "manifest under it, because some runtimes check the index and some the platform's\n"
        "child. The same request again gets the same answer.",
        "sealbook sign oci:./image:1.4 --repository registry.example/team/app -a env=prod",
    )
    add_service(made)
    made.add_argument("image", metavar=images.METAVAR, help=images.HELP)
    made.add_argument("--repository", required=True, metavar="R", help="host[:port]/path")
    made.add_argument("--key", default="", help="name of the signing key (default: the service's)")
    made.add_argument(
        "--form",
        dest="forms",
        action="append",
        default=[],
        metavar="FORM",
        help="bundle, simplesigning, certificate or notation; again for more (default: the key's)",
    )
    made.add_argument("--tag", default="", help="the tag it was pushed under, to be signed too")
    made.add_argument(
        "-a", dest="annotations", action="append", default=[], metavar="K=V", help="annotation"
    )
    made.add_argument("--reason", default="", help="for the audit trail; not signed")
    made.add_argument(
        "--renew", action="store_true", help="make a new approval that supersedes the last"
    )
    made.add_argument("--idempotency-key", default="", metavar="ID", help="refuse it for another")
    add_waiting(made)
    made.add_argument("--trust", type=Path, metavar="FILE", help="verify the answers with this")
    made.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where to write sha256-<hex>.bundle.json, .simplesigning.json, .certificate.json and"
        " .notation.json, and .bundle.<algorithm>.json of keys that sign also (default: here)",
    )
    return made


def _items(args: argparse.Namespace) -> list[Item]:
    annotations = {}
    for pair in args.annotations:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"expected an annotation as KEY=VALUE, found {pair[:80]!r}")
        annotations[key] = value
    found = [Item(m.digest, m.size, m.media_type, args.tag) for m in images.manifests(args.image)]
    if args.idempotency_key and len(found) > 1:
        raise RequestError("an idempotency key is for one digest, the image has several")
    return [
        item._replace(
            annotations=annotations, renew=args.renew, idempotency_key=args.idempotency_key
        )
        for item in found
    ]


def _verifier(args: argparse.Namespace) -> Verifier | None:
    """Return a verifier under the trust file that is named, or beside the configuration."""
    path: Path | None = args.trust
    if path is None and args.config.exists():
        config = Config.load(args.config)
        path = config.path(config.trust.trust)
    return None if path is None else Verifier(TrustRoot.parse(path.read_bytes()))


def _check(
    verifier: Verifier, made: Sequence[Signed], digest: Digest, repository: Repository
) -> None:
    """Verify the bundles; a second one by a key that the trust file does not know is passed by."""
    bundles = [signed for signed in made if signed.record.form == labels.BUNDLE]
    for n, signed in enumerate(bundles):
        try:
            verifier.verify(signed.bundle(), digest, repository)
        except UnknownKeyError:
            if not n:
                raise


def _written(directory: Path, item: Item, made: Sequence[Signed]) -> list[tuple[Signed, Path]]:
    """Write each signature into a file of its own, and return where it is."""
    written = []
    for form in dict.fromkeys(signed.record.form for signed in made):
        alike = [signed for signed in made if signed.record.form == form]
        for signed, mark in zip(alike, marks([key_of(s.record) for s in alike]), strict=True):
            path = directory / f"{item.digest.replace(':', '-')}.{form}{mark}.json"
            path.write_bytes(signed.bundle())
            written.append((signed, path))
    return written


def _say_yes(item: Item, made: Sequence[tuple[Signed, Path]], args: argparse.Namespace) -> None:
    first, path = made[0]
    if args.json:
        signatures = [
            {"form": signed.record.form, "index": signed.record.index, "file": str(written)}
            for signed, written in made
        ]
        line = {"digest": item.digest, "index": first.record.index, "bundle": str(path)}
        print(json.dumps({**line, "signatures": signatures}))
        return
    print(f"signed {item.digest}")
    for signed, written in made:
        place = f"entry {signed.record.index} of {signed.proof.tree_size}"
        print(f"  {place}, {signed.record.form} {written}")


def _say_no(item: Item, error: SealbookError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"digest": item.digest, "error": error.code, "message": error.message}))
    print(f"refused {item.digest}: {error.message} ({error.code})", file=sys.stderr)
    if error.hint:
        print(f"hint:  {error.hint}", file=sys.stderr)
