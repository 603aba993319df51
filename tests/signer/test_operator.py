"""The admin socket: for whoever can enter its directory, who signs nothing by that."""

from __future__ import annotations

import socket
import stat

import grpc
import pytest

from signer.v1 import operator_pb2
from tests.signer.asking import digest, order, refused
from tests.signer.commands import check_refused, lines, one
from tests.signer.running import InProcess, running
from tests.signer.world import World


def test_operator_socket(service: InProcess) -> None:
    """
    The status is told on a socket in a directory that only its owner can enter.
    """
    raw = service.operate("/sealbook.v1.Operator/GetStatus")
    status = operator_pb2.GetStatusResponse.FromString(raw)
    key, attests = status.keys
    release = service.server.keys.keys["release"].public

    assert 0o700 == stat.S_IMODE((service.directory / "run").stat().st_mode)
    assert ("ledger.example", service.tree_size) == (status.origin, status.tree_size)
    assert service.ledger.head.root == status.root
    assert ("release", "ecdsa-p256", release.fingerprint, True) == (
        key.name,
        key.algorithm,
        key.fingerprint,
        key.healthy,
    )
    assert ("attest", True) == (attests.name, attests.healthy)


@pytest.mark.parametrize("method", ["Signer/Sign", "Signer/SignBatch", "Ledger/Pull"])
def test_operator_socket_is_for_operators(service: InProcess, method: str) -> None:
    """
    Nothing can be signed or mirrored on the admin socket, where nobody shows a token.
    """
    with pytest.raises(grpc.RpcError) as caught:
        service.operate(f"/sealbook.v1.{method}", order(1).SerializeToString())

    status = caught.value.code()
    assert status in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}


def test_without_a_token(world: World) -> None:
    """
    On the machine of a service that has no token of its own, whoever may open its admin socket
    looks at everything, and signs nothing.
    """
    world.edit('\ntoken = "token"\n', "\n")
    with running(world):
        told = one(world.command("checkpoint", "--json"))
        found = lines(world.command("search", "predicate_type", "urn:sealbook:genesis", "--json"))
        refused = world.sign(digest(1))

    assert 1 <= told["tree_size"]
    assert [0] == [line["index"] for line in found]
    check_refused(refused, "permission-denied")


def test_directory_of_others(world: World) -> None:
    """
    A directory that others can enter is not made ours: the start is refused, and it stays as it is.
    """
    shared = world.directory.parent / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    world.edit('operator = "run/operator.sock"', f'operator = "{shared}/operator.sock"')

    assert str(shared) in start_refused(world)
    assert 0o755 == stat.S_IMODE(shared.stat().st_mode)


def test_file_in_the_place_of_the_socket(world: World) -> None:
    """
    A file that is no socket is not deleted to make place for one.
    """
    world.edit('operator = "run/operator.sock"', 'operator = "trust.json"')
    before = (world.directory / "trust.json").read_bytes()
    start_refused(world)

    assert before == (world.directory / "trust.json").read_bytes()


def test_socket_of_a_service_that_was_killed(world: World) -> None:
    """
    A socket that a killed service left is taken over by the next one.
    """
    path = world.directory / "run" / "operator.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with running(world) as service:
        raw = service.operate("/sealbook.v1.Operator/GetStatus")

        assert 1 == operator_pb2.GetStatusResponse.FromString(raw).tree_size


def start_refused(world: World) -> str:
    """Check that the service cannot listen, and return what it says."""

    def start() -> None:
        with running(world):
            pass

    return refused("listen", start).message
