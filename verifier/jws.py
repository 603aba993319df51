"""Notation's form: a JWS envelope under an X.509 chain.

    payload    {"targetArtifact":{"annotations":{…},"digest":"sha256:…",
                "mediaType":"application/vnd.oci.image.manifest.v1+json","size":527}}
    protected  {"alg":"ES256","cty":"application/vnd.cncf.notary.payload.v1+json",
                "crit":["io.cncf.notary.signingScheme"],
                "io.cncf.notary.signingScheme":"notary.x509",
                "io.cncf.notary.signingTime":"2026-11-25T20:00:00Z"}

What is signed, and kept as the body, is base64url(protected) "." base64url(payload).
The signing time is mandatory. Our payloads are canonical JSON; those of notation's
own client are whatever it prints, with times in its machine's zone, and an expiry
("io.cncf.notary.expiry", critical too) when its user wants one.

A signature that is for verifiers with our plugin only has three more, critical too:
"io.cncf.notary.verificationPlugin", its "…MinVersion", and "sealbook.signature", 32 random
hexadecimal digits. They are all that notation tells the plugin of what it verifies.

Spec: github.com/notaryproject/specifications, signature-envelope-jws.md; RFC 7515.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import (
    Fields,
    b64,
    b64encode,
    canonical_json,
    hexadecimal,
    json_object,
    rfc3339,
    utc,
)
from verifier.algorithms import ALGORITHMS
from verifier.digest import Digest
from verifier.errors import Base64Error, MalformedError, UnsupportedError

MEDIA_TYPE = "application/jose+json"
_CONTENT = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME, _TIME = "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime"
_EXPIRY = "io.cncf.notary.expiry"
_X509 = "notary.x509"
PLUGIN, NUMBER = "sealbook", "sealbook.signature"
_PLUGIN, _PLUGIN_VERSION = (
    "io.cncf.notary.verificationPlugin",
    "io.cncf.notary.verificationPluginMinVersion",
)
_VERIFIES_SINCE = "0.1.0"  # the first version of the plugin that verifies
_ALGORITHMS = {row.name: row for row in ALGORITHMS if row.notation}
_ZONE = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*", re.ASCII)


class TargetArtifact(NamedTuple):
    """What the signature is about: the descriptor of a manifest."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str]


