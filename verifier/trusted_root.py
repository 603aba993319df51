"""What Sigstore's clients are given: `trusted_root.json` and `signing_config.json`.

Rendered from our trust root and what was revoked; `verifier.sigstore.trusted_root` reads it.
The media types are the old ones: clients refuse the newer spellings.

Spec: sigstore protobuf-specs, sigstore_trustroot.proto.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from verifier._strict import b64encode, utc
from verifier.note import ML_DSA, NoteKey
from verifier.publickey import PublicKey
from verifier.trust.revocation import until_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.trust import TrustRoot
    from verifier.trust.listed import Authority
    from verifier.trust.revocation import Revocation

_TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
# From when logs and authorities count: earlier than anything that was ever made here. The day
# of the trust file would move with each new one, and old promises, timestamps and certificates
# would fall out of the window; whoever stopped counting is told by an end instead.
START = 1_577_836_800  # 2020-01-01T00:00:00Z
_LISTS = {"certificate": "certificateAuthorities", "timestamp": "timestampAuthorities"}


def trusted_root(trust: TrustRoot, revocations: Iterable[Revocation] = ()) -> bytes:
    """Return `trusted_root.json`, in which an authority among `revocations` has ended.

    Each log is listed with its checkpoint key and, if there is one, its promise key.
    Sigstore has no name for ML-DSA-44, whose keys are left out.
    """
    start, ends = {"start": utc(START)}, until_of(revocations)
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
            _authority(origin, authority, _window(authority, ends))
            for authority in trust.authorities
            if authority.kind == kind
        ]
    witnessing = [a for a in trust.authorities if a.kind == "transparency"]
    root["ctlogs"] = [
        _log(
            origin,
            PublicKey(one.chain[0]),
            hashlib.sha256(one.chain[0]).digest(),
            _window(one, ends),
        )
        for one in witnessing
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


def _window(authority: Authority, ends: Mapping[str, int]) -> dict[str, str]:
    """Return when `authority` counts; one that ended before the start counts never."""
    end = ends.get(authority.fingerprint)
    if end is None:
        return {"start": utc(START)}
    return {"start": utc(min(START, end)), "end": utc(end)}


def _log(
    origin: str, public: PublicKey, log_id: bytes, window: Mapping[str, str]
) -> dict[str, object]:
    return {
        "baseUrl": f"https://{origin}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64encode(public.spki),
            "keyDetails": public.algorithm.key_details,
            "validFor": window,
        },
        "logId": {"keyId": b64encode(log_id)},
    }


def _authority(origin: str, authority: Authority, window: Mapping[str, str]) -> dict[str, object]:
    return {
        "subject": {"organization": origin, "commonName": origin},
        "uri": f"https://{origin}",
        "certChain": {"certificates": [{"rawBytes": b64encode(one)} for one in authority.chain]},
        "validFor": window,
    }
