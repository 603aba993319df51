"""`sealbook detach`: take what was revoked out of registries, for whoever reads no status file."""

from __future__ import annotations

import argparse
from pathlib import Path

from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.cli.detaching import HELP, METAVAR, detach_all, log_ids, opened
from signer.cli.images import add_registries
from signer.config import Config
from verifier.trust import TrustRoot
from verifier.trust.status import Status


def main(argv: list[str]) -> int:
    """Remove what is revoked by now; exit code 0 only when none of it is found any more."""
    made = parser(
        "detach",
        "Remove from images what was revoked by now: layers under `.sig` tags, bundles,\n"
        "certificates, notation's envelopes and attestations, in the registries named. So\n"
        "whoever reads no status file refuses it too. Everybody else's signatures stay as they\n"
        "are; run it as often as you like. Credentials are docker's, or registries.toml's.",
        "sealbook detach registry.example/team/app mirror.example/team/app",
    )
    add_service(made)
    made.add_argument("places", nargs="+", metavar=METAVAR, help=HELP)
    add_registries(made)
    made.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="trust.json and status.json, which say what is revoked (default: the service's own)",
    )
    args = made.parse_args(argv[1:])
    trust, status = _files(args)
    with opened(args.places, args.registries) as targets, connect_admin(args) as client:
        outcomes = detach_all(targets, client, status.payload.revocations, log_ids(trust))
    for outcome in outcomes:
        show(outcome.json(), as_json=args.json, text=outcome.text())
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _files(args: argparse.Namespace) -> tuple[TrustRoot, Status]:
    """Return what says what is revoked.

    Raises:
        VerificationError: the status file is not the service's.
        ConfigError: neither `--trust` nor a configuration says where it is.
    """
    if args.trust is not None:
        paths = args.trust / "trust.json", args.trust / "status.json"
    else:
        config = Config.load(args.config)
        paths = config.path(config.trust.trust), config.path(config.trust.status)
    trust = TrustRoot.parse(paths[0].read_bytes())
    return trust, Status.parse(paths[1].read_bytes(), trust)
