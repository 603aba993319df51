from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Record(_message.Message):
    __slots__ = ("index", "form", "entry", "body", "promise", "timestamp", "chain", "integrated_at", "body_size")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    INTEGRATED_AT_FIELD_NUMBER: _ClassVar[int]
    BODY_SIZE_FIELD_NUMBER: _ClassVar[int]
    index: int
    form: str
    entry: bytes
    body: bytes
    promise: bytes
    timestamp: bytes
    chain: bytes
    integrated_at: int
    body_size: int
    def __init__(self, index: _Optional[int] = ..., form: _Optional[str] = ..., entry: _Optional[bytes] = ..., body: _Optional[bytes] = ..., promise: _Optional[bytes] = ..., timestamp: _Optional[bytes] = ..., chain: _Optional[bytes] = ..., integrated_at: _Optional[int] = ..., body_size: _Optional[int] = ...) -> None: ...

class InclusionProof(_message.Message):
    __slots__ = ("index", "tree_size", "path")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    index: int
    tree_size: int
    path: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, index: _Optional[int] = ..., tree_size: _Optional[int] = ..., path: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("note", "log_id")
    NOTE_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    note: str
    log_id: bytes
    def __init__(self, note: _Optional[str] = ..., log_id: _Optional[bytes] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("record", "proof", "bundle")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    record: Record
    proof: InclusionProof
    bundle: bytes
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ..., proof: _Optional[_Union[InclusionProof, _Mapping]] = ..., bundle: _Optional[bytes] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "message", "hint")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    hint: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ...) -> None: ...
