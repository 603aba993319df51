"""What counts once, and what counted once: S2, D9, E5, E12, E17 and others under a policy.

Everything here is well signed and logged. Only together, or by now, it is not enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import utils

from tests.verifier.books import HEADER, SIGNERS, Book
from tests.verifier.catalogue.asking import MATERIAL
from tests.verifier.catalogue.case import Case
from tests.verifier.catalogue.der import SEQUENCE, der, integer
from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer
from tests.verifier.paths import GONE, put
from tests.verifier.statuses import DAY
from verifier import limits
from verifier._strict import b64encode
from verifier.algorithms import ECDSA_P256
from verifier.digest import Digest
from verifier.dsse import IN_TOTO, Envelope, pae
from verifier.policy import Policy
from verifier.repository import Repository
from verifier.statement import approval
from verifier.trust.revocation import Revocation
from verifier.verdict import Verdict
from verifier.verify import Verifier

Judge: TypeAlias = Callable[[list[bytes], Digest, Repository], Verdict]

ONE = '[[images]]\nunder = "*"\n[images.approval]\n'
TWO = f"{ONE}signers = 2\n"
YOUNG = f'{ONE}max_age = "7 days"\n'
PROVENANCE = "https://slsa.dev/provenance/v1"
ATTESTED = f'[[images]]\nunder = "*"\n[[images.attestation]]\ntype = "{PROVENANCE}"\n'
PROVEN = f'{ATTESTED}max_age = "7 days"\n'


def judged(row: str, name: str, judge: Judge, bundles: list[bytes], code: str) -> Case:
    """Ask about the image for which these bundles are handed in."""
    return Case(row, name, partial(judge, bundles, IMAGE, REPOSITORY), code)


def _twins() -> Iterator[Case]:
    """S2: the other signature of an ECDSA pair is one more entry, and no second signer."""
    book, payload = Book(), approval(REPOSITORY, IMAGE, {})
    book.sign("release", payload)
    r, s = utils.decode_dss_signature(SIGNERS["release"].sign(pae(IN_TOTO, payload)))
    twin = der(SEQUENCE, integer(r), integer(ECDSA_P256.order - s))
    book._rows.append((SIGNERS["release"], Envelope(payload, twin)))
    book.approve("qa")
    good, second, other = map(book.bundle, range(3))
    one, two = book.verifier(ONE).judge, book.verifier(TWO).judge
    yield judged("S2", "a twin, of one signer", one, [second], "yes")
    yield judged("S2", "both twins, of two signers", two, [good, second], "not-approved")
    yield judged("S2", "a twin and another's, of two signers", two, [second, other], "yes")


def _counted() -> Iterator[Case]:
    """E5: a threshold counts keys: not bundles, nor entries, nor what does not count."""
    book = Book()
    book.approve("release")
    book.approve("qa")
    book.approve("release", annotations={"n": "1"})
    book.approve("release", annotations={"n": "2"})
    book.approve("qa", digest=Digest.of(b"another image"))
    book.attest("ci", PROVENANCE, {})
    stranger, payload = Signer(), approval(REPOSITORY, IMAGE, {})
    book._rows.append((stranger, Envelope(payload, stranger.sign(pae(IN_TOTO, payload)))))
    first, other, *more, elsewhere, attested, strange = map(book.bundle, range(7))
    judge, most = book.verifier(TWO).judge, limits.CANDIDATES
    for name, bundles, code in (
        ("nothing", [], "not-approved"),
        ("one key", [first], "not-approved"),
        ("one bundle twice", [first] * 2, "not-approved"),
        ("one bundle many times", [first] * most, "not-approved"),
        ("one key, three entries", [first, *more], "not-approved"),
        ("one of another image", [first, elsewhere], "not-approved"),
        ("one who attests", [first, attested], "not-approved"),
        ("one unknown", [first, strange], "not-approved"),
        ("two keys", [first, other], "yes"),
        ("two keys, many times", [first, other] * (most // 2), "yes"),
        ("a bundle too many", [first, other] * (most // 2 + 1), "over-limit"),
    ):
        yield judged("E5", f"of two signers, {name}", judge, bundles, code)


def _old() -> Book:
    """Return a ledger with an approval and provenance of last week, and a young approval."""
    book = Book()
    book.approve()
    book.attest("ci", PROVENANCE, {})
    book.mark(8)
    book.mark(6)
    book.approve()
    book.mark(1)
    return book


def _aged() -> Iterator[Case]:
    """E17: what was enough for an older policy, or before it was revoked."""
    book = _old()
    old, proof, new = map(book.bundle, range(3))
    any_age, young, proven = (book.verifier(text).judge for text in (ONE, YOUNG, PROVEN))
    yield judged("E17", "no age is asked", any_age, [old], "yes")
    yield judged("E17", "older than the policy takes", young, [old], "too-old")
    yield judged("E17", "young enough", young, [new], "yes")
    yield judged("E17", "old and young", young, [old, new], "yes")
    yield judged("E17", "old provenance", proven, [proof], "too-old")
    yield judged("E17", "old provenance, young approval", proven, [proof, new], "too-old")
    for kind, target in (
        ("entry", "0"),
        ("key", SIGNERS["release"].public.hint),
        ("digest", IMAGE),
    ):
        book = _old()
        book.revocations = (Revocation(kind, target, "a mistake", 2, bundle=b"{}"),)
        judge = book.verifier(ONE).judge
        yield judged("E17", f"{kind} was revoked", judge, [book.bundle(0)], "revoked")
    blind = partial(book.verifier, ONE, status=False)
    yield Case("E17", "nothing says what was revoked", blind, "no-status")
    for name, now, issued, code in (
        ("known of last week", NOW + 8 * DAY, NOW, "trust-stale"),
        ("known of tomorrow", NOW, NOW + DAY, "not-yet-valid"),
    ):
        book = _old()
        book.now, book.issued = now, issued
        judge, bundles = book.verifier(ONE).judge, [book.bundle(2)]
        yield judged("E17", f"what was revoked is {name}", judge, bundles, code)


def _alone() -> Iterator[Case]:
    """E17: whoever asks about one bundle is not asked past the policy."""
    book = _old()
    old, proof, new = map(book.bundle, range(3))
    warned = ONE.replace("[images.approval]", 'mode = "warn"\n[images.approval]')
    for name, text, bundle, code in (
        ("any age", ONE, old, "yes"),
        ("too old", YOUNG, old, "too-old"),
        ("young enough", YOUNG, new, "yes"),
        ("one of two signers", TWO, new, "not-approved"),
        ("no approval", ONE, proof, "not-approved"),
        ("no approval, and a policy that warns", warned, proof, "not-approved"),
        ("no approval, and provenance is asked", ATTESTED, proof, "not-approved"),
    ):
        ask = partial(book.verifier(text).verify, bundle, IMAGE, REPOSITORY)
        yield Case("E17", f"one bundle, {name}", ask, code)
    ask = partial(book.verifier(ONE).verify, new, IMAGE, None)
    yield Case("E17", "one bundle, for any repository", ask, "repository-mismatch")
    # The trust file pins the policy of today.
    pinned = Policy.parse((HEADER + TWO).encode())
    trust = book.trust._replace(policy_sha256=pinned.sha256)
    former = Policy.parse((HEADER + ONE).encode())
    blind = Verifier(trust, lambda: NOW, status=book.status)
    for name, make in (
        ("a former policy", lambda: Verifier(trust, status=book.status, policy=former)),
        ("no policy", lambda: blind.verify(new, IMAGE, REPOSITORY)),
        ("no policy, all bundles", lambda: blind.judge([new], IMAGE, REPOSITORY)),
    ):
        yield Case("E17", f"under {name}, and another is pinned", make, "policy-mismatch")


def _children() -> Iterator[Case]:
    """D9: under a policy too, an index and its child are two images."""
    book = Book()
    index, child = Digest.of(b"an index"), Digest.of(b"its child")
    book.approve(digest=index)
    book.approve(digest=child)
    judge, both = book.verifier(ONE).judge, [book.bundle(0), book.bundle(1)]
    for name, asked, bundles, code in (
        ("the child, the index is approved", child, both[:1], "digest-mismatch"),
        ("the index, the child is approved", index, both[1:], "digest-mismatch"),
        ("the child, both are approved", child, both, "yes"),
    ):
        yield Case("D9", f"of {name}", partial(judge, bundles, asked, REPOSITORY), code)


def _said() -> Iterator[Case]:
    """E12, E14: what a policy asks for is what was said, and of the repository that it rules."""
    book = Book()
    book.approve()
    event, nearly = "urn:sealbook:revocation", f"{PROVENANCE}/"
    for kind in (PROVENANCE, nearly, event):
        book.attest("ci", kind, {})
    book.attest("release", PROVENANCE, {})
    book.sign("ci", approval(REPOSITORY, IMAGE, {}))
    anonymous = json.loads(approval(REPOSITORY, IMAGE, {})) | {"predicateType": PROVENANCE}
    del anonymous["subject"][0]["name"]
    book.sign("ci", json.dumps(anonymous).encode())
    anonymous["subject"][0]["name"] = "registry.example/team/other"
    book.sign("ci", json.dumps(anonymous).encode())
    approved, proven, other, said, by_release, by_ci, unnamed, away = map(book.bundle, range(8))
    one, attested = book.verifier(ONE).judge, book.verifier(ATTESTED).judge
    asking = partial(book.verifier, ATTESTED.replace(PROVENANCE, event))
    yield Case("E12", "a policy that asks for an event", asking, "bad-policy")
    allowing = book.verifier(ATTESTED.replace('"*"', '"*"\nunnamed = "allow"')).judge
    for row, name, judge, bundle, code in (
        ("E12", "provenance", attested, proven, "yes"),
        ("E12", "provenance with a slash more", attested, other, "not-approved"),
        ("E12", "approval in the place of provenance", attested, approved, "not-approved"),
        ("E12", "provenance in the place of approval", one, proven, "not-approved"),
        ("E12", "event by who attests", attested, said, "predicate-type"),
        ("E12", "provenance by who approves", attested, by_release, "predicate-type"),
        ("E12", "approval by who attests", one, by_ci, "predicate-type"),
        ("E14", "provenance without a name", attested, unnamed, "unnamed-repository"),
        ("E14", "provenance of elsewhere, no name needed", allowing, away, "repository-mismatch"),
        ("E14", "provenance without a name, allowed", allowing, unnamed, "yes"),
    ):
        yield judged(row, f"{name}, under a policy", judge, [bundle], code)


def _certificates() -> Iterator[Case]:
    """B6, B17: a policy may name identities; but nobody here can judge a certificate."""
    book = Book()
    book.approve()
    judge, good = book.verifier(ONE).judge, json.loads(book.bundle(0))
    raw = {"rawBytes": b64encode(certificate(SIGNERS["release"].public))}
    for row, name, kind, value in (
        ("B6", "a certificate", "certificate", raw),
        ("B6", "an empty certificate", "certificate", {}),
        ("B17", "a chain", "x509CertificateChain", {"certificates": [raw, raw]}),
        ("B17", "an empty chain", "x509CertificateChain", {"certificates": []}),
    ):
        for how, base in (
            ("in the place of the hint", put(good, (*MATERIAL, "publicKey"), GONE)),
            ("beside the hint", good),
        ):
            bundle = json.dumps(put(base, (*MATERIAL, kind), value)).encode()
            yield judged(row, f"{name} {how}, under a policy", judge, [bundle], "missing-extra")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _twins()
    yield from _counted()
    yield from _aged()
    yield from _alone()
    yield from _children()
    yield from _said()
    yield from _certificates()
