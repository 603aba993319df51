"""Cases that ask the judge itself: may this image run?

What is handed in is made beforehand, and the verifier is asked twice: it may have seen
good checkpoints before, and must say no all the same.
"""

from __future__ import annotations

import json
from functools import partial

from tests.verifier.catalogue.case import Case
from tests.verifier.making import IMAGE, REPOSITORY, Signer, World
from tests.verifier.paths import Path, put

GOOD = World()
JSON = GOOD.bundle.json()
TEXT = JSON.decode()
DOCUMENT = json.loads(JSON)
MESSAGE = GOOD.envelope.message  # what the signature in a good bundle covers
_VERIFIER = GOOD.verifier

MATERIAL: Path = ("verificationMaterial",)
ENTRY: Path = (*MATERIAL, "tlogEntries", 0)
PROOF: Path = (*ENTRY, "inclusionProof")
HASHES: Path = (*PROOF, "hashes")
ENVELOPE: Path = ("dsseEnvelope",)
SIGNATURE: Path = (*ENVELOPE, "signatures", 0, "sig")


def data(row: str, name: str, content: bytes, code: str) -> Case:
    """Ask about bytes in the place of the good bundle, of whose key and log we approve."""
    return Case(row, name, partial(_VERIFIER.verify, content, IMAGE, REPOSITORY), code)


def text(row: str, name: str, content: str, code: str) -> Case:
    """Ask about a text; half a surrogate pair is kept, in the bytes that no UTF-8 has."""
    return data(row, name, content.encode("utf-8", "surrogatepass"), code)


def field(row: str, name: str, path: Path, value: object, code: str) -> Case:
    """Ask about the good bundle with another value at `path`."""
    return text(row, name, json.dumps(put(DOCUMENT, path, value)), code)


def world(row: str, name: str, made: World, code: str) -> Case:
    """Ask about a world's own bundle under the world's own trust."""
    ask = partial(made.verifier.verify, made.bundle.json(), made.digest, made.repository)
    return Case(row, name, ask, code)


def payload(row: str, name: str, said: bytes, code: str) -> Case:
    """Ask about a payload that the trusted key really signed, and that is really logged."""
    return world(row, name, World(payload=said), code)


def signed(row: str, name: str, signature: bytes, code: str, signer: Signer = GOOD.signer) -> Case:
    """Ask about the good payload under a signature by `signer`, and logged as it is."""
    return world(row, name, World(signer=signer, signature=signature), code)
