"""DSSE envelopes: what is signed is the payload *and* its type.

    DSSEv1 29 http://example.com/HelloWorld 11 hello world

That string, the pre-authentication encoding, is the message under the
signature; its lengths count bytes. It is also the *body* that the ledger keeps.

Spec: github.com/secure-systems-lab/dsse, protocol.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, decimal
from verifier.errors import LimitError, MalformedError, UnsupportedError

IN_TOTO = "application/vnd.in-toto+json"
PREFIX = b"DSSEv1 "
_LONGEST_SIZE = 20  # digits and the space after them


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature over `payload` covers (DSSE protocol.md, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_pae(message: bytes) -> tuple[str, bytes]:
    """Return payload type and payload of a pre-authentication encoding.

    Raises:
        MalformedError: `pae` would not print `message`.
    """
    parts = message.split(b" ", 2)
    if len(parts) != 3 or parts[0] != b"DSSEv1":
        raise MalformedError("expected a DSSE pre-authentication encoding")
    size, rest = decimal(parts[1].decode("ascii", "replace")), parts[2]
    kind, _, tail = rest[:size], rest[size : size + 1], rest[size + 1 :]
    payload = tail.partition(b" ")[2]
    try:
        payload_type = kind.decode()
    except UnicodeDecodeError:
        raise MalformedError("expected a payload type in UTF-8") from None
    if pae(payload_type, payload) != message:
        raise MalformedError("expected a DSSE pre-authentication encoding")
    return payload_type, payload


def pae_prefix(size: int) -> bytes:
    """Return what stands before an in-toto payload of `size` bytes in its encoding."""
    return pae(IN_TOTO, b"").removesuffix(b"0 ") + b"%d " % size


def payload_of(message: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the payload of an encoding that comes in pieces, the first with its whole prefix.

    Raises:
        MalformedError: it is no encoding of an in-toto payload.
    """
    pieces = iter(message)
    first = next(pieces, b"")
    head = pae(IN_TOTO, b"").removesuffix(b"0 ")
    size, space, payload = first.removeprefix(head)[:_LONGEST_SIZE].partition(b" ")
    if not first.startswith(head) or not space:
        raise MalformedError("expected a DSSE pre-authentication encoding")
    left = decimal(size.decode("ascii", "replace"))
    payload = first[len(head) + len(size) + 1 :]
    for piece in chain((payload,), pieces):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise MalformedError("expected a payload as long as its encoding says")


class Envelope(NamedTuple):
    """One in-toto payload under one signature; `keyid` is a hint and proves nothing."""

    payload: bytes
    signature: bytes
    keyid: str = ""

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Take an envelope from opened JSON; nothing in it is trusted yet.

        Raises:
            MalformedError: any other shape, or not exactly one signature.
            UnsupportedError: another payload type than in-toto's.
        """
        payload_type = fields.text("payloadType")
        if payload_type != IN_TOTO:
            raise UnsupportedError(f"expected payload type {IN_TOTO}, found {payload_type[:80]!r}")
        payload = _base64(fields.text("payload"))
        found = fields.items("signatures", most=1)
        fields.done()
        if not found:
            raise MalformedError("expected one signature in the envelope, found none")
        line = Fields(found[0], "dsseEnvelope.signatures[0]")
        signature = _base64(line.text("sig"))
        keyid = line.text("keyid") if line.has("keyid") else ""
        line.done()
        if not signature:
            raise MalformedError("expected a signature, found an empty one")
        if len(signature) > limits.SIGNATURE or len(keyid) > limits.ANNOTATION_KEY:
            raise LimitError("the signature or its keyid is too long")
        return cls(payload, signature, keyid)

    @property
    def message(self) -> bytes:
        """The bytes that the signature covers."""
        return pae(IN_TOTO, self.payload)

    def json(self) -> dict[str, object]:
        """Render as JSON values, without a keyid: cosign refuses one."""
        return {
            "payload": b64encode(self.payload),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": b64encode(self.signature)}],
        }


def _base64(text: str) -> bytes:
    """Decode either alphabet, as the specification demands, but not a mixture."""
    if ("-" in text or "_" in text) and "+" not in text and "/" not in text:
        text = text.replace("-", "+").replace("_", "/")
    return b64(text)
