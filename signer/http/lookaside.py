r"""Lookaside: signatures for Podman, CRI-O and skopeo, with nothing in the registry.

    GET /lookaside/registry.example:5000/team/app@sha256=<hex>/signature-1

answers with the line NUL "sigstore-json", then the signature as containers/image keeps it. They
ask for 1, 2, 3… until there is none; the newest comes first, so that one more that comes
meanwhile hides none. What was revoked is not there: these clients would not know.

They send the path of a repository and not its registry, so that is in the URL which they are
given. Where a mirror's repositories have other names, the URL says how many names of theirs to
leave out before it: a pull of mirror.example/proxy/app below

    /lookaside/registry.example/team/-1

asks for registry.example/team/-1/proxy/app, which is registry.example/team/app.

Spec: containers-registries.d(5); the format of the files is containers/image's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ledger import labels
from ledger.answer import make_record
from ledger.ledger import Ledger
from ledger.store import Row
from signer.errors import NotFoundError
from signer.http.guard import principal_of
from signer.seeing import FETCH, Sight
from signer.status.in_force import InForce
from verifier import simplesigning
from verifier.digest import Digest
from verifier.errors import MalformedError, RevokedError
from verifier.record import Record
from verifier.rekor_v1 import LegacyEntry
from verifier.repository import Repository

Handler = Callable[[Request], Awaitable[Response]]

# One less than what they take for a server gone mad.
MOST = 127
_PREFIX = "/lookaside/"
_PAGE = 64
_MOST_LOOKED_AT = 1024  # entries about one digest, in all forms and repositories
_ASKED = re.compile(r"([^@]{1,512})@sha256=([0-9a-f]{64})/signature-([1-9][0-9]{0,5})", re.ASCII)
_LEAVE_OUT = re.compile(r"-([1-9][0-9]?)", re.ASCII)


class Asked(NamedTuple):
    """Which signature is asked for; `number` counts from 1."""

    repository: Repository
    digest: Digest
    number: int

    @classmethod
    def parse(cls, path: str) -> Asked:
        """Take what comes behind /lookaside/.

        Raises:
            MalformedError, RepositoryError: it is of another form.
        """
        found = _ASKED.fullmatch(path)
        if found is None:
            raise MalformedError(
                "expected /lookaside/HOST/REPOSITORY@sha256=HEX/signature-N, "
                f"found {_PREFIX}{path[:120]}"
            )
        named, hexadecimal, number = found.groups()
        return cls(Repository(_named(named)), Digest(f"sha256:{hexadecimal}"), int(number))


def _named(path: str) -> str:
    """Return the repository that is meant: without the names that are to be left out."""
    parts = path.split("/")
    for at, part in enumerate(parts):
        if found := _LEAVE_OUT.fullmatch(part):
            count = int(found[1])
            if len(parts) - at - 1 < count:
                raise MalformedError(f"expected {count} names behind {part!r} to leave out")
            del parts[at : at + 1 + count]
            return "/".join(parts)
    return path


def routes(ledger: Ledger, in_force: InForce) -> dict[str, Handler]:
    """Return the handler by its path, for Starlette."""

    async def signature(request: Request) -> Response:
        path: str = request.scope["path"]
        raw: bytes = request.scope["raw_path"]
        if raw != path.encode():  # what needed decoding is a second spelling
            raise MalformedError(f"expected no percent-encoding, found {raw[:120]!r}")
        asked = Asked.parse(path.removeprefix(_PREFIX))
        sight = Sight(principal_of(request), FETCH)
        found = await asyncio.to_thread(_find, ledger, in_force, asked, sight)
        if found is None:
            raise NotFoundError(
                f"no signature {asked.number} of {asked.digest} in {asked.repository}"
            )
        body = simplesigning.LOOKASIDE + found.sigstore_json()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        # What is revoked must not live on in a cache: it may be kept, and is asked about.
        headers = {"cache-control": "no-cache", "etag": tag, "x-content-type-options": "nosniff"}
        known = request.headers.get("if-none-match", "").split(",")
        if tag in (one.strip().removeprefix("W/") for one in known):
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, "application/octet-stream")

    return {_PREFIX + "{path:path}": signature}


def _find(ledger: Ledger, in_force: InForce, asked: Asked, sight: Sight) -> Record | None:
    """Return the newest signature but `number` - 1 that counts and is shown, if there is one."""
    if asked.number > MOST or not sight.covers(asked.repository):
        return None
    try:
        in_force.check_digest(asked.digest, asked.repository)
    except RevokedError:
        return None
    number, stop = 0, ledger.published.checkpoint.tree_size
    for _ in range(_MOST_LOOKED_AT // _PAGE):
        page = ledger.store.newest("digest", asked.digest, stop, _PAGE)
        for index in page:
            row = ledger.row(index)
            if _is_of(row, asked.repository) and _counts(in_force, index, row):
                number += 1
                if number == asked.number:
                    return make_record(index, row)
        if len(page) < _PAGE:
            break
        stop = page[-1]
    return None


def _is_of(row: Row, repository: Repository) -> bool:
    """Whether an entry is one that these clients read, about this repository."""
    if labels.decode_form(row.labels) != labels.SIMPLESIGNING or not (row.body and row.promise):
        return False
    return labels.decode(row.labels).get("repository") == [repository]


def _counts(in_force: InForce, index: int, row: Row) -> bool:
    try:
        in_force.check_entry(index, LegacyEntry.parse(row.entry).key)
    except RevokedError:
        return False
    return True
