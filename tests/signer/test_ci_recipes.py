"""CI.md, as its readers paste it: each recipe runs by sh, against a service and a registry.

What stands in: a local issuer for GitHub's, GitLab's and Jenkins's, with their claims; `pip`; the
name `localhost`. The registry is a real one that knows who may push, and cosign says who signed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.image import TAG, Image
from tests.interop.judging import ask
from tests.interop.pushing import Shelf
from tests.interop.registry import serving_registry
from tests.signer.ci_runners import Recipe, Runner, recipe, settings
from tests.signer.commands import ROOT, SEALBOOK, free_address, sealbook
from tests.signer.github_standin import GitHub
from tests.signer.issuer_standin import Issuer
from verifier.digest import Digest
from verifier.pull.forms import find_forms
from verifier.pull.opening import open_images
from verifier.pull.place import registry_place
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verify import Verifier

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")

OWNED = "bank/payments"
CURL, COMMAND, ACTIONS, JENKINS = (
    "GitLab CI, curl only",
    "GitLab CI",
    "GitHub Actions",
    "Jenkins",
)
ALL = (CURL, COMMAND, ACTIONS, JENKINS)
# Each as bcrypt, with as few rounds as there can be.
ROBOT, JOB = ("robot", "robot-secret"), ("job", "job-secret")
HTPASSWD = """\
robot:$2b$04$Xe7aKMWdpT9kcGcgMuHoWOzluGnNfT7Dk.H/gPPfbQQ6OnxEwlZ1m
job:$2b$04$PeVueatbmbcf7yZGQC.LS.esD10PgzhG1sb/poOjg4SZUCXEkx1MW
"""
GITLAB_JOB = {
    "sub": f"project_path:{OWNED}:ref_type:branch:ref:main",
    "project_path": OWNED,
    "project_id": "815",
    "namespace_id": "72",
    "namespace_path": "bank",
    "pipeline_source": "push",
    "ref": "main",
    "ref_protected": "true",
}
JENKINS_JOB = {"sub": "https://jenkins.bank.example/job/payments/job/main/"}


def program(name: str) -> Path:
    """Return a peer's program; in CI it has to be there."""
    try:
        found: Path = getattr(peers, name)()
    except peers.PeerUnavailable as e:
        if os.environ.get("CI") == "true":
            pytest.fail(f"in CI every peer must be there: {e}", pytrace=False)
        pytest.skip(str(e))
    return found


