"""What an auditor asks of a service's trail, over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import LONGEST, Line
from signer.client.bearer import metadata
from signer.client.credentials import Credentials
from signer.errors import ServiceError, ServiceUnreachableError
from signer.v1 import access_pb2

_T = TypeVar("_T", bound=Message)
_SERVICE = "/sealbook.v1.Audit/"
_OPTIONS = (("grpc.max_receive_message_length", 2 * LONGEST),)
_TIMEOUT_S = 600.0


class TrailSource:
    """The trail of the service that a channel leads to."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        """Ask over `channel`, as whoever has `token`."""
        self._channel = channel
        self._metadata = metadata(token)

    def query(self, request: access_pb2.QueryTrailRequest) -> Iterator[Line]:
        """Yield the lines that fit; raises `ServiceError` or `ServiceUnreachableError`."""
        for lines in self._stream("QueryTrail", request, access_pb2.TrailLines):
            for raw in lines.lines:
                yield Line.parse(raw)

    def save(self, folder: Folder) -> None:
        """Write the whole trail into `folder`; raises like `query`, and `OSError`."""
        request = access_pb2.GetTrailRequest()
        for piece in self._stream("GetTrail", request, access_pb2.TrailPiece):
            with folder.file(piece.segment).open("ab") as file:
                file.write(piece.content)

    def _stream(self, method: str, request: Message, answer: type[_T]) -> Iterator[_T]:
        call: Any = self._channel.unary_stream(
            _SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            yield from call(request, metadata=self._metadata, timeout=_TIMEOUT_S)
        except grpc.RpcError as e:
            trailing = {datum.key: str(datum.value) for datum in e.trailing_metadata() or ()}
            code = trailing.get("sealbook-code")
            if code is None:
                raise ServiceUnreachableError(f"no answer: {e.code().name}") from e
            message = (e.details() or "").removesuffix(f" ({code})")
            raise ServiceError(code, message, trailing.get("sealbook-hint", "")) from e


@contextmanager
def trail_of(target: str, credentials: Credentials) -> Iterator[TrailSource]:
    """Open the trail of the service at `target`."""
    with credentials.channel(target, _OPTIONS) as channel:
        yield TrailSource(channel, credentials.token)


def fetched(source: TrailSource, directory: Path) -> Folder:
    """Return the trail of `source` as files in an empty `directory`."""
    folder = Folder(directory)
    source.save(folder)
    return folder
