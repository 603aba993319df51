"""The read side of Rekor v1, as far as cosign 2 and rekor-cli ask.

    GET  /api/v1/log                              size, root and checkpoint
    GET  /api/v1/log/publicKey                    the promise key
    GET  /api/v1/log/proof?firstSize=&lastSize=   how the tree grew
    GET  /api/v1/log/entries?logIndex=            one entry
    GET  /api/v1/log/entries/<name>               the same
    POST /api/v1/log/entries/retrieve             {"logIndexes":[…],"entryUUIDs":[…],"entries":[…]}

All of it is for everybody: hashes and signatures. An entry is looked for by what it
proposes, as it would be uploaded; what is not there is left out of the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import parse_qsl

from ledger.errors import UnknownEntryError
from signer.rekor import v1, v1_answers
from signer.rekor.messages import JSON, MOST, Receive, Reply, Scope, read
from signer.rekor.uploads import Logged, Uploads
from verifier._strict import Fields, decimal, json_object
from verifier.errors import LimitError, MalformedError
from verifier.publickey import Key

ENTRIES = "/api/v1/log/entries"
_LOG = "/api/v1/log"
_NAMED = ENTRIES + "/"
_MOST_LOOKED_FOR = 10  # as in the original's openapi.yaml

_Handler = Callable[[Scope, Receive], Awaitable[Reply]]


class Reading:
    """Answers whoever reads entries by version 1."""

    def __init__(self, uploads: Uploads, promise_key: Key) -> None:
        """Read what `uploads` finds, under checkpoints by `promise_key`."""
        self._uploads = uploads
        self._ledger = uploads.ledger
        self._promise_key = promise_key
        self._heads = v1_answers.TreeHeads(self._ledger.store.origin, promise_key)
        self._handlers = {
            ("GET", ENTRIES): self._entry,
            ("GET", _LOG): self._info,
            ("GET", _LOG + "/publicKey"): self._key,
            ("GET", _LOG + "/proof"): self._proof,
            ("POST", _NAMED + "retrieve"): self._retrieve,
        }

    def handler(self, method: str, path: str) -> _Handler | None:
        """Return what answers a request, if this side does."""
        found = self._handlers.get((method, path))
        if found is None and method == "GET" and path.startswith(_NAMED):
            name = path.removeprefix(_NAMED)

            async def named(_: Scope, __: Receive) -> Reply:
                return 200, await self.answer(self._named(name)), JSON

            return named
        return found

    async def answer(self, logged: Logged) -> bytes:
        """Return the answer about one entry; raises like `TreeHeads.note`."""
        return v1_answers.answer(logged, await self._heads.note(logged.published))

    async def _entry(self, scope: Scope, _: Receive) -> Reply:
        index = decimal(_query(scope).get("logIndex", ""))
        return 200, await self.answer(self._uploads.logged(index)), JSON

    async def _info(self, _: Scope, __: Receive) -> Reply:
        published = self._ledger.published
        told = v1_answers.log_info(published.checkpoint, await self._heads.note(published))
        return 200, told, JSON

    async def _key(self, _: Scope, __: Receive) -> Reply:
        return 200, self._promise_key.public.pem(), ((b"content-type", b"application/x-pem-file"),)

    async def _proof(self, scope: Scope, _: Receive) -> Reply:
        query = _query(scope)
        first, last = decimal(query.get("firstSize", "1")), decimal(query.get("lastSize", ""))
        path = self._ledger.prove_consistency(first, last)
        return 200, v1_answers.consistency(path, self._ledger.root_at(last)), JSON

    async def _retrieve(self, _: Scope, receive: Receive) -> Reply:
        published = self._ledger.published
        size = published.checkpoint.tree_size
        indices = dict.fromkeys(self._looked_for(await read(receive)))
        found = [self._uploads.logged(index, published) for index in indices if index < size]
        return 200, v1_answers.answers(found, await self._heads.note(published)), JSON

    def _looked_for(self, body: bytes) -> Iterator[int]:
        """Yield where the entries are that a query asks for."""
        query = Fields(json_object(body, limit=MOST), "query")
        lists = {
            name: query.nullable(name, list) or ()  # Go prints an empty list as null
            for name in ("logIndexes", "entryUUIDs", "entries")
            if query.has(name)
        }
        query.done()
        if any(len(one) > _MOST_LOOKED_FOR for one in lists.values()):
            raise LimitError(f"expected lists of at most {_MOST_LOOKED_FOR}")
        for index in lists.get("logIndexes", ()):
            yield Fields({"index": index}, "logIndexes").number("index")
        for name in lists.get("entryUUIDs", ()):
            try:
                yield self._named(Fields({"name": name}, "entryUUIDs").text("name")).record.index
            except UnknownEntryError:
                continue
        for proposal in lists.get("entries", ()):
            index = self._uploads.find(v1.proposed(proposal, MOST))
            if index is not None:
                yield index

    def _named(self, name: str) -> Logged:
        logged = self._uploads.logged(v1_answers.index_in(name))
        if name != v1_answers.uuid(logged.record.index, logged.record.entry):
            raise UnknownEntryError("another entry is at that index")
        return logged


def _query(scope: Scope) -> dict[str, str]:
    text = scope["query_string"].decode("ascii", "replace")
    try:
        pairs = parse_qsl(text, max_num_fields=_MOST_LOOKED_FOR)
    except ValueError as e:
        raise LimitError(f"expected at most {_MOST_LOOKED_FOR} parameters") from e
    query = dict(pairs)
    if len(query) != len(pairs):
        raise MalformedError("expected each parameter once")
    return query
