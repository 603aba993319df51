"""Everything that a start loads, loaded without starting: beside a running service, too.

What is not looked at: whether addresses are free, whether witnesses and issuers answer, and
whether the ledger is whole, which `sealbook fsck` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple, cast

from ledger.ledger import Ledger
from ledger.store import Row
from ledger.store.files import data_keys
from ledger.store.reading import SqliteReader
from signer.access import bindings
from signer.access.admitting import Admitting
from signer.access.binding import Binding
from signer.access.tokens import Tokens
from signer.approvals.persons import Persons
from signer.approvals.protection import Protection
from signer.at_rest.book import Book
from signer.at_rest.keeping import AtRest
from signer.at_rest.kek import open_kek
from signer.authority.opening import opened
from signer.config import Config
from signer.config.canonical import canonical
from signer.expiry import check_certificates
from signer.forms.all import all_forms
from signer.gates.rules import Rules
from signer.keys import SigningKey
from signer.life.book import Book as KeyBook
from signer.life.opening import Opening
from signer.life.standing import Known, Standing
from signer.own_keys import OwnKeys
from signer.publish.registries import Destinations
from signer.status.keeping import read_status
from signer.tls import Tls
from signer.trust_files import LiveTrust
from verifier.policy import Policy
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


class Key(NamedTuple):
    """A signing key, as it is now."""

    purpose: str
    public: PublicKey
    raw: bool


class Checked(NamedTuple):
    """What a service would know when it has started."""

    config: Config
    trust: TrustRoot
    keys: Mapping[str, Key]
    bindings: tuple[Binding, ...]
    persons: Persons
    rules: Rules
    policy: Policy | None


class _Shelf:
    """A ledger's rows as they lie in its database, unlocked: enough to read events from."""

    def __init__(self, store: SqliteReader) -> None:
        self.store = store

    def stored(self, index: int) -> Row:
        [row] = self.store.rows(index, index + 1)
        return row


def check(config: Config) -> Checked:
    """Load what `config` names, and return what it comes to.

    Raises:
        SealbookError: whatever would keep a service from starting, with its code.
    """
    with ExitStack() as stack:
        live = LiveTrust.read(config)
        own = OwnKeys.open(config, live.root)
        stack.callback(own.close)
        forms = all_forms(config.origin, opened(config, own, live.root).issuer)
        Admitting(config, [Tokens.read(config)])
        Tls(config)
        _check_issuers(config)
        _check_at_rest(config)
        Destinations.of(config)
        read_status(config.path(config.trust.status), live.root, config.origin)
        check_certificates(config)
        rules = Rules.read(config, live.root)
        known = _known(config)
        opening = Opening(config, forms, KeyBook(config.path(config.signing.book)))
        keys = opening.current(live.root, known)
        for key in keys:
            stack.callback(key.close)
        persons = _persons(config, own, keys, known, live.root)
        Protection.read(config, persons, [key.name for key in keys])
        canonical(config, rules.content)
        return Checked(
            config,
            live.root,
            {key.name: Key(key.purpose, key.public, key.raw) for key in keys},
            bindings.read(config)[0],
            persons,
            rules,
            None if rules.content is None else Policy.parse(rules.content),
        )


def _check_issuers(config: Config) -> None:
    if config.issuers:
        from signer.access.oidc.issuers import Issuers  # its libraries are loaded only then

        Issuers(config)


def _check_at_rest(config: Config) -> None:
    """Check that what is encrypted can be opened, and begin with nothing."""
    section, keys = config.at_rest, data_keys(config.home.database)
    if section is None:
        AtRest.open(None, config.base, config.home)
        return
    with ExitStack() as stack:
        keks = [open_kek(uri, config.base) for uri in (section.key, section.previous) if uri]
        for kek in keks:
            stack.callback(kek.close)
        if keys.exists():
            Book.read(keys, keks)


def _known(config: Config) -> Known:
    """Return what the ledger says of keys; raises `DamagedError`, `StorageFailedError`."""
    store = SqliteReader(config.home.database)
    try:
        return Standing(cast("Ledger", _Shelf(store))).known
    finally:
        store.close()


def _persons(
    config: Config, own: OwnKeys, keys: list[SigningKey], known: Known, trust: TrustRoot
) -> Persons:
    announced = (one.announcement.public for one in known.announced.values())
    taken = (*own.publics, *(key.public for key in keys), *announced, *trust.publics())
    return Persons.read(config, taken)
