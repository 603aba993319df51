"""Eight of us at one image at once, where a registry has no way to say who was first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from signer.attach import Attached, Attaching, Made, Patience
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.attach.shelves import attached, expected, pushed, repository, signed
from tests.signer.running import InProcess
from verifier.pull.images import Descriptor

EIGHT, ROUNDS = 8, 3
FORMS = ("bundle", "simplesigning")
SOON = Patience(settle_s=0.4, total_s=60)


@pytest.fixture
def address() -> Iterator[str]:
    """A registry without the referrers API."""
    with FakeReferrersRegistry(referrers_api=False) as registry:
        yield registry.address


def attach_at_once(address: str, image: Descriptor, each: list[list[Made]]) -> list[Attached]:
    """Attach each of `each` as somebody of their own, all from the same moment on."""
    together = Barrier(len(each))

    def attach(made: list[Made]) -> Attached:
        with repository(address) as app, Attaching(SOON) as attaching:
            together.wait()
            attaching.start(app, image, made)
            [end] = attaching.finish()
            return end

    with ThreadPoolExecutor(len(each)) as executor:
        return list(executor.map(attach, each))


def test_eight_signatures(signer: InProcess, address: str) -> None:
    """
    Eight who attach another signature each leave all eight, in both places, in every round.
    """
    with repository(address) as app:
        for turn in range(ROUNDS):
            image = pushed(app, turn)
            each = [signed(signer, app, image, n=n, forms=FORMS) for n in range(1, EIGHT + 1)]

            ends = attach_at_once(address, image, each)

            assert not [one for end in ends for one in end.refused]
            assert expected([one for made in each for one in made]) == attached(app, image)


def test_eight_times_the_same(signer: InProcess, address: str) -> None:
    """
    Eight runs of one job leave its signature, and whoever reads the list finds it.
    """
    with repository(address) as app:
        image = pushed(app)
        each = [signed(signer, app, image, forms=FORMS) for _ in range(EIGHT)]

        ends = attach_at_once(address, image, each)

        found = attached(app, image)
        assert not [one for end in ends for one in end.refused]
        assert {one.index for one in each[0]} == {n for indices in found.values() for n in indices}
        assert 1 == len(found["simplesigning"])
