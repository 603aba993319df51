"""Attestations whose content can be looked for, and services that encrypt it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from ledger import labels
from signer.client.attesting import Attested
from signer.v1 import ledger_pb2
from tests.ledger.at_rest_keys import CANARY
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.running import Answer, InProcess, Running
from tests.signer.world import World
from verifier._strict import b64

SBOM = "https://cyclonedx.org/bom"
LARGE = 4000  # parts: about 200 KiB
_GET_BODY = "/sealbook.v1.Ledger/GetBody"


def sbom(parts: int = 1) -> bytes:
    """Return an SBOM with a canary in each part."""
    named = [{"name": f"{CANARY.decode()} {n}"} for n in range(parts)]
    value = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": named}
    return json.dumps(value).encode()


def attest(service: InProcess, image: int, content: bytes, **more: Any) -> Attested:
    """Attest about an image."""
    return service.asking(
        lambda client: client.attest([digest(image)], REPOSITORY, SBOM, content, **more)
    )


def encrypted(world: World, key: str = "file:keys/kek") -> World:
    """Give a service a key-encryption key, which is made."""
    done = world.command("ledger", "make-kek", key)
    assert 0 == done.returncode, done.stderr
    said = done.stdout.partition("sealbook.toml:\n")[2]
    with world.config.open("a") as file:
        file.write(said)
    return world


def name_of(made: Attested) -> str:
    """Return what the entry of an attestation calls its body."""
    name = labels.body_name(made.signed.record.entry)
    assert name is not None
    return name


def get(service: Running, path: str) -> httpx.Response:
    """Ask over HTTP, with the token."""
    bearer = {"authorization": f"Bearer {service.token}"}
    url = f"http://{service.addresses.http}/{path}"
    return httpx.get(url, headers=bearer, timeout=PATIENCE_S)


def payloads(service: Running, image: int) -> list[bytes]:
    """Return what the bundles about an image say, over HTTP."""
    answer = get(service, f"v1/bundles/{digest(image)}")
    bundles = answer.json()["bundles"] if answer.status_code == 200 else []
    return [b64(one["dsseEnvelope"]["payload"]) for one in bundles]


def body(service: Running, name: str) -> Answer:
    """Ask for a body over gRPC."""
    return service.raw(ledger_pb2.GetBodyRequest(name=name).SerializeToString(), _GET_BODY)


def pieces(answer: Answer) -> bytes:
    """Return the body that came."""
    assert "OK" == answer.status, answer
    return b"".join(ledger_pb2.GetBodyResponse.FromString(m).data for m in answer.messages)
