"""The files that verifiers pin, as the service hands them out, seen to be about this ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from signer.config import Config
from signer.errors import ConfigError, TrustedRootError
from verifier import limits
from verifier._strict import json_object
from verifier.errors import VerificationError
from verifier.trust import TrustRoot
from verifier.trusted_root import signing_config, trusted_root

_OTHERS = ("ctlogs", "certificateAuthorities", "timestampAuthorities")


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
