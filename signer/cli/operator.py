"""Asking a running service over its admin socket."""

from __future__ import annotations

from typing import TypeVar

import grpc
from google.protobuf.message import Message

from signer.config import Config
from signer.errors import ServiceError, ServiceUnreachableError
from signer.v1 import operator_pb2

_Answer = TypeVar("_Answer", bound=Message)
_TIMEOUT_S = 5.0
EVENT_TIMEOUT_S = 90.0  # an event waits for witnesses and mirror like any other entry


def ask(
    config: Config,
    method: str,
    request: Message,
    answer: type[_Answer],
    timeout_s: float = _TIMEOUT_S,
) -> _Answer:
    """Return the answer of the method of `sealbook.v1.Operator` with this name.

    Raises:
        ServiceError: the service refused; `code` says why.
        ServiceUnreachableError: it does not run here, or we may not open its socket.
    """
    socket = config.path(config.listen.operator)
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        call = channel.unary_unary(
            f"/sealbook.v1.Operator/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            found: _Answer = call(request, timeout=timeout_s)
        except grpc.RpcError as e:
            trailing = {datum.key: str(datum.value) for datum in e.trailing_metadata() or ()}
            code = trailing.get("sealbook-code")
            if code is None:
                raise ServiceUnreachableError(f"no answer on {socket}") from e
            message = (e.details() or "").removesuffix(f" ({code})")
            hint, wanted = (trailing.get(f"sealbook-{n}", "") for n in ("hint", "request"))
            raise ServiceError(code, message, hint, wanted) from e
        return found


def status(config: Config) -> operator_pb2.GetStatusResponse:
    """Return how the service is; raises like `ask`."""
    return ask(config, "GetStatus", operator_pb2.GetStatusRequest(), operator_pb2.GetStatusResponse)


def lines(found: operator_pb2.GetStatusResponse) -> str:
    """Print a status for people: only what there is to say."""
    keys = ", ".join(f"{_label(key)} ({_state(key)})" for key in found.keys)
    told = [
        ("root", found.root.hex()),
        ("checkpoint", f"{found.checkpoint_age_s:.0f} s old"),
        ("queue", str(found.queue_depth)),
        ("keys", keys),
        ("database", f"{found.database_bytes} bytes"),
    ]
    told += [("witness", _witness(witness)) for witness in found.witnesses]
    if found.mirrored_at:
        told.append(("mirror", f"{found.mirror_size} entries, asked {day_time(found.mirrored_at)}"))
    if found.receipt_day:
        told.append(("receipt", found.receipt_day))
    told += [("ends", _ending(ending)) for ending in found.endings]
    if found.frozen:
        told.append(("FROZEN", "it takes no more entries, for good"))
    if found.alarm:
        told.append(("ALARM", f"nothing is published: {found.alarm}"))
    first = f"{found.origin}: {found.tree_size} entries, {found.published_size} published"
    return "\n".join([first, *(f"  {name:<11} {value}" for name, value in told)])


def day_time(seconds: int) -> str:
    """Print POSIX seconds for people, in UTC."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def _ending(ending: operator_pb2.GetStatusResponse.Ending) -> str:
    return f"{ending.what}, {day_time(ending.at)}"


def _label(key: operator_pb2.GetStatusResponse.KeyStatus) -> str:
    return key.name if key.version <= 1 else f"{key.name}@{key.version}"


def _state(key: operator_pb2.GetStatusResponse.KeyStatus) -> str:
    if key.revoked:
        return "REVOKED"
    return "healthy" if key.healthy else "OUT OF USE"


def _witness(witness: operator_pb2.GetStatusResponse.WitnessStatus) -> str:
    seen = f"{witness.tree_size} entries"
    if witness.cosigned_at:
        seen += f", cosigned {day_time(witness.cosigned_at)}"
    return f"{witness.name}: {seen}" + (f"; {witness.error}" if witness.error else "")
