from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRequestsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRequestsResponse(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[OpenRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[OpenRequest, _Mapping]]] = ...) -> None: ...

class GetRequestRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("id", "canonical", "action", "requester", "repositories", "keys", "expires", "needed", "approved_by", "unsigned_by", "granted")
    ID_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    REPOSITORIES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    UNSIGNED_BY_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    id: str
    canonical: bytes
    action: str
    requester: str
    repositories: _containers.RepeatedScalarFieldContainer[str]
    keys: _containers.RepeatedScalarFieldContainer[str]
    expires: int
    needed: int
    approved_by: _containers.RepeatedScalarFieldContainer[str]
    unsigned_by: str
    granted: bool
    def __init__(self, id: _Optional[str] = ..., canonical: _Optional[bytes] = ..., action: _Optional[str] = ..., requester: _Optional[str] = ..., repositories: _Optional[_Iterable[str]] = ..., keys: _Optional[_Iterable[str]] = ..., expires: _Optional[int] = ..., needed: _Optional[int] = ..., approved_by: _Optional[_Iterable[str]] = ..., unsigned_by: _Optional[str] = ..., granted: _Optional[bool] = ...) -> None: ...

class ApproveRequest(_message.Message):
    __slots__ = ("id", "person", "signature")
    ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    person: str
    signature: bytes
    def __init__(self, id: _Optional[str] = ..., person: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ApproveResponse(_message.Message):
    __slots__ = ("request", "index", "note", "known")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    request: OpenRequest
    index: int
    note: str
    known: bool
    def __init__(self, request: _Optional[_Union[OpenRequest, _Mapping]] = ..., index: _Optional[int] = ..., note: _Optional[str] = ..., known: _Optional[bool] = ...) -> None: ...
