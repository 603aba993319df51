r"""The trust root: which keys and logs count, for what, where and when.

This reads the *payload* of a trust file, for whoever pins it locally:

    {"type":"urn:sealbook:trust:v1","version":1,
     "issued":"2026-11-23T00:00:00Z","expires":"2027-11-23T00:00:00Z",
     "logs":[{"origin":"ledger.example","checkpoint_key":"<b64 SPKI>",
              "promise_key":"<b64 SPKI>"}],
     "keys":[{"name":"release","purpose":"approve","key":"<b64 SPKI>","scope":["*"],
              "valid_from_tree_size":0,"valid_through_tree_size":9007}],
     "witnesses":"quorum none\n",
     "authorities":[{"kind":"timestamp","chain":["<b64 DER>","<b64 DER>"]},
                    {"kind":"transparency","key":"<b64 SPKI>"}]}

`authorities` is for clients that want certificates and timestamps; this verifier
believes none of it. It, `promise_key` (Rekor v1's SET key) and
`valid_through_tree_size` may be absent. A log whose key rotates, or that signs with
ML-DSA-44 too, is a row for each key. A window counts ledger positions, because those
cannot be backdated: an entry at `index` is inside when
valid_from_tree_size <= index < valid_through_tree_size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, json_object, name, rfc3339, utc
from verifier.errors import (
    KeyPurposeError,
    LimitError,
    MalformedError,
    RepositoryError,
    UnknownKeyError,
    UnsupportedError,
)
from verifier.note import NoteKey
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.tlogpolicy import TlogPolicy, check_roles

TYPE = "urn:sealbook:trust:v1"
AUTHORITIES = ("timestamp", "certificate", "transparency", "notation")
PURPOSES = ("approve", "attest", "event", "status", "log", "timestamp", "witness")
_MOST_KEYS = 1024
_MOST_LOGS = 32
_MOST_CHAIN = 8  # certificates


class TrustedKey(NamedTuple):
    """A key, what it may say, where, and from which to before which ledger position."""

    name: str
    purpose: str
    public: PublicKey
    scope: tuple[Scope, ...]
    valid_from_tree_size: int = 0
    valid_through_tree_size: int | None = None

    def covers(self, repository: Repository) -> bool:
        """Whether the key may speak about `repository`."""
        return any(scope.covers(repository) for scope in self.scope)

    def covers_name(self, name: str) -> bool:
        """Whether the key may speak about what a statement calls `name`.

        cosign's approvals name nothing, and its attestations may name a file: for that
        it takes a key for everywhere.
        """
        try:
            return self.covers(Repository(name))
        except RepositoryError:
            return EVERYWHERE in self.scope and (not name or self.purpose == "attest")

    def valid_at(self, index: int) -> bool:
        """Whether an entry at `index` lies in the key's window."""
        through = self.valid_through_tree_size
        return self.valid_from_tree_size <= index and (through is None or index < through)


class TrustedLog(NamedTuple):
    """A log, by its origin, one key of its checkpoints and perhaps one of its promises."""

    origin: str
    checkpoint_key: NoteKey
    promise_key: PublicKey | None = None


class Authority(NamedTuple):
    """Who vouches in X.509, for other clients; `chain` is opaque here, DER, the root last.

    Of "transparency", which signs certificate timestamps, it is one SPKI.
    """

    kind: str
    chain: tuple[bytes, ...]


