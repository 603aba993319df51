"""Eight sign one image at once, real cosign among them, where a registry cannot say who was first.

Six are `sealbook sign`, each with a key of its own. Two are cosign, which reads a tag, and writes
it later, whatever happened meanwhile: the new one writes to the index of referrers, the old one to
the tag `.sig`. Both have keys of the service, by the plugin, and the service attaches all that it
signs: what they take from each other, or we from them between looking and writing, is put back.

Nobody can put back what a cosign with a key of its own wrote in that moment, and told nobody of:
the long loop counts how often all of it is there nevertheless.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signer.keys.memory import MemoryKey
from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict, ask_at
from tests.interop.pushing import Shelf
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.asking import eventually
from tests.signer.publish.publishing import configure, publishing
from tests.signer.running import InProcess
from tests.signer.world import found_in

SCRIPTS = Path(sys.executable).parent
OURS, EIGHT = 6, 8
LATEST_S = 1.5  # cosign is faster than Python: it starts at some moment of what ours do
FOREIGN = "cosign"
HEALED = "crowd"


class Crowd:
    """Whoever signs: a home with everybody's keys, and the service that some of them ask."""

    def __init__(self, service: InProcess, home: Path, cosign: Path, cosign2: Path) -> None:
        self._home = home
        self._programs = (cosign, cosign2)
        self._environment = {
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "SEALBOOK_SERVICE": service.addresses.grpc,
            "SEALBOOK_TOKEN_FILE": str(service.directory / "token"),
            "SIGSTORE_REKOR_PUBLIC_KEY": "promise.pub",
            "COSIGN_PASSWORD": "",
        }
        for name in ("trusted_root.json", "promise.pub"):
            shutil.copy(service.directory / name, home / name)
        for n in range(EIGHT):
            key = MemoryKey.load(service.directory / "keys" / f"k{n}.pem")
            (home / f"k{n}.pub").write_bytes(key.public.pem())
        subprocess.run(
            [cosign, "generate-key-pair"],
            cwd=home,
            env={**self._environment, "HOME": str(home)},
            capture_output=True,
            check=True,
        )

    def sign(self, image: str, turn: int, keys: Sequence[str]) -> None:
        """Have all eight sign `image` at once, the two cosigns with `keys`."""
        repository = image.partition("@")[0]
        forms = ("--form", "bundle", "--form", "simplesigning")
        commands: list[list[str | Path]] = [
            ["sealbook", "sign", image, "--key", f"k{n}", *forms] for n in range(OURS)
        ]
        for program, key, more in zip(
            self._programs, keys, (["--use-signing-config=false"], []), strict=True
        ):
            where = "cosign.key" if key == FOREIGN else f"sealbook://{key}/{repository}"
            off = ["-y", "--tlog-upload=false", *more]
            commands.append([program, "sign", *off, "--key", where, image])
        wait = random.Random(turn)
        starts = [0.0] * OURS + [wait.uniform(0, LATEST_S) for _ in keys]
        with ThreadPoolExecutor(EIGHT) as executor:
            for done in executor.map(self._run, commands, starts):
                assert done.accepted, done.output

    def finds(self, image: str, key: str, *, legacy: bool, logged: bool = True) -> Verdict:
        """Say whether cosign, the new one or the old one, finds a signature by `key`."""
        log = ["--trusted-root", "trusted_root.json"] if logged and not legacy else []
        log += [] if logged else ["--insecure-ignore-tlog"]
        program = self._programs[legacy]
        return self._run([program, "verify", "--key", f"{key}.pub", *log, image])

    def _run(self, command: list[str | Path], start_s: float = 0) -> Verdict:
        time.sleep(start_s)
        program = SCRIPTS / command[0] if command[0] == "sealbook" else command[0]
        return ask_at(self._home, [str(program), *map(str, command[1:])], self._environment)


@pytest.fixture(scope="module")
def fake_registry() -> Iterator[str]:
    """A double without the referrers API."""
    with FakeReferrersRegistry(referrers_api=False) as registry:
        yield registry.address


@pytest.fixture(scope="module")
def crowd(
    registry: str,
    fake_registry: str,
    tmp_path_factory: pytest.TempPathFactory,
    cosign: Path,
    cosign2: Path,
) -> Iterator[Crowd]:
    """Eight with keys, and a service that runs, and attaches what it signs."""
    world = found_in(tmp_path_factory.mktemp("crowd") / "service")
    for n in range(EIGHT):
        world.add_key(f"k{n}", MemoryKey.generate("ecdsa-p256"))
    for host in (registry, fake_registry):
        configure(world, f"{host}/{HEALED}", 'attach = "all"')
    with publishing(world) as service:
        yield Crowd(service, tmp_path_factory.mktemp("home"), cosign, cosign2)


@pytest.mark.parametrize(("kind", "turn"), [("registry", 0), ("registry", 1), ("fake_registry", 2)])
def test_nobody_is_lost(
    crowd: Crowd, image: Image, request: pytest.FixtureRequest, kind: str, turn: int
) -> None:
    """
    Afterwards cosign finds the signatures of all eight: the new one bundles, the old one what is
    under the tag `.sig`. Those of ours are there when the command is done, each of them.
    """
    with Shelf(f"{request.getfixturevalue(kind)}/{HEALED}/app{turn}") as shelf:
        shelf.image(image.layout, TAG)
        one = f"{shelf.name}@{image.child}"
        new, old = f"k{OURS}", f"k{OURS + 1}"

        crowd.sign(one, turn, (new, old))

        for n in range(OURS):
            for legacy in (False, True):
                verdict = crowd.finds(one, f"k{n}", legacy=legacy)
                assert verdict.accepted, verdict.output
        eventually(lambda: crowd.finds(one, new, legacy=False, logged=False).accepted)
        eventually(lambda: crowd.finds(one, old, legacy=True, logged=False).accepted)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_foreign_keys(crowd: Crowd, image: Image, registry: str) -> None:
    """
    Where both cosigns have keys of their own, and only their own copy, none of ours is ever lost;
    how often theirs were there, too, is printed.
    """
    rounds, whole = 20, 0
    for turn in range(rounds):
        with Shelf(f"{registry}/foreign/app{turn}") as shelf:
            shelf.image(image.layout, TAG)
            one = f"{shelf.name}@{image.child}"

            crowd.sign(one, turn, (FOREIGN, FOREIGN))

            for n in range(OURS):
                for legacy in (False, True):
                    verdict = crowd.finds(one, f"k{n}", legacy=legacy)
                    assert verdict.accepted, verdict.output
            theirs = [crowd.finds(one, FOREIGN, legacy=it, logged=False) for it in (False, True)]
            whole += all(verdict.accepted for verdict in theirs)
    print(f"all of eight were there after {whole} of {rounds} rounds with foreign keys")
