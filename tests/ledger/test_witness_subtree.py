"""Subtrees: every one of every small tree, against the definition spelled out."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ledger.witness.subtree import Subtree, is_subtree, verify_subtree
from ledger.witness.wire import SubtreeRequest
from tests.ledger.making import ORIGIN, LogSigner, refused
from tests.ledger.witnessing import (
    OTHER_ROOT,
    WITNESS,
    WITNESS_KEY,
    WITNESS_PQ_KEY,
    Bench,
    lines_of,
    signed,
)
from verifier.merkle import Hash, hash_children, hash_leaf, verify_consistency
from verifier.note import Note, NoteSignature

LEAVES = [hash_leaf(b"%d" % i) for i in range(24)]


def mth(leaves: list[Hash]) -> Hash:
    """The root of `leaves`, as RFC 6962 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hash_children(mth(leaves[:k]), mth(leaves[k:]))


def split(n: int) -> int:
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def subproof(start: int, stop: int, leaves: list[Hash], *, known: bool = True) -> list[Hash]:
    """The draft's SUBTREE_SUBPROOF, line by line."""
    n = len(leaves)
    if (start, stop) == (0, n):
        return [] if known else [mth(leaves)]
    k = split(n)
    if stop <= k:
        return [*subproof(start, stop, leaves[:k], known=known), mth(leaves[k:])]
    if k <= start:
        return [*subproof(start - k, stop - k, leaves[k:], known=known), mth(leaves[:k])]
    return [*subproof(0, stop - k, leaves[k:], known=False), mth(leaves[:k])]


def subtrees(n: int) -> list[tuple[int, int]]:
    """Every subtree of a tree of n leaves, by the draft's definition."""
    found = []
    for start in range(n):
        for stop in range(start + 1, n + 1):
            width = 1
            while width < stop - start:
                width *= 2
            if start % width == 0:
                found.append((start, stop))
    return found


def test_ranges() -> None:
    """
    A range is a subtree exactly when the draft's definition says so.
    """
    n = len(LEAVES)
    every = [(a, b) for a in range(-1, n) for b in range(-1, n + 1)]

    assert sorted(subtrees(n)) == sorted(pair for pair in every if is_subtree(*pair))


def test_every_subtree_of_every_small_tree() -> None:
    """
    The draft's proof of each subtree is accepted, and none that is off by one hash.
    """
    for n in range(1, len(LEAVES) + 1):
        leaves = LEAVES[:n]
        root = mth(leaves)
        for start, stop in subtrees(n):
            claimed = Subtree(start, stop, mth(leaves[start:stop]))
            path = subproof(start, stop, leaves)
            verify_subtree(claimed, n, path, root)
            fails("not-included", claimed._replace(root=OTHER_ROOT), n, path, root)
            fails("malformed", claimed, n, [*path, root], root)
            if path:
                fails("malformed", claimed, n, path[1:], root)
            for i in range(len(path)):
                fails("not-included", claimed, n, [*path[:i], OTHER_ROOT, *path[i + 1 :]], root)


def fails(code: str, subtree: Subtree, n: int, path: list[Hash], root: Hash) -> None:
    """Check that this is refused, and how."""
    refused(code, lambda: verify_subtree(subtree, n, path, root))


def test_from_zero_it_is_rfc_6962() -> None:
    """
    A subtree from 0 has the consistency proof that every log makes.
    """
    for n in range(1, len(LEAVES) + 1):
        for m in range(1, n + 1):
            path, whole = subproof(0, m, LEAVES[:n]), mth(LEAVES[:n])

            verify_consistency(m, n, path, mth(LEAVES[:m]), whole)
            verify_subtree(Subtree(0, m, mth(LEAVES[:m])), n, path, whole)


def test_what_is_no_subtree_is_refused() -> None:
    """
    A range that is not aligned, or reaches out of the tree, is malformed.
    """
    for start, stop in [(1, 3), (0, 9), (8, 8), (8, 9), (2, 1)]:
        fails("malformed", Subtree(start, stop, OTHER_ROOT), 8, [], LEAVES[0])


