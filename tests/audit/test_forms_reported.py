"""Reports and dossiers of a ledger with every form in it, uploads and large bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.client import Signed
from tests.audit.test_forms import FORMS, MANIFEST, SBOM, attest, sbom, upload
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import Done
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.dossier import Dossier
from verifier.statement import APPROVAL
from verifier.trust import TrustRoot

LARGE = 4 << 20  # bytes, more than a bundle of an approval may have


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """An approval in every form, attestations small and large, and two uploads, in this order."""
    with running(found_in(tmp_path_factory.mktemp("forms") / "service", forms=FORMS)) as service:
        signed = service.asking(
            lambda client: client.sign(digest(1), REPOSITORY, **MANIFEST)  # type: ignore[arg-type]
        )
        assert isinstance(signed, Signed)
        attest(service, sbom(3))
        attest(service, sbom(LARGE // 40))
        upload(service, b"something of a stranger's")
        yield service


def ask(service: InProcess, over: str, *words: object) -> Done:
    """Run a command that reads the ledger over a protocol, with token and trust file."""
    where = (
        (f"http://{service.addresses.http}",)
        if over == "http"
        else ("--service", service.addresses.grpc)
    )
    folder = service.directory
    trusted = ("--trust", folder / "trust.json", "--token-file", folder / "token")
    return service.command(*words, *where, *trusted)


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_report(service: InProcess, tmp_path: Path, over: str) -> None:
    """
    A report counts each form of an approval, attestations of any size, and uploads as opaque.
    """
    out = tmp_path / "report.json"
    done = ask(service, over, "report", "--state", tmp_path / "state.json", "--out", out)
    assert 0 == done.returncode, done.stderr
    report = json.loads(out.read_bytes())
    counted = report["counted"]

    assert [] == report["audit"]["findings"]
    assert {
        (REPOSITORY, "bundle", APPROVAL, 1),
        (REPOSITORY, "certificate", APPROVAL, 1),
        (REPOSITORY, "simplesigning", "", 1),
        (REPOSITORY, "notation", "", 1),
        (REPOSITORY, "bundle", SBOM, 2),
    } == {
        (g["repository"], g["form"], g["predicate_type"], g["signatures"])
        for g in counted["groups"]
    }
    assert 1 == len({g["requester"] for g in counted["groups"]})
    assert (2, 0, 0) == tuple(counted[k]["entries"] for k in ("opaque", "missing", "unreadable"))


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_dossier_of_a_large_attestation(service: InProcess, tmp_path: Path, over: str) -> None:
    """
    The dossier of an attestation that is larger than an approval may be convinces its judge.
    """
    out = tmp_path / "d.zip"
    index = service.tree_size - 3
    done = ask(service, over, "evidence", "--entry", index, "--out", out)
    assert 0 == done.returncode, done.stderr
    made = Dossier.parse(out.read_bytes())
    trust = TrustRoot.parse((service.directory / "trust.json").read_bytes())

    assert LARGE < len(made.bundle)
    assert f"entry {index} of" in made.verify(trust)
    assert SBOM in made.verify(trust)


def test_dossiers_by_form(service: InProcess, tmp_path: Path) -> None:
    """
    Of a form that the judge of dossiers does not take none is made, and the refusal says what is.
    """
    forms = [
        json.loads(row.labels)["form"][0] for row in service.ledger.store.rows(0, service.tree_size)
    ]
    for index, form in enumerate(forms):
        out = tmp_path / f"{index}.zip"
        done = ask(service, "http", "evidence", "--entry", index, "--out", out)
        made = form in ("event", "bundle")
        assert made == out.exists()
        assert made or "no-dossier" in done.stderr, (form, done.stderr)
    assert {"event", *FORMS, "opaque"} == set(forms)
