from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExchangeRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class ExchangeResponse(_message.Message):
    __slots__ = ("session", "expires_at", "identity")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    session: str
    expires_at: int
    identity: Identity
    def __init__(self, session: _Optional[str] = ..., expires_at: _Optional[int] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class WhoAmIRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ("identity",)
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    identity: Identity
    def __init__(self, identity: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("issuer", "subject", "proof", "pipeline", "address", "certificate", "grants")
    class Grant(_message.Message):
        __slots__ = ("action", "where", "rule")
        ACTION_FIELD_NUMBER: _ClassVar[int]
        WHERE_FIELD_NUMBER: _ClassVar[int]
        RULE_FIELD_NUMBER: _ClassVar[int]
        action: str
        where: str
        rule: str
        def __init__(self, action: _Optional[str] = ..., where: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    subject: str
    proof: str
    pipeline: bool
    address: str
    certificate: str
    grants: _containers.RepeatedCompositeFieldContainer[Identity.Grant]
    def __init__(self, issuer: _Optional[str] = ..., subject: _Optional[str] = ..., proof: _Optional[str] = ..., pipeline: _Optional[bool] = ..., address: _Optional[str] = ..., certificate: _Optional[str] = ..., grants: _Optional[_Iterable[_Union[Identity.Grant, _Mapping]]] = ...) -> None: ...

class ApiKey(_message.Message):
    __slots__ = ("id", "name", "role", "repositories", "created_at", "expires_at", "revoked_at", "created_by", "certificate", "networks")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORIES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    role: str
    repositories: _containers.RepeatedScalarFieldContainer[str]
    created_at: int
    expires_at: int
    revoked_at: int
    created_by: str
    certificate: str
    networks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., repositories: _Optional[_Iterable[str]] = ..., created_at: _Optional[int] = ..., expires_at: _Optional[int] = ..., revoked_at: _Optional[int] = ..., created_by: _Optional[str] = ..., certificate: _Optional[str] = ..., networks: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateApiKeyRequest(_message.Message):
    __slots__ = ("name", "role", "repositories", "ttl_s", "certificate", "networks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORIES_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: str
    repositories: _containers.RepeatedScalarFieldContainer[str]
    ttl_s: int
    certificate: str
    networks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., role: _Optional[str] = ..., repositories: _Optional[_Iterable[str]] = ..., ttl_s: _Optional[int] = ..., certificate: _Optional[str] = ..., networks: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateApiKeyResponse(_message.Message):
    __slots__ = ("key", "secret")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    secret: str
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListApiKeysRequest(_message.Message):
    __slots__ = ("all",)
    ALL_FIELD_NUMBER: _ClassVar[int]
    all: bool
    def __init__(self, all: _Optional[bool] = ...) -> None: ...

class ListApiKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ApiKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[ApiKey, _Mapping]]] = ...) -> None: ...

class RevokeApiKeyRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RevokeApiKeyResponse(_message.Message):
    __slots__ = ("key", "known")
    KEY_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    known: bool
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., known: _Optional[bool] = ...) -> None: ...

class Binding(_message.Message):
    __slots__ = ("role", "repository", "certificate", "issuer", "claims", "networks", "rule", "bound_by", "pin", "people", "since")
    class ClaimsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    BOUND_BY_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    role: str
    repository: str
    certificate: str
    issuer: str
    claims: _containers.ScalarMap[str, str]
    networks: _containers.RepeatedScalarFieldContainer[str]
    rule: str
    bound_by: str
    pin: str
    people: bool
    since: int
    def __init__(self, role: _Optional[str] = ..., repository: _Optional[str] = ..., certificate: _Optional[str] = ..., issuer: _Optional[str] = ..., claims: _Optional[_Mapping[str, str]] = ..., networks: _Optional[_Iterable[str]] = ..., rule: _Optional[str] = ..., bound_by: _Optional[str] = ..., pin: _Optional[str] = ..., people: _Optional[bool] = ..., since: _Optional[int] = ...) -> None: ...

class BindRequest(_message.Message):
    __slots__ = ("binding",)
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: Binding
    def __init__(self, binding: _Optional[_Union[Binding, _Mapping]] = ...) -> None: ...

class BindResponse(_message.Message):
    __slots__ = ("binding", "index", "known")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    binding: Binding
    index: int
    known: bool
    def __init__(self, binding: _Optional[_Union[Binding, _Mapping]] = ..., index: _Optional[int] = ..., known: _Optional[bool] = ...) -> None: ...

class UnbindRequest(_message.Message):
    __slots__ = ("rule",)
    RULE_FIELD_NUMBER: _ClassVar[int]
    rule: str
    def __init__(self, rule: _Optional[str] = ...) -> None: ...

class UnbindResponse(_message.Message):
    __slots__ = ("binding", "index")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    binding: Binding
    index: int
    def __init__(self, binding: _Optional[_Union[Binding, _Mapping]] = ..., index: _Optional[int] = ...) -> None: ...

class ListBindingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBindingsResponse(_message.Message):
    __slots__ = ("bindings",)
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[Binding]
    def __init__(self, bindings: _Optional[_Iterable[_Union[Binding, _Mapping]]] = ...) -> None: ...

class QueryTrailRequest(_message.Message):
    __slots__ = ("who", "repository", "decision", "to", "reference")
    WHO_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    who: str
    repository: str
    decision: str
    to: int
    reference: str
    def __init__(self, who: _Optional[str] = ..., repository: _Optional[str] = ..., decision: _Optional[str] = ..., to: _Optional[int] = ..., reference: _Optional[str] = ..., **kwargs) -> None: ...

class TrailLines(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, lines: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetTrailRequest(_message.Message):
    __slots__ = ("first",)
    FIRST_FIELD_NUMBER: _ClassVar[int]
    first: int
    def __init__(self, first: _Optional[int] = ...) -> None: ...

class TrailPiece(_message.Message):
    __slots__ = ("segment", "content")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    segment: int
    content: bytes
    def __init__(self, segment: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...

class ReviewAccessRequest(_message.Message):
    __slots__ = ("at", "time")
    AT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    at: int
    time: int
    def __init__(self, at: _Optional[int] = ..., time: _Optional[int] = ...) -> None: ...

class ReviewAccessResponse(_message.Message):
    __slots__ = ("at", "bindings", "configuration", "content")
    AT_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    at: int
    bindings: _containers.RepeatedCompositeFieldContainer[Binding]
    configuration: int
    content: str
    def __init__(self, at: _Optional[int] = ..., bindings: _Optional[_Iterable[_Union[Binding, _Mapping]]] = ..., configuration: _Optional[int] = ..., content: _Optional[str] = ...) -> None: ...
