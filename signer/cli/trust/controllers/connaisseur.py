"""`sealbook trust connaisseur`: values of its Helm chart, with a validator for each place.

Of all patterns that fit an image the most specific one counts alone, and what no pattern fits is
refused. So each place lists the keys of the wider ones too.

Spec: sse-secure-systems.github.io/connaisseur, "Basics" and "Sigstore / Cosign", version 3.
"""

from __future__ import annotations

import sys
from typing import Any

from signer.cli.trust.controllers import Believed, Objects, Place, pem, run
from verifier.repository import EVERYWHERE, Scope

_NOBODY = "sealbook-nobody"


def main(argv: list[str]) -> int:
    """Print it."""
    more = (
        "Values of its Helm chart, version 3. They replace the whole lists `validators` and\n"
        "`policy`: add what is to run besides, Connaisseur itself and the cluster's own images."
    )
    return run(argv, "connaisseur", "Connaisseur", more, objects)


def objects(believed: Believed) -> Objects:
    """Return the values."""
    if len(believed.promises) > 1:
        print("note: it knows one log key: the last one that is listed counts", file=sys.stderr)
    validators = [_validator(place, believed) for place in believed.places if place.keys]
    if len(validators) < len(believed.places):
        validators.append({"name": _NOBODY, "type": "static", "approve": False})
    rules = [rule for place in believed.places for rule in _rules(place)]
    return [{"application": {"validators": validators, "policy": rules}}]


def _validator(place: Place, believed: Believed) -> dict[str, Any]:
    return {
        "name": _name(place),
        "type": "cosign",
        "trustRoots": [
            {"name": f"key-{number}", "key": pem(key.public)}
            for number, key in enumerate(place.keys, 1)
        ],
        "host": {
            "rekor": believed.service.removeprefix("https://"),
            "rekorPubkey": pem(believed.promises[-1]),
        },
    }


def _rules(place: Place) -> list[dict[str, Any]]:
    if not place.keys:
        return [{"pattern": pattern, "validator": _NOBODY} for pattern in _patterns(place.scope)]
    accepts = {"trustRoot": "*", "threshold": 1}
    return [
        {"pattern": pattern, "validator": _name(place), "with": accepts}
        for pattern in _patterns(place.scope)
    ]


def _name(place: Place) -> str:
    return f"sealbook-{place.name}"


def _patterns(scope: Scope) -> list[str]:
    """Return patterns for a repository and all below it."""
    if scope == EVERYWHERE:
        return ["*:*"]
    below = [f"{scope}/*"]
    return below if "/" not in scope else [f"{scope}:*", f"{scope}@*", *below]
