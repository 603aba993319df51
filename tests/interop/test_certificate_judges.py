"""The judges of certificates accept what is good and miss what we say they miss.

Nothing here comes from the service, as in test_judges.py.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.interop import handmade
from tests.interop.certificate_judges import CERTIFICATE_IGNORES
from tests.interop.handmade import ORIGIN, Handmade
from tests.interop.judges import Judge, judged
from tests.interop.judging import assert_refused
from tests.interop.reaching import missed
from tests.interop.tampers import tampers

GOOD = handmade.make(certified=True)
OTHER = handmade.make(certified=True)
TAMPERED = dict(tampers(GOOD.bundle))


def _trusting(field: str) -> Handmade:
    """Return the good case under a trust root that knows another `field`."""
    root = json.loads(GOOD.trusted_root)
    root[field] = json.loads(OTHER.trusted_root)[field]
    return replace(GOOD, trusted_root=json.dumps(root).encode())


def test_accepts_the_good_bundle(certificate_judge: Judge) -> None:
    """
    Every judge accepts the handmade bundle, so a refusal elsewhere has a cause.
    """
    verdict = judged(certificate_judge, GOOD.bundle, GOOD.given)

    assert verdict.accepted, verdict.output


def test_refuses_each_tamper(certificate_judge: Judge) -> None:
    """
    A judge refuses a bundle with one field changed, unless its table lists that tamper.
    """
    verdicts = certificate_judge.judge(list(TAMPERED.values()), GOOD.given)

    assert_refused(TAMPERED, verdicts, CERTIFICATE_IGNORES[certificate_judge.name])


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(replace(GOOD, identity=f"https://{ORIGIN}/keys/other"), id="identity"),
        pytest.param(replace(GOOD, issuer="https://other.example"), id="issuer"),
        pytest.param(_trusting("tlogs"), id="log"),
        pytest.param(_trusting("certificateAuthorities"), id="certificate authority"),
        pytest.param(_trusting("ctlogs"), id="transparency key"),
        pytest.param(_trusting("timestampAuthorities"), id="timestamp authority"),
    ],
)
def test_refuses_other_inputs(certificate_judge: Judge, case: Handmade) -> None:
    """
    A judge refuses the good bundle when another signer is expected, or any other authority.
    """
    verdict = judged(certificate_judge, case.bundle, case.given)

    assert not verdict.accepted, verdict.output


def test_tampers_reach_every_field() -> None:
    """
    Each value in the good bundle is changed or removed by at least one tamper.
    """
    assert [] == missed(json.loads(GOOD.bundle), [json.loads(bad) for bad in TAMPERED.values()])


def test_ignores_lists_tampers_only() -> None:
    """
    The tables name no tamper that does not exist, so a renamed one cannot linger there.
    """
    listed = {tamper for ignored in CERTIFICATE_IGNORES.values() for tamper in ignored}

    assert listed <= TAMPERED.keys()
