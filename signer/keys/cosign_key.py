"""cosign's own encrypted key file: JSON in one PEM block (secure-systems-lab's `encrypted`).

    {"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"<b64>"},
     "cipher":{"name":"nacl/secretbox","nonce":"<b64>"},
     "ciphertext":"<b64>"}

Inside is PKCS#8 in DER. It is read to be imported, and never written.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from signer.errors import KeyFileError, KeyLibraryError, PassphraseError
from verifier import limits
from verifier._strict import Fields, b64, json_object
from verifier.errors import MalformedError

_COSTS = tuple(1 << n for n in range(15, 19))  # N: 2^15 and 2^16 are what cosign wrote so far
_BLOCK, _LANES = 8, 1
_KEY, _NONCE, _SALT = 32, 24, 32


def decrypt(content: bytes, ask: Callable[[], bytes], where: str) -> bytes:
    """Return the PKCS#8 in a key of cosign's, `content` of its PEM block; `ask` for its passphrase.

    Raises:
        KeyLibraryError: PyNaCl is not installed.
        KeyFileError: it is something else, or asks for too much work or too little.
        PassphraseError: the passphrase does not fit, or the file was changed.
    """
    try:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    except ModuleNotFoundError as e:
        raise KeyLibraryError(
            f"{where} is a key of cosign's: reading it needs PyNaCl",
            hint="pip install 'sealbook[cosign]'",
        ) from e
    try:
        fields = Fields(json_object(content, limit=limits.KEY), where)
        kdf = fields.inside("kdf")
        parameters = kdf.inside("params")
        cost, block, lanes = (parameters.number(field) for field in ("N", "r", "p"))
        salt = b64(kdf.text("salt"), size=_SALT)
        cipher = fields.inside("cipher")
        names = (kdf.text("name"), cipher.text("name"))
        nonce = b64(cipher.text("nonce"), size=_NONCE)
        ciphertext = b64(fields.text("ciphertext"))
        for part in (parameters, kdf, cipher, fields):
            part.done()
    except MalformedError as e:
        raise KeyFileError(f"{where} holds no key of cosign's: {e.message}") from e
    if names != ("scrypt", "nacl/secretbox"):
        raise KeyFileError(f"{where}: expected scrypt and nacl/secretbox, found {names}")
    if cost not in _COSTS or (block, lanes) != (_BLOCK, _LANES):
        raise KeyFileError(
            f"{where}: expected scrypt with N = 2^15 to 2^18, r = {_BLOCK}, p = {_LANES}, "
            f"found N = {cost}, r = {block}, p = {lanes}"
        )
    key = Scrypt(salt=salt, length=_KEY, n=cost, r=block, p=lanes).derive(ask())
    try:
        return SecretBox(key).decrypt(ciphertext, nonce)
    except CryptoError as e:
        raise PassphraseError(f"{where}: a wrong passphrase, or the file was changed") from e
