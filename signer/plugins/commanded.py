"""What notation was asked to verify, as its own command line says.

    notation verify --insecure-registry registry.example/team/app@sha256:…
    notation verify --oci-layout --scope registry.example/team/app layout@sha256:…

notation tells its plugins nothing about the image. It starts them itself, so that our parent is
it, and who may change its command line may run another notation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

_REFERENCE = re.compile(r"(?:.*/)?[^@]*@(sha256:[0-9a-f]{64})", re.DOTALL)
_MOST = 1 << 20  # bytes of a command line
_SCOPE = "--scope"


class Command(NamedTuple):
    """The image that a command names by digest; "" for what it does not."""

    repository: str = ""
    digest: str = ""

    @classmethod
    def that_started_us(cls) -> Self:
        """Return what our parent was asked; nothing where that cannot be seen."""
        try:
            with Path(f"/proc/{os.getppid()}/cmdline").open("rb") as file:
                line = file.read(_MOST)
        except OSError:
            return cls()
        return cls.parse([os.fsdecode(word) for word in line.split(b"\0")[:-1]])

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Take apart the words of `notation verify`; of any other command, nothing."""
        if len(words) < 2 or Path(words[0]).name != "notation" or "verify" not in words[1:]:
            return cls()
        said = [word for word in words[2:] if _REFERENCE.fullmatch(word) and "=" not in word]
        if len(said) != 1:
            return cls()
        repository, _, digest = said[0].rpartition("@")
        scopes = [word.partition("=")[2] for word in words if word.startswith(f"{_SCOPE}=")]
        scopes += [after for word, after in pairwise(words) if word == _SCOPE]
        if len(scopes) > 1:
            return cls()
        return cls(scopes[0] if scopes else repository, digest)
