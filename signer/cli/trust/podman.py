"""`sealbook trust podman`: print the policy.json by which Podman, CRI-O and skopeo judge.

They know neither ledger positions nor status files, so this is rougher than our own verifier:
a key that was revoked, or whose window has ended, is left out, and with it everything that it
ever signed. So is one that they cannot read, as that of a second algorithm. A revoked digest
is rejected where it is pulled by digest, from the one repository that the revocation names.

Spec: containers-policy.json(5).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ledger.labels import SIMPLESIGNING
from signer.cli.arguments import parser
from signer.forms.algorithms import readers_take
from verifier._strict import b64encode
from verifier.errors import RepositoryError
from verifier.publickey import PublicKey
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocation, Revocations
from verifier.trust.status import Status

_ECDSA_P256 = "ecdsa-p256"  # the one kind of promise that they read
_REJECT = {"type": "reject"}


def main(argv: list[str]) -> int:
    """Print a policy.json, and say on standard error which keys are not in it."""
    made = parser(
        "trust podman",
        "Print the policy.json of Podman, CRI-O and skopeo: the keys that approve, by repository.\n"
        "A key that was revoked or retired is left out, with everything that it signed.",
        "sealbook trust podman trust.json --status status.json > /etc/containers/policy.json",
        config=False,
    )
    made.add_argument("trust", type=Path, metavar="TRUST", help="the trust file")
    made.add_argument(
        "--status", type=Path, metavar="FILE", help="the status file: what was revoked since"
    )
    args = made.parse_args(argv)
    trust = TrustRoot.parse(args.trust.read_bytes())
    revocations: tuple[Revocation, ...] = ()
    if args.status:
        revocations = Status.parse(args.status.read_bytes(), trust).payload.revocations
    live = live_keys(trust, revocations)
    for key in trust.keys.values():
        if key.purpose == "approve" and key not in live:
            print(f"note: {key.name} is left out, with all that it signed", file=sys.stderr)
    print(json.dumps(policy(trust, live, revocations), indent=2))
    return 0


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
    trust: TrustRoot, live: Sequence[TrustedKey], revocations: Sequence[Revocation]
) -> dict[str, object]:
    """Return policy.json; what no live key covers is rejected.

    Of all scopes that fit an image the longest alone counts, so that each lists the keys of the
    wider ones too. A scope whose keys are all gone rejects, rather than fall back to a wider one
    that never covered it alone.
    """
    promises = [
        log.promise_key
        for log in trust.logs
        if log.promise_key and log.promise_key.algorithm.name == _ECDSA_P256
    ]
    scopes = {
        scope for key in trust.keys.values() if key.purpose == "approve" for scope in key.scope
    }
    docker: dict[str, object] = {}
    for scope in sorted(scopes):
        keys = [
            key.public
            for key in live
            if readers_take(SIMPLESIGNING, key.public)  # one that is not read spoils the file
            and any(_covers(wider, scope) for wider in key.scope)
        ]
        named = "" if scope == EVERYWHERE else str(scope)
        docker[named] = [_signed(keys, promises) if keys else _REJECT]
    for one in revocations:
        if one.kind == "digest" and _is_repository(one.repository):
            docker[f"{one.repository}@{one.target}"] = [_REJECT]
    return {"default": [_REJECT], "transports": {"docker": docker}}


def _signed(keys: Sequence[PublicKey], promises: Sequence[PublicKey]) -> dict[str, object]:
    return {
        "type": "sigstoreSigned",
        **_named("keyData", keys),
        **(_named("rekorPublicKeyData", promises) if promises else {}),
        "signedIdentity": {"type": "matchRepository"},
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
