"""Signatures that are nearly right: rows S1 to S3 and S7 to S11.

Each is over the good payload, by the trusted key unless the row says otherwise, and is
logged as it is: only the signature can be at fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from tests.verifier import edwards
from tests.verifier.catalogue.asking import GOOD, MESSAGE, signed, world
from tests.verifier.catalogue.case import Case
from tests.verifier.catalogue.der import BITS, INTEGER, OCTETS, SEQUENCE, der, integer
from tests.verifier.making import ORIGIN, NoteSigner, Signer, World, witnesses
from verifier._strict import b64encode
from verifier.entry import Entry
from verifier.note import NoteSignature
from verifier.trust.listed import PURPOSES

P384, ED25519, RSA = Signer("ecdsa-p384"), Signer("ed25519"), Signer("rsa-2048")
QUANTUM = Signer("ml-dsa-65")
CURVES = {
    "P-256": (GOOD.signer, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": (
        P384,
        int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    ),
}


def _malformed(curve: str) -> Iterator[Case]:
    """S1: what is not the DER of two numbers below the order, or is of other numbers."""
    signer, n = CURVES[curve]
    good = signer.sign(MESSAGE)
    r, s = utils.decode_dss_signature(good)
    a, b = integer(r), integer(s)
    size = (n.bit_length() + 7) // 8
    raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert good == der(SEQUENCE, a, b)
    wrong = {
        "trailing byte": good + b"\0",
        "trailing byte inside": der(SEQUENCE, a, b, b"\0"),
        "trailing null": der(SEQUENCE, a, b, b"\5\0"),
        "three numbers": der(SEQUENCE, a, b, integer(1)),
        "one number": der(SEQUENCE, a),
        "no number": der(SEQUENCE),
        "long length": b"\x30\x81" + good[1:],
        "longer length": b"\x30\x82\0" + good[1:],
        "long length of r": der(SEQUENCE, b"\2\x81" + a[1:], b),
        "long length of s": der(SEQUENCE, a, b"\2\x81" + b[1:]),
        "length of 4 GB": b"\x30\x84\xff\xff\xff\xff" + good[2:],
        "length of 2**64": b"\x30\x88" + b"\xff" * 8 + good[2:],
        "length too short": good[:1] + bytes([good[1] - 1]) + good[2:],
        "length too long": good[:1] + bytes([good[1] + 1]) + good[2:],
        "indefinite": b"\x30\x80" + a + b + b"\0\0",
        "indefinite number": der(SEQUENCE, b"\x22\x80" + a + b"\0\0", b),
        "zero before r": der(SEQUENCE, der(INTEGER, b"\0" + a[2:]), b),
        "zero before s": der(SEQUENCE, a, der(INTEGER, b"\0" + b[2:])),
        "negative r": der(SEQUENCE, integer(r - 2 ** (8 * size)), b),
        "negative s": der(SEQUENCE, a, integer(s - 2 ** (8 * size))),
        "r turned negative": der(SEQUENCE, integer(-r), b),
        "s turned negative": der(SEQUENCE, a, integer(-s)),
        "s less n": der(SEQUENCE, a, integer(s - n)),
        "r is 0": der(SEQUENCE, integer(0), b),
        "s is 0": der(SEQUENCE, a, integer(0)),
        "both are 0": der(SEQUENCE, integer(0), integer(0)),
        "both are 1": der(SEQUENCE, integer(1), integer(1)),
        "both are empty": der(SEQUENCE, der(INTEGER), der(INTEGER)),
        "r is n": der(SEQUENCE, integer(n), b),
        "s is n": der(SEQUENCE, a, integer(n)),
        "r and n": der(SEQUENCE, integer(r + n), b),
        "s and n": der(SEQUENCE, a, integer(s + n)),
        "s and 2n": der(SEQUENCE, a, integer(s + 2 * n)),
        "r and 2**256": der(SEQUENCE, integer(r + 2**256), b),
        "s and 2**2048": der(SEQUENCE, a, integer(s + 2**2048)),
        "swapped": der(SEQUENCE, b, a),
        "twin of r": der(SEQUENCE, integer(n - r), b),
        "raw": raw,
        "raw, one byte less": raw[:-1],
        "raw in octets": der(OCTETS, raw),
        "in octets": der(OCTETS, good),
        "in bits": der(BITS, b"\0" + good),
        "in a sequence": der(SEQUENCE, good),
        "in Base64": b64encode(good).encode(),
        "in hexadecimal": good.hex().encode(),
        "a set": der(0x31, a, b),
        "numbers as octets": der(SEQUENCE, der(OCTETS, a[2:]), der(OCTETS, b[2:])),
        "numbers as reals": der(SEQUENCE, der(9, a[2:]), b),
        "NUL before": b"\0" + good,
        "twice": good * 2,
    }
    for name, signature in wrong.items():
        yield signed("S1", f"{curve}, {name}", signature, "bad-signature", signer)
    for at in range(1, 2 * size):
        yield signed("S1", f"{curve}, cut at {at}", good[:at], "bad-signature", signer)
    for at in range(2 * size):
        flipped = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        yield signed("S1", f"{curve}, bit in byte {at}", flipped, "bad-signature", signer)
    # S2: verifies by the standard, which binds only r to the message. But the ledger has
    # one of the two, and a second one adds neither an entry nor a signer.
    twin = der(SEQUENCE, a, integer(n - s))
    yield signed("S2", f"{curve}, the twin is what is logged", twin, "yes", signer)
    logged = Entry.of(MESSAGE, good, signer.public).body()
    made = World(signer=signer, signature=twin, logged=logged)
    yield world("S2", f"{curve}, its twin is logged", made, "entry-mismatch")


def _edwards() -> Iterator[Case]:
    """S1, S3, S11: Ed25519's second spellings and its two relatives."""
    seed = ED25519._key.private_bytes_raw()
    good = ED25519.sign(MESSAGE)
    point, s = good[:32], int.from_bytes(good[32:], "little")
    order, hashed = edwards.ORDER, hashlib.sha512(MESSAGE).digest()
    wrong = [
        *(
            ("S3", f"S and {k} L", point + (s + k * order).to_bytes(32, "little"))
            for k in range(1, 15)
        ),
        ("S3", "S turned negative", point + (order - s).to_bytes(32, "little")),
        ("S3", "S is L", point + order.to_bytes(32, "little")),
        ("S3", "S is 0", point + bytes(32)),
        ("S3", "S of ones", point + b"\xff" * 32),
        *(("S3", f"bit {i} of S", good[:-1] + bytes([good[-1] | 1 << i])) for i in (5, 6, 7)),
        ("S3", "sign of R", good[:31] + bytes([good[31] ^ 0x80]) + good[32:]),
        *(
            ("S3", f"R of small order {i}", raw + good[32:])
            for i, raw in enumerate(edwards.small_order())
        ),
        ("S3", "R is 0, S is 0", edwards.encode(1, 0) + bytes(32)),
        ("S3", "halves swapped", good[32:] + point),
        ("S1", "Ed25519, trailing byte", good + b"\0"),
        ("S1", "Ed25519, cut off", good[:-1]),
        ("S1", "Ed25519, of zeros", bytes(64)),
        ("S1", "Ed25519, twice", good * 2),
        ("S1", "Ed25519, in octets", der(OCTETS, good)),
        ("S1", "Ed25519, the key before", ED25519.public.raw + good),
        ("S11", "Ed25519ph", edwards.sign(seed, MESSAGE, b"", hashed=True)),
        ("S11", "Ed25519ph with a context", edwards.sign(seed, MESSAGE, b"x", hashed=True)),
        ("S11", "Ed25519ctx, empty context", edwards.sign(seed, MESSAGE, b"")),
        ("S11", "Ed25519ctx", edwards.sign(seed, MESSAGE, b"sealbook")),
        ("S11", "Ed25519 over the hash", edwards.sign(seed, hashed)),
        ("S11", "Ed25519 over SHA-256", edwards.sign(seed, hashlib.sha256(MESSAGE).digest())),
    ]
    assert good == edwards.sign(seed, MESSAGE)
    for row, name, signature in wrong:
        yield signed(row, name, signature, "bad-signature", ED25519)
    # Made in the same way, so that it is their algorithm alone that the others fail by.
    yield signed("S11", "Ed25519 as it is", edwards.sign(seed, MESSAGE), "yes", ED25519)


