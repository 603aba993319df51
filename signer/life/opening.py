"""Opening keys: of each name the version that signs, as ledger, book and configuration say.

1. A name of which the ledger tells nothing has the key that is configured, its first version.
2. Of any other, the version that was put to use last signs: it lives where the book says, or
   where the configuration does. Without a row in either the service does not start.
3. It is the very key that the ledger names, whatever the two say.
4. It can do what it is for, and verifiers know it for that.
5. A name whose version was retired has no key that signs.
"""

from __future__ import annotations

from signer.authority.chains import read_signer
from signer.config import Config
from signer.config.keys import SigningKeySection
from signer.errors import ConfigError, KeyBookError
from signer.forms import Forms
from signer.keys import CheckedKey, SigningKey, open_key
from signer.keys.home import Role
from signer.life.book import Book
from signer.life.configured import check_algorithms, check_seconds
from signer.life.standing import Known
from verifier.entry import certified_key
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot
from verifier.trust.life import Activated


class Opening:
    """Opens the keys of one configuration. Safe in many threads."""

    def __init__(self, config: Config, forms: Forms, book: Book) -> None:
        """Look in `config` and `book`; what is opened can make its `forms`."""
        self._config = config
        self._forms = forms
        self._book = book

    def current(self, trust: TrustRoot, known: Known) -> list[SigningKey]:
        """Open the key of each name that signs.

        Raises:
            KeyHomeError, KeyUnavailableError, KeyFailedError: one cannot be used.
            KeyBookError: nobody knows where one is, or another key is there.
            UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
            UnknownKeyError, KeyPurposeError: the trust file says otherwise.
            ConfigError: a raw key that verifiers trust, a certificate of another key, one key
                under two names, or a key that is to sign also and is not there.
        """
        keys: list[SigningKey] = []
        try:
            names = dict.fromkeys((*self._config.signing.keys, *known.active))
            for name in names:
                key = self._signing(name, known, trust)
                keys += [key] if key else []
            _check_once(keys)
            check_seconds(keys, names)
        except BaseException:
            for key in keys:
                key.close()
            raise
        return keys

    def version(
        self, name: str, version: int, hint: str, purpose: str, trust: TrustRoot
    ) -> SigningKey:
        """Open a version of a key, which `trust` has to have; raises like `current`."""
        row, section = self._book.find(hint), self._config.signing.keys.get(name)
        if row is None and (section is None or version != 1):
            raise KeyBookError(
                f"nobody knows where version {version} of key {name} lives",
                hint=f"sealbook key announce {name} --uri URI",
            )
        uri = row.uri if row else self._section(name, purpose).uri
        opened = open_key(uri, self._config.base, Role(name, purpose))
        if opened.public.hint != hint:
            opened.close()
            raise KeyBookError(
                f"expected version {version} of key {name}, {hint}, where another key is",
                hint="the ledger says which key it is: put that one back",
            )
        self._check_trusted(name, opened, purpose, trust)
        return self.signing(name, version, opened, purpose, row.forms if row else None)

    def signing(
        self,
        name: str,
        version: int,
        opened: CheckedKey,
        purpose: str,
        forms: tuple[str, ...] | None = None,
    ) -> SigningKey:
        """Return an opened key as one that callers may ask for; it is closed if it cannot be.

        Raises:
            UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
            ConfigError: the certificate that is configured for a first version is of another key.
        """
        section = self._section(name, purpose)
        approves = section.purpose == "approve" and not section.raw
        try:
            key = SigningKey(
                name,
                opened,
                (section.forms if forms is None else forms) if approves else (),
                purpose=section.purpose,
                raw=section.raw,
                chain=self._chain(section, name, version, opened.public),
                version=version,
                also=section.also,
                verification_plugin=section.verification_plugin,
            )
            check_algorithms(key, self._config.signing, self._forms)
        except BaseException:
            opened.close()
            raise
        return key

    def _signing(self, name: str, known: Known, trust: TrustRoot) -> SigningKey | None:
        active = known.active.get(name)
        if active is not None:
            return None if active.key in known.retired else self._active(active, known, trust)
        section = self._config.signing.keys[name]
        role = Role(name, "raw" if section.raw else section.purpose)
        opened = open_key(section.uri, self._config.base, role)
        if opened.public.hint in known.retired:
            opened.close()
            return None
        self._check_trusted(name, opened, section.purpose, trust)
        announced = known.announced.get(opened.public.hint)
        version = announced.announcement.version if announced else 1
        return self.signing(name, version, opened, section.purpose)

    def _active(self, active: Activated, known: Known, trust: TrustRoot) -> SigningKey:
        announced = known.announced.get(active.key)
        purpose = announced.announcement.purpose if announced else ""
        purpose = purpose or self._config.signing.keys[active.name].purpose
        return self.version(active.name, active.version, active.key, purpose, trust)

    def _check_trusted(self, name: str, opened: CheckedKey, purpose: str, trust: TrustRoot) -> None:
        """Check that verifiers know a key for what it does, or close it."""
        try:
            if self._section(name, purpose).raw:
                _refuse_trusted(name, opened.public, trust)
            else:
                trust.key(opened.public.hint, purpose)
        except BaseException:
            opened.close()
            raise

    def _section(self, name: str, purpose: str) -> SigningKeySection:
        """Return what is configured for a name; next to nothing of one that was made here."""
        section = self._config.signing.keys.get(name)
        return section or SigningKeySection.model_validate({"uri": "", "purpose": purpose})

    def _chain(
        self, section: SigningKeySection, name: str, version: int, public: PublicKey
    ) -> tuple[bytes, ...]:
        if section.certificate is None:
            return ()
        chain = read_signer(self._config.path(section.certificate))
        if certified_key(chain[0]) == public:
            return chain
        if version == 1:
            raise ConfigError(f"the certificate of key {name} is of another key")
        return ()


def _refuse_trusted(name: str, public: PublicKey, trust: TrustRoot) -> None:
    if public in trust.publics():
        raise ConfigError(f"key {name} signs what nobody read, and the trust file lists it")


def _check_once(keys: list[SigningKey]) -> None:
    if len({key.public for key in keys}) != len(keys):
        raise ConfigError("one signing key is configured under two names")
