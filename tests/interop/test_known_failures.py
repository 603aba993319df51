"""Certificates and timestamps that other verifiers took, and ours does not.

Each test is named after the published failure. Those of everything else are in
tests/verifier/test_known_failures.py, which has the list of all.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.interop.handmade import Handmade, make
from tests.interop.handmade.pki import Authorities, Certified, certify
from tests.verifier.making import verdict
from verifier.pull.keyless import SigstoreJudge


def asked(made: Handmade, bundle: bytes = b"") -> str:
    """Return "yes", or the code with which the bundle is refused."""
    return verdict(lambda: SigstoreJudge(made.trusted_root).certified(bundle or made.bundle))


def test_handmade() -> None:
    """
    The bundle that the tests below spoil is a good one.
    """
    assert "yes" == asked(make(certified=True))


def test_cve_2026_24122_an_intermediate_that_had_expired() -> None:
    """
    An intermediate that was valid when the certificate begins, and not when it signed, is none.
    """
    expired = Authorities(lifetime=dt.timedelta(seconds=-30))
    begins = certify("x", expired.intermediate).certificate.not_valid_before_utc
    above = expired.intermediate.certificate

    assert above.not_valid_before_utc <= begins < above.not_valid_after_utc
    assert "bad-certificate" == asked(make(certified=True, authorities=expired))


STRANGER = certify("timestamp", None, purpose=ExtendedKeyUsageOID.TIME_STAMPING)


@pytest.mark.parametrize("beside", ["stranger", "authority", "authority, stranger"])
def test_cve_2026_39984_a_stamp_by_another_certificate_of_the_bag(beside: str) -> None:
    """
    A timestamp that a stranger signed does not count because the authority's certificate is in it.
    """
    authorities = Authorities()
    known = {"stranger": STRANGER, "authority": authorities.tsa}
    bag = [known[name] for name in beside.split(", ")]

    assert "bad-certificate" == asked(_stamped(authorities, STRANGER, *bag))
    assert "yes" == asked(_stamped(authorities, authorities.tsa, STRANGER))


def _stamped(authorities: Authorities, *signer_and_bag: Certified) -> Handmade:
    """Return a bundle whose timestamp has this signer, and these certificates beside."""

    def stamp(signature: bytes) -> bytes:
        return authorities.timestamp(signature, *signer_and_bag)

    return make(certified=True, authorities=authorities, stamp=stamp)


@pytest.mark.parametrize("change", ["none", "of another signature", "junk"])
def test_sigstore_python_1247_no_time_that_nobody_signed(change: str) -> None:
    """
    Without a good timestamp there is no time at which the certificate could have been valid.
    """
    made, other = make(certified=True), make(certified=True)
    stamps: dict[str, Any] = {
        "none": [],
        "of another signature": _stamps(json.loads(other.bundle)),
        "junk": [{"signedTimestamp": "AAAA"}],
    }
    document = json.loads(made.bundle)
    good = _stamps(document)[:]
    _stamps(document)[:] = stamps[change]
    assert "bad-certificate" == asked(made, json.dumps(document).encode())

    _stamps(document)[:] = good
    assert "yes" == asked(made, json.dumps(document).encode())


def _stamps(document: Any) -> list[Any]:
    stamps: list[Any] = document["verificationMaterial"]["timestampVerificationData"][
        "rfc3161Timestamps"
    ]
    return stamps
