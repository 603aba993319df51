"""Revoking on the admin socket, and what comes of it: refusals, the file, its proofs."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from signer.client import Signed
from signer.v1 import operator_pb2
from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import InProcess, Running
from tests.signer.world import World
from verifier.trust.revocation import Revocation
from verifier.trust.status import Status
from verifier.verify import Verifier

METHOD = "/sealbook.v1.Operator/Revoke"
Request = operator_pb2.RevokeRequest
Key, Image, Authority = Request.Key, Request.Image, Request.Authority


def revoke(
    service: Running, reason: str = "a mistake", **target: Any
) -> operator_pb2.RevokeResponse:
    """Revoke `target`, which is one field of the request."""
    request = Request(reason=reason, **target)
    return operator_pb2.RevokeResponse.FromString(
        service.operate(METHOD, request.SerializeToString())
    )


def not_revoked(service: Running, code: str, reason: str = "a mistake", **target: Any) -> str:
    """Check that `target` is not revoked, with this code, and return what was said."""
    with pytest.raises(grpc.RpcError) as caught:
        revoke(service, reason, **target)
    assert code == dict(caught.value.trailing_metadata())["sealbook-code"], caught.value.details()
    return str(caught.value.details())


def sign(service: InProcess, n: int, **more: Any) -> Signed:
    """Have image `n` approved."""
    return service.asking(lambda client: client.sign(digest(n), REPOSITORY, **more))


def status(world: World) -> Status:
    """Read the status file as a verifier does."""
    return Status.parse((world.directory / "status.json").read_bytes(), world.trust)


def revocations(world: World) -> tuple[Revocation, ...]:
    """Return what the status file revokes."""
    return status(world).payload.revocations


def offline(world: World) -> Verifier:
    """Return a verifier that has the two files, and no service."""
    return Verifier(world.trust, status=status(world))
