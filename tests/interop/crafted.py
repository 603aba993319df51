"""Bundles that are bad, or odd, in one point and consistent in all others.

A mutation changes what was signed and logged, so that each of many checks finds it. Here
everything that depends on the point is made anew, by whoever holds all keys: one check alone
can find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.interop.edits import decoded, encoded
from tests.interop.mutating.values import signature_changes
from tests.interop.specimens import Specimen, made
from tests.verifier.faults import FAULTS
from tests.verifier.making import NoteSigner, Signer, World
from verifier.dsse import IN_TOTO, pae
from verifier.note import ML_DSA

# Which of them the two judge differently, and why.
_STATEMENT = "what a statement says is left to their caller"
THEY_ACCEPT: Mapping[str, str] = {
    "fault: key-scope": "keys have no scope there",
    "fault: key-window": "keys count by time there, not by place",
    "fault: predicate-type": _STATEMENT,
    "fault: digest-mismatch": _STATEMENT,
    "fault: repository-mismatch": _STATEMENT,
    "fault: witness-quorum": "they know no witnesses",
    "fault: trust-expired": "their trusted root never expires",
}
_SHA256 = (
    "they hash every envelope with SHA-256; by the format a key's own algorithm says how, and so "
    "do we. The service signs with such a key only when it is told to, and other clients refuse it"
)
WE_ACCEPT: Mapping[str, str] = {"key: ecdsa-p384": _SHA256, "key: ed25519": _SHA256}


def crafted() -> Iterator[Specimen]:
    """Yield each of them, under a trust root of its own."""
    for code, spoil in FAULTS:
        world = World()
        spoil(world)
        yield made(f"fault: {code}", world)
    world = World()
    signature = encoded(world.signer.sign(pae(IN_TOTO, world.payload)))
    for name, changed in signature_changes(signature):
        world = World(signer=world.signer, payload=world.payload)
        world.signature = decoded(str(changed))
        yield made(f"signature: {name}", world)
    for algorithm in ("ecdsa-p384", "ed25519", "rsa-2048"):
        yield made(f"key: {algorithm}", World(signer=Signer(algorithm)))
    world = World()
    other = NoteSigner(world.origin, ML_DSA)
    world.lines = (other.sign(str(world.checkpoint)),)
    yield made("note: a line of a log key that nobody knows", world)
