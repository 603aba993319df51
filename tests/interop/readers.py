"""Everybody who reads signatures of images, each by the command that its users type.

A `Home` has what our documentation has people put there, by our own commands. Each reader then
gets nothing but the image's name.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict, ask_at
from tests.interop.notation_judge import CONFIG as NOTATION_CONFIG
from tests.interop.notation_judge import POLICY as NOTATION_POLICY
from tests.interop.peers import Containers
from tests.interop.product import sealbook
from tests.interop.pushing import LegacySignature, Shelf

READERS = ("cosign", "cosign-certificate", "cosign2", "skopeo", "podman", "notation")
PODMANS = ("skopeo", "podman")  # who read what `sealbook trust podman` writes
# Those that look at the digest alone: where an image lies, and for whom it was signed, is
# nothing to them.
ANYWHERE = ("cosign", "cosign-certificate", "cosign2", "notation")


class Programs(NamedTuple):
    """Where each peer is; Podman and skopeo come as `Containers`."""

    cosign: Path
    cosign2: Path
    notation: Path
    containers: Containers


class Home:
    """A home directory in which every reader is set up, trusting one service."""

    def __init__(self, directory: Path, programs: Programs, service: Path) -> None:
        """Set them up in `directory`, by the files of the service at `service`."""
        self.directory = directory
        self._programs = programs
        self._service = service
        directory.mkdir()
        (directory / "bin").mkdir()
        programs.containers.install(directory / "bin", directory)
        for name in ("release.pub", "promise.pub", "trusted_root.json"):
            shutil.copy(service / name, directory)
        store = directory / NOTATION_CONFIG / "truststore" / "x509" / "ca" / "release"
        store.mkdir(parents=True)
        shutil.copy(service / "certificates" / "root.pem", store)
        policy = directory / NOTATION_CONFIG / "trustpolicy.json"
        policy.write_text(json.dumps(NOTATION_POLICY))

    def trust_podman(self, *options: str | Path) -> None:
        """Let Podman and skopeo judge as `sealbook trust podman` has them, with these options."""
        where = self.directory / ".config" / "containers"
        shutil.rmtree(where, ignore_errors=True)
        trust = self._service / "trust.json"
        sealbook("trust", "podman", trust, "--out", where, *options)

    def read(self, reader: str, image: str, *more: str) -> Verdict:
        """Return what `reader` says of `image`, a name with a tag or a digest."""
        command, environment = self._command(reader, image)
        return ask_at(self.directory, [*command, *more], environment)

    def skopeo(self, *words: str) -> Verdict:
        """Have skopeo do something, in the home directory."""
        return ask_at(self.directory, ["bin/skopeo", *words], {"TMPDIR": "/tmp"})

    def _command(self, reader: str, image: str) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        programs, inside = self._programs, {"TMPDIR": "/tmp"}  # of the chroot
        key, root = ("--key", "release.pub"), ("--trusted-root", "trusted_root.json")
        match reader:
            case "cosign":
                return (programs.cosign, "verify", *key, *root, image), {}
            case "cosign-certificate":
                who = ("--certificate-identity", self._identity)
                issuer = ("--certificate-oidc-issuer", self._issuer)
                return (programs.cosign, "verify", *who, *issuer, *root, image), {}
            case "cosign2":
                promises = {"SIGSTORE_REKOR_PUBLIC_KEY": "promise.pub"}
                return (programs.cosign2, "verify", *key, image), promises
            case "skopeo":
                copy = ("copy", "--quiet", "--src-tls-verify=false")
                return ("bin/skopeo", *copy, f"docker://{image}", "dir:/tmp/image"), inside
            case "podman":
                return ("bin/podman", "pull", "--quiet", "--tls-verify=false", image), inside
            case _:
                return (programs.notation, "verify", "--insecure-registry", image), {}

    @property
    def _issuer(self) -> str:
        config = tomllib.loads((self._service / "sealbook.toml").read_text())
        return f"https://{config['origin']}"

    @property
    def _identity(self) -> str:
        return f"{self._issuer}/keys/release"


class There:
    """A registry with an image of two platforms, signed by one command, and its readers."""

    def __init__(self, address: str, image: Image, config: Path, home: Home) -> None:
        self.address = address
        self.image = image
        self.config = config
        self.home = home
        self.name = f"{address}/readers/app"
        self.digests = [image.index.digest, *image.children]

    @property
    def lookaside(self) -> str:
        """The service, as Podman is told of it."""
        return f"http://{self._listen['http']}"

    @property
    def grpc(self) -> str:
        """The service, as our own clients are."""
        return self._listen["grpc"]

    @property
    def _listen(self) -> dict[str, str]:
        listen: dict[str, str] = tomllib.loads(self.config.read_text())["listen"]
        return listen

    def push(self, path: str, image: Image | None = None, tag: str = TAG) -> str:
        """Put an image into another repository, unsigned; return its name."""
        with Shelf(f"{self.address}/{path}") as shelf:
            shelf.image((image or self.image).layout, tag)
            return shelf.name

    def sign(self, *images: str | Path) -> list[dict[str, Any]]:
        """Sign images by one command, which may have more options; return what it says."""
        forms = ("--form", "bundle", "--form", "certificate", "--form", "simplesigning")
        lines = sealbook(
            *("sign", *images, *forms, "--form", "notation"), "--config", self.config, "--json"
        )
        return [json.loads(line) for line in lines.splitlines()]

    def revoke(self, *options: str) -> None:
        """Take something back."""
        sealbook("revoke", *options, "--reason", "a test", "--config", self.config)

    def files(self, out: Path) -> dict[str, dict[str, bytes]]:
        """Return every signature of the image by digest and form; asking again makes none."""
        told = self.sign(f"{self.name}:{TAG}", "--out", out)
        return {
            line["digest"]: {
                one["form"]: Path(one["file"]).read_bytes() for one in line["signatures"]
            }
            for line in told
        }


def put_beside(shelf: Shelf, digest: str, signatures: Mapping[str, bytes]) -> None:
    """Have a registry claim that these are the signatures of `digest`."""
    shelf.legacy(digest, LegacySignature.parse(signatures["simplesigning"]))
    bundles = [signatures[form] for form in ("certificate", "bundle")]
    shelf.refer(digest, bundles=bundles, notation=signatures["notation"])
