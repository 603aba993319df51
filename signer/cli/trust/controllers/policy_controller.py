"""`sealbook trust policy-controller`: a TrustRoot with our log, and a policy for each place.

Each ClusterImagePolicy that fits an image has to hold, and none can leave anything out: an image
in a place inside another one needs a key of both. That refuses more than our own verifier does,
and never less.

Spec: github.com/sigstore/policy-controller, docs/api-types.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from signer.cli.trust.controllers import Believed, Objects, Place, pem, run
from verifier.errors import printable
from verifier.repository import EVERYWHERE, Scope
from verifier.trust.listed import Authority

_ROOT = "sealbook"
_VOUCH = {"certificate": "certificateAuthorities", "timestamp": "timestampAuthorities"}


def main(argv: list[str]) -> int:
    """Print it."""
    more = (
        "A TrustRoot and a ClusterImagePolicy for each place; leave its no-match-policy at `deny`."
    )
    return run(argv, "policy-controller", "policy-controller", more, objects)


def objects(believed: Believed) -> Objects:
    """Return the trust root and the policies."""
    for place in believed.places:
        if place.inside:
            inside = ", ".join(map(str, place.inside))
            told = f"note: what is in {inside} needs a key of {place.scope}, too"
            print(printable(told), file=sys.stderr)
    return [_trust_root(believed), *(_policy(place, believed) for place in believed.places)]


def _trust_root(believed: Believed) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    # It takes no root without an authority; none of them vouches for anything in these policies.
    for one in believed.trust.authorities:
        if (kind := _VOUCH.get(one.kind)) is not None:
            keys.setdefault(kind, []).append(_authority(one, believed.service))
    if not keys:
        told = "note: the trust file lists no authority, and without one it takes no TrustRoot"
        print(told, file=sys.stderr)
    keys["tLogs"] = [
        {
            "baseURL": believed.service,
            "hashAlgorithm": "sha-256",
            "publicKey": b64encode(pem(promise).encode()).decode(),
        }
        for promise in believed.promises
    ]
    return {
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": {"name": _ROOT},
        "spec": {"sigstoreKeys": keys},
    }


def _authority(one: Authority, service: str) -> dict[str, Any]:
    chain = [x509.load_der_x509_certificate(certificate) for certificate in one.chain]
    subject = chain[-1].subject
    names = {
        "organization": subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
        "commonName": subject.get_attributes_for_oid(NameOID.COMMON_NAME),
    }
    text = "".join(_pem(certificate) for certificate in chain)
    return {
        "subject": {
            name: str(found[0].value) if found else "sealbook" for name, found in names.items()
        },
        "uri": service,
        "certChain": b64encode(text.encode()).decode(),
    }


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _policy(place: Place, believed: Believed) -> dict[str, Any]:
    authorities: list[dict[str, Any]] = [
        {
            "name": f"key-{number}",
            "key": {"data": pem(key.public), "hashAlgorithm": "sha256"},
            "ctlog": {"url": believed.service, "trustRootRef": _ROOT},
        }
        for number, key in enumerate(place.keys, 1)
    ]
    nobody = {"name": "nobody", "static": {"action": "fail"}}
    return {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": f"sealbook-{place.name}"},
        "spec": {
            "mode": "enforce",
            "images": [{"glob": glob} for glob in _globs(place.scope)],
            "authorities": authorities or [nobody],
        },
    }


def _globs(scope: Scope) -> list[str]:
    """Return globs for a repository and all below it; `**` is any text but none."""
    if scope == EVERYWHERE:
        return ["**"]
    below = [f"{scope}/**"]
    return below if "/" not in scope else [f"{scope}:**", f"{scope}@**", *below]
