"""Signed files: one payload under the signatures of many keys, as DSSE envelopes of its own type.

    {"payload":"<b64>","payloadType":"application/vnd.sealbook.trust+json",
     "signatures":[{"keyid":"<hint>","sig":"<b64>"},…]}

Trust and status files are such. A `keyid` is the hint of a key, base64(SHA-256(SPKI)): it
says which key to try, and proves nothing. Each key signs once, whatever it is called.

Spec: github.com/secure-systems-lab/dsse, envelope.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.dsse import pae
from verifier.errors import LimitError, MalformedError, UnsupportedError
from verifier.publickey import Key, PublicKey


class SignedFile(NamedTuple):
    """A payload and who claims to have signed it: signatures by the hint of their key."""

    payload_type: str
    payload: bytes
    signatures: Mapping[str, bytes]

    @classmethod
    def parse(cls, data: bytes, payload_type: str, limit: int) -> Self:
        """Parse an envelope of at most `limit` bytes whose payload is of `payload_type`.

        Raises:
            LimitError: too large, or too many signatures.
            UnsupportedError: a payload of another type.
            MalformedError: any other shape, or one key twice.
        """
        fields = Fields(json_object(data, limit=limit), "envelope")
        found = fields.text("payloadType")
        if found != payload_type:
            raise UnsupportedError(f"expected payload type {payload_type}, found {found[:80]!r}")
        payload = b64(fields.text("payload"))
        lines = fields.items("signatures", most=limits.ROOTS)
        fields.done()
        signatures: dict[str, bytes] = {}
        for i, value in enumerate(lines):
            line = Fields(value, f"signatures[{i}]")
            keyid, signature = line.text("keyid"), b64(line.text("sig"))
            line.done()
            if keyid in signatures or not signature:
                raise MalformedError("a key signs once, and not with nothing")
            if len(signature) > limits.SIGNATURE or len(keyid) > limits.ANNOTATION_KEY:
                raise LimitError("a signature or its keyid is too long")
            signatures[keyid] = signature
        return cls(payload_type, payload, signatures)

    @classmethod
    def sign(cls, payload_type: str, payload: bytes, keys: Iterable[Key]) -> Self:
        """Return `payload` signed by each of `keys`."""
        return cls(payload_type, payload, {}).signed_by(keys)

    def signed_by(self, keys: Iterable[Key]) -> Self:
        """Return this file with the signatures of `keys` too."""
        more = {key.public.hint: key.sign(self.message) for key in keys}
        return self._replace(signatures={**self.signatures, **more})

    @property
    def message(self) -> bytes:
        """The bytes that each signature covers."""
        return pae(self.payload_type, self.payload)

    def signers(self, keys: Mapping[str, PublicKey]) -> tuple[str, ...]:
        """Return which of `keys`, by name, signed this file. Signatures of others are no matter.

        Raises:
            SignatureError: a signature in the name of one of them does not fit.
        """
        signed = []
        for name, public in keys.items():
            signature = self.signatures.get(public.hint)
            if signature is not None:
                public.verify(signature, self.message)
                signed.append(name)
        return tuple(signed)

    def json(self) -> bytes:
        """Render as `parse` reads it."""
        value = {
            "payload": b64encode(self.payload),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": keyid, "sig": b64encode(signature)}
                for keyid, signature in self.signatures.items()
            ],
        }
        return (json.dumps(value, indent=1) + "\n").encode()


def is_envelope(data: bytes) -> bool:
    """Whether `data` claims to be an envelope, and not a payload that somebody pinned."""
    return b'"payloadType"' in data
