"""Domain values as messages of the contract."""

from __future__ import annotations

from signer.signing import Proven
from signer.v1 import record_pb2
from verifier import limits
from verifier.merkle import InclusionProof
from verifier.record import Record

STREAMED = 256 << 10  # bytes of a streamed message, about


def signature(proven: Proven, bundle: bytes = b"") -> record_pb2.Signature:
    """Print a proven record, with its bundle unless the client renders that."""
    return record_pb2.Signature(
        record=record(proven.record), proof=proof(proven.proof), bundle=bundle
    )


def record(value: Record) -> record_pb2.Record:
    """Print a record."""
    return record_pb2.Record(
        index=value.index,
        form=value.form,
        entry=value.entry,
        body=value.body,
        promise=value.promise,
        timestamp=value.timestamp,
        chain=value.chain,
        integrated_at=value.integrated_at,
        body_size=value.body_size,
    )


def proof(value: InclusionProof) -> record_pb2.InclusionProof:
    """Print a proof."""
    assert len(value.path) <= limits.PATH
    return record_pb2.InclusionProof(index=value.index, tree_size=value.tree_size, path=value.path)
