"""That a ceremony was held is in the ledger, and `sealbook key ceremony` shows it to strangers."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger import labels
from signer.ceremony.checking import check, check_logged
from signer.ceremony.transcript import Transcript
from signer.v1 import operator_pb2
from tests.signer.asking import ORIGIN, PATIENCE_S, REPOSITORY, digest, refused
from tests.signer.ceremonies import FILE, held, write
from tests.signer.commands import ROOT, Done, check_refused, one, sealbook
from tests.signer.running import InProcess, running
from tests.signer.test_cli_evidence import AUDITORS_PROGRAM
from tests.signer.world import World, found_in
from verifier import dsse
from verifier.bundle import Bundle
from verifier.dossier import Dossier
from verifier.statement import Statement
from verifier.tlogpolicy import Endorsed
from verifier.trust.listed import TrustedKey
from verifier.verify import Verifier

ROOT_KEY = "keys/trust-root.pem"
METHOD = "/sealbook.v1.Operator/RecordCeremony"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service."""
    with running(found_in(tmp_path_factory.mktemp("ceremonies") / "service")) as service:
        yield service


def record(service: InProcess, transcript: bytes) -> operator_pb2.RecordCeremonyResponse:
    """Have a ceremony logged."""
    request = operator_pb2.RecordCeremonyRequest(transcript=transcript)
    raw = service.operate(METHOD, request.SerializeToString())
    return operator_pb2.RecordCeremonyResponse.FromString(raw)


def evidence(service: InProcess, folder: Path, index: int) -> Path:
    """Return the zip that proves an entry."""
    where = ("--service", service.addresses.grpc, "--token-file", service.directory / "token")
    file = folder / f"entry-{index}.zip"
    trust = ("--trust", service.directory / "trust.json")
    done = sealbook("evidence", *where, *trust, "--entry", index, "--out", file)
    assert 0 == done.returncode, done.stderr
    return file


def test_logged(service: InProcess, tmp_path: Path) -> None:
    """
    A ceremony is logged once, with the hash of its transcript and each of its keys, and asked for
    again it is the same entry.
    """
    found, other = held(tmp_path / "one"), held(tmp_path / "two")
    first, second, again = (record(service, one.json()) for one in (found, other, found))
    body = service.ledger.record(second.index).body
    predicate = Statement.parse(dsse.parse_pae(body)[1]).predicate

    assert (False, False, True) == (first.known, second.known, again.known)
    assert (first.index, first.claim) == (again.index, again.claim)
    assert first.index == predicate["previous"]
    assert other.sha256 == predicate["transcript_sha256"]
    assert other.ceremony.sha256 == predicate["ceremony_sha256"]
    assert [("release-2027", "approve")] == [(k["name"], k["purpose"]) for k in predicate["keys"]]


def failed(folder: Path) -> Transcript:
    """Return the transcript of a ceremony that failed."""
    text = FILE.replace('home = "file"', 'home = "elsewhere"')
    refused("ceremony-failed", lambda: held(folder, text))
    return Transcript.parse((folder / "out" / "transcript.json").read_bytes())


def test_not_logged(service: InProcess, tmp_path: Path) -> None:
    """
    The service itself refuses a rehearsal, a ceremony that failed, one that was altered, and one
    for another ledger; nothing is logged.
    """
    good = held(tmp_path / "good")
    elsewhere = held(tmp_path / "elsewhere", FILE.replace(ORIGIN, "other.example"))
    cases = {
        "ceremony-rehearsal": held(tmp_path / "rehearsal", rehearsal=True).json(),
        "ceremony-transcript": failed(tmp_path / "failed").json(),
        "foreign-ledger": elsewhere.json(),
    }
    altered = good.json().replace(b"registry.example", b"registry.evil.ex")
    before = service.tree_size
    for code, transcript in [*cases.items(), ("ceremony-transcript", altered)]:
        with pytest.raises(grpc.RpcError) as caught:
            record(service, transcript)
        assert code == dict(caught.value.trailing_metadata())["sealbook-code"], code

    assert before == service.tree_size


