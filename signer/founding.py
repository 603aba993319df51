"""Founding a service: its keys, its ledger with the genesis event, its trust files.

DIR/sealbook.toml       the configuration
DIR/keys/               log keys (one post-quantum), promise, event, status, release, attest, those
                        of our authorities and their root, the seal, and the root of trust
DIR/certificates/       what the root says of them: chains in PEM; root.pem is what notation trusts
DIR/ledger/ anchor/     the ledger, and what remembers how far it had come
DIR/access.db           who is logged in, by which API keys
DIR/token               what callers send; DIR/append-token of those who may append and no more
DIR/trust.json          what verifiers pin, signed by the root of trust; DIR/status.json what was
                        revoked since; DIR/trusted_root.json what cosign pins
DIR/signing_config.json where cosign logs what it signs; holds the append token
DIR/release.pub         the approval key, for cosign --key; DIR/attest.pub that of attestations
DIR/promise.pub         the key of promises, for cosign 2 and Podman (rekorPublicKeyPath)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

from ledger import opening
from ledger.durable import sync
from ledger.plan import NewEntry
from ledger.signatory import LogKeys
from signer.access import APPENDER
from signer.access.store import Store
from signer.address import check_address
from signer.authority import certificates
from signer.config import Config
from signer.config.canonical import Canonical, canonical
from signer.config.trust import STATUS_EVERY_S
from signer.config.values import check_origin
from signer.configuring.first import FORMS, first_config
from signer.configuring.logged import FIRST
from signer.errors import ConfigError
from signer.events import signed_event
from signer.keys import create_key, open_key
from signer.keys.home import HomeKey, Role
from signer.keys.memory import MemoryKey
from signer.keys.secret_files import write_secret
from signer.status.keeping import StatusKeeper
from signer.trust_files import Handed, LiveTrust
from verifier._strict import b64encode
from verifier.note import NoteKey
from verifier.publickey import Key
from verifier.quorum import Quorum
from verifier.repository import Scope
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import Authority, Roots, TrustedKey, TrustedLog, keys_by_hint
from verifier.trust.signed import SignedFile
from verifier.trusted_root import signing_config, trusted_root

_LIFETIME_S = 365 * 24 * 3600  # of the trust file
_EVERYWHERE = (Scope("*"),)
_NO_URIS: Mapping[str, str] = MappingProxyType({})
_ALGORITHMS = {"log": "ed25519", "log_post_quantum": "ml-dsa-44"}  # the others are ECDSA P-256
# What is not called as what it is for.
_PURPOSES = {
    "log_post_quantum": "log",
    "release": "approve",
    "issuer": "certificate",
    "root": "authority",
    "trust_root": "root",
}


class _Keys(NamedTuple):
    """The keys of a new service: `log` is Ed25519, the post-quantum one ML-DSA-44."""

    log: HomeKey
    promise: HomeKey
    event: HomeKey
    status: HomeKey
    release: HomeKey
    attest: HomeKey
    timestamp: HomeKey
    issuer: HomeKey
    transparency: HomeKey
    root: HomeKey
    trust_root: HomeKey
    log_post_quantum: HomeKey | None  # who brings keys of their own may leave it out

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the keys in `directory`."""
        *names, last = cls._fields
        quantum = directory / _file(last)
        keys: list[HomeKey | None] = [MemoryKey.load(directory / _file(name)) for name in names]
        return cls._make([*keys, MemoryKey.load(quantum) if quantum.exists() else None])

    def save(self, directory: Path) -> None:
        """Write keys that `load` read."""
        for name, key in self._asdict().items():
            if isinstance(key, MemoryKey):
                key.save(directory / _file(name))

    @classmethod
    def make(cls, uris: Mapping[str, str], given: Container[str], base: Path) -> Self:
        """Open the keys that are `given`, and make the others where `uris` say."""

        def key(name: str) -> HomeKey:
            role = Role(_called(name), _PURPOSES.get(name, name))
            if name in given:
                return open_key(uris[name], base, role)
            return create_key(uris[name], base, role, _ALGORITHMS.get(name, "ecdsa-p256"))

        return cls(*map(key, cls._fields))


class _Chains(NamedTuple):
    """Certificates, DER, each before the one above it."""

    timestamp: tuple[bytes, ...]
    issuer: tuple[bytes, ...]
    release: tuple[bytes, ...]

    @classmethod
    def make(cls, keys: _Keys, origin: str, now: int) -> Self:
        root, above = certificates.make_root(keys.root, origin, now)
        return cls(
            (certificates.make_timestamper(root, keys.timestamp.public, origin, now), above),
            (certificates.make_issuer(root, keys.issuer.public, origin, now), above),
            (certificates.make_signer(root, keys.release.public, "release", origin, now), above),
        )

    def save(self, directory: Path) -> None:
        for name, chain in self._asdict().items():
            _write(directory / f"{name}.pem", certificates.print_chain(chain))
        _write(directory / "root.pem", certificates.print_chain(self.release[-1:]))


