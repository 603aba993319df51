"""`sealbook key show`: one version of a key, and its public half; never the private one."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.cli.key.telling import Version, as_json, label, named, warnings, window
from signer.errors import UnknownSigningKeyError
from signer.v1 import operator_pb2
from verifier.publickey import PublicKey


def main(argv: list[str]) -> int:
    """Print what is known of a version; with --pem the public half alone."""
    made = parser(
        "key show",
        "Say what is known of a key: what it may sign, where it lives, what its home says of\n"
        "it, what became of it, and its public half. Without a version, the one that signs.",
        "sealbook key show release\n  sealbook key show release@2 --pem > release-2.pub",
    )
    made.add_argument("name", metavar="NAME[@VERSION]", help="the key")
    made.add_argument("--pem", action="store_true", help="print the public half, and nothing else")
    add_operating(made)
    args = made.parse_args(argv)
    name, version = named(args.name)
    request = operator_pb2.ListKeysRequest(name=name)
    place = operator.place(args)
    answer = operator.ask(place, "ListKeys", request, operator_pb2.ListKeysResponse)
    key = _chosen(list(answer.keys), args.name, version)
    if args.pem:
        print(PublicKey(key.spki).pem().decode(), end="")
        return 0
    show(as_json(key), as_json=args.json, text=_told(key))
    return 0


def _chosen(keys: list[Version], asked: str, version: int) -> Version:
    """Return the version that is named, or the one that signs, or the newest."""
    if version:
        keys = [key for key in keys if key.version == version]
    if not keys:
        raise UnknownSigningKeyError(f"there is no key {asked}", hint="sealbook key list")
    return next((key for key in keys if key.standing == "active"), keys[-1])


def _told(key: Version) -> str:
    announced = f"entry {key.announced_at}" if key.HasField("announced_at") else "configured"
    told = [
        ("standing", "; ".join([key.standing, *warnings(key)])),
        ("purpose", f"{key.purpose} in {', '.join(key.scope) or 'nothing'}"),
        ("counts", window(key)),
        ("announced", announced),
        ("algorithm", key.algorithm),
        ("SHA-256", key.fingerprint),
        ("lives in", key.uri or "nobody knows"),
        ("forms", ", ".join(key.forms) or "bundle"),
        *((f"  {name}", value) for name, value in sorted(key.attributes.items())),
    ]
    rows = [f"  {name:<11} {value}" for name, value in told]
    return "\n".join([label(key), *rows, PublicKey(key.spki).pem().decode().rstrip()])
