"""Bundles under a certificate: what others say of who signed, and what our ledger says of where."""

from __future__ import annotations

import json

import pytest

from tests.verifier import twin
from tests.verifier.books import PURPOSES, SIGNERS, Book
from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, Signer
from tests.verifier.statuses import STATUS_KEY
from tests.verifier.verdicts import said
from verifier.bundle import Bundle
from verifier.certified import Certified
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope, pae
from verifier.entry import Entry
from verifier.merkle import Hash, InclusionProof
from verifier.repository import Scope
from verifier.statement import approval
from verifier.verdict import Verdict

WHO, ISSUER = "https://gitlab.bank/payments", "https://gitlab.bank"
NAMED = f"""[[images]]
under = "*"
[images.approval]
identities = [{{ identity = "{WHO}", issuer = "{ISSUER}" }}]
"""
KEYS = '[[images]]\nunder = "*"\n[images.approval]\nkeys = ["release"]\n'
ANY = '[[images]]\nunder = "*"\n[images.approval]\n'
ATTESTED = (
    '[[images]]\nunder = "*"\n[[images.attestation]]\ntype = "https://slsa.dev/provenance/v1"\n'
)


class Vouching:
    """A judge of certificates that finds every bundle good."""

    def __init__(self, payload: bytes, origin: str) -> None:
        self._payload, self._origin = payload, origin

    def certified(self, data: bytes) -> Certified:
        """Say who signed."""
        assert b'"certificate"' in data
        return Certified(WHO, ISSUER, self._payload, 0, 1, self._origin)


class Shown(Book):
    """A ledger whose one entry is under a certificate."""

    def __init__(self, signer: Signer, payload: bytes, origin: str = ORIGIN) -> None:
        super().__init__()
        self.certificates = Vouching(payload, origin)
        self.signer, self.der = signer, certificate(signer.public)
        self.signed = Envelope(payload, signer.sign(pae(IN_TOTO, payload)))
        self._rows.append((signer, self.signed))

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All bodies."""
        message, signature = self.signed.message, self.signed.signature
        return (Entry.of(message, signature, self.signer.public, self.der).body(),)

    def bundle(self, index: int) -> bytes:
        """Return the bundle, which shows the certificate."""
        path = tuple(Hash(one) for one in twin.inclusion(index, self.entries))
        proof = InclusionProof(index, 1, path)
        made = (self.signed, "", self.log.key.log_id, self.entries[0], proof, self.note)
        return Bundle(*made, certificate=self.der).json()

    def asked(self, rules: str) -> Verdict:
        """Judge the image."""
        return self.judge(rules, 0)


APPROVAL = approval(REPOSITORY, IMAGE, {"env": "prod"})
ATTESTATION = json.dumps(
    json.loads(APPROVAL) | {"predicateType": "https://slsa.dev/provenance/v1", "predicate": {}}
).encode()


def test_in_our_ledger() -> None:
    """
    A certificate of a stranger's key counts by its identity, at its place in our ledger.
    """
    [found] = Shown(Signer(), APPROVAL).asked(NAMED).approvals

    assert (WHO, WHO, ISSUER, 0, ORIGIN) == (
        found.key,
        found.identity,
        found.issuer,
        found.index,
        found.origin,
    )
    assert {"env": "prod"} == found.annotations


def test_in_a_ledger_of_others() -> None:
    """
    In a log of others the identity counts, and nothing that depends on a position in ours.
    """
    shown = Shown(Signer(), APPROVAL, "rekor.example")
    [found] = shown.asked(NAMED).approvals
    assert (WHO, "rekor.example", 0) == (found.identity, found.origin, found.known_witnesses)

    young = NAMED + 'max_age = "1 day"\n'
    told = said(lambda: shown.asked(young)).message
    assert "the age of entries of rekor.example is not known here" in told


@pytest.mark.parametrize("rules", [ANY, KEYS])
def test_no_identity_asked(rules: str) -> None:
    """
    Where no identity is named no certificate counts, not even of a key of ours.
    """
    assert "not-approved" == said(lambda: Shown(Signer(), APPROVAL).asked(rules)).code
    assert "not-approved" == said(lambda: Shown(SIGNERS["release"], APPROVAL).asked(rules)).code


@pytest.mark.parametrize("name", PURPOSES)
def test_purpose_of_our_own_key(name: str) -> None:
    """
    A certificate does not let a key of ours say what it is not for.
    """
    shown = Shown(SIGNERS[name], APPROVAL)
    if PURPOSES[name] == "approve":
        assert shown.asked(NAMED).met
    else:
        assert "key-purpose" == said(lambda: shown.asked(NAMED)).code


def test_attestation_by_a_key_that_approves() -> None:
    """
    Nor does it let a key that approves attest.
    """
    rules = ATTESTED + f'identities = [{{ identity = "{WHO}", issuer = "{ISSUER}" }}]\n'

    assert Shown(SIGNERS["ci"], ATTESTATION).asked(rules).met
    assert "key-purpose" == said(lambda: Shown(SIGNERS["qa"], ATTESTATION).asked(rules)).code


def test_attestation_by_another_key_of_ours() -> None:
    """
    Nor one that signs the status file.
    """
    rules = ATTESTED + f'identities = [{{ identity = "{WHO}", issuer = "{ISSUER}" }}]\n'

    assert "key-purpose" == said(lambda: Shown(STATUS_KEY, ATTESTATION).asked(rules)).code


def test_scope_of_our_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nor does it let a key of ours speak of what lies outside of its scope.
    """
    shown = Shown(SIGNERS["release"], APPROVAL)
    hint = SIGNERS["release"].public.hint
    keys = dict(shown.trust.keys)
    keys[hint] = keys[hint]._replace(scope=(Scope("registry.example/other"),))
    trust, data = shown.trust._replace(keys=keys), shown.bundle(0)
    monkeypatch.setattr(Shown, "trust", trust)

    refusal = said(lambda: shown.verifier(NAMED).judge([data], IMAGE, REPOSITORY))
    assert "key-scope" == refusal.code


def test_another_image() -> None:
    """
    A certificate bundle about another image says nothing about this one.
    """
    other = approval(REPOSITORY, Digest.of(b"another"), {})

    assert "digest-mismatch" == said(lambda: Shown(Signer(), other).asked(NAMED)).code


def test_another_entry() -> None:
    """
    What our ledger does not have does not count, whatever the other judge says.
    """
    shown = Shown(Signer(), APPROVAL)
    data, judge = shown.bundle(0), shown.verifier(NAMED)
    spoiled = json.loads(data)
    entry = spoiled["verificationMaterial"]["tlogEntries"][0]
    entry["canonicalizedBody"] = "e30="

    refusal = said(lambda: judge.judge([json.dumps(spoiled).encode()], IMAGE, REPOSITORY))
    assert "entry-mismatch" == refusal.code
