r"""What a cosigner signs (c2sp.org/tlog-cosignature): which tree of a log, and when.

A cosignature is 8 bytes of POSIX seconds, big-endian, and a signature. What an
Ed25519 key signs (kind 4) is the note with two lines before it:

    cosignature/v1
    time 1700000000
    example.com/log
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

An ML-DSA-44 key (kind 6) signs the tree, not the text, and its own name with it:

    "subtree/v1\n\0" | u8 length, cosigner | u64 time | u8 length, origin
    | u64 start | u64 end | 32 bytes of root

A log's own line of kind 6, under its origin, says when the log signed. Only whole
trees count here, and only with a time: time 0 says nothing about the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.errors import SignatureError
from verifier.note import COSIGNATURE

if TYPE_CHECKING:
    from verifier.merkle import Hash
    from verifier.publickey import PublicKey

TIME_BYTES = 8  # before the signature


def ed25519_message(time: int, text: str) -> bytes:
    """Return what an Ed25519 cosigner signs about the note text `text`."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def subtree_message(  # noqa: PLR0917  the fields of the specification's struct, in its order
    cosigner: str, time: int, origin: str, start: int, end: int, root: Hash
) -> bytes:
    """Return what an ML-DSA-44 cosigner signs about the leaves from `start` to before `end`.

    A checkpoint is the tree from 0 to its size. Names have at most 255 bytes of
    UTF-8, which `_strict.note_name` sees to.
    """
    return b"".join(
        (
            b"subtree/v1\n\0",
            _counted(cosigner),
            time.to_bytes(TIME_BYTES, "big"),
            _counted(origin),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def message(cosigner: str, public: PublicKey, text: str, time: int) -> bytes:
    """Return what the key `public`, called `cosigner`, signs about the note text `text`.

    Raises:
        MalformedError: an ML-DSA-44 key, and a text that is no checkpoint.
    """
    if public.algorithm.witness_kind == COSIGNATURE:
        return ed25519_message(time, text)
    checkpoint = Checkpoint.parse(text)
    return subtree_message(
        cosigner, time, checkpoint.origin, 0, checkpoint.tree_size, checkpoint.root
    )


def verify(cosigner: str, public: PublicKey, text: str, signature: bytes) -> None:
    """Check the body of a line of kind 4 or 6 by this key under the note text `text`.

    Raises:
        SignatureError: it does not fit, or states no time.
        MalformedError: kind 6 over a text that is no checkpoint.
    """
    expected = TIME_BYTES + public.algorithm.signature_size
    if len(signature) != expected:
        raise SignatureError(f"expected {expected} bytes of cosignature, found {len(signature)}")
    time = int.from_bytes(signature[:TIME_BYTES], "big")
    if not 0 < time < limits.TREE_SIZE:
        raise SignatureError(f"a cosignature of a checkpoint has a time, found {time}")
    public.verify(signature[TIME_BYTES:], message(cosigner, public, text, time))


def _counted(name: str) -> bytes:
    raw = name.encode()
    return bytes([len(raw)]) + raw
