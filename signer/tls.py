"""The service's TLS: certificate, key, and the authority whose clients are let in.

The files are looked at all the time, and read again when they change: new connections get what
is there now, those that stand go on until `signer.listening` ends them. What cannot be used is
not taken: the service goes on with what it has, and says so. gRPC and HTTP share the files, and
TLS 1.2 is the least that either speaks.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog
from cryptography import x509

from signer.config import Config
from signer.errors import ConfigError, ConfigRestartError
from signer.expiry import first_end
from signer.keys.secret_files import read_secret
from verifier.errors import SealbookError

log = structlog.get_logger()

_LOOK_S = 1.0
_MOST_PEM = 1 << 20
# Of TLS 1.2; TLS 1.3 has no others. Python's list would have more, gRPC's is these already.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_Stamp = tuple[tuple[int, ...], ...]


class Files(NamedTuple):
    """Where it is all read from, absolute."""

    certificate: Path
    key: Path
    client_ca: Path | None

    @classmethod
    def of(cls, config: Config) -> Files | None:
        """Return what `config` names; None is no TLS."""
        listen = config.listen
        if listen.tls_certificate is None or listen.tls_key is None:
            return None
        client_ca = config.path(listen.client_ca) if listen.client_ca is not None else None
        return cls(config.path(listen.tls_certificate), config.path(listen.tls_key), client_ca)

    def stamp(self) -> _Stamp:
        """Return what changes when a file does, or what a link leads to."""
        return tuple(_stamp(path) for path in self if path is not None)


class Material(NamedTuple):
    """What was read at one time, and fits together."""

    files: Files
    stamp: _Stamp
    for_grpc: grpc.ServerCertificateConfiguration
    for_http: ssl.SSLContext
    ends: Mapping[str, int]  # as `signer.expiry` names them

    @classmethod
    def read(cls, files: Files) -> Material:
        """Read certificate, key and authority, all of them from before or after a change.

        Raises:
            ConfigError: they do not fit, cannot be read, or changed meanwhile; a client's
                authority is none.
            KeyFileError: the key cannot be read, or others can.
        """
        stamp = files.stamp()
        key = read_secret(files.key)
        try:
            chain = files.certificate.read_bytes()
            ends = {"tls": _first_end(chain)}
            context = _context()
            context.load_cert_chain(files.certificate, files.key, password="")
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            raise ConfigError(
                f"the TLS certificate {files.certificate} and key {files.key}: {e}"
            ) from e
        client_ca = None
        if files.client_ca is not None:
            client_ca = _authorities(files.client_ca)
            context.load_verify_locations(cadata=client_ca.decode("ascii"))
            # Whoever shows a certificate must show a good one; gRPC wants one of everybody.
            context.verify_mode = ssl.CERT_OPTIONAL
            ends["clients"] = _first_end(client_ca)
        if files.stamp() != stamp:
            raise ConfigError(f"{files.certificate} or a file that goes with it is being replaced")
        for_grpc = grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)
        return cls(files, stamp, for_grpc, context, ends)


class Tls:
    """TLS in force, for both sides. `current` is safe in many threads: it is swapped whole."""

    def __init__(self, config: Config) -> None:
        """Read the files that `config` names, if any.

        Raises:
            ConfigError, KeyFileError: as `Material.read`.
        """
        files = Files.of(config)
        self.current = None if files is None else Material.read(files)
        self._at_grpc = self.current
        # What gRPC listens with; it asks at each handshake whether there is something new.
        self.credentials = self._credentials()
        self._refused: _Stamp | None = None
        self._suspected: _Stamp | None = None

    @property
    def context(self) -> ssl.SSLContext | None:
        """What a new HTTP connection is welcomed with."""
        return None if self.current is None else self.current.for_http

    @property
    def ends(self) -> Mapping[str, int]:
        """When what is in force ends, POSIX seconds."""
        return {} if self.current is None else self.current.ends

    @property
    def refused(self) -> bool:
        """Whether the files that are there now were not taken, and older ones are in force."""
        return self._refused is not None

    def prepare(self, config: Config) -> Callable[[], None]:
        """Read what `config` names, and return what puts it in force.

        Raises:
            ConfigRestartError: TLS, or the certificates of clients, would begin or end.
            ConfigError, KeyFileError: as `Material.read`.
        """
        files, now = Files.of(config), self.current
        if (files is None) != (now is None):
            raise ConfigRestartError("whether to speak TLS is settled at the start")
        if files is None or now is None:
            return lambda: None
        if (files.client_ca is None) != (now.files.client_ca is None):
            raise ConfigRestartError("whether to want client certificates is settled at the start")
        material = Material.read(files)
        return lambda: self._install(material)

    async def keep(self) -> None:
        """Take the files again whenever they change, until cancelled."""
        while self.current is not None:
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the files if they changed; if they cannot be used, say so and go on without."""
        now = self.current
        if now is None:
            return
        stamp = now.files.stamp()
        if stamp == now.stamp:
            self._refused = None
            return
        if stamp == self._refused:
            return
        try:
            material = Material.read(now.files)
        except SealbookError as e:
            # Who replaces two files does so one after the other: one look later it is told.
            if stamp == self._suspected:
                self._refused = stamp
                log.error(  # noqa: TRY400  the error says it all
                    "the new TLS files are not taken", code=e.code, error=e.message
                )
            self._suspected = stamp
        else:
            if self.current is now:  # else the configuration has been reloaded meanwhile
                self._install(material)
                log.info("TLS files taken", certificate=str(now.files.certificate))

    def _credentials(self) -> grpc.ServerCredentials | None:
        if self.current is None:
            return None
        wants_clients = self.current.files.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(
            self.current.for_grpc,
            self._news,  # type: ignore[arg-type]
            require_client_authentication=wants_clients,
        )

    def _install(self, material: Material) -> None:
        self.current = material
        self._refused = self._suspected = None

    def _news(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what gRPC does not have yet; called by its threads, at each handshake.

        It makes new tables of whatever is returned, so that nothing is most of the time.
        """
        now = self.current
        if now is None or now is self._at_grpc:
            return None
        self._at_grpc = now
        return now.for_grpc


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _authorities(path: Path) -> bytes:
    """Return PEM that has certificates of authorities, and no others."""
    try:
        pem = path.read_bytes()
        found = x509.load_pem_x509_certificates(pem) if len(pem) <= _MOST_PEM else []
        pem.decode("ascii")
    except (OSError, ValueError) as e:
        raise ConfigError(f"the authority of clients {path}: {e}") from e
    for certificate in found:
        try:
            basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            good = basic.ca
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            good = False
        # A client's own certificate would let that client in, and nobody could end it.
        if not good:
            name = certificate.subject.rfc4514_string()
            raise ConfigError(f"expected certificates of authorities in {path}, found {name[:120]}")
    if not found:
        raise ConfigError(f"expected certificates of authorities in {path}, at most {_MOST_PEM} B")
    return pem


def _first_end(pem: bytes) -> int:
    return first_end(x509.load_pem_x509_certificates(pem))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116  one call a second
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
