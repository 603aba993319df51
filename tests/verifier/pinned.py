"""A trust root with something in every field, to be written, read, and spoiled."""

from __future__ import annotations

import json

from tests.verifier.certificates import certificate
from tests.verifier.making import EXPIRES, ISSUED, ORIGIN, NoteSigner, Signer, policy, witnesses
from verifier.quorum import Quorum
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import Authority, TrustedKey, TrustedLog, keys_by_hint

LOG, PROMISE, APPROVER, OFFICER = NoteSigner(ORIGIN), Signer(), Signer(), Signer()
TRANSPARENCY = Signer()
CHAINS = [
    tuple(certificate(PROMISE.public, serial + number) for serial in (1, 2))
    for number in (10, 20, 30)
]
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
    (
        Authority("timestamp", CHAINS[0]),
        Authority("certificate", CHAINS[1]),
        Authority("transparency", (TRANSPARENCY.public.spki,)),
        Authority("notation", CHAINS[2]),
    ),
)
DOCUMENT = json.loads(GOOD.json())


def parse(document: object) -> TrustRoot:
    """Read a trust root from JSON values."""
    return TrustRoot.parse(json.dumps(document).encode())
