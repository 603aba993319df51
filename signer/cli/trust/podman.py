"""`sealbook trust podman`: the policy.json by which Podman, CRI-O and skopeo judge.

They know neither ledger positions nor status files, so this is rougher than our own verifier:
a key that was revoked, or whose window has ended, is left out, and with it everything that it
ever signed. So is one that they cannot read, as that of a second algorithm. A revoked digest
is rejected where it is pulled by digest, from the one repository that the revocation names.
Who looks for signatures in the service's lookaside finds none of what was revoked.

An image that was signed for another repository than it is pulled from is accepted where that is
said: by `exactRepository`, for each repository. Their `remapIdentity` takes only signatures that
name a tag, as neither cosign's nor ours do.

Spec: containers-policy.json(5).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ledger.durable import write_durably
from ledger.labels import SIMPLESIGNING
from signer.cli.arguments import parser, show
from signer.cli.trust.lookups import Lookups, Remap, place, url, yaml
from signer.forms.algorithms import readers_take
from verifier._strict import b64encode
from verifier.errors import RepositoryError, VerificationError
from verifier.publickey import PublicKey
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocation, Revocations
from verifier.trust.status import Status

_T = TypeVar("_T")

_ECDSA_P256 = "ecdsa-p256"  # the one kind of promise that they read
_REJECT = {"type": "reject"}
_SAME = {"type": "matchRepository"}


def main(argv: list[str]) -> int:
    """Print a policy.json, or write it with what makes it work; say which keys are not in it."""
    made = _parser()
    args = made.parse_args(argv)
    if bool(args.out) != bool(args.lookaside or args.attachments):
        made.error("--out wants --lookaside URL, --attachments or both, and they want --out DIR")
    trust = TrustRoot.parse(args.trust.read_bytes())
    revocations: tuple[Revocation, ...] = ()
    if args.status:
        revocations = Status.parse(args.status.read_bytes(), trust).payload.revocations
    live = live_keys(trust, revocations)
    for key in trust.keys.values():
        if key.purpose == "approve" and key not in live:
            print(f"note: {key.name} is left out, with all that it signed", file=sys.stderr)
    judged = json.dumps(policy(trust, live, revocations, args.remap), indent=2) + "\n"
    if args.out is None:
        print(judged, end="")
        return 0
    scopes = {*scopes_of(trust), *args.registry}
    if EVERYWHERE in scopes and not args.registry:
        made.error("a key approves everywhere: say --registry HOST for each that is pulled from")
    config = Lookups(args.lookaside or "", args.attachments).config(scopes, args.remap)
    _write(args.out, judged, yaml(config), as_json=args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "trust podman",
        "Print the policy.json of Podman, CRI-O and skopeo: the keys that approve, by repository.\n"
        "A key that was revoked or retired is left out, with all that it signed. With --out write\n"
        "it to DIR, with registries.d/sealbook.yaml: where they look for signatures.",
        "sealbook trust podman trust.json --status status.json > /etc/containers/policy.json\n"
        "  sealbook trust podman trust.json --status status.json --registry registry.example \\\n"
        "      --lookaside https://sealbook.example --out /etc/containers",
        config=False,
    )
    made.add_argument("trust", type=Path, metavar="TRUST", help="the trust file")
    made.add_argument(
        "--status", type=Path, metavar="FILE", help="the status file: what was revoked since"
    )
    made.add_argument(
        "--lookaside",
        type=argument(url),
        metavar="URL",
        help="have them ask the service there, so that nothing has to be in the registry",
    )
    made.add_argument(
        "--attachments",
        action="store_true",
        help="have them look in the registry, for sha256-….sig beside the image",
    )
    made.add_argument(
        "--registry",
        type=argument(place),
        action="append",
        default=[],
        metavar="HOST",
        help="a registry that is pulled from; needed where a key approves everywhere",
    )
    made.add_argument(
        "--remap",
        type=argument(Remap.parse),
        action="append",
        default=[],
        metavar="DST=SRC",
        help="accept in the repository DST what was signed for the repository SRC, and only that",
    )
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="write both files there, as to /etc/containers"
    )
    return made


def argument(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return `parse` as argparse wants it: what it refuses is said beside the usage."""

    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except VerificationError as e:
            raise argparse.ArgumentTypeError(e.message) from e

    return parsed


