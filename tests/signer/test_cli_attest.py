"""`sealbook attest` and `sealbook bundles`, on a service that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest
from tests.signer.commands import Done, check_refused, lines, one
from tests.signer.running import Process
from tests.signer.world import init
from tests.verifier.laid_out import LaidOut, tagged
from verifier import limits
from verifier.bundle import Bundle
from verifier.statement import Statement
from verifier.vulnerabilities import Scan

REPORTS = Path(__file__).with_name("reports")
SBOM = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "share": 0.50}'


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    """The file of an SBOM."""
    path = tmp_path / "bom.json"
    path.write_bytes(SBOM + b"\n")
    return path


def attest(site: Process, image: object, kind: str, predicate: Path, *more: object) -> Done:
    """Run `sealbook attest`."""
    where = ("--repository", REPOSITORY, "--type", kind, "--predicate", predicate)
    return site.command("attest", image, *where, *more)


def said(path: Path) -> Statement:
    """Return the statement in a bundle."""
    bundle = Bundle.parse(path.read_bytes(), limit=limits.ATTESTATION)
    return Statement.parse(bundle.envelope.payload)


def test_attest(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    An SBOM is attested about a digest, and its bundle written under both their names.
    """
    out = tmp_path / "out"
    done = site.spawn(
        "attest",
        *(digest(501), "--repository", REPOSITORY, "--out", out),
        *("--type", "cyclonedx", "--predicate", sbom),
    )
    path = out / f"{digest(501).replace(':', '-')}.cyclonedx.attestation.json"
    bundle = Bundle.parse(path.read_bytes())

    assert (0, "") == (done.returncode, done.stderr)
    assert [f"attested {digest(501)}"] == done.stdout.splitlines()[:1]
    assert SBOM in bundle.envelope.payload
    assert "attest" == site.verifier.logged(bundle)[1].purpose
    assert [path] == list(out.iterdir())