class Site:
    """The service that the page's settings make, its registry, and what runs the jobs."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder, self.registry = folder, registry
        self.github = GitHub(folder / "github")
        self.gitlab = Issuer(folder / "gitlab")
        self.jenkins = Issuer(folder / "jenkins", "/oidc")
        self._listen = free_address(), free_address()
        self.grpc, self.http = (f"localhost:{at.rpartition(':')[2]}" for at in self._listen)
        self.runner = Runner(
            folder / "runner",
            {
                "ledger.bank.example:8640": self.grpc,
                "ledger.bank.example:8641": self.http,
                "ledger.bank.example": "localhost",
                "registry.bank.example": registry,
                **self._issuer("https://token.actions.githubusercontent.com", self.github),
                **self._issuer("https://gitlab.bank.example", self.gitlab),
                **self._issuer("https://jenkins.bank.example/oidc", self.jenkins),
            },
        )
        self.service = folder / "service"
        self._found()
        self._serving = subprocess.Popen(
            [SEALBOOK, "serve"],
            cwd=self.service,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._serving.stdout is not None
        assert "serving" in self._serving.stdout.readline()
        self._jobs = 0
        self.left: list[str] = []  # in the directory of the last job

    def close(self) -> None:
        """End the service, then the issuers."""
        self._serving.send_signal(signal.SIGTERM)
        assert self._serving.stdout is not None
        self._serving.stdout.close()
        assert 0 == self._serving.wait(60)
        for issuer in (self.github, self.gitlab, self.jenkins):
            issuer.close()

    @staticmethod
    def _issuer(named: str, stands_in: Issuer) -> dict[str, str]:
        return {f'issuer = "{named}"': f'issuer = "{stands_in.issuer}"\nca = "{stands_in.ca}"'}

    def _found(self) -> None:
        here = ("--grpc", self._listen[0], "--http", self._listen[1])
        self._sealbook("init", "service", "--origin", "localhost", *here, cwd=self.folder)
        self._sealbook("access", "ca", "tls/clients")
        self._sealbook("access", "ca", "tls/servers", "--servers")
        server = ("tls/server", "--ca", "tls/servers", "--dns", "localhost")
        self._sealbook("access", "certificate", *server)
        runner = ("ci", "--ca", "tls/clients", "--uri", "spiffe://bank.example/ci/runner")
        self._sealbook("access", "certificate", *runner)
        config = self.service / "sealbook.toml"
        text = config.read_text()
        text = re.sub(r"(?m)^# (tls_certificate|tls_key|client_ca) ", r"\1 ", text)
        text = re.sub(r"(?m)^(token = )", r"# \1", text)
        config.write_text(f"{text}\n{self.runner.said(settings())}")
        robot = self.service / "robot"
        robot.touch(0o600)
        robot.write_text(":".join(ROBOT))

    def _sealbook(self, *words: object, cwd: Path | None = None) -> None:
        done = sealbook(*words, cwd=cwd or self.service)
        assert 0 == done.returncode, done.stderr

    def secret(self, name: str) -> Path:
        """Return a secret that the page says the runner has."""
        return (
            self.service / {"CA": "tls/servers.pem", "CERTIFICATE": "ci.pem", "KEY": "ci.key"}[name]
        )

    def pushed(self, greeting: str) -> Image:
        """Push an image that nobody has signed."""
        image = Image.made(self.folder / f"image-{greeting}", greeting)
        with Shelf(f"{self.registry}/{OWNED}", JOB) as shelf:
            shelf.image(image.layout, f"{greeting}-{TAG}")
        return image

    def docker_config(self) -> str:
        """Return what `docker login` writes."""
        login = base64.b64encode(":".join(JOB).encode()).decode()
        return json.dumps({"auths": {self.registry: {"auth": login}}})

    def run(
        self, title: str, digests: list[str], script: str = "", **claims: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a recipe as its system does, for what the build left; `script` instead of its own."""
        self._jobs += 1
        place = self.runner.job(f"job-{self._jobs}")
        (place / "digests").write_text("\n".join(digests))
        found = recipe(title)
        run = {CURL: self._gitlab, COMMAND: self._gitlab, ACTIONS: self._actions}
        variables = run.get(title, self._jenkins)(found, place, claims)
        done = self.runner.run(script or found.script, place, variables)
        self.left = [path.name for path in place.rglob("*")]
        return done

    def _gitlab(self, found: Recipe, place: Path, claims: Mapping[str, str]) -> dict[str, str]:
        """Return what GitLab's runner sets; the secrets are files that it lets everybody read."""
        given = {name: self.runner.said(value) for name, value in found.variables.items()}
        for name in ("CA", "CERTIFICATE", "KEY"):
            file = place.parent / f"{place.name}.tmp.SEALBOOK_{name}"
            file.write_bytes(self.secret(name).read_bytes())
            file.chmod(0o666)
            given[f"SEALBOOK_{name}"] = str(file)
        return given | {
            "SEALBOOK_ID_TOKEN": self.gitlab.token("localhost", GITLAB_JOB | claims),
            "CI_REGISTRY": self.registry,
            "CI_REGISTRY_IMAGE": f"{self.registry}/{OWNED}",
            "CI_REGISTRY_USER": JOB[0],
            "CI_REGISTRY_PASSWORD": JOB[1],
        }

    def _actions(self, found: Recipe, place: Path, claims: Mapping[str, str]) -> dict[str, str]:
        """Return what GitHub's runner sets, once docker/login-action and the build have run."""
        (place / ".docker").mkdir()
        (place / ".docker" / "config.json").write_text(self.docker_config())
        digests = (place / "digests").read_text().split()
        expressions = {
            "github.repository": OWNED,
            "steps.build.outputs.digest": next(iter(digests), ""),
            **{f"secrets.SEALBOOK_{name}": self.secret(name).read_text() for name in SECRETS},
        }
        given = {
            name: re.sub(r"\$\{\{ (.+?) \}\}", lambda m: expressions[m[1]], self.runner.said(value))
            for name, value in found.variables.items()
        }
        job = self.github.job(
            OWNED, **{"repository_owner_id": "4711", "repository_id": "1"} | claims
        )
        # A runner adds its own authorities to the system's; here GitHub's is another.
        return given | job | {"CURL_CA_BUNDLE": str(self.github.ca)}

    def _jenkins(self, found: Recipe, place: Path, claims: Mapping[str, str]) -> dict[str, str]:
        """Return what Jenkins sets: credentials are files that it alone may read."""
        given = {name: self.runner.said(value) for name, value in found.variables.items()}
        files = {
            "SEALBOOK_CA": self.secret("CA").read_text(),
            "SEALBOOK_CLIENT_CERTIFICATE": self.secret("CERTIFICATE").read_text(),
            "SEALBOOK_CLIENT_KEY": self.secret("KEY").read_text(),
            "SEALBOOK_OIDC_TOKEN_FILE": self.jenkins.token("localhost", JENKINS_JOB | claims),
            "REGISTRY_CONFIG": self.docker_config(),
        }
        for name, content in files.items():
            file = place.parent / f"{place.name}.tmp.{name}"
            file.touch(0o400)
            file.chmod(0o600)
            file.write_text(content)
            given[name] = str(file)
        return given

    def forms(self, digest: str) -> list[tuple[str, bytes]]:
        """Return kind and content of what is attached to a digest in the registry."""
        config = self.folder / "docker"
        config.mkdir(exist_ok=True)
        (config / "config.json").write_text(self.docker_config())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_CONFIG", str(config))
            images = open_images(registry_place(f"{self.registry}/{OWNED}"), Registries())
            try:
                found = find_forms(images, Digest(digest))
            finally:
                images.close()
        return [(form.kind, form.content) for form in found.forms]

    def check_accepted(self, digest: str, cosign: Path, cosign2: Path) -> None:
        """Check that ours, cosign 3 and cosign 2 accept what is attached to a digest."""
        verifier = Verifier(TrustRoot.parse((self.service / "trust.json").read_bytes()))
        bundles = [content for kind, content in self.forms(digest) if kind == "bundle"]
        assert bundles
        for bundle in bundles:
            verifier.verify(bundle, Digest(digest), Repository(f"{self.registry}/{OWNED}"))
        names = ("release.pub", "promise.pub", "trusted_root.json")
        files = {name: (self.service / name).read_bytes() for name in names}
        files["docker/config.json"] = self.docker_config().encode()
        image = f"{self.registry}/{OWNED}@{digest}"
        login = {"DOCKER_CONFIG": "docker"}
        new = ("verify", "--key", "release.pub", "--trusted-root", "trusted_root.json", image)
        verdict = ask((cosign, *new), files, login)
        assert verdict.accepted, verdict.output
        old = {"SIGSTORE_REKOR_PUBLIC_KEY": "promise.pub"}
        verdict = ask((cosign2, "verify", "--key", "release.pub", image), files, login | old)
        assert verdict.accepted, verdict.output


