"""What `sealbook audit --service` reads from: a running service, over gRPC.

It proves instead of giving tiles, and says what labels and times it keeps, so
that an auditor can compare them with what the bodies give.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import grpc

from ledger import labels
from ledger.audit.source import Listed
from ledger.errors import SourceError
from ledger.tiles import WIDTH
from signer.client.bearer import metadata
from signer.client.credentials import Credentials
from signer.v1 import ledger_pb2, record_pb2
from verifier.merkle import Hash

_SERVICE = "/sealbook.v1.Ledger/"
_OPTIONS = (("grpc.max_receive_message_length", 64 << 20),)  # a body may have 32 MiB
_BUNDLES = 32  # of 256 entries, kept: what is hashed and then judged is fetched once
_TIMEOUT_S = 60.0


class _Told(NamedTuple):
    """What the service says of one entry; a body that was deleted, or is large, is empty."""

    entry: bytes
    body: bytes
    listed: Listed
    is_large: bool

    @property
    def names(self) -> str | None:
        """How the entry names its body."""
        return labels.body_name(self.entry)


class GrpcSource:
    """A `ledger.audit.proofs.ProofSource`; use as a context manager."""

    parallel = 1  # bodies come with their entries

    def __init__(self, target: str, credentials: Credentials) -> None:
        """Talk to `target`, as HOST:PORT; tokens are not exchanged here."""
        self._channel = credentials.channel(target, _OPTIONS)
        self._target = target
        self._metadata = metadata(credentials.token)
        self._bundles: OrderedDict[int, list[_Told]] = OrderedDict()
        self._bodies: dict[int, dict[tuple[str, str], bytes]] = {}

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the channel."""
        self._channel.close()

    def checkpoint(self) -> str | None:
        """Return the newest published note."""
        request = ledger_pb2.GetCheckpointRequest()
        answer = self._ask("GetCheckpoint", request, record_pb2.Checkpoint)
        return None if answer is None else str(answer.note)

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """Answer nothing: a service proves instead."""
        del level, n, width
        return None

    def entries(self, n: int, width: int) -> list[bytes] | None:
        """Return the first `width` entries of bundle `n`."""
        bundle = self._bundle(n, width)
        return None if bundle is None else [told.entry for told in bundle]

    def body(self, algorithm: str, name: str) -> bytes | None:
        """Return the body whose hash by `algorithm` is `name`, out of what was listed last."""
        for n, bundle in self._bundles.items():
            bodies = self._bodies[n]
            if (algorithm, "") not in bodies:  # that no hash is: this algorithm's are not in yet
                bodies[algorithm, ""] = b""
                for told in bundle:
                    if told.body:
                        hashed = hashlib.new(algorithm, told.body).hexdigest()
                        bodies[algorithm, hashed] = told.body
            if found := bodies.get((algorithm, name)):
                return found
            if any(told.is_large and f"{algorithm}:{name}" == told.names for told in bundle):
                return self._large(f"{algorithm}:{name}")
        return None

    def _large(self, name: str) -> bytes | None:
        """Return a body that does not stand in its record."""
        request = ledger_pb2.GetBodyRequest(name=name)
        answers = self._call("GetBody", request, ledger_pb2.GetBodyResponse)
        return None if answers is None else b"".join(answer.data for answer in answers)

    def listed(self, start: int, stop: int) -> list[Listed] | None:
        """Return the labels and times that the service keeps of these entries."""
        found: list[Listed] = []
        for n in range(start // WIDTH, -(-stop // WIDTH)):
            bundle = self._bundle(n, min(WIDTH, stop - n * WIDTH)) or []
            found += [told.listed for told in bundle[max(start - n * WIDTH, 0) :]]
        return found

    def inclusion(self, index: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the inclusion path of an entry in the tree of that size."""
        request = ledger_pb2.GetInclusionProofRequest(index=index, tree_size=tree_size)
        answer = self._ask("GetInclusionProof", request, ledger_pb2.GetInclusionProofResponse)
        return () if answer is None else tuple(Hash(h) for h in answer.proof.path)

    def consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the consistency path between two sizes."""
        request = ledger_pb2.GetConsistencyProofRequest(old_size=old_size, tree_size=tree_size)
        answer = self._ask("GetConsistencyProof", request, ledger_pb2.GetConsistencyProofResponse)
        return () if answer is None else tuple(Hash(h) for h in answer.path)

    def _bundle(self, n: int, width: int) -> list[_Told] | None:
        known = self._bundles.get(n)
        if known is None or len(known) < width:
            request = ledger_pb2.ListEntriesRequest(start=n * WIDTH, stop=n * WIDTH + width)
            answers = self._call("ListEntries", request, ledger_pb2.ListEntriesResponse)
            known = None if answers is None else [told for a in answers for told in _told(a)]
            if known is None:
                return None
            self._bundles[n], self._bodies[n] = known, {}
        self._bundles.move_to_end(n)
        if len(self._bundles) > _BUNDLES:
            del self._bodies[self._bundles.popitem(last=False)[0]]
        return known[:width]

    def _ask(self, method: str, request: Any, answer: Any) -> Any:
        answers = self._call(method, request, answer)
        if answers is not None and len(answers) != 1:
            raise SourceError(f"{method}: expected one answer, found {len(answers)}")
        return None if answers is None else answers[0]

    def _call(self, method: str, request: Any, answer: Any) -> list[Any] | None:
        """Return the answers to a call, or None when the service knows no such thing."""
        call = self._channel.unary_stream(  # one unary answer is a stream of one
            _SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return list(call(request, metadata=self._metadata, timeout=_TIMEOUT_S))
        except grpc.RpcError as e:
            told = [str(m.value) for m in e.trailing_metadata() or () if m.key == "sealbook-code"]
            if told in (["unknown-entry"], ["body-deleted"]):
                return None
            raise SourceError(f"{self._target}: {method}: {e.details()} ({e.code().name})") from e


def _told(answer: ledger_pb2.ListEntriesResponse) -> Iterator[_Told]:
    count = len(answer.records)
    if len(answer.labels) != count or len(answer.committed_at) != count:
        raise SourceError(
            f"expected labels and a time for each of {count} entries, "
            f"found {len(answer.labels)} and {len(answer.committed_at)}"
        )
    for record, row, at in zip(answer.records, answer.labels, answer.committed_at, strict=True):
        listed = Listed(row, at)
        yield _Told(record.entry, record.body, listed, is_large=bool(record.body_size))
