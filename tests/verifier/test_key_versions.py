"""Versions of a key: one name for policies and for counting, a row each in the trust file."""

from __future__ import annotations

import pytest

from tests.verifier.books import SIGNERS, Book
from tests.verifier.making import Signer, refused
from tests.verifier.pinned import APPROVER, DOCUMENT, GOOD, OFFICER, parse
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint

IMAGES = '[[images]]\nunder = "*"\n[images.approval]\n'
NEW = Signer()
SECOND = TrustedKey("release", "approve", NEW.public, (Scope("*"),), 40, version=2)


class Rotated(Book):
    """A ledger whose key `qa` is the second version of `release`."""

    @property
    def trust(self) -> TrustRoot:
        """The trust file that says so."""
        trust = super().trust
        keys = [
            key._replace(name="release", version=2) if key.name == "qa" else key
            for key in trust.keys.values()
        ]
        return trust._replace(keys=keys_by_hint(keys))


def test_round_trip() -> None:
    """
    Two versions of a key are two rows of a trust file, and are read as they were written.
    """
    both = GOOD._replace(keys=keys_by_hint([*GOOD.keys.values(), SECOND]))
    again = TrustRoot.parse(both.json())

    assert both == again
    assert ["release", "officer", "release@2"] == [key.label for key in again.keys.values()]
    assert SECOND == again.key(NEW.public.hint, "approve")


@pytest.mark.parametrize("version", [0, 1])
def test_first_version(version: int) -> None:
    """
    The first version is said by saying nothing, and in no other way.
    """
    first, *rest = DOCUMENT["keys"]
    refused("malformed", lambda: parse(DOCUMENT | {"keys": [first | {"version": version}, *rest]}))

    assert (
        2
        == parse(DOCUMENT | {"keys": [first | {"version": 2}, *rest]})
        .keys[APPROVER.public.hint]
        .version
    )


def test_one_version_twice() -> None:
    """
    One version of a name is one key.
    """
    said = refused(
        "malformed",
        lambda: keys_by_hint([SECOND, SECOND._replace(public=OFFICER.public)]),
    )

    assert "release@2 is listed twice" in said.message


def test_one_purpose() -> None:
    """
    All versions of a key are for one purpose.
    """
    attests = SECOND._replace(purpose="attest")
    said = refused("malformed", lambda: keys_by_hint([*GOOD.keys.values(), attests]))

    assert "for two purposes" in said.message


@pytest.mark.parametrize("name", ["release", "qa"])
def test_a_policy_means_all_versions(name: str) -> None:
    """
    A policy that names a key goes on holding when the key rotates, before and after.
    """
    book = Rotated()
    entry = book.approve(name)

    assert book.judge(f'{IMAGES}keys = ["release"]\n', entry).allowed
    assert "release" == book.judge(IMAGES, entry).approvals[0].key


def test_versions_are_one_signer() -> None:
    """
    A key that rotated does not stand for two people.
    """
    book, two = Book(), f"{IMAGES}signers = 2\n"
    assert book.judge(two, book.approve("release"), book.approve("qa")).allowed
    rotated = Rotated()

    assert SIGNERS["qa"].public.hint in rotated.trust.keys
    refused(
        "not-approved",
        lambda: rotated.judge(two, rotated.approve("release"), rotated.approve("qa")),
    )
