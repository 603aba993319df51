"""Keys under which anyone can sign, or which nobody should have: rows S4 to S6.

Each is refused where it would become trusted: as a key, and in every place of a trust file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, mldsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier import edwards
from tests.verifier.catalogue.case import Case
from tests.verifier.catalogue.der import BITS, OCTETS, OID, SEQUENCE, der, integer
from tests.verifier.making import Signer
from tests.verifier.paths import Path, put
from tests.verifier.pinned import DOCUMENT
from verifier._strict import b64encode
from verifier.note import COSIGNATURE, ED25519
from verifier.publickey import PublicKey, ed25519
from verifier.trust import TrustRoot

# Where a trust file has a key.
PLACES: dict[str, Path] = {
    "signer": ("keys", 0, "key"),
    "log": ("logs", 0, "checkpoint_key"),
    "promise": ("logs", 0, "promise_key"),
    "transparency": ("authorities", 2, "key"),
}
ED25519_HEAD = bytes.fromhex("302a300506032b6570032100")
P256 = Signer().public.spki
P384 = Signer("ecdsa-p384").public.spki
QUANTUM = Signer("ml-dsa-65").public.spki

# What names an algorithm: RFC 5480 section 2.1, RFC 8017 appendix C, SEC 2.
ID_EC, ID_RSA, ID_PSS = "2a8648ce3d0201", "2a864886f70d010101", "2a864886f70d01010a"
CURVES = {
    "sect233k1": "2b8104001a",
    "sect283r1": "2b81040011",
    "sect571k1": "2b81040026",
    "secp160r1": "2b81040008",
    "secp192k1": "2b8104001f",
    "frp256v1": "2a817a01815f650101",
    "sm2": "2a811ccf5501822d",
}
PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1


def everywhere(row: str, name: str, spki: bytes, code: str) -> Iterator[Case]:
    """Ask for the key alone, and in each place of a trust file."""
    yield Case(row, name, partial(PublicKey, spki), code)
    for place, path in PLACES.items():
        trust = json.dumps(put(DOCUMENT, path, b64encode(spki))).encode()
        yield Case(row, f"{name}, as {place} key", partial(TrustRoot.parse, trust), code)


def _witness(name: str, raw: bytes) -> Iterator[Case]:
    """Ask for an Ed25519 key that a witness or a log has in a policy."""
    for kind, role in ((COSIGNATURE, "witness"), (ED25519, "log")):
        vkey = f"w.example+00000000+{b64encode(bytes([kind]) + raw)}"
        trust = json.dumps({**DOCUMENT, "witnesses": f"witness w {vkey}\nquorum w\n"}).encode()
        ask = partial(TrustRoot.parse, trust)
        yield Case("S4", f"{name}, as {role} in the policy", ask, "weak-key")


def _edwards() -> Iterator[Case]:
    """S4, S5: points of small order, and points in a second spelling."""
    for raw in edwards.small_order():
        name = f"Ed25519 {raw.hex()[:6]}…{raw.hex()[-2:]}"
        yield Case("S4", f"{name}, 32 bytes", partial(ed25519, raw), "weak-key")
        yield from everywhere("S4", name, ED25519_HEAD + raw, "weak-key")
        yield from _witness(name, raw)
    for more in range(19):
        for sign in (0, 1):
            spki = ED25519_HEAD + edwards.encode(edwards.PRIME + more, sign)
            yield from everywhere("S5", f"y is the prime and {more}, sign {sign}", spki, "weak-key")


def _rsa(bits: int, exponent: int = 65_537) -> bytes:
    """Return a key of which nobody knows the factors, for nobody needs them to refuse it."""
    modulus = 2 ** (bits - 1) + 2 ** (bits - 2) + 12_345
    return _rsa_key(ID_RSA, b"\5\0", modulus, exponent)


def _rsa_key(oid: str, parameters: bytes, modulus: int, exponent: int) -> bytes:
    name = der(SEQUENCE, der(OID, bytes.fromhex(oid)), parameters)
    return der(SEQUENCE, name, der(BITS, b"\0", der(SEQUENCE, integer(modulus), integer(exponent))))


def _ec_key(parameters: bytes, point: bytes) -> bytes:
    name = der(SEQUENCE, der(OID, bytes.fromhex(ID_EC)), parameters)
    return der(SEQUENCE, name, der(BITS, b"\0", point))


def _explicit(generator: bytes, order: int) -> bytes:
    """Return P-256 with its parameters written out: CVE-2020-0601 chose another generator."""
    field = der(SEQUENCE, der(OID, bytes.fromhex("2a8648ce3d0101")), integer(PRIME))
    b = bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
    curve = der(SEQUENCE, der(OCTETS, (PRIME - 3).to_bytes(32, "big")), der(OCTETS, b))
    return der(
        SEQUENCE, integer(1), field, curve, der(OCTETS, generator), integer(order), integer(1)
    )


def _generated(private: Any) -> bytes:
    spki: bytes = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spki


def _unsupported() -> Iterator[Case]:
    """S6: algorithms, sizes and encodings that are not in the table.

    The table takes RSA from 2048 bits, because the keys that notation and cosign
    already have are of that size; of 1024 bits nothing is taken.
    """
    for bits in (512, 1024, 1536, 2047, 2049, 2560, 3071, 3073, 4097, 7680, 8192, 16_384):
        yield from everywhere("S6", f"RSA of {bits} bits", _rsa(bits), "unsupported-key")
    for exponent in (-1, 0, 1, 2, 3, 17, 65_535, 65_536, 2**32 + 1, 2**64 + 1):
        spki = _rsa(3072, exponent)
        yield from everywhere("S6", f"RSA with exponent {exponent}", spki, "unsupported-key")
    odd = 2**2047 + 12_345
    for name, spki in (
        ("RSA for PSS alone", _rsa_key(ID_PSS, b"", odd, 65_537)),
        ("RSA without null", _rsa_key(ID_RSA, b"", odd, 65_537)),
        ("RSA, negative modulus", _rsa_key(ID_RSA, b"\5\0", -odd, 65_537)),
        ("RSA, even modulus", _rsa_key(ID_RSA, b"\5\0", odd + 1, 3)),
        ("RSA, modulus 0", _rsa_key(ID_RSA, b"\5\0", 0, 65_537)),
    ):
        yield from everywhere("S6", name, spki, "unsupported-key")
    others: dict[str, Callable[[], Any]] = {
        "P-192": lambda: ec.generate_private_key(ec.SECP192R1()),
        "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
        "DSA": lambda: dsa.generate_private_key(1024),
        "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
        "X25519": x25519.X25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
        "RSA of 2056 bits": lambda: rsa.generate_private_key(65_537, 2056),
    }
    for name, generate in others.items():
        yield from everywhere("S6", name, _generated(generate()), "unsupported-key")
    point = P256[-65:]
    for name, oid in CURVES.items():
        spki = _ec_key(der(OID, bytes.fromhex(oid)), point)
        yield from everywhere("S6", name, spki, "unsupported-key")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    curve = der(OID, bytes.fromhex("2a8648ce3d030107"))
    for name, spki in (
        ("P-256 with its parameters", _ec_key(_explicit(base, order), point)),
        ("P-256 with the key as generator", _ec_key(_explicit(point, order), point)),
        ("EC without parameters", _ec_key(b"", point)),
        ("EC with the parameters of the issuer", _ec_key(b"\5\0", point)),
        ("P-256, trailing byte", P256 + b"\0"),
        ("P-256, one byte less", P256[:-1]),
        ("P-256, unused bits", P256.replace(b"\x03\x42\x00", b"\x03\x42\x01")),
        ("P-256, long length", b"\x30\x81" + P256[1:]),
        ("P-256, off the curve", P256[:-1] + bytes([P256[-1] ^ 1])),
        ("P-256, the point 0, 0", _ec_key(curve, b"\4" + bytes(64))),
        ("P-256, infinity", _ec_key(curve, b"\0")),
        ("P-256, infinity of 65 bytes", _ec_key(curve, bytes(65))),
        ("P-256, compressed", _ec_key(curve, bytes([2 | point[-1] & 1]) + point[1:33])),
        ("P-256, hybrid", _ec_key(curve, bytes([6 | point[-1] & 1]) + point[1:])),
        (
            "P-256, x and the prime",
            _ec_key(curve, b"\4" + (PRIME + 5).to_bytes(32, "big") + point[33:]),
        ),
        ("P-256 in the name of P-384", P384[:-97] + P256[-65:]),
        ("P-384, trailing byte", P384 + b"\0"),
        ("Ed25519 of 31 bytes", ED25519_HEAD + b"\x58" + b"\x66" * 30),
        ("Ed25519 of 33 bytes", ED25519_HEAD + b"\x58" + b"\x66" * 32),
        (
            "Ed25519 with null",
            bytes.fromhex("302c300706032b65700500032100") + b"\x58" + b"\x66" * 31,
        ),
        ("ML-DSA-65, one byte less", QUANTUM[:-1]),
        ("ML-DSA-65, trailing byte", QUANTUM + b"\0"),
        ("ML-DSA-65, unused bits", QUANTUM.replace(b"\x03\x82\x07\xa1\0", b"\x03\x82\x07\xa1\1")),
        (
            "ML-DSA-65 with null",
            bytes.fromhex("308207b4300d06096086480165030403120500038207a100") + QUANTUM[-1952:],
        ),
        ("ML-DSA-65, the key alone", QUANTUM[-1952:]),
        ("ML-DSA-65, with SHA-512 beforehand", QUANTUM.replace(b"\x04\x03\x12", b"\x04\x03\x21")),
        ("PEM", Signer().public.pem()),
        ("nothing", b""),
        ("zeros", bytes(91)),
        ("deep", b"\x30\x80" * 2000),
    ):
        yield from everywhere("S6", name, spki, "unsupported-key")
    short = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")
    for first in (0x00, 0x01, 0x7F):
        spki = short + bytes([first]) + b"\x5b" * 255 + bytes.fromhex("0203010001")
        yield from everywhere("S6", f"RSA of less than 2048 bits, {first}", spki, "unsupported-key")
    for factor in (2, 3, 751):
        modulus = (2**2047 // factor + 1) * factor
        spki = _rsa_key(ID_RSA, b"\5\0", modulus, 65_537)
        yield from everywhere("S6", f"RSA with the factor {factor}", spki, "weak-key")
    head = QUANTUM[:-1952]
    yield from everywhere("S6", "ML-DSA-65, t1 of zeros", head + bytes(1952), "weak-key")
    yield from everywhere("S6", "8,192 zeros", bytes(8192), "unsupported-key")
    yield from everywhere("S6", "8,193 zeros", bytes(8193), "over-limit")
    yield from everywhere("S6", "RSA of 65,536 bits", _rsa(65_536), "over-limit")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _edwards()
    yield from _unsupported()
