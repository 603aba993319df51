"""Pipelines that move without change: real cosign and notation sign with our keys."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import labels
from tests.interop.image import Image
from tests.interop.judging import Verdict, ask_at
from tests.interop.notation_judge import CONFIG as NOTATION_CONFIG
from tests.interop.notation_judge import POLICY
from tests.interop.pushing import Shelf
from tests.signer.messaging import prepared, public
from tests.signer.running import InProcess, running
from verifier.record import Record
from verifier.statement import APPROVAL

SCRIPTS = Path(sys.executable).parent
PATH = "team/app"
CONFIG, ROOT, PROMISE = "signing_config.json", "trusted_root.json", "promise.pub"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"


class Pipeline:
    """A build's machine: a home, the plugins on PATH, and the service in its environment."""

    def __init__(self, service: InProcess, home: Path) -> None:
        self.service = service
        self.home = home
        self.environment = {
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "SEALBOOK_SERVICE": service.addresses.grpc,
            "SEALBOOK_TOKEN_FILE": str(service.directory / "token"),
        }
        self._find_log(service)
        (home / "blob").write_text("some bytes\n")
        (home / "predicate.json").write_text('{"passed": 12}')
        for name in ("release", "plain", "attest", "blind"):
            (home / f"{name}.pub").write_bytes(public(service, name).pem())

    def _find_log(self, service: InProcess) -> None:
        """Know where our log is and whom to trust; the service's port was not known before."""
        config = json.loads((service.directory / CONFIG).read_text())
        [log] = config["rekorTlogUrls"]
        log["url"] = log["url"].rpartition("@")[0] + f"@{service.addresses.http}"
        (self.home / CONFIG).write_text(json.dumps(config))
        for name in (ROOT, PROMISE):
            (self.home / name).write_bytes((service.directory / name).read_bytes())
        secret = (service.directory / "append-token").read_text().strip()
        self.legacy = ("--rekor-url", f"http://{service.addresses.http}/t/{secret}")
        self.environment["SIGSTORE_REKOR_PUBLIC_KEY"] = PROMISE

    def run(self, *command: object, **environment: str) -> Verdict:
        """Run a program in the home."""
        return ask_at(
            self.home, [str(word) for word in command], {**self.environment, **environment}
        )

    def does(self, *command: object, **environment: str) -> list[Record]:
        """Run a program that must succeed, and return what was logged meanwhile."""
        size = self.service.tree_size
        done = self.run(*command, **environment)
        assert done.accepted, done.output
        return [self.service.ledger.record(i) for i in range(size, self.service.tree_size)]

    def refuses(self, code: str, *command: object, **environment: str) -> str:
        """Run a program that must say that the service refused; nothing may be logged."""
        size = self.service.tree_size
        done = self.run(*command, **environment)
        assert not done.accepted, done.output
        assert f"({code})" in done.output, done.output
        assert size == self.service.tree_size
        return done.output


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a key for each kind of message."""
    with running(prepared(tmp_path_factory.mktemp("plugins") / "service")) as service:
        yield service


@pytest.fixture
def pipeline(service: InProcess, tmp_path: Path) -> Pipeline:
    return Pipeline(service, tmp_path)


@pytest.fixture
def pushed(registry: str, image: Image) -> str:
    """An image in a registry, as REPOSITORY@DIGEST."""
    with Shelf(f"{registry}/{PATH}") as shelf:
        return f"{shelf.name}@{shelf.image(image.layout, '1.0')}"


def only(records: list[Record]) -> Record:
    [record] = records
    return record


def said(record: Record) -> dict[str, list[str]]:
    return labels.of(record.entry, record.body or None)


TRUSTING = ("--trusted-root", ROOT)
UNLOGGED = ("--tlog-upload=false", "--output-signature", "signature")
UNVERIFIED = ("--insecure-ignore-tlog=true", "--signature", "signature")
SIGN = ("-y", "--signing-config", CONFIG, *TRUSTING)


def test_cosign_sign(pipeline: Pipeline, cosign: Path, pushed: str) -> None:
    """
    Cosign signs an image with a key of ours and our log: one entry, which it uploads again and
    finds, accepts, and gets again at a re-run.
    """
    key = f"sealbook://release/{pushed.partition('@')[0]}"
    signing = (cosign, "sign", *SIGN, "--key", key, "--allow-http-registry", pushed)
    record = only(pipeline.does(*signing))
    again = pipeline.does(*signing)
    pipeline.does(cosign, "verify", "--key", "release.pub", *TRUSTING, pushed)
    pipeline.does(cosign, "verify", "--key", "sealbook://release", *TRUSTING, pushed)

    assert ("bundle", [APPROVAL]) == (record.form, said(record)["predicate_type"])
    assert [pushed.partition("@")[2]] == said(record)["digest"]
    assert [] == again


def test_cosign_2_sign(pipeline: Pipeline, cosign2: Path, pushed: str) -> None:
    """
    Cosign before version 3 signs an image with a key of ours in the form that it knows: it gets
    the promise that our log made, accepts it, and gets it again at a re-run.
    """
    annotated = ("-a", "env=prod", "--allow-http-registry")
    key = ("--key", "sealbook://release")
    signing = (cosign2, "sign", "-y", *annotated, *pipeline.legacy, *key, pushed)
    record = only(pipeline.does(*signing))
    again = pipeline.does(*signing)
    pipeline.does(cosign2, "verify", "--key", "release.pub", pushed)

    assert ("simplesigning", [pushed.partition("@")[0]]) == (
        record.form,
        said(record)["repository"],
    )
    assert [] == again


def test_cosign_signs_for_another_repository(
    pipeline: Pipeline, cosign2: Path, pushed: str
) -> None:
    """
    A key that is named for one repository signs no payload about another.
    """
    key = "sealbook://release/registry.example/team/app"
    pipeline.refuses(
        *("repository-mismatch", cosign2, "sign", "-y", "--tlog-upload=false"),
        *("--allow-http-registry", "--key", key, pushed),
    )


def test_cosign_attest(pipeline: Pipeline, cosign: Path, pushed: str) -> None:
    """
    Cosign attests to an image with a key of ours, and to a file; a key that approves does not.
    """
    what = ("--predicate", "predicate.json", "--type", "custom")
    image = ("--allow-http-registry", pushed)
    attest = (cosign, "attest", *SIGN, *what)
    record = only(pipeline.does(*attest, "--key", "sealbook://attest", *image))
    pipeline.does(
        *(cosign, "verify-attestation", "--key", "attest.pub", "--type", "custom"),
        *(*TRUSTING, pushed),
    )
    blob = (cosign, "attest-blob", *SIGN, *what, "--bundle", "bundle.json")
    of_blob = only(pipeline.does(*blob, "--key", "sealbook://attest", "blob"))
    pipeline.does(
        *(cosign, "verify-blob-attestation", "--key", "attest.pub", "--type", "custom"),
        *(*TRUSTING, "--bundle", "bundle.json", "blob"),
    )
    pipeline.refuses("key-purpose", *attest, "--key", "sealbook://release", *image)

    assert [[CUSTOM]] * 2 == [said(one)["predicate_type"] for one in (record, of_blob)]
    assert [pushed.partition("@")[2]] == said(record)["digest"]


@pytest.mark.parametrize("program", ["cosign", "cosign2"])
def test_cosign_sign_blob(pipeline: Pipeline, program: str, request: pytest.FixtureRequest) -> None:
    """
    A signature over a file says nothing: a raw key makes it, and no other does.
    """
    cosign = request.getfixturevalue(program)
    is_new = program == "cosign"
    how = (*SIGN, "--bundle", "bundle.json") if is_new else ("-y", *UNLOGGED)
    shown = (*TRUSTING, "--bundle", "bundle.json") if is_new else UNVERIFIED
    sign = (cosign, "sign-blob", *how)
    (pipeline.home / "blob").write_text(f"some bytes for {program}\n")
    (pipeline.home / "large").write_bytes(program.encode() + bytes(1 << 20))
    (pipeline.home / "empty").write_bytes(b"")
    told = pipeline.refuses("blind-signing", *sign, "--key", "sealbook://release", "blob")
    pipeline.refuses("over-limit", *sign, "--key", "sealbook://release", "large")
    for name in ("blob", "large", "empty"):
        made = pipeline.does(*sign, "--key", "sealbook://blind", name)
        pipeline.does(cosign, "verify-blob", "--key", "blind.pub", *shown, name)

        assert name == "empty" or "opaque" == only(made).form
    assert "hint: name a key" in told


def test_cosign_keys(pipeline: Pipeline, cosign: Path) -> None:
    """
    Cosign prints the public half of a key of ours, and makes none.
    """
    shown = pipeline.run(cosign, "public-key", "--key", "sealbook://plain")
    pipeline.refuses("unknown-key", cosign, "public-key", "--key", "sealbook://nobody")
    make = pipeline.run(cosign, "generate-key-pair", "--kms", "sealbook://new")

    assert (pipeline.home / "plain.pub").read_text() in shown.output
    assert not make.accepted
    assert "keys are not made from here" in make.output


def test_environment(pipeline: Pipeline, cosign: Path) -> None:
    """
    Without a service in its environment, with a wrong token or nobody there, a plugin says so.
    """
    ask = (cosign, "public-key", "--key", "sealbook://release")
    nothing = {"SEALBOOK_SERVICE": "", "SEALBOOK_TOKEN_FILE": ""}
    (pipeline.home / "token").write_text("t" * 40)
    (pipeline.home / "token").chmod(0o600)
    token = {"SEALBOOK_TOKEN_FILE": "token"}

    assert "hint: set SEALBOOK_SERVICE" in pipeline.refuses("config", *ask, **nothing)
    pipeline.refuses("config", *ask, **nothing, SEALBOOK_CONFIG="nowhere.toml")
    pipeline.refuses("unauthenticated", *ask, **token)
    pipeline.refuses("unreachable", *ask, SEALBOOK_SERVICE="127.0.0.1:9")
    (pipeline.home / "token").chmod(0o644)
    pipeline.refuses("key-file-permissions", *ask, **token)


def test_configuration(pipeline: Pipeline, cosign: Path) -> None:
    """
    On the service's own machine its configuration says where it is.
    """
    world = pipeline.service
    config = world.config.read_text().replace("127.0.0.1:0", world.addresses.grpc, 1)
    path = world.directory / "listening.toml"
    path.write_text(config)
    nothing = {"SEALBOOK_SERVICE": "", "SEALBOOK_TOKEN_FILE": ""}

    assert [] == pipeline.does(
        *(cosign, "public-key", "--key", "sealbook://release"),
        **nothing,
        SEALBOOK_CONFIG=str(path),
    )


class Notary(Pipeline):
    """The same with notation, which finds its plugins in its own directory."""

    def __init__(self, pipeline: Pipeline, notation: Path, image: Image) -> None:
        super().__init__(pipeline.service, pipeline.home)
        self.environment["NOTATION_EXPERIMENTAL"] = "1"
        self.program = notation
        shutil.copytree(image.layout, self.home / "layout")
        self.image = f"layout@{image.index.digest}"
        chain = (self.service.directory / "certificates" / "release.pem").read_text()
        root = chain[chain.rindex("-----BEGIN") :]
        store = self.home / NOTATION_CONFIG / "truststore/x509/ca/release"
        store.mkdir(parents=True)
        (store / "root.pem").write_text(root)
        (self.home / NOTATION_CONFIG / "trustpolicy.json").write_text(json.dumps(POLICY))

    def sign(self, key: str, *more: object) -> tuple[object, ...]:
        """Return the command that signs the image."""
        return (
            *(self.program, "sign", "--plugin", "sealbook", "--id", key),
            *(*more, "--oci-layout", self.image),
        )

    def verify(self) -> tuple[object, ...]:
        """Return the command that verifies the image, strictly."""
        return (
            *(self.program, "verify", "--oci-layout", "--scope", "registry.example/team/app"),
            self.image,
        )


@pytest.fixture
def notary(pipeline: Pipeline, notation: Path, image: Image) -> Notary:
    """A build's machine on which the plugin was installed as notation wants it."""
    notary = Notary(pipeline, notation, image)
    notary.does(notation, "plugin", "install", "--file", SCRIPTS / "notation-sealbook")
    return notary


