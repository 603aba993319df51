"""The files that verifiers pin, as the service hands them out, seen to be about this ledger."""

from __future__ import annotations

import json
from pathlib import Path

from signer.config import Config
from signer.errors import ConfigError, TrustedRootError
from verifier import limits
from verifier._strict import json_object
from verifier.errors import VerificationError
from verifier.trust import TrustRoot
from verifier.trusted_root import signing_config, trusted_root


def read_trust(config: Config) -> TrustRoot:
    """Return the trust file, once the trusted_root.json beside it is seen to agree.

    Raises:
        ConfigError: one of them is not there.
        VerificationError: the trust file is none.
        TrustedRootError: the other one would send clients elsewhere.
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
    """Check that each log of `trust` is there, under the one URL that clients accept."""
    try:
        listed = json_object(found, limit=limits.TRUST_FILE)
        logs = {log["logId"]["keyId"]: log["baseUrl"] for log in listed["tlogs"]}
    except (VerificationError, KeyError, TypeError) as e:
        raise TrustedRootError("expected the trusted_root.json of this ledger") from e
    for expected in json.loads(trusted_root(trust))["tlogs"]:
        base_url = logs.get(expected["logId"]["keyId"])
        if base_url != expected["baseUrl"]:
            raise TrustedRootError(
                f"expected baseUrl {expected['baseUrl']} for each key of the log, found {base_url}"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
