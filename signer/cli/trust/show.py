"""`sealbook trust show`: whom a trust file believes, and what was revoked since."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from signer.cli.arguments import parser, show
from signer.cli.trust.changes import key_told, log_told
from signer.cli.trust.draft import Draft, read
from signer.cli.trust.proofs import proof_of, revoked_told
from verifier import limits
from verifier._strict import utc
from verifier.errors import printable
from verifier.pull.trust_directory import STATUS, TRUST, TrustDirectory
from verifier.spans import span
from verifier.trust import TrustRoot
from verifier.trust.status import Status


def main(argv: list[str]) -> int:
    """Print what is believed; of a directory only once it is seen not to have gone back."""
    made = parser(
        "trust show",
        "Say whom a trust file believes, for what, where and until when; who signed it; and, of\n"
        "a directory or with --status, what was revoked and whether the ledger has that.",
        "sealbook trust show /etc/sealbook/trust",
        config=False,
    )
    made.add_argument("path", type=Path, metavar="PATH", help="a trust file, or a directory")
    made.add_argument("--status", type=Path, metavar="FILE", help="the status file")
    args = made.parse_args(argv)
    path, status_path = args.path, args.status
    if path.is_dir():
        TrustDirectory(str(path)).load()
        if status_path is None and (path / STATUS).exists():
            status_path = path / STATUS
        path /= TRUST
    draft = Draft.parse(read(path))
    status = None
    if status_path is not None:
        status = Status.parse(read(status_path, limits.STATUS_FILE), draft.trust)
    now = int(time.time())
    value = _trust_json(draft) | ({"status": _status_json(status, draft.trust)} if status else {})
    text = "\n".join([*_trust_told(draft, now), *_status_told(status, draft.trust, now)])
    show(value, as_json=args.json, text=text)
    return 0


def _trust_json(draft: Draft) -> dict[str, Any]:
    trust = draft.trust
    roots = trust.roots
    return {
        "version": trust.version,
        "issued": utc(trust.issued),
        "expires": utc(trust.expires),
        "counts": draft.counts,
        "signed": list(draft.signed),
        "roots": list(roots.keys) if roots else [],
        "threshold": roots.threshold if roots else 0,
        "keys": [
            {
                "name": key.name,
                "version": key.version,
                "purpose": key.purpose,
                "scope": list(key.scope),
                "valid_from_tree_size": key.valid_from_tree_size,
                "valid_through_tree_size": key.valid_through_tree_size,
                "fingerprint": key.public.fingerprint,
            }
            for key in trust.keys.values()
        ],
        "logs": [str(log.checkpoint_key) for log in trust.logs],
        "witnesses": list(trust.quorum.witnesses),
        "quorum": trust.quorum.name,
        "policy": trust.policy_sha256.hex(),
    }


def _status_json(status: Status, trust: TrustRoot) -> dict[str, Any]:
    payload, tree = status.payload, status.endorsed.checkpoint
    return {
        "version": payload.version,
        "issued": utc(payload.issued),
        "next_update": utc(payload.next_update),
        "origin": tree.origin,
        "tree_size": tree.tree_size,
        "root": tree.root.hex(),
        "witnesses": list(status.endorsed.witnesses),
        "revocations": [
            {**one.claim(), "index": one.index, "proof": proof_of(one, trust)}
            for one in payload.revocations
        ],
    }


def _trust_told(draft: Draft, now: int) -> Iterator[str]:
    trust = draft.trust
    yield f"trust file version {trust.version}, of {utc(trust.issued)}"
    yield f"  expires     {utc(trust.expires)}, {_until(trust.expires - now)}"
    yield f"  signatures  {draft.told()}"
    for name, public in (trust.roots.keys if trust.roots else {}).items():
        signed = "signed" if name in draft.signed else "not signed"
        yield f"  root        {name}, {signed}, {public.fingerprint[:16]}"
    for key in trust.keys.values():
        yield f"  key         {key.label}: {key_told(key)}, {key.public.fingerprint[:16]}"
    for log in trust.logs:
        yield f"  log         {printable(log_told(log.checkpoint_key))}"
    for name in trust.quorum.witnesses:
        yield f"  witness     {printable(name)}"
    yield f"  quorum      {printable(trust.quorum.name)}"
    yield f"  policy      {trust.policy_sha256.hex() or 'none pinned'}"


def _status_told(status: Status | None, trust: TrustRoot, now: int) -> Iterator[str]:
    if status is None:
        yield "no status file: nothing says what was revoked"
        return
    payload, tree = status.payload, status.endorsed.checkpoint
    yield f"status file version {payload.version}, {span(now - payload.issued)} old"
    yield (
        f"  checkpoint  {printable(tree.origin)}, {tree.tree_size} entries, "
        f"witnesses {len(status.endorsed.witnesses)} of {len(trust.quorum.witnesses)}"
    )
    yield f"  revoked     {len(payload.revocations)}"
    for one in payload.revocations:
        yield printable(f"    {revoked_told(one)} [{proof_of(one, trust)}]")


def _until(seconds: int) -> str:
    return f"in {span(seconds)}" if seconds > 0 else "EXPIRED: everything is refused"
