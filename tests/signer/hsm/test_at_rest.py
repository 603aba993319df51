"""A key-encryption key in a token: it wraps there, never leaves, and may go away meanwhile."""

from __future__ import annotations

from pathlib import Path

import pkcs11
from pkcs11 import Attribute

from ledger.opening import Home
from signer.at_rest import Sealing
from signer.at_rest.keeping import AtRest
from signer.at_rest.kek import make_kek, open_kek
from signer.config.record import AtRestSection
from tests.signer.asking import refused
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, PIN, SoftToken

pytestmark = NEEDS_SOFTHSM


def test_wraps(token: SoftToken) -> None:
    """
    What the token wraps it opens again, as what it was wrapped for; another key in it does not.
    Away, it says nothing of keys.
    """
    base, one, two = token.directory, token.uri("object=kek"), token.uri("object=kek-2")
    for uri in (one, two):
        make_kek(uri, base)
    refused("key-exists", lambda: make_kek(one, base))
    first, second = open_kek(one, base), open_kek(two, base)
    wrapped = first.wrap(bytes(32), b"about")

    assert bytes(32) == first.unwrap(wrapped, b"about")
    assert bytes(32) not in wrapped
    for wrong in (wrapped[:-1], b"", wrapped[:12], wrapped[::-1]):
        refused("at-rest-key", lambda wrong=wrong: first.unwrap(wrong, b"about"))  # type: ignore[misc]
    refused("at-rest-key", lambda: first.unwrap(wrapped, b"other"))
    refused("at-rest-key", lambda: second.unwrap(wrapped, b"about"))
    assert bytes(32) == first.unwrap(wrapped, b"about")
    token.vanish()
    refused("key-unavailable", lambda: first.unwrap(wrapped, b"about"))
    first.close()
    second.close()


def test_key_that_could_leave(token: SoftToken) -> None:
    """
    A key that could leave the token is refused, and so is one that is not there.
    """
    library = pkcs11.lib(str(token.module))
    with library.get_token(token_label=token.label).open(rw=True, user_pin=PIN) as session:
        session.generate_key(
            pkcs11.KeyType.AES,
            256,
            label="loose",
            store=True,
            template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
        )
    error = refused("key-object", lambda: open_kek(token.uri("object=loose"), token.directory))
    assert "CKA_" in error.message
    refused("key-object", lambda: open_kek(token.uri("object=none"), token.directory))


def test_data_keys(token: SoftToken, tmp_path: Path) -> None:
    """
    From a file to a token: what was encrypted opens, is wrapped by the token, and needs the file
    no more. While the token is away nothing is lost: the key of before is used on.
    """
    home = Home(tmp_path / "ledger", tmp_path / "anchor", "ledger.example")
    home.directory.mkdir()
    home.anchor.mkdir()
    make_kek("file:kek", tmp_path)
    before = AtRest.open(AtRestSection(key="file:kek"), tmp_path, home)
    assert before is not None
    sealed = Sealing(before).seal("t", "row", b"plain")
    uri = token.uri("object=kek")
    make_kek(uri, tmp_path)

    changed = AtRest.open(AtRestSection(key=uri, previous="file:kek"), tmp_path, home)
    assert changed is not None
    changed.tend()
    changed.close()
    (tmp_path / "kek").unlink()
    alone = AtRest.open(AtRestSection(key=uri), tmp_path, home)
    assert alone is not None
    assert b"plain" == Sealing(alone).open("t", "row", sealed)
    key = alone.newest().id
    token.vanish()
    refused("key-unavailable", alone.rotate)
    assert key == alone.newest().id
    assert b"plain" == Sealing(alone).open("t", "row", sealed)
    alone.close()
