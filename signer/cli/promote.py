"""`sealbook promote`: an image that is approved in one repository, approved in the next."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger import labels
from signer.attach import Attaching
from signer.carry.copying import Copying
from signer.carry.judging import Fetch, Judged, judge
from signer.carry.routes import Leg, Routes
from signer.cli.arguments import add_service, connect, parser
from signer.cli.asking import add_waiting
from signer.cli.attaching import Outcomes, Shelf
from signer.cli.believing import add_believing, trust_of, verifier_of
from signer.cli.copy import say
from signer.cli.images import Target, add_registries
from signer.cli.progress import progress
from signer.cli.push import refuse
from signer.cli.signing import Result, Signing
from signer.client import Client, Item
from signer.errors import RequestError
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.errors import SealbookError, VerificationError
from verifier.note import Note, verify
from verifier.pull.images import Manifest
from verifier.pull.place import Place, RegistryPlace, parse_place
from verifier.pull.registry.reading import read_registries
from verifier.pull.whole import whole_image
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verdict import Verdict

FROM = "promoted-from"  # the annotation where there is no entry of this ledger to name
_FORMS = (labels.BUNDLE, labels.CERTIFICATE)
_EXAMPLES = """\
sealbook promote registry.example/staging/app:1.4 registry.example/production/app \\
      --trust /etc/sealbook/trust
  sealbook promote oci-archive:in.tar registry.inside/production/app \\
      --repository registry.example/staging/app --trust trust.json

