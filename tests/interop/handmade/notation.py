"""A JWS envelope under an X.509 chain, as notation reads it."""

from __future__ import annotations

import base64
import datetime as dt
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.interop.handmade.encoding import b64, canonical
from tests.interop.handmade.pki import LONG, NOW, certify

CONTENT = "application/vnd.cncf.notary.payload.v1+json"


class Jws(NamedTuple):
    """A good envelope, and the certificate to check it."""

    envelope: bytes
    root_pem: bytes


def make_notation(
    repository: str, digest: str, media_type: str, size: int, *, expired: bool = False
) -> Jws:
    """Return a signature of the manifest that this describes, by a leaf that may have expired."""
    root = certify("notation root", None, authority=0)
    lifetime = dt.timedelta(seconds=-1) if expired else LONG
    leaf = certify(
        "notation leaf", root, purpose=ExtendedKeyUsageOID.CODE_SIGNING, lifetime=lifetime
    )
    target = {
        "annotations": {"env": "prod", "sealbook.repository": repository},
        "digest": digest,
        "mediaType": media_type,
        "size": size,
    }
    protected = {
        "alg": "ES256",
        "cty": CONTENT,
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    payload = _b64url(canonical({"targetArtifact": target}))
    header = _b64url(canonical(protected))
    signed = leaf.key.sign(f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(signed)
    envelope = {
        "payload": payload,
        "protected": header,
        "header": {"x5c": [b64(leaf.der), b64(root.der)]},
        "signature": _b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
    }
    return Jws(canonical(envelope), root.certificate.public_bytes(Encoding.PEM))


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
