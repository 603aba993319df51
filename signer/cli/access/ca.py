"""`sealbook access ca`: make an authority for the certificates of callers."""

from __future__ import annotations

from signer.access.first_authority import FirstAuthority, Kind
from signer.cli.access.pair import Pair, days_of
from signer.cli.arguments import parser, show


def main(argv: list[str]) -> int:
    """Make the authority in two files."""
    made = parser(
        "access ca",
        "Make an authority, NAME.pem and NAME.key, for a site that has none: for the\n"
        "certificates of callers (listen.client_ca), and with --servers for the service's own\n"
        "(listen.tls_certificate), which callers check with --ca. Never one for both.",
        "sealbook access ca tls/clients",
        config=False,
    )
    made.add_argument("name", metavar="NAME", help="where, without an ending")
    made.add_argument(
        "--servers", action="store_true", help="for servers; without it, it is for clients"
    )
    made.add_argument("--days", default="1826", metavar="N", help="how long (default: 1826)")
    args = made.parse_args(argv)
    kind: Kind = "servers" if args.servers else "clients"
    pair, days = Pair(args.name), days_of(args.days)
    pair.check_free()
    issued = FirstAuthority.make(kind, days)
    pair.write(issued)
    show(
        {"certificate": str(pair.certificate), "key": str(pair.key), "kind": kind},
        as_json=args.json,
        text=f"""\
made an authority for {kind}, until {issued.not_after:%Y-%m-%d}
  {pair.certificate}  whom to believe: public
  {pair.key}  makes certificates: off this machine, it is needed for new ones alone

next:
  {_next(args.name, servers=args.servers)}""",
    )
    return 0


def _next(name: str, *, servers: bool) -> str:
    names = "server --dns ledger.bank.example" if servers else "ci --uri spiffe://bank.example/ci"
    return f"sealbook access certificate {names} --ca {name}"
