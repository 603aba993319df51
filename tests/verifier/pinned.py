"""A trust root with something in every field, to be written, read, and spoiled."""

from __future__ import annotations

import json

from tests.verifier.making import EXPIRES, ISSUED, ORIGIN, NoteSigner, Signer, policy, witnesses
from verifier.quorum import Quorum
from verifier.repository import Scope
from verifier.trust import TrustedKey, TrustedLog, TrustRoot, keys_by_hint

LOG, PROMISE, APPROVER, OFFICER = NoteSigner(ORIGIN), Signer(), Signer(), Signer()
WITNESSES = witnesses(2)
GOOD = TrustRoot(
    3,
    ISSUED,
    EXPIRES,
    (TrustedLog(ORIGIN, LOG.key, PROMISE.public),),
    keys_by_hint(
        [
            TrustedKey("release", "approve", APPROVER.public, (Scope("*"),), 2, 9007),
            TrustedKey(
                "officer", "event", OFFICER.public, (Scope("a.example"), Scope("b.example"))
            ),
        ]
    ),
    Quorum.parse(policy(2, WITNESSES)),
)
DOCUMENT = json.loads(GOOD.json())


def parse(document: object) -> TrustRoot:
    """Read a trust root from JSON values."""
    return TrustRoot.parse(json.dumps(document).encode())
