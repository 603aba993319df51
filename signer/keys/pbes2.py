"""What an encrypted PKCS#8 key asks for, read before any of it is done (RFC 8018, PBES2).

    SEQUENCE {                                      EncryptedPrivateKeyInfo
      SEQUENCE { OID pbes2, SEQUENCE {
        SEQUENCE { OID pbkdf2, SEQUENCE { salt, iterations, [key length], prf } }
        or       { OID scrypt, SEQUENCE { salt, N, r, p, [key length] } }   RFC 7914, section 7
        SEQUENCE { OID aes-cbc, iv } } }
      OCTET STRING }

Too little work makes passphrases cheap to guess: `cryptography` itself writes 2,048 rounds
unless told otherwise, and nobody sees it. Too much of it, and opening a key takes the machine.
"""

from __future__ import annotations

from typing import NamedTuple

from signer.errors import KeyFileError

LEAST_ROUNDS, MOST_ROUNDS = 100_000, 4_000_000  # of PBKDF2; NIST and OWASP say 600,000
# N·r·p: 2^14·8·1 is what OpenSSL writes, and 2^21 takes 256 MiB, which is 128·N·r bytes, at most.
LEAST_SCRYPT, MOST_SCRYPT = 1 << 17, 1 << 21
_LEAST_SALT = 8  # bytes

_SEQUENCE, _OCTETS, _OID, _INTEGER = 0x30, 0x04, 0x06, 0x02
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_HMACS = tuple(bytes.fromhex(f"2a864886f70d02{n}") for n in ("09", "0a", "0b"))  # SHA-256, 384, 512
_AES_CBC = tuple(bytes.fromhex(f"60864801650304{n}") for n in ("0102", "0116", "012a"))


class _Field(NamedTuple):
    tag: int
    content: bytes


def is_encrypted(der: bytes) -> bool:
    """Whether `der` looks like an encrypted key: a plain one begins with its version."""
    try:
        return _inside(der, 0)[0].tag == _SEQUENCE
    except _NotDerError:
        return False


def check(der: bytes, where: str) -> None:
    """Check that opening the encrypted key in `der` takes enough work, and not too much.

    Raises:
        KeyFileError: it does not, or it is encrypted in another way than PBES2 with AES.
    """
    try:
        scheme, _ = _inside(der, 2)
        kind, parameters = _inside_of(scheme, 2)
        if kind != _Field(_OID, _PBES2):
            raise KeyFileError(f"expected {where} to be encrypted by PBES2")
        kdf, cipher = _inside_of(parameters, 2)
        _check_kdf(kdf, where)
        oid, _ = _inside_of(cipher, 2)
    except _NotDerError as e:
        raise KeyFileError(f"{where} holds no encrypted key that can be read") from e
    if oid.content not in _AES_CBC:
        raise KeyFileError(f"expected {where} to be encrypted by AES")


def _check_kdf(kdf: _Field, where: str) -> None:
    kind, parameters = _inside_of(kdf, 2)
    match kind.content, _inside_of(parameters, 0):
        case oid, [salt, rounds, *others] if oid == _PBKDF2:
            hashes = [_inside_of(other, 2)[0].content for other in others if other.tag == _SEQUENCE]
            if len(hashes) != 1 or hashes[0] not in _HMACS:  # without one it is SHA-1
                raise KeyFileError(f"expected PBKDF2 with a hash of SHA-2 in {where}")
            _check_range(_number(rounds), LEAST_ROUNDS, MOST_ROUNDS, f"rounds of PBKDF2 in {where}")
        case oid, [salt, cost, block, lanes, *_] if oid == _SCRYPT:
            work = _number(cost) * _number(block) * _number(lanes)
            _check_range(work, LEAST_SCRYPT, MOST_SCRYPT, f"as N·r·p of scrypt in {where}")
        case _:
            raise KeyFileError(f"expected PBKDF2 or scrypt, and what they take, in {where}")
    if salt.tag != _OCTETS or len(salt.content) < _LEAST_SALT:
        raise KeyFileError(f"expected a salt of {_LEAST_SALT} bytes or more in {where}")


def _check_range(found: int, least: int, most: int, what: str) -> None:
    if not least <= found <= most:
        raise KeyFileError(f"expected {least} to {most} {what}, found {str(found)[:40]}")


class _NotDerError(Exception):
    pass


def _number(field: _Field) -> int:
    if field.tag != _INTEGER or not field.content or field.content[0] & 0x80:
        raise _NotDerError
    return int.from_bytes(field.content, "big")


def _inside_of(field: _Field, count: int) -> list[_Field]:
    """Return what is in a sequence, of which there must be `count`; 0 is any but none."""
    if field.tag != _SEQUENCE:
        raise _NotDerError
    found = []
    left = field.content
    while left:
        one, left = _next(left)
        found.append(one)
    if not found or (count and len(found) != count):
        raise _NotDerError
    return found


def _inside(der: bytes, count: int) -> list[_Field]:
    whole, after = _next(der)
    if after:
        raise _NotDerError
    return _inside_of(whole, count)


def _next(der: bytes) -> tuple[_Field, bytes]:
    """Return the first value of `der` and what is after it."""
    if len(der) < 2:
        raise _NotDerError
    size, start = der[1], 2
    if size & 0x80:
        count = size & 0x7F
        start, size = 2 + count, int.from_bytes(der[2 : 2 + count], "big")
        if not 1 <= count <= 2 or size < (0x80 if count == 1 else 0x100):
            raise _NotDerError  # not the one way to write this length
    if len(der) < start + size:
        raise _NotDerError
    return _Field(der[0], der[start : start + size]), der[start + size :]
