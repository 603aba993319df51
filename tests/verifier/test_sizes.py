"""Where counting goes wrong: the ends of every range, in every format that states a number."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.verifier import examples
from tests.verifier.making import ORIGIN, NoteSigner, World, verdict
from tests.verifier.paths import put
from tests.verifier.pinned import DOCUMENT, parse
from verifier._strict import b64encode, decimal
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.cosigned import subtree_message
from verifier.merkle import EMPTY_ROOT, Hash, InclusionProof, hash_leaf, verify_inclusion
from verifier.note import COSIGNATURE, ED25519, ML_DSA, Note
from verifier.proof import TlogProof

# A byte, a tile of the ledger, two bytes, three, four, and the 63 bits of a size.
SIZES = (
    *(0, 1, 2, 254, 255, 256, 257, 65_534, 65_535, 65_536, 65_537),
    *(2**24 - 1, 2**24, 2**24 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 2, 2**63 - 1),
)
BEYOND = (-1, 2**63, 2**63 + 1, 2**64 - 1, 2**64, 2**64 + 1, 2**128)
LEAF = hash_leaf(b"leaf")
ROOT = Hash(bytes(range(32)))


def _chain(index: int, tree_size: int, leaf: Hash = LEAF) -> tuple[tuple[Hash, ...], Hash]:
    """Return a path of made-up hashes in a tree that nobody could hold, and its root.

    This follows RFC 9162, section 2.1.3.2, step by step, as our verifier does not.
    """
    path: list[Hash] = []
    node, here, last = leaf, index, tree_size - 1
    while last:
        sibling = Hash(bytes([len(path)]) * 32)
        path.append(sibling)
        if here % 2 or here == last:
            node = _above(sibling, node)
            while not here % 2 and here:
                here, last = here >> 1, last >> 1
        else:
            node = _above(node, sibling)
        here, last = here >> 1, last >> 1
    return tuple(path), node


def _above(left: bytes, right: bytes) -> Hash:
    return Hash(hashlib.sha256(b"\1" + left + right).digest())


@pytest.mark.parametrize("size", SIZES)
def test_in_a_checkpoint(size: int) -> None:
    """
    Every size that 63 bits hold is read from a checkpoint and printed to the same text.
    """
    root = ROOT if size else EMPTY_ROOT
    text = f"{ORIGIN}\n{size}\n{b64encode(root)}\n"

    assert Checkpoint(ORIGIN, size, root) == Checkpoint.parse(text)
    assert text == str(Checkpoint.parse(text))


@pytest.mark.parametrize("size", BEYOND)
def test_beyond_a_checkpoint(size: int) -> None:
    """
    A size below 0 or beyond 63 bits is no size, in a checkpoint, an index, or a trust file.
    """
    text = str(Checkpoint(ORIGIN, 1, ROOT)).replace("\n1\n", f"\n{size}\n")
    file = examples.TLOG_PROOF.replace("index 7", f"index {size}")
    document = put(DOCUMENT, ("keys", 0, "valid_through_tree_size"), size)

    assert "bad-integer" == verdict(lambda: Checkpoint.parse(text))
    assert "bad-integer" == verdict(lambda: TlogProof.parse(file))
    assert "bad-integer" == verdict(lambda: parse(document))
    assert "bad-integer" == verdict(lambda: decimal(str(size)))


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE, ML_DSA])
@pytest.mark.parametrize("size", SIZES)
def test_signed(kind: int, size: int) -> None:
    """
    A checkpoint of every size can be signed and cosigned, with keys of every kind.
    """
    signer = NoteSigner(ORIGIN, kind)
    text = str(Checkpoint(ORIGIN, size, ROOT if size else EMPTY_ROOT))

    signer.key.verify(text, signer.sign(text).signature)


@pytest.mark.parametrize("size", SIZES)
def test_in_a_cosignature(size: int) -> None:
    """
    In what ML-DSA-44 signs a size has 8 bytes, the largest first.
    """
    message = subtree_message("w", 1, ORIGIN, 0, size, ROOT)

    assert size.to_bytes(8, "big") == message[-40:-32]


@pytest.mark.parametrize("length", [1, 254, 255])
def test_names_in_a_cosignature(length: int) -> None:
    """
    Both names are counted in one byte, up to 255 bytes of UTF-8.
    """
    name = "x" * length
    message = subtree_message(name, 1, name, 0, 1, ROOT)

    counted = bytes([length]) + name.encode()
    assert b"subtree/v1\n\0" + counted + bytes(7) + b"\1" + counted == message[: -16 - 32]


@pytest.mark.parametrize("tree_size", [size for size in SIZES if size])
def test_inclusion(tree_size: int) -> None:
    """
    In trees of every size the first and the last leaves, and those around each end, are provable.
    """
    indices = {i for size in (*SIZES, tree_size) for i in (size - 1, size) if 0 <= i < tree_size}
    for index in indices:
        path, root = _chain(index, tree_size)
        verify_inclusion(LEAF, InclusionProof(index, tree_size, path), root)
        for other in (tree_size, -1):
            proof = InclusionProof(other, tree_size, path)
            assert "malformed" == verdict(lambda p=proof, r=root: verify_inclusion(LEAF, p, r))


@pytest.mark.parametrize("index", SIZES)
def test_in_a_proof_file(index: int) -> None:
    """
    An index of every size is read from a proof file and printed to the same text.
    """
    text = examples.TLOG_PROOF.replace("index 7", f"index {index}")

    assert (index, text) == (TlogProof.parse(text).index, str(TlogProof.parse(text)))


@pytest.mark.parametrize("index", [size for size in SIZES if size < 2**63 - 1])
def test_in_a_bundle(index: int) -> None:
    """
    An entry at every index is proven in a bundle, in a tree that ends with it.
    """
    world = World()
    world.key = world.key._replace(valid_from_tree_size=index)
    good = world.bundle
    tree_size = index + 1
    path, root = _chain(index, tree_size, hash_leaf(good.entry))
    text = str(Checkpoint(ORIGIN, tree_size, root))
    bundle = good._replace(
        proof=InclusionProof(index, tree_size, path),
        note=str(Note(text, (world.log.sign(text),))),
    )
    verified = world.verify(bundle.json())

    assert (index, tree_size) == (verified.index, verified.tree_size)
    assert bundle == Bundle.parse(bundle.json())


@pytest.mark.parametrize("size", [str(size) for size in BEYOND])
@pytest.mark.parametrize("field", ["logIndex", "treeSize"])
def test_beyond_a_bundle(field: str, size: str) -> None:
    """
    A bundle that states an index or size beyond 63 bits is refused.
    """
    world = World()
    document = json.loads(world.bundle.json())
    entry = document["verificationMaterial"]["tlogEntries"][0]
    entry["inclusionProof"][field] = size

    assert "bad-integer" == verdict(lambda: world.verify(json.dumps(document).encode()))


@pytest.mark.parametrize("size", SIZES)
def test_windows(size: int) -> None:
    """
    A key's window of every size is written and read, and ends where it says.
    """
    document = put(DOCUMENT, ("keys", 0, "valid_from_tree_size"), 0)
    root = parse(put(document, ("keys", 0, "valid_through_tree_size"), size))
    key = next(iter(root.keys.values()))

    assert root == parse(json.loads(root.json()))
    assert (size > 0, False) == (key.valid_at(size - 1) and size > 0, key.valid_at(size))
