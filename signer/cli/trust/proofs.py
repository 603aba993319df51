"""Is what a status file revokes really in the ledger?"""

from __future__ import annotations

from verifier import limits
from verifier.bundle import Bundle
from verifier.errors import VerificationError
from verifier.trust import TrustRoot
from verifier.trust.revocation import Revocation
from verifier.verify import Verifier

GOOD, NOT_YET = "proven", "not proven yet"


def proof_of(revocation: Revocation, trust: TrustRoot) -> str:
    """Return `GOOD`, `NOT_YET` of one whose proof is still to come, or what is wrong with it."""
    if revocation.bundle == b"{}":
        return NOT_YET
    try:
        bundle = Bundle.parse(revocation.bundle, limits.BUNDLE)
        _, key = Verifier(trust).logged(bundle)
        revocation.check_logged(bundle, key)
    except VerificationError as e:
        return f"BAD PROOF: {e.message} ({e.code})"
    return GOOD


def revoked_told(revocation: Revocation) -> str:
    """Return in words what a revocation takes away."""
    what = {
        "entry": f"entry {revocation.target}",
        "key": f"key {revocation.target} from {revocation.after} on",
        "digest": f"{revocation.target} in {revocation.repository}",
        "authority": f"authority {revocation.target}",
    }[revocation.kind]
    return f"{what}, by entry {revocation.index}: {revocation.reason}"
