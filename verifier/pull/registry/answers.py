"""What came back, and what it means that nothing did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpcore

from verifier._strict import decimal
from verifier.errors import IntegerError, LimitError
from verifier.pull.errors import RegistryAnswerError, RegistryUnreachableError
from verifier.pull.registry.deadline import Deadline

ENDED = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
FAILURES = (
    *ENDED,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class Answer:
    """What came back; read its body once, or `discard` it, so that the connection is free."""

    __slots__ = ("_deadline", "_response", "challenges", "headers", "status")

    def __init__(self, response: httpcore.Response, deadline: Deadline) -> None:
        """Take the head of `response`; its body is to be there by `deadline`."""
        self._response = response
        self._deadline = deadline
        self.status: int = response.status
        headers: dict[str, str] = {}
        for raw, value in response.headers:
            name, text = raw.decode("ascii", "replace").lower(), value.decode("latin-1")
            # Several of one name are one list (RFC 9110 section 5.3), or no value that we take.
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        self.headers: Mapping[str, str] = headers
        self.challenges = [
            value.decode("latin-1")
            for name, value in response.headers
            if name.lower() == b"www-authenticate"
        ]

    @property
    def length(self) -> int | None:
        """How long the body says it is."""
        said = self.headers.get("content-length")
        try:
            return None if said is None else decimal(said)
        except IntegerError as e:
            raise RegistryAnswerError(f"expected a length, found {said!r:.80}") from e

    def pieces(self) -> Iterator[bytes]:
        """Yield the body; what it is worth, whoever reads it must find out.

        Raises:
            RegistryAnswerError: it is compressed, which nobody asked for, or is no HTTP.
            RegistryTimeoutError: it was not there by the deadline.
            RegistryUnreachableError: it ended early.
        """
        try:
            if self.headers.get("content-encoding", "identity") != "identity":
                raise RegistryAnswerError("expected the content as it is, found it compressed")
            for piece in self._response.iter_stream():
                self._deadline.earn(len(piece))
                yield piece
        except FAILURES as e:
            raise failure("the answer", e, self._deadline) from e
        finally:
            self._response.close()

    def read(self, limit: int, what: str) -> bytes:
        """Return the whole body, of at most `limit` bytes.

        Raises:
            LimitError: it is larger, or says that it is.
        """
        if (self.length or 0) > limit:
            self.close()
            raise LimitError(f"{what}: expected at most {limit} bytes, found {self.length}")
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > limit:
                self.close()
                raise LimitError(f"{what}: expected at most {limit} bytes, found more")
        return bytes(body)

    def discard(self, limit: int = 64 << 10) -> bytes:
        """Return what a small body says, and leave a large one unread."""
        said = bytearray()
        try:
            for piece in self.pieces():
                said += piece
                if len(said) > limit:
                    break
        except (RegistryAnswerError, RegistryUnreachableError):
            pass
        finally:
            self.close()
        return bytes(said[:limit])

    def close(self) -> None:
        """Let go of the connection, which ends if there was more to read."""
        self._response.close()


def failure(
    what: str, error: BaseException, deadline: Deadline
) -> RegistryUnreachableError | RegistryAnswerError:
    """Return what it means that `error` came instead of `what`."""
    said = str(error) or type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        return deadline.passed()
    if isinstance(error, httpcore.ProtocolError) and not (
        "disconnected" in said or "closed connection" in said
    ):
        return RegistryAnswerError(f"{what}: expected HTTP, found: {said:.200}")
    return RegistryUnreachableError(f"{what}: the connection ended: {said:.200}")
