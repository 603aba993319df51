"""`sealbook sign`: approve images, and attach the signatures to them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from signer.attach import Attaching
from signer.cli import images
from signer.cli.arguments import add_service, connect, parser
from signer.cli.asking import add_waiting
from signer.cli.attaching import (
    Outcome,
    Outcomes,
    Shelf,
    add_attaching,
    check_attaching,
    patience,
    tell_errors,
    told,
)
from signer.cli.hidden import uncovered
from signer.cli.signing import Result, Signing, digests
from signer.client import Signed
from signer.config import Config
from signer.errors import RequestError
from verifier.errors import SealbookError
from verifier.trust import TrustRoot
from verifier.verify import Verifier

Told = tuple[Signed, Path | None, Outcome | None]


def main(argv: list[str]) -> int:
    """Sign, verify what came back, and attach or write it; exit code 0 only when all is well.

    Killed at any time, it can be run again: what was signed is answered as before, and what was
    attached is seen to be there.
    """
    made = _parser()
    args = made.parse_args(argv[1:])
    given = [*args.images, *images.listed(args.from_file)]
    if not given:
        made.error("expected an IMAGE, or --from-file")
    images.check_repository(made, args, given)
    check_attaching(args, given)
    # Before anything is signed: what cannot be checked or kept is not asked for.
    verifier, annotations = _verifier(args), _annotations(args)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    with images.Places.of(args) as places:
        targets, refused = _resolved(places, given, args.repository)
        if args.idempotency_key and len(digests(targets)) > 1:
            raise RequestError("an idempotency key is for one digest, the image has several")
        with connect(args) as client, Attaching(patience(args)) as attaching:
            shelf = Shelf(attaching)
            targets, hidden = uncovered(targets, args, client, verifier, annotations)
            results = Signing(args, client, verifier, annotations, shelf).sign(targets)
            outcomes = shelf.outcomes()
    refused += hidden
    for name, error in refused:
        _say_no(name, error, as_json=args.json)
    ok = [_say(one, outcomes, args) for one in results]
    return 0 if all(ok) and not refused else 1


def _resolved(
    places: images.Places, given: Sequence[str], repository: str | None
) -> tuple[list[images.Target], list[tuple[str, SealbookError]]]:
    """Return what the names came to, and those that came to nothing; one alone has to be there."""
    targets: list[images.Target] = []
    refused: list[tuple[str, SealbookError]] = []
    with told(len(given), "resolving") as tell:
        for n, one in enumerate(places.resolved(given, repository), 1):
            if isinstance(one, images.Target):
                targets.append(one)
            elif len(given) == 1:
                raise one[1]
            else:
                refused.append(one)
            tell(n, len(given))
    return targets, refused


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "sign",
        "Approve images. What is in a registry is signed under the name that it has there, and\n"
        "the signatures are attached to it, each where its readers look: Podman, CRI-O, cosign,\n"
        "notation. A tag is looked at once; all that follows is about the digest that it was.\n"
        "An image index is signed together with every manifest under it, because some runtimes\n"
        "check the index and some the platform's child. The same request again gets the same\n"
        "answer, and attaches nothing twice.",
        "sealbook sign registry.example/team/app:1.4 -a env=prod\n"
        "  sealbook sign --from-file images.txt\n"
        "  sealbook sign oci:./image:1.4 --repository registry.example/team/app --attach",
    )
    add_service(made)
    add = made.add_argument
    add("images", nargs="*", metavar=images.METAVAR, help=images.HELP)
    add("--from-file", type=Path, metavar="FILE", help="images, one a line")
    add("--repository", metavar="R", help="host[:port]/path (default: where the image is)")
    add("--key", default="", help="name of the signing key (default: the service's)")
    add(
        "--form",
        dest="forms",
        action="append",
        default=[],
        metavar="FORM",
        help="bundle, simplesigning, certificate or notation; again for more (default: the key's)",
    )
    add("--tag", default="", help="the tag it was pushed under, to be signed too")
    add("-a", dest="annotations", action="append", default=[], metavar="K=V", help="annotation")
    add("--reason", default="", help="for the audit trail; not signed")
    add("--renew", action="store_true", help="make a new approval that supersedes the last")
    add("--idempotency-key", default="", metavar="ID", help="refuse it for another")
    add_waiting(made)
    add_attaching(made)
    images.add_registries(made)
    add("--trust", type=Path, metavar="FILE", help="verify the answers with this")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write sha256-<hex>.bundle.json, .simplesigning.json, .certificate.json and"
        " .notation.json, and .bundle.<algorithm>.json of keys that sign also (default: here, for"
        " what is attached nowhere)",
    )
    return made


def _annotations(args: argparse.Namespace) -> dict[str, str]:
    annotations = {}
    for pair in args.annotations:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"expected an annotation as KEY=VALUE, found {pair[:80]!r}")
        annotations[key] = value
    return annotations


def _verifier(args: argparse.Namespace) -> Verifier | None:
    """Return a verifier under the trust file that is named, or beside the configuration."""
    path: Path | None = args.trust
    if path is None and args.config.exists():
        config = Config.load(args.config)
        path = config.path(config.trust.trust)
    return None if path is None else Verifier(TrustRoot.parse(path.read_bytes()))


def _say(result: Result, outcomes: Outcomes, args: argparse.Namespace) -> bool:
    """Tell what came of one manifest; return whether all of it is well."""
    if isinstance(result.answer, SealbookError):
        _say_no(result.digest, result.answer, as_json=args.json)
        return False
    repository = result.target.repository
    ends = [
        outcomes.get((repository, result.digest, one.record.index)) for one in result.signatures()
    ]
    told = list(
        zip_longest(result.signatures(), result.files, ends)  # without files, or outcomes
    )
    if args.json:
        print(json.dumps(_json(result, told)))
    else:
        name = f"{repository}@" if result.target.in_registry else ""
        print(f"signed {name}{result.digest}")
        for one, path, end in told:
            print(f"  {_text(one, path, end)}")
        if result.publication is not None:
            print(f"  {result.publication.state} by the service")
    ends.append(result.publication)
    tell_errors(ends)
    return all(end is None or end.is_well for end in ends)


def _json(result: Result, told: Sequence[Told]) -> dict[str, object]:
    """Return what machines are told; files and outcomes where there are any."""
    signatures: list[dict[str, object]] = []
    for one, path, end in told:
        said: dict[str, object] = {"form": one.record.form, "index": one.record.index}
        if path is not None:
            said["file"] = str(path)
        if end is not None:
            said["attached"] = end.state
        signatures.append(said)
    line: dict[str, object] = {"digest": result.digest, "index": signatures[0]["index"]}
    if "file" in signatures[0]:
        line["bundle"] = signatures[0]["file"]
    if result.target.in_registry:
        line["image"] = f"{result.target.repository}@{result.digest}"
    if result.publication is not None:
        line["publication"] = result.publication.state
    return {**line, "signatures": signatures}


def _text(one: Signed, path: Path | None, end: Outcome | None) -> str:
    place = f"entry {one.record.index} of {one.proof.tree_size}, {one.record.form}"
    attached = f" {end.state}" if end is not None else ""
    return f"{place}{attached}" + (f" {path}" if path is not None else "")


def _say_no(what: str, error: SealbookError, *, as_json: bool) -> None:
    if as_json:
        name = "digest" if what.startswith("sha256:") else "image"
        print(json.dumps({name: what, "error": error.code, "message": error.message}))
    print(f"refused {what}: {error.message} ({error.code})", file=sys.stderr)
    if error.hint:
        print(f"hint:  {error.hint}", file=sys.stderr)
