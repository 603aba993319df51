"""`sealbook apikey create`: make a key of at most a day."""

from __future__ import annotations

import re
from pathlib import Path

from signer.access.certificates import read_peer
from signer.access.giving import OF_PERSONS
from signer.access.roles import ROLES
from signer.cli.access.telling import SERVICE, as_json
from signer.cli.apikey.telling import line
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.errors import RequestError
from signer.keys.secret_files import write_secret
from signer.v1 import access_pb2 as pb

_TTL = re.compile(r"([1-9][0-9]{0,5})([smh])", re.ASCII)
_ROLES = sorted(ROLES.keys() - OF_PERSONS)
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main(argv: list[str]) -> int:
    """Have it made, and show it once."""
    made = parser(
        "apikey create",
        "Make an API key for a role in repositories, inside places of your own. It is shown, or\n"
        "written to FILE, once: the service keeps a hash of it. It counts for at most 24 hours.",
        "sealbook apikey create nightly-scan --role developer \\\n"
        "      --repository 'registry.example/team/**' --ttl 8h --from 10.1.0.0/16 --out scan.key",
    )
    add_service(made)
    add = made.add_argument
    add("name", metavar="NAME", help="what its holder is called: a-z, 0-9 and -")
    add("--role", required=True, metavar="ROLE", choices=_ROLES, help=", ".join(_ROLES))
    add(
        "--repository",
        dest="repositories",
        action="append",
        required=True,
        metavar="WHERE",
        help="a repository, host/path/** or *; again for more",
    )
    add("--ttl", default="1h", metavar="TIME", help="how long: 90s, 30m, 24h (default: 1h)")
    add(
        "--bound-to",
        type=Path,
        metavar="FILE",
        help="PEM of the only client certificate that it counts with",
    )
    add(
        "--from",
        dest="networks",
        action="append",
        default=[],
        metavar="NETWORK",
        help="only from there, as in 10.0.0.0/8; again for more",
    )
    add("--out", type=Path, metavar="FILE", help="a new file for the key, for you alone to read")
    args = made.parse_args(argv)
    request = pb.CreateApiKeyRequest(
        name=args.name,
        role=args.role,
        repositories=args.repositories,
        ttl_s=_seconds(args.ttl),
        certificate=read_peer(args.bound_to.read_bytes()).spki_sha256 if args.bound_to else "",
        networks=args.networks,
    )
    if args.out is not None and args.out.exists():
        raise RequestError(f"expected a new file, found {args.out}")
    with connect_admin(args) as client:
        answer = client.call(SERVICE + "CreateApiKey", request, pb.CreateApiKeyResponse)
    value = as_json(answer.key)
    if args.out is not None:
        write_secret(args.out, f"{answer.secret}\n".encode())
        shown = f"  {args.out}, as --token-file"
    else:
        value |= {"secret": answer.secret}
        shown = f"  {answer.secret}\n  it is shown this once: send it as a token"
    show(value, as_json=args.json, text=f"{line(answer.key)}\n{shown}")
    return 0


def _seconds(text: str) -> int:
    found = _TTL.fullmatch(text)
    if found is None:
        raise RequestError(f"expected a time as in 90s, 30m or 24h, found {text[:40]!r}")
    return int(found[1]) * _UNITS[found[2]]
