from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FreezeRequest(_message.Message):
    __slots__ = ("reason", "origin")
    REASON_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    reason: str
    origin: str
    def __init__(self, reason: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class AcceptClockRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("reason", "entry", "key", "image", "authority")
    class Key(_message.Message):
        __slots__ = ("name", "valid_through_tree_size")
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALID_THROUGH_TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
        name: str
        valid_through_tree_size: int
        def __init__(self, name: _Optional[str] = ..., valid_through_tree_size: _Optional[int] = ...) -> None: ...
    class Image(_message.Message):
        __slots__ = ("digest", "repository")
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        REPOSITORY_FIELD_NUMBER: _ClassVar[int]
        digest: str
        repository: str
        def __init__(self, digest: _Optional[str] = ..., repository: _Optional[str] = ...) -> None: ...
    class Authority(_message.Message):
        __slots__ = ("name", "until")
        NAME_FIELD_NUMBER: _ClassVar[int]
        UNTIL_FIELD_NUMBER: _ClassVar[int]
        name: str
        until: int
        def __init__(self, name: _Optional[str] = ..., until: _Optional[int] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    entry: int
    key: RevokeRequest.Key
    image: RevokeRequest.Image
    authority: RevokeRequest.Authority
    def __init__(self, reason: _Optional[str] = ..., entry: _Optional[int] = ..., key: _Optional[_Union[RevokeRequest.Key, _Mapping]] = ..., image: _Optional[_Union[RevokeRequest.Image, _Mapping]] = ..., authority: _Optional[_Union[RevokeRequest.Authority, _Mapping]] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("index", "note", "claim", "known", "status_version")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    STATUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    index: int
    note: str
    claim: str
    known: bool
    status_version: int
    def __init__(self, index: _Optional[int] = ..., note: _Optional[str] = ..., claim: _Optional[str] = ..., known: _Optional[bool] = ..., status_version: _Optional[int] = ...) -> None: ...

class EventResponse(_message.Message):
    __slots__ = ("index", "note")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    index: int
    note: str
    def __init__(self, index: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "origin", "tree_size", "published_size", "root", "checkpoint_age_s", "queue_depth", "started_at", "keys", "frozen", "alarm", "witnesses", "mirror_size", "mirrored_at", "database_bytes", "receipt_day")
    class WitnessStatus(_message.Message):
        __slots__ = ("name", "tree_size", "cosigned_at", "error")
        NAME_FIELD_NUMBER: _ClassVar[int]
        TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
        COSIGNED_AT_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        name: str
        tree_size: int
        cosigned_at: int
        error: str
        def __init__(self, name: _Optional[str] = ..., tree_size: _Optional[int] = ..., cosigned_at: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...
    class KeyStatus(_message.Message):
        __slots__ = ("name", "algorithm", "fingerprint", "healthy", "revoked")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ALGORITHM_FIELD_NUMBER: _ClassVar[int]
        FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
        HEALTHY_FIELD_NUMBER: _ClassVar[int]
        REVOKED_FIELD_NUMBER: _ClassVar[int]
        name: str
        algorithm: str
        fingerprint: str
        healthy: bool
        revoked: bool
        def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[str] = ..., fingerprint: _Optional[str] = ..., healthy: _Optional[bool] = ..., revoked: _Optional[bool] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_AGE_S_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    MIRROR_SIZE_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_AT_FIELD_NUMBER: _ClassVar[int]
    DATABASE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_DAY_FIELD_NUMBER: _ClassVar[int]
    version: str
    origin: str
    tree_size: int
    published_size: int
    root: bytes
    checkpoint_age_s: float
    queue_depth: int
    started_at: int
    keys: _containers.RepeatedCompositeFieldContainer[GetStatusResponse.KeyStatus]
    frozen: bool
    alarm: str
    witnesses: _containers.RepeatedCompositeFieldContainer[GetStatusResponse.WitnessStatus]
    mirror_size: int
    mirrored_at: int
    database_bytes: int
    receipt_day: str
    def __init__(self, version: _Optional[str] = ..., origin: _Optional[str] = ..., tree_size: _Optional[int] = ..., published_size: _Optional[int] = ..., root: _Optional[bytes] = ..., checkpoint_age_s: _Optional[float] = ..., queue_depth: _Optional[int] = ..., started_at: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[GetStatusResponse.KeyStatus, _Mapping]]] = ..., frozen: _Optional[bool] = ..., alarm: _Optional[str] = ..., witnesses: _Optional[_Iterable[_Union[GetStatusResponse.WitnessStatus, _Mapping]]] = ..., mirror_size: _Optional[int] = ..., mirrored_at: _Optional[int] = ..., database_bytes: _Optional[int] = ..., receipt_day: _Optional[str] = ...) -> None: ...
