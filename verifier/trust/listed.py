"""What a trust file lists: keys, logs, authorities and roots, each with what it may say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from verifier.errors import MalformedError, RepositoryError
from verifier.note import NoteKey
from verifier.publickey import PublicKey
from verifier.repository import EVERYWHERE, Repository, Scope

AUTHORITIES = ("timestamp", "certificate", "transparency", "notation")
PURPOSES = ("approve", "attest", "event", "status", "log", "timestamp", "witness")


class TrustedKey(NamedTuple):
    """A key, what it may say, where, and from which to before which ledger position.

    `version` counts the keys of one name: a policy that names it means all of them.
    """

    name: str
    purpose: str
    public: PublicKey
    scope: tuple[Scope, ...]
    valid_from_tree_size: int = 0
    valid_through_tree_size: int | None = None
    version: int = 1

    @property
    def label(self) -> str:
        """What tells it from other versions: `release`, and then `release@2`."""
        return self.name if self.version == 1 else f"{self.name}@{self.version}"

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

    @property
    def fingerprint(self) -> str:
        """What a revocation knows it by: hex SHA-256 of its first certificate, or of its key."""
        return hashlib.sha256(self.chain[0]).hexdigest()


class Roots(NamedTuple):
    """The offline keys of which `threshold` sign the next trust file, by name."""

    threshold: int
    keys: Mapping[str, PublicKey]


def keys_by_hint(keys: Iterable[TrustedKey]) -> dict[str, TrustedKey]:
    """Index keys as `TrustRoot.keys` wants them.

    Raises:
        MalformedError: one key twice, or one version of a name; a name for two purposes.
        UnsupportedKeyError: a key that signs checkpoints only.
    """
    by_hint: dict[str, TrustedKey] = {}
    labels: set[str] = set()
    purposes: dict[str, str] = {}
    for key in keys:
        if key.public.hint in by_hint or key.label in labels:
            raise MalformedError(f"key {key.label} is listed twice, by name or by key")
        if purposes.setdefault(key.name, key.purpose) != key.purpose:
            raise MalformedError(f"the versions of key {key.name} are for two purposes")
        key.public.check_for_entries()
        by_hint[key.public.hint] = key
        labels.add(key.label)
    return by_hint
