"""Which certificates count at a registry, and which one is shown to it.

The system's roots, or those of SSL_CERT_FILE and SSL_CERT_DIR, always do. Besides them, what is
configured for the registry; where nothing is, what docker and containerd have for it:

    /etc/docker/certs.d/HOST[:PORT]/*.crt            CAs
    /etc/docker/certs.d/HOST[:PORT]/*.cert + *.key   a client's certificate and its key
    /etc/containerd/certs.d/HOST[:PORT]/hosts.toml   ca = …, client = …

Nothing turns checking off: where containerd is told to, with `skip_verify`, we say so and stop.

Spec: docs.docker.com "Verify repository client with certificates"; containerd, docs/hosts.md.
"""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from verifier import limits
from verifier.pull.errors import RegistrySettingsError
from verifier.pull.registry.settings import RegistrySettings

DOCKER = (Path("/etc/docker/certs.d"), Path("~/.config/docker/certs.d"))
CONTAINERD = Path("/etc/containerd/certs.d")
_MOST_FILES = 64  # of one directory


class Trusted(NamedTuple):
    """Files of CAs that count besides the system's, and (certificate, key) that are shown."""

    cas: tuple[Path, ...] = ()
    shown: tuple[tuple[Path, Path], ...] = ()

    def context(self, *, show: bool) -> ssl.SSLContext:
        """Return what a connection needs; with `show` it has the client's certificates.

        Raises:
            RegistrySettingsError: a file cannot be used.
        """
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        for path in self.cas:
            try:
                context.load_verify_locations(path)
            except OSError as e:  # SSLError is one
                raise _unusable(path, "CA certificates in PEM", e) from e
        for certificate, key in self.shown if show else ():
            try:
                # A key that asks for a passphrase must not ask whoever sits at the terminal.
                context.load_cert_chain(certificate, key, password=_no_passphrase)
            except OSError as e:
                raise _unusable(certificate, f"a certificate, and its key in {key}", e) from e
        return context


def trusted(host: str, settings: RegistrySettings, *, docker: bool) -> Trusted:
    """Return what counts at `host` (with its port, if it was written with one).

    `docker`: also what docker and containerd have, where `settings` has nothing.

    Raises:
        RegistrySettingsError: a file cannot be read, or tells not to check.
    """
    if settings.ca or settings.client_certificate or not docker:
        certificate, key = settings.client_certificate, settings.client_key
        return Trusted(
            (settings.ca,) if settings.ca else (),
            ((certificate, key or certificate),) if certificate else (),
        )
    for directory in DOCKER:
        found = _docker(directory.expanduser() / host)
        if found != Trusted():
            return found
    return _containerd(CONTAINERD, host)


def _docker(directory: Path) -> Trusted:
    try:
        names = sorted(directory.iterdir())[:_MOST_FILES]
    except OSError:
        return Trusted()
    pairs = [(path, path.with_suffix(".key")) for path in names if path.suffix == ".cert"]
    for certificate, key in pairs:
        if key not in names:
            raise RegistrySettingsError(f"{certificate} has no key beside it: expected {key.name}")
    return Trusted(tuple(path for path in names if path.suffix == ".crt"), tuple(pairs))


def _containerd(root: Path, host: str) -> Trusted:
    """Read hosts.toml of `host`, or else of `_default`."""
    flat = f"{host.replace(':', '_')}_" if ":" in host else host
    for called in (host, flat, "_default"):
        directory = root / called
        path = directory / "hosts.toml"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if directory.is_dir():
                return _docker(directory)
            continue
        except OSError as e:
            raise RegistrySettingsError(f"cannot read {path}: {e.strerror}") from e
        if len(content) > limits.POLICY:
            raise RegistrySettingsError(f"{path}: expected at most {limits.POLICY} bytes")
        try:
            value = tomllib.loads(content.decode())
        except ValueError as e:
            raise RegistrySettingsError(f"{path} is not TOML: {e}") from e
        return _hosts(value, path, host)
    return Trusted()


def _hosts(value: dict[str, Any], path: Path, host: str) -> Trusted:
    """Take what is said of all hosts, and what is said of this one."""
    cas: list[Path] = []
    shown: list[tuple[Path, Path]] = []
    tables = value.get("host", {})
    own = tables.get(f"https://{host}", {}) if isinstance(tables, dict) else {}
    for said in (value, own):
        if not isinstance(said, dict):
            raise RegistrySettingsError(f"{path}: expected a table for {host}")
        if said.get("skip_verify"):
            raise RegistrySettingsError(
                f"{path} tells to take any certificate of {host}, which we never do",
                hint=f'name its CA in registries.toml: [[registry]] prefix = "{host}" ca = "FILE"',
            )
        cas += [path.parent / text for text in _texts(said.get("ca", []), path)]
        shown += _clients(said.get("client", []), path)
    return Trusted(tuple(cas), tuple(shown))


def _clients(said: object, path: Path) -> Iterator[tuple[Path, Path]]:
    """Read a file with both, several of those, or pairs of certificate and key."""
    for one in said if isinstance(said, list) else [said]:
        match _texts(one, path):
            case [both] | [both, ""]:
                yield path.parent / both, path.parent / both
            case [certificate, key]:
                yield path.parent / certificate, path.parent / key
            case _:
                raise RegistrySettingsError(f"{path}: expected files as client, or pairs of them")


def _texts(said: object, path: Path) -> Sequence[str]:
    said = said if isinstance(said, list) else [said]
    texts = [text for text in said if isinstance(text, str)]
    if len(texts) != len(said):
        raise RegistrySettingsError(f"{path}: expected names of files")
    return texts


def _no_passphrase() -> str:
    raise ssl.SSLError("the key has a passphrase")


def _unusable(path: Path, what: str, error: OSError) -> RegistrySettingsError:
    why = getattr(error, "reason", None) or error.strerror or str(error)
    return RegistrySettingsError(f"{path}: expected {what}: {why}")
