"""The published example log of transparency-dev/tessera, made by us, and two ways to read a log.

testdata/build_log.sh makes it from 15 words; its key is public, on purpose.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.export import root_at
from ledger.resources import Resources
from ledger.store import Store
from ledger.store.memory import MemoryStore
from ledger.tiles import parse_path
from tests.ledger.foreign import Fetch
from verifier.checkpoint import Checkpoint
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import PublicKey


def _list(text: str) -> list[str]:
    return text.split()


EXAMPLE = "example.com/log/testdata"
SECRET = (
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
)
VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
WORDS = [
    word.encode()
    for word in _list(
        "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
    )
]
ROOTS = _list("""
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= 0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=
T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4= Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=
zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co= gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=
a6sWvsc2eEzmj72vah7mZ5dwFltivehh2b11qwlp5Jg= IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=
bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY= CvhHViE3S9E3htHLR+25mapWoGCJ3WckMq1UtC3VmEY=
y8/gZsZCtitsMan09tY+k8I7Qpr7Y5fbO2tLi9GQnfU= Yok1cS5VdokGLBy73BC2I16b3atss6KBN9jnIi6Fz/A=
uZo6M+IhVna+CLgWCrJs0xBPUHbozHkYTQASduHSLME= av0kLH0VkkVDrTuZzBGIx7d9z5G1l/GlKz/nAV/8woQ=
SvCd38yNade7xEPY1a/aAc1M3A2AHYVF8lIiUnsH1ao= rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=
""")
SIGNATURE_15 = (
    "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI="
)
PATH_7_OF_15 = _list("""
2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw= ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=
zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co= 5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=
""")
PATH_14_OF_15 = _list("""
GiUtVP0XhIaZ/fl7ReMLgw+9YUtjFAt8kaTdfOe2u/I= 3cFRCtyHVxAUTugFyRgo30efbl+BVxdTQDIGg5H61SA=
bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=
""")
FROM_6_TO_15 = _list("""
ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4= nk9gCR+floFqznAPtqjjcnnV64dge2jQB95D5t164Hg=
zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co= 5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=
""")


class ExampleKey:
    """The public test key of the example log."""

    def __init__(self) -> None:
        seed = base64.b64decode(SECRET.split("+", 4)[4])
        self._key = Ed25519PrivateKey.from_private_bytes(seed[1:])
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.note_key = NoteKey.of(EXAMPLE, PublicKey(der))

    def checkpoint(self, store: Store, size: int) -> str:
        """The signed checkpoint of the store's tree at a size."""
        text = str(Checkpoint(EXAMPLE, size, root_at(store, size)))
        key = self.note_key
        signature = NoteSignature(key.name, key.key_id, self._key.sign(text.encode()))
        return str(Note(text, (signature,)))


KEY = ExampleKey()


def from_store(store: MemoryStore, size: int) -> Fetch:
    """Fetch what a store would serve, published up to a size."""
    resources = Resources(store, lambda: KEY.checkpoint(store, size), lambda: size)

    def fetch(path: str) -> bytes | None:
        if path == "checkpoint":
            return resources.checkpoint().body
        found = resources.tile(parse_path(path))
        return None if found is None else found.body

    return fetch


def from_folder(folder: Path) -> Fetch:
    """Fetch the files of an export."""
    return lambda path: (folder / path).read_bytes() if (folder / path).is_file() else None
