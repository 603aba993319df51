"""`sealbook bundles`: what was signed about an image."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ledger import labels
from signer.attest import types
from signer.cli.arguments import add_service, connect, parser, show
from signer.cli.attest import file_name
from signer.client.listing import Listed
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.statement import APPROVAL

if TYPE_CHECKING:
    from signer.client import Client

_APPROVAL = "approval"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


class _About(NamedTuple):
    """One line of the list; times are seconds."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    type: str
    predicate_type: str
    form: str
    key: str
    repositories: list[str]
    committed_at: int
    age_s: int
    file: str


def main(argv: list[str]) -> int:
    """List approvals and attestations, oldest first; exit code 1 when there are none."""
    made = parser(
        "bundles",
        "List everything that was signed about a digest, oldest first: approvals in all\n"
        "their forms, and attestations with their type. Ages are by the service's clock.\n"
        "Nothing here is verified: that is for `sealbook verify`, and the tools of others.",
        "sealbook bundles sha256:<hex> --repository registry.example/team/app --out found/",
    )
    add_service(made)
    made.add_argument("digest", metavar="DIGEST", help="sha256:<hex>")
    made.add_argument("--repository", default="", metavar="R", help="only in host[:port]/path")
    made.add_argument("--out", type=Path, metavar="DIR", help="write each one there too")
    args = made.parse_args(argv[1:])
    digest = Digest(args.digest)
    repository = Repository(args.repository) if args.repository else ""

    def where(listed: Listed) -> Path:
        return Path(args.out, _file_name(digest, listed))

    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    now = time.time()
    with connect(args) as client:
        found = client.listed(digest, repository, where=where if args.out is not None else None)
        for listed in found:
            file = "" if args.out is None else str(where(listed))
            about = _about(client, listed, int(now), file)
            show(about._asdict(), as_json=args.json, text=_text(about))
    if not args.json:
        print(f"{len(found)} signatures")
    return 0 if found else 1


def _about(client: Client, listed: Listed, now: int, file: str) -> _About:
    record = listed.record
    named = labels.decode(client.entry(record.index).labels)
    return _About(
        record.index,
        _type(listed),
        listed.predicate_type,
        record.form,
        named["key"][0],
        named.get("repository", []),
        listed.committed_at,
        max(0, now - listed.committed_at),
        file,
    )


def _text(about: _About) -> str:
    text = (
        f"{about.index:>8}  {about.type:<16} {about.form:<13} {about.key[:16]}  "
        f"{', '.join(about.repositories) or '-'}  {_age(about.age_s)}"
    )
    return f"{text}\n          {about.file}" if about.file else text


def _type(listed: Listed) -> str:
    """Return what is said: an approval, or the type of an attestation."""
    if not listed.predicate_type or listed.predicate_type == APPROVAL:
        return _APPROVAL
    return types.name_of(listed.predicate_type)


def _file_name(digest: Digest, listed: Listed) -> str:
    index = listed.record.index
    if _type(listed) == _APPROVAL:
        return f"{digest.replace(':', '-')}.{index}.{listed.record.form}.json"
    return file_name(digest, listed.predicate_type, index)


def _age(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
