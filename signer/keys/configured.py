"""The keys that callers may ask for: opened as configured, and held against the trust file."""

from __future__ import annotations

from ledger import labels
from signer.authority.chains import read_signer
from signer.config import Config, SigningSection
from signer.errors import ConfigError
from signer.forms import Forms
from signer.forms.algorithms import check_also
from signer.keys import SigningKey, open_key
from signer.keys.home import Role
from verifier.entry import certified_key
from verifier.trust import TrustRoot


def signing_keys(config: Config, trust: TrustRoot, forms: Forms) -> list[SigningKey]:
    """Open every signing key; each can do what it is for, and verifiers know it for that.

    Raises:
        KeyFileError: one cannot be used.
        UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
        UnknownKeyError, KeyPurposeError: the trust file says otherwise.
        ConfigError: a raw key that verifiers trust, or a certificate that is not this key's.
    """
    keys: list[SigningKey] = []
    for name, section in config.signing.keys.items():
        chain = read_signer(config.path(section.certificate)) if section.certificate else ()
        role = Role(name, "raw" if section.raw else section.purpose)
        key = SigningKey(
            name,
            open_key(section.uri, config.base, role),
            section.forms if section.purpose == "approve" and not section.raw else (),
            purpose=section.purpose,
            raw=section.raw,
            chain=chain,
            also=section.also,
        )
        if section.raw:
            if key.public in trust.publics():
                raise ConfigError(f"key {name} signs what nobody read, and the trust file lists it")
        else:
            trust.key(key.public.hint, section.purpose)
        if chain and certified_key(chain[0]) != key.public:
            raise ConfigError(f"the certificate of key {name} is of another key")
        check_algorithms(key, config.signing, forms)
        keys.append(key)
    if len({key.public for key in keys}) != len(keys):
        raise ConfigError("one signing key is configured under two names")
    return keys


def check_algorithms(key: SigningKey, signing: SigningSection, forms: Forms) -> None:
    """Check that the readers of all that `key` is to make under its name can take it.

    Raises:
        UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
    """
    made = {labels.BUNDLE, *key.forms}  # a bundle is what everything else is at least
    beside = {name for section in signing.keys.values() for name in section.also}
    if key.name in beside - {signing.default_key, signing.default_attest_key}:
        check_also(key)
        made.remove(labels.BUNDLE)
    for form in sorted(made):
        forms.named(form).check(key)
