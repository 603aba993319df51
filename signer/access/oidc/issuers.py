"""From a token to whom it is for.

    1. the token has the shape of one (`prechecks`)
    2. it is of a configured issuer, for us alone, and for now (`claims`)
    3. its issuer signs by its algorithm, and has a key of its id (`keeping`)
    4. that key signed it (`jwks`)
    5. it says what tokens of its issuer say, and is of no build of a mere proposal (`presets`)

What comes before the signature only refuses: nothing that is read is believed until it is checked.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from signer.access.oidc import claims as said
from signer.access.oidc import prechecks
from signer.access.oidc.fetching import fetch_keys
from signer.access.oidc.jwks import Key, KeySet
from signer.access.oidc.keeping import FetchedKeys, Keys
from signer.access.oidc.presets import is_proposed, preset
from signer.access.oidc.verified import Verified
from signer.errors import (
    ConfigError,
    KeySetError,
    TokenAlgorithmError,
    TokenClaimError,
    TokenEventError,
    TokenIssuerError,
)

if TYPE_CHECKING:  # the configuration knows us: its places have claims in them
    from signer.config import Config
    from signer.config.access import IssuerSection

_MOST_FILE = 1 << 20  # bytes of a file of certificates


class _Issuer(NamedTuple):
    name: str
    section: IssuerSection
    keys: Keys
    source: tuple[str, ...]  # where the keys come from: another's cache is not ours


class FileKeys:
    """Keys from a file, for where there is no way to the issuer."""

    def __init__(self, path: Path) -> None:
        """Read the key set at `path`.

        Raises:
            ConfigError: it cannot be read, or is no key set.
        """
        try:
            self._keys = KeySet.parse(path.read_bytes())
        except OSError as e:
            raise ConfigError(f"cannot read {path}: {e.strerror}") from e
        except KeySetError as e:
            raise ConfigError(f"{path}: {e.message}") from e

    def key(self, key_id: str) -> Key:
        """Return the key of that id; raises `TokenKeyError` when there is none."""
        return self._keys.key(key_id)


class Issuers:
    """The configured issuers, with their keys. Safe in many threads."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        """Know the issuers of `config`; their keys are fetched when the first token comes.

        `clock` is what the age of keys is told by.

        Raises:
            ConfigError: a file of keys or certificates cannot be used.
        """
        self._clock = clock
        self._by_url: Mapping[str, _Issuer] = {}
        self.prepare(config)()

    def prepare(self, config: Config) -> Callable[[], None]:
        """Read the issuers of `config`, and return what puts them in force.

        Keys that were fetched stay known where they would be fetched from the same address under
        the same roots; files are read again.

        Raises:
            ConfigError: a file of keys or certificates cannot be used.
        """
        kept = {issuer.source: issuer.keys for issuer in self._by_url.values()}
        by_url = {}
        for name, section in config.issuers.items():
            roots = _roots(config.path(section.ca)) if section.ca else ""
            source: tuple[str, ...] = (section.issuer, section.jwks_url or "", roots)
            keys: Keys
            if section.jwks_file is not None:
                source, keys = (), FileKeys(config.path(section.jwks_file))
            else:
                keys = kept.get(source) or self._fetched(section, roots)
            by_url[section.issuer] = _Issuer(name, section, keys, source)

        def install() -> None:
            self._by_url = by_url

        return install

    def verify(self, token: str, now: float) -> Verified:
        """Return whom `token` is for, at `now` in POSIX seconds.

        It may wait some seconds for an issuer's keys: call it in a thread. That a token counts
        once is for the caller to see to, by what `Verified.used` says.

        Raises:
            TokenError: it is not taken, and its subclass and code say why.
            IssuerError: nobody knows the issuer's keys now.
        """
        # 1. the shape
        parsed = prechecks.parse(token)
        # 2. of whom, for whom, and when
        found = said.read(parsed.payload)
        url = said.issuer(found)
        issuer = self._by_url.get(url)
        if issuer is None:
            raise TokenIssuerError("the issuer of the token is not configured")
        section = issuer.section
        said.check_audience(found, section.audience)
        times = said.check_times(found, now, section.longest_s)
        # 3. by which key
        if parsed.algorithm not in section.signed_by:
            raise TokenAlgorithmError(
                f"expected a token signed by {' or '.join(section.signed_by)} of this issuer"
            )
        key = issuer.keys.key(parsed.key_id)
        # 4. the signature
        key.check(parsed)
        # 5. what it says
        return _judged(issuer, parsed, found, times)

    def _fetched(self, section: IssuerSection, roots: str) -> FetchedKeys:
        trust = ssl.create_default_context(cadata=roots or None)
        fetch = partial(fetch_keys, section.issuer, section.jwks_url, trust)
        return FetchedKeys(section.issuer, fetch, self._clock)


def _judged(
    issuer: _Issuer, parsed: prechecks.Parsed, found: Mapping[str, Any], times: said.Times
) -> Verified:
    """Return whom a token is for whose signature is its issuer's."""
    section, texts = issuer.section, said.as_text(found)
    if not isinstance(found.get("sub"), str) or not texts.get("sub"):
        raise TokenClaimError("expected a 'sub' in the token: a text of at most 1,024 characters")
    known = preset(section.preset)
    subject, stable = known.whom(texts)
    if is_proposed(section.preset, texts) and not section.pull_requests:
        raise TokenEventError("the token is of a build that anybody may propose")
    jti = said.token_id(found)
    return Verified(
        issuer_name=issuer.name,
        issuer=section.issuer,
        subject=subject,
        claims=MappingProxyType(texts),
        stable=MappingProxyType(stable),
        jti=jti,
        reuse=known.reuse,
        used=_used(section.issuer, jti, parsed.signed),
        expires_at=times.expires_at,
        pipeline=not section.people,
        issued_at=times.issued_at,
        lifetime_s=section.longest_s,
        confirmation=said.confirmation(found),
    )


def _used(url: str, jti: str | None, signed: bytes) -> bytes:
    """Return what to remember of a token.

    Not its text: an ECDSA signature (r, s) is as good as (r, n - s), and would count again.
    """
    kind, of = (b"signed", signed) if jti is None else (b"jti", jti.encode())
    return hashlib.sha256(b"\0".join((url.encode(), kind, of))).digest()


def _roots(path: Path) -> str:
    """Return the PEM certificates at `path`, at least one: none would mean the system's roots."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with path.open("rb") as file:
            pem = file.read(_MOST_FILE).decode("ascii")
        if pem:
            trust.load_verify_locations(cadata=pem)
    except OSError as e:  # ssl.SSLError is one
        raise ConfigError(f"cannot read the certificates in {path}: {e.strerror or e}") from e
    except ValueError as e:
        raise ConfigError(f"expected PEM certificates in {path}") from e
    if not trust.cert_store_stats()["x509"]:
        raise ConfigError(f"expected PEM certificates in {path}")
    return pem