def test_layout(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    Of a layout every manifest is named, each once, in one attestation.
    """
    layout = LaidOut(tmp_path / "image")
    children = [layout.image("a"), layout.image("b")]
    layout.top(tagged(layout.index(*children), "1.4"))
    image = f"oci:{layout.directory}:1.4"
    done = site.command(
        "attest",
        *(image, image, "--repository", REPOSITORY, "--out", tmp_path, "--json"),
        *("--type", "https://cyclonedx.org/bom", "--predicate", sbom),
    )
    told = one(done)

    assert 3 == len(told["digests"])
    assert told["digests"] == [subject.digest for subject in said(Path(told["bundle"])).subjects]
    assert [str(child["digest"]) for child in children] == told["digests"][1:]


def test_again(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    A re-run is answered as before, and a renewal is another one.
    """
    runs = [
        one(attest(site, digest(502), "cyclonedx", sbom, "--out", tmp_path, "--json", *more))
        for more in ((), (), ("--renew",))
    ]
    [first, again, renewed] = [run["index"] for run in runs]

    assert first == again
    assert again < renewed
    assert {"sealbook.supersedes": str(first)}.items() <= dict(
        said(Path(runs[2]["bundle"])).subjects[0].annotations
    ).items()


@pytest.mark.parametrize("name", ["trivy", "grype", "clair"])
def test_reports(site: Process, tmp_path: Path, name: str) -> None:
    """
    A scanner's report is attested in the one shape, with what the options say besides.
    """
    told = ("--scanned-at", "2026-11-23T21:06:41Z", "--database-time", "2026-11-22T00:00:00Z")
    more = (*told, "--scanner-version", "9.9", "--out", tmp_path, "--json")
    done = attest(site, digest(503), "vuln", REPORTS / f"{name}.json", *more)
    scan = Scan.parse(said(Path(one(done)["bundle"])).predicate)

    assert (name, "9.9") == (scan.scanner.name, scan.scanner.version)
    assert scan.findings
    assert 1795305600 == scan.scanner.database_time


def test_vuln_predicate(site: Process, tmp_path: Path) -> None:
    """
    A predicate that another tool made for cosign is attested as it is.
    """
    path = tmp_path / "vuln.json"
    path.write_bytes(
        b'{"invocation":{"uri":""},"scanner":{"uri":"pkg:x","version":"1","result":{"a":1.0}},'
        b'"metadata":{"scanStartedOn":"2026-11-23T21:06:41Z","scanFinishedOn":'
        b'"2026-11-23T21:06:41Z"}}'
    )
    done = attest(site, digest(504), "vuln", path, "--out", tmp_path, "--json")

    assert (
        path.read_bytes() in Bundle.parse(Path(one(done)["bundle"]).read_bytes()).envelope.payload
    )


def test_own_type(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    A type of one's own names its file too.
    """
    kind = "https://Team.example/Tested/v1?x=/../y"
    done = attest(site, digest(505), kind, sbom, "--out", tmp_path, "--json")

    assert kind == one(done)["type"]
    assert one(done)["bundle"].endswith(".https-team-example-tested-v1-x-y.attestation.json")


@pytest.mark.parametrize(
    ("code", "kind", "predicate"),
    [
        ("bad-predicate-type", ("sbom",), SBOM),
        ("predicate-type-mismatch", ("spdx",), SBOM),
        ("malformed", ("custom",), b"[]"),
        ("duplicate-key", ("custom",), b'{"a":1,"a":2}'),
        ("bad-report", ("vuln",), b'{"a":1}'),
        ("key-purpose", ("custom", "--key", "release"), SBOM),
        ("unknown-key", ("custom", "--key", "other"), SBOM),
        ("over-limit", ("custom",), b" " * (16 << 20) + b"{}"),
    ],
)
def test_refused(
    site: Process, tmp_path: Path, code: str, kind: tuple[str, ...], predicate: bytes
) -> None:
    """
    What is refused says why, and no bundle is written.
    """
    path, out = tmp_path / "p.json", tmp_path / "out"
    path.write_bytes(predicate)
    done = attest(site, digest(506), kind[0], path, "--out", out, *kind[1:])

    check_refused(done, code)
    assert not list(out.glob("*"))


def test_not_trusted(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    An answer from a service that the trust file does not know is no answer.
    """
    other = init(tmp_path / "other").directory / "trust.json"
    done = attest(site, digest(507), "cyclonedx", sbom, "--trust", other, "--out", tmp_path)

    check_refused(done, "unknown-key")
    assert not list(tmp_path.glob("*.attestation.json"))


def test_bundles(site: Process, sbom: Path, tmp_path: Path) -> None:
    """
    What was signed about an image is listed with type, form, key, place and age, and fetched.
    """
    site.sign(digest(508), "--out", tmp_path)
    attest(site, digest(508), "cyclonedx", sbom, "--out", tmp_path)
    listed = site.spawn("bundles", digest(508))
    out = tmp_path / "out"
    fetched = lines(
        site.command("bundles", digest(508), "--repository", REPOSITORY, "--out", out, "--json")
    )
    approval, attestation, count = listed.stdout.splitlines()

    assert (0, "2 signatures") == (listed.returncode, count)
    assert ["approval", "bundle"] == approval.split()[1:3]
    assert ["cyclonedx", "bundle"] == attestation.split()[1:3]
    assert REPOSITORY == attestation.split()[4]
    assert [["approval", [REPOSITORY]], ["cyclonedx", [REPOSITORY]]] == [
        [line["type"], line["repositories"]] for line in fetched
    ]
    assert 0 <= fetched[1]["age_s"] < 600
    assert SBOM in Bundle.parse(Path(fetched[1]["file"]).read_bytes()).envelope.payload
    site.verifier.verify(Path(fetched[0]["file"]).read_bytes(), digest(508), REPOSITORY)
    assert {Path(line["file"]) for line in fetched} == set(out.iterdir())


def test_no_bundles(site: Process) -> None:
    """
    Nothing about an image, or nothing in that repository, is a no.
    """
    nothing = site.command("bundles", digest(509))
    site.sign(digest(510))
    elsewhere = site.command("bundles", digest(510), "--repository", OTHER_REPOSITORY, "--json")

    assert (1, "0 signatures\n") == (nothing.returncode, nothing.stdout)
    assert (1, "") == (elsewhere.returncode, elsewhere.stdout)


def test_json_errors(site: Process, sbom: Path) -> None:
    """
    With --json a refusal is JSON too.
    """
    done = attest(site, "latest", "cyclonedx", sbom, "--json")

    assert "bad-digest" == json.loads(done.stdout)["error"]
