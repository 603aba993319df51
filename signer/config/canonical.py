r"""The canonical configuration, as the ledger keeps it for good.

    {"config":{"origin":"ledger.example",…},
     "files":{"access.token":"hmac-sha256:…","approvers.alice.key":"sha256:…",…},
     "policy":"type = \"urn:sealbook:policy:v1\"\n…"}

`config` is what the file says, without what is as it would be anyway, and with paths as they are
written. `files` is what decides who may do what, and lies elsewhere. The policy is there in
full: who could sign what depends on it, and so does who could have known.

No secret can be guessed from it. Of the tokens there is an HMAC under the ledger's seal, which
never leaves the machine: whoever chose a short one has not published its hash. What the file
itself says must hold no secret; should a URL have a password all the same, it is left out.

Not here: what has an event of its own (trust.json, revocations, keys that were made by command),
and what is renewed all the time and decides nothing (status.json, the TLS certificate).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from signer.config import Config
from signer.errors import ConfigError
from signer.keys.secret_files import read_secret, read_token

Canonical = Mapping[str, Any]

_MOST_FILE = 4 << 20
_OURS = {"base", "file"}
_SECRETS = ("token", "append_token", "approver_token")
_IN_URL = re.compile(r"(?<=//)[^/@\s]*@|(?<=pin-value=)[^&;?]*")


def canonical(config: Config, policy: bytes | None) -> Canonical:
    """Return `config` as the ledger keeps it, with the `policy` that is in force.

    Raises:
        ConfigError: a file that it names cannot be read, or the policy is not text.
        KeyFileError: the seal, or a token.
    """
    said = config.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_OURS)
    found: dict[str, Any] = {"config": _plain(said), "files": dict(_files(config))}
    if policy is not None:
        try:
            found["policy"] = policy.decode()
        except UnicodeDecodeError as e:
            raise ConfigError("the policy is not in UTF-8") from e
    return found


def sections(before: Canonical, after: Canonical) -> list[str]:
    """Return what differs, as in "bindings" or "files.access.token", in order."""
    found = set(_differing(before.get("config", {}), after.get("config", {}), ""))
    found |= set(_differing(before.get("files", {}), after.get("files", {}), "files."))
    if before.get("policy") != after.get("policy"):
        found.add("policy")
    return sorted(found)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], above: str) -> Iterator[str]:
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        if above == "" and isinstance(was, dict) and isinstance(now, dict):
            yield from _differing(was, now, f"{name}.")
        else:
            yield above + name


def _plain(value: Any) -> Any:
    """Return JSON without fractions, and without what would be a secret."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else repr(value)
    return _IN_URL.sub("", value) if isinstance(value, str) else value


def _files(config: Config) -> Iterator[tuple[str, str]]:
    """Yield where each file is named that decides something, and the hash of it."""
    seal = read_secret(config.path(config.keys.seal))
    for name in _SECRETS:
        path = getattr(config.access, name)
        if path is not None:
            token = read_token(config.path(path)).encode()
            keyed = hmac.new(seal, b"sealbook configuration\0" + token, hashlib.sha256)
            yield f"access.{name}", f"hmac-sha256:{keyed.hexdigest()}"
    for name, path in _plain_files(config):
        yield name, f"sha256:{_sha256(config.path(path), name)}"


def _plain_files(config: Config) -> Iterator[tuple[str, Path]]:
    named: dict[str, Path | None] = {
        "listen.client_ca": config.listen.client_ca,
        "certificates.timestamp": config.certificates.timestamp,
        "certificates.issuer": config.certificates.issuer,
        "witnesses.ca": config.witnesses.ca,
    }
    if config.timestamp is not None:
        named |= {"timestamp.chain": config.timestamp.chain, "timestamp.ca": config.timestamp.ca}
    for name, key in config.signing.keys.items():
        named[f"signing.keys.{name}.certificate"] = key.certificate
    for name, person in config.approvers.items():
        named[f"approvers.{name}.key"] = person.key
    for i, registry in enumerate(config.registries):
        named[f"registries.{i}.ca"] = registry.ca
    for name, issuer in config.issuers.items():
        named[f"issuers.{name}.jwks_file"] = issuer.jwks_file
        named[f"issuers.{name}.ca"] = issuer.ca
    yield from ((name, path) for name, path in named.items() if path is not None)


def _sha256(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_FILE + 1)
    except OSError as e:
        raise ConfigError(f"{name}: cannot read {path}: {e.strerror}") from e
    if len(content) > _MOST_FILE:
        raise ConfigError(f"{name}: expected at most {_MOST_FILE} bytes in {path}")
    return hashlib.sha256(content).hexdigest()
