"""Messages that notation's own client makes: its machine's zone, its user's expiry."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.verifier.making import IMAGE, refused
from verifier import jws

SCHEME, EXPIRY = "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"
TIME = "io.cncf.notary.signingTime"
NOON = 1_795_608_000  # 2026-11-25T12:00:00Z


def message(**change: Any) -> bytes:
    """Return what notation 1.3.2 hands to a plugin, changed in its protected header."""
    header = {
        "alg": "ES256",
        "crit": [SCHEME],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        SCHEME: "notary.x509",
        TIME: "2026-11-25T12:00:00Z",
        **change,
    }
    target = {"digest": IMAGE, "mediaType": "application/vnd.oci.image.index.v1+json", "size": 491}
    parts = (header, {"targetArtifact": target})
    return b".".join(urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)


@pytest.mark.parametrize(
    "text", ["2026-11-25T12:00:00Z", "2026-11-25T13:30:00+01:30", "2026-11-25T02:00:00-10:00"]
)
def test_zones(text: str) -> None:
    """
    A signing time may be written in any zone, and is the same moment.
    """
    assert NOON == jws.parse(message(**{TIME: text})).signing_time


@pytest.mark.parametrize("text", ["2026-11-25T12:00:00", "2026-11-25T12:00:00+24:00", "noon", ""])
def test_no_time(text: str) -> None:
    """
    Whatever else is no time.
    """
    refused("malformed", lambda: jws.parse(message(**{TIME: text})))


def test_expiry() -> None:
    """
    A signature may expire, and then says that readers must know what that means.
    """
    later = {EXPIRY: "2026-11-26T12:00:00Z"}

    assert NOON == jws.parse(message(**later, crit=[SCHEME, EXPIRY])).signing_time
    refused("malformed", lambda: jws.parse(message(**{EXPIRY: "never"}, crit=[SCHEME, EXPIRY])))
    refused("unsupported-version", lambda: jws.parse(message(**later)))
    refused("unsupported-version", lambda: jws.parse(message(crit=[SCHEME, EXPIRY])))
