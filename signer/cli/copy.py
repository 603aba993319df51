"""`sealbook copy`: carry images with everything that is attached to them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from signer.carry.copying import Copied, Copying
from signer.carry.routes import Routes
from signer.carry.sent import Sent
from signer.cli.arguments import parser
from signer.cli.images import add_registries, listed
from signer.cli.progress import progress
from signer.errors import RequestError
from verifier.errors import SealbookError
from verifier.pull.place import Place, parse_place
from verifier.pull.registry.reading import read_registries

PLACE = "REGISTRY/REPO[:TAG][@sha256:<hex>], oci:DIR[:TAG] or oci-archive:FILE[:TAG]"
_EXAMPLES = """\
sealbook copy registry.example/team/app:1.4 mirror.example/team/app
  sealbook copy registry.example/team/app mirror.example/team/app --all-tags
  sealbook copy --from-file images.txt oci-archive:out.tar
  sealbook copy --all-tags oci-archive:out.tar registry.inside --under

exit code: 0 all of it is there, 1 not, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Copy, and tell what became of each image; exit code 0 only when all of it is there."""
    args = _parser().parse_args(argv[1:])
    *sources, target = _places(args)
    started = time.monotonic()
    with (
        Routes(read_registries(args.registries)) as routes,
        progress("copied") as tell,
        Copying(tell) as copying,
    ):
        legs, failed = routes.legs(sources, target, all_tags=args.all_tags, under=args.under)
        done = copying.settled(copying.copy(legs, rest=args.all_tags))
    for place, error in failed:
        _say_no(str(place), error, as_json=args.json)
    for one in done:
        say(one, as_json=args.json)
    _say_sum(done, copying.sent, time.monotonic() - started, as_json=args.json)
    return 0 if not failed and all(one.is_whole for one in done) else 1


def say(copied: Copied, *, as_json: bool) -> None:
    """Tell what became of one image."""
    end = copied.end
    if isinstance(end, SealbookError):
        _say_no(str(copied.leg), end, as_json=as_json)
        return
    if as_json:
        print(json.dumps(_json(copied)))
    else:
        manifests = "a manifest" if end.manifests == 1 else f"{end.manifests} manifests"
        print(f"copied {copied.leg}\n  {end.digest}: {manifests}, {end.attached} attached")
    for tag, error in end.refused:
        print(f"not attached: {tag}: {error.message} ({error.code})", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
    for told in end.odd:
        print(f"left behind: {told}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "copy",
        "Copy images with everything that is attached to them: the manifests of an index, its\n"
        "signatures in every form, attestations, SBOMs, and what is attached to those. What the\n"
        "target has already stays there; what is there is not sent again, so that a copy that\n"
        "was stopped goes on. Nothing is judged: see `sealbook promote` and `sealbook push`.\n"
        "A file keeps the whole names of images, of as many repositories as you like.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add("places", nargs="+", metavar="PLACE", help=f"{PLACE}; the last is where to")
    add("--from-file", type=Path, metavar="FILE", help="further images, one a line")
    add("--all-tags", action="store_true", help="all images of each SRC, named without a tag")
    add("--under", action="store_true", help="DST is where repositories are: keep their paths")
    add_registries(made)
    return made


def _places(args: argparse.Namespace) -> list[Place]:
    *given, target = args.places
    sources = [*given, *listed(args.from_file)]
    if not sources:
        raise RequestError("expected SRC and DST, found one place")
    return [parse_place(one) for one in (*sources, target)]


def _json(copied: Copied) -> dict[str, object]:
    end = copied.end
    assert not isinstance(end, SealbookError)
    return {
        "source": copied.leg.source.name,
        "target": copied.leg.target.name,
        "tag": end.tag,
        "digest": end.digest,
        "manifests": end.manifests,
        "attached": end.attached,
        "refused": [{"tag": tag, "error": error.code} for tag, error in end.refused],
        "left_behind": list(end.odd),
    }


def _say_no(what: str, error: SealbookError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"source": what, "error": error.code, "message": error.message}))
    print(f"not copied {what}: {error.message} ({error.code})", file=sys.stderr)
    if error.hint:
        print(f"hint:  {error.hint}", file=sys.stderr)


def _say_sum(done: list[Copied], sent: Sent, took_s: float, *, as_json: bool) -> None:
    whole = sum(one.is_whole for one in done)
    if as_json:
        said = {"images": whole, "of": len(done), "blobs": sent.blobs, "bytes": sent.bytes}
        print(json.dumps(said))
    else:
        size = f"{sent.bytes / 1e6:.1f} MB"
        print(f"{whole} of {len(done)} images, {sent.blobs} blobs sent, {size}, {took_s:.1f} s")
