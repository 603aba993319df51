"""Trust and status files that follow one another, as a directory of them takes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.verifier.making import Signer
from tests.verifier.statuses import STATUS_KEY, Ledger, revoked
from verifier.pull.trust_directory import Trusted
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import Roots, TrustedKey, keys_by_hint
from verifier.trust.signed import SignedFile

LEDGER, ALICE, MALLORY = Ledger(), Signer(), Signer()
RULES = b'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "*"\n[images.approval]\n'
STRICT = RULES + b"signers = 2\n"


def root(version: int, **changes: Any) -> TrustRoot:
    """Return a trust root that Alice alone may replace."""
    roots = Roots(1, {"alice": ALICE.public})
    return LEDGER.trust._replace(**{"version": version, "roots": roots, **changes})


def trust(version: int, *signers: Any, **changes: Any) -> bytes:
    """Return a trust file, by Alice unless others signed."""
    made = root(version, **changes)
    return SignedFile.sign(PAYLOAD_TYPE, made.json(), signers or (ALICE,)).json()


def status(version: int, key: Any = STATUS_KEY, **changes: Any) -> bytes:
    """Return a status file with one revocation."""
    changes = {"revocations": (revoked(2, 5),), **changes}
    return LEDGER.payload(version, **changes).sealed(key)


def pinned(policy: bytes) -> dict[str, bytes]:
    """Return what a trust file says that pins a policy."""
    return {"policy_sha256": hashlib.sha256(policy).digest()}


def versions(found: Trusted) -> tuple[int, int]:
    """Return the versions of trust and status, 0 for none."""
    return found.trust.version, found.status.payload.version if found.status else 0


def contents(path: Path) -> dict[str, bytes]:
    """Return all files but the lock, which is always empty."""
    found = {one.name: one.read_bytes() for one in path.iterdir()}
    assert found.pop("lock", b"") == b""
    return found


OTHER_STATUS = Signer()
OTHER_KEY = {
    "keys": keys_by_hint(
        [LEDGER.world.key, TrustedKey("status-2", "status", OTHER_STATUS.public, ())]
    )
}
