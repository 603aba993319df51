"""`notation verify` asks our plugin, which looks for the very signature in the ledger."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signer.keys.memory import MemoryKey
from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict, ask_at
from tests.interop.notation_judge import CONFIG, POLICY
from tests.interop.pushing import sign_layout
from tests.signer.messaging import prepared
from tests.signer.revoking import revoke
from tests.signer.running import InProcess, running
from verifier import jws
from verifier.digest import Digest
from verifier.record import Record

SCRIPTS = Path(sys.executable).parent
REPOSITORY = "registry.example/team/app"
OURS = "sealbook:*"


class Host:
    """A machine with notation, our plugin, a trust directory and, perhaps, the service."""

    def __init__(self, home: Path, notation: Path, service: InProcess, image: Image) -> None:
        self.home, self.notation, self.service = home, notation, service
        self.has(image)
        chain = (service.directory / "certificates" / "release.pem").read_text()
        store = home / CONFIG / "truststore/x509/ca/release"
        store.mkdir(parents=True)
        (store / "root.pem").write_text(chain[chain.rindex("-----BEGIN") :])
        self.signed = self.sign()
        self.trusts(OURS)
        self.configure()
        installed = ask_at(
            home, (notation, "plugin", "install", "--file", SCRIPTS / "notation-sealbook")
        )
        assert installed.accepted, installed.output

    def trusts(self, *identities: str, level: str = "strict") -> None:
        """Write notation's trust policy."""
        policy = json.loads(json.dumps(POLICY))
        [statement] = policy["trustPolicies"]
        statement["trustedIdentities"] = list(identities)
        statement["signatureVerification"]["level"] = level
        (self.home / CONFIG / "trustpolicy.json").write_text(json.dumps(policy))

    def configure(self, *, sources: str = '"service"', trust: str = "trust") -> None:
        """Write pull.toml, and bring the trust directory up to date."""
        self.service.command("trust", "sync", ".", self.home / "trust", "--first")
        (self.home / "files").mkdir(exist_ok=True)
        (self.home / "pull.toml").write_text(
            f'trust = "{trust}"\nsources = [{sources}]\nexample_keys = true\n'
            f'[service]\nurl = "http://{self.service.addresses.http}"\n'
            f'token = "{self.service.directory / "token"}"\n'
            '[file]\ndirectory = "files"\n'
        )

    def has(self, image: Image) -> None:
        """Deal with another image from now on."""
        self._image = image
        self.image = f"layout@{image.index.digest}"

    def holds(self, envelope: bytes) -> None:
        """Put the image with this signature alone into the layout."""
        shutil.rmtree(self.home / "layout", ignore_errors=True)
        shutil.copytree(self._image.layout, self.home / "layout")
        sign_layout(self.home / "layout", envelope)

    def sign(self) -> Record:
        """Have the image signed anew, and put the signature into the layout."""
        index = self._image.index
        signed = self.service.asking(
            lambda client: client.sign(
                index.digest,
                REPOSITORY,
                forms=["notation"],
                media_type=index.media_type,
                size=index.size,
                renew=True,
            )
        )
        self.holds(signed.bundle())
        record: Record = signed.record
        return record

    def key(self) -> MemoryKey:
        """Return the service's key, as a thief has it."""
        return MemoryKey.load(self.service.directory / "keys" / "release.pem")

    def envelope(self, message: bytes, key: MemoryKey) -> bytes:
        """Sign a message past the ledger."""
        chain = (self.service.directory / "certificates" / "release.pem").read_bytes()
        certificates = x509.load_pem_x509_certificates(chain)
        signature = jws.raw_signature("ecdsa-p256", key.sign(message))
        return jws.envelope(
            message, signature, [c.public_bytes(Encoding.DER) for c in certificates]
        )

    def fetched(self) -> bytes:
        """Return what the service has of the image in notation's form."""
        asked = f"repository={REPOSITORY}&form=notation"
        answer = httpx.get(
            f"http://{self.service.addresses.http}/v1/bundles/{self._image.index.digest}?{asked}",
            headers={"Authorization": f"Bearer {self.service.token}"},
        )
        assert 200 == answer.status_code, answer.text
        return answer.content

    def keeps(self, page: bytes) -> None:
        """Keep it in the directory that the source `file` reads."""
        place = self.home / "files" / self._image.index.digest.replace(":", "-")
        place.mkdir(parents=True)
        (place / "notation.json").write_bytes(page)

    def verify(self, image: str = "", *more: object) -> Verdict:
        """Run `notation verify`."""
        scope = ("--oci-layout", "--scope", REPOSITORY)
        return ask_at(
            self.home,
            (self.notation, "verify", "--verbose", *scope, *map(str, more), image or self.image),
            {"NOTATION_EXPERIMENTAL": "1", "SEALBOOK_PULL": str(self.home / "pull.toml")},
        )

    def refuses(self, code: str, image: str = "", *more: object) -> str:
        """Check that notation refuses, and says our code."""
        verdict = self.verify(image, *more)
        assert not verdict.accepted, verdict.output
        assert f"({code})" in verdict.output, verdict.output
        assert "Traceback" not in verdict.output
        return verdict.output


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service whose signatures ask for the plugin."""
    world = prepared(tmp_path_factory.mktemp("ledger") / "service")
    line = 'certificate = "certificates/release.pem"\n'
    world.edit(line, f"{line}verification_plugin = true\n")
    with running(world) as service:
        yield service


@pytest.fixture
def host(service: InProcess, notation: Path, image: Image, tmp_path: Path) -> Host:
    """A host whose notation asks for the ledger, and a signature that is in it."""
    return Host(tmp_path, notation, service, image)


def test_logged(host: Host) -> None:
    """
    Notation accepts a signature whose entry the service proves, and a kept proof without it.
    """
    online = host.verify()
    kept = host.fetched()
    host.configure(sources='"file"')
    without = host.verify()
    host.keeps(kept)
    offline = host.verify()

    assert online.accepted, online.output
    assert not without.accepted
    assert "(unsigned)" in without.output
    assert offline.accepted, offline.output


def test_not_logged(host: Host) -> None:
    """
    What the key signed past the ledger is refused, though the very image is signed there too.
    """
    key = host.key()
    payload = jws.parse(host.signed.body).payload
    message = jws.signing_input("ecdsa-p256", int(time.time()), payload, "ab" * 16)
    host.holds(host.envelope(message, key))
    host.refuses("unsigned")


def test_not_asked_for(host: Host) -> None:
    """
    A signature that does not ask for the plugin is refused where the trust policy names ours,
    and accepted where it names nobody in particular: as for everybody without our plugin.
    """
    payload = jws.parse(host.signed.body).payload
    message = jws.signing_input("ecdsa-p256", int(time.time()), payload)
    host.holds(host.envelope(message, host.key()))

    refused = host.verify()
    host.trusts("*")
    accepted = host.verify()

    assert not refused.accepted
    assert "no x509 trusted identities are configured" in refused.output
    assert accepted.accepted, accepted.output


def test_without_plugin(host: Host) -> None:
    """
    One that asks for the plugin cannot be verified without it.
    """
    host.trusts("*")
    shutil.rmtree(host.home / CONFIG / "plugins")

    verdict = host.verify()

    assert not verdict.accepted
    assert "locating the verification plugin" in verdict.output


@pytest.mark.parametrize("level", ["strict", "permissive"])
def test_revoked(host: Host, level: str) -> None:
    """
    Once the entry is revoked it is refused; another signature of the image goes on.
    """
    host.trusts(OURS, level=level)
    revoke(host.service, entry=host.signed.index)
    before = host.verify()
    host.configure()
    host.refuses("revoked")
    host.sign()
    again = host.verify()

    assert before.accepted  # until the host hears of it
    assert again.accepted, again.output


def test_nothing_believed(host: Host) -> None:
    """
    Without trust, sources or a configuration nothing is accepted, and the reason is told.
    """
    host.configure(trust="nowhere")
    host.refuses("unreadable")
    host.configure(sources='"registry"')
    host.refuses("unsigned")
    (host.home / "pull.toml").unlink()
    verdict = host.verify()

    assert not verdict.accepted
    assert "pull.toml" in verdict.output


def test_which_image(host: Host, image: Image) -> None:
    """
    The image must be named by digest; what the user says in addition must be the same.
    """
    said = f"{REPOSITORY}@{image.index.digest}"
    other = f"{REPOSITORY}@sha256:{'1' * 64}"
    layout = f"layout:{TAG}"

    host.refuses("unnamed-image", layout)
    host.refuses("unnamed-image", "", "--plugin-config", f"image={other}")
    host.refuses("unsigned", layout, "--plugin-config", f"image={other}")
    host.refuses("unsigned", "", "--plugin-config", f"image=x.example/y@{said[-71:]}")
    for name in (layout, ""):
        verdict = host.verify(name, "--plugin-config", f"image={said}")
        assert verdict.accepted, verdict.output


def test_identities(host: Host) -> None:
    """
    The trust policy may name our key, or whom its certificate is about, or others.
    """
    for identities, accepted in (
        (["sealbook:release"], True),
        (["sealbook:qa"], False),
        (["x509.subject: C=XX, ST=none, O=ledger.example"], True),
        (["x509.subject: C=XX, ST=none, O=other.example"], False),
        (["x509.subject: C=XX, ST=none, O=other.example", OURS], True),
        (["*"], True),
    ):
        host.trusts(*identities)
        assert accepted is host.verify().accepted, identities


def test_copied_number(host: Host, tmp_path: Path) -> None:
    """
    Who steals the key and copies the number of a logged signature gets no other image accepted.
    """
    number = jws.parse(host.signed.body).number
    other = Image.made(tmp_path / "other", "a stranger's")
    index = other.index
    target = jws.TargetArtifact(index.media_type, Digest(index.digest), index.size, {})
    message = jws.signing_input("ecdsa-p256", int(time.time()), jws.payload(target), number)
    host.has(other)
    host.holds(host.envelope(message, host.key()))

    host.refuses("unsigned")
