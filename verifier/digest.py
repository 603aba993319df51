"""The digest of an OCI manifest: `sha256:` and 64 lower-case hex digits.

One algorithm and one spelling (OCI image-spec, descriptor.md, "Digests").
"""

from __future__ import annotations

import hashlib
import re
from typing import Self

from verifier.errors import DigestError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class Digest(str):
    """A digest that has been checked: its type is the proof."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Take `text` as a digest, or raise `DigestError`."""
        if not _DIGEST.fullmatch(text):
            raise DigestError(f"expected sha256:<64 lower-case hex digits>, found {text[:120]!r}")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the digest of `content`."""
        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @property
    def hex(self) -> str:
        """The 64 digits after the colon."""
        return self[7:]
