"""Whom commands believe that judge images: the files that somebody pinned, and no others."""

from __future__ import annotations

import argparse
from pathlib import Path

from verifier import limits
from verifier.certified import CertificateJudge
from verifier.errors import MissingExtraError
from verifier.policy import Policy
from verifier.pull.trust_directory import TrustDirectory, Trusted
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.trusted_root import trusted_root
from verifier.verify import Verifier


def add_believing(made: argparse.ArgumentParser) -> None:
    """Add the options that say whom to believe."""
    add = made.add_argument
    add(
        "--trust",
        type=Path,
        required=True,
        metavar="PATH",
        help="the trust file that you pinned, or the directory of `sealbook trust sync`",
    )
    add("--status", type=Path, metavar="FILE", help="what was revoked since")
    add("--policy", type=Path, metavar="FILE", help="what images need, beyond one approval")
    add("--example-keys", action="store_true", help="accept the public keys of keys-example/")


def trust_of(args: argparse.Namespace) -> Trusted:
    """Return the files that `args` name.

    Raises:
        VerificationError: one of them is not good, or is public to everybody.
    """
    status: Status | None = None
    policy: Policy | None = None
    if args.trust.is_dir():
        trust, status, policy = TrustDirectory(str(args.trust)).load()
    else:
        trust = TrustRoot.parse(_read(args.trust, limits.TRUST_FILE))
    if args.status is not None:
        status = Status.parse(_read(args.status, limits.STATUS_FILE), trust)
    if args.policy is not None:
        policy = Policy.parse(_read(args.policy, limits.POLICY))
    if not args.example_keys:
        for public in trust.publics():
            public.refuse_example()
    return Trusted(trust, status, policy)


def verifier_of(trusted: Trusted) -> Verifier:
    """Return who judges by these files.

    Raises:
        VerificationError: they do not fit together.
    """
    trust, status, policy = trusted
    certificates = _certificates(trust, status)
    return Verifier(trust, status=status, policy=policy, certificates=certificates)


def _certificates(trust: TrustRoot, status: Status | None) -> CertificateJudge | None:
    """Return who judges certificates; None without the extra, where they count for nothing."""
    try:
        from verifier.pull.keyless import SigstoreJudge
    except MissingExtraError:
        return None
    return SigstoreJudge(trusted_root(trust, status.payload.revocations if status else ()))


def _read(path: Path, limit: int) -> bytes:
    """Read one byte more than allowed, so that the parser can refuse what is too long."""
    with path.open("rb") as file:
        return file.read(limit + 1)
