"""`sealbook push`: the gate before a registry, through which nothing goes that is not approved."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import LedgerError
from signer.carry.alerting import alert
from signer.carry.copying import Copying
from signer.carry.judging import Fetch, Judged, fetching, judge
from signer.carry.routes import Leg, Routes
from signer.cli.arguments import parser
from signer.cli.believing import add_believing, trust_of, verifier_of
from signer.cli.copy import say
from signer.cli.images import add_registries
from signer.cli.progress import progress
from signer.errors import RequestError
from signer.keys.secret_files import read_token
from signer.transport import HttpTransport
from verifier.errors import VerificationError
from verifier.pull.place import FilePlace, RegistryPlace, parse_place
from verifier.pull.registry.reading import read_registries
from verifier.pull.whole import whole_image
from verifier.repository import Repository
from verifier.verdict import Verdict

_EXAMPLES = """\
sealbook push oci:./image:1.4 registry.example/team/app --trust /etc/sealbook/trust
  sealbook push oci-archive:in.tar:registry.example/team/app:1.4 registry.example/team/app \\
      --trust trust.json --status status.json --bundles https://sealbook.example \\
      --alert https://alerts.example/hook

exit code: 0 it is there, 1 it was refused or failed, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Judge, then push; exit code 0 only when all of it is approved and there."""
    args = _parser().parse_args(argv[1:])
    source, target = parse_place(args.source), parse_place(args.target)
    if not isinstance(source, FilePlace) or not isinstance(target, RegistryPlace):
        raise RequestError("expected oci:DIR or oci-archive:FILE, and then a repository")
    verifier = verifier_of(trust_of(args))
    with (
        Routes(read_registries(args.registries)) as routes,
        progress("pushed") as tell,
        Copying(tell) as copying,
        _fetch(args, target.repository) as fetch,
    ):
        leg = routes.leg(source, target)
        manifests = whole_image(leg.source, leg.reference)
        judged = judge(leg.source, manifests, target.repository, verifier, fetch)
        if not all(one.allowed for one in judged):
            refuse(judged, as_json=args.json)
            if args.alert:
                _alert(args, leg, target, judged)
            return 1
        # What was judged, and not what the name may mean by now.
        exact = leg._replace(reference=manifests[0].descriptor.digest)
        [done] = copying.settled(copying.copy([exact]))
    say(done, as_json=args.json)
    if fetch is not None and not args.json:
        name = f"{target.repository}@{manifests[0].descriptor.digest}"
        print(f"next: sealbook publish {name} attaches what only the service has")
    return 0 if done.is_whole else 1


def refuse(judged: Sequence[Judged], *, as_json: bool) -> None:
    """Tell what is not approved, and why; nothing was written anywhere."""
    for digest, error in _refused(judged):
        if as_json:
            said = {"digest": digest, "error": error.code, "message": error.message}
            print(json.dumps(said))
        print(f"refused {digest}: {error.message} ({error.code})", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)


def _refused(judged: Sequence[Judged]) -> Iterator[tuple[str, VerificationError]]:
    for one in judged:
        if not isinstance(one.verdict, Verdict):
            yield one.manifest.descriptor.digest, one.verdict


def _alert(
    args: argparse.Namespace, leg: Leg, target: RegistryPlace, judged: Sequence[Judged]
) -> None:
    """Tell whoever is to hear of it; that nobody did is said, and changes nothing."""
    told = {
        "source": str(leg.source.name),
        "repository": target.repository,
        "tag": leg.tag,
        "digest": judged[0].manifest.descriptor.digest,
        "refused": [
            {"digest": digest, "code": error.code, "message": error.message}
            for digest, error in _refused(judged)
        ],
    }
    transport = HttpTransport(args.alert_ca)
    try:
        alert(transport, args.alert, told)
    except LedgerError as e:
        print(f"no alert: {e.message} ({e.code})", file=sys.stderr)


@contextmanager
def _fetch(args: argparse.Namespace, repository: Repository) -> Iterator[Fetch | None]:
    """Give what asks the service for bundles, if there is one to ask."""
    if args.bundles is None:
        yield None
        return
    token = read_token(args.token_file) if args.token_file else ""
    transport = HttpTransport(args.ca)
    try:
        yield fetching(transport, args.bundles, repository, token)
    finally:
        transport.close()


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "push",
        "Push an image from a layout or archive into a repository, if it is approved for that\n"
        "repository with everything under it. Bundles that are attached to it count, and with\n"
        "--bundles those that the service has. What is unsigned or invalid is refused before\n"
        "anything reaches the registry, and --alert tells somebody. What is attached goes along.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add("source", metavar="SRC", help="oci:DIR[:NAME] or oci-archive:FILE[:NAME]")
    add("target", metavar="REPO[:TAG]", help="registry.example/team/app (default tag: its own)")
    add_believing(made)
    add("--bundles", metavar="URL", help="the service's HTTP address, to ask it for bundles too")
    add("--token-file", type=Path, metavar="FILE", help="with --bundles: the token, if it asks")
    add("--ca", type=Path, metavar="FILE", help="with --bundles: PEM roots of the service")
    add("--alert", metavar="URL", help="post a JSON object there when an image is refused")
    add("--alert-ca", type=Path, metavar="FILE", help="PEM roots of who listens there")
    add_registries(made)
    return made
