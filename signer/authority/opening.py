"""The authorities that the configuration names, held against the trust file.

A chain or key that the trust file does not list would make certificates and
timestamps that nobody accepts: that shows at start.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from signer.authority import Authorities, Issuer, TimestampAuthority, chains
from signer.authority.issuing import LeafIssuer
from signer.authority.timestamp import OwnAuthority
from signer.config import Config
from signer.errors import ConfigError
from signer.own_keys import OwnKeys
from verifier.entry import certified_key
from verifier.errors import UntrustedLogError
from verifier.publickey import Key
from verifier.trust import TrustRoot
from verifier.trust.listed import Authority


def opened(config: Config, own: OwnKeys, trust: TrustRoot) -> Authorities:
    """Return what `config` names, each listed in `trust` for what it does.

    Raises:
        ConfigError: a key without its chain, or a chain that is not there, not of this key,
            or not for this.
        UntrustedLogError: `trust` does not list it.
    """
    issuer, behind = _issuer(config, own, trust)
    return Authorities(issuer, _timestamps(config, own, trust), behind)


def _issuer(
    config: Config, own: OwnKeys, trust: TrustRoot
) -> tuple[Issuer | None, tuple[str, ...]]:
    if own.issuer is None or own.transparency is None:
        if own.issuer or own.transparency:
            raise ConfigError("keys.issuer and keys.transparency go together")
        return None, ()
    chain = _chain_of(own.issuer, "issuer", config, chains.read_issuer)
    behind = (
        Authority("certificate", chain),
        Authority("transparency", (own.transparency.public.spki,)),
    )
    for one in behind:
        _listed(trust, one.kind, one.chain)
    issuer = LeafIssuer(own.issuer, chain, own.transparency)
    return issuer, tuple(one.fingerprint for one in behind)


def _timestamps(config: Config, own: OwnKeys, trust: TrustRoot) -> TimestampAuthority | None:
    outside = config.timestamp
    if outside is not None:
        from signer.authority.outside import OutsideAuthority
        from signer.transport import HttpTransport

        chain = chains.read_timestamper(config.path(outside.chain))
        _listed(trust, "timestamp", chain)
        transport = HttpTransport(config.path(outside.ca) if outside.ca else None)
        return OutsideAuthority(outside.url, chain, transport, outside.timeout_s)
    if own.timestamp is None:
        return None
    chain = _chain_of(own.timestamp, "timestamp", config, chains.read_timestamper)
    _listed(trust, "timestamp", chain)
    return OwnAuthority(own.timestamp, chain)


def _chain_of(
    key: Key, name: str, config: Config, read: Callable[[Path], tuple[bytes, ...]]
) -> tuple[bytes, ...]:
    path: Path | None = getattr(config.certificates, name)
    if path is None:
        raise ConfigError(f"keys.{name} needs certificates.{name}")
    chain = read(config.path(path))
    if certified_key(chain[0]) != key.public:
        raise ConfigError(f"the first certificate of certificates.{name} is of another key")
    return chain


def _listed(trust: TrustRoot, kind: str, chain: tuple[bytes, ...]) -> None:
    if chain not in [one.chain for one in trust.authorities if one.kind == kind]:
        raise UntrustedLogError(f"the trust file lists no {kind} authority like the configured one")
