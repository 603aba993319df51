"""`sealbook access login`: trade a token of an issuer for a session."""

from __future__ import annotations

import secrets
from pathlib import Path

from signer.cli.access.telling import grants, named
from signer.cli.arguments import add_service, connect, oidc_token, parser, show
from signer.cli.operator import day_time
from signer.client.bearer import request
from signer.errors import KeyFileError, RequestError
from signer.keys.secret_files import write_secret


def main(argv: list[str]) -> int:
    """Exchange the token, and write the session."""
    made = parser(
        "access login",
        "Trade a token of your issuer for a session: it counts for at most 15 minutes, for what\n"
        "the token's claims are bound to, and over the same client certificate alone. A token\n"
        "is taken once; with its session all images of a job can be signed.",
        "sealbook access login --oidc-token-file job.jwt --out session\n"
        "  sealbook sign sha256:… --repository registry.example/team/app --token-file session",
    )
    add_service(made)
    made.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the session is to be"
    )
    args = made.parse_args(argv)
    if args.oidc_token_file is None:
        raise RequestError("expected --oidc-token-file, the file with the token of your issuer")
    wanted = request(oidc_token(args.oidc_token_file)())
    args.token_file = None
    with connect(args) as client:
        # By hand: what the client keeps to itself, others are to use as well.
        answer = client.exchange(wanted)
    _write(args.out, answer.session)
    who = answer.identity
    value = {
        "issuer": who.issuer,
        "subject": who.subject,
        "expires_at": answer.expires_at,
        "session": str(args.out),
    }
    first = f"logged in as {named(who)} until {day_time(answer.expires_at)}"
    show(
        value,
        as_json=args.json,
        text="\n".join([first, *grants(who), f"  session   {args.out}, as --token-file"]),
    )
    return 0


def _write(path: Path, session: str) -> None:
    """Put a session in the place of an older one; nobody sees half of it."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_secret(beside, f"{session}\n".encode())
    try:
        beside.replace(path)
    except OSError as e:
        beside.unlink()
        raise KeyFileError(f"cannot write {path}: {e.strerror}") from e
