from signer.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignRequest(_message.Message):
    __slots__ = ("digest", "size", "media_type", "repository", "tag", "annotations", "key", "forms", "renew", "idempotency_key", "reason")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    RENEW_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    media_type: str
    repository: str
    tag: str
    annotations: _containers.ScalarMap[str, str]
    key: str
    forms: _containers.RepeatedScalarFieldContainer[str]
    renew: bool
    idempotency_key: str
    reason: str
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., repository: _Optional[str] = ..., tag: _Optional[str] = ..., annotations: _Optional[_Mapping[str, str]] = ..., key: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., renew: _Optional[bool] = ..., idempotency_key: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SignResponse(_message.Message):
    __slots__ = ("checkpoint", "signatures")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _record_pb2.Checkpoint
    signatures: _containers.RepeatedCompositeFieldContainer[_record_pb2.Signature]
    def __init__(self, checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., signatures: _Optional[_Iterable[_Union[_record_pb2.Signature, _Mapping]]] = ...) -> None: ...

class SignBatchRequest(_message.Message):
    __slots__ = ("repository", "key", "forms", "reason", "items")
    class Item(_message.Message):
        __slots__ = ("digest", "size", "media_type", "tag", "annotations", "renew", "idempotency_key")
        class AnnotationsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        SIZE_FIELD_NUMBER: _ClassVar[int]
        MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
        TAG_FIELD_NUMBER: _ClassVar[int]
        ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
        RENEW_FIELD_NUMBER: _ClassVar[int]
        IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
        digest: str
        size: int
        media_type: str
        tag: str
        annotations: _containers.ScalarMap[str, str]
        renew: bool
        idempotency_key: str
        def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., tag: _Optional[str] = ..., annotations: _Optional[_Mapping[str, str]] = ..., renew: _Optional[bool] = ..., idempotency_key: _Optional[str] = ...) -> None: ...
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    repository: str
    key: str
    forms: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    items: _containers.RepeatedCompositeFieldContainer[SignBatchRequest.Item]
    def __init__(self, repository: _Optional[str] = ..., key: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., items: _Optional[_Iterable[_Union[SignBatchRequest.Item, _Mapping]]] = ...) -> None: ...

class SignBatchResponse(_message.Message):
    __slots__ = ("checkpoint", "answers")
    class Answer(_message.Message):
        __slots__ = ("item", "signatures", "refusal")
        ITEM_FIELD_NUMBER: _ClassVar[int]
        SIGNATURES_FIELD_NUMBER: _ClassVar[int]
        REFUSAL_FIELD_NUMBER: _ClassVar[int]
        item: int
        signatures: _containers.RepeatedCompositeFieldContainer[_record_pb2.Signature]
        refusal: _record_pb2.Refusal
        def __init__(self, item: _Optional[int] = ..., signatures: _Optional[_Iterable[_Union[_record_pb2.Signature, _Mapping]]] = ..., refusal: _Optional[_Union[_record_pb2.Refusal, _Mapping]] = ...) -> None: ...
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _record_pb2.Checkpoint
    answers: _containers.RepeatedCompositeFieldContainer[SignBatchResponse.Answer]
    def __init__(self, checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[SignBatchResponse.Answer, _Mapping]]] = ...) -> None: ...

class GetBundlesRequest(_message.Message):
    __slots__ = ("digest", "repository")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    digest: str
    repository: str
    def __init__(self, digest: _Optional[str] = ..., repository: _Optional[str] = ...) -> None: ...

class GetBundlesResponse(_message.Message):
    __slots__ = ("checkpoint", "signature")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _record_pb2.Checkpoint
    signature: _record_pb2.Signature
    def __init__(self, checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., signature: _Optional[_Union[_record_pb2.Signature, _Mapping]] = ...) -> None: ...