class TrustRoot(NamedTuple):
    """Everything a verifier believes without proof. Times are POSIX seconds."""

    version: int
    issued: int
    expires: int
    logs: tuple[TrustedLog, ...]
    keys: Mapping[str, TrustedKey]  # by hint
    quorum: Quorum
    authorities: tuple[Authority, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a pinned payload.

        Raises:
            LimitError: too large or too many.
            MalformedError: any other shape; no log; one key or name twice.
            UnsupportedKeyError, WeakKeyError: a key that nobody should trust, or
                not for this.
            AmbiguousKeyError: two note keys with one name and one id.
        """
        fields = Fields(json_object(data, limit=limits.TRUST_FILE), "trust")
        kind = fields.text("type")
        if kind != TYPE:
            raise UnsupportedError(f"expected type {TYPE}, found {kind[:80]!r}")
        version = fields.number("version")
        issued, expires = rfc3339(fields.text("issued")), rfc3339(fields.text("expires"))
        found = fields.items("logs", most=_MOST_LOGS)
        logs = tuple(_log(v, f"trust.logs[{i}]") for i, v in enumerate(found))
        found = fields.items("keys", most=_MOST_KEYS)
        keys = _unique(_key(v, f"trust.keys[{i}]") for i, v in enumerate(found))
        quorum = Quorum.parse(fields.text("witnesses"))
        found = fields.items("authorities", most=_MOST_LOGS) if fields.has("authorities") else []
        authorities = tuple(_authority(v, f"trust.authorities[{i}]") for i, v in enumerate(found))
        fields.done()
        if not logs or version < 1 or expires <= issued:
            raise MalformedError("expected a log, a version from 1 and an expiry after the issue")
        _refuse_reuse(logs, keys, quorum, authorities)
        return cls(version, issued, expires, logs, keys, quorum, authorities)

    def key(self, hint: str, purpose: str) -> TrustedKey:
        """Return the key with this hint.

        Raises:
            UnknownKeyError: there is none.
            KeyPurposeError: it is for another purpose.
        """
        if hint not in self.keys:
            raise UnknownKeyError(f"no key of the trust root has the hint {hint[:80]!r}")
        key = self.keys[hint]
        if key.purpose != purpose:
            raise KeyPurposeError(f"key {key.name} is for {key.purpose!r}, not {purpose!r}")
        return key

    def log_keys(self, origin: str) -> tuple[NoteKey, ...]:
        """Return the checkpoint keys of the log `origin`; none when it is not trusted."""
        return tuple(log.checkpoint_key for log in self.logs if log.origin == origin)

    def policy(self) -> TlogPolicy:
        """Return which checkpoints to believe, as other tools of the C2SP read it."""
        return TlogPolicy(tuple((log.checkpoint_key, "") for log in self.logs), self.quorum)

    def publics(self) -> list[PublicKey]:
        """Return every public key that is trusted for anything but witnessing."""
        promises = [log.promise_key for log in self.logs if log.promise_key]
        checkpoints = [log.checkpoint_key.public for log in self.logs]
        witnessing = _transparency(self.authorities)
        return [*checkpoints, *promises, *(k.public for k in self.keys.values()), *witnessing]

    def json(self) -> bytes:
        """Render as the payload that `parse` reads, indented for people."""
        value: dict[str, object] = {
            "type": TYPE,
            "version": self.version,
            "issued": utc(self.issued),
            "expires": utc(self.expires),
            "logs": [_log_json(log) for log in self.logs],
            "keys": [_key_json(key) for key in self.keys.values()],
            "witnesses": self.quorum.text,
        }
        if self.authorities:
            value["authorities"] = [_authority_json(one) for one in self.authorities]
        return (json.dumps(value, indent=2) + "\n").encode()


def keys_by_hint(keys: Iterable[TrustedKey]) -> dict[str, TrustedKey]:
    """Index keys as `TrustRoot.keys` wants them.

    Raises:
        MalformedError: one key or name twice.
        UnsupportedKeyError: a key that signs checkpoints only.
    """
    return _unique(keys)


def _unique(keys: Iterable[TrustedKey]) -> dict[str, TrustedKey]:
    by_hint: dict[str, TrustedKey] = {}
    names: set[str] = set()
    for key in keys:
        if key.public.hint in by_hint or key.name in names:
            raise MalformedError(f"key {key.name} is listed twice, by name or by key")
        key.public.check_for_entries()
        by_hint[key.public.hint] = key
        names.add(key.name)
    return by_hint


def _refuse_reuse(
    logs: tuple[TrustedLog, ...],
    keys: dict[str, TrustedKey],
    quorum: Quorum,
    authorities: tuple[Authority, ...],
) -> None:
    """Refuse one key in two roles: what it signs for one could be read as the other."""
    publics = [log.checkpoint_key.public for log in logs]
    publics += [log.promise_key for log in logs if log.promise_key]
    publics += [key.public for key in keys.values()]
    publics += [witness.public for witness in quorum.witnesses.values()]
    publics += _transparency(authorities)
    if len(set(publics)) != len(publics):
        raise MalformedError("one key is listed for two purposes")
    check_roles((log.checkpoint_key for log in logs), quorum)


def _transparency(authorities: tuple[Authority, ...]) -> list[PublicKey]:
    return [PublicKey(one.chain[0]) for one in authorities if one.kind == "transparency"]


def _log(value: object, where: str) -> TrustedLog:
    fields = Fields(value, where)
    origin = fields.text("origin")
    checkpoint_key = NoteKey.of(origin, PublicKey(b64(fields.text("checkpoint_key"))))
    promise = PublicKey(b64(fields.text("promise_key"))) if fields.has("promise_key") else None
    if promise:
        promise.check_for_entries()
    fields.done()
    return TrustedLog(origin, checkpoint_key, promise)


def _key(value: object, where: str) -> TrustedKey:
    fields = Fields(value, where)
    key_name, purpose = name(fields.text("name")), fields.text("purpose")
    if purpose not in PURPOSES:
        raise MalformedError(f"{where}.purpose: expected one of {', '.join(PURPOSES)}")
    public = PublicKey(b64(fields.text("key")))
    scope = tuple(_scope(s, where) for s in fields.items("scope", most=limits.SUBJECTS))
    start = fields.number("valid_from_tree_size")
    through = None
    if fields.has("valid_through_tree_size"):
        through = fields.number("valid_through_tree_size")
    fields.done()
    if through is not None and through < start:
        raise MalformedError(f"{where}: expected a window, found {start} to {through}")
    return TrustedKey(key_name, purpose, public, scope, start, through)


def _scope(value: Any, where: str) -> Scope:
    if not isinstance(value, str):
        raise MalformedError(f"{where}.scope: expected only strings")
    return Scope(value)


def _log_json(log: TrustedLog) -> dict[str, object]:
    value: dict[str, object] = {
        "origin": log.origin,
        "checkpoint_key": b64encode(log.checkpoint_key.public.spki),
    }
    if log.promise_key:
        value["promise_key"] = b64encode(log.promise_key.spki)
    return value


def _key_json(key: TrustedKey) -> dict[str, object]:
    value: dict[str, object] = {
        "name": key.name,
        "purpose": key.purpose,
        "key": b64encode(key.public.spki),
        "scope": list(key.scope),
        "valid_from_tree_size": key.valid_from_tree_size,
    }
    if key.valid_through_tree_size is not None:
        value["valid_through_tree_size"] = key.valid_through_tree_size
    return value


def _authority(value: object, where: str) -> Authority:
    fields = Fields(value, where)
    kind = fields.text("kind")
    if kind not in AUTHORITIES:
        raise MalformedError(f"{where}.kind: expected one of {', '.join(AUTHORITIES)}")
    if kind == "transparency":
        chain = [fields.text("key")]
    else:
        chain = fields.items("chain", most=_MOST_CHAIN)
    fields.done()
    if not chain or not all(isinstance(one, str) for one in chain):
        raise MalformedError(f"{where}.chain: expected certificates in Base64")
    raw = tuple(b64(one) for one in chain)
    if max(map(len, raw)) > limits.CERTIFICATE:
        raise LimitError(f"{where}: expected at most {limits.CERTIFICATE} bytes of certificate")
    if kind == "transparency":
        PublicKey(raw[0]).check_for_entries()
    return Authority(kind, raw)


def _authority_json(authority: Authority) -> dict[str, object]:
    raw = [b64encode(one) for one in authority.chain]
    if authority.kind == "transparency":
        return {"kind": authority.kind, "key": raw[0]}
    return {"kind": authority.kind, "chain": raw}
