"""`sealbook revoke`: take an entry, a key, an image or an authority back, offline verifiers too."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from signer.cli import detaching, operator
from signer.cli.arguments import add_operating, parser, show
from signer.config import Config
from signer.errors import RequestError
from signer.v1 import operator_pb2
from verifier._strict import Fields, rfc3339
from verifier.errors import MalformedError
from verifier.trust import TrustRoot
from verifier.trust.listed import AUTHORITIES
from verifier.trust.revocation import Revocation

_STATUS = Path("status.json")  # as the service calls it where nobody said otherwise
_FINGERPRINT = 64  # characters of an authority's
_NEXT = {
    "entry": "if the image is good: sealbook sign --renew signs it again",
    "key": "sealbook search --key KEY lists what it signed; another key signs again what is good.\n"
    "       Podman and cosign --key are not told: sealbook trust podman > policy.json, and\n"
    "       sealbook detach REGISTRY/REPO, which takes out of a registry what is revoked",
    "digest": "Podman's and cosign's users are not told: sealbook detach REGISTRY/REPO takes the\n"
    "       signatures out of the registry",
    "authority": "hand out trusted_root.json, which ends it; a new one goes into trust.json and\n"
    "       into the configuration",
}


def main(argv: list[str]) -> int:
    """Log what is taken back, and return once status.json carries it.

    With `--detach`, exit code 0 only when it is found in none of those places any more.
    """
    args = _parser().parse_args(argv[1:])
    place = operator.place(args)
    request = _request(args, place)
    with detaching.opened(
        args.detach, args.registries
    ) as targets:  # a place that is none is said before
        return send(place, request, as_json=args.json, targets=targets)


def send(
    place: operator.Place,
    request: operator_pb2.RevokeRequest,
    *,
    as_json: bool,
    targets: Sequence[detaching.Target] = (),
) -> int:
    """Have the service take it back, and take it out of `targets`; say what no longer counts.

    Raises:
        ServiceError, ServiceUnreachableError: as `operator.ask`.
    """
    answer = operator.ask(
        place, "Revoke", request, operator_pb2.RevokeResponse, operator.EVENT_TIMEOUT_S
    )
    claim = json.loads(answer.claim)
    status = place.trust.status if isinstance(place, Config) else _STATUS
    told = {
        "index": answer.index,
        "known": answer.known,
        "note": answer.note,
        "revocation": claim,
        "status_version": answer.status_version,
    }
    if not as_json:
        print(_told(answer, claim, status))
    outcomes = _detached(place, claim, answer.index, targets)
    told |= {"detached": [outcome.json() for outcome in outcomes]} if targets else {}
    text = "\n".join(outcome.text() for outcome in outcomes)
    if as_json or outcomes:
        show(told, as_json=as_json, text=text)
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _detached(
    place: operator.Place,
    claim: dict[str, str | int],
    index: int,
    targets: Sequence[detaching.Target],
) -> list[detaching.Outcome]:
    """Take out of `targets` what was taken back by entry `index`."""
    if not targets:
        return []
    revocation = Revocation.claimed(Fields(claim, "claim"), index)
    logs = detaching.log_ids(_trust(place)) if isinstance(place, Config) else []
    with operator.client(place) as client:
        return detaching.detach_all(targets, client, [revocation], logs)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "revoke",
        "Take something back: a logged statement, and from now on in status.json, by which\n"
        "verifiers who are offline refuse it too. It needs no root key, and there is no way back.",
        'sealbook revoke --key release --after 1200 --reason "the build host was broken into"\n'
        '  sealbook revoke --entry 40 --reason "approved by mistake"\n'
        "  sealbook revoke --digest sha256:9f86…0a08 --repository registry.example/team \\\n"
        '      --reason "holds a back door" --detach registry.example/team/app\n'
        '  sealbook revoke --key timestamp --until 2026-11-26T00:00:00Z --reason "key was copied"',
    )
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--entry", type=int, metavar="N", help="one signature, by its index")
    what.add_argument(
        "--key",
        metavar="NAME",
        help=f"a key of trust.json by name; or an authority: {', '.join(AUTHORITIES)}, or the hex"
        " SHA-256 of its certificate",
    )
    what.add_argument("--digest", metavar="DIGEST", help="an image, whoever approves it")
    made.add_argument(
        "--after",
        type=int,
        metavar="TREE_SIZE",
        help="with --key: the first position that does not count (default: the next one)",
    )
    made.add_argument(
        "--until",
        metavar="TIME",
        help="with --key AUTHORITY: the last moment that counts, like 2026-11-26T00:00:00Z"
        " (default: now)",
    )
    made.add_argument(
        "--repository",
        metavar="SCOPE",
        help="with --digest: host[:port][/path] where it is taken back (default: everywhere)",
    )
    made.add_argument("--reason", required=True, metavar="TEXT", help="why, for whoever is refused")
    detaching.add_detach(made)
    add_operating(made)
    return made


def _request(args: argparse.Namespace, place: operator.Place) -> operator_pb2.RevokeRequest:
    """Return what `args` ask for.

    Raises:
        RequestError: options that do not go together, or no number of this kind.
    """
    pb = operator_pb2.RevokeRequest
    authority = args.key is not None and _is_authority(args.key, place)
    _refuse_strays(args, authority=authority)
    if args.entry is not None:
        return pb(reason=args.reason, entry=position("--entry", args.entry))
    if args.digest is not None:
        image = pb.Image(digest=args.digest, repository=args.repository or "")
        return pb(reason=args.reason, image=image)
    if authority:
        until = _moment(args.until) if args.until else 0
        return pb(reason=args.reason, authority=pb.Authority(name=args.key, until=until))
    key = pb.Key(name=args.key)
    if args.after is not None:
        key.valid_through_tree_size = position("--after", args.after)
    return pb(reason=args.reason, key=key)


def _is_authority(name: str, place: operator.Place) -> bool:
    """Whether `name` is that of an authority; a key with this name comes first."""
    if name not in AUTHORITIES and len(name) != _FINGERPRINT:
        return False
    if not isinstance(place, Config):
        return True  # the trust file is elsewhere
    return all(key.name != name for key in _trust(place).keys.values())


def _trust(config: Config) -> TrustRoot:
    return TrustRoot.parse(config.path(config.trust.trust).read_bytes())


def _refuse_strays(args: argparse.Namespace, *, authority: bool) -> None:
    wanted = {
        "--after": args.key is not None and not authority,
        "--until": authority,
        "--repository": args.digest is not None,
    }
    for option, fits in wanted.items():
        if getattr(args, option[2:]) is not None and not fits:
            raise RequestError(f"{option} says nothing here", hint="sealbook revoke --help")
    if authority and args.detach:
        raise RequestError("--detach says nothing here", hint="readers date certificates")


def position(option: str, number: int) -> int:
    """Return a position in the ledger; raises `RequestError` if it is none."""
    if not 0 <= number < 1 << 63:
        raise RequestError(f"expected a position in the ledger for {option}, found {number}")
    return number


def _moment(text: str) -> int:
    try:
        return rfc3339(text)
    except MalformedError as e:
        raise RequestError(e.message) from e


def _told(answer: operator_pb2.RevokeResponse, claim: dict[str, str | int], status: Path) -> str:
    what = {
        "entry": lambda: f"entry {claim['entry']}",
        "key": lambda: f"the key, from entry {claim['valid_through_tree_size']} on",
        "digest": lambda: f"{claim['digest']} in {_where(str(claim['repository']))}",
        "authority": lambda: f"the authority, after {claim['until']}",
    }[str(claim["kind"])]()
    before = "was revoked already" if answer.known else "revoked"
    return (
        f"{before}: {what}: {claim['reason']}\n"
        f"  entry {answer.index} says so, and {status} version {answer.status_version} carries it\n"
        f"next:  {_NEXT[str(claim['kind'])]}"
    )


def _where(scope: str) -> str:
    return "every repository" if scope == "*" else scope
