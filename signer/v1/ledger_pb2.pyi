from signer.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCheckpointRequest(_message.Message):
    __slots__ = ("tree_size",)
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    tree_size: int
    def __init__(self, tree_size: _Optional[int] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class GetEntryResponse(_message.Message):
    __slots__ = ("record", "labels", "committed_at")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    labels: bytes
    committed_at: int
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., labels: _Optional[bytes] = ..., committed_at: _Optional[int] = ...) -> None: ...

class GetInclusionProofRequest(_message.Message):
    __slots__ = ("index", "tree_size")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    index: int
    tree_size: int
    def __init__(self, index: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class GetInclusionProofResponse(_message.Message):
    __slots__ = ("proof", "checkpoint")
    PROOF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    proof: _record_pb2.InclusionProof
    checkpoint: _record_pb2.Checkpoint
    def __init__(self, proof: _Optional[_Union[_record_pb2.InclusionProof, _Mapping]] = ..., checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ...) -> None: ...

class GetConsistencyProofRequest(_message.Message):
    __slots__ = ("old_size", "tree_size")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    tree_size: int
    def __init__(self, old_size: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class GetConsistencyProofResponse(_message.Message):
    __slots__ = ("old_size", "tree_size", "path", "checkpoint")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    tree_size: int
    path: _containers.RepeatedScalarFieldContainer[bytes]
    checkpoint: _record_pb2.Checkpoint
    def __init__(self, old_size: _Optional[int] = ..., tree_size: _Optional[int] = ..., path: _Optional[_Iterable[bytes]] = ..., checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("start", "stop")
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    start: int
    stop: int
    def __init__(self, start: _Optional[int] = ..., stop: _Optional[int] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("records", "labels", "committed_at")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    labels: _containers.RepeatedScalarFieldContainer[bytes]
    committed_at: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ..., labels: _Optional[_Iterable[bytes]] = ..., committed_at: _Optional[_Iterable[int]] = ...) -> None: ...

class GetBodyRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetBodyResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("name", "value", "start", "page_size", "also", "stop", "since", "until")
    class Label(_message.Message):
        __slots__ = ("name", "value")
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        name: str
        value: str
        def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ALSO_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    start: int
    page_size: int
    also: _containers.RepeatedCompositeFieldContainer[SearchRequest.Label]
    stop: int
    since: int
    until: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., start: _Optional[int] = ..., page_size: _Optional[int] = ..., also: _Optional[_Iterable[_Union[SearchRequest.Label, _Mapping]]] = ..., stop: _Optional[int] = ..., since: _Optional[int] = ..., until: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("records", "next", "tree_size")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    next: int
    tree_size: int
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ..., next: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("tree_size", "wait_ms")
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    tree_size: int
    wait_ms: int
    def __init__(self, tree_size: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class PullResponse(_message.Message):
    __slots__ = ("rows", "head", "notes", "claims", "bodies")
    class Row(_message.Message):
        __slots__ = ("entry", "body", "labels", "committed_at", "promise", "timestamp", "dedup", "chain", "body_size")
        ENTRY_FIELD_NUMBER: _ClassVar[int]
        BODY_FIELD_NUMBER: _ClassVar[int]
        LABELS_FIELD_NUMBER: _ClassVar[int]
        COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
        PROMISE_FIELD_NUMBER: _ClassVar[int]
        TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
        DEDUP_FIELD_NUMBER: _ClassVar[int]
        CHAIN_FIELD_NUMBER: _ClassVar[int]
        BODY_SIZE_FIELD_NUMBER: _ClassVar[int]
        entry: bytes
        body: bytes
        labels: bytes
        committed_at: int
        promise: bytes
        timestamp: bytes
        dedup: bytes
        chain: bytes
        body_size: int
        def __init__(self, entry: _Optional[bytes] = ..., body: _Optional[bytes] = ..., labels: _Optional[bytes] = ..., committed_at: _Optional[int] = ..., promise: _Optional[bytes] = ..., timestamp: _Optional[bytes] = ..., dedup: _Optional[bytes] = ..., chain: _Optional[bytes] = ..., body_size: _Optional[int] = ...) -> None: ...
    class BodyPiece(_message.Message):
        __slots__ = ("name", "offset", "data")
        NAME_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        DATA_FIELD_NUMBER: _ClassVar[int]
        name: str
        offset: int
        data: bytes
        def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...
    class Head(_message.Message):
        __slots__ = ("tree_size", "root", "compact", "committed_at", "frozen", "seal")
        TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
        ROOT_FIELD_NUMBER: _ClassVar[int]
        COMPACT_FIELD_NUMBER: _ClassVar[int]
        COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
        FROZEN_FIELD_NUMBER: _ClassVar[int]
        SEAL_FIELD_NUMBER: _ClassVar[int]
        tree_size: int
        root: bytes
        compact: _containers.RepeatedScalarFieldContainer[bytes]
        committed_at: int
        frozen: bool
        seal: bytes
        def __init__(self, tree_size: _Optional[int] = ..., root: _Optional[bytes] = ..., compact: _Optional[_Iterable[bytes]] = ..., committed_at: _Optional[int] = ..., frozen: _Optional[bool] = ..., seal: _Optional[bytes] = ...) -> None: ...
    class Claim(_message.Message):
        __slots__ = ("key", "request", "index")
        KEY_FIELD_NUMBER: _ClassVar[int]
        REQUEST_FIELD_NUMBER: _ClassVar[int]
        INDEX_FIELD_NUMBER: _ClassVar[int]
        key: bytes
        request: bytes
        index: int
        def __init__(self, key: _Optional[bytes] = ..., request: _Optional[bytes] = ..., index: _Optional[int] = ...) -> None: ...
    ROWS_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    BODIES_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[PullResponse.Row]
    head: PullResponse.Head
    notes: _containers.RepeatedScalarFieldContainer[str]
    claims: _containers.RepeatedCompositeFieldContainer[PullResponse.Claim]
    bodies: _containers.RepeatedCompositeFieldContainer[PullResponse.BodyPiece]
    def __init__(self, rows: _Optional[_Iterable[_Union[PullResponse.Row, _Mapping]]] = ..., head: _Optional[_Union[PullResponse.Head, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ..., claims: _Optional[_Iterable[_Union[PullResponse.Claim, _Mapping]]] = ..., bodies: _Optional[_Iterable[_Union[PullResponse.BodyPiece, _Mapping]]] = ...) -> None: ...
