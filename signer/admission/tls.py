"""TLS of a webhook: read again when the files change, without gRPC.

A cluster mounts certificate and key as links that it swaps together, readable by a group. So
links are followed here, and a key counts as secret if nobody beside owner and group reads it.
"""

from __future__ import annotations

import os
import ssl
import stat
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from signer.admission.settings import Listen
from signer.errors import ConfigError, KeyFileModeError
from verifier.errors import SealbookError, printable

LOOK_S = 1.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; TLS 1.3 has no others
_MOST_PEM = 1 << 20

_Stamp = tuple[tuple[int, ...], ...]


class _Material(NamedTuple):
    stamp: _Stamp
    context: ssl.SSLContext
    ends: float  # the first certificate of the chain that does, POSIX seconds


class Tls:
    """TLS in force. `context` is safe in many threads: it is swapped whole."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Read the files.

        Raises:
            ConfigError: they do not fit, or cannot be read.
            KeyFileModeError: anybody can read the key.
        """
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._now = self._read()
        self._refused: _Stamp | None = None
        self._suspected: _Stamp | None = None

    @classmethod
    def of(cls, listen: Listen) -> Tls | None:
        """Return the TLS that is configured, if any; raises like `Tls`."""
        if listen.certificate is None or listen.key is None:
            return None
        return cls(listen.certificate, listen.key, listen.client_ca)

    @property
    def context(self) -> ssl.SSLContext:
        """What a new connection is welcomed with."""
        return self._now.context

    @property
    def ends(self) -> float:
        """When the certificate in force ends, POSIX seconds."""
        return self._now.ends

    def look(self) -> None:
        """Take the files if they changed; if they cannot be used, say so and go on without."""
        stamp = self._stamp()
        if stamp in (self._now.stamp, self._refused):
            return
        try:
            self._now = self._read()
        except SealbookError as e:
            # Who replaces two files does so one after the other: one look later it is told.
            if stamp != self._suspected:
                self._suspected = stamp
                return
            self._refused = stamp
            told = printable(f"the new TLS files are not taken: {e.message} ({e.code})")
            print(told, file=sys.stderr, flush=True)  # noqa: T201  there is no log here
        else:
            self._refused = self._suspected = None

    def keep(self, stopped: threading.Event) -> None:
        """Look all the time, until `stopped`."""
        while not stopped.wait(LOOK_S):
            self.look()

    def _read(self) -> _Material:
        stamp = self._stamp()
        try:
            if stat.S_IMODE(self._key.stat().st_mode) & stat.S_IRWXO:
                raise KeyFileModeError(f"anybody can read {self._key}", hint="chmod o= it")
            chain = _pem(self._certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(_CIPHERS)
            context.set_alpn_protocols(["http/1.1"])
            context.load_cert_chain(self._certificate, self._key, password="")
            ends = min(
                one.not_valid_after_utc.timestamp()
                for one in x509.load_pem_x509_certificates(chain)
            )
            if self._client_ca is not None:
                context.load_verify_locations(cadata=_pem(self._client_ca).decode("ascii"))
                # Probes and Prometheus have none; who asks for an answer must have one.
                context.verify_mode = ssl.CERT_OPTIONAL
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            raise ConfigError(f"TLS of {self._certificate} and {self._key}: {e}") from e
        if self._stamp() != stamp:
            raise ConfigError(f"{self._certificate} or its key is being replaced")
        return _Material(stamp, context, ends)

    def _stamp(self) -> _Stamp:
        paths = (self._certificate, self._key, self._client_ca)
        return tuple(_stamp(path) for path in paths if path is not None)


class Callers:
    """Who may ask, by the certificate that TLS has checked already."""

    def __init__(self, listen: Listen) -> None:
        """Let in everybody, or those under `client_ca`, or of them those of some names."""
        self._asked = listen.client_ca is not None
        self._names = frozenset(listen.client_names)

    def admits(self, certificate: bytes | None) -> bool:
        """Whether the peer with this certificate may ask."""
        if not self._asked:
            return True
        if certificate is None:
            return False
        if not self._names:
            return True
        try:
            subject = x509.load_der_x509_certificate(certificate).subject
            found = {
                str(one.value) for one in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            }
        except ValueError:
            return False
        return bool(found & self._names)


def _pem(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_PEM + 1)
    if len(content) > _MOST_PEM:
        raise ValueError(f"expected at most {_MOST_PEM} bytes in {path}")
    return content


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116  one call a second
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
