from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SigningKeyVersion(_message.Message):
    __slots__ = ("name", "version", "purpose", "scope", "algorithm", "fingerprint", "spki", "standing", "trusted", "valid_from_tree_size", "valid_through_tree_size", "announced_at", "uri", "forms", "attributes", "healthy", "available")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SPKI_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    VALID_THROUGH_TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCED_AT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    purpose: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    algorithm: str
    fingerprint: str
    spki: bytes
    standing: str
    trusted: bool
    valid_from_tree_size: int
    valid_through_tree_size: int
    announced_at: int
    uri: str
    forms: _containers.RepeatedScalarFieldContainer[str]
    attributes: _containers.ScalarMap[str, str]
    healthy: bool
    available: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., algorithm: _Optional[str] = ..., fingerprint: _Optional[str] = ..., spki: _Optional[bytes] = ..., standing: _Optional[str] = ..., trusted: _Optional[bool] = ..., valid_from_tree_size: _Optional[int] = ..., valid_through_tree_size: _Optional[int] = ..., announced_at: _Optional[int] = ..., uri: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., healthy: _Optional[bool] = ..., available: _Optional[bool] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[SigningKeyVersion]
    def __init__(self, keys: _Optional[_Iterable[_Union[SigningKeyVersion, _Mapping]]] = ...) -> None: ...

class CreateKeyRequest(_message.Message):
    __slots__ = ("name", "purpose", "scope", "algorithm", "uri", "forms", "requester")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    purpose: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    algorithm: str
    uri: str
    forms: _containers.RepeatedScalarFieldContainer[str]
    requester: str
    def __init__(self, name: _Optional[str] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., algorithm: _Optional[str] = ..., uri: _Optional[str] = ..., forms: _Optional[_Iterable[str]] = ..., requester: _Optional[str] = ...) -> None: ...

class RotateKeyRequest(_message.Message):
    __slots__ = ("name", "algorithm", "uri", "lost", "requester")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    algorithm: str
    uri: str
    lost: bool
    requester: str
    def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[str] = ..., uri: _Optional[str] = ..., lost: _Optional[bool] = ..., requester: _Optional[str] = ...) -> None: ...

class ImportKeyRequest(_message.Message):
    __slots__ = ("name", "uri", "purpose", "scope", "forms", "lost", "requester")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    FORMS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    uri: str
    purpose: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    forms: _containers.RepeatedScalarFieldContainer[str]
    lost: bool
    requester: str
    def __init__(self, name: _Optional[str] = ..., uri: _Optional[str] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., forms: _Optional[_Iterable[str]] = ..., lost: _Optional[bool] = ..., requester: _Optional[str] = ...) -> None: ...

class AnnounceKeyResponse(_message.Message):
    __slots__ = ("key", "index", "note", "draft")
    KEY_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    key: SigningKeyVersion
    index: int
    note: str
    draft: str
    def __init__(self, key: _Optional[_Union[SigningKeyVersion, _Mapping]] = ..., index: _Optional[int] = ..., note: _Optional[str] = ..., draft: _Optional[str] = ...) -> None: ...

class SwitchKeyRequest(_message.Message):
    __slots__ = ("name", "version", "now", "requester")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    now: bool
    requester: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., now: _Optional[bool] = ..., requester: _Optional[str] = ...) -> None: ...

class RetireKeyRequest(_message.Message):
    __slots__ = ("name", "version", "reason", "active_too", "requester")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_TOO_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    reason: str
    active_too: bool
    requester: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., reason: _Optional[str] = ..., active_too: _Optional[bool] = ..., requester: _Optional[str] = ...) -> None: ...

class ChangeKeyResponse(_message.Message):
    __slots__ = ("key", "index", "note", "known", "draft")
    KEY_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    key: SigningKeyVersion
    index: int
    note: str
    known: bool
    draft: str
    def __init__(self, key: _Optional[_Union[SigningKeyVersion, _Mapping]] = ..., index: _Optional[int] = ..., note: _Optional[str] = ..., known: _Optional[bool] = ..., draft: _Optional[str] = ...) -> None: ...

class InstallTrustRequest(_message.Message):
    __slots__ = ("trust", "requester")
    TRUST_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    trust: bytes
    requester: str
    def __init__(self, trust: _Optional[bytes] = ..., requester: _Optional[str] = ...) -> None: ...

