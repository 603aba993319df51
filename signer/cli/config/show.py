"""`sealbook config show`: the configuration as the ledger keeps it."""

from __future__ import annotations

import json

from signer.cli.arguments import parser
from signer.config import Config
from signer.config.canonical import canonical
from signer.trust_files import LiveTrust, read_policy
from verifier._strict import canonical_json


def main(argv: list[str]) -> int:
    """Print it; as JSON in its one spelling, whose hash can be compared."""
    made = parser(
        "config show",
        "Print the configuration as it is logged when it comes into force: what the file says,\n"
        "the hashes of the files that it names, keyed ones of secrets, and the policy in full.",
        "sealbook config show\n  sealbook config show --json | sha256sum",
    )
    args = made.parse_args(argv)
    config = Config.load(args.config)
    found = dict(canonical(config, read_policy(config, LiveTrust.read(config).root)))
    if args.json:
        print(canonical_json(found).decode())
    else:
        print(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False))
    return 0
