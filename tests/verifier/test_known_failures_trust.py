"""Trust and status files that other verifiers took, and ours does not.

Each test is named after the published failure; most are of TUF's implementations.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.verifier.making import NoteSigner, Signer, refused, rows, verdict
from tests.verifier.paths import Path, get, put
from tests.verifier.pinned import DOCUMENT, GOOD, parse
from verifier import limits
from verifier._strict import b64encode
from verifier.note import COSIGNATURE
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import Roots
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE as STATUS_TYPE

ALICE, BOB, CAROL, MALLORY = (Signer() for _ in range(4))
NAMES = {"alice": ALICE, "bob": BOB, "carol": CAROL}


def root(version: int = 3, threshold: int = 2, **changes: Any) -> TrustRoot:
    """Return a trust root of which `threshold` of three roots sign the next one."""
    roots = Roots(threshold, {name: signer.public for name, signer in NAMES.items()})
    return GOOD._replace(**{"version": version, "roots": roots, **changes})


def signed(trust: TrustRoot, *signers: Signer) -> bytes:
    """Return the trust file that these signed."""
    return SignedFile.sign(PAYLOAD_TYPE, trust.json(), signers).json()


OLD = root()


def test_trust_goes_forward() -> None:
    """
    What enough of the roots signed, and is newer, is the next trust file; the same one stays.
    """
    new = root(4)

    assert new == OLD.successor(signed(new, ALICE, BOB))
    assert OLD == OLD.successor(signed(OLD, BOB, CAROL))


@pytest.mark.parametrize("version", [1, 2])
def test_cve_2022_29173_a_trust_file_goes_back(version: int) -> None:
    """
    An older trust file is refused though every root signed it (GHSA-3633-5h82-39pq too).
    """
    refused("trust-rollback", lambda: OLD.successor(signed(root(version), ALICE, BOB, CAROL)))


def test_cve_2020_15163_two_files_of_one_version() -> None:
    """
    Another file of the version that is known is refused, whatever it says.
    """
    other = root(expires=OLD.expires + 1)

    refused("trust-conflict", lambda: OLD.successor(signed(other, ALICE, BOB)))


@pytest.mark.parametrize("threshold", [0, 4, -1])
def test_cve_2026_23992_a_threshold_of_none(threshold: int) -> None:
    """
    A threshold that nobody need reach, or nobody can, is refused with the file that sets it.
    """
    code = "bad-integer" if threshold < 0 else "malformed"
    refused(code, lambda: TrustRoot.parse(root(threshold=threshold).json()))
    new = root(4, threshold=threshold)
    refused(code, lambda: OLD.successor(signed(new, ALICE, BOB)))


@pytest.mark.parametrize(
    ("threshold", "code"), [(0, "malformed"), (2, "malformed"), (-1, "bad-integer")]
)
def test_cve_2026_23992_a_quorum_of_none(threshold: int, code: str) -> None:
    """
    So is a quorum of witnesses of which none need sign, or more than there are.
    """
    witness = NoteSigner("w.example", COSIGNATURE).key
    text = f"witness w0 {witness}\ngroup q {threshold} w0\nquorum q\n"

    refused(code, lambda: parse(DOCUMENT | {"witnesses": text}))


def test_cve_2020_6174_one_signature_counts_once() -> None:
    """
    A root that signs twice is one root: a file with two signatures in its name is refused.
    """
    new = root(4)
    once = signed(new, ALICE)
    refused("trust-threshold", lambda: OLD.successor(once))
    file = SignedFile.parse(once, PAYLOAD_TYPE, limits.TRUST_FILE)
    line = f'{{"keyid": "{ALICE.public.hint}", "sig": "{b64encode(ALICE.sign(file.message))}"}}'
    twice = once.replace(b'"signatures": [', b'"signatures": [' + line.encode() + b",")
    refused("malformed", lambda: OLD.successor(twice))
    # Under another keyid it is a signature of nobody.
    renamed = file._replace(signatures={**file.signatures, "x": ALICE.sign(file.message)})
    refused("trust-threshold", lambda: OLD.successor(renamed.json()))


def test_cve_2020_6174_one_root_under_two_names() -> None:
    """
    A trust file that lists one root key under two names is refused: it would count twice.
    """
    row = {"name": "alice", "key": b64encode(ALICE.public.spki)}
    both = {"threshold": 2, "keys": [row, row | {"name": "alice-2"}]}
    refused("malformed", lambda: parse(DOCUMENT | {"roots": both}))
    named = {"threshold": 1, "keys": [row, row | {"key": b64encode(BOB.public.spki)}]}

    refused("malformed", lambda: parse(DOCUMENT | {"roots": named}))


@pytest.mark.parametrize(
    ("signers", "expected"),
    [
        ((), "foreign-trust"),
        ((MALLORY,), "foreign-trust"),
        ((ALICE,), "trust-threshold"),
        ((ALICE, MALLORY), "trust-threshold"),
        ((ALICE, CAROL), "yes"),
        ((ALICE, BOB, CAROL, MALLORY), "yes"),
    ],
)
def test_cve_2026_49834_a_threshold_of_roots(signers: tuple[Signer, ...], expected: str) -> None:
    """
    Only roots count towards their threshold, each once, and strangers do no harm.
    """
    assert expected == verdict(lambda: OLD.successor(signed(root(4), *signers)))


def test_ghsa_3633_5h82_39pq_old_and_new_roots_sign() -> None:
    """
    New roots are believed when enough of the old ones signed them, and enough of themselves.
    """
    new = root(4)._replace(roots=Roots(2, {"bob": BOB.public, "mallory": MALLORY.public}))

    refused("foreign-trust", lambda: OLD.successor(signed(new, MALLORY)))
    refused("trust-threshold", lambda: OLD.successor(signed(new, BOB, MALLORY)))
    refused("trust-threshold", lambda: OLD.successor(signed(new, ALICE, BOB)))
    assert new == OLD.successor(signed(new, ALICE, BOB, MALLORY))


def test_go_tuf_no_roots_is_not_anybody() -> None:
    """
    After a trust file without roots none can come, and none without roots can come after one.
    """
    refused("trust-unsigned", lambda: GOOD.successor(signed(root(4), ALICE, BOB)))
    refused("trust-unsigned", lambda: OLD.successor(root(4).json()))
    bare = root(4)._replace(roots=None)
    refused("trust-unsigned", lambda: OLD.successor(signed(bare, ALICE, BOB)))
    refused("trust-unsigned", lambda: TrustRoot.parse(signed(bare, ALICE, BOB)))


def test_go_tuf_a_file_of_another_kind() -> None:
    """
    What a root signed as something else, or a status key as a trust file, is no trust file.
    """
    new = root(4)
    other = SignedFile.sign(STATUS_TYPE, new.json(), (ALICE, BOB)).json()

    refused("unsupported-version", lambda: OLD.successor(other))
    file = SignedFile.parse(other, STATUS_TYPE, limits.TRUST_FILE)
    renamed = file._replace(payload_type=PAYLOAD_TYPE).json()
    refused("bad-signature", lambda: OLD.successor(renamed))


def test_go_tuf_signed_bytes_are_the_read_bytes() -> None:
    """
    A payload that was changed after it was signed is refused, in whatever it was changed.
    """
    file = SignedFile.parse(signed(root(4), ALICE, BOB), PAYLOAD_TYPE, limits.TRUST_FILE)
    for payload in (root(5).json(), root(4, threshold=1).json(), file.payload + b" "):
        changed = file._replace(payload=payload).json()
        refused("bad-signature", partial(OLD.successor, changed))


ENVELOPE = json.loads(signed(root(4), ALICE, BOB))
SIGNATURE = ENVELOPE["signatures"][0]


@pytest.mark.parametrize(
    ("change", "code"),
    rows(
        ("unknown field", {"critical": True}, "unknown-field"),
        ("unknown field of a signature", [SIGNATURE | {"cert": ""}], "unknown-field"),
        ("no signatures", None, "malformed"),
        ("signature without a key", [{"sig": SIGNATURE["sig"]}], "malformed"),
        ("empty signature", [SIGNATURE | {"sig": ""}], "malformed"),
        ("signature of 8,193 bytes", [SIGNATURE | {"sig": "A" * 10_924}], "over-limit"),
        ("keyid of 129 characters", [SIGNATURE | {"keyid": "x" * 129}], "over-limit"),
        ("33 signatures", [SIGNATURE] * 33, "over-limit"),
    ),
)
def test_go_tuf_an_envelope_has_one_shape(change: Any, code: str) -> None:
    """
    What a signed file has beside its payload and its signatures is refused, not passed over.
    """
    changed = ENVELOPE | (change if isinstance(change, dict) else {"signatures": change})

    refused(code, lambda: OLD.successor(json.dumps(changed).encode()))


@pytest.mark.parametrize("place", [(), ("roots",), ("roots", "keys", 0), ("keys", 0), ("logs", 0)])
def test_go_tuf_a_field_that_nobody_knows(place: Path) -> None:
    """
    A field that nobody knows is refused wherever in a trust file it stands.
    """
    document = json.loads(root().json())
    here = get(document, place)
    changed = put(document, (*place, "critical"), "yes")

    assert "critical" not in here
    refused("unknown-field", lambda: parse(changed))


def test_go_tuf_a_pinned_policy_is_part_of_the_trust() -> None:
    """
    The policy that a trust file pins is in what its roots sign, and comes back as it was.
    """
    pinned = root(4, policy_sha256=bytes(range(32)))

    assert pinned == OLD.successor(signed(pinned, ALICE, BOB))
    refused("malformed", lambda: parse(DOCUMENT | {"policy": "00" * 31}))
    refused("malformed", lambda: parse(DOCUMENT | {"policy": "AB" * 32}))
