"""Signers: who counts once, with a certificate and without, and who does not count at all."""

from __future__ import annotations

import pytest

from tests.verifier import twin
from tests.verifier.books import SIGNERS, Book
from tests.verifier.certificates import certificate
from tests.verifier.making import ORIGIN, refused, rows, verdict
from tests.verifier.statuses import revoked
from tests.verifier.verdicts import said
from verifier.bundle import Bundle
from verifier.certified import Certified
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import Hash
from verifier.trust.revocation import Revocation

IMAGES = '[[images]]\nunder = "*"\n'
APPROVED = f"{IMAGES}[images.approval]\n"
OTHER = Digest.of(b"another image")
ADA, BOB, GITLAB = "ada@bank", "bob@bank", "https://gitlab.bank"


def named(*who: str) -> str:
    """Return the identities of a policy, all by one issuer."""
    rows = ", ".join(f'{{ identity = "{one}", issuer = "{GITLAB}" }}' for one in who)
    return f"identities = [{rows}]\n"


class Certifying(Book):
    """A ledger that has entries under certificates too; it also says whom each names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[int, str] = {}
        self.certificates = self

    def certify(self, index: int, identity: str) -> int:
        """Let the entry at `index` be under a certificate for its key, and for `identity`."""
        self.names[index] = identity
        return index

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All bodies."""
        return tuple(
            Entry.of(one.message, one.signature, signer.public, self._certificate(i)).body()
            for i, (signer, one) in enumerate(self._rows)
        )

    def bundle(self, index: int) -> bytes:
        """Return the bundle of an entry, under its certificate if it has one."""
        plain = Bundle.parse(super().bundle(index))
        if index in self.names:
            plain = plain._replace(hint="", certificate=self._certificate(index))
        return plain.json()

    def certified(self, data: bytes) -> Certified:
        """Find every bundle good, and say whom its certificate names."""
        bundle = Bundle.parse(data, certified=True)
        index, size = bundle.proof.index, bundle.proof.tree_size
        payload = bundle.envelope.payload
        return Certified(self.names[index], GITLAB, payload, index, size, ORIGIN)

    def _certificate(self, index: int) -> bytes:
        signer = self._rows[index][0]
        return certificate(signer.public) if index in self.names else b""


@pytest.fixture
def certifying() -> Certifying:
    """An empty ledger that takes certificates."""
    return Certifying()


def test_the_same_ledger() -> None:
    """
    Without certificates this ledger has the entries of any other book, and the same root.
    """
    book, other = Book(), Certifying()
    other._rows = book._rows
    book.approve()

    assert book.entries == other.entries
    assert Hash(twin.root(book.entries)) == Hash(twin.root(other.entries))


def test_one_key_with_and_without_a_certificate(certifying: Certifying) -> None:
    """
    One key is one signer, though it signed under its own certificate too.
    """
    managed = certifying.approve("release")
    own = certifying.certify(certifying.approve("release"), ADA)
    other = certifying.approve("qa")
    two = f'{APPROVED}keys = ["release", "qa"]\n{named(ADA)}signers = 2\n'

    refused("not-approved", lambda: certifying.judge(two, managed, own))
    refused("not-approved", lambda: certifying.judge(two, own, own))
    assert certifying.judge(two, own, other).allowed


def test_one_key_with_two_certificates(certifying: Certifying) -> None:
    """
    One of our keys is one signer, whoever its certificates name; and what it says is its own.
    """
    first = certifying.certify(certifying.approve("release"), ADA)
    second = certifying.certify(certifying.approve("release"), BOB)
    third = certifying.certify(certifying.approve("qa"), BOB)
    two = f"{APPROVED}{named(ADA, BOB)}signers = 2\n"

    refused("not-approved", lambda: certifying.judge(two, first, second))
    found = certifying.judge(two, first, third)
    assert [(ADA, GITLAB), (BOB, GITLAB)] == [(v.identity, v.issuer) for v in found.approvals]


@pytest.mark.parametrize(
    ("rules", "code"),
    rows(
        ("her", named(ADA), "yes"),
        ("her or him", named(BOB, ADA), "yes"),
        ("him", named(BOB), "identity-mismatch"),
        ("any key", "", "not-approved"),
        ("the name of the key", 'keys = ["release"]\n', "not-approved"),
        ("half of her name", named("ada"), "identity-mismatch"),
        ("her in capitals", named("ADA@bank"), "identity-mismatch"),
    ),
)
def test_under_a_certificate_the_identity_counts(
    certifying: Certifying, rules: str, code: str
) -> None:
    """
    What is under a certificate counts by whom it names, and never by a key alone.
    """
    entry = certifying.certify(certifying.approve("release"), ADA)

    assert code == verdict(lambda: certifying.judge(f"{APPROVED}{rules}", entry))


def test_a_certificate_of_a_key_for_something_else(certifying: Certifying) -> None:
    """
    A key that attests approves nothing, and one that approves attests nothing, certified or not.
    """
    rules = f"{APPROVED}{named(ADA)}"
    approval = certifying.certify(certifying.approve("ci"), ADA)
    attested = certifying.certify(certifying.attest("release", "https://a.example/x", {}), ADA)
    proven = f'{IMAGES}[[images.attestation]]\ntype = "https://a.example/x"\n{named(ADA)}'

    refused("key-purpose", lambda: certifying.judge(rules, approval))
    refused("key-purpose", lambda: certifying.judge(proven, attested))


def test_a_revoked_key_under_its_certificate(certifying: Certifying) -> None:
    """
    A certificate helps no key that was revoked, and no entry.
    """
    entry = certifying.certify(certifying.approve("release"), ADA)
    rules = f"{APPROVED}{named(ADA)}"
    assert certifying.judge(rules, entry).allowed
    hint = SIGNERS["release"].public.hint
    for one in (Revocation("key", hint, "stolen", 1, 0, bundle=b"{}"), revoked(0, 1)):
        certifying.revocations = (one,)
        refused("revoked", lambda: certifying.judge(rules, entry))


def test_certificates_without_their_judge(certifying: Certifying) -> None:
    """
    Where nobody judges certificates, one is a refusal that says what to install, beside others.
    """
    own = certifying.certify(certifying.approve("release"), ADA)
    other, elsewhere = certifying.approve("qa"), certifying.approve(digest=OTHER)
    certifying.certificates = None
    rules = f"{APPROVED}{named(ADA)}"
    for entries in ((own,), (other, own), (elsewhere, own, other)):
        error = refused("missing-extra", lambda entries=entries: certifying.judge(rules, *entries))
        assert "pip install" in error.hint
        assert "nobody here judges bundles under a certificate" in error.message

    assert certifying.judge(APPROVED, own, other).allowed


class Elsewhere(Certifying):
    """The same, whose certificates are in a log that is not ours, at the same positions."""

    def certified(self, data: bytes) -> Certified:
        """Say so."""
        return super().certified(data)._replace(origin="rekor.example")


def test_ages_in_a_log_of_others() -> None:
    """
    The marks tell the age of entries of our ledger, and of no other one's, whatever its positions.
    """
    book = Elsewhere()
    entry = book.certify(book.approve("release"), ADA)
    book.mark(1)
    rules = f"{APPROVED}{named(ADA)}"
    assert book.judge(rules, entry).allowed
    error = said(lambda: book.judge(f'{rules}max_age = "100 days"\n', entry))

    told = "the age of entries of rekor.example is not known here"
    assert f"needs an approval younger than 100 days, {told}" == error.message
    assert "too-old" == error.code
