r"""The payload of a trust file: what an offline root signs, or whoever pins it locally.

    {"type":"urn:sealbook:trust:v1","version":1,
     "issued":"2026-11-23T00:00:00Z","expires":"2027-11-23T00:00:00Z",
     "logs":[{"origin":"ledger.example","checkpoint_key":"<b64 SPKI>",
              "promise_key":"<b64 SPKI>"}],
     "keys":[{"name":"release","purpose":"approve","key":"<b64 SPKI>","scope":["*"],
              "valid_from_tree_size":0,"valid_through_tree_size":9007},
             {"name":"release","version":2,…}],
     "witnesses":"quorum none\n",
     "authorities":[{"kind":"timestamp","chain":["<b64 DER>","<b64 DER>"]},
                    {"kind":"transparency","key":"<b64 SPKI>"}],
     "roots":{"threshold":2,"keys":[{"name":"alice","key":"<b64 SPKI>"},…]},
     "policy":"<hex SHA-256 of the policy file>"}

`authorities` is for clients that want certificates and timestamps; the core of this
verifier believes none of it. `roots` says who signs the next version; without them
there is none. `promise_key` (Rekor v1's SET key), `valid_through_tree_size` and the
last three fields may be absent. A log whose key rotates, or that signs with ML-DSA-44
too, is a row for each key; so is a key that rotates, whose first version is written without
`version`. A window counts ledger positions, because those cannot be backdated: an entry at
`index` is inside when valid_from_tree_size <= index < valid_through_tree_size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import (
    Fields,
    b64,
    b64encode,
    hexadecimal,
    json_object,
    name,
    rfc3339,
    utc,
)
from verifier.errors import LimitError, MalformedError, UnsupportedError
from verifier.note import NoteKey
from verifier.publickey import PublicKey
from verifier.quorum import Quorum
from verifier.repository import Scope
from verifier.tlogpolicy import check_roles
from verifier.trust.listed import (
    AUTHORITIES,
    PURPOSES,
    Authority,
    Roots,
    TrustedKey,
    TrustedLog,
    keys_by_hint,
)

TYPE = "urn:sealbook:trust:v1"
_MOST_KEYS = 1024
_MOST_LOGS = 32
_MOST_CHAIN = 8  # certificates


class TrustPayload(NamedTuple):
    """Everything a verifier believes without proof, as a trust file lists it.

    Times are POSIX seconds; `policy_sha256` is empty when no policy is pinned.
    """

    version: int
    issued: int
    expires: int
    logs: tuple[TrustedLog, ...]
    keys: Mapping[str, TrustedKey]  # by hint
    quorum: Quorum
    authorities: tuple[Authority, ...] = ()
    roots: Roots | None = None
    policy_sha256: bytes = b""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Parse a payload, whoever may have signed it.

        Raises:
            LimitError: too large or too many.
            MalformedError: any other shape; no log; one key or name twice; a threshold
                of none, or of more roots than there are.
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
        keys = keys_by_hint(_key(v, f"trust.keys[{i}]") for i, v in enumerate(found))
        quorum = Quorum.parse(fields.text("witnesses"))
        found = fields.items("authorities", most=_MOST_LOGS) if fields.has("authorities") else []
        authorities = tuple(_authority(v, f"trust.authorities[{i}]") for i, v in enumerate(found))
        roots = _roots(fields.inside("roots")) if fields.has("roots") else None
        pinned = hexadecimal(fields.text("policy"), size=32) if fields.has("policy") else b""
        fields.done()
        if not logs or version < 1 or expires <= issued:
            raise MalformedError("expected a log, a version from 1 and an expiry after the issue")
        payload = cls(version, issued, expires, logs, keys, quorum, authorities, roots, pinned)
        payload._refuse_reuse()
        return payload

    def publics(self) -> list[PublicKey]:
        """Return every public key that is trusted for anything but witnessing."""
        promises = [log.promise_key for log in self.logs if log.promise_key]
        checkpoints = [log.checkpoint_key.public for log in self.logs]
        witnessing = [PublicKey(a.chain[0]) for a in self.authorities if a.kind == "transparency"]
        roots = self.roots.keys.values() if self.roots else ()
        keys = (key.public for key in self.keys.values())
        return [*checkpoints, *promises, *keys, *witnessing, *roots]

    def json(self) -> bytes:
        """Render as the payload that `read` takes, indented for people."""
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
        if self.roots:
            value["roots"] = _roots_json(self.roots)
        if self.policy_sha256:
            value["policy"] = self.policy_sha256.hex()
        return (json.dumps(value, indent=2) + "\n").encode()

    def _refuse_reuse(self) -> None:
        """Refuse one key in two roles: what it signs for one could be read as the other."""
        publics = [*self.publics(), *(w.public for w in self.quorum.witnesses.values())]
        if len(set(publics)) != len(publics):
            raise MalformedError("one key is listed for two purposes")
        check_roles((log.checkpoint_key for log in self.logs), self.quorum)


def _roots(fields: Fields) -> Roots:
    threshold = fields.number("threshold")
    keys: dict[str, PublicKey] = {}
    for i, value in enumerate(fields.items("keys", most=limits.ROOTS)):
        row = Fields(value, f"trust.roots.keys[{i}]")
        key_name = name(row.text("name"))
        if key_name in keys:
            raise MalformedError(f"root key {key_name} is listed twice")
        keys[key_name] = PublicKey(b64(row.text("key")))
        row.done()
    fields.done()
    if len(set(keys.values())) != len(keys):
        raise MalformedError("one root key is listed under two names: it would count twice")
    if not 1 <= threshold <= len(keys):
        raise MalformedError(f"expected a threshold of 1 to {len(keys)} roots, found {threshold}")
    return Roots(threshold, keys)


def _roots_json(roots: Roots) -> dict[str, object]:
    rows = [{"name": one, "key": b64encode(public.spki)} for one, public in roots.keys.items()]
    return {"threshold": roots.threshold, "keys": rows}


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
    version = 1
    if fields.has("version"):
        version = fields.number("version")
        if version <= 1:
            raise MalformedError(f"{where}.version: expected 2 or more, or none for the first")
    scope = tuple(_scope(s, where) for s in fields.items("scope", most=limits.SUBJECTS))
    start = fields.number("valid_from_tree_size")
    through = None
    if fields.has("valid_through_tree_size"):
        through = fields.number("valid_through_tree_size")
    fields.done()
    if through is not None and through < start:
        raise MalformedError(f"{where}: expected a window, found {start} to {through}")
    return TrustedKey(key_name, purpose, public, scope, start, through, version)


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
        **({"version": key.version} if key.version != 1 else {}),
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
