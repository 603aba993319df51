"""Bundles in files of this host.

DIR/sha256-<hex>.bundle.json    and whatever else `sealbook sign`, `attest` and `bundles` write
DIR/sha256-<hex>.json           one bundle, or a whole answer of GET /v1/bundles/DIGEST
DIR/sha256-<hex>/*.json         any number of either

Simple signing and notation have no proof in them, and are passed by.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import MalformedError
from verifier.pull.errors import TooManySignaturesError, UnreadableSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.pull.decision import Question

_OTHERS = (".simplesigning.json", ".notation.json")
_FIRST = ".bundle.json"
_LISTED = 200_000  # files in a directory


class FileSource:
    """One such directory."""

    name = "file"

    def __init__(self, directory: str) -> None:
        """Look in `directory`; one that is not there holds nothing."""
        self._directory = directory

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:  # noqa: ARG002
        """Yield what the files of the digest hold; `Source` says more.

        Raises:
            UnreadableSourceError: a file, or the directory, cannot be read.
            TooManySignaturesError: there are more files than anybody needs.
            MalformedError: a file that is an answer of a service, and a broken one.
        """
        name = question.digest.replace(":", "-")
        try:
            for path in [
                *_listed(self._directory, name + "."),
                *_listed(f"{self._directory}/{name}"),
            ]:
                content = read_regular(path, limits.CANDIDATE)
                if content is not None:
                    yield from bundles_in(content)
        except OSError as e:
            raise UnreadableSourceError(
                f"cannot read {e.filename or self._directory}: {e.strerror}"
            ) from e


def bundles_in(content: bytes) -> Iterator[bytes]:
    """Yield the bundles in a file: itself, or those of a service's answer that was kept.

    Raises:
        MalformedError: it begins like an answer, and is none.
    """
    if not content.startswith(b'{"bundles":['):
        yield content
        return
    fields = Fields(json_object(content, limit=limits.CANDIDATE), "bundles")
    found = fields.items("bundles", most=limits.CANDIDATES)
    if fields.number("next"):
        raise MalformedError("expected all bundles of the digest, found a page of them")
    for one in found:
        yield json.dumps(one, separators=(",", ":")).encode()


def read_regular(path: str, limit: int, *, follow: bool = True) -> bytes | None:
    """Return what is in a regular file, at most one byte more than `limit`; None of no file.

    Raises:
        OSError: it cannot be read, or is no regular file: nobody waits for a pipe here.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file", path)
        return file.read(limit + 1)


def _listed(directory: str, start: str = "") -> list[str]:
    """Return the files in a directory that may hold bundles, in order, approvals first."""
    try:
        with os.scandir(directory) as found:
            names = [one.name for one, _ in zip(found, range(_LISTED + 1), strict=False)]
    except FileNotFoundError:
        return []
    if len(names) > _LISTED:
        raise TooManySignaturesError(f"{directory}: expected at most {_LISTED} files")
    fitting = [one for one in names if one.startswith(start) and one.endswith(".json")]
    fitting = [one for one in fitting if not one.endswith(_OTHERS)]
    return [
        f"{directory}/{one}" for one in sorted(fitting, key=lambda one: (_FIRST not in one, one))
    ]
