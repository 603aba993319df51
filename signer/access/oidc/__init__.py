"""Workload identity: JSON Web Tokens of configured issuers (OpenID Connect).

    issuers = Issuers(config.issuers, config.base)
    verified = issuers.verify(token, now)

What is trusted is what the configuration pins: the issuer's URL, our audience, and keys that come
from a file or over TLS from the issuer's own address. Nothing in a token says where keys are.
"""

from __future__ import annotations

from signer.access.oidc.verified import Reuse, Verified

__all__ = ["Reuse", "Verified"]