def found(
    directory: Path,
    origin: str,
    grpc: str = "127.0.0.1:8640",
    http: str = "127.0.0.1:8641",
    keys_from: Path | None = None,
    *,
    uris: Mapping[str, str] = _NO_URIS,
    passphrase_source: str | None = None,
    forms: Sequence[str] = FORMS,
    more: str = "",
) -> None:
    """Make a service in `directory`, which must not hold one; everything is durable on return.

    Its keys are copies of those in `keys_from`, or new: those of `uris`, by name, are there
    already, in a device, say. New ones are sealed with a passphrase when it has a source.
    `forms` are what the approval key makes when none are asked for; `more` is whatever else the
    configuration says from the start.

    Raises:
        ConfigError: there is something already, `origin` is no bare host name, `uris` name
            a key that no service has, or `more` cannot be said.
        KeyHomeError: a key cannot be used, or must not be.
        KeyUnavailableError, KeyFailedError: one that is in a device.
    """
    config = directory / "sealbook.toml"
    check_origin(origin)
    for address in (grpc, http):
        check_address(address)
    given = {name.replace("-", "_"): uri for name, uri in uris.items()}
    if given.keys() - set(_Keys._fields):
        names = ", ".join(map(_called, _Keys._fields))
        raise ConfigError(f"expected keys of {names}, found {', '.join(uris)}")
    keys = _Keys.load(keys_from) if keys_from else None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConfigError(
                f"expected {directory} to be empty, or not to be there",
                hint="nothing is ever overwritten; choose another directory",
            )
        (directory / "keys").mkdir(mode=0o700)
        (directory / "certificates").mkdir(mode=0o755)
    except OSError as e:
        raise ConfigError(f"cannot make {directory}: {e.strerror}") from e
    at = {name: _uri(name, passphrase_source) for name in _Keys._fields} | given
    if keys is None:
        keys = _Keys.make(at, given, directory)
    else:
        keys.save(directory / "keys")
    seal = secrets.token_bytes(32)
    write_secret(directory / "keys" / "seal", seal)
    write_secret(directory / "token", f"sealbook_{secrets.token_urlsafe(32)}\n".encode())
    append_token = f"sealbook_append_{secrets.token_urlsafe(32)}"
    write_secret(directory / "append-token", f"{append_token}\n".encode())
    now = int(time.time())
    chains = _Chains.make(keys, origin, now)
    chains.save(directory / "certificates")
    trust = _trust(origin, keys, chains, now)
    signed = SignedFile.sign(PAYLOAD_TYPE, trust.json(), [keys.trust_root])
    _write(directory / "trust.json", signed.json())
    _write(directory / "trusted_root.json", trusted_root(trust))
    for key in ("release", "attest", "promise"):
        _write(directory / f"{key}.pub", getattr(keys, key).public.pem())
    uploading = signing_config(f"http://{APPENDER}:{append_token}@{http}", origin, now)
    write_secret(directory / "signing_config.json", uploading)
    home = opening.Home(directory / "ledger", directory / "anchor", origin)
    if keys.log_post_quantum is None:
        del at["log_post_quantum"]
    text = first_config(origin, grpc, http, at, forms) + more
    first = canonical(Config.parse(text, config), None)
    Store.create(directory / "access.db")
    opening.create(home, LogKeys(keys.log, seal), genesis(origin, keys.event, trust, first))
    handed = Handed(LiveTrust(trust), directory / "status.json", directory / "trusted_root.json")
    with opening.open_ledger(home, LogKeys(keys.log, seal)) as ledger:
        StatusKeeper(ledger, keys.status, handed, every_s=STATUS_EVERY_S, previous=None).make()
    # Last: a directory without it is no service.
    _write(config, text.encode())
    for made in (directory / "keys", directory / "certificates", directory, directory.parent):
        sync(made)


def genesis(origin: str, event_key: Key, trust: TrustRoot, config: Canonical) -> NewEntry:
    """Return the event that opens the ledger, so that no client's entry has an empty path.

    `config` is the first configuration: what comes after it are events of their own.
    """
    logs = [
        {
            "checkpoint_key": b64encode(log.checkpoint_key.public.spki),
            **({"promise_key": b64encode(log.promise_key.spki)} if log.promise_key else {}),
        }
        for log in trust.logs
    ]
    predicate = {
        FIRST: config,
        "event_key": b64encode(event_key.public.spki),
        "logs": logs,
        "origin": origin,
    }
    return signed_event("genesis", origin, event_key, predicate, None)


def _trust(origin: str, keys: _Keys, chains: _Chains, now: int) -> TrustRoot:
    logs = [TrustedLog(origin, NoteKey.of(origin, keys.log.public), keys.promise.public)]
    if keys.log_post_quantum:
        logs.append(TrustedLog(origin, NoteKey.of(origin, keys.log_post_quantum.public)))
    trusted = keys_by_hint(
        [
            TrustedKey("release", "approve", keys.release.public, _EVERYWHERE),
            TrustedKey("attest", "attest", keys.attest.public, _EVERYWHERE),
            TrustedKey("event", "event", keys.event.public, _EVERYWHERE),
            TrustedKey("status", "status", keys.status.public, _EVERYWHERE),
        ]
    )
    authorities = (
        Authority("timestamp", chains.timestamp),
        Authority("certificate", chains.issuer),
        Authority("transparency", (keys.transparency.public.spki,)),
        Authority("notation", chains.release[1:]),
    )
    quorum = Quorum.parse("quorum none\n")
    roots = Roots(1, {"root": keys.trust_root.public})
    expires = now + _LIFETIME_S
    return TrustRoot(1, now, expires, tuple(logs), trusted, quorum, authorities, roots)


def _called(name: str) -> str:
    return name.replace("_", "-")


def _file(name: str) -> str:
    return f"{_called(name)}.pem"


def _uri(name: str, passphrase_source: str | None) -> str:
    """Return where a new key goes."""
    if passphrase_source is None:
        return f"file:keys/{_file(name)}"
    return f"file:keys/{_called(name)}.key?passphrase-source={passphrase_source}"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync(path)
