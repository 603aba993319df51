"""notation accepts what is good and misses what we say it misses.

Nothing here comes from the service, as in test_judges.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop import handmade
from tests.interop.handmade import Jws
from tests.interop.image import TAG, Image
from tests.interop.judging import assert_refused
from tests.interop.notation_judge import NOTATION_IGNORES, Notation
from tests.interop.notation_tampers import notation_tampers
from tests.interop.pushing import Shelf
from tests.interop.reaching import missed

REPOSITORY = "registry.example/team/app"


@pytest.fixture(scope="module")
def good(image: Image) -> Jws:
    index = image.index
    return handmade.make_notation(REPOSITORY, index.digest, index.media_type, index.size)


def test_accepts_the_good_envelope(notation_judge: Notation, image: Image, good: Jws) -> None:
    """
    Notation accepts the handmade envelope in an OCI layout, so a refusal elsewhere has a cause.
    """
    verdict = notation_judge.judge(good.envelope, image=image.layout, root_pem=good.root_pem)

    assert verdict.accepted, verdict.output


def test_finds_it_in_a_registry(
    notation_judge: Notation, image: Image, good: Jws, registry: str
) -> None:
    """
    Notation finds the signature by the fallback tag, and none where only a bundle is.
    """
    with Shelf(f"{registry}/handmade/notation") as shelf:
        digest = shelf.image(image.layout, TAG)
        shelf.refer(digest, bundles=[handmade.make().bundle])
        without = notation_judge.judge_pushed(digest, shelf=shelf, root_pem=good.root_pem)
        shelf.refer(digest, bundles=[handmade.make().bundle], notation=good.envelope)
        found = notation_judge.judge_pushed(digest, shelf=shelf, root_pem=good.root_pem)

    assert not without.accepted, without.output
    assert "no signature is associated" in without.output
    assert found.accepted, found.output


def test_refuses_each_tamper(notation_judge: Notation, image: Image, good: Jws) -> None:
    """
    Notation refuses an envelope with one field changed, unless its table lists that tamper.
    """
    tampered = dict(notation_tampers(good.envelope))

    verdicts = [
        notation_judge.judge(bad, image=image.layout, root_pem=good.root_pem)
        for bad in tampered.values()
    ]

    assert_refused(tampered, verdicts, NOTATION_IGNORES)


def test_refuses_other_inputs(
    notation_judge: Notation, image: Image, good: Jws, tmp_path: Path
) -> None:
    """
    Notation refuses the good envelope under another root, and for another image.
    """
    other_image = Image.made(tmp_path / "layout", "good bye")
    index = image.index
    other = handmade.make_notation(REPOSITORY, index.digest, index.media_type, index.size)
    for layout, root_pem in (
        (image.layout, other.root_pem),
        (other_image.layout, good.root_pem),
    ):
        verdict = notation_judge.judge(good.envelope, image=layout, root_pem=root_pem)
        assert not verdict.accepted, verdict.output


def test_refuses_an_expired_leaf(notation_judge: Notation, image: Image) -> None:
    """
    notation, being strict, refuses a leaf that is out of date now: it has no other time.
    """
    index = image.index
    late = handmade.make_notation(
        REPOSITORY, index.digest, index.media_type, index.size, expired=True
    )

    verdict = notation_judge.judge(late.envelope, image=image.layout, root_pem=late.root_pem)

    assert not verdict.accepted, verdict.output


def test_tampers_reach_every_field(good: Jws) -> None:
    """
    Each value in the good envelope is changed or removed by at least one tamper.
    """
    spoiled = [json.loads(bad) for _, bad in notation_tampers(good.envelope)]

    assert [] == missed(json.loads(good.envelope), spoiled)


def test_ignores_lists_tampers_only(good: Jws) -> None:
    """
    The table names no tamper that does not exist, so a renamed one cannot linger there.
    """
    assert NOTATION_IGNORES.keys() <= dict(notation_tampers(good.envelope)).keys()
