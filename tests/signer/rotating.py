"""Keys of a running service from their announcement to their end, and the trust files between."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from signer.keys.memory import MemoryKey
from signer.v1 import operator_pb2 as pb
from tests.signer.running import InProcess, Running
from tests.signer.world import World
from verifier import dsse
from verifier.statement import EVENT_PREFIX, Statement
from verifier.trust import TrustRoot
from verifier.trust.signed import SignedFile

NEXT = "trust-next.json"
PREFIX = "/sealbook.v1.Operator/"


def announce(service: Running, name: str = "release", **more: Any) -> pb.AnnounceKeyResponse:
    """Have the next version of a key made and announced."""
    request = pb.RotateKeyRequest(name=name, **more)
    return pb.AnnounceKeyResponse.FromString(call(service, "RotateKey", request))


def create(service: Running, name: str, **more: Any) -> pb.AnnounceKeyResponse:
    """Have a key made under a new name, for everything."""
    wanted = {"purpose": "approve", "scope": ["*"], "uri": f"file:keys/{name}.pem", **more}
    request = pb.CreateKeyRequest(name=name, **wanted)
    return pb.AnnounceKeyResponse.FromString(call(service, "CreateKey", request))


def bring(service: Running, name: str, uri: str, **more: Any) -> pb.AnnounceKeyResponse:
    """Have a key announced that is there."""
    request = pb.ImportKeyRequest(name=name, uri=uri, **more)
    return pb.AnnounceKeyResponse.FromString(call(service, "ImportKey", request))


def switch(service: Running, name: str = "release", **more: Any) -> pb.ChangeKeyResponse:
    """Let the announced version sign."""
    request = pb.SwitchKeyRequest(name=name, **{"now": True, **more})
    return pb.ChangeKeyResponse.FromString(call(service, "SwitchKey", request))


def retire(service: Running, name: str = "release", **more: Any) -> pb.ChangeKeyResponse:
    """Retire the version that was replaced."""
    request = pb.RetireKeyRequest(name=name, **{"reason": "rotated", **more})
    return pb.ChangeKeyResponse.FromString(call(service, "RetireKey", request))


def versions(service: Running, name: str = "") -> dict[str, pb.SigningKeyVersion]:
    """Return all versions, as in `release@2`."""
    raw = call(service, "ListKeys", pb.ListKeysRequest(name=name))
    return {f"{key.name}@{key.version}": key for key in pb.ListKeysResponse.FromString(raw).keys}


def standings(service: Running) -> dict[str, str]:
    """Return what became of every version."""
    return {label: key.standing for label, key in versions(service).items()}


def install(service: Running, data: bytes | None = None) -> pb.InstallTrustResponse:
    """Have the root sign the draft, or take `data`, and have it installed."""
    request = pb.InstallTrustRequest(trust=signed_draft(service) if data is None else data)
    return pb.InstallTrustResponse.FromString(call(service, "InstallTrust", request))


def signed_draft(world: World) -> bytes:
    """Return the draft of the next trust file, signed by the root."""
    draft = json.loads((world.directory / NEXT).read_bytes())
    file = SignedFile.parse(json.dumps(draft).encode(), draft["payloadType"], 1 << 20)
    return file.signed_by([root_key(world)]).json()


def signed(world: World, trust: TrustRoot) -> bytes:
    """Return a trust file of ours, signed by the root."""
    kind = "application/vnd.sealbook.trust+json"
    return SignedFile.sign(kind, trust.json(), [root_key(world)]).json()


def root_key(world: World) -> MemoryKey:
    """Return the root of trust."""
    return MemoryKey.load(world.directory / "keys" / "trust-root.pem")


def rotate(service: Running, name: str = "release") -> None:
    """Let a new version take the place of the one that signs."""
    announce(service, name)
    install(service)
    switch(service, name)


def call(service: Running, method: str, request: Message) -> bytes:
    """Call a method of the admin socket."""
    return service.operate(PREFIX + method, request.SerializeToString())


def not_done(code: str, do: Any, *args: Any, **more: Any) -> str:
    """Check that `do` is refused with this code, and return what was said."""
    with pytest.raises(grpc.RpcError) as caught:
        do(*args, **more)
    assert code == dict(caught.value.trailing_metadata())["sealbook-code"], caught.value.details()
    return str(caught.value.details())


def events(service: InProcess, kind: str) -> dict[int, dict[str, Any]]:
    """Return what the events of a kind say, by where they are."""
    found = {}
    for index in range(service.tree_size):
        body = service.ledger.record(index).body
        if body and body.startswith(dsse.PREFIX):
            said = Statement.parse(dsse.parse_pae(body)[1])
            if said.predicate_type == EVENT_PREFIX + kind:
                found[index] = said.predicate
    return found
