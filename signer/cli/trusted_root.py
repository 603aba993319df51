"""`sealbook trusted-root`: print what Sigstore's clients pin, as a trust file says it.

After a log key, a promise key or an authority changed in trust.json, the service does not
start until the trusted_root.json beside it says the same. Of what was revoked it writes the
end into that file itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from signer.cli.arguments import parser
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.trusted_root import trusted_root


def main(argv: list[str]) -> int:
    """Print a trusted_root.json."""
    made = parser(
        "trusted-root",
        "Print the trusted_root.json of a trust file, for cosign and other Sigstore clients.",
        "sealbook trusted-root trust.json > trusted_root.json",
        config=False,
    )
    made.add_argument("trust", type=Path, metavar="TRUST", help="the trust file")
    made.add_argument(
        "--status", type=Path, metavar="FILE", help="the status file: which authorities ended"
    )
    args = made.parse_args(argv[1:])
    trust = TrustRoot.parse(args.trust.read_bytes())
    revocations = (
        Status.parse(args.status.read_bytes(), trust).payload.revocations if args.status else ()
    )
    sys.stdout.write(trusted_root(trust, revocations).decode())
    return 0
