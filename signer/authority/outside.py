"""An outside timestamp authority, asked over HTTP (RFC 3161, 3.4) and believed only when checked.

What it answers goes into a record for good, so that nothing is kept which the
configured chain does not verify, over just these bytes.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from ledger.transport import Request, Transport
from signer.authority.der import SHA256, TRUE, integer, octets, sequence
from signer.errors import ConfigError, TimestampError
from verifier.errors import SealbookError

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse, Verifier

_MOST = 64 << 10  # bytes of an answer
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"


class OutsideAuthority:
    """Asks the authority at `url`; `chain` is DER, its own certificate first, the root last."""

    local = False

    def __init__(
        self, url: str, chain: tuple[bytes, ...], transport: Transport, timeout_s: float = 5.0
    ) -> None:
        """Ask through `transport`, for at most `timeout_s`.

        Raises:
            ConfigError: the library that checks answers is not installed, or `chain` is too short.
        """
        if len(chain) < 2:
            raise ConfigError("expected the authority's certificate and its root")
        self._url = url
        self._transport = transport
        self._timeout_s = timeout_s
        self._verifier = _verifier(chain)

    def stamp(self, signature: bytes) -> bytes:
        """Return the authority's TimeStampResp (DER) over the SHA-256 of `signature`.

        Raises:
            TimestampError: no answer, or not one that holds.
        """
        nonce = secrets.randbits(63)
        answer = self._asked(signature, nonce)
        response = _decoded(answer)
        if response.tst_info.nonce != nonce:
            raise TimestampError("the timestamp answers another question")
        if not _holds(self._verifier, response, signature):
            raise TimestampError("the timestamp is not by the configured authority")
        return answer

    def _asked(self, signature: bytes, nonce: int) -> bytes:
        imprint = sequence(SHA256, octets(hashlib.sha256(signature).digest()))
        query = sequence(integer(1), imprint, integer(nonce), TRUE)
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
    builder = VerifierBuilder().tsa_certificate(own).add_root_certificate(above[-1])
    for between in above[:-1]:
        builder = builder.add_intermediate_certificate(between)
    return builder.build()


def _decoded(answer: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    try:
        response = decode_timestamp_response(answer)
        granted = response.status == 0 and response.tst_info is not None
    except ValueError as e:
        raise TimestampError("the authority did not answer with a timestamp") from e
    if not granted:
        raise TimestampError(f"the authority refused: status {response.status}")
    return response


def _holds(verifier: Verifier, response: TimeStampResponse, signature: bytes) -> bool:
    from rfc3161_client import VerificationError

    try:
        return bool(verifier.verify_message(response, signature))
    except VerificationError:
        return False
