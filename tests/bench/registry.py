"""Images in a registry: signed, listed, copied and published, beside others' tools.

The registry is docker-registry, with files on the disk that is measured. What is compared with
cosign or skopeo has its turn in the same run, on the same registry and the same bytes.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from signer.client import Client
from signer.order import Item
from tests.bench import rounds
from tests.bench.load import FORMS
from tests.crash.service import SEALBOOK, Service
from tests.interop.peers import PeerUnavailable, containers, cosign, docker_registry
from tests.interop.pushing import CONFIG, MANIFEST, Descriptor, Shelf
from tests.interop.registry import serving_registry

EACH = 50  # images of a repository
LAYERS = 4  # of the image that is copied
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")
_LOOK_S, _MOST = 0.1, 10_000
_TIMEOUT_S = 600
_PUBLISHED = """
[[registries]]
prefix = "{}"
publish = true
"""


class Done(NamedTuple):
    """So many images or manifests, in so many seconds; CPU of the command and of the service."""

    count: int
    seconds: float
    client_s: float = 0.0
    service_s: float = 0.0

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds


class Copied(NamedTuple):
    """The seconds of each copy of the same `size` bytes, in the order of the rounds."""

    size: int
    ours: list[float]
    theirs: list[float]

    @property
    def part(self) -> float:
        """What ours takes beside skopeo's: the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


class Measured(NamedTuple):
    """All of it; None where the program to compare with cannot be had."""

    signed: Done
    cosign: Done | None
    inventory: Done
    published: Done
    copied: Copied | None


class Image(NamedTuple):
    """A small image of one platform that lies in the registry."""

    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """As people name it."""
        return f"{self.repository}:{self.tag}"


def measure(scratch: Path, size: rounds.Registry, step: Callable[[str], None]) -> Measured | None:
    """Measure in `scratch`; None when there is no registry to be had."""
    try:
        program = docker_registry()
    except PeerUnavailable:
        return None
    place = scratch / "images"
    place.mkdir()
    with serving_registry(program, place, on_disk=True) as host:
        more = _PUBLISHED.format(host)
        with Service(scratch / "service-of-images", more=more) as service:
            service.start()
            step("images in a registry")
            ours, theirs, later = (
                push(host, name, count)
                for name, count in (
                    ("ours", size.images),
                    ("theirs", size.cosign),
                    ("later", size.images),
                )
            )
            step("sealbook sign of images in a registry")
            signed = _sign(service, place, ours)
            step("sealbook inventory")
            inventory = _inventory(f"{host}/ours")
            step("Publish")
            published = _publish(service, later)
            service.stop()
        step("cosign sign of images in a registry")
        beside = _cosign(place, theirs)
        step("copying images")
        copied = _copying(program, scratch, host, size)
    return Measured(signed, beside, inventory, published, copied)


def push(host: str, under: str, count: int) -> list[Image]:
    """Put `count` small images into the registry, `EACH` of a repository."""
    made = []
    for start in range(0, count, EACH):
        name = f"{host}/{under}/app{start // EACH}"
        with Shelf(name) as shelf:
            layer = shelf.blob(_LAYER, name.encode())
            for n in range(start, min(start + EACH, count)):
                pushed = _image(shelf, [layer], f"v{n}")
                made.append(Image(name, f"v{n}", pushed.digest))
    return made


def _image(shelf: Shelf, layers: Sequence[Descriptor], tag: str) -> Descriptor:
    files = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
    config = {"architecture": "amd64", "os": "linux", "author": tag, "rootfs": files}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": shelf.blob(CONFIG, json.dumps(config).encode()).json,
        "layers": [layer.json for layer in layers],
    }
    return shelf.manifest(MANIFEST, json.dumps(manifest).encode(), tag)


