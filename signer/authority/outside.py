"""An outside timestamp authority, asked over HTTP (RFC 3161, 3.4) and believed only when checked.

What it answers goes into a record for good, so that nothing is kept which the
configured chain does not verify, over just these bytes, at about this time.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ledger.transport import Request, Transport
from signer.authority.der import SHA256, integer, octets, sequence
from signer.errors import ConfigError, TimestampError
from verifier.errors import SealbookError

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse, Verifier

_MOST = 64 << 10  # bytes of an answer
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_APART_S = 60  # more, and certificates around our time would not fit to theirs


class OutsideAuthority:
    """Asks the authority at `url`; `chain` is DER, its own certificate first, the root last."""

    waits = True

    def __init__(
        self,
        url: str,
        chain: tuple[bytes, ...],
        transport: Transport,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask through `transport`, for at most `timeout_s`; `clock` is what times are held against.

        Raises:
            ConfigError: the library that checks answers is not installed.
        """
        self._url = url
        self._transport = transport
        self._timeout_s = timeout_s
        self._clock = clock
        self._verifier = _verifier(chain)

    def stamp(self, signature: bytes) -> bytes:
        """Return the authority's TimeStampResp (DER) over the SHA-256 of `signature`.

        Raises:
            TimestampError: no answer, or not one that holds.
        """
        digest, nonce = hashlib.sha256(signature).digest(), secrets.randbits(63)
        before = self._clock()
        answer = self._asked(digest, nonce)
        after = self._clock()
        response = _granted(answer)
        info = response.tst_info
        imprint = info.message_imprint
        if (info.nonce, imprint.hash_algorithm.dotted_string) != (nonce, _SHA256):
            raise TimestampError("the timestamp answers another question")
        if not _holds(self._verifier, response, digest):
            raise TimestampError("the timestamp is not by the configured authority, or not of this")
        if not before - _APART_S <= info.gen_time.timestamp() <= after + _APART_S:
            raise TimestampError(
                f"expected a timestamp of now, found {info.gen_time.isoformat()}",
                hint="the authority's clock and ours differ",
            )
        return answer

    def _asked(self, digest: bytes, nonce: int) -> bytes:
        # Without certReq: the chain is configured, and certificates in a token, which many
        # authorities send in an order that is no DER, would make it unreadable to clients.
        query = sequence(integer(1), sequence(SHA256, octets(digest)), integer(nonce))
        headers = (("content-type", _QUERY), ("accept", _REPLY))
        request = Request("POST", self._url, query, headers, _MOST, self._timeout_s)
        try:
            answer = self._transport(request)
        except SealbookError as e:
            raise TimestampError(f"no timestamp from {self._url}: {e.message}") from e
        if answer.status not in (200, 201):
            raise TimestampError(f"no timestamp from {self._url}: status {answer.status}")
        return answer.body


def _verifier(chain: tuple[bytes, ...]) -> Verifier:
    try:
        from rfc3161_client import VerifierBuilder
    except ModuleNotFoundError as e:
        raise ConfigError(
            "an outside timestamp authority needs rfc3161-client",
            hint="pip install 'sealbook[timestamp]'",
        ) from e
    from cryptography import x509

    own, *above = map(x509.load_der_x509_certificate, chain)
    return VerifierBuilder(tsa_certificate=own, intermediates=above[:-1], roots=above[-1:]).build()


def _granted(answer: bytes) -> TimeStampResponse:
    """Return the response in `answer`, which has a timestamp in it."""
    from rfc3161_client import decode_timestamp_response

    try:
        response = decode_timestamp_response(answer)
        status = response.status
        if status == 0:
            _ = response.tst_info  # parses it
    except ValueError as e:
        raise TimestampError("the authority did not answer with a timestamp") from e
    if status != 0:
        raise TimestampError(f"the authority granted no timestamp: status {status}")
    return response


def _holds(verifier: Verifier, response: TimeStampResponse, digest: bytes) -> bool:
    from rfc3161_client import VerificationError

    try:
        return bool(verifier.verify(response, digest))
    except (VerificationError, ValueError):  # ValueError: certificates that cannot be read
        return False
