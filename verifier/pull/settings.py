"""What is configured of pulls on this host: whom to believe, where to look, how long.

    trust = "/var/lib/sealbook/trust"      # kept by `sealbook trust sync`
    sources = ["file", "service"]          # in this order; also "registry" and "layout"
    deadline_s = 30                        # for one image, in all
    warn = ["registry.example/lab"]        # refused there is said, and allowed

    [file]
    directory = "bundles"                  # sha256-<hex>.bundle.json, as `sealbook sign` writes

    [layout]
    directory = "images"                   # an OCI image layout

    [service]
    url = "https://sealbook.example:8443"
    ca = "ca.pem"                          # instead of those of the system
    client_certificate = "client.pem"
    client_key = "client.key"
    token = "token"                        # a file

    [registry]
    settings = "registries.toml"           # else where registries are configured for all

    [cache]
    directory = "/var/cache/sealbook"      # without: in memory, while the process lives
    entries = 4096                         # images
    size = 268435456                       # bytes
    refused_s = 5                          # how long a no is remembered

    [report]
    enabled = true                         # tell the service what was allowed and refused

    [daemon]
    socket = "/run/sealbook/pull.sock"     # where the warm daemon listens, if there is one
    uids = [1000]                          # who may ask it, beside root and its own user

The file is $SEALBOOK_PULL or /etc/sealbook/pull.toml. Relative paths start at it. Besides,
`trusted_root` is a file of another root for certificates, and `example_keys = true` is for
exercises.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError
from verifier.pull.errors import PullSettingsError
from verifier.repository import Repository, Scope

PATH = "/etc/sealbook/pull.toml"
SOCKET = "/run/sealbook/pull.sock"
SOURCES = ("file", "service", "registry", "layout")
DEADLINE_S = 30
_LONGEST_S = 30
_SCOPES = 1024
_UIDS = 64
_ENTRIES, _SIZE, _REFUSED_S = 4096, 256 << 20, 5
_LONGEST_REFUSED_S = 60


class ServiceSettings(NamedTuple):
    """How to ask the service; paths are absolute, "" is none."""

    url: str
    ca: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""


class CacheSettings(NamedTuple):
    """What may be remembered: of `entries` images, `size` bytes, and a no for `refused_s`."""

    directory: str = ""
    entries: int = _ENTRIES
    size: int = _SIZE
    refused_s: int = _REFUSED_S


class DaemonSettings(NamedTuple):
    """Where the warm daemon listens, and who may ask it beside root and its own user."""

    socket: str = SOCKET
    uids: tuple[int, ...] = ()


class PullSettings(NamedTuple):
    """A parsed file. `sources` are asked in this order; paths are absolute, "" is none."""

    trust: str
    sources: tuple[str, ...]
    deadline_s: int = DEADLINE_S
    warn: tuple[Scope, ...] = ()
    file: str = ""
    layout: str = ""
    service: ServiceSettings | None = None
    registries: str = ""
    cache: CacheSettings = CacheSettings()
    report: bool = False
    daemon: DaemonSettings = DaemonSettings()
    trusted_root: str = ""
    example_keys: bool = False

    @classmethod
    def load(cls, path: str | None = None) -> Self:
        """Return what is in the file at `path`, or else in the one that this host has.

        Raises:
            PullSettingsError: it cannot be read, or says what cannot be done.
        """
        path = os.path.abspath(path or os.environ.get("SEALBOOK_PULL") or PATH)  # noqa: PTH100
        try:
            with open(path, "rb") as file:  # noqa: PTH123  pathlib costs 5 ms of cold start
                content = file.read(limits.POLICY + 1)
        except OSError as e:
            raise PullSettingsError(f"cannot read {path}: {e.strerror}") from e
        return cls.parse(content, path)

    @classmethod
    def parse(cls, content: bytes, path: str) -> Self:
        """Read what the file at `path`, an absolute one, has in it; raises like `load`."""
        import tomllib

        if len(content) > limits.POLICY:
            raise PullSettingsError(f"{path}: expected at most {limits.POLICY} bytes")
        try:
            fields = Fields(tomllib.loads(content.decode()), "pull.toml")
            return cls._read(fields, path.rpartition("/")[0] or "/")
        except (ValueError, RecursionError) as e:  # of TOML, of UTF-8, of a number too long
            raise PullSettingsError(f"{path}: not TOML: {str(e)[:200]}") from e
        except MalformedError as e:
            raise PullSettingsError(f"{path}: {e.message}", hint=e.hint) from e

    def only_warns(self, repository: Repository) -> bool:
        """Whether what is refused of `repository` is said, and allowed."""
        return any(scope.covers(repository) for scope in self.warn)

    @property
    def socket(self) -> str:
        """Where the warm daemon listens."""
        return self.daemon.socket

    @classmethod
    def _read(cls, fields: Fields, base: str) -> Self:
        sources = tuple(fields.items("sources", most=len(SOURCES)))
        if not sources or len(set(map(str, sources))) != len(sources):
            raise MalformedError("sources: expected each once, and at least one")
        for one in sources:
            if one not in SOURCES:
                raise MalformedError(
                    f"sources: expected some of {', '.join(SOURCES)}, found {one!r:.40}"
                )
        warn = fields.items("warn", most=_SCOPES) if fields.has("warn") else []
        if not all(isinstance(one, str) for one in warn):
            raise MalformedError("warn: expected texts")
        found = cls(
            _path(fields, "trust", base, needed=True),
            sources,
            _number(fields, "deadline_s", DEADLINE_S, _LONGEST_S),
            tuple(map(Scope, warn)),
            _table(fields, "file", "directory", base, needed="file" in sources),
            _table(fields, "layout", "directory", base, needed="layout" in sources),
            _service(fields, base, needed="service" in sources),
            _table(fields, "registry", "settings", base),
            _cache(fields, base),
            _report(fields),
            _daemon(fields, base),
            _path(fields, "trusted_root", base),
            fields.take("example_keys", bool) if fields.has("example_keys") else False,
        )
        fields.done()
        if found.report and found.service is None:
            raise MalformedError("report: there is no [service] to tell")
        return found


def _service(fields: Fields, base: str, *, needed: bool) -> ServiceSettings | None:
    if not fields.has("service"):
        if needed:
            raise MalformedError("expected a table [service], which is one of the sources")
        return None
    table = fields.inside("service")
    found = ServiceSettings(
        table.text("url").rstrip("/"),
        *(_path(table, key, base) for key in ("ca", "client_certificate", "client_key", "token")),
    )
    table.done()
    scheme, _, rest = found.url.partition("://")
    if scheme not in ("http", "https") or not rest or not rest.isascii() or not rest.isprintable():
        raise MalformedError(f"service.url: expected https://host[:port], found {found.url[:80]!r}")
    if any(sign in rest for sign in "@?# \\"):
        raise MalformedError(f"service.url: expected https://host[:port], found {found.url[:80]!r}")
    if bool(found.client_certificate) != bool(found.client_key):
        raise MalformedError("service: client_certificate and client_key go together")
    if found.token and scheme != "https" and not _is_loopback(rest):
        raise MalformedError("service.url: expected https, for a token is sent there")
    return found


def _is_loopback(rest: str) -> bool:
    host = rest.partition("/")[0]
    return host.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost") or host in (
        "127.0.0.1",
        "[::1]",
        "localhost",
    )


def _cache(fields: Fields, base: str) -> CacheSettings:
    if not fields.has("cache"):
        return CacheSettings()
    table = fields.inside("cache")
    found = CacheSettings(
        _path(table, "directory", base),
        _number(table, "entries", _ENTRIES, 1 << 20),
        _number(table, "size", _SIZE, 1 << 40),
        _number(table, "refused_s", _REFUSED_S, _LONGEST_REFUSED_S, least=0),
    )
    table.done()
    return found


def _daemon(fields: Fields, base: str) -> DaemonSettings:
    if not fields.has("daemon"):
        return DaemonSettings()
    table = fields.inside("daemon")
    uids = table.items("uids", most=_UIDS) if table.has("uids") else []
    found = DaemonSettings(_path(table, "socket", base) or SOCKET, tuple(uids))
    table.done()
    if not all(type(one) is int and 0 <= one < 1 << 32 for one in uids):
        raise MalformedError("daemon.uids: expected numbers of users")
    return found


def _report(fields: Fields) -> bool:
    if not fields.has("report"):
        return False
    table = fields.inside("report")
    enabled = table.take("enabled", bool)
    table.done()
    return enabled


def _table(fields: Fields, name: str, key: str, base: str, *, needed: bool = False) -> str:
    """Take a table with one path in it."""
    if not fields.has(name) and not needed:
        return ""
    table = fields.inside(name)
    found = _path(table, key, base, needed=True)
    table.done()
    return found


def _path(fields: Fields, key: str, base: str, *, needed: bool = False) -> str:
    if not fields.has(key) and not needed:
        return ""
    found = fields.text(key)
    if not found or not found.isprintable():
        raise MalformedError(f"{key}: expected a path, found {found[:80]!r}")
    return os.path.join(base, found)  # noqa: PTH118


def _number(fields: Fields, key: str, default: int, most: int, *, least: int = 1) -> int:
    if not fields.has(key):
        return default
    found = fields.number(key)
    if not least <= found <= most:
        raise MalformedError(f"{key}: expected {least} to {most}, found {found}")
    return found