def _lattices() -> Iterator[Case]:
    """S1, S11: ML-DSA-65 in another length, with another hint vector, and its relatives.

    FIPS 204 signs mu, a hash of the key and of M'; that begins with 0 and the length of the
    context where the message itself is signed, and with 1 where it is hashed beforehand.
    """
    good, key = QUANTUM.sign(MESSAGE), QUANTUM._key
    of_key = hashlib.shake_256(QUANTUM.public.algorithm.key(QUANTUM.public.spki)).digest(64)

    def signed_as(made: bytes) -> bytes:
        signature: bytes = key.sign_mu(hashlib.shake_256(of_key + made).digest(64))
        return signature

    sha512 = bytes.fromhex("0609608648016503040203") + hashlib.sha512(MESSAGE).digest()
    hint = 3309 - 61  # 55 positions, and the 6 ends of their rows
    wrong = [
        ("S1", "trailing byte", good + b"\0"),
        ("S1", "cut off", good[:-1]),
        ("S1", "of zeros", bytes(3309)),
        ("S1", "of ones", b"\xff" * 3309),
        ("S1", "of the length of ML-DSA-44", good[:2420]),
        ("S1", "of the length of ML-DSA-87", good + bytes(4627 - 3309)),
        ("S1", "twice", good * 2),
        ("S1", "in octets", der(OCTETS, good)),
        ("S1", "the key before", QUANTUM.public.spki[-1952:] + good),
        ("S1", "no hints", good[:hint] + bytes(61)),
        ("S1", "hints of too many", good[:-1] + b"\xff"),
        ("S1", "hints turned round", good[:hint] + good[hint:-6][::-1] + good[-6:]),
        *(
            ("S1", f"bit in byte {at}", good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            for at in (0, 47, 48, 49, 1000, 3247, 3248, 3303, 3308)
        ),
        ("S11", "a context", key.sign(MESSAGE, b"x")),
        ("S11", "the context DSSEv1", key.sign(MESSAGE, b"DSSEv1")),
        ("S11", "a context of 255 bytes", key.sign(MESSAGE, bytes(255))),
        ("S11", "hashed beforehand", signed_as(b"\1\0" + sha512)),
        ("S11", "M' without its prefix", signed_as(MESSAGE)),
        ("S11", "mu of the message alone", key.sign_mu(hashlib.shake_256(MESSAGE).digest(64))),
        ("S11", "over the hash", QUANTUM.sign(hashlib.sha256(MESSAGE).digest())),
    ]
    for row, name, signature in wrong:
        yield signed(row, f"ML-DSA-65, {name}", signature, "bad-signature", QUANTUM)
    # Made in the same way, so that it is the prefix alone that the others fail by; it is
    # also another signature than the first one, which ML-DSA draws anew each time.
    yield signed("S11", "ML-DSA-65 as it is", signed_as(b"\0\0" + MESSAGE), "yes", QUANTUM)
    made = World(signer=QUANTUM, signature=signed_as(b"\0\0" + MESSAGE))
    made.logged = Entry.of(MESSAGE, good, QUANTUM.public).body()
    yield world("S2", "ML-DSA-65, another signature is logged", made, "entry-mismatch")


def _hashes() -> Iterator[Case]:
    """S7, S8: the right key, and another hash or padding than the key's own."""
    for curve, right in (("P-256", hashes.SHA256), ("P-384", hashes.SHA384)):
        signer = CURVES[curve][0]
        others: tuple[Any, ...] = (hashes.SHA1, hashes.SHA224, hashes.SHA256, hashes.SHA384)
        for other in (*others, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384):
            if other is not right:
                signature = signer._key.sign(MESSAGE, ec.ECDSA(other()))
                yield signed("S7", f"{curve} with {other.name}", signature, "bad-signature", signer)
    key, v15, sha256 = RSA._key, padding.PKCS1v15(), hashes.SHA256()
    digest = hashlib.sha256(MESSAGE).digest()
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    bare = utils.NoDigestInfo()
    good, modulus = RSA.sign(MESSAGE), key.public_key().public_numbers().n
    number = int.from_bytes(good, "big")
    assert good == key.sign(info + digest, v15, bare)
    wrong: dict[str, bytes] = {
        **{
            f"PSS with salt of {salt}": key.sign(
                MESSAGE, padding.PSS(padding.MGF1(sha256), salt), sha256
            )
            for salt in (0, 20, 32, 222)
        },
        "PSS of SHA-512": key.sign(
            MESSAGE, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()
        ),
        "SHA-1": key.sign(MESSAGE, v15, hashes.SHA1()),
        "SHA-512": key.sign(MESSAGE, v15, hashes.SHA512()),
        "no algorithm": key.sign(digest, v15, bare),
        "algorithm without null": key.sign(
            bytes.fromhex("302f300b0609608648016503040201") + b"\4\x20" + digest, v15, bare
        ),
        "name of SHA-1": key.sign(
            bytes.fromhex("302d300906052b0e03021a05000420") + digest, v15, bare
        ),
        "bytes after the hash": key.sign(info + digest + bytes(64), v15, bare),
        "message in the place of its hash": key.sign(info + MESSAGE[:32], v15, bare),
        "zero before": b"\0" + good,
        "zero cut off": good[1:],
        "and the modulus": (number + modulus).to_bytes(257, "big"),
        "the modulus less it": (modulus - number).to_bytes(256, "big"),
        "0": bytes(256),
        "1": bytes(255) + b"\1",
        "the modulus less 1": (modulus - 1).to_bytes(256, "big"),
        "turned round": good[::-1],
    }
    for name, signature in wrong.items():
        yield signed("S8", f"RSA, {name}", signature, "bad-signature", RSA)


def _messages() -> Iterator[Case]:
    """S9: the right key over something that stands for the message."""
    payload, digest = GOOD.payload, hashlib.sha256(MESSAGE)
    messages: dict[str, bytes] = {
        "hash": digest.digest(),
        "hash in hexadecimal": digest.hexdigest().encode(),
        "hash in upper case": digest.hexdigest().upper().encode(),
        "hash in Base64": b64encode(digest.digest()).encode(),
        "hash with its name": b"sha256:" + digest.hexdigest().encode(),
        "hash, next line": digest.hexdigest().encode() + b"\n",
        "payload": payload,
        "payload in Base64": b64encode(payload).encode(),
        "hash of the payload": hashlib.sha256(payload).digest(),
        "hash of the payload in hexadecimal": hashlib.sha256(payload).hexdigest().encode(),
        "digest of the image": GOOD.digest.encode(),
        "digits of the image": GOOD.digest.hex.encode(),
        "bytes of the image's digest": bytes.fromhex(GOOD.digest.hex),
        "message in Base64": b64encode(MESSAGE).encode(),
        "message and a newline": MESSAGE + b"\n",
        "nothing": b"",
    }
    for signer in (GOOD.signer, ED25519, RSA, QUANTUM):
        kind = signer.public.algorithm.name
        for name, message in messages.items():
            signature = signer.sign(message)
            yield signed("S9", f"{kind} over the {name}", signature, "bad-signature", signer)


def _contexts() -> Iterator[Case]:
    """S10: a key that is trusted, for something else."""
    for purpose in PURPOSES:
        if purpose != "approve":
            made = World()
            made.key = made.key._replace(purpose=purpose)
            yield world("S10", f"key for {purpose} approves", made, "key-purpose")
    # The log's key and a witness's are no keys of this list at all, whatever they sign.
    made = World(witnesses=witnesses(1))
    for name, note in (("log", made.log), ("witness", made.witnesses[0])):
        hint, signature = note.key.public.hint, note._key.sign(MESSAGE)
        asked = World(hint=hint, signature=signature, log=made.log, witnesses=made.witnesses)
        yield world("S10", f"key of the {name} approves", asked, "unknown-key")
        asked = World(signature=signature, log=made.log, witnesses=made.witnesses)
        yield world("S10", f"key of the {name} approves as ours", asked, "bad-signature")
    # The other way round: what the approving key signs is no checkpoint.
    made = World(signer=ED25519)
    by = NoteSigner(ORIGIN, seed=ED25519._key.private_bytes_raw())
    made.log = by
    yield world("S10", "approving key signs the checkpoint", made, "untrusted-log")
    made = World(signer=ED25519)
    forged = by.sign(str(made.checkpoint)).signature
    made.lines = (NoteSignature(ORIGIN, made.log.key.key_id, forged),)
    yield world("S10", "approving key signs the checkpoint as the log", made, "bad-signature")
    made = World(signer=ED25519)
    text = str(made.checkpoint)
    made.signature = by._key.sign(text.encode())
    yield world("S10", "approving key signed a checkpoint", made, "bad-signature")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    for curve in CURVES:
        yield from _malformed(curve)
    yield from _edwards()
    yield from _lattices()
    yield from _hashes()
    yield from _messages()
    yield from _contexts()
