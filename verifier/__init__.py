"""The judge: checks, offline, that an image was approved and that the approval was logged.

    from pathlib import Path
    from verifier import Digest, Repository, TrustRoot, Verifier

    verifier = Verifier(TrustRoot.parse(Path("trust.json").read_bytes()))
    verified = verifier.verify(bundle, Digest("sha256:…"), Repository("registry.example/team/app"))

Needs `cryptography` and nothing else; reads no file and no network by itself.
"""

from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.publickey import Key, PublicKey
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verdict import Verified
from verifier.verify import Verifier

__all__ = [
    "Digest",
    "Key",
    "PublicKey",
    "Repository",
    "TrustRoot",
    "VerificationError",
    "Verified",
    "Verifier",
]
