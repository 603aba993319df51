"""Cosign signs with our keys, and the service sees to it that the signatures are there and stay."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.image import Image
from tests.interop.pushing import Shelf
from tests.interop.test_plugins import SIGN, TRUSTING, Pipeline
from tests.signer.asking import eventually
from tests.signer.messaging import prepared
from tests.signer.publish.publishing import Pushed, configure, publishing
from tests.signer.running import InProcess
from verifier.digest import Digest
from verifier.repository import Repository

PATH = "heal/app"


@pytest.fixture
def pushed(registry: str, image: Image) -> Pushed:
    with Shelf(f"{registry}/{PATH}") as shelf:
        digest = shelf.image(image.layout, "1.0")
        return Pushed(Repository(shelf.name), Digest(digest), image.index.size)


class Signers:
    """Real cosigns of two versions, and a service that attaches whatever it signs."""

    def __init__(self, service: InProcess, home: Path, programs: tuple[Path, Path]) -> None:
        home.mkdir()
        self._new, self._old = programs
        self._pipeline = Pipeline(service, home)
        self._service = service
        self._size = service.tree_size

    def sign(self, pushed: Pushed, n: int, *more: str) -> None:
        """Have one of them sign something that no other does."""
        key = ("--key", f"sealbook://release/{pushed.repository}", "--allow-http-registry")
        old = (self._old, "sign", "-y", *self._pipeline.legacy)
        how = (self._new, "sign", *SIGN) if n % 2 else old
        done = self._pipeline.run(*how, *key, "-a", f"n={n}", *more, name(pushed))
        assert done.accepted, done.output

    def check(self, pushed: Pushed, *, once: bool = True) -> int:
        """Check that all they made gets there, and that both read it; return how many."""
        ledger = self._service.ledger
        made = [
            index
            for index in range(self._size, ledger.head.tree_size)
            if ledger.record(index).form in ("bundle", "simplesigning")
        ]
        eventually(lambda: set(made) <= set(pushed.attached))
        assert not once or made == pushed.attached
        verify = ("verify", "--key", "release.pub")
        self._pipeline.does(self._new, *verify, *TRUSTING, name(pushed))
        self._pipeline.does(self._old, *verify, name(pushed))
        return len(made)


def name(pushed: Pushed) -> str:
    return f"{pushed.repository}@{pushed.digest}"


@contextmanager
def signers(registry: str, tmp_path: Path, programs: tuple[Path, Path]) -> Iterator[Signers]:
    world = prepared(tmp_path / "service")
    configure(world, f"{registry}/heal", 'attach = "all"')
    with publishing(world) as service:
        yield Signers(service, tmp_path / "home", programs)


def test_not_uploaded(
    registry: str, pushed: Pushed, tmp_path: Path, cosign: Path, cosign2: Path
) -> None:
    """
    What cosign of either version has us sign, and does not put into the registry itself, is
    attached where the service attaches all that is signed: cosign then accepts the image.
    """
    with signers(registry, tmp_path, (cosign, cosign2)) as those:
        those.sign(pushed, 0, "--upload=false")
        those.sign(pushed, 1, "--upload=false", "--bundle", "bundle.json")
        assert 2 == those.check(pushed)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_at_once(
    registry: str, pushed: Pushed, tmp_path: Path, cosign: Path, cosign2: Path
) -> None:
    """
    Eight cosigns of two versions sign one image at the same time, in a registry without the
    referrers API: every signature is there a while later, and both versions accept it. A cosign
    that is slower than the service puts its own there once more.
    """
    with signers(registry, tmp_path, (cosign, cosign2)) as those, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: those.sign(pushed, n), range(8)))
        assert 8 == those.check(pushed, once=False)
