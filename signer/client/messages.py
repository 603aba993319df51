"""What a client makes of an answer to SignMessage: it is about the message that was sent."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from signer.client.answer import Signed, check_included, proof, record
from signer.errors import WrongAnswerError
from signer.v1 import signer_pb2
from verifier.entry import parse_any
from verifier.errors import VerificationError
from verifier.publickey import PublicKey
from verifier.rekor_v1 import EnvelopeEntry


class SignedMessage(NamedTuple):
    """A signature over a message, ECDSA as ASN.1 DER, and what the ledger keeps of it."""

    signature: bytes
    logged: Signed


class KeyInfo(NamedTuple):
    """A signing key of the service, as in GetKeyResponse."""

    name: str
    purpose: str
    public: PublicKey
    forms: tuple[str, ...]
    chain: tuple[bytes, ...]


def checked(
    answer: signer_pb2.SignMessageResponse, request: signer_pb2.SignMessageRequest
) -> SignedMessage:
    """Return the answer to `request` once it is seen to be one.

    Raises:
        WrongAnswerError: it is about another message, or does not hold.
    """
    logged, note = answer.logged, answer.checkpoint
    try:
        kept = Signed(record(logged.record), proof(logged.proof), note.note, note.log_id)
        entry = parse_any(kept.record.entry)
        if isinstance(entry, EnvelopeEntry) or entry.signature != answer.signature:
            raise WrongAnswerError("the entry is of another signature than the answer")
        # A large body is left out, and one that nobody read is not kept; what was sent is at hand.
        hashed = hashlib.new(entry.key.algorithm.hash_name, request.message).digest()
        if entry.data_digest != (request.digest or hashed):
            raise WrongAnswerError("the entry is of another message than was sent")
        entry.key.verify_digest(entry.signature, entry.data_digest)
        check_included(kept)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer does not hold: {e.message} ({e.code})") from e
    return SignedMessage(answer.signature, kept)


def key_info(answer: signer_pb2.GetKeyResponse, name: str) -> KeyInfo:
    """Return what the service says of the key `name`, or of its default one.

    Raises:
        WrongAnswerError: it is another key, or none that we know.
    """
    if name and answer.name != name:
        raise WrongAnswerError(f"asked about key {name[:80]!r}, answered about {answer.name!r}")
    try:
        public = PublicKey(answer.spki)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer holds no key: {e.message} ({e.code})") from e
    return KeyInfo(answer.name, answer.purpose, public, tuple(answer.forms), tuple(answer.chain))
