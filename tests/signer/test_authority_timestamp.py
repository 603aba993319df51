"""Timestamps of our own, before those who know RFC 3161 and nothing of us."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import ObjectIdentifier
from rfc3161_client import VerificationError, Verifier, VerifierBuilder, decode_timestamp_response

from signer.authority.timestamp import OwnAuthority
from tests.signer.authorities import Below, loaded, pem

SIGNATURE = b"a signature of about seventy bytes"
NOON = 1_780_000_000


@pytest.fixture(scope="module")
def below() -> Below:
    """What one root vouches for, from noon on."""
    return Below(NOON)


def at(below: Below, *moments: float) -> OwnAuthority:
    """Return the authority with a clock that says these times, one after the other."""
    said = iter(moments)
    return OwnAuthority(below.keys["timestamp"], below.timestamp_chain, lambda: next(said))


def verifier(below: Below) -> Verifier:
    """Return who believes the authority's chain."""
    leaf, root = map(loaded, below.timestamp_chain)
    return VerifierBuilder(tsa_certificate=leaf, roots=[root]).build()


def verdict(of: Verifier, response: bytes, about: bytes = SIGNATURE) -> bool:
    """Say whether a response is believed; what cannot be read is not."""
    try:
        return of.verify_message(decode_timestamp_response(response), about)
    except (ValueError, VerificationError):
        return False


def test_accepted(below: Below) -> None:
    """
    Who knows the chain believes a timestamp, about this signature and no other.
    """
    response = at(below, NOON).stamp(SIGNATURE)

    assert verdict(verifier(below), response)
    assert not verdict(verifier(below), response, SIGNATURE + b"\0")
    assert not verdict(verifier(Below(NOON)), response)


def test_what_it_says(below: Below) -> None:
    """
    A timestamp says when, to the second below, of which hash, and under which policy.
    """
    info = decode_timestamp_response(at(below, NOON + 0.999).stamp(SIGNATURE)).tst_info

    assert datetime.fromtimestamp(NOON, UTC) == info.gen_time
    assert hashlib.sha256(SIGNATURE).digest() == info.message_imprint.message
    assert ObjectIdentifier("2.16.840.1.101.3.4.2.1") == info.message_imprint.hash_algorithm
    assert ObjectIdentifier("1.3.6.1.4.1.57264.2") == info.policy
    assert (1, 1, None, False) == (info.version, info.accuracy.seconds, info.nonce, info.ordering)


def test_each_is_another(below: Below) -> None:
    """
    Serial numbers never repeat, and the clock is read for each timestamp.
    """
    moments = [NOON, NOON, NOON + 1, NOON + 1, NOON]
    authority = at(below, *moments)
    made = [decode_timestamp_response(authority.stamp(b"%d" % n)).tst_info for n in range(5)]

    assert 5 == len({info.serial_number for info in made})
    assert moments == [info.gen_time.timestamp() for info in made]
    assert [hashlib.sha256(b"%d" % n).digest() for n in range(5)] == [
        info.message_imprint.message for info in made
    ]


def test_names_its_certificate(below: Below) -> None:
    """
    A token names the one certificate that it was signed under, and carries none.
    """
    data = decode_timestamp_response(at(below, NOON).stamp(SIGNATURE)).signed_data
    [signer] = data.signer_infos
    leaf = loaded(below.timestamp_chain[0])

    assert not data.certificates
    assert (leaf.issuer, leaf.serial_number) == (signer.issuer, signer.serial_number)


def test_every_byte_that_was_signed_counts(below: Below) -> None:
    """
    A timestamp with any other bit in what it says, in what covers that, or in the signature,
    is not believed.
    """
    good = at(below, NOON).stamp(SIGNATURE)
    info = good.index(hashlib.sha256(SIGNATURE).digest())
    # The certificate's hash is the last attribute; after it come the algorithm, which
    # openssl ignores, and the signature.
    certificate = good.index(hashlib.sha256(below.timestamp_chain[0]).digest())
    signature = certificate + 32 + 12
    assert b"\x04" == good[signature : signature + 1]
    signed = [*range(info, info + 32 + 11 + 17 + 5), *range(certificate, certificate + 32)]
    signed += range(signature + 4, len(good))
    judge = verifier(below)

    def flipped(where: int) -> bytes:
        changed = bytearray(good)
        changed[where] ^= 1
        return bytes(changed)

    assert [] == [where for where in signed if verdict(judge, flipped(where))]
    assert not verdict(judge, good[:-1])
    assert not verdict(judge, good + b"\0")


def test_not_before_its_certificate(below: Below) -> None:
    """
    A clock that stands before the certificate's first day makes nothing that is believed.
    """
    assert not verdict(verifier(below), at(below, NOON - 1).stamp(SIGNATURE))


def test_openssl_accepts(below: Below, tmp_path: Path) -> None:
    """
    Openssl, which checks the certificate's hash (RFC 5035) too, believes it for this signature.
    """
    leaf, root = map(loaded, below.timestamp_chain)
    files = {
        "response": at(below, NOON).stamp(SIGNATURE),
        "signature": SIGNATURE,
        "other": SIGNATURE + b"\0",
        "leaf.pem": pem([leaf]),
        "root.pem": pem([root]),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def asked(about: str) -> int:
        command = ("openssl", "ts", "-verify", "-data", about, "-in", "response")
        trusting = ("-CAfile", "root.pem", "-untrusted", "leaf.pem", "-attime", str(NOON + 60))
        return subprocess.run(
            [*command, *trusting], cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert (0, 1) == (asked("signature"), asked("other"))