class InstallTrustResponse(_message.Message):
    __slots__ = ("version", "known", "index")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    version: int
    known: bool
    index: int
    def __init__(self, version: _Optional[int] = ..., known: _Optional[bool] = ..., index: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("version", "origin", "tree_size", "published_size", "root", "checkpoint_age_s", "queue_depth", "started_at", "keys", "frozen", "alarm", "witnesses", "mirror_size", "mirrored_at", "database_bytes", "receipt_day", "endings", "publications", "pulls")
    class Pulls(_message.Message):
        __slots__ = ("allowed", "warned", "refused", "unsigned")
        ALLOWED_FIELD_NUMBER: _ClassVar[int]
        WARNED_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        UNSIGNED_FIELD_NUMBER: _ClassVar[int]
        allowed: int
        warned: int
        refused: int
        unsigned: int
        def __init__(self, allowed: _Optional[int] = ..., warned: _Optional[int] = ..., refused: _Optional[int] = ..., unsigned: _Optional[int] = ...) -> None: ...
    class Publications(_message.Message):
        __slots__ = ("waiting", "oldest_s", "refused")
        WAITING_FIELD_NUMBER: _ClassVar[int]
        OLDEST_S_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        waiting: int
        oldest_s: float
        refused: int
        def __init__(self, waiting: _Optional[int] = ..., oldest_s: _Optional[float] = ..., refused: _Optional[int] = ...) -> None: ...
    class Ending(_message.Message):
        __slots__ = ("what", "at")
        WHAT_FIELD_NUMBER: _ClassVar[int]
        AT_FIELD_NUMBER: _ClassVar[int]
        what: str
        at: int
        def __init__(self, what: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...
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
        __slots__ = ("name", "algorithm", "fingerprint", "healthy", "revoked", "version", "available")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ALGORITHM_FIELD_NUMBER: _ClassVar[int]
        FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
        HEALTHY_FIELD_NUMBER: _ClassVar[int]
        REVOKED_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        AVAILABLE_FIELD_NUMBER: _ClassVar[int]
        name: str
        algorithm: str
        fingerprint: str
        healthy: bool
        revoked: bool
        version: int
        available: bool
        def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[str] = ..., fingerprint: _Optional[str] = ..., healthy: _Optional[bool] = ..., revoked: _Optional[bool] = ..., version: _Optional[int] = ..., available: _Optional[bool] = ...) -> None: ...
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
    ENDINGS_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    PULLS_FIELD_NUMBER: _ClassVar[int]
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
    endings: _containers.RepeatedCompositeFieldContainer[GetStatusResponse.Ending]
    publications: GetStatusResponse.Publications
    pulls: GetStatusResponse.Pulls
    def __init__(self, version: _Optional[str] = ..., origin: _Optional[str] = ..., tree_size: _Optional[int] = ..., published_size: _Optional[int] = ..., root: _Optional[bytes] = ..., checkpoint_age_s: _Optional[float] = ..., queue_depth: _Optional[int] = ..., started_at: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[GetStatusResponse.KeyStatus, _Mapping]]] = ..., frozen: _Optional[bool] = ..., alarm: _Optional[str] = ..., witnesses: _Optional[_Iterable[_Union[GetStatusResponse.WitnessStatus, _Mapping]]] = ..., mirror_size: _Optional[int] = ..., mirrored_at: _Optional[int] = ..., database_bytes: _Optional[int] = ..., receipt_day: _Optional[str] = ..., endings: _Optional[_Iterable[_Union[GetStatusResponse.Ending, _Mapping]]] = ..., publications: _Optional[_Union[GetStatusResponse.Publications, _Mapping]] = ..., pulls: _Optional[_Union[GetStatusResponse.Pulls, _Mapping]] = ...) -> None: ...

class RecordCeremonyRequest(_message.Message):
    __slots__ = ("transcript",)
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    transcript: bytes
    def __init__(self, transcript: _Optional[bytes] = ...) -> None: ...

class RecordCeremonyResponse(_message.Message):
    __slots__ = ("index", "note", "claim", "known")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    index: int
    note: str
    claim: str
    known: bool
    def __init__(self, index: _Optional[int] = ..., note: _Optional[str] = ..., claim: _Optional[str] = ..., known: _Optional[bool] = ...) -> None: ...

class ReloadConfigRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadConfigResponse(_message.Message):
    __slots__ = ("changed", "index", "sections")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SECTIONS_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    index: int
    sections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, changed: _Optional[bool] = ..., index: _Optional[int] = ..., sections: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteBodyRequest(_message.Message):
    __slots__ = ("entry", "reason", "requester")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    entry: int
    reason: str
    requester: str
    def __init__(self, entry: _Optional[int] = ..., reason: _Optional[str] = ..., requester: _Optional[str] = ...) -> None: ...

class PurgeTrailRequest(_message.Message):
    __slots__ = ("before",)
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    before: int
    def __init__(self, before: _Optional[int] = ...) -> None: ...

class PurgeTrailResponse(_message.Message):
    __slots__ = ("lines", "index")
    LINES_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    lines: int
    index: int
    def __init__(self, lines: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class RotateDataKeyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateDataKeyResponse(_message.Message):
    __slots__ = ("key", "wrapping")
    KEY_FIELD_NUMBER: _ClassVar[int]
    WRAPPING_FIELD_NUMBER: _ClassVar[int]
    key: str
    wrapping: int
    def __init__(self, key: _Optional[str] = ..., wrapping: _Optional[int] = ...) -> None: ...

class ChangePublicationsRequest(_message.Message):
    __slots__ = ("ids", "drop")
    IDS_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    drop: bool
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., drop: _Optional[bool] = ...) -> None: ...

class ChangePublicationsResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: int
    def __init__(self, changed: _Optional[int] = ...) -> None: ...