def test_notation_sign(notary: Notary) -> None:
    """
    Notation signs with a key of ours, and accepts the signature at its level "strict".
    """
    before = notary.run(*notary.verify())
    where = ("--plugin-config", "repository=registry.example/team/app")
    record = only(notary.does(*notary.sign("release", *where)))
    notary.does(*notary.verify())

    assert not before.accepted
    assert "notation" == record.form
    assert [notary.image.partition("@")[2]] == said(record)["digest"]


def test_notation_times(notary: Notary) -> None:
    """
    The machine may be in any zone, the signature may expire, and the user may annotate.
    """
    more = ("--expiry", "24h", "--user-metadata", "env=prod")
    key = "release/registry.example/team/app"
    only(notary.does(*notary.sign(key, *more), TZ="Asia/Kolkata"))
    notary.does(*notary.verify())


def test_notation_refused(notary: Notary) -> None:
    """
    What the service refuses, notation says with the service's words and code.
    """
    reserved = ("--user-metadata", "sealbook.requester.subject=somebody")
    two = ("--plugin-config", "repository=registry.example/team/other")

    notary.refuses("unknown-key", *notary.sign("nobody"))
    assert "hint: set signing.keys.plain.certificate" in notary.refuses(
        "bad-request", *notary.sign("plain")
    )
    notary.refuses("malformed", *notary.sign("release", *reserved))
    notary.refuses("bad-request", *notary.sign("release/registry.example/team/app", *two))
    notary.refuses("bad-repository", *notary.sign("release/team"))
    notary.refuses("unreachable", *notary.sign("release"), SEALBOOK_SERVICE="127.0.0.1:9")
