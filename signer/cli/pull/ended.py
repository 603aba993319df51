"""What a policy.json still believes, and the trust files of this host do not.

Podman's kind knows no status file: a key or an image that was revoked is refused only once the
policy was written anew.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from signer.cli.trust.podman import live_keys
from verifier.errors import VerificationError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import NOTE, OPEN, Finding
from verifier.pull.installing.setups import TRUST
from verifier.pull.trust_directory import TRUST as TRUST_FILE
from verifier.pull.trust_directory import TrustDirectory
from verifier.repository import EVERYWHERE

_AGAIN = "run `sealbook pull install podman` again, after each `sealbook trust sync`"


def findings(host: Host, name: str) -> Iterator[Finding]:
    """Yield what the policy `name`, a good one, lets through that was revoked or retired since."""
    directory = host.path(TRUST)
    if not (directory / TRUST_FILE).exists():
        yield Finding(NOTE, "no-trust", f"{TRUST} has no trust files to compare {name} with")
        return
    try:
        believed = TrustDirectory(str(directory)).load()
    except (VerificationError, OSError) as e:
        yield Finding(NOTE, "no-trust", f"{TRUST}: {e}", "sealbook trust sync brings newer files")
        return
    revocations = believed.status.payload.revocations if believed.status else ()
    live = {key.public.hint for key in live_keys(believed.trust, revocations)}
    docker = json.loads(host.read(name) or b"{}").get("transports", {}).get("docker", {})
    named = set(_keys(docker))
    for key in believed.trust.keys.values():
        if key.public.hint not in live and b64encode(key.public.pem()).decode() in named:
            what = f"{name} believes the key {key.name}, which was revoked or retired"
            yield Finding(OPEN, "ended-key", what, _AGAIN)
    for one in revocations:
        if one.kind != "digest" or one.repository == EVERYWHERE:
            continue
        image = f"{one.repository}@{one.target}"
        if "/" in one.repository and image not in docker:
            yield Finding(OPEN, "revoked-image", f"{name} does not reject {image}", _AGAIN)


def _keys(docker: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the keys that any rule takes signatures of, as they are written there."""
    for rules in docker.values():
        for rule in rules:
            yield from [rule["keyData"]] if "keyData" in rule else []
            yield from rule.get("keyDatas", ())
