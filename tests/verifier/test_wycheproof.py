"""C2SP/wycheproof: signatures that somebody's verifier took, and ours must not."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.vectors import vectors
from tests.verifier.making import verdict
from verifier.algorithms import ML_DSA_44
from verifier.publickey import PublicKey

# What the file says of a signature, and our verdict on it or on its key. Beside "valid, yes"
# and "invalid, bad-signature" there are, each once explained:
#   acceptable    RSA with the NULL of its DigestInfo left out: bytes that nobody would sign
#   unsupported   RSA keys whose exponent is 3, and ML-DSA keys of another length
#   weak          ML-DSA keys whose vector t1 is zero, under which anybody can sign
#   with context  ML-DSA signatures under a context: ours is always empty
FOUND = {
    "ecdsa_secp256r1_sha256": {"valid, yes": 174, "invalid, bad-signature": 310},
    "ecdsa_secp384r1_sha384": {"valid, yes": 194, "invalid, bad-signature": 310},
    "ed25519": {"valid, yes": 88, "invalid, bad-signature": 63},
    "rsa_signature_2048_sha256": {
        "valid, yes": 7,
        "invalid, bad-signature": 249,
        "acceptable, bad-signature": 1,
        "valid, unsupported-key": 2,
    },
    "rsa_signature_3072_sha256": {
        "valid, yes": 7,
        "invalid, bad-signature": 250,
        "acceptable, bad-signature": 1,
        "valid, unsupported-key": 1,
    },
    "mldsa_44_verify": {
        "valid, yes": 73,
        "invalid, bad-signature": 61,
        "valid with context, bad-signature": 2,
        "invalid with context, bad-signature": 5,
        "valid, weak-key": 2,
        "invalid, weak-key": 33,
        "invalid, unsupported-key": 4,
    },
}


@pytest.mark.parametrize("file", FOUND)
def test_wycheproof(file: str) -> None:
    """
    Every valid signature is accepted and no other one, and the odd cases are those that we know.
    """
    document = vectors(f"wycheproof/{file}_test.json")
    found = Counter(
        f"{_said(case)}, {verdict(partial(_verify, group, case))}"
        for group in document["testGroups"]
        for case in group["tests"]
    )

    assert FOUND[file] == found
    assert document["numberOfTests"] == found.total()


@pytest.mark.parametrize("file", [file for file in FOUND if file.startswith(("ecdsa", "rsa"))])
def test_wycheproof_by_hash(file: str) -> None:
    """
    Over the hash of a message the verdict is the one over the message.
    """
    differ, checked = [], 0
    for group in vectors(f"wycheproof/{file}_test.json")["testGroups"]:
        if verdict(partial(PublicKey, _spki(group))) != "yes":
            continue
        key = PublicKey(_spki(group))
        for case in group["tests"]:
            signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            digest = hashlib.new(key.algorithm.hash_name, message).digest()
            by_hash = verdict(partial(key.verify_digest, signature, digest))
            differ += [case["tcId"]] * (by_hash != verdict(partial(key.verify, signature, message)))
            checked += 1

    assert not differ
    assert checked > 250


def _said(case: dict[str, Any]) -> str:
    result: str = case["result"]
    return f"{result} with context" if case.get("ctx") else result


def _spki(group: dict[str, Any]) -> bytes:
    if "publicKeyDer" in group:
        return bytes.fromhex(group["publicKeyDer"])
    return ML_DSA_44.spki(bytes.fromhex(group["publicKey"]))


def _verify(group: dict[str, Any], case: dict[str, Any]) -> None:
    key = PublicKey(_spki(group))
    key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
