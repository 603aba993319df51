"""What Sigstore's clients are given: `trusted_root.json` and `signing_config.json`.

Rendered from our trust root, and read by nothing here. The media types are the old
ones: clients refuse the newer spellings.

Spec: sigstore protobuf-specs, sigstore_trustroot.proto.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from verifier._strict import b64encode, utc
from verifier.note import ML_DSA, NoteKey
from verifier.publickey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.trust import TrustRoot

_TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
_LISTS = {"certificate": "certificateAuthorities", "timestamp": "timestampAuthorities"}


def trusted_root(trust: TrustRoot) -> bytes:
    """Return `trusted_root.json`.

    Each log is listed with its checkpoint key and, if there is one, its promise key.
    Sigstore has no name for ML-DSA-44, whose keys are left out.
    """
    start = utc(trust.issued)
    root: dict[str, object] = {
        "mediaType": _TRUSTED_ROOT,
        "tlogs": [_log(origin, key.public, key.log_id, start) for origin, key in _log_keys(trust)],
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [],
    }
    origin = trust.logs[0].origin
    for kind, field in _LISTS.items():
        root[field] = [
            _authority(origin, authority.chain, start)
            for authority in trust.authorities
            if authority.kind == kind
        ]
    witnessing = [a.chain[0] for a in trust.authorities if a.kind == "transparency"]
    root["ctlogs"] = [
        _log(origin, PublicKey(spki), hashlib.sha256(spki).digest(), start) for spki in witnessing
    ]
    return (json.dumps(root, indent=2) + "\n").encode()


def signing_config(url: str, origin: str, issued: int) -> bytes:
    """Return `signing_config.json`: where cosign logs what it signs, and by which protocol."""
    log = {
        "url": url,
        "majorApiVersion": 2,
        "validFor": {"start": utc(issued)},
        "operator": origin,
    }
    value = {
        "mediaType": _SIGNING_CONFIG,
        "rekorTlogUrls": [log],
        "rekorTlogConfig": {"selector": "ANY"},
    }
    return (json.dumps(value, indent=2) + "\n").encode()


def _log_keys(trust: TrustRoot) -> list[tuple[str, NoteKey]]:
    found = []
    for log in trust.logs:
        if log.checkpoint_key.kind != ML_DSA:
            found.append((log.origin, log.checkpoint_key))
        if log.promise_key:
            found.append((log.origin, NoteKey.of(log.origin, log.promise_key)))
    return found


def _log(origin: str, public: PublicKey, log_id: bytes, start: str) -> dict[str, object]:
    return {
        "baseUrl": f"https://{origin}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64encode(public.spki),
            "keyDetails": public.algorithm.key_details,
            "validFor": {"start": start},
        },
        "logId": {"keyId": b64encode(log_id)},
    }


def _authority(origin: str, chain: Sequence[bytes], start: str) -> dict[str, object]:
    return {
        "subject": {"organization": origin, "commonName": origin},
        "uri": f"https://{origin}",
        "certChain": {"certificates": [{"rawBytes": b64encode(one)} for one in chain]},
        "validFor": {"start": start},
    }
