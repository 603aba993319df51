"""The process: one service to a ledger and a port, health that tells the truth, a clean end."""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from signer.config import Config
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest, order, refused
from tests.signer.running import InProcess, Running, running, serving
from tests.signer.world import World, found_in

REFUSED_WITHIN_S = 20  # ten times the promise


def check_start_refused(world: World, code: str) -> None:
    """Check that `sealbook serve` gives up at once, with a sentence."""
    start = time.monotonic()
    done = world.spawn("serve")

    assert time.monotonic() - start < REFUSED_WITHIN_S
    assert (1, "") == (done.returncode, done.stdout)
    assert f"({code})\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_service_on_the_same_files(world: World) -> None:
    """
    A second service on the same ledger is refused at once, and the first goes on.
    """
    with running(world) as service:
        check_start_refused(world, "ledger-busy")

        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        assert 1 == service.verify(signed).index


@pytest.mark.parametrize("taken", ["grpc", "http"])
def test_second_service_on_the_same_port(service: InProcess, tmp_path: Path, taken: str) -> None:
    """
    A service whose port is taken by another one is refused at once.
    """
    address = getattr(service.addresses, taken)
    world = found_in(tmp_path / "other", **{taken: address})

    check_start_refused(world, "listen")
    with running(found_in(tmp_path / "free")) as other:
        assert address != getattr(other.addresses, taken)


@pytest.mark.parametrize("side", ["grpc", "http"])
def test_port_is_not_shared(service: InProcess, side: str) -> None:
    """
    Nobody can listen beside the service, not even who offers to share the port.
    """
    host, _, port = getattr(service.addresses, side).rpartition(":")
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use") as caught:
            intruder.bind((host, int(port)))

    assert errno.EADDRINUSE == caught.value.errno


@pytest.mark.parametrize("side", ["grpc", "http"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0"])
def test_beyond_loopback_without_tls(tmp_path: Path, side: str, address: str) -> None:
    """
    A service never listens beyond loopback without TLS.
    """
    world = found_in(tmp_path / "service", **{side: address})

    assert "TLS" in refused("listen", lambda: Config.load(world.config)).message


def health(service: Running, name: str = "") -> str:
    """Return what the standard health service says."""
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def test_health(service: InProcess) -> None:
    """
    The standard health service needs no token, and says that the service serves.
    """
    assert "SERVING" == health(service)


def services(service: Running) -> set[str]:
    """Return the services that reflection tells of."""
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="*")
        [answer] = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_S)
        return {service.name for service in answer.list_services_response.service}


def test_reflection(world: World) -> None:
    """
    The contract is told to tools when the configuration says so, without the admin's part.
    """
    world.edit("[listen]\n", "[listen]\nreflection = true\n")
    with running(world) as service:
        found = services(service)

    assert {f"sealbook.v1.{name}" for name in ("Signer", "Ledger", "Approvals")} <= found
    assert "sealbook.v1.Operator" not in found


def test_no_reflection(service: InProcess) -> None:
    """
    The contract is not told to tools unless the configuration says so.
    """
    with pytest.raises(grpc.RpcError) as caught:
        services(service)

    assert grpc.StatusCode.UNIMPLEMENTED is caught.value.code()


def test_process(world: World) -> None:
    """
    A service in a process of its own serves, tells no secret to its log, and dumps no core.
    """
    with serving(world) as service:
        with service.client() as client:
            signed = client.sign(digest(1), REPOSITORY)
        service.raw(order(2).SerializeToString(), metadata=[("authorization", "Bearer canary-7")])
        httpx.get(f"http://{service.addresses.http}/v1/bundles/canary-8")
        limits = Path(f"/proc/{service.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core"))
        code = service.stop()
        log = service.log.read_text()

    assert (1, 0) == (service.verify(signed).index, code)
    assert ["0", "0"] == core.split()[4:6]
    assert '"serving"' in log
    assert '"stopped"' in log
    assert not [secret for secret in (world.token, "canary-7", "canary-8") if secret in log]


def test_connections_that_say_nothing(service: InProcess) -> None:
    """
    Connections that send nothing, or nonsense, do not hinder a caller.
    """
    sockets = []
    for address in (service.addresses.grpc, service.addresses.http):
        host, _, port = address.rpartition(":")
        for start in (b"", b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"\0" * 5000):
            made = socket.create_connection((host, int(port)))
            made.sendall(start)
            sockets.append(made)
    signed = service.asking(lambda client: client.sign(digest(50), REPOSITORY))
    for made in sockets:
        made.close()

    assert digest(50) == service.verify(signed).digest
