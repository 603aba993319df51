"""`sealbook policy try`: what a policy would say of an image that the ledger knows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ledger import labels
from signer.cli.arguments import add_service, connect, parser
from signer.cli.trust.draft import read
from verifier import limits
from verifier.certified import CertificateJudge
from verifier.digest import Digest
from verifier.errors import MissingExtraError, NoStatusError, VerificationError
from verifier.policy import Policy
from verifier.pull.trust_directory import TrustDirectory
from verifier.repository import Repository
from verifier.telling import say_refused, say_verdict
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.trusted_root import trusted_root
from verifier.verify import Verifier

# What verifiers read; the other forms are copies for other clients.
FORMS = (labels.BUNDLE, labels.CERTIFICATE)


def main(argv: list[str]) -> int:
    """Print each rule with yes or no; exit code 0 if the image would run."""
    made = parser(
        "policy try",
        "Ask what a policy would say of an image now: everything that the ledger holds about the\n"
        "digest is fetched from the service and judged. Nothing is changed, and the policy need\n"
        "not be pinned yet. Exit code 0: it would run; 1: it would be refused.",
        "sealbook policy try policy.toml sha256:<hex> --repository registry.example/team/app",
    )
    add_service(made)
    made.add_argument("file", type=Path, metavar="FILE", help="the policy")
    made.add_argument("digest", metavar="DIGEST", help="sha256:<hex>")
    made.add_argument("--repository", required=True, metavar="R", help="where it would be pulled")
    made.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="the trust files of `sealbook trust sync` (default: those of the configuration)",
    )
    args = made.parse_args(argv)
    policy = Policy.parse(read(args.file, limits.POLICY))
    digest, repository = Digest(args.digest), Repository(args.repository)
    trust, status = _trusted(args)
    if trust.policy_sha256 not in (b"", policy.sha256):
        print("note: the trust file pins another policy; this one is only tried", file=sys.stderr)
    trust = trust._replace(policy_sha256=policy.sha256)
    verifier = Verifier(trust, status=status, policy=policy, certificates=_judge(trust, status))
    with connect(args) as client:  # in any repository: the policy may remap
        listed = client.listed(digest)
        found = client.bundles(digest)  # in the same order, and perhaps more since
    bundles = [one for about, one in zip(listed, found, strict=False) if about.record.form in FORMS]
    try:
        say_verdict(verifier.judge(bundles, digest, repository), as_json=args.json)
    except VerificationError as e:
        say_refused(e, as_json=args.json)
        return 1
    return 0


def _trusted(args: argparse.Namespace) -> tuple[TrustRoot, Status]:
    """Return the trust and status files in force.

    Raises:
        NoStatusError: there is no status file.
    """
    if args.trust is not None:
        trust, status, _ = TrustDirectory(str(args.trust)).load()
        if status is None:
            raise NoStatusError(
                f"a policy is judged with a status file, found none in {args.trust}"
            )
        return trust, status
    from signer.config import Config

    files = Config.load(args.config)
    trust = TrustRoot.parse(read(files.path(files.trust.trust)))
    return trust, Status.parse(read(files.path(files.trust.status), limits.STATUS_FILE), trust)


def _judge(trust: TrustRoot, status: Status) -> CertificateJudge | None:
    """Return who judges certificates; None without the extra."""
    try:
        from verifier.pull.keyless import SigstoreJudge
    except MissingExtraError:
        return None
    return SigstoreJudge(trusted_root(trust, status.payload.revocations))
