"""Putting a blob into a registry: asked for in one request, sent in another.

    POST /v2/<name>/blobs/uploads/                      → 202 Location: <where>
    PUT  <where>&digest=sha256:…   all of it            → 201
    PATCH <where>   a part   Content-Range: 0-1048575  → 202 Location: <where next>

The last piece is not sent before all of them were hashed: so what is not what was described is
never whole there, whatever the registry itself checks. Parts are for what is in between and
takes no large requests; then the pieces are gone through again, if they can be.

Spec: OCI distribution-spec, "Pushing Blobs".
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from verifier.pull.errors import ImagesError, RegistryAnswerError, WrongContentError
from verifier.pull.images import BlobOf, Descriptor
from verifier.pull.registry.answers import Answer
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.faults import fault
from verifier.pull.registry.host import Host
from verifier.pull.registry.tokens import Scopes
from verifier.repository import Repository

_PART = 1 << 20  # what nginx takes when nobody has told it anything
_SLICE = 256 << 10
_TYPE = ("Content-Type", "application/octet-stream")
_TOO_LARGE = 413


class Upload:
    """Uploads to one repository of a registry."""

    def __init__(self, host: Host, path: str, scopes: Scopes) -> None:
        """Upload to `path`, as somebody who may do what is in `scopes`."""
        self._host = host
        self._path = path
        self._scopes = scopes
        self._start = f"/v2/{path}/blobs/uploads/"

    def put(self, descriptor: Descriptor, pieces: Iterable[bytes], deadline: Deadline) -> None:
        """Put `pieces` there as the blob that `descriptor` describes, or nothing.

        Raises:
            WrongContentError: the pieces are not what it describes.
            ImagesError: the registry does not take it.
        """
        where = self._begin(deadline)
        answer = self._host.send(
            "PUT",
            _with_digest(where, descriptor),
            self._scopes,
            deadline,
            headers=[_TYPE],
            content=checked(descriptor, pieces, deadline),
            length=descriptor.size,
        )
        if answer.status == _TOO_LARGE and iter(pieces) is not pieces:
            answer.discard()
            answer = self._in_parts(descriptor, pieces, deadline)
        self._expect(answer, 201, descriptor)
        check_digest(answer, descriptor, self._host.name)

    def mount(
        self, descriptor: Descriptor, source: Repository, scopes: Scopes, deadline: Deadline
    ) -> bool:
        """Have the registry take a blob from `source`, another of its repositories.

        Returns whether it did; otherwise nothing is there.
        """
        origin = source.partition("/")[2]
        target = f"{self._start}?mount={quote(descriptor.digest)}&from={quote(origin, safe='')}"
        answer = self._host.send("POST", target, scopes, deadline)
        said = answer.discard()
        if answer.status == 201:
            check_digest(answer, descriptor, self._host.name)
            return True
        if answer.status == 202 and (location := answer.headers.get("location")):
            # It began an upload instead, which nobody will go on with.
            where = self._host.own_target(location, target)
            self._host.send("DELETE", where, self._scopes, deadline).discard()
        elif answer.status == 429 or answer.status >= 500:
            raise fault(f"{self._host.name}/{self._path}", answer.status, said, writes=True)
        return False

    def _begin(self, deadline: Deadline) -> str:
        answer = self._host.send("POST", self._start, self._scopes, deadline)
        self._expect(answer, 202, None)
        return self._next(answer, self._start)

    def _in_parts(
        self, descriptor: Descriptor, pieces: Iterable[bytes], deadline: Deadline
    ) -> Answer:
        where, sent = self._begin(deadline), 0
        for part in _parts(checked(descriptor, pieces, deadline)):
            deadline.earn(len(part))
            answer = self._host.send(
                "PATCH",
                where,
                self._scopes,
                deadline,
                headers=[_TYPE, ("Content-Range", f"{sent}-{sent + len(part) - 1}")],
                content=part,
            )
            self._expect(answer, 202, descriptor)
            where = self._next(answer, where)
            sent += len(part)
        target = _with_digest(where, descriptor)
        return self._host.send("PUT", target, self._scopes, deadline, content=b"")

    def _next(self, answer: Answer, target: str) -> str:
        location = answer.headers.get("location")
        if location is None:
            raise RegistryAnswerError(f"{self._host.name}: expected where to upload to, found none")
        return self._host.own_target(location, target)

    def _expect(self, answer: Answer, status: int, descriptor: Descriptor | None) -> None:
        said = answer.discard()
        if answer.status != status:
            of_what = f" of {descriptor.size} bytes" if descriptor else ""
            what = f"a blob{of_what} for {self._host.name}/{self._path}"
            raise _fault(what, answer.status, said)


def checked(descriptor: Descriptor, pieces: Iterable[bytes], deadline: Deadline) -> Iterator[bytes]:
    """Yield `pieces`, the last one only if all of them are what `descriptor` describes.

    A `BlobOf` says so itself, at its end: half of the work of a copy would be to hash it twice.

    Raises:
        WrongContentError: they are not.
    """
    told = isinstance(pieces, BlobOf) and pieces.descriptor.digest == descriptor.digest
    digest, size, held = hashlib.sha256(), 0, b""
    for piece in _not_counted(pieces, deadline):
        if not told:
            digest.update(piece)
        size += len(piece)
        if size > descriptor.size:
            raise WrongContentError(f"{descriptor.digest}: expected {descriptor.size} bytes")
        yield from _earning(held, deadline)
        held = piece
    found = descriptor.digest if told else f"sha256:{digest.hexdigest()}"
    if size != descriptor.size or found != descriptor.digest:
        raise WrongContentError(
            f"expected {descriptor.digest} of {descriptor.size} bytes, found {found} of {size}"
        )
    yield from _earning(held, deadline)


def _earning(piece: bytes, deadline: Deadline) -> Iterator[bytes]:
    """Yield a piece in slices; whoever asks for the next has sent the one before."""
    for start in range(0, len(piece), _SLICE):
        part = piece[start : start + _SLICE]
        yield part
        deadline.earn(len(part))


def _not_counted(pieces: Iterable[bytes], deadline: Deadline) -> Iterator[bytes]:
    """Yield what is in `pieces`; where they come from has a deadline of its own."""
    source = iter(pieces)
    while True:
        before = time.monotonic()
        piece = next(source, None)
        deadline.pause(time.monotonic() - before)
        if piece is None:
            return
        if piece:
            yield piece


def check_digest(answer: Answer, descriptor: Descriptor, where: str) -> None:
    """Check that what is there now is what was meant, if the registry tells.

    Raises:
        WrongContentError: it says that it has something else.
    """
    said = answer.headers.get("docker-content-digest", "")
    if said.startswith("sha256:") and said != descriptor.digest:
        raise WrongContentError(f"{where} took {descriptor.digest}, and says it is {said[:80]!r}")


def _with_digest(where: str, descriptor: Descriptor) -> str:
    return f"{where}{'&' if '?' in where else '?'}digest={quote(descriptor.digest, safe='')}"


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of `_PART`, and a last one."""
    left = bytearray()
    for piece in pieces:
        left += piece
        while len(left) >= _PART:
            yield bytes(left[:_PART])
            del left[:_PART]
    if left:
        yield bytes(left)


def _fault(what: str, status: int, said: bytes) -> ImagesError:
    error = fault(what, status, said, writes=True)
    if status == _TOO_LARGE:
        error.hint = "does a proxy before the registry have a limit? client_max_body_size of nginx"
    return error
