"""Which keys each form takes: those that every reader of the form accepts.

ECDSA P-256 is the one that all of them do. cosign cannot verify its own bundles
under P-384, and hashes Ed25519 in another way than everybody else; containers/image
takes SHA-256 alone; sigstore-python wants ECDSA; notation knows RSA as PSS only.

A key that signs *also* makes a second bundle for the same statement, and whoever does not
know it passes that by. So it may be of an algorithm that few readers have yet, as ML-DSA-65
or whatever gets a row in `verifier.algorithms`.
"""

from __future__ import annotations

from signer.keys import SigningKey
from verifier.errors import UnsupportedKeyError
from verifier.publickey import PublicKey

_P256 = "ecdsa-p256"
_RSA = ("rsa-2048", "rsa-3072", "rsa-4096")
_BODIES = "sha256"
_ACCEPTED = {
    "bundle": (_P256, *_RSA),
    "simplesigning": (_P256, *_RSA),
    "certificate": (_P256,),
    "notation": (_P256,),
}


def readers_take(form: str, key: PublicKey) -> bool:
    """Whether every reader of `form` accepts signatures by `key`."""
    return key.algorithm.name in _ACCEPTED[form]


def check_algorithm(form: str, key: SigningKey) -> None:
    """Check that every reader of `form` accepts signatures by `key`.

    Raises:
        UnsupportedKeyError: some do not.
    """
    if not readers_take(form, key.public):
        accepted, found = " or ".join(_ACCEPTED[form]), key.public.algorithm.name
        raise UnsupportedKeyError(
            f"expected a key of {accepted} for the form {form}, {key.name} is {found}",
            hint="ECDSA P-256 is the one key that every client accepts; others can sign also",
        )


def check_also(key: SigningKey) -> None:
    """Check that `key` can sign a second bundle for what another key signs.

    Raises:
        UnsupportedKeyError: it signs no entries, or such as are logged by another hash than
            the one that large bodies are kept under.
    """
    key.public.check_for_entries()
    hash_name = key.public.algorithm.hash_name
    if hash_name != _BODIES:
        raise UnsupportedKeyError(
            f"expected a key whose entries are logged by {_BODIES}, {key.name} is "
            f"{key.public.algorithm.name}, by {hash_name}",
            hint="ML-DSA-65 signs beside P-256 or RSA",
        )
