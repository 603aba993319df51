"""The files that verifiers pin, as the service hands them out, seen to be about this ledger.

`LiveTrust` is the one object that knows the trust file in force: it can be followed by another
one while the service runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from signer.config import Config
from signer.errors import ConfigError, TrustedRootError
from verifier import limits
from verifier._strict import json_object
from verifier.errors import PolicyMismatchError, VerificationError
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocation
from verifier.trusted_root import signing_config, trusted_root

_NEVER = "9999-12-31T23:59:59Z"
_OTHERS = ("ctlogs", "certificateAuthorities", "timestampAuthorities")


class LiveTrust:
    """The trust file in force. Safe in many threads: it is swapped whole."""

    def __init__(self, root: TrustRoot, since: float = 0.0) -> None:
        """Let `root` be in force `since` then, POSIX seconds."""
        self._root = root
        self._since = dict.fromkeys(root.keys.values(), since)

    @classmethod
    def read(cls, config: Config) -> Self:
        """Read the one that is handed out, since its file was written.

        Raises:
            ConfigError, VerificationError, TrustedRootError: as `read_trust`.
        """
        root, path = read_trust(config), config.path(config.trust.trust)
        try:
            return cls(root, path.stat().st_mtime)
        except OSError as e:
            raise ConfigError(f"cannot read {path}: {e.strerror}") from e

    @property
    def root(self) -> TrustRoot:
        """What it says."""
        return self._root

    def since(self, key: TrustedKey) -> float:
        """Return since when a key of it is trusted just like that, POSIX seconds."""
        return self._since[key]

    def follow(self, root: TrustRoot, now: float) -> None:
        """Let `root` be in force from `now` on."""
        self._since = {key: self._since.get(key, now) for key in root.keys.values()}
        self._root = root


class Handed(NamedTuple):
    """The files of one service that say what no longer counts, and the trust file beside them."""

    live: LiveTrust
    status: Path
    trusted_root: Path

    @classmethod
    def of(cls, config: Config, live: LiveTrust) -> Handed:
        """Take the paths that are configured."""
        return cls(live, config.path(config.trust.status), config.path(config.trust.trusted_root))

    @property
    def trust(self) -> TrustRoot:
        """The trust file in force."""
        return self.live.root

    def ended(self, revocations: Iterable[Revocation]) -> bytes | None:
        """Return trusted_root.json as it has to become, or None when it is right.

        Only the ends of revoked authorities are put in: whatever else is there, stays, an
        earlier end too.

        Raises:
            ConfigError, TrustedRootError: it is not there any more, or is none.
        """
        expected = json.loads(trusted_root(self.trust, revocations))
        ends = {
            _identified(one)[0]: _valid_for(one)["end"]
            for field in _OTHERS
            for one in expected[field]
            if "end" in _valid_for(one)
        }
        if not ends:
            return None
        found = _read(self.trusted_root)
        try:
            listed = json_object(found, limit=limits.TRUST_FILE)
            changed = False
            for one in (one for field in _OTHERS for one in listed.get(field, [])):
                window, end = _valid_for(one), ends.get(_identified(one)[0])
                if end is not None and window.get("end", _NEVER) > end:
                    window |= {"start": min(window["start"], end), "end": end}
                    changed = True
        except (VerificationError, KeyError, TypeError, AttributeError) as e:
            raise TrustedRootError("expected the trusted_root.json of this ledger") from e
        return (json.dumps(listed, indent=2) + "\n").encode() if changed else None


def handed_out(config: Config) -> dict[str, Path]:
    """Return the files that are served as they lie there, by the name that each has then."""
    named = {
        "trust.json": config.trust.trust,
        "trusted_root.json": config.trust.trusted_root,
        "status.json": config.trust.status,
    }
    return {name: config.path(path) for name, path in named.items()}


def read_policy(config: Config, trust: TrustRoot) -> bytes | None:
    """Return the policy that the service hands out, if it does.

    Raises:
        ConfigError: it is not there.
        PolicyMismatchError: it is not the one that the trust file pins.
    """
    if config.trust.policy is None:
        return None
    content = _read(config.path(config.trust.policy))
    found = hashlib.sha256(content).digest()
    if trust.policy_sha256 and found != trust.policy_sha256:
        raise PolicyMismatchError(
            f"expected the policy {trust.policy_sha256.hex()}, found {found.hex()}"
        )
    return content


def read_trust(config: Config) -> TrustRoot:
    """Return the trust file, once the trusted_root.json beside it is seen to agree.

    Raises:
        ConfigError: one of them is not there.
        VerificationError: the trust file is none.
        TrustedRootError: with the other one clients would refuse what is made here.
    """
    trust = TrustRoot.parse(_read(config.path(config.trust.trust)))
    _check_trusted_root(trust, _read(config.path(config.trust.trusted_root)))
    return trust


def public_signing_config(config: Config, trust: TrustRoot, http_address: str) -> bytes:
    """Return the signing_config.json that anybody may read: it holds no token."""
    scheme = "https" if config.listen.tls_certificate else "http"
    url = config.listen.public_url or f"{scheme}://{http_address}"
    return signing_config(url, config.origin, trust.issued)


def _check_trusted_root(trust: TrustRoot, found: bytes) -> None:
    """Check that all of `trust` is there, each log under the one URL that clients accept."""
    expected = json.loads(trusted_root(trust))
    try:
        listed = json_object(found, limit=limits.TRUST_FILE)
        logs = {log["logId"]["keyId"]: log["baseUrl"] for log in listed["tlogs"]}
        others = {field: [_identified(one) for one in listed.get(field, [])] for field in _OTHERS}
    except (VerificationError, KeyError, TypeError, AttributeError) as e:
        raise TrustedRootError("expected the trusted_root.json of this ledger") from e
    for log in expected["tlogs"]:
        base_url = logs.get(log["logId"]["keyId"])
        if base_url != log["baseUrl"]:
            raise TrustedRootError(
                f"expected baseUrl {log['baseUrl']} for each key of the log, found {base_url}"
            )
    for field, known in others.items():
        if not all(_identified(one) in known for one in expected[field]):
            raise TrustedRootError(
                f"expected every authority of trust.json among {field}, found {len(known)} others"
            )


def _identified(authority: dict[str, Any]) -> list[str]:
    """Return what clients know a log or an authority by: its id, or its certificates."""
    if "logId" in authority:
        return [authority["logId"]["keyId"]]
    return [one["rawBytes"] for one in authority["certChain"]["certificates"]]


def _valid_for(authority: dict[str, Any]) -> dict[str, str]:
    """Return when an authority counts; a log says so beside its key."""
    holder = authority.get("publicKey", authority)
    window: dict[str, str] = holder["validFor"]
    return window


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