def _write(directory: Path, judged: str, looked_up: str, *, as_json: bool) -> None:
    """Write both files, which anybody may read; what was there is replaced."""
    files = {
        directory / "policy.json": judged,
        directory / "registries.d" / "sealbook.yaml": looked_up,
    }
    (directory / "registries.d").mkdir(parents=True, exist_ok=True)
    # The policy last: without the other file it would refuse everything.
    for path in reversed(files):
        write_durably(path, files[path].encode(), 0o644)
    policy_file, registries = files
    show(
        {"policy": str(policy_file), "registries": str(registries)},
        as_json=as_json,
        text=f"{policy_file}: who may approve\n{registries}: where to look for it",
    )


def scopes_of(trust: TrustRoot) -> set[Scope]:
    """Return where any key approves, or did."""
    return {scope for key in trust.keys.values() if key.purpose == "approve" for scope in key.scope}


def live_keys(trust: TrustRoot, revocations: Sequence[Revocation]) -> list[TrustedKey]:
    """Return the keys that approve and whose end nobody has said."""
    known = Revocations(revocations)
    return [
        key
        for key in trust.keys.values()
        if key.purpose == "approve"
        and key.valid_through_tree_size is None
        and known.of_key(key.public.hint) is None
    ]


def policy(
    trust: TrustRoot,
    live: Sequence[TrustedKey],
    revocations: Sequence[Revocation],
    remaps: Sequence[Remap] = (),
) -> dict[str, object]:
    """Return policy.json; what no live key covers is rejected.

    Of all scopes that fit an image the longest alone counts, so that each lists the keys of the
    wider ones too. A scope whose keys are all gone rejects, rather than fall back to a wider one
    that never covered it alone. Of `remaps`, only what was signed for the other repository counts.
    """
    promises = [
        log.promise_key
        for log in trust.logs
        if log.promise_key and log.promise_key.algorithm.name == _ECDSA_P256
    ]

    def rule(scope: Scope, identity: Mapping[str, str]) -> list[Mapping[str, object]]:
        keys = [
            key.public
            for key in live
            if readers_take(SIMPLESIGNING, key.public)  # one that is not read spoils the file
            and any(_covers(wider, scope) for wider in key.scope)
        ]
        return [_signed(keys, promises, identity) if keys else _REJECT]

    docker: dict[str, object] = {
        "" if scope == EVERYWHERE else str(scope): rule(scope, _SAME)
        for scope in sorted(scopes_of(trust))
    }
    for there, signed in remaps:
        identity = {"type": "exactRepository", "dockerRepository": str(signed)}
        docker[there] = rule(Scope(signed), identity)
    for one in revocations:
        if one.kind != "digest":
            continue
        if _is_repository(one.repository):
            docker[f"{one.repository}@{one.target}"] = [_REJECT]
        for remap in remaps:
            if any(map(one.repository.covers, remap)):
                docker[f"{remap.there}@{one.target}"] = [_REJECT]
    return {"default": [_REJECT], "transports": {"docker": docker}}


def _signed(
    keys: Sequence[PublicKey], promises: Sequence[PublicKey], identity: Mapping[str, str]
) -> dict[str, object]:
    return {
        "type": "sigstoreSigned",
        **_named("keyData", keys),
        **(_named("rekorPublicKeyData", promises) if promises else {}),
        "signedIdentity": dict(identity),
    }


def _named(field: str, keys: Sequence[PublicKey]) -> dict[str, object]:
    """Return one key in the field that older versions know, or more in the newer one."""
    pems = [b64encode(key.pem()) for key in keys]
    return {field: pems[0]} if len(pems) == 1 else {f"{field}s": pems}


def _covers(wider: Scope, scope: Scope) -> bool:
    return wider == EVERYWHERE or f"{scope}/".startswith(f"{wider}/")


def _is_repository(scope: Scope) -> bool:
    try:
        Repository(scope)
    except RepositoryError:
        return False
    return True
