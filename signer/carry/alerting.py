"""Telling somebody that an image was refused, before it could reach a registry.

    POST URL
    {"type":"urn:sealbook:refused:v1","at":"2026-11-26T10:40:00Z","repository":"…",
     "tag":"1.4","source":"oci:…","digest":"sha256:…",
     "refused":[{"digest":"sha256:…","code":"not-approved","message":"…"}]}

The refusal stands whether or not anybody heard of it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping

from ledger.transport import Request, Transport, TransportError
from verifier._strict import utc

TYPE = "urn:sealbook:refused:v1"
TIMEOUT_S = 10.0


def alert(
    transport: Transport, url: str, told: Mapping[str, object], *, timeout_s: float = TIMEOUT_S
) -> None:
    """Post `told` to `url`; when this returns, somebody took it.

    Raises:
        TransportError: nobody did, within `timeout_s`.
    """
    body = json.dumps({"type": TYPE, "at": utc(int(time.time())), **told}).encode()
    headers = (("content-type", "application/json"),)
    request = Request("POST", url, body, headers, 1 << 16, timeout_s)
    ends: list[int | TransportError] = []

    def send() -> None:
        try:
            ends.append(transport(request).status)
        except TransportError as e:
            ends.append(e)

    # Whoever trickles their answer could keep a transport for long, and the build with it.
    thread = threading.Thread(target=send, name="alert", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not ends:
        raise TransportError(f"{url}: no answer in {timeout_s} s")
    [end] = ends
    if isinstance(end, TransportError):
        raise end
    if not 200 <= end < 300:
        raise TransportError(f"{url}: expected status 2xx, found {end}")