def test_proof(service: InProcess, tmp_path: Path) -> None:
    """
    The evidence of the event proves that the ledger has this ceremony, as a zip or as the bundle
    in it; evidence of another ceremony, or of something else, does not.
    """
    trust = World(service.directory).trust
    found, other = held(tmp_path / "one"), held(tmp_path / "two")
    indices = [record(service, one.json()).index for one in (found, other)]
    proofs = [evidence(service, tmp_path, index).read_bytes() for index in indices]
    service.asking(lambda client: client.sign(digest(1), REPOSITORY))
    approval = evidence(service, tmp_path, service.tree_size - 1).read_bytes()
    elsewhere = held(tmp_path / "elsewhere", FILE.replace(ORIGIN, "other.example"))

    assert indices[0] == check_logged(found, trust, proofs[0])
    assert indices[0] == check_logged(found, trust, Dossier.parse(proofs[0]).bundle)
    refused("ceremony-not-logged", lambda: check_logged(found, trust, proofs[1]))
    refused("ceremony-not-logged", lambda: check_logged(found, trust, approval))
    refused("ceremony-not-logged", lambda: check_logged(elsewhere, trust, proofs[0]))


def test_proof_of_something_like_it(
    service: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It takes this ledger, its event key, and a zip of which every member is right.
    """
    trust, found = World(service.directory).trust, held(tmp_path / "c")
    file = evidence(service, tmp_path, record(service, found.json()).index)
    elsewhere = found.ceremony._replace(origin="other.example")
    refused(
        "ceremony-not-logged",
        lambda: check_logged(found._replace(ceremony=elsewhere), trust, file.read_bytes()),
    )
    with zipfile.ZipFile(file) as read:
        members = {name: read.read(name) for name in read.namelist()}
    members["statement.json"] = members["statement.json"].replace(b"2027", b"2028")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(name, content)
    refused("entry-mismatch", lambda: check_logged(found, trust, file.read_bytes()))
    logged = Verifier.logged

    def by_another(self: Verifier, bundle: Bundle) -> tuple[Endorsed, TrustedKey]:
        seen, key = logged(self, bundle)
        return seen, key._replace(purpose="attest")

    monkeypatch.setattr(Verifier, "logged", by_another)
    refused("ceremony-not-logged", lambda: check_logged(found, trust, members["bundle.json"]))


def ceremony(service: InProcess, *words: object) -> Done:
    """Run `sealbook key ceremony` on the service's machine."""
    return sealbook("key", "ceremony", "--config", service.config, *words)


def test_command(service: InProcess, tmp_path: Path) -> None:
    """
    One command holds a ceremony and logs it; what it says to do next is all that an auditor needs.
    """
    file, out = write(tmp_path / "c"), tmp_path / "out"
    done = ceremony(service, file, "--out", out)
    assert 0 == done.returncode, done.stderr
    index = service.tree_size - 1
    assert f"logged: entry {index}\n" in done.stdout
    assert "had release-2027 sign its self-test: verified" in done.stdout
    transcript = out / "transcript.json"
    proof = evidence(service, tmp_path, index)
    trust = ("--trust", service.directory / "trust.json", "--evidence", proof)
    found = sealbook("key", "ceremony", "--check", transcript, "--toml", file, *trust)

    assert 0 == found.returncode, found.stderr
    assert f"entry {index} of {ORIGIN} has its hash" in found.stdout
    assert ", the one reviewed" in found.stdout
    assert "NOT CHECKED" not in found.stdout
    as_json = one(sealbook("key", "ceremony", "--check", transcript, *trust, "--json"))
    assert (index, check(transcript.read_bytes()).sha256) == (as_json["index"], as_json["sha256"])


def test_brought_into_use(world: World) -> None:
    """
    A key of a ceremony takes the place of the one that signs by the commands of every rotation,
    and what it signs is under the fingerprint of the transcript.
    """
    file = world.directory / "ceremony.toml"
    file.write_text(FILE.replace('name = "release-2027"', 'name = "release"'))
    with running(world) as service:
        done = world.command("key", "ceremony", file, "--out", world.directory / "held", "--json")
        [key] = one(done)["keys"]
        steps: list[tuple[object, ...]] = [
            ("key", "announce", "release", "--uri", key["uri"]),
            ("trust", "sign", "trust-next.json", "--previous", "trust.json", "--key", ROOT_KEY),
            ("trust", "install", "trust-next.json"),
            ("key", "rotate", "release", "--switch", "--now"),
        ]
        for words in steps:
            done = world.command(*words)
            assert 0 == done.returncode, done.stderr
        signed = service.asking(lambda client: client.sign(digest(9), REPOSITORY))

    assert "release" == world.verify(signed).key
    assert [key["fingerprint"]] == labels.of(signed.record.entry, signed.record.body)["key"]


def test_logged_later(service: InProcess, tmp_path: Path) -> None:
    """
    A ceremony on a machine without a service is logged later by a command that it prints, and
    until then its check says what it did not see.
    """
    file, out = write(tmp_path / "c"), tmp_path / "out"
    done = sealbook("key", "ceremony", file, "--out", out, "--no-log", cwd=tmp_path)
    transcript = out / "transcript.json"
    assert f"sealbook key ceremony --log {transcript}" in done.stdout
    checked = sealbook("key", "ceremony", "--check", transcript).stdout
    first, again = (one(ceremony(service, "--log", transcript, "--json")) for _ in range(2))

    assert "NOT CHECKED: whether the ledger has it" in checked
    assert (first["index"], False) == (again["index"], first["known"])
    assert again["known"]


def test_nowhere_to_log(tmp_path: Path, service: InProcess) -> None:
    """
    Where no service runs, or that of another ledger, no key is made that could not be logged.
    """
    file = write(tmp_path / "c", FILE.replace(ORIGIN, "other.example"))
    check_refused(ceremony(service, file, "--out", tmp_path / "out"), "bad-request")
    stopped = found_in(tmp_path / "stopped")
    done = stopped.command("key", "ceremony", file, "--out", tmp_path / "out")
    said = check_refused(done, "bad-request")

    assert "--no-log" in said
    assert not (tmp_path / "out").exists()
    assert [file] == list(file.parent.iterdir())


def test_failed_command(tmp_path: Path) -> None:
    """
    A ceremony that fails ends with exit code 1, and says what of it is not to be used.
    """
    file = write(tmp_path / "c", FILE.replace('home = "file"', 'home = "elsewhere"'))
    done = sealbook("key", "ceremony", file, "--out", tmp_path / "out", "--no-log")

    assert "release-2027 at file:release-2027.key is not to be used" in check_refused(
        done, "ceremony-failed"
    )


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("a.toml",),
        ("--out", "b"),
        ("a.toml", "--out", "b", "--check", "c"),
        ("--check", "c", "--trust", "t"),
        ("--log", "c", "--toml", "a.toml"),
        ("--log", "c", "--rehearse"),
        ("--log", "c", "--no-log"),
        ("--check", "c", "--rehearse", "--trust", "t", "--evidence", "e"),
    ],
    ids=" ".join,
)
def test_asked_wrongly(words: tuple[str, ...]) -> None:
    """
    Options that do not go together are refused before anything is read.
    """
    assert 2 == sealbook("key", "ceremony", *words).returncode


def test_on_an_auditors_machine(service: InProcess, tmp_path: Path) -> None:
    """
    A transcript is checked, with the ledger's proof, where nothing of the service is installed;
    a text beside it that says something else is noticed.
    """
    found = held(tmp_path / "c")
    index = record(service, found.json()).index
    transcript = tmp_path / "c" / "out" / "transcript.json"
    words = ["key", "ceremony", "--check", transcript, "--evidence"]
    words += [evidence(service, tmp_path, index), "--trust", service.directory / "trust.json"]

    def run() -> Done:
        program = [sys.executable, "-c", AUDITORS_PROGRAM, *map(str, words)]
        return subprocess.run(
            program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    good = run()
    transcript.with_suffix(".txt").write_text("Ada and Jan agree that all was well.\n")

    assert 0 == good.returncode, good.stderr
    assert f"entry {index} of {ORIGIN} has its hash" in good.stdout
    check_refused(run(), "ceremony-transcript")
