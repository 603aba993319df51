"""The YAML by which other admission controllers accept what was signed here.

    sealbook trust kyverno trust.json --status status.json --service https://sealbook.example

All of them read simple-signing signatures beside the image (sha256-….sig), by key, with the log's
promise. They know neither ledger positions nor proofs nor status files, and do not compare the
repository that a signature names with the one that is pulled from. So this is rougher than our
own verifier, as `sealbook trust podman` is: a key that was revoked, or whose window has ended, is
left out, with all that it signed; a place where no key is left refuses everything.

None of these controllers runs where this project is tested: what is written is checked against
the fields that they document, and is said to be no more than that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from ledger.labels import SIMPLESIGNING
from signer.admission.yaml import documents
from signer.cli.arguments import parser
from signer.cli.trust.lookups import url
from signer.cli.trust.podman import argument, live_keys, scopes_of
from signer.errors import RequestError
from signer.forms.algorithms import readers_take
from verifier.errors import printable
from verifier.publickey import PublicKey
from verifier.repository import EVERYWHERE, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocation
from verifier.trust.status import Status

_ECDSA_P256 = "ecdsa-p256"  # the one kind of promise that they read
_MOST_NAME = 40  # characters

Objects = Sequence[Mapping[str, Any]]


class Place(NamedTuple):
    """What lies under `scope`: the keys that approve it, and the scopes inside it with their own.

    Without `keys` nothing may run there.
    """

    scope: Scope
    keys: tuple[TrustedKey, ...]
    inside: tuple[Scope, ...]

    @property
    def name(self) -> str:
        """The scope in letters that Kubernetes takes for a name, and no other scope's."""
        if self.scope == EVERYWHERE:
            return "everywhere"
        words = "".join(c if c.isalnum() else "-" for c in self.scope)
        short = "-".join(filter(None, words.split("-")))[:_MOST_NAME].strip("-")
        return f"{short}-{hashlib.sha256(self.scope.encode()).hexdigest()[:8]}"


class Believed(NamedTuple):
    """Whom a controller is to believe: by place, and of the log at `service` its promises."""

    places: tuple[Place, ...]
    promises: tuple[PublicKey, ...]
    service: str
    trust: TrustRoot

    @classmethod
    def of(cls, trust: TrustRoot, revocations: Sequence[Revocation], service: str) -> Self:
        """Return what `trust` says, without what was revoked.

        Raises:
            RequestError: no key approves anything; or no log promises as they read it.
        """
        promises = [
            log.promise_key
            for log in trust.logs
            if log.promise_key and log.promise_key.algorithm.name == _ECDSA_P256
        ]
        scopes = sorted(scopes_of(trust))
        if not scopes or not promises:
            raise RequestError(
                "expected a key that approves, and a log with a promise key of ECDSA P-256"
            )
        live = [
            key for key in live_keys(trust, revocations) if readers_take(SIMPLESIGNING, key.public)
        ]
        places = tuple(
            Place(
                scope,
                tuple(key for key in live if any(_covers(wider, scope) for wider in key.scope)),
                tuple(other for other in scopes if other != scope and _covers(scope, other)),
            )
            for scope in scopes
        )
        return cls(places, tuple(dict.fromkeys(promises)), service, trust)


def run(
    argv: list[str], name: str, called: str, more: str, make: Callable[[Believed], Objects]
) -> int:
    """Print what `make` makes for the controller `called`; say which keys are not in it."""
    made = parser(
        f"trust {name}",
        f"Print the YAML with which {called} accepts what was signed here. UNTESTED HERE:\n"
        f"{called} does not run where this is developed; the fields are those that it documents.\n"
        f"{more}\n"
        "It reads sha256-….sig beside the image, and knows no proofs and no status file: a key\n"
        "that was revoked or retired is left out, with all that it signed. Print it again, and\n"
        "apply it, whenever the trust file or the status file changes.",
        f"sealbook trust {name} trust.json --status status.json \\\n"
        f"      --service https://sealbook.example > {name}.yaml",
        config=False,
    )
    made.add_argument("trust", type=Path, metavar="TRUST", help="the trust file")
    made.add_argument(
        "--status", type=Path, metavar="FILE", help="the status file: what was revoked since"
    )
    made.add_argument(
        "--service",
        type=argument(url),
        required=True,
        metavar="URL",
        help="where our service is the transparency log",
    )
    _print(made.parse_args(argv), name, called, make)
    return 0


def _print(
    args: argparse.Namespace, name: str, called: str, make: Callable[[Believed], Objects]
) -> None:
    trust = TrustRoot.parse(args.trust.read_bytes())
    revocations: tuple[Revocation, ...] = ()
    if args.status:
        revocations = Status.parse(args.status.read_bytes(), trust).payload.revocations
    believed = Believed.of(trust, revocations, args.service)
    objects = make(believed)
    listed = {key.public.hint for place in believed.places for key in place.keys}
    for key in trust.keys.values():
        if key.purpose == "approve" and key.public.hint not in listed:
            told = f"note: {key.name} is left out, with all that it signed"
            print(printable(told), file=sys.stderr)
    if args.json:
        print(json.dumps(objects))
        return
    print(_head(name, called, believed, revocations, has_status=args.status is not None), end="")
    text = documents(objects)
    print(text.removeprefix("---\n") if len(objects) == 1 else text, end="")


def _head(
    name: str,
    called: str,
    believed: Believed,
    revocations: Sequence[Revocation],
    *,
    has_status: bool,
) -> str:
    """Return what whoever applies the file has to know."""
    lines = [
        f"UNTESTED HERE: {called} does not run where this is developed.",
        f"Made by `sealbook trust {name}` from trust file {believed.trust.version}.",
        "It checks a key and the log's promise; not the proof, nor the repository that was signed",
        "for, nor what is revoked after this file was made. Make it anew when the keys change.",
    ]
    if not has_status:
        lines.append("Made without a status file: keys that were revoked may be in it.")
    if digests := sum(one.kind == "digest" for one in revocations):
        lines.append(f"{digests} revoked images are not in it, and pass: detach their signatures.")
    return "".join(f"# {line}\n" for line in lines)


def pem(public: PublicKey) -> str:
    """Return a key as PEM."""
    return public.pem().decode()


def _covers(wider: Scope, scope: Scope) -> bool:
    return wider == EVERYWHERE or f"{scope}/".startswith(f"{wider}/")
