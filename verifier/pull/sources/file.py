"""Bundles in files of this host.

DIR/sha256-<hex>.bundle.json       as `sealbook sign` writes it
DIR/sha256-<hex>.certificate.json
DIR/sha256-<hex>.json              one bundle, or an answer of GET /v1/bundles/DIGEST
DIR/sha256-<hex>/*.json            any number of either
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

_ENDS = (".bundle.json", ".certificate.json", ".json")
_LISTED = 4096  # files in the directory of one digest


class FileSource:
    """One such directory."""

    name = "file"

    def __init__(self, directory: str) -> None:
        """Look in `directory`, which need not be there yet."""
        self._directory = directory

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:  # noqa: ARG002
        """Yield what the files of the digest hold; `Source` says more.

        Raises:
            UnreadableSourceError: a file, or the directory, cannot be read.
            TooManySignaturesError: there are more files than anybody needs.
            MalformedError: a file that is an answer of a service, and a broken one.
        """
        path = f"{self._directory}/{question.digest.replace(':', '-')}"
        try:
            if not stat.S_ISDIR(os.stat(self._directory).st_mode):  # noqa: PTH116
                raise UnreadableSourceError(f"{self._directory} is no directory")
            for name in [path + end for end in _ENDS] + _listed(path):
                content = read_regular(name, limits.CANDIDATE)
                if content is not None:
                    yield from bundles_in(content)
        except OSError as e:
            raise UnreadableSourceError(f"cannot read {e.filename or path}: {e.strerror}") from e


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


def _listed(path: str) -> list[str]:
    """Return the files in the directory of a digest, in order."""
    try:
        with os.scandir(path) as found:
            names = [one.name for one, _ in zip(found, range(_LISTED + 1), strict=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    if len(names) > _LISTED:
        raise TooManySignaturesError(f"{path}: expected at most {_LISTED} files")
    return [f"{path}/{one}" for one in sorted(names) if one.endswith(".json")]
