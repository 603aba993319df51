from signer.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignRequest(_message.Message):
    __slots__ = ("digest", "size", "media_type", "repository", "tag", "annotations", "key", "forms", "renew", "idempotency_key", "reason", "promotes")
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
    PROMOTES_FIELD_NUMBER: _ClassVar[int]
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
    promotes: int
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., repository: _Optional[str] = ..., tag: _Optional[str] = ..., annotations: _Optional[_Mapping[str, str]] = ..., key: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., renew: _Optional[bool] = ..., idempotency_key: _Optional[str] = ..., reason: _Optional[str] = ..., promotes: _Optional[int] = ...) -> None: ...

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
        __slots__ = ("digest", "size", "media_type", "tag", "annotations", "renew", "idempotency_key", "promotes")
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
        PROMOTES_FIELD_NUMBER: _ClassVar[int]
        digest: str
        size: int
        media_type: str
        tag: str
        annotations: _containers.ScalarMap[str, str]
        renew: bool
        idempotency_key: str
        promotes: int
        def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., tag: _Optional[str] = ..., annotations: _Optional[_Mapping[str, str]] = ..., renew: _Optional[bool] = ..., idempotency_key: _Optional[str] = ..., promotes: _Optional[int] = ...) -> None: ...
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

class AttestRequest(_message.Message):
    __slots__ = ("start", "predicate")
    class Start(_message.Message):
        __slots__ = ("digests", "repository", "predicate_type", "key", "renew", "idempotency_key", "reason")
        DIGESTS_FIELD_NUMBER: _ClassVar[int]
        REPOSITORY_FIELD_NUMBER: _ClassVar[int]
        PREDICATE_TYPE_FIELD_NUMBER: _ClassVar[int]
        KEY_FIELD_NUMBER: _ClassVar[int]
        RENEW_FIELD_NUMBER: _ClassVar[int]
        IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        digests: _containers.RepeatedScalarFieldContainer[str]
        repository: str
        predicate_type: str
        key: str
        renew: bool
        idempotency_key: str
        reason: str
        def __init__(self, digests: _Optional[_Iterable[str]] = ..., repository: _Optional[str] = ..., predicate_type: _Optional[str] = ..., key: _Optional[str] = ..., renew: _Optional[bool] = ..., idempotency_key: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    start: AttestRequest.Start
    predicate: bytes
    def __init__(self, start: _Optional[_Union[AttestRequest.Start, _Mapping]] = ..., predicate: _Optional[bytes] = ...) -> None: ...

class AttestResponse(_message.Message):
    __slots__ = ("checkpoint", "signature", "after", "also")
    class Also(_message.Message):
        __slots__ = ("signature", "after")
        SIGNATURE_FIELD_NUMBER: _ClassVar[int]
        AFTER_FIELD_NUMBER: _ClassVar[int]
        signature: _record_pb2.Signature
        after: bytes
        def __init__(self, signature: _Optional[_Union[_record_pb2.Signature, _Mapping]] = ..., after: _Optional[bytes] = ...) -> None: ...
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ALSO_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _record_pb2.Checkpoint
    signature: _record_pb2.Signature
    after: bytes
    also: _containers.RepeatedCompositeFieldContainer[AttestResponse.Also]
    def __init__(self, checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., signature: _Optional[_Union[_record_pb2.Signature, _Mapping]] = ..., after: _Optional[bytes] = ..., also: _Optional[_Iterable[_Union[AttestResponse.Also, _Mapping]]] = ...) -> None: ...

class SignMessageRequest(_message.Message):
    __slots__ = ("message", "digest", "key", "repository", "reason")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    message: bytes
    digest: bytes
    key: str
    repository: str
    reason: str
    def __init__(self, message: _Optional[bytes] = ..., digest: _Optional[bytes] = ..., key: _Optional[str] = ..., repository: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SignMessageResponse(_message.Message):
    __slots__ = ("signature", "checkpoint", "logged")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    LOGGED_FIELD_NUMBER: _ClassVar[int]
    signature: bytes
    checkpoint: _record_pb2.Checkpoint
    logged: _record_pb2.Signature
    def __init__(self, signature: _Optional[bytes] = ..., checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., logged: _Optional[_Union[_record_pb2.Signature, _Mapping]] = ...) -> None: ...

class GetKeyRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class GetKeyResponse(_message.Message):
    __slots__ = ("name", "purpose", "spki", "algorithm", "forms", "chain")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SPKI_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    purpose: str
    spki: bytes
    algorithm: str
    forms: _containers.RepeatedScalarFieldContainer[str]
    chain: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, name: _Optional[str] = ..., purpose: _Optional[str] = ..., spki: _Optional[bytes] = ..., algorithm: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., chain: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetBundlesRequest(_message.Message):
    __slots__ = ("digest", "repository", "without_bundles")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_BUNDLES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    repository: str
    without_bundles: bool
    def __init__(self, digest: _Optional[str] = ..., repository: _Optional[str] = ..., without_bundles: _Optional[bool] = ...) -> None: ...

class GetBundlesResponse(_message.Message):
    __slots__ = ("checkpoint", "signature", "committed_at", "predicate_type", "continues")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _record_pb2.Checkpoint
    signature: _record_pb2.Signature
    committed_at: int
    predicate_type: str
    continues: bool
    def __init__(self, checkpoint: _Optional[_Union[_record_pb2.Checkpoint, _Mapping]] = ..., signature: _Optional[_Union[_record_pb2.Signature, _Mapping]] = ..., committed_at: _Optional[int] = ..., predicate_type: _Optional[str] = ..., continues: _Optional[bool] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("digests", "repository", "wait_ms", "reason")
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    repository: str
    wait_ms: int
    reason: str
    def __init__(self, digests: _Optional[_Iterable[str]] = ..., repository: _Optional[str] = ..., wait_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("publications",)
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    publications: _containers.RepeatedCompositeFieldContainer[Publication]
    def __init__(self, publications: _Optional[_Iterable[_Union[Publication, _Mapping]]] = ...) -> None: ...

class ListPublicationsRequest(_message.Message):
    __slots__ = ("repository", "waiting", "limit")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    repository: str
    waiting: bool
    limit: int
    def __init__(self, repository: _Optional[str] = ..., waiting: _Optional[bool] = ..., limit: _Optional[int] = ...) -> None: ...

class ListPublicationsResponse(_message.Message):
    __slots__ = ("publication",)
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    publication: Publication
    def __init__(self, publication: _Optional[_Union[Publication, _Mapping]] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("id", "digest", "repository", "state", "attempts", "asked_at", "next_at", "done_at", "refusal", "entries")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Publication.State]
        STATE_WAITING: _ClassVar[Publication.State]
        STATE_ATTACHED: _ClassVar[Publication.State]
        STATE_REFUSED: _ClassVar[Publication.State]
        STATE_DROPPED: _ClassVar[Publication.State]
    STATE_UNSPECIFIED: Publication.State
    STATE_WAITING: Publication.State
    STATE_ATTACHED: Publication.State
    STATE_REFUSED: Publication.State
    STATE_DROPPED: Publication.State
    ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_FIELD_NUMBER: _ClassVar[int]
    DONE_AT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    id: int
    digest: str
    repository: str
    state: Publication.State
    attempts: int
    asked_at: int
    next_at: int
    done_at: int
    refusal: _record_pb2.Refusal
    entries: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[int] = ..., digest: _Optional[str] = ..., repository: _Optional[str] = ..., state: _Optional[_Union[Publication.State, str]] = ..., attempts: _Optional[int] = ..., asked_at: _Optional[int] = ..., next_at: _Optional[int] = ..., done_at: _Optional[int] = ..., refusal: _Optional[_Union[_record_pb2.Refusal, _Mapping]] = ..., entries: _Optional[_Iterable[int]] = ...) -> None: ...

class ReportPullsRequest(_message.Message):
    __slots__ = ("pulls",)
    PULLS_FIELD_NUMBER: _ClassVar[int]
    pulls: _containers.RepeatedCompositeFieldContainer[Pulls]
    def __init__(self, pulls: _Optional[_Iterable[_Union[Pulls, _Mapping]]] = ...) -> None: ...

class ReportPullsResponse(_message.Message):
    __slots__ = ("unnamed",)
    UNNAMED_FIELD_NUMBER: _ClassVar[int]
    unnamed: int
    def __init__(self, unnamed: _Optional[int] = ...) -> None: ...

class ListPullsRequest(_message.Message):
    __slots__ = ("repository", "since", "until")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    repository: str
    since: str
    until: str
    def __init__(self, repository: _Optional[str] = ..., since: _Optional[str] = ..., until: _Optional[str] = ...) -> None: ...

class ListPullsResponse(_message.Message):
    __slots__ = ("day", "pulls")
    DAY_FIELD_NUMBER: _ClassVar[int]
    PULLS_FIELD_NUMBER: _ClassVar[int]
    day: str
    pulls: Pulls
    def __init__(self, day: _Optional[str] = ..., pulls: _Optional[_Union[Pulls, _Mapping]] = ...) -> None: ...

class Pulls(_message.Message):
    __slots__ = ("repository", "outcome", "code", "count")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Pulls.Outcome]
        OUTCOME_ALLOWED: _ClassVar[Pulls.Outcome]
        OUTCOME_WARNED: _ClassVar[Pulls.Outcome]
        OUTCOME_REFUSED: _ClassVar[Pulls.Outcome]
    OUTCOME_UNSPECIFIED: Pulls.Outcome
    OUTCOME_ALLOWED: Pulls.Outcome
    OUTCOME_WARNED: Pulls.Outcome
    OUTCOME_REFUSED: Pulls.Outcome
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    repository: str
    outcome: Pulls.Outcome
    code: str
    count: int
    def __init__(self, repository: _Optional[str] = ..., outcome: _Optional[_Union[Pulls.Outcome, str]] = ..., code: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
