"""Foreign bundles under certificates that are good, by authorities of the tests."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.handmade.pki import NOW, Authorities
from tests.verifier.foreign import Foreign, b64
from verifier.digest import Digest
from verifier.sigstore.artifact import Artifact

AUTHORITIES = Authorities()
NOW_S = int(NOW.timestamp())
PARTS = ("certificateAuthorities", "ctlogs", "timestampAuthorities", "tlogs")


@dataclass
class Keyless(Foreign):
    """A bundle as keyless signing makes it: its certificate is good for an hour."""

    certified: bool = True
    stamped: bool = True
    authorities: Authorities = field(default_factory=lambda: AUTHORITIES)
    leaf: bytes = b""
    now: float = field(default_factory=time.time)  # whoever dates a signature has this clock

    def __post_init__(self) -> None:
        super().__post_init__()
        public = self.signer._key.public_key()
        self.leaf = self.leaf or self.authorities.leaf(public, IDENTITY, ISSUER)
        if self.integrated_at is None and self.promised:
            self.integrated_at = NOW_S
        if self.signature is None:
            self.signature = self.signer.sign(self.message)

    @property
    def certificate(self) -> bytes:
        return self.leaf

    @property
    def document(self) -> dict[str, Any]:
        document = super().document
        if self.stamped:
            stamp = {"signedTimestamp": b64(self.authorities.timestamp(self.signed))}
            data = document["verificationMaterial"]["timestampVerificationData"]
            data["rfc3161Timestamps"] = [stamp]
        return document

    @property
    def trusted(self) -> dict[str, Any]:
        return {**super().trusted, **copy.deepcopy(self.authorities.trusted)}

    @property
    def about(self) -> Artifact:
        return Artifact(Digest.of(self.artifact))


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()
