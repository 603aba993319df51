"""Notation's form: what is signed, how its signature is written, and the envelope around both."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, Signer, refused, rows
from tests.verifier.paths import GONE, Path, inside, put
from tests.verifier.strategies import spoiled_bytes
from verifier import jws, limits
from verifier.errors import VerificationError
from verifier.jws import TargetArtifact

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TARGET = TargetArtifact(MANIFEST, IMAGE, 527, {"env": "prod"})
WHEN = 1_795_608_000  # 2026-11-25T12:00:00Z
PAYLOAD = jws.payload(TARGET)
NUMBER = "0123456789abcdef" * 2
MESSAGE = jws.signing_input("ecdsa-p256", WHEN, PAYLOAD)


def encoded(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def decoded(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))


HEADER, TARGETED = (json.loads(decoded(part)) for part in MESSAGE.split(b"."))
ASKING = jws.signing_input("ecdsa-p256", WHEN, PAYLOAD, NUMBER)
NUMBERED = json.loads(decoded(ASKING.partition(b".")[0]))


def message(header: object = HEADER, target: object = TARGETED) -> bytes:
    return b".".join(encoded(json.dumps(part).encode()) for part in (header, target))


def test_payload() -> None:
    """
    The payload is canonical JSON, without annotations when there are none.
    """
    rest = f'"digest":"{IMAGE}","mediaType":"{MANIFEST}","size":527}}}}'

    expected = f'{{"targetArtifact":{{"annotations":{{"env":"prod"}},{rest}'
    assert expected.encode() == PAYLOAD
    expected = f'{{"targetArtifact":{{{rest}'
    assert expected.encode() == jws.payload(TARGET._replace(annotations={}))


@pytest.mark.parametrize(("algorithm", "name"), [("ecdsa-p256", "ES256"), ("ecdsa-p384", "ES384")])
def test_signing_input(algorithm: str, name: str) -> None:
    """
    The protected header has notation's fields, the time in UTC, and nothing is padded.
    """
    protected, _, rest = jws.signing_input(algorithm, WHEN, PAYLOAD).partition(b".")
    expected = (
        f'{{"alg":"{name}","crit":["io.cncf.notary.signingScheme"],'
        '"cty":"application/vnd.cncf.notary.payload.v1+json",'
        '"io.cncf.notary.signingScheme":"notary.x509",'
        '"io.cncf.notary.signingTime":"2026-11-25T12:00:00Z"}'
    )

    assert expected.encode() == decoded(protected)
    assert encoded(PAYLOAD) == rest
    assert b"=" not in protected


def test_round_trip() -> None:
    """
    Target, time and payload are read back from the message.
    """
    assert (TARGET, "ES256", WHEN, PAYLOAD, "") == jws.parse(MESSAGE)
    assert (TARGET, "ES256", WHEN, PAYLOAD, NUMBER) == jws.parse(ASKING)
    assert (
        {} == jws.parse(message(target=put(TARGETED, ("targetArtifact", "annotations"), {})))[0][3]
    )


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa-2048"])
def test_other_algorithms(algorithm: str) -> None:
    """
    Keys for whose signatures notation has no name sign nothing for it.
    """
    refused("unsupported-version", lambda: jws.signing_input(algorithm, WHEN, PAYLOAD))


@pytest.mark.parametrize("value", [GONE, None, 1.5, True, "", "x", {"": 1}, [1]], ids=repr)
@pytest.mark.parametrize("path", inside(HEADER, str, list))
def test_header(path: Path, value: object) -> None:
    """
    Each field of the header is there and says what we understand.
    """
    with pytest.raises(VerificationError):
        jws.parse(message(header=put(HEADER, path, value)))


@pytest.mark.parametrize("value", [GONE, None, 1, "", "x", NUMBER.upper(), [1]], ids=repr)
@pytest.mark.parametrize("field", [one for one in NUMBERED if one not in HEADER] + ["crit"])
def test_plugin(field: str, value: object) -> None:
    """
    Who asks for our plugin says all three things about it, and that they are critical.
    """
    with pytest.raises(VerificationError):
        jws.parse(message(header=put(NUMBERED, (field,), value)))


def test_other_plugin() -> None:
    """
    A signature that asks for another plugin is none of ours.
    """
    header = {**NUMBERED, "io.cncf.notary.verificationPlugin": "other"}
    refused("unsupported-version", lambda: jws.parse(message(header=header)))


@pytest.mark.parametrize("value", [GONE, None, 1.5, True, "", [1]], ids=repr)
@pytest.mark.parametrize("path", inside(TARGETED, dict, str, int))
def test_target(path: Path, value: object) -> None:
    """
    Each field of the target is there and of its type; an annotation may say anything or be gone.
    """
    try:
        target = jws.parse(message(target=put(TARGETED, path, value))).target
    except VerificationError:
        return

    assert "annotations" in path or path[-1] == "mediaType"
    assert (IMAGE, 527) == target[1:3]


@pytest.mark.parametrize(
    ("body", "code"),
    rows(
        ("nothing", b"", "malformed"),
        ("one part", MESSAGE.partition(b".")[0], "malformed"),
        ("three parts", MESSAGE + b".AA", "bad-base64"),
        ("padded", MESSAGE + b"=", "bad-base64"),
        ("newline", MESSAGE + b"\n", "bad-base64"),
        ("standard alphabet", MESSAGE[:-4] + b"+/+/", "bad-base64"),
        ("second spelling", b"e31." + encoded(PAYLOAD), "bad-base64"),
        ("no JSON", b"AAAA." + encoded(PAYLOAD), "malformed"),
        ("too long", MESSAGE + b"A" * 2 * limits.PAYLOAD, "malformed"),
        ("unknown header", message(header={**HEADER, "kid": "a"}), "unknown-field"),
        (
            "unknown field of the target",
            message(target=put(TARGETED, ("targetArtifact", "a"), 1)),
            "unknown-field",
        ),
        ("unknown field", message(target={**TARGETED, "a": 1}), "unknown-field"),
        ("no algorithm", message(header={**HEADER, "alg": "none"}), "unsupported-version"),
        ("RSA", message(header={**HEADER, "alg": "PS256"}), "unsupported-version"),
        ("no scheme", message(header={**HEADER, "crit": []}), "unsupported-version"),
    ),
)
def test_refused(body: bytes, code: str) -> None:
    """
    What is not spelled as a JWS signing input of notation is none.
    """
    refused(code, lambda: jws.parse(body))


@given(spoiled_bytes(MESSAGE) | st.binary())
def test_spoiled(body: bytes) -> None:
    """
    A message is refused with a code, or its payload is what stands after the dot.
    """
    try:
        parsed = jws.parse(body)
    except VerificationError:
        return

    assert body.partition(b".")[2] == encoded(parsed.payload)


@pytest.mark.parametrize(("algorithm", "size"), [("ecdsa-p256", 32), ("ecdsa-p384", 48)])
@pytest.mark.parametrize(("r", "s"), [(1, 2), (2**255 + 1, 2**200), (255, 2**256 - 1)])
def test_raw_signature(algorithm: str, size: int, r: int, s: int) -> None:
    """
    The two numbers of a signature stand side by side, each in all of its bytes.
    """
    expected = r.to_bytes(size, "big") + s.to_bytes(size, "big")

    assert expected == jws.raw_signature(algorithm, encode_dss_signature(r, s))


def test_envelope() -> None:
    """
    The envelope carries what was signed as it was signed, and the chain, the leaf first.
    """
    envelope: dict[str, Any] = json.loads(jws.envelope(MESSAGE, b"\xff\xfe", [b"leaf", b"root"]))
    protected, _, content = MESSAGE.decode().partition(".")

    assert {
        "payload": content,
        "protected": protected,
        "header": {"x5c": ["bGVhZg==", "cm9vdA=="]},
        "signature": "__4",
    } == envelope


CHAIN = [certificate(Signer().public, serial) for serial in (1, 2, 3)]


@pytest.mark.parametrize("count", range(4))
def test_chain(count: int) -> None:
    """
    Certificates that stand one after the other are told apart.
    """
    assert CHAIN[:count] == jws.split_chain(b"".join(CHAIN[:count]))


@pytest.mark.parametrize(
    "chain",
    rows(
        ("cut off", CHAIN[0][:-1]),
        ("something after it", CHAIN[0] + b"\0"),
        ("no certificate", b"no certificate"),
        ("short", b"\x30\x03\1\1\1"),
        ("only a header", b"\x30\x82\1"),
        ("too long", b"\x30\x82\xff\xff" + bytes(0xFFFF)),
    ),
)
def test_no_chain(chain: bytes) -> None:
    """
    What is no row of certificates is refused.
    """
    refused("malformed", lambda: jws.split_chain(chain))