SECRETS = ("CA", "CERTIFICATE", "KEY")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return the page's service, that nobody has called."""
    folder = tmp_path_factory.mktemp("recipes")
    with serving_registry(program("docker_registry"), folder, htpasswd=HTPASSWD) as registry:
        site = Site(folder, registry)
        try:
            yield site
        finally:
            site.close()


@pytest.mark.parametrize("title", ALL)
def test_recipe(site: Site, title: str) -> None:
    """
    Whoever pastes a recipe has an image that our verifier, cosign 3 and cosign 2 accept, the index
    and what is under it; no secret is left in the job's directory. Run again, it is as good.
    """
    cosign, cosign2 = program("cosign"), program("cosign2")
    image = site.pushed(title.lower().replace(" ", "-").replace(",", ""))
    layout = json.loads((image.layout / "blobs/sha256" / image.index.digest[7:]).read_bytes())
    digests = [image.index.digest, *(child["digest"] for child in layout["manifests"])]

    done = site.run(title, digests)
    assert 0 == done.returncode, done.stdout + done.stderr
    for digest in digests:
        site.check_accepted(digest, cosign, cosign2)
    assert set(site.left) <= {"digests", "pip.told", ".docker", "config.json"}  # docker/login's own
    if title in (CURL, COMMAND):
        before = site.forms(digests[0])
        again = site.run(title, digests)
        assert 0 == again.returncode, again.stdout + again.stderr
        assert len(before) == len(site.forms(digests[0]))


WRONG = {CURL: "ref_protected", COMMAND: "ref_protected", ACTIONS: "ref_protected", JENKINS: "sub"}


@pytest.mark.parametrize("title", ALL)
def test_a_job_that_may_not_sign(site: Site, title: str) -> None:
    """
    A recipe fails where the job is none that is bound, says why, and nothing is attached.
    """
    image = site.pushed(f"wrong-{ALL.index(title)}")

    done = site.run(title, [image.index.digest], **{WRONG[title]: "false"})

    assert done.returncode != 0
    assert "permission-denied" in done.stdout + done.stderr
    assert [] == site.forms(image.index.digest)


@pytest.mark.parametrize("title", ALL)
def test_a_build_that_left_nothing(site: Site, title: str) -> None:
    """
    A recipe fails where the build says no digest: nothing is green that signed nothing.
    """
    assert 0 != site.run(title, []).returncode


def test_a_step_that_is_left_out(site: Site) -> None:
    """
    Publishing is no signing: the recipe with curl fails where an image was not signed.
    """
    image = site.pushed("unsigned")
    script = recipe(CURL).script
    unsigned = re.sub(r"(?m)^ *printf .*call sign$", "  :", script)
    assert script != unsigned

    done = site.run(CURL, [image.index.digest], unsigned)

    assert done.returncode != 0, done.stdout
    assert [] == site.forms(image.index.digest)


def test_an_image_that_is_not_there(site: Site) -> None:
    """
    Signed and not attached is not done: the recipe with curl fails, and shows why. The service
    goes on trying; here it is not waited for as long as on the page.
    """
    nowhere = str(Digest.of(b"pushed by nobody"))
    script = recipe(CURL).script
    hasty = script.replace('"waitMs":60000', '"waitMs":300')
    assert script != hasty

    done = site.run(CURL, [nowhere], hasty)

    assert 0 != done.returncode, done.stdout
    assert f"signed {nowhere}" in done.stdout
    assert '"STATE_WAITING"' in done.stderr
    assert '"no-image"' in done.stderr


def test_what_is_installed() -> None:
    """
    What the page has pip install is there, by these extras.
    """
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"pip install[^'`]*'([a-z]+)\[([a-z,]+)\]'", (ROOT / "CI.md").read_text())

    assert named
    for name, extras in named:
        assert name == known["name"]
        assert set(extras.split(",")) <= set(known["optional-dependencies"])
