"""Private keys in the forms that others keep them in, read strictly.

    -----BEGIN PRIVATE KEY-----                     PKCS#8 (RFC 5958)
    -----BEGIN EC PRIVATE KEY-----                  SEC1 (RFC 5915), as openssl ecparam writes
    -----BEGIN ENCRYPTED PRIVATE KEY-----           PKCS#8 under a passphrase (`signer.keys.pbes2`)
    -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----  cosign's own (`signer.keys.cosign_key`),
    -----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----    also under its older name
    DER                                             of PKCS#8, encrypted or not

A file holds one key and nothing else: of two, readers would take different ones. What a
passphrase is turned into a key with is looked at before that is done, because a file may ask
for all the memory and time there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from signer.errors import KeyFileError, PassphraseError
from signer.keys.private import Private
from verifier._strict import b64
from verifier.errors import Base64Error

Ask = Callable[[], bytes]

_PLAIN, _SEC1, _ENCRYPTED = "PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"
_COSIGN = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
# openssl writes the curve's name before a SEC1 key, unless told not to.
_PARAMETERS = re.compile(
    rb"\A-----BEGIN EC PARAMETERS-----\n[A-Za-z0-9+/=\n]{1,200}-----END EC PARAMETERS-----\n"
)
_PEM = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\n([A-Za-z0-9+/=\n]+)-----END \1-----\n?", re.ASCII
)
_SEQUENCE = b"\x30"  # what DER begins with


def read_plain(content: bytes, where: str) -> Private:
    """Return the key of a file that is unencrypted PKCS#8 in PEM.

    Raises:
        KeyFileError: it is something else, or of another kind than ours; what is in it is
            not shown.
    """
    label, der = _block(content)
    if label != _PLAIN:
        hint = "name the passphrase's source: file:PATH?passphrase-source=file:PATH"
        raise KeyFileError(
            f"{where} holds no unencrypted PKCS#8 private key",
            hint=hint if "ENCRYPTED" in label else "sealbook key import reads other forms",
        )
    return read_der(der, where)


def read_encrypted(content: bytes, ask: Ask, where: str) -> Private:
    """Return the key of a file that is encrypted PKCS#8 in PEM; `ask` gives the passphrase.

    Raises:
        PassphraseError: the passphrase does not fit, or raised by `ask`.
        KeyFileError: it is something else, or asks for too much work or too little.
    """
    label, der = _block(content)
    if label != _ENCRYPTED:
        raise KeyFileError(f"{where} holds no encrypted key")
    return _decrypted(der, ask, where)


def read_any(content: bytes, ask: Ask | None, where: str) -> Private:
    """Return the key of a file in any form of others; `ask` gives the passphrase, if it has one.

    Raises:
        PassphraseError: it has one and `ask` is None, or raised by `read_encrypted`.
        KeyLibraryError: it is cosign's, and what reads that is not installed.
        KeyFileError: it is in no form of those, has no passphrase and `ask` gives one, or
            asks for too much work or too little.
    """
    label, der = _block(content)
    if label in _COSIGN:
        from signer.keys import cosign_key

        # cosign encrypts under the empty passphrase when it was given none.
        return read_der(cosign_key.decrypt(der, ask or bytes, where), where)
    if not label and content[:1] == _SEQUENCE:
        from signer.keys import pbes2

        label, der = _ENCRYPTED if pbes2.is_encrypted(content) else _PLAIN, content
    if label == _ENCRYPTED:
        if ask is None:
            raise PassphraseError(f"{where} is encrypted", hint="name its passphrase's source")
        return _decrypted(der, ask, where)
    if label not in (_PLAIN, _SEC1):
        raise KeyFileError(f"{where} holds no private key in a form that we know")
    if ask:
        raise KeyFileError(f"expected {where} to be encrypted, as a passphrase was named for it")
    return read_der(der, where)


def read_der(der: bytes, where: str) -> Private:
    """Return the key that `der`, which is not encrypted, holds; raises `KeyFileError`."""
    try:
        return _ours(serialization.load_der_private_key(der, None), where)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise KeyFileError(f"{where} holds no private key that can be read") from e


def _decrypted(der: bytes, ask: Ask, where: str) -> Private:
    from signer.keys import pbes2

    pbes2.check(der, where)
    try:
        return _ours(serialization.load_der_private_key(der, ask()), where)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise PassphraseError(f"{where}: a wrong passphrase, or the file was changed") from e


def _ours(private: object, where: str) -> Private:
    if not isinstance(private, Private):
        raise KeyFileError(f"expected an ECDSA, Ed25519, RSA or ML-DSA key in {where}")
    return private


def _block(content: bytes) -> tuple[str, bytes]:
    """Return label and bytes of the one PEM block that is all of `content`; else nothing.

    Line ends may be those of Windows.
    """
    match = _PEM.fullmatch(_PARAMETERS.sub(b"", content.replace(b"\r\n", b"\n")))
    if match is None:
        return "", b""
    try:
        return match[1].decode(), b64(match[2].replace(b"\n", b"").decode())
    except Base64Error:
        return "", b""
