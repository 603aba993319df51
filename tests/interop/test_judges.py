"""The judges accept what is good, refuse what is not, and miss what we say they miss.

Nothing here comes from the service: bundle and trust root are handmade. The
service's own bundles meet the same judges elsewhere, spoiled by the same tampers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop import handmade
from tests.interop.handmade import ORIGIN, Handmade
from tests.interop.judges import IGNORES, Cosign, Judge, SigstoreJs, judged
from tests.interop.judging import Verdict, assert_refused
from tests.interop.reaching import missed
from tests.interop.tampers import tampers

GOOD = handmade.make()
OTHER = handmade.make()
TAMPERED = dict(tampers(GOOD.bundle))


def _judged(judge: Judge, case: Handmade) -> Verdict:
    return judged(judge, case.bundle, case.given)


def test_accepts_the_good_bundle(judge: Judge) -> None:
    """
    Every judge accepts the handmade bundle, so a refusal elsewhere has a cause.
    """
    verdict = _judged(judge, GOOD)

    assert verdict.accepted, verdict.output


def test_refuses_each_tamper(judge: Judge) -> None:
    """
    A judge refuses a bundle with one field changed, unless IGNORES lists that tamper.
    """
    verdicts = judge.judge(list(TAMPERED.values()), GOOD.given)

    assert_refused(TAMPERED, verdicts, IGNORES[judge.name])


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(replace(GOOD, public_key_pem=OTHER.public_key_pem), id="public key"),
        pytest.param(replace(GOOD, trusted_root=OTHER.trusted_root), id="log key"),
        pytest.param(
            replace(GOOD, trusted_root=GOOD.trusted_root.replace(ORIGIN.encode(), b"a.example")),
            id="log name",
        ),
        pytest.param(replace(GOOD, bundle=b"{}"), id="empty bundle"),
        pytest.param(replace(GOOD, bundle=b""), id="no bundle"),
    ],
)
def test_refuses_other_inputs(judge: Judge, case: Handmade) -> None:
    """
    A judge refuses the good bundle under another key or log, and what is no bundle.
    """
    verdict = _judged(judge, case)

    assert not verdict.accepted, verdict.output


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(replace(GOOD, digest=f"sha256:{'0' * 64}"), id="digest"),
        pytest.param(replace(GOOD, predicate_type="https://example.com/x"), id="predicate type"),
    ],
)
def test_who_compares_the_statement(judge: Judge, case: Handmade) -> None:
    """
    Only cosign refuses a statement about something else: @sigstore/verify does not look.
    """
    verdict = _judged(judge, case)

    assert (judge.name == SigstoreJs.name) == verdict.accepted, verdict.output


def test_cosign_reads_times_when_told(cosign: Path) -> None:
    """
    Without --use-signed-timestamps cosign looks at no timestamp of a bundle under a managed key.
    """
    timestamps = [bad for name, bad in TAMPERED.items() if name.startswith("timestamp")]

    assert timestamps
    for verdict in Cosign(cosign).judge(timestamps, GOOD.given):
        assert verdict.accepted, verdict.output


def test_tampers_reach_every_field() -> None:
    """
    Each value in the good bundle is changed or removed by at least one tamper.
    """
    spoiled = [json.loads(bad) for bad in TAMPERED.values()]

    assert [] == missed(json.loads(GOOD.bundle), spoiled)


def test_ignores_lists_tampers_only() -> None:
    """
    IGNORES names no tamper that does not exist, so a renamed one cannot linger there.
    """
    listed = {tamper for ignored in IGNORES.values() for tamper in ignored}

    assert listed <= TAMPERED.keys()
