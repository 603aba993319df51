"""An audit of a ledger with every form in it, uploads of strangers, and large bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger import dedup, labels
from ledger.fsck import Known, fsck
from ledger.opening import Home
from ledger.plan import NewEntry
from ledger.signatory import LogKeys
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.client import Signed
from signer.keys.memory import MemoryKey
from signer.v1 import signer_pb2
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.commands import Done
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.entry import Entry
from verifier.rekor_v1 import LegacyEntry

FORMS = ("bundle", "simplesigning", "certificate", "notation")
SBOM = "https://cyclonedx.org/bom"
MANIFEST = {"media_type": "application/vnd.oci.image.manifest.v1+json", "size": 500}


def sbom(count: int) -> bytes:
    parts = [{"name": f"part {n}", "version": 1.5} for n in range(count)]
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": parts}
    ).encode()


def attest(service: InProcess, predicate: bytes) -> signer_pb2.AttestResponse:
    """Attest `predicate` for image 1."""

    def messages() -> Iterator[bytes]:
        start = signer_pb2.AttestRequest.Start(
            digests=[digest(1)], repository=REPOSITORY, predicate_type=SBOM
        )
        yield signer_pb2.AttestRequest(start=start).SerializeToString()
        for at in range(0, len(predicate), 200_000):
            piece = predicate[at : at + 200_000]
            yield signer_pb2.AttestRequest(predicate=piece).SerializeToString()

    with grpc.insecure_channel(service.addresses.grpc) as channel:
        call = channel.stream_unary("/sealbook.v1.Signer/Attest")
        return signer_pb2.AttestResponse.FromString(
            call(messages(), metadata=service.metadata, timeout=PATIENCE_S)
        )


def upload(service: InProcess, message: bytes) -> int:
    """Log what a stranger signed, in both versions of Rekor, and return how many entries."""
    stranger = MemoryKey.generate("ecdsa-p256")
    signature = stranger.sign(message)
    for entry, promised in (
        (Entry.of(message, signature, stranger.public).body(), False),
        (LegacyEntry.of(message, signature, stranger.public).body(), True),
    ):
        new = NewEntry(entry, b"", labels.of(entry, None), dedup.upload(entry), promised=promised)
        service.ledger.append([new])
    return 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with an approval in every form, attestations small and large, and uploads."""
    with running(found_in(tmp_path_factory.mktemp("forms") / "service", forms=FORMS)) as service:
        signed = service.asking(
            lambda client: client.sign(digest(1), REPOSITORY, **MANIFEST)  # type: ignore[arg-type]
        )
        assert isinstance(signed, Signed)
        attest(service, sbom(3))
        attest(service, sbom(30_000))
        upload(service, b"something of a stranger's")
        upload(service, signed.record.body)  # a stranger signs what we signed
        yield service


def audit(service: InProcess, state: Path, *more: object) -> Done:
    token = service.directory / "token"
    trust = service.directory / "trust.json"
    words = ("--trust", trust, "--token-file", token, "--state", state, "--json")
    return service.command("audit", *more, *words)


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_nothing_to_find(service: InProcess, tmp_path: Path, over: str) -> None:
    """
    Every form, an upload and a body in a file are audited over either protocol without a finding.
    """
    where = (
        (f"http://{service.addresses.http}",)
        if over == "http"
        else ("--service", service.addresses.grpc)
    )
    done = audit(service, tmp_path / "state.json", *where)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_fsck(service: InProcess) -> None:
    """
    A check of the database derives every form again, reads the file of a large body, and agrees.
    """
    assert [] == check(service)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.unlink(), "body-altered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "body-altered"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "body-altered"),
    ],
    ids=["gone", "short", "altered"],
)
def test_large_body_spoiled(service: InProcess, tmp_path: Path, spoil: object, code: str) -> None:
    """
    A file that is gone, short or altered is found by the check and by an audit.
    """
    [path] = (service.directory / "ledger" / "bodies" / "sha256").iterdir()
    kept = path.read_bytes()
    try:
        spoil(path)  # type: ignore[operator]
        assert [code] == check(service)
        done = audit(service, tmp_path / "state.json", f"http://{service.addresses.http}")
        assert 0 != done.returncode
    finally:
        path.write_bytes(kept)
    assert [] == check(service)


def check(service: InProcess) -> list[str]:
    """Run fsck beside the service, and return the codes of what it finds."""
    keys: LogKeys = service.server._own.ledger
    assert keys.promise is not None
    home: Home = service.server._config.home
    store = SqliteStore(path_in(home.directory), read_only=True)
    known = Known(home.origin, keys.seal, promise_keys=(keys.promise.public,))
    try:
        return [finding.code for finding in fsck(store, known, signatures=True)]
    finally:
        store.close()
