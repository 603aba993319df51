"""A real service, honest: silent through a directory, HTTP and gRPC alike, at rest and at work."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from signer.client.credentials import Credentials
from signer.client.source import GrpcSource
from tests.audit.making import files, leaf, mth
from tests.audit.operating import Operator, Outsider, sign
from tests.signer.asking import REPOSITORY, digest
from verifier.checkpoint import Checkpoint
from verifier.note import Note

SIZES = (1, 2, 255, 256, 257, 513)


def test_three_ways_to_read(tmp_path: Path) -> None:
    """
    Whichever way it is read, an honest ledger of any size gives no finding, old pin or new.
    """
    operator = Operator(tmp_path)
    ways = {way: Outsider(tmp_path, operator, way) for way in ("directory", "http", "grpc")}
    with operator.serve() as service:
        for size in SIZES:
            sign(service, service.tree_size, size)
            export = operator.export(service, tmp_path / "export", "--bodies")
            for way, outsider in ways.items():
                if way == "directory":
                    assert [] == outsider.findings(outsider.run(export))
                else:
                    assert [] == outsider.audit(service, grpc=way == "grpc")
            _check_by_hand(service.addresses.grpc, service.token, export, size)
        for way, outsider in ways.items():
            if way != "directory":
                assert [] == outsider.audit(service, "--full", grpc=way == "grpc")
            # What one way pinned, the others lead to.
            assert [] == outsider.audit(service)


def _check_by_hand(target: str, token: str, export: Path, size: int) -> None:
    """Compute tree and files once more, from the entries, in the tests' own words."""
    with GrpcSource(target, Credentials(token)) as source:
        entries = [
            entry
            for n in range(-(-size // 256))
            for entry in source.entries(n, min(256, size - n * 256)) or ()
        ]
    tree = Checkpoint.parse(Note.parse((export / "checkpoint").read_text()).text)
    assert (size, mth([leaf(entry) for entry in entries])) == (tree.tree_size, tree.root)
    for path, content in files(entries).items():
        assert content == (export / path).read_bytes(), path


@pytest.mark.parametrize("grpc", [False, True], ids=["tiles", "grpc"])
def test_while_it_is_written_to(tmp_path: Path, grpc: bool) -> None:
    """
    Audits of a ledger that grows all the time find nothing, and end up with all of it.
    """
    operator = Operator(tmp_path)
    outsider = Outsider(tmp_path, operator)
    with operator.serve() as service:
        stop = threading.Event()

        def write() -> None:
            with service.client() as client:
                n = 0
                while not stop.is_set():
                    client.sign(digest(n), REPOSITORY)
                    n += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            sizes = []
            for _ in range(8):
                done = outsider.run(*_where(service, grpc), "--token-file", outsider.token)
                assert [] == outsider.findings(done)
                sizes.append(json.loads(done.stdout.splitlines()[-1])["audit"]["checked"])
        finally:
            stop.set()
            writer.join()
        assert [] == outsider.audit(service, "--full", grpc=grpc)

    assert sorted(sizes) == sizes
    assert sizes[0] < sizes[-1]


def _where(service: object, grpc: bool) -> tuple[object, ...]:
    addresses = service.addresses  # type: ignore[attr-defined]
    return ("--service", addresses.grpc) if grpc else (f"http://{addresses.http}",)
