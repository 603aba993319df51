"""Attestations of every type with a short name, before clients that know it by that name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.edits import decoded
from tests.interop.image import TAG
from tests.interop.judges import IGNORES, KEY, TRUSTED_ROOT, Given, Judge, judged
from tests.interop.judging import Verdict, ask, assert_refused
from tests.interop.product import Product, sealbook
from tests.interop.tampers import tampers

# The least that each type asks for.
PREDICATES = {
    "slsaprovenance1": {
        "buildDefinition": {"buildType": "https://example.com/b", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://example.com/builder"}},
    },
    "spdx": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
    "openvex": {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []},
    "custom": {"passed": 12, "share": 0.50},
    "https://example.com/tested/v1": {"passed": 12},
}


# What scanners write, shortened to what is read of it, and what their reports leave unsaid.
REPORTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "trivy": (
        {
            "SchemaVersion": 2,
            "CreatedAt": "2026-11-23T21:06:41.5+01:00",
            "Trivy": {"Version": "0.69.1"},
            "ArtifactName": "app.tar",
            "Results": [
                {
                    "Target": "app (debian 12.5)",
                    "Vulnerabilities": [
                        {
                            "VulnerabilityID": "CVE-2026-0001",
                            "PkgName": "libexample",
                            "InstalledVersion": "1.0",
                            "Severity": "HIGH",
                        }
                    ],
                },
                {"Target": "Python"},
            ],
        },
        ("--database-time", "2026-11-22T00:00:00Z"),
    ),
    "grype": (
        {
            "matches": [
                {
                    "vulnerability": {
                        "id": "CVE-2026-0001",
                        "severity": "High",
                        "fix": {"versions": ["1.1"], "state": "fixed"},
                    },
                    "artifact": {"name": "libexample", "version": "1.0"},
                }
            ],
            "descriptor": {
                "name": "grype",
                "version": "0.110.0",
                "timestamp": "2026-11-23T21:06:41Z",
                "db": {"status": {"schemaVersion": "v6.1.9", "built": "2026-11-22T00:00:00Z"}},
            },
        },
        (),
    ),
    "clair": (
        {
            "manifest_hash": f"sha256:{'0' * 64}",
            "packages": {"10": {"id": "10", "name": "libexample", "version": "1.0"}},
            "vulnerabilities": {
                "7": {"id": "7", "name": "CVE-2026-0001", "normalized_severity": "High"}
            },
            "package_vulnerabilities": {"10": ["7"]},
        },
        ("--scanned-at", "2026-11-23T21:06:41Z", "--database-time", "2026-11-22T00:00:00Z"),
    ),
}


class Attesting(NamedTuple):
    """Who attests what the product signed, by the command that users type."""

    product: Product
    scratch: Path

    @property
    def public_key(self) -> bytes:
        return (self.product.directory / "attest.pub").read_bytes()

    def given(self, kind: str) -> Given:
        """What a judge of an attestation of the index is told."""
        product = self.product
        return Given(product.sigstore_root, product.digests[0], kind, self.public_key)

    def attest(self, kind: str, predicate: bytes | Path, *more: str) -> bytes:
        """Return the bundle of a new attestation about all digests of the image."""
        if isinstance(predicate, bytes):
            path = self.scratch / "predicate.json"
            path.write_bytes(predicate)
            predicate = path
        image, config = self.product.image, self.product.directory / "sealbook.toml"
        what = (f"oci:{image.layout}:{TAG}", "--repository", self.product.shelf.name)
        where = ("--config", config, "--out", self.scratch, "--json")
        said = sealbook("attest", *what, "--type", kind, "--predicate", predicate, *more, *where)
        return Path(json.loads(said)["bundle"]).read_bytes()

    def found(self, cosign: Path, kind: str) -> Verdict:
        """Return what `cosign verify-attestation` says of what the registry has of this type."""
        product = self.product
        files = {TRUSTED_ROOT: product.sigstore_root, KEY: self.public_key}
        command = (cosign, "verify-attestation", "--key", KEY, "--trusted-root", TRUSTED_ROOT)
        image = f"{product.shelf.name}@{product.digests[0]}"
        return ask((*command, "--type", kind, image), files)


@pytest.fixture
def attesting(product: Product, tmp_path: Path) -> Attesting:
    return Attesting(product, tmp_path)


@pytest.mark.parametrize("kind", PREDICATES)
def test_attestations_are_accepted(attesting: Attesting, judge: Judge, kind: str) -> None:
    """
    A judge accepts an attestation under the key that attests, cosign by the type's short name.
    """
    bundle = attesting.attest(kind, json.dumps(PREDICATES[kind]).encode())

    verdict = judged(judge, bundle, attesting.given(kind))

    assert verdict.accepted, verdict.output


@pytest.mark.parametrize("scanner", REPORTS)
def test_reports_are_accepted(
    attesting: Attesting, judge: Judge, cosign: Path, scanner: str
) -> None:
    """
    What a scanner found is an attestation of cosign's type `vuln`, in a file and in a registry,
    that names the finding.
    """
    product, (report, unsaid) = attesting.product, REPORTS[scanner]

    bundle = attesting.attest("vuln", json.dumps(report).encode(), *unsaid)

    product.shelf.refer(product.digests[0], bundles=[bundle])
    verdicts = [judged(judge, bundle, attesting.given("vuln")), attesting.found(cosign, "vuln")]
    for verdict in verdicts:
        assert verdict.accepted, verdict.output
    assert b"CVE-2026-0001" in statement(bundle)
    assert scanner.encode() in statement(bundle)


def test_attestations_are_refused_when_tampered_with(attesting: Attesting, judge: Judge) -> None:
    """
    One changed field is one refusal, as with approvals.
    """
    bundle = attesting.attest("custom", b'{"passed": 12}')
    tampered = dict(tampers(bundle))

    verdicts = judge.judge(list(tampered.values()), attesting.given("custom"))

    assert_refused(tampered, verdicts, IGNORES[judge.name])


def test_large_attestations_are_accepted(attesting: Attesting, judge: Judge) -> None:
    """
    A predicate of 3 MiB, kept in a file and sent in pieces, is as good; its bytes are unchanged.
    """
    components = ",".join(f'{{"name": "n{i}", "size": 1.{i}0e1}}' for i in range(90_000))
    predicate = f'{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{components}]}}'
    assert len(predicate) > 3 << 20

    bundle = attesting.attest("cyclonedx", predicate.encode())

    verdict = judged(judge, bundle, attesting.given("cyclonedx"))
    assert verdict.accepted, verdict.output
    assert predicate.encode() in statement(bundle)


def test_cosign_finds_attestations_in_a_registry(attesting: Attesting, cosign: Path) -> None:
    """
    `cosign verify-attestation` finds the type that it is asked for, and refuses when only
    another one is there.
    """
    product = attesting.product
    vex = attesting.attest("openvex", json.dumps(PREDICATES["openvex"]).encode())
    product.shelf.refer(product.digests[0], bundles=[vex])

    found, missing = attesting.found(cosign, "openvex"), attesting.found(cosign, "vuln")

    assert found.accepted, found.output
    assert not missing.accepted, missing.output


def statement(bundle: bytes) -> bytes:
    """Return what a bundle's envelope holds."""
    return decoded(json.loads(bundle)["dsseEnvelope"]["payload"])