exit code: 0 approved there, with all of it, 1 refused or failed, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Judge, copy, sign, attach, and then tag; exit code 0 only when all of that is done."""
    args = _parser().parse_args(argv[1:])
    source, target = parse_place(args.source), parse_place(args.target)
    if not isinstance(target, RegistryPlace):
        raise RequestError(f"expected a repository in a registry, found {target}")
    trusted, signed_for = trust_of(args), _signed_for(args, source)
    verifier = verifier_of(trusted)
    with (
        Routes(read_registries(args.registries)) as routes,
        connect(args) as client,
        progress("copied") as tell,
        Copying(tell) as copying,
    ):
        leg = routes.leg(source, target)
        manifests = whole_image(leg.source, leg.reference)
        judged = judge(leg.source, manifests, signed_for, verifier, _fetch(client, signed_for))
        if not all(one.allowed for one in judged):
            refuse(judged, as_json=args.json)
            return 1
        # By digest: nobody is to find it by its tag before it is approved for being there.
        exact = leg._replace(reference=manifests[0].descriptor.digest, tag="")
        [done] = copying.copy([exact])
        if not done.is_whole:
            say(done, as_json=args.json)
            return 1
        origin = _origin(client, trusted.trust)
        stands_on = dict(_entries(judged, origin))
        promotion = _Promotion(args, client, target, leg, stands_on)
        signed = promotion.sign(manifests, signed_for)
        [done] = copying.settled([done])
    say(done, as_json=args.json)
    return 0 if _say(signed, args) and done.is_whole else 1


class _Signed(NamedTuple):
    """What came of each manifest, and whether the image has its tag now."""

    results: Sequence[Result]
    outcomes: Outcomes
    stands_on: Mapping[Digest, int]
    tag: str

    def errors(self) -> Iterator[tuple[Digest, SealbookError]]:
        """Yield what went wrong."""
        for one in self.results:
            if isinstance(one.answer, SealbookError):
                yield one.digest, one.answer
        for (_, digest, _), outcome in self.outcomes.items():
            if outcome.error is not None:
                yield digest, outcome.error


class _Promotion:
    """The second half: signing for the target, attaching, and the tag last."""

    def __init__(
        self,
        args: argparse.Namespace,
        client: Client,
        target: RegistryPlace,
        leg: Leg,
        stands_on: Mapping[Digest, int],
    ) -> None:
        self._args, self._client, self._target, self._leg = args, client, target, leg
        self._stands_on = stands_on

    def sign(self, manifests: Sequence[Manifest], signed_for: Repository) -> _Signed:
        stands_on = self._stands_on

        def asked(item: Item) -> Item:
            index = stands_on.get(Digest(item.digest))
            if index is not None:
                return item._replace(promotes=index)
            return item._replace(annotations={**item.annotations, FROM: signed_for})

        described = tuple(one.descriptor for one in manifests)
        repository = self._target.repository
        target = Target(str(self._target), repository, described, self._target, self._leg.target)
        with Attaching() as attaching:
            shelf = Shelf(attaching)
            signing = Signing(self._args, self._client, None, {}, shelf, asked=asked)
            results = signing.sign([target])
            signed = _Signed(results, shelf.outcomes(), stands_on, self._leg.tag)
        if self._leg.tag and not any(signed.errors()):
            top = manifests[0]
            put = self._leg.target.put_manifest
            put(top.content, top.descriptor.media_type, self._leg.tag)
        return signed


def _origin(client: Client, trust: TrustRoot) -> str:
    """Return the origin of the service's own ledger, if it is one that approved the image.

    Another ledger may have the same name; its entries would be somebody else's.
    """
    note = Note.parse(client.checkpoint())
    origin = Checkpoint.parse(note.text).origin
    try:
        verify(note, trust.log_keys(origin))
    except VerificationError:
        return ""
    return origin


def _entries(judged: Sequence[Judged], origin: str) -> Iterator[tuple[Digest, int]]:
    """Yield which entry of this ledger approves each manifest, where one does."""
    for one in judged:
        assert isinstance(one.verdict, Verdict)
        found = [approval.index for approval in one.verdict.approvals if approval.origin == origin]
        if found:
            yield one.manifest.descriptor.digest, min(found)


def _fetch(client: Client, repository: Repository) -> Fetch:
    def fetch(digest: Digest) -> Iterator[bytes]:
        listed = client.listed(digest, repository)
        found = client.bundles(digest, repository)  # in the same order, and perhaps more since
        for about, one in zip(listed, found, strict=False):
            if about.record.form in _FORMS:
                yield one

    return fetch


def _signed_for(args: argparse.Namespace, source: Place) -> Repository:
    if isinstance(source, RegistryPlace):
        return Repository(args.repository) if args.repository else source.repository
    if not args.repository:
        raise RequestError(
            f"{source} does not say for which repository it was approved",
            hint="say --repository registry.example/team/app",
        )
    return Repository(args.repository)


def _say(signed: _Signed, args: argparse.Namespace) -> bool:
    """Tell what was signed and attached; return whether all of it is well."""
    attached = {digest for _, digest, _ in signed.outcomes}
    for one in signed.results:
        if isinstance(one.answer, SealbookError):
            continue
        index, first = one.answer.record.index, signed.stands_on.get(one.digest)
        if args.json:
            said = {"digest": one.digest, "index": index, "promotes": first}
            print(json.dumps({**said, "attached": one.digest in attached, "tag": signed.tag}))
        else:
            stands = f", which stands on {first}" if first is not None else ""
            print(f"promoted {one.target.repository}@{one.digest}\n  entry {index}{stands}")
    errors = list(signed.errors())
    for digest, error in errors:
        if args.json:
            print(json.dumps({"digest": digest, "error": error.code, "message": error.message}))
        print(f"not promoted {digest}: {error.message} ({error.code})", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
    return not errors


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "promote",
        "Promote an image: check that it is approved where it is, with everything under it, copy\n"
        "it with all that is attached, and have the service approve it where it goes. That\n"
        "approval names the first entry of the ledger that this one stands on. It gets its tag\n"
        "last, so that whoever pulls it by that finds it approved. What is refused goes nowhere.",
        _EXAMPLES,
    )
    add_service(made)
    add = made.add_argument
    add("source", metavar="SRC", help="REGISTRY/REPO:TAG, oci:DIR[:NAME], oci-archive:FILE[:NAME]")
    add("target", metavar="DST", help="REGISTRY/REPO[:TAG] (default tag: its own)")
    add("--repository", metavar="R", help="for which repository SRC was approved (default: SRC)")
    add_believing(made)
    add("--key", default="", help="name of the signing key (default: the service's)")
    add(
        "--form",
        dest="forms",
        action="append",
        default=[],
        metavar="FORM",
        help="bundle, simplesigning, certificate or notation; again for more (default: the key's)",
    )
    add("--reason", default="", help="for the audit trail; not signed")
    add("--also", action="store_true", help="attach what keys of other algorithms sign also")
    add_waiting(made)
    add_registries(made)
    made.set_defaults(tag="", renew=False, idempotency_key="", out=None, publish=False, attach=None)
    return made
