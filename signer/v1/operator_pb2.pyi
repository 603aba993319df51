from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "origin", "tree_size", "published_size", "root", "checkpoint_age_s", "queue_depth", "started_at", "keys")
    class KeyStatus(_message.Message):
        __slots__ = ("name", "algorithm", "fingerprint", "healthy")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ALGORITHM_FIELD_NUMBER: _ClassVar[int]
        FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
        HEALTHY_FIELD_NUMBER: _ClassVar[int]
        name: str
        algorithm: str
        fingerprint: str
        healthy: bool
        def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[str] = ..., fingerprint: _Optional[str] = ..., healthy: _Optional[bool] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_AGE_S_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    version: str
    origin: str
    tree_size: int
    published_size: int
    root: bytes
    checkpoint_age_s: float
    queue_depth: int
    started_at: int
    keys: _containers.RepeatedCompositeFieldContainer[GetStatusResponse.KeyStatus]
    def __init__(self, version: _Optional[str] = ..., origin: _Optional[str] = ..., tree_size: _Optional[int] = ..., published_size: _Optional[int] = ..., root: _Optional[bytes] = ..., checkpoint_age_s: _Optional[float] = ..., queue_depth: _Optional[int] = ..., started_at: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[GetStatusResponse.KeyStatus, _Mapping]]] = ...) -> None: ...
