"""Trust files one after the other: forward only, by enough of the old roots and of the new."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from tests.verifier.making import EXPIRES, ISSUED, ORIGIN, NoteSigner, Signer, refused, verdict
from tests.verifier.pinned import DOCUMENT, GOOD, parse
from verifier import limits
from verifier._strict import b64encode
from verifier.errors import VerificationError
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import Roots, TrustedKey, TrustedLog, keys_by_hint
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE as STATUS_TYPE

A, B, C, D, E = (Signer() for _ in range(5))
LETTERS = dict(zip("abcde", (A, B, C, D, E), strict=True))


def root(version: int, who: str = "abc", threshold: int = 2, **changes: object) -> TrustRoot:
    """Return a trust root whose next one `threshold` of `who` sign."""
    roots = Roots(threshold, {one: LETTERS[one].public for one in who})
    return GOOD._replace(**{"version": version, "roots": roots, **changes})


def signed(trust: TrustRoot, who: str) -> bytes:
    """Return the trust file that these signed."""
    return SignedFile.sign(PAYLOAD_TYPE, trust.json(), [LETTERS[one] for one in who]).json()


ROW_A, ROW_B = ({"name": one, "key": b64encode(LETTERS[one].public.spki)} for one in "ab")
OLD = root(3)
SUBSETS = ["".join(some) for n in range(6) for some in combinations("abcde", n)]


@pytest.mark.parametrize("who", SUBSETS)
def test_who_signs_the_next(who: str) -> None:
    """
    Of all groups of keys exactly those make the next file that hold enough of the old roots.
    """
    ours = len(set(who) & set("abc"))
    expected = "yes" if ours >= 2 else "trust-threshold" if ours else "foreign-trust"

    assert expected == verdict(lambda: OLD.successor(signed(root(4), who)))


@pytest.mark.parametrize("who", SUBSETS)
def test_who_signs_new_roots(who: str) -> None:
    """
    New roots are believed when enough of the old ones and enough of themselves signed.
    """
    old, new = len(set(who) & set("abc")), len(set(who) & set("cde"))
    expected = "yes" if min(old, new) >= 2 else "trust-threshold" if old else "foreign-trust"

    assert expected == verdict(lambda: OLD.successor(signed(root(4, "cde"), who)))


@pytest.mark.parametrize("who", SUBSETS)
def test_who_signs_a_pinned_one(who: str) -> None:
    """
    A signed file that is pinned was signed by enough of its own roots.
    """
    ours = len(set(who) & set("abc"))
    expected = "yes" if ours >= 2 else "trust-threshold"

    assert expected == verdict(lambda: TrustRoot.parse(signed(OLD, who)))


def test_the_threshold_is_told() -> None:
    """
    Who is refused for want of signatures learns how many there are, of how many, and how to add.
    """
    error = refused("trust-threshold", lambda: OLD.successor(signed(root(4), "a")))

    assert "root keys 1 of 3 signed, expected 2" == error.message
    assert error.hint


def test_a_chain() -> None:
    """
    Files follow each other while roots come and go; who left has nothing to say any more.
    """
    second = OLD.successor(signed(root(4, "bcd"), "bcd"))
    third = second.successor(signed(root(7, "de"), "cde"))

    assert (4, 7) == (second.version, third.version)
    refused("foreign-trust", lambda: third.successor(signed(root(8), "abc")))
    refused("trust-rollback", lambda: third.successor(signed(root(6, "de"), "abcde")))
    assert 8 == third.successor(signed(root(8, "de"), "de")).version


@pytest.mark.parametrize(
    ("version", "expected"),
    [(1, "trust-rollback"), (2, "trust-rollback"), (3, "yes"), (4, "yes"), (900, "yes")],
)
def test_versions(version: int, expected: str) -> None:
    """
    A version may be ours or any later one.
    """
    assert expected == verdict(lambda: OLD.successor(signed(root(version), "abc")))


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": EXPIRES + 1},
        {"issued": ISSUED + 1},
        {"policy_sha256": bytes(32)},
        {"authorities": ()},
        {"keys": keys_by_hint([TrustedKey("late", "approve", Signer().public, ())])},
        {"logs": (TrustedLog(ORIGIN, NoteSigner(ORIGIN).key),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_one_version_says_one_thing(changes: dict[str, object]) -> None:
    """
    Of one version there is one content; what else its roots signed is a conflict, to be kept.
    """
    new = root(3, **changes)
    error = refused("trust-conflict", lambda: OLD.successor(signed(new, "abc")))
    assert "version 3" in error.message
    assert error.hint

    assert new._replace(version=4) == OLD.successor(signed(new._replace(version=4), "abc"))


def test_another_threshold_is_another_file() -> None:
    """
    Of one version there is one threshold too; and lower in the next file, it needs the old one.
    """
    refused("trust-conflict", lambda: OLD.successor(signed(root(3, threshold=1), "abc")))
    refused("trust-threshold", lambda: OLD.successor(signed(root(4, threshold=1), "a")))
    refused("trust-threshold", lambda: OLD.successor(signed(root(4, threshold=3), "ab")))

    assert 4 == OLD.successor(signed(root(4, threshold=1), "ab")).version


def test_other_signatures_are_the_same_file() -> None:
    """
    The file of our version is the same whichever of its roots signed it.
    """
    assert OLD == OLD.successor(signed(OLD, "ab")) == OLD.successor(signed(OLD, "bc"))


def test_unsigned() -> None:
    """
    A bare payload is believed when it is pinned, and never when it comes later.
    """
    pinned = TrustRoot.parse(OLD.json())

    assert OLD == pinned
    refused("trust-unsigned", lambda: pinned.successor(root(4).json()))
    refused("trust-unsigned", lambda: pinned.successor(OLD.json()))
    refused("trust-unsigned", lambda: GOOD.successor(signed(root(4), "abc")))


def test_a_file_without_roots_signs_nothing() -> None:
    """
    A signed file names its roots, when it is pinned and when it comes later.
    """
    bare = SignedFile.sign(PAYLOAD_TYPE, root(4, roots=None).json(), [A, B, C]).json()

    refused("trust-unsigned", lambda: OLD.successor(bare))
    refused("trust-unsigned", lambda: TrustRoot.parse(bare))


@pytest.mark.parametrize("purpose", ["approve", "attest", "event", "status", "timestamp"])
def test_other_keys_sign_no_trust(purpose: str) -> None:
    """
    A key of the trust file, whatever it is for, is no root: two roots are two roots.
    """
    keys = keys_by_hint([TrustedKey("late", purpose, D.public, ())])
    old = root(3, keys=keys)

    refused("trust-threshold", lambda: old.successor(signed(root(4, keys=keys), "ad")))
    refused("foreign-trust", lambda: old.successor(signed(root(4, keys=keys), "d")))


@pytest.mark.parametrize("purpose", ["approve", "attest", "event", "status", "timestamp"])
def test_a_root_is_nothing_else(purpose: str) -> None:
    """
    A root key that is listed for another purpose too is refused, in a pinned file and later.
    """
    keys = keys_by_hint([TrustedKey("late", purpose, A.public, ())])

    refused("malformed", lambda: TrustRoot.parse(root(3, keys=keys).json()))
    refused("malformed", lambda: TrustRoot.parse(signed(root(3, keys=keys), "abc")))
    refused("malformed", lambda: OLD.successor(signed(root(4, keys=keys), "abc")))


def test_a_root_is_no_log_and_no_witness() -> None:
    """
    A root key that is a log's, one of its promises', or a witness's, is refused.
    """
    row = {"name": "a", "key": DOCUMENT["logs"][0]["checkpoint_key"]}
    promise = row | {"key": DOCUMENT["logs"][0]["promise_key"]}
    witness = next(iter(GOOD.quorum.witnesses.values()))
    cosigner = row | {"key": b64encode(witness.public.spki)}
    for one in (row, promise, cosigner):
        document = DOCUMENT | {"roots": {"threshold": 1, "keys": [one]}}
        with pytest.raises(VerificationError) as caught:
            parse(document)
        assert caught.value.code == "malformed"
        assert "two purposes" in caught.value.message


@pytest.mark.parametrize(
    ("roots", "code"),
    [
        ({"threshold": 0, "keys": []}, "malformed"),
        ({"threshold": 1, "keys": []}, "malformed"),
        ({"threshold": True}, "malformed"),
        ({"threshold": 1.0}, "malformed"),
        ({"threshold": "1"}, "malformed"),
        ({"threshold": -1}, "bad-integer"),
        ({"threshold": 4}, "malformed"),
        ({"critical": 1}, "unknown-field"),
        ({"keys": None}, "malformed"),
        ({"keys": [{"name": "A", "key": ""}]}, "malformed"),
        ({"keys": [ROW_A, ROW_A | {"name": "a2"}, ROW_B]}, "malformed"),  # would count twice
        ({"keys": [ROW_A, ROW_B | {"name": "a"}]}, "malformed"),
    ],
)
def test_other_roots(roots: dict[str, object], code: str) -> None:
    """
    Roots are as many as must sign at least, and a threshold is from one to all of them.
    """
    good = json.loads(OLD.json())["roots"]

    assert parse(DOCUMENT | {"roots": good}).roots == OLD.roots
    refused(code, lambda: parse(DOCUMENT | {"roots": good | roots}))


def test_most_roots() -> None:
    """
    There are at most as many roots as an envelope may have signatures.
    """
    signers = [Signer("ed25519") for _ in range(limits.ROOTS + 1)]
    rows = [{"name": f"r{i}", "key": b64encode(s.public.spki)} for i, s in enumerate(signers)]

    assert parse(DOCUMENT | {"roots": {"threshold": 1, "keys": rows[:-1]}}).roots
    refused("over-limit", lambda: parse(DOCUMENT | {"roots": {"threshold": 1, "keys": rows}}))


def test_a_status_file_is_no_trust_file() -> None:
    """
    What roots signed as a status file is no trust file, whatever it says.
    """
    data = SignedFile.sign(STATUS_TYPE, root(4).json(), [A, B]).json()

    refused("unsupported-version", lambda: OLD.successor(data))
    refused("unsupported-version", lambda: TrustRoot.parse(data))
    renamed = data.replace(STATUS_TYPE.encode(), PAYLOAD_TYPE.encode())
    refused("bad-signature", lambda: OLD.successor(renamed))
    refused("bad-signature", lambda: TrustRoot.parse(renamed))


def test_too_large() -> None:
    """
    A trust file of more than the limit is refused before it is read.
    """
    data = signed(root(4), "ab")
    grown = data + b" " * (limits.TRUST_FILE - len(data))

    assert 4 == OLD.successor(grown).version
    refused("over-limit", lambda: OLD.successor(grown + b" "))


def test_status_keys() -> None:
    """
    Who may sign a status file is found by purpose alone.
    """
    keys = keys_by_hint(
        [
            TrustedKey("s", "status", D.public, ()),
            TrustedKey("status", "event", E.public, ()),
        ]
    )

    assert {"s": D.public} == root(3, keys=keys).status_keys()
