"""The keys that callers may ask for: opened as configured, and held against the trust file."""

from __future__ import annotations

from pathlib import Path

from signer.config import Config
from signer.errors import ConfigError
from signer.forms import Forms
from signer.keys import SigningKey, open_key
from verifier.errors import SealbookError
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


def signing_keys(config: Config, trust: TrustRoot, forms: Forms) -> dict[str, SigningKey]:
    """Open every signing key; each can do what it is for, and verifiers know it for that.

    Raises:
        KeyFileError: one cannot be used.
        UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
        UnknownKeyError, KeyPurposeError: the trust file says otherwise.
        ConfigError: a raw key that verifiers trust, or a certificate of another key.
    """
    keys = {}
    for name, section in config.signing.keys.items():
        chain = _chain(config.path(section.certificate)) if section.certificate else ()
        key = SigningKey(
            name,
            open_key(section.uri, config.base),
            section.forms if section.purpose == "approve" and not section.raw else (),
            purpose=section.purpose,
            raw=section.raw,
            chain=chain,
        )
        if section.raw:
            if key.public in trust.publics():
                raise ConfigError(f"key {name} signs what nobody read, and the trust file lists it")
        else:
            trust.key(key.public.hint, section.purpose)
        if chain and _public(chain[0]) != key.public:
            raise ConfigError(f"the certificate of key {name} is of another key")
        forms.named("bundle").check(key)  # what everything else is at least
        for form in key.forms:
            forms.named(form).check(key)
        keys[name] = key
    if len({key.public for key in keys.values()}) != len(keys):
        raise ConfigError("one signing key is configured under two names")
    return keys


def _chain(path: Path) -> tuple[bytes, ...]:
    """Return the certificates of a PEM file, DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as e:
        raise ConfigError(f"expected PEM certificates in {path}: {e}") from e
    return tuple(one.public_bytes(Encoding.DER) for one in found)


def _public(certificate: bytes) -> PublicKey | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = x509.load_der_x509_certificate(certificate).public_key()
    try:
        return PublicKey(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except SealbookError:
        return None