@pytest.fixture
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, str]:
    """A witness with both kinds of keys, and a checkpoint of 24 leaves that it cosigned."""
    bench = Bench(tmp_path_factory.mktemp("witness"), (WITNESS_KEY, WITNESS_PQ_KEY))
    note = Note.parse(signed(len(LEAVES), mth(LEAVES)))
    lines = lines_of(bench.send(0, (), str(note)), note.text)
    return bench, str(note._replace(signatures=lines))


def ask(
    bench: Bench, note: str, start: int, stop: int, root: Hash | None = None
) -> tuple[int, bytes]:
    """Ask for a subtree with an honest path."""
    path = subproof(start, stop, LEAVES) if (start, stop) in subtrees(24) else []
    root = mth(LEAVES[start:stop]) if root is None else root
    request = SubtreeRequest(start, stop, root, tuple(path), Note.parse(note))
    assert request == SubtreeRequest.parse(str(request))
    answer = bench.judge.sign_subtree(str(request).encode())
    return answer.status, answer.body


def test_subtree_is_cosigned_without_a_time(asked: tuple[Bench, str]) -> None:
    """
    A part of a cosigned tree is signed by the post-quantum key alone, with time 0.
    """
    bench, note = asked

    status, body = ask(bench, note, 8, 13)

    assert 200 == status, body
    [cosigned] = Note.parse(f"x\n\n{body.decode()}").signatures
    assert (WITNESS, bytes(8)) == (cosigned.name, cosigned.signature[:8])
    MLDSA44PublicKey.from_public_bytes(WITNESS_PQ_KEY.public.raw).verify(
        cosigned.signature[8:],
        b"subtree/v1\n\0\x0fwitness.example"
        + bytes(8)
        + b"\x0eledger.example"
        + (8).to_bytes(8, "big")
        + (13).to_bytes(8, "big")
        + mth(LEAVES[8:13]),
    )
    assert 24 == bench.recorded.tree_size
    bench.state.close()


def test_subtree_statuses(asked: tuple[Bench, str]) -> None:
    """
    400 for no subtree, 403 for what we did not cosign, 404 for another log, 422 for no proof.
    """
    bench, note = asked
    cosigned = Note.parse(note)
    log_only = signed(24, mth(LEAVES))
    flipped = [line._replace(signature=line.signature[:-1] + b"\0") for line in cosigned.signatures]
    stranger = signed(24, mth(LEAVES), LogSigner(b"x"), origin="other.example")

    assert 400 == ask(bench, note, 1, 3)[0]
    assert 400 == ask(bench, note, 16, 32, OTHER_ROOT)[0]
    assert 400 == bench.judge.sign_subtree(b"subtree 0 1\n\n" + note.encode()).status
    assert 400 == bench.judge.sign_subtree(b"subtree 0\n" + note.encode()).status
    assert 403 == ask(bench, log_only, 8, 13)[0]
    assert 403 == ask(bench, str(cosigned._replace(signatures=tuple(flipped))), 8, 13)[0]
    assert 404 == ask(bench, stranger, 8, 13)[0]
    assert 422 == ask(bench, note, 8, 13, OTHER_ROOT)[0]
    bench.state.close()


def test_ed25519_signs_no_subtrees(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    A witness without an ML-DSA-44 key says so.
    """
    with Bench(tmp_path_factory.mktemp("witness")) as bench:
        note = Note.parse(signed(24, mth(LEAVES)))
        lines = lines_of(bench.send(0, (), str(note)), note.text)

        assert 404 == ask(bench, str(note._replace(signatures=lines)), 8, 13)[0]


def test_a_log_line_in_our_name_is_not_ours(asked: tuple[Bench, str]) -> None:
    """
    A line that bears our name and id, and does not verify, is no cosignature of ours.
    """
    bench, note = asked
    text = Note.parse(note).text
    own = bench.judge.keys[1]
    forged = NoteSignature(WITNESS, own.key_id, hashlib.sha256(b"").digest())

    assert 403 == ask(bench, str(Note(text, (forged,))), 8, 13)[0]
    assert ORIGIN == bench.recorded.origin
    bench.state.close()