class SigningInput(NamedTuple):
    """A parsed message. Nothing in it is trusted yet; `signing_time` is POSIX seconds.

    `number` is what our plugin knows the signature by; "" of one that does not ask for it.
    """

    target: TargetArtifact
    algorithm: str
    signing_time: int
    payload: bytes
    number: str = ""

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Parse a JWS signing input.

        Raises:
            Base64Error, MalformedError: another shape.
            UnsupportedError: another algorithm, content or signing scheme.
        """
        protected, dot, payload = message.partition(b".")
        if not dot or len(message) > 2 * limits.PAYLOAD:
            raise MalformedError("expected a JWS signing input")
        header = Fields(json_object(_decode(protected), limit=limits.PAYLOAD), "protected")
        algorithm, content = header.text("alg"), header.text("cty")
        critical, scheme = header.items("crit", most=8), header.text(_SCHEME)
        when = _seconds(header.text(_TIME))
        expires = header.has(_EXPIRY)
        if expires:
            _seconds(header.text(_EXPIRY))
        number = _number(header) if header.has(_PLUGIN) else ""
        header.done()
        known = [row.notation for row in _ALGORITHMS.values()]
        if algorithm not in known:
            raise UnsupportedError(f"expected {' or '.join(known)}, found {algorithm[:40]!r}")
        if (content, scheme) != (_CONTENT, _X509):
            raise UnsupportedError("expected notation's content type and its scheme notary.x509")
        expected = [_SCHEME] + [_EXPIRY] * expires + _asking() * bool(number)
        if critical != expected:
            raise UnsupportedError(f"expected critical {', '.join(expected)}, in this order")
        raw = _decode(payload)
        return cls(_target(raw), algorithm, when, raw, number)


def parse(message: bytes) -> SigningInput:
    """Parse a JWS signing input; see `SigningInput.parse`."""
    return SigningInput.parse(message)


def payload(target: TargetArtifact) -> bytes:
    """Return the payload about `target`; the same for the same target."""
    value: dict[str, object] = {
        "mediaType": target.media_type,
        "digest": target.digest,
        "size": target.size,
    }
    if target.annotations:
        value["annotations"] = dict(target.annotations)
    return canonical_json({"targetArtifact": value})


def signing_input(algorithm: str, when: int, content: bytes, number: str = "") -> bytes:
    """Return the message for `content`, signed at `when` by a key of our `algorithm`.

    With a `number` it asks for our plugin, and whoever lacks that cannot verify it.

    Raises:
        UnsupportedError: notation has no name for such signatures of ours.
    """
    if algorithm not in _ALGORITHMS:
        raise UnsupportedError(f"expected an ECDSA key for notation, found {algorithm}")
    header: dict[str, object] = {
        "alg": _ALGORITHMS[algorithm].notation,
        "cty": _CONTENT,
        "crit": [_SCHEME],
        _SCHEME: _X509,
        _TIME: utc(when),
    }
    if number:
        header["crit"] = [_SCHEME, *_asking()]
        header |= {_PLUGIN: PLUGIN, _PLUGIN_VERSION: _VERIFIES_SINCE, NUMBER: number}
    return _encode(canonical_json(header)) + b"." + _encode(content)


def envelope(message: bytes, signature: bytes, chain: Sequence[bytes]) -> bytes:
    """Return the JWS envelope; `signature` is r and s as raw numbers, `chain` DER, leaf first."""
    protected, _, content = message.partition(b".")
    value = {
        "payload": content.decode(),
        "protected": protected.decode(),
        "header": {"x5c": [b64encode(certificate) for certificate in chain]},
        "signature": _encode(signature).decode(),
    }
    return json.dumps(value, separators=(",", ":")).encode()


class Opened(NamedTuple):
    """What an envelope holds. `signature` is DER, as our ledger keeps it; `chain` leaf first."""

    message: bytes
    signature: bytes
    chain: tuple[bytes, ...]


def open_envelope(value: Mapping[str, object]) -> Opened:
    """Take apart what `envelope` made; nothing in it is trusted.

    Raises:
        Base64Error, MalformedError: another shape.
        UnsupportedError: an algorithm for which we have no keys.
    """
    fields = Fields(value, "envelope")
    payload, protected = fields.text("payload"), fields.text("protected")
    signature, header = fields.text("signature"), fields.inside("header")
    fields.done()
    chain = header.items("x5c", most=limits.CHAIN)
    header.done()
    if not chain or not all(isinstance(one, str) for one in chain):
        raise MalformedError("envelope.header.x5c: expected certificates")
    message = f"{protected}.{payload}".encode()
    name = parse(message).algorithm
    row = next(row for row in _ALGORITHMS.values() if row.notation == name)
    raw = _decode(signature.encode())
    return Opened(message, _der_signature(row.name, raw), tuple(b64(one) for one in chain))


def _der_signature(algorithm: str, raw: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import utils

    size = (_ALGORITHMS[algorithm].order.bit_length() + 7) // 8
    if len(raw) != 2 * size:
        raise MalformedError(f"expected a signature of {2 * size} bytes, found {len(raw)}")
    r, s = int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big")
    return utils.encode_dss_signature(r, s)


def raw_signature(algorithm: str, signature: bytes) -> bytes:
    """Return an ECDSA signature in DER as JWS writes it: r and s side by side (RFC 7518, 3.4)."""
    from cryptography.hazmat.primitives.asymmetric import utils

    size = (_ALGORITHMS[algorithm].order.bit_length() + 7) // 8
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def split_chain(chain: bytes) -> list[bytes]:
    """Return the DER certificates that stand one after the other in `chain`.

    Raises:
        MalformedError: something else stands there.
    """
    found = []
    while chain:
        size = _der_size(chain)
        found.append(chain[:size])
        chain = chain[size:]
    return found


def _der_size(data: bytes) -> int:
    """Return how long the SEQUENCE at the start of `data` is, with its header (X.690, 8.1.3)."""
    if len(data) < 4 or data[0] != 0x30 or data[1] not in (0x81, 0x82):
        raise MalformedError("expected a certificate in DER")
    header = 2 + (data[1] & 0x0F)
    size = header + int.from_bytes(data[2:header], "big")
    if size > min(len(data), limits.CERTIFICATE):
        raise MalformedError("a certificate in DER is cut off, or too long")
    return size


def _asking() -> list[str]:
    return [_PLUGIN, _PLUGIN_VERSION, NUMBER]


def _number(header: Fields) -> str:
    plugin, version = header.text(_PLUGIN), header.text(_PLUGIN_VERSION)
    if (plugin, version) != (PLUGIN, _VERIFIES_SINCE):
        raise UnsupportedError(f"expected the plugin {PLUGIN} {_VERIFIES_SINCE}")
    return hexadecimal(header.text(NUMBER), size=16).hex()


def _target(content: bytes) -> TargetArtifact:
    fields = Fields(json_object(content, limit=limits.PAYLOAD), "payload")
    target = fields.inside("targetArtifact")
    fields.done()
    annotations = target.take("annotations", dict) if target.has("annotations") else {}
    if not all(isinstance(value, str) for value in annotations.values()):
        raise MalformedError("payload.targetArtifact.annotations: expected only strings")
    parsed = TargetArtifact(
        target.text("mediaType"),
        Digest(target.text("digest")),
        target.number("size"),
        annotations,
    )
    target.done()
    return parsed


def _seconds(text: str) -> int:
    """Parse a time in any zone (RFC 3339, section 4.2) into POSIX seconds."""
    zone = _ZONE.fullmatch(text[-6:])
    if zone is None:
        return rfc3339(text)
    offset = int(zone[2]) * 3600 + int(zone[3]) * 60
    return rfc3339(text[:-6] + "Z") - int(zone[1] + "1") * offset


def _decode(text: bytes) -> bytes:
    """Decode base64url without padding (RFC 7515, section 2), in its one spelling."""
    try:
        raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise Base64Error("expected base64url without padding") from None
    if not _BASE64URL.fullmatch(text) or _encode(raw) != text:
        raise Base64Error("expected base64url without padding, in its one spelling")
    return raw


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
