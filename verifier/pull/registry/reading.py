"""The file of registries; its format is in `settings`.

Relative paths start at the file. `credential = "systemd:NAME"` is a credential of the unit that
runs us, as of LoadCredentialEncrypted=.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError
from verifier.pull.errors import RegistrySettingsError
from verifier.pull.registry.settings import DEADLINE_S, Registries, RegistrySettings
from verifier.repository import Scope

_NAME = "registries.toml"
_SYSTEM = Path("/etc/sealbook/registries.toml")
_MOST = 1024
_LONGEST_S = 3600
_SYSTEMD = "systemd:"
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)
_HOST = re.compile(r"[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?", re.ASCII)


def read_registries(path: Path | None = None) -> Registries:
    """Return what is in `path`, or else in the first file that `settings` names; or defaults.

    Raises:
        RegistrySettingsError: a file that was named is not there, or one cannot be used.
    """
    named = path or os.environ.get("SEALBOOK_REGISTRIES")
    if named:
        return _parse(Path(named), _content(Path(named)))
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    for place in (Path(home).expanduser() / "sealbook" / _NAME, _SYSTEM):
        if place.exists():
            return _parse(place, _content(place))
    return Registries()


def credential_path(text: str, base: Path) -> Path:
    """Return the file of a credential, written as a path from `base` or as `systemd:NAME`.

    Raises:
        RegistrySettingsError: it is neither, or no unit runs us.
    """
    if not text.startswith(_SYSTEMD):
        return base / Path(text).expanduser()
    called, directory = text.removeprefix(_SYSTEMD), os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not _CREDENTIAL.fullmatch(called) or called in (".", ".."):
        raise RegistrySettingsError(f"expected a credential's name, found {called[:80]!r}")
    if not directory.startswith("/"):
        raise RegistrySettingsError(
            f"credential {called!r}: there is no $CREDENTIALS_DIRECTORY",
            hint="run it in a systemd unit with LoadCredential= or LoadCredentialEncrypted=",
        )
    return Path(directory) / called


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limits.POLICY + 1)
    except OSError as e:
        raise RegistrySettingsError(f"cannot read {path}: {e.strerror}") from e
    if len(content) > limits.POLICY:
        raise RegistrySettingsError(f"{path}: expected at most {limits.POLICY} bytes")
    return content


def _parse(path: Path, content: bytes) -> Registries:
    try:
        fields = Fields(tomllib.loads(content.decode()), _NAME)
        docker = fields.take("docker", bool) if fields.has("docker") else True
        listed = fields.items("registry", most=_MOST) if fields.has("registry") else []
        fields.done()
        found = [_registry(one, i, path.absolute().parent) for i, one in enumerate(listed)]
    except (ValueError, MalformedError) as e:
        raise RegistrySettingsError(f"{path}: {e}") from e
    prefixes = [one.prefix for one in found]
    if twice := next((one for one in prefixes if prefixes.count(one) > 1), None):
        raise RegistrySettingsError(f"{path}: prefix {twice!r} is there twice")
    return Registries(tuple(found), docker)


def _registry(value: object, index: int, base: Path) -> RegistrySettings:
    fields = Fields(value, f"registry[{index}]")
    prefix = Scope(fields.text("prefix"))
    paths = {
        key: base / Path(fields.text(key)).expanduser() if fields.has(key) else None
        for key in ("ca", "client_certificate", "client_key")
    }
    credential = fields.text("credential") if fields.has("credential") else ""
    found = RegistrySettings(
        prefix,
        credential_path(credential, base) if credential else None,
        paths["ca"],
        paths["client_certificate"],
        paths["client_key"],
        _hosts(fields, "token_hosts"),
        fields.take("plain_http", bool) if fields.has("plain_http") else None,
        _hosts(fields, "redirect_hosts"),
        float(fields.take("timeout_s", int)) if fields.has("timeout_s") else DEADLINE_S,
    )
    fields.done()
    if found.credential and prefix == "*":
        raise MalformedError("a credential needs a host as prefix: whoever is named would get it")
    if not 0 < found.timeout_s <= _LONGEST_S:
        raise MalformedError(f"timeout_s: expected 1 to {_LONGEST_S} seconds")
    if (found.client_certificate is None) != (found.client_key is None):
        raise MalformedError("client_certificate and client_key go together")
    return found


def _hosts(fields: Fields, key: str) -> tuple[str, ...]:
    found = fields.items(key, most=_MOST) if fields.has(key) else []
    for one in found:
        if not isinstance(one, str) or not _HOST.fullmatch(one):
            raise MalformedError(f"{key}: expected host[:port] in lower case, found {one!r:.80}")
    return tuple(found)