def _sign(service: Service, scratch: Path, images: Sequence[Image]) -> Done:
    """Sign and attach by one command, from spawn to exit."""
    named = scratch / "images.txt"
    named.write_text("".join(f"{image.name}\n" for image in images))
    forms = [word for form in FORMS for word in ("--form", form)]
    begun = _clocks(service.pid)
    words = (*forms, "--out", str(scratch), "--service", service.addresses.grpc)
    done = service.command("sign", "--from-file", str(named), *words)
    spent = [now - then for now, then in zip(_clocks(service.pid), begun, strict=True)]
    assert done.returncode == 0, done.stderr[-2000:]
    return Done(len(images), *spent)


def _clocks(pid: int) -> tuple[float, float, float]:
    """Return the time, and the CPU time of all commands that have ended, and of a process."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # user and system, of all threads
    return (
        time.perf_counter(),
        children.ru_utime + children.ru_stime,
        ticks / os.sysconf("SC_CLK_TCK"),
    )


def _inventory(under: str) -> Done:
    """List what is under a prefix, with what signs it."""
    begun = time.perf_counter()
    told = _run(*SEALBOOK, "inventory", under, "--json")
    seconds = time.perf_counter() - begun
    return Done(len(told.splitlines()) - 1, seconds)  # the last line is the coverage


def _publish(service: Service, images: Sequence[Image]) -> Done:
    """Have the service attach what it has signed; from the first call until all are attached."""
    each: dict[str, list[str]] = {}
    for image in images:
        each.setdefault(image.repository, []).append(image.digest)
    with Client(service.addresses.grpc, service.token) as client:
        for repository, digests in each.items():
            items = [Item(digest) for digest in digests]
            client.sign_batch(repository, items, forms=FORMS)
        begun = time.perf_counter()
        for repository, digests in each.items():
            client.publish(repository, digests)
        while client.publications(waiting=True):
            time.sleep(_LOOK_S)
        seconds = time.perf_counter() - begun
        ends = [one.state for one in client.publications(limit=_MOST)]
        assert len(images) == ends.count("attached")
    return Done(len(images), seconds)


def _cosign(scratch: Path, images: Sequence[Image]) -> Done | None:
    """Sign one image after the other with cosign and a key in a file, without a log."""
    try:
        program = cosign()
    except PeerUnavailable:
        return None
    known = {"PATH": os.environ["PATH"], "HOME": str(scratch), "COSIGN_PASSWORD": ""}
    _run(str(program), "generate-key-pair", cwd=scratch, env=known)
    offline = ("--tlog-upload=false", "--use-signing-config=false")
    begun = time.perf_counter()
    for image in images:
        words = ("sign", "--yes", "--key", "cosign.key", *offline)
        _run(str(program), *words, f"{image.repository}@{image.digest}", cwd=scratch, env=known)
    return Done(len(images), time.perf_counter() - begun)


def _copying(program: Path, scratch: Path, host: str, size: rounds.Registry) -> Copied | None:
    """Copy one image to empty registries, by ours and by skopeo in turn."""
    try:
        others = containers()
    except PeerUnavailable:
        return None
    chance = random.Random(1)
    with Shelf(f"{host}/large/app") as shelf:
        pieces = [chance.randbytes(size.copied // LAYERS) for _ in range(LAYERS)]
        _image(shelf, [shelf.blob(_LAYER, piece) for piece in pieces], "1.0")
    source, target = f"{host}/large/app:1.0", "{}/large/app:1.0"

    def ours(to: str) -> None:
        _run(*SEALBOOK, "copy", source, target.format(to))

    def theirs(to: str) -> None:
        places = (f"docker://{source}", f"docker://{target.format(to)}")
        done = others.run(scratch, "skopeo", "--insecure-policy", "copy", *_PLAIN, *places)
        assert done.returncode == 0, done.stdout

    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    turns = [("ours", ours), ("theirs", theirs)]
    for n in range(size.copies):
        for who, copy in turns:
            to = scratch / f"copy-{n}-{who}"
            to.mkdir()
            with serving_registry(program, to, on_disk=True) as empty:
                begun = time.perf_counter()
                copy(empty)
                taken[who].append(time.perf_counter() - begun)
            shutil.rmtree(to)
        turns.reverse()
    return Copied(size.copied, taken["ours"], taken["theirs"])


def _run(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    return done.stdout
