"""The judge: may this image run? Offline, from what was pinned.

    from pathlib import Path
    from verifier import Digest, Policy, Repository, Status, TrustRoot, Verifier

    trust = TrustRoot.parse(Path("trust.json").read_bytes())
    status = Status.parse(Path("status.json").read_bytes(), trust)
    policy = Policy.parse(Path("policy.toml").read_bytes())
    verifier = Verifier(trust, status=status, policy=policy)

    bundles = [path.read_bytes() for path in Path("bundles").iterdir()]
    verdict = verifier.judge(bundles, Digest(digest), Repository("registry.example/team/app"))

`judge` raises `VerificationError` unless the image may run; `verify` judges one approval
and needs a trust root alone. Needs `cryptography` and nothing else; reads no file and no
network by itself.
"""

from typing import TYPE_CHECKING, Any

from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.publickey import Key, PublicKey
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verdict import Verdict, Verified
from verifier.verify import Verifier

if TYPE_CHECKING:
    from verifier.policy import Policy
    from verifier.trust.status import Status

__all__ = [
    "Digest",
    "Key",
    "Policy",
    "PublicKey",
    "Repository",
    "Status",
    "TrustRoot",
    "Verdict",
    "VerificationError",
    "Verified",
    "Verifier",
]


def __getattr__(name: str) -> Any:
    """Import what only those need who have a policy: the others start sooner."""
    if name == "Policy":
        from verifier.policy import Policy

        return Policy
    if name == "Status":
        from verifier.trust.status import Status

        return Status
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
