"""Asking a running service as its operator.

On its machine that goes over the admin socket, which whoever may open it is an admin by; from
elsewhere over TLS, by a client certificate that the role is bound to.
"""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from signer.cli.arguments import service_of
from signer.client import Client
from signer.client.credentials import Credentials
from signer.config import Config
from signer.errors import ConfigError, ServiceError, ServiceUnreachableError
from signer.v1 import operator_pb2

_Answer = TypeVar("_Answer", bound=Message)
_TIMEOUT_S = 5.0
EVENT_TIMEOUT_S = 90.0  # an event waits for witnesses and mirror like any other entry


class Remote(NamedTuple):
    """A service on another machine, and the certificate of its operator."""

    target: str
    credentials: Credentials


Place = Config | Remote


def place(args: argparse.Namespace) -> Place:
    """Return where operators are answered: what `arguments.add_operating` added says it.

    Raises:
        ConfigError: there is neither another service nor a configuration here; or no certificate
            for another service.
        KeyFileError: others can read the key of the certificate.
    """
    if args.client_certificate:
        args.service = args.service or os.environ.get("SEALBOOK_SERVICE")
        return Remote(*service_of(args))
    if args.service:
        raise ConfigError("expected --client-certificate: so operators elsewhere are known")
    return Config.load(args.config)


def client(place: Place) -> Client:
    """Return a client for what an operator may do besides, to be closed."""
    if isinstance(place, Remote):
        return Client(place.target, **place.credentials._asdict())
    return Client(_socket(place), "")


def ask(
    place: Place,
    method: str,
    request: Message,
    answer: type[_Answer],
    timeout_s: float = _TIMEOUT_S,
) -> _Answer:
    """Return the answer of the method of `sealbook.v1.Operator` with this name.

    Raises:
        ServiceError: the service refused; `code` says why.
        ServiceUnreachableError: it does not run there, or we may not open its socket.
    """
    with _channel(place) as channel:
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
                raise _unreachable(place, e) from e
            message = (e.details() or "").removesuffix(f" ({code})")
            more = (trailing.get(f"sealbook-{n}", "") for n in ("hint", "request", "reference"))
            raise ServiceError(code, message, *more) from e
        return found


def status(place: Place) -> operator_pb2.GetStatusResponse:
    """Return how the service is; raises like `ask`."""
    return ask(place, "GetStatus", operator_pb2.GetStatusRequest(), operator_pb2.GetStatusResponse)


def _socket(config: Config) -> str:
    return f"unix:{config.path(config.listen.operator)}"


def _channel(place: Place) -> grpc.Channel:
    if isinstance(place, Remote):
        return place.credentials.channel(place.target, ())
    return grpc.insecure_channel(_socket(place))


def _unreachable(place: Place, why: grpc.RpcError) -> ServiceUnreachableError:
    if isinstance(place, Remote):
        return ServiceUnreachableError(f"no answer from {place.target}: {why.details()}")
    return ServiceUnreachableError(f"no answer on {_socket(place).removeprefix('unix:')}")


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
    if found.publications.waiting or found.publications.refused:
        told.append(("publish", _publish(found.publications)))
    if any(count for _, count in found.pulls.ListFields()):
        told.append(("pulls", _pulls(found.pulls)))
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


def _publish(told: operator_pb2.GetStatusResponse.Publications) -> str:
    said = f"{told.waiting} wait for their registry"
    if told.waiting:
        said += f", the first for {told.oldest_s:.0f} s"
    return said + (f"; {told.refused} refused: sealbook publish list" if told.refused else "")


def _pulls(told: operator_pb2.GetStatusResponse.Pulls) -> str:
    said = f"{told.allowed} allowed, {told.warned} warned of, {told.refused} refused"
    return f"{said}, {told.unsigned} of them unsigned, in 7 days: sealbook pulls"


def _witness(witness: operator_pb2.GetStatusResponse.WitnessStatus) -> str:
    seen = f"{witness.tree_size} entries"
    if witness.cosigned_at:
        seen += f", cosigned {day_time(witness.cosigned_at)}"
    return f"{witness.name}: {seen}" + (f"; {witness.error}" if witness.error else "")
