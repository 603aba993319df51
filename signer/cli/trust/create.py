"""`sealbook trust create`: write the next version of a trust file, for roots to sign."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.trust.draft import Draft, read, standing
from signer.errors import RequestError
from verifier import limits
from verifier._strict import decimal, name, utc
from verifier.policy import Policy
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.repository import Scope
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import PURPOSES, Roots, TrustedKey, keys_by_hint
from verifier.trust.signed import SignedFile

_DAY_S = 86_400


def main(argv: list[str]) -> int:
    """Write a file that does not count until roots sign it."""
    args = _parser().parse_args(argv)
    old = TrustRoot.parse(read(args.old))
    new = _changed(old, args)
    if not args.example_keys:
        for public in new.publics():
            public.refuse_example()
    draft = Draft.parse(SignedFile(PAYLOAD_TYPE, new.json(), {}).json())
    with args.out.open("xb") as file:
        file.write(draft.file.json())
    before = standing(draft.file, old)
    value = {"file": str(args.out), "version": new.version, "expires": utc(new.expires)}
    show(
        value,
        as_json=args.json,
        text=f"{args.out}: version {new.version}, until {utc(new.expires)}\n"
        f"it does NOT COUNT until it is signed: {draft.told()};\n"
        f"  of those of version {old.version}: {before}\n"
        f"next:  sealbook trust diff {args.old} {args.out}\n"
        f"       sealbook trust sign {args.out} --previous {args.old} --key ROOT.pem",
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "trust create",
        "Write the next version of a trust file: what is not named here stays as it was. It goes\n"
        "from root to root, on whatever carries a file, and does not count until enough of the\n"
        "old roots and of the new ones signed it.",
        "sealbook trust create --from trust.json --policy policy.toml --out next.json\n"
        "  sealbook trust create --from trust.json --out next.json \\\n"
        "      --key release-2027=release.pub --purpose approve --scope registry.example/team \\\n"
        "      --end-key release --at 9007",
        config=False,
    )
    add = made.add_argument
    add("--from", dest="old", type=Path, required=True, metavar="FILE", help="the one in force")
    add("--out", type=Path, required=True, metavar="FILE", help="a new file")
    add("--days", type=int, default=365, metavar="N", help="it expires then (default: 365)")
    add(
        "--root",
        action="append",
        default=[],
        metavar="NAME=PUB.pem",
        help="a root from now on; all of them, once for each. Needs --threshold",
    )
    add("--threshold", type=int, metavar="K", help="how many of the roots sign the next version")
    add("--policy", type=Path, metavar="FILE", help="pin this policy, and no other")
    add("--no-policy", action="store_true", help="pin none any more")
    add(
        "--key",
        metavar="NAME=PUB.pem",
        help="trust this key too, NAME@2 as the second version of one. Needs --purpose and --scope",
    )
    add("--purpose", choices=PURPOSES, help="what the key may say")
    add(
        "--scope",
        action="append",
        default=[],
        metavar="S",
        help="what it may speak about: host[:port][/path], or * for everything; repeatable",
    )
    add("--from-size", type=int, metavar="N", help="from that ledger position (default: 0)")
    add(
        "--drop-key",
        metavar="NAME",
        help="no longer trust this key, nor what it ever signed; release@2 is its second version",
    )
    add("--end-key", metavar="NAME", help="trust what this key signed before --at")
    add("--at", type=int, metavar="SIZE", help="the first ledger position that does not count")
    add("--witnesses", type=Path, metavar="FILE", help="witness, group and quorum lines")
    add("--example-keys", action="store_true", help="take keys of keys-example/; never in earnest")
    return made


def _changed(old: TrustRoot, args: argparse.Namespace) -> TrustRoot:
    """Return the next version.

    Raises:
        RequestError: options that do not go together, or that name nothing.
        VerificationError: a key, policy or quorum that is none.
    """
    now = int(time.time())
    if not 1 <= args.days <= 100 * 365:
        raise RequestError(f"expected 1 to {100 * 365} days, found {args.days}")
    new = old._replace(version=old.version + 1, issued=now, expires=now + args.days * _DAY_S)
    new = new._replace(keys=keys_by_hint(_keys(old, args)))
    if args.root and args.threshold is None:
        raise RequestError("say with --threshold how many of the new roots sign")
    if args.root or args.threshold is not None:
        new = new._replace(roots=_roots(old, args))
    if args.policy is not None and args.no_policy:
        raise RequestError("expected one of --policy and --no-policy")
    if args.policy is not None:
        data = read(args.policy, limits.POLICY)
        Policy.parse(data)
        new = new._replace(policy_sha256=hashlib.sha256(data).digest())
    if args.no_policy:
        new = new._replace(policy_sha256=b"")
    if args.witnesses is not None:
        new = new._replace(quorum=Quorum.parse(_text(args.witnesses)))
    if new.roots is None:
        raise RequestError(
            "nobody could sign it: the trust file names no roots",
            hint="give --root and --threshold; verifiers pin the new file by its SHA-256",
        )
    return new


def _roots(old: TrustRoot, args: argparse.Namespace) -> Roots:
    known = dict(old.roots.keys) if old.roots else {}
    named = dict(map(_named, args.root)) if args.root else known
    if len(named) < len(args.root):
        raise RequestError("one root is named twice")
    return Roots(args.threshold, named)


def _keys(old: TrustRoot, args: argparse.Namespace) -> list[TrustedKey]:
    keys = {key.label: key for key in old.keys.values()}
    for wanted in (args.drop_key, args.end_key):
        if wanted is not None and wanted not in keys:
            known = ", ".join(keys)
            raise RequestError(f"expected a key of the trust file, {known}; found {wanted!r}")
    if args.drop_key is not None:
        del keys[args.drop_key]
    if (args.end_key is None) is not (args.at is None):
        raise RequestError("--end-key and --at go together")
    if args.end_key is not None:
        if args.end_key not in keys:
            raise RequestError(f"{args.end_key} is dropped, so it has no end")
        keys[args.end_key] = keys[args.end_key]._replace(valid_through_tree_size=args.at)
    if args.key is None:
        if args.purpose is not None or args.scope or args.from_size is not None:
            raise RequestError("--purpose, --scope and --from-size say nothing without --key")
        return list(keys.values())
    if args.purpose is None or not args.scope:
        raise RequestError("a key needs --purpose and --scope")
    label, _, path = args.key.partition("=")
    bare, at, version = label.partition("@")
    called, public = _named(f"{bare}={path}")
    scope = tuple(map(Scope, args.scope))
    new = TrustedKey(called, args.purpose, public, scope, args.from_size or 0)
    return [*keys.values(), new._replace(version=decimal(version)) if at else new]


def _named(text: str) -> tuple[str, PublicKey]:
    """Return the name and the key of NAME=PUB.pem."""
    called, equals, path = text.partition("=")
    if not equals or not path:
        raise RequestError(f"expected NAME=PUB.pem, found {text[:120]!r}")
    return name(called), PublicKey.from_pem(read(Path(path), limits.KEY))


def _text(path: Path) -> str:
    try:
        return read(path, limits.NOTE).decode()
    except UnicodeDecodeError as e:
        raise RequestError(f"{path} is not in UTF-8") from e
