"""SM2 with SM3: that the algorithm by which the table is shown to be open is the real one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import utils

from tests.verifier.making import refused
from tests.verifier.sm2 import ORDER, ROW, Sm2Key, hashed, load

# The example of GB/T 32918.5 (and of GM/T 0003.5), annex A.2.
SECRET = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
PUBLIC = (
    0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020,
    0xCCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13,
)
MESSAGE = b"message digest"
E = 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640
K = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA

OPENSSL = shutil.which("openssl")


def openssl(directory: Path, *words: str) -> str:
    """Run the command in `directory`."""
    assert OPENSSL is not None
    done = subprocess.run([OPENSSL, *words], cwd=directory, capture_output=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.decode()


def test_the_example_of_the_standard() -> None:
    """
    Key, hash and signature are those of the standard's own example.
    """
    key = Sm2Key(SECRET)

    assert PUBLIC == key.point
    assert hashed(PUBLIC, MESSAGE) == E
    assert (R, S) == utils.decode_dss_signature(key.sign(MESSAGE, K))
    load(ROW.key(key.spki)).message(utils.encode_dss_signature(R, S), MESSAGE)


@pytest.mark.parametrize(
    ("r", "s", "message"),
    [
        (R ^ 1, S, MESSAGE),
        (R, S ^ 1, MESSAGE),
        (R, ORDER - S, MESSAGE),
        (R, S, MESSAGE + b"!"),
        (R, S, b""),
        (0, S, MESSAGE),
        (R, 0, MESSAGE),
        (R + ORDER, S, MESSAGE),
        (R, S + ORDER, MESSAGE),
        (R, ORDER - R, MESSAGE),
        (S, R, MESSAGE),
    ],
)
def test_no_other_signature(r: int, s: int, message: bytes) -> None:
    """
    Other numbers, or the same ones over another message, are no signature; nor is s turned round.
    """
    with pytest.raises(InvalidSignature):
        load(ROW.key(Sm2Key(SECRET).spki)).message(utils.encode_dss_signature(r, s), message)


@pytest.mark.parametrize("raw", [b"", b"\0" * 70, R.to_bytes(32, "big") + S.to_bytes(32, "big")])
def test_no_other_form(raw: bytes) -> None:
    """
    What is not the DER of two numbers is no signature.
    """
    with pytest.raises(InvalidSignature):
        load(ROW.key(Sm2Key(SECRET).spki)).message(raw, MESSAGE)


@pytest.mark.parametrize("at", [0, 1, 64])
def test_points_elsewhere(at: int) -> None:
    """
    Points that are not on the curve, or are written in another way, are no keys.
    """
    raw = bytearray(ROW.key(Sm2Key(SECRET).spki))
    raw[at] ^= 1

    refused("unsupported-key", lambda: load(bytes(raw)))


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
def test_openssl_agrees(tmp_path: Path) -> None:
    """
    OpenSSL's keys are spelt as the row says, and each takes what the other signed.
    """
    if "SM2" not in openssl(tmp_path, "list", "-signature-algorithms"):
        pytest.skip("this OpenSSL has no SM2")
    openssl(tmp_path, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2",
            "-out", "key.pem")  # fmt: skip
    openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der")
    (tmp_path / "message").write_bytes(MESSAGE)
    how = ("pkeyutl", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
    openssl(tmp_path, *how, "-sign", "-inkey", "key.pem", "-in", "message", "-out", "theirs")

    spki = (tmp_path / "public.der").read_bytes()
    load(ROW.key(spki)).message((tmp_path / "theirs").read_bytes(), MESSAGE)

    key = Sm2Key()
    (tmp_path / "ours.der").write_bytes(key.spki)
    (tmp_path / "ours").write_bytes(key.sign(MESSAGE))
    told = openssl(tmp_path, *how, "-verify", "-pubin", "-keyform", "DER", "-inkey", "ours.der",
                   "-in", "message", "-sigfile", "ours")  # fmt: skip
    assert "Signature Verified Successfully" in told
