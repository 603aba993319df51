"""Our timestamps, verified by who knows RFC 3161 and nothing of Sigstore."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from tests.interop.edits import decoded
from tests.interop.handmade.pki import OPENSSL
from tests.interop.product import Product


class Stamped(NamedTuple):
    """A signature, the response over it, and the authority's chain: its leaf first."""

    signature: bytes
    response: bytes
    chain: list[Certificate]


@pytest.fixture(params=["bundle", "certificate"])
def stamped(request: pytest.FixtureRequest, product: Product) -> Stamped:
    bundle = json.loads(product.of(product.digests[0], request.param))
    data = bundle["verificationMaterial"]["timestampVerificationData"]
    [response] = [decoded(one["signedTimestamp"]) for one in data["rfc3161Timestamps"]]
    [authority] = json.loads(product.sigstore_root)["timestampAuthorities"]
    chain = [
        load_der_x509_certificate(decoded(one["rawBytes"]))
        for one in authority["certChain"]["certificates"]
    ]
    [signature] = bundle["dsseEnvelope"]["signatures"]
    return Stamped(decoded(signature["sig"]), response, chain)


def test_rfc3161_client_accepts(stamped: Stamped) -> None:
    """
    PyPI's rfc3161-client verifies the response over the signature's bytes under the chain that
    trusted_root.json names, and over nothing else; it is about now.
    """
    leaf, *above = stamped.chain
    response = decode_timestamp_response(stamped.response)
    verifier = VerifierBuilder(roots=above[-1:], intermediates=above[:-1], tsa_certificate=leaf)

    assert verifier.build().verify_message(response, stamped.signature)
    with pytest.raises(VerificationError):
        verifier.build().verify_message(response, stamped.signature + b"\0")
    assert abs(datetime.now(UTC) - response.tst_info.gen_time) < timedelta(hours=1)


def test_openssl_accepts(stamped: Stamped, tmp_path: Path) -> None:
    """
    Openssl verifies it too, and refuses it for another signature.
    """
    leaf, *above = stamped.chain
    files = {
        "response": stamped.response,
        "signature": stamped.signature,
        "other": stamped.signature + b"\0",
        "leaf.pem": leaf.public_bytes(Encoding.PEM),
        "above.pem": b"".join(one.public_bytes(Encoding.PEM) for one in above),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    trusting = ("-in", "response", "-CAfile", "above.pem", "-untrusted", "leaf.pem")

    said = {}
    for about in ("signature", "other"):
        command = (OPENSSL, "ts", "-verify", "-data", about, *trusting)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        said[about] = done.stdout + done.stderr

    assert "Verification: OK" in said["signature"]
    assert "Verification: OK" not in said["other"]
    assert "message imprint mismatch" in said["other"]
