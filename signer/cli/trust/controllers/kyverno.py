"""`sealbook trust kyverno`: a ClusterPolicy with a rule for each place.

Each rule that fits an image has to hold, so what lies in a place of its own is left out of the
wider one. In a place without keys nothing may run.

Spec: kyverno.io/docs/policy-types/cluster-policy/verify-images.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from signer.cli.trust.controllers import Believed, Objects, Place, pem, run
from verifier.repository import EVERYWHERE, Scope

_TIMEOUT_S = 30
_PODS = {"any": [{"resources": {"kinds": ["Pod"]}}]}


def main(argv: list[str]) -> int:
    """Print it."""
    more = (
        "A ClusterPolicy, for version 1.13 and later, with a rule for each place of keys.\n"
        "Images that lie in none of these places are not looked at."
    )
    return run(argv, "kyverno", "Kyverno", more, objects)


def objects(believed: Believed) -> Objects:
    """Return the policy."""
    if all(place.scope != EVERYWHERE for place in believed.places):
        print("note: images that lie in none of these places are not looked at", file=sys.stderr)
    rules = [
        _verifies(place, believed) if place.keys else _refuses(place) for place in believed.places
    ]
    return [
        {
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": "sealbook"},
            "spec": {
                "background": False,
                "webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": _TIMEOUT_S},
                "rules": rules,
            },
        }
    ]


def _verifies(place: Place, believed: Believed) -> dict[str, Any]:
    entries = [
        {
            "keys": {
                "publicKeys": pem(key.public),
                "signatureAlgorithm": "sha256",
                "rekor": {"url": believed.service, "pubkey": pem(promise)},
                "ctlog": {"ignoreSCT": True},
            }
        }
        for key in place.keys
        for promise in believed.promises
    ]
    skipped = [pattern for scope in place.inside for pattern in _patterns(scope)]
    return {
        "name": place.name,
        "match": _PODS,
        "verifyImages": [
            {
                "type": "Cosign",
                "imageReferences": _patterns(place.scope),
                **({"skipImageReferences": skipped} if skipped else {}),
                "failureAction": "Enforce",
                "mutateDigest": True,
                "verifyDigest": True,
                "required": True,
                "attestors": [{"count": 1, "entries": entries}],
            }
        ],
    }


def _refuses(place: Place) -> dict[str, Any]:
    inner = _allowed(place.inside)
    outer = " & ".join(f"!{pattern}" for pattern in _patterns(place.scope))
    images = [{"image": " | ".join(filter(None, (outer, inner)))}]
    return {
        "name": place.name,
        "match": _PODS,
        "validate": {
            "failureAction": "Enforce",
            "message": f"no key approves images in {place.scope} any more",
            "pattern": {
                "spec": {
                    "containers": images,
                    "=(initContainers)": images,
                    "=(ephemeralContainers)": images,
                }
            },
        },
    }


def _allowed(scopes: Iterable[Scope]) -> str:
    return " | ".join(pattern for scope in scopes for pattern in _patterns(scope))


def _patterns(scope: Scope) -> list[str]:
    """Return patterns for a repository and all below it; `*` is any text."""
    if scope == EVERYWHERE:
        return ["*"]
    below = [f"{scope}/*"]
    return below if "/" not in scope else [f"{scope}:*", f"{scope}@*", *below]
