"""Messages as cosign and notation hand them over, and a service with a key for each kind.

statements   a key that attests
notary       a key that approves, with an X.509 chain for notation
blind        a raw key
"""

from __future__ import annotations

import datetime as dt
import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from signer.keys.memory import MemoryKey
from tests.signer.asking import digest
from tests.signer.world import World, found_in
from verifier import dsse
from verifier.publickey import PublicKey
from verifier.statement import APPROVAL

CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
SCHEME = "io.cncf.notary.signingScheme"


def prepared(directory: Path) -> World:
    """Found a service with a key for each kind of message."""
    world = found_in(directory)
    world.add_key("plain", MemoryKey.generate("ecdsa-p256"))
    MemoryKey.generate("ecdsa-p256").save(directory / "keys" / "blind.pem")
    with world.config.open("a") as file:
        file.write('\n[signing.keys.blind]\nuri = "file:keys/blind.pem"\nraw = true\n')
    return world


def public(world: World, name: str) -> PublicKey:
    """Return the public half of a key."""
    return MemoryKey.load(world.directory / "keys" / f"{name}.pem").public


def statement(n: int = 1, kind: str = APPROVAL, name: str = "", **more: Any) -> bytes:
    """Return the statement of `cosign sign` or `cosign attest` about image `n`, encoded."""
    subject = {"digest": {"sha256": digest(n).hex}, **({"name": name} if name else {})}
    annotations = more.pop("annotations", None)
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{**subject, **({"annotations": annotations} if annotations else {})}],
        "predicateType": kind,
        "predicate": {},
        **more,
    }
    return dsse.pae(dsse.IN_TOTO, json.dumps(value).encode())


def simple(n: int, reference: str, optional: dict[str, Any] | None = None) -> bytes:
    """Return the payload of `cosign sign` before version 3."""
    value = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest(n)},
            "type": "cosign container image signature",
        },
        "optional": optional,
    }
    return json.dumps(value).encode()


def notation(n: int, signed_at: float | None = None, **more: Any) -> bytes:
    """Return the message of `notation sign`; `more` changes the protected header."""
    when = dt.datetime.fromtimestamp(time.time() if signed_at is None else signed_at, dt.UTC)
    annotations = more.pop("annotations", None)
    media_type = more.pop("media_type", "application/vnd.oci.image.manifest.v1+json")
    header = {
        "alg": "ES256",
        "crit": [SCHEME],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        SCHEME: "notary.x509",
        "io.cncf.notary.signingTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **more,
    }
    target = {
        "mediaType": media_type,
        "digest": digest(n),
        "size": 527,
        **({"annotations": annotations} if annotations else {}),
    }
    parts = (header, {"targetArtifact": target})
    return b".".join(urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)
