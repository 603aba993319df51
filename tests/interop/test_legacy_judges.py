"""The judges of the legacy form accept what is good and miss what we say they miss.

Nothing here comes from the service, as in test_judges.py. Podman is judged in full
like skopeo: both have one library inside, but each its own way to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.interop import handmade
from tests.interop.handmade import Legacy
from tests.interop.image import TAG, Image
from tests.interop.judging import Verdict, assert_refused
from tests.interop.legacy_judges import LEGACY_IGNORES, Cosign2, LegacyJudge, judged_alone
from tests.interop.legacy_tampers import legacy_tampers
from tests.interop.pushing import Shelf
from tests.interop.reaching import missed


class Pushed(NamedTuple):
    """An image that is in a registry, and a good signature of the child that runs here."""

    shelf: Shelf
    image: Image
    good: Legacy

    def judged(self, judge: LegacyJudge, signature: bytes, keys: Legacy | None = None) -> Verdict:
        keys = keys or self.good
        return judged_alone(
            judge,
            signature,
            self.image.child,
            shelf=self.shelf,
            public_key_pem=keys.public_key_pem,
            promise_key_pem=keys.promise_key_pem,
        )


@pytest.fixture(scope="module")
def pushed(registry: str, image: Image) -> Iterator[Pushed]:
    with Shelf(f"{registry}/handmade/legacy") as shelf:
        shelf.image(image.layout, TAG)
        yield Pushed(shelf, image, handmade.make_legacy(shelf.name, image.child))


def test_accepts_the_good_signature(pushed: Pushed, legacy_judge: LegacyJudge) -> None:
    """
    Every judge accepts the handmade signature, so a refusal elsewhere has a cause.
    """
    verdict = pushed.judged(legacy_judge, pushed.good.sigstore_json)

    assert verdict.accepted, verdict.output


def test_refuses_each_tamper(pushed: Pushed, legacy_judge: LegacyJudge) -> None:
    """
    A judge refuses a signature with one field changed, unless its table lists that tamper.
    """
    tampered = dict(legacy_tampers(pushed.good.sigstore_json))

    verdicts = [pushed.judged(legacy_judge, bad) for bad in tampered.values()]

    assert_refused(tampered, verdicts, LEGACY_IGNORES[legacy_judge.name])


def test_refuses_other_keys(pushed: Pushed, legacy_judge: LegacyJudge) -> None:
    """
    A judge refuses the good signature under another signing key, and under another log's key.
    """
    good = pushed.good
    other = handmade.make_legacy(pushed.shelf.name, pushed.image.child)
    for keys in (
        good._replace(public_key_pem=other.public_key_pem),
        good._replace(promise_key_pem=other.promise_key_pem),
    ):
        verdict = pushed.judged(legacy_judge, good.sigstore_json, keys)
        assert not verdict.accepted, verdict.output


@pytest.mark.parametrize("what", ["digest", "repository"])
def test_who_compares_the_payload(pushed: Pushed, legacy_judge: LegacyJudge, what: str) -> None:
    """
    A judge refuses a good signature of another image; of another repository all but cosign do.
    """
    other = {
        "digest": handmade.make_legacy(pushed.shelf.name, pushed.image.index.digest),
        "repository": handmade.make_legacy("other.example/app", pushed.image.child),
    }[what]

    verdict = pushed.judged(legacy_judge, other.sigstore_json, other)

    overlooked = what == "repository" and legacy_judge.name == Cosign2.name
    assert overlooked == verdict.accepted, verdict.output


def test_tampers_reach_every_field(pushed: Pushed) -> None:
    """
    Each value in the good signature is changed or removed by at least one tamper.
    """
    spoiled = [_opened(bad) for _, bad in legacy_tampers(pushed.good.sigstore_json)]

    assert [] == missed(_opened(pushed.good.sigstore_json), spoiled)


def test_ignores_lists_tampers_only(pushed: Pushed) -> None:
    """
    The tables name no tamper that does not exist, so a renamed one cannot linger there.
    """
    listed = {tamper for ignored in LEGACY_IGNORES.values() for tamper in ignored}

    assert listed <= dict(legacy_tampers(pushed.good.sigstore_json)).keys()


def _opened(sigstore_json: bytes) -> object:
    """Return the whole document: the annotation that is JSON in a text, too."""
    value = json.loads(sigstore_json)
    text = value["annotations"].get("dev.sigstore.cosign/bundle")
    return {**value, "bundle": json.loads(text) if text else None}
