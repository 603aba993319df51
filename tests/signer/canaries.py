"""Secrets that are looked for wherever something comes out, however it is written there."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

_BREAKS = re.compile(rb"(?:\\[nrt]|[\s:])+")  # what PEM, hex dumps and JSON put in between


class Canary(NamedTuple):
    """A secret, and the files that are there to hold it."""

    name: str
    secret: bytes
    at_home: tuple[Path, ...] = ()

    @classmethod
    def of_key(cls, name: str, private: Any, *at_home: Path) -> Canary:
        """Return the private number of a key: whoever shows the key in any format shows that."""
        if isinstance(private, ec.EllipticCurvePrivateKey):
            number = private.private_numbers().private_value
            return cls(name, number.to_bytes(private.key_size // 8, "big"), at_home)
        return cls(name, private.private_bytes_raw(), at_home)

    def spellings(self) -> Iterator[tuple[str, bytes]]:
        """Yield what it may look like, each with a name."""
        secret = self.secret
        yield "raw", secret
        yield "hex", secret.hex().encode()
        yield "HEX", secret.hex().upper().encode()
        for offset in range(3):
            # What comes before shifts it; the letters at either end are somebody else's too.
            whole = base64.b64encode(bytes(offset) + secret)
            start, stop = (0, 2, 3)[offset], len(secret + bytes(offset)) // 3 * 4
            yield f"base64+{offset}", whole[start:stop]
            yield f"base64url+{offset}", whole[start:stop].translate(_URL_SAFE)
        yield "percent", urllib.parse.quote(secret, safe="").encode()
        yield "repr", repr(secret)[2:-1].encode()
        yield "octets", ", ".join(map(str, secret)).encode()
        yield "number", str(int.from_bytes(secret, "big")).encode()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Leak(NamedTuple):
    """Where which secret was, and how it was written."""

    where: str
    name: str
    spelling: str


def leaks(where: str, content: bytes, canaries: Iterable[Canary]) -> list[Leak]:
    """Return what of `canaries` is in `content`, also across the line breaks of PEM."""
    joined = _BREAKS.sub(b"", content)
    return [
        Leak(where, canary.name, spelling)
        for canary in canaries
        for spelling, text in canary.spellings()
        if text in content or _BREAKS.sub(b"", text) in joined
    ]


def leaks_in_files(directory: Path, canaries: Iterable[Canary]) -> list[Leak]:
    """Return what of `canaries` is in any file below `directory` that is not there for it."""
    canaries = list(canaries)
    return [
        leak
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        for leak in leaks(
            str(path),
            path.read_bytes(),
            [canary for canary in canaries if path not in canary.at_home],
        )
    ]
