"""How a client shows who it is: by a secret, by a token of its issuer, by its certificate.

token         what is sent as it is: the service's own token, a session or an API key
oidc_token    a JSON Web Token, which is exchanged for a session when the first call is made
certificate   PEM of a client certificate, with its `key`; TLS shows it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import grpc

_Options = Sequence[tuple[str, int | str]]


class Credentials(NamedTuple):
    """Any of it may be missing, and a token goes beside a certificate; `ca` are PEM roots.

    `oidc_token` is asked again before a session ends: the file that it reads may have a new one.
    """

    token: str = ""
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    oidc_token: Callable[[], str] | None = None

    def __repr__(self) -> str:
        """Show what there is, and none of it."""
        return f"<credentials: {', '.join(n for n, value in self._asdict().items() if value)}>"

    def channel(self, target: str, options: _Options) -> grpc.Channel:
        """Return a channel to `target`; over TLS where there are roots, or a certificate."""
        tls = self._tls()
        if tls is None:
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, tls, options)

    def aio_channel(self, target: str, options: _Options) -> grpc.aio.Channel:
        """Return the same for an event loop."""
        tls = self._tls()
        if tls is None:
            return grpc.aio.insecure_channel(target, options)
        return grpc.aio.secure_channel(target, tls, options)

    def _tls(self) -> grpc.ChannelCredentials | None:
        if self.ca is None and self.certificate is None:
            return None
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)
