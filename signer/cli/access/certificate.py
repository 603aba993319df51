"""`sealbook access certificate`: make a certificate for a caller, or for the service."""

from __future__ import annotations

from signer.access.certificates import read_peer
from signer.access.first_authority import FirstAuthority
from signer.cli.access.pair import Pair, days_of
from signer.cli.arguments import parser, show
from signer.errors import RequestError


def main(argv: list[str]) -> int:
    """Make a key and its certificate in two files."""
    made = parser(
        "access certificate",
        "Make a key and its certificate, NAME.key and NAME.pem, by an authority of\n"
        "`sealbook access ca`: for a caller with --uri, for the service with --dns.",
        "sealbook access certificate alice --ca tls/clients --uri spiffe://bank.example/alice",
        config=False,
    )
    add = made.add_argument
    add("name", metavar="NAME", help="where, without an ending")
    add("--ca", required=True, metavar="NAME", help="the authority, without an ending")
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--uri", metavar="URI", help="who calls: spiffe://DOMAIN/PATH")
    what.add_argument(
        "--dns",
        action="append",
        metavar="HOST",
        help="where the service is reached, a name or an address; repeatable",
    )
    add("--days", default="90", metavar="N", help="how long (default: 90)")
    args = made.parse_args(argv)
    pair, days = Pair(args.name), days_of(args.days)
    if days > 825 and args.dns:
        raise RequestError("expected at most 825 days for a server, many clients refuse more")
    pair.check_free()
    authority = FirstAuthority.load(*Pair(args.ca).read())
    issued = (
        authority.client(args.uri, days) if args.uri else authority.server(tuple(args.dns), days)
    )
    pair.write(issued)
    told = {
        "certificate": str(pair.certificate),
        "key": str(pair.key),
        "not_after": f"{issued.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }
    holder = args.uri or ", ".join(args.dns)
    lines = [
        f"made a certificate for {holder}, until {issued.not_after:%Y-%m-%d}",
        f"  {pair.certificate}",
        f"  {pair.key}  readable by you alone",
    ]
    if args.uri:
        spki = read_peer(issued.certificate).spki_sha256
        told["spki_sha256"] = spki
        lines.append(f'  to end it before: access.deny_certificates = ["{spki}"]')
    show(told, as_json=args.json, text="\n".join(lines))
    return 0
