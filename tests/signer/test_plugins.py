"""The plugins' protocols, as cosign and notation speak them; tests/interop starts the real ones."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from signer.plugins import cosign, notation
from tests.signer import messaging
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY
from tests.signer.messaging import prepared, public, statement
from tests.signer.running import InProcess, running
from verifier import jws
from verifier.entry import Entry

MESSAGE = statement(1, name=REPOSITORY)
Ask = Callable[..., dict[str, Any]]


class Stdin:
    """Standard input with these bytes, as a program sees it."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a key for each kind of message."""
    with running(prepared(tmp_path_factory.mktemp("plugins") / "service")) as service:
        yield service


@pytest.fixture
def environment(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say where the service is."""
    monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
    monkeypatch.setenv("SEALBOOK_TOKEN_FILE", str(service.directory / "token"))


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask the plugin as cosign does; `init` and `version` are usually right."""

    def ask(
        method: object,
        stdin: bytes = b"",
        key: str = "release",
        *,
        init: dict[str, Any] | None = None,
        version: str = "v1",
        **options: Any,
    ) -> dict[str, Any]:
        options_ = {"protocolVersion": "v1", "keyResourceID": key, "hashFunc": 5, **(init or {})}
        question = {"initOptions": options_, "methodName": method, str(method): options}
        monkeypatch.setattr(sys, "argv", ["plugin", version, json.dumps(question)])
        monkeypatch.setattr(sys, "stdin", Stdin(stdin))
        code = cosign.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == ("errorMessage" in answer)
        return answer

    return ask


def signing(digest: bytes | None) -> dict[str, Any]:
    encoded = b64encode(digest).decode() if digest is not None else None
    return {"signOptions": {"messageOptions": {"digest": encoded}}}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("digest", [None, hashlib.sha256(MESSAGE).digest()], ids=["old", "new"])
def test_sign_and_verify(service: InProcess, ask: Ask, digest: bytes | None) -> None:
    """
    A message is signed with or without its digest, and the plugin verifies what it made.
    """
    made = ask("signMessage", MESSAGE, **signing(digest))["signMessage"]["signature"]
    public(service, "release").verify(b64decode(made), MESSAGE)
    pem = ask("publicKey")["publicKey"]["publicKeyPEM"]

    assert public(service, "release").pem() == b64decode(pem)
    assert {"verifySignature": {}} == ask("verifySignature", MESSAGE, signature=made)
    told = ask("verifySignature", MESSAGE + b" ", signature=made)["errorMessage"]
    assert "(bad-signature)" in told
    told = ask("verifySignature", MESSAGE, key="plain", signature=made)["errorMessage"]
    assert "(bad-signature)" in told


@pytest.mark.usefixtures("environment")
def test_another_digest(service: InProcess, ask: Ask) -> None:
    """
    A digest that is not of the message is refused, and nothing is logged.
    """
    size = service.tree_size
    other = signing(hashlib.sha256(b"other").digest())

    assert "(bad-request)" in ask("signMessage", MESSAGE, **other)["errorMessage"]
    assert "(bad-base64)" in ask("signMessage", MESSAGE, **signing(b"short"))["errorMessage"]
    assert size == service.tree_size


@pytest.mark.usefixtures("environment")
def test_another_repository(ask: Ask) -> None:
    """
    A key that is named with a repository signs for that one alone.
    """
    there = ask("signMessage", MESSAGE, key=f"release/{REPOSITORY}", **signing(None))
    other = ask("signMessage", MESSAGE, key=f"release/{OTHER_REPOSITORY}", **signing(None))

    assert there["signMessage"]["signature"]
    assert "(repository-mismatch)" in other["errorMessage"]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("size", [256 << 10, (256 << 10) + 1])
def test_long_message(service: InProcess, ask: Ask, size: int) -> None:
    """
    A raw key signs what is too long to be sent, by its hash; for others that is too long.
    """
    message = bytes(size)
    made = ask("signMessage", message, key="blind", **signing(None))["signMessage"]["signature"]
    public(service, "blind").verify(b64decode(made), message)

    assert ("(over-limit)" if size > (256 << 10) else "(blind-signing)") in ask(
        "signMessage", message, **signing(None)
    )["errorMessage"]


def test_without_a_service(ask: Ask) -> None:
    """
    What cosign asks before it asks for a key needs no service.
    """
    assert {"defaultAlgorithm": {"defaultAlgorithm": "ecdsa-p256-sha256"}} == ask(
        "defaultAlgorithm"
    )
    assert {"supportedAlgorithms": {"supportedAlgorithms": ["ecdsa-p256-sha256"]}} == ask(
        "supportedAlgorithms"
    )


@pytest.mark.parametrize(
    ("method", "more", "code"),
    [
        ("createKey", {"algorithm": "ecdsa-p256-sha256"}, "unsupported-version"),
        ("somethingNew", {}, "unsupported-version"),
        (None, {}, "unsupported-version"),
        ("publicKey", {"version": "v2"}, "unsupported-version"),
        ("publicKey", {"init": {"hashFunc": 7}}, "unsupported-version"),
        ("publicKey", {"init": {"keyResourceID": None}}, "malformed"),
        ("publicKey", {}, "config"),
    ],
)
def test_question_refused(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, method: object, more: dict[str, Any], code: str
) -> None:
    """
    Another protocol, method or hash is refused, as is any question without a service to ask.
    """
    for name in ("SEALBOOK_SERVICE", "SEALBOOK_TOKEN_FILE", "SEALBOOK_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    assert f"({code})" in ask(method, **more)["errorMessage"]


@pytest.mark.parametrize(
    "arguments", [[], ["v1"], ["v1", "no JSON"], ["v1", "{}"], ["v1", "{}", "x"]]
)
def test_no_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """
    Whoever starts the plugin otherwise than cosign does is told so in cosign's words.
    """
    monkeypatch.setattr(sys, "argv", ["plugin", *arguments])
    monkeypatch.setattr(sys, "stdin", Stdin(b""))

    assert 1 == cosign.main()
    assert ["errorMessage"] == list(json.loads(capsys.readouterr().out))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Give the plugin a command as notation does, and return its answer or its refusal."""

    def command(name: str, request: object) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["notation-sealbook", *name.split()])
        content = request if isinstance(request, bytes) else json.dumps(request).encode()
        monkeypatch.setattr(sys, "stdin", Stdin(content))
        code = notation.main()
        shown = capsys.readouterr()
        answer: dict[str, Any] = json.loads(shown.err if code else shown.out)
        assert "" == (shown.out if code else shown.err)
        assert code == ("errorCode" in answer)
        return answer

    return command


def request(message: bytes = b"", **more: Any) -> dict[str, Any]:
    """Return a request of notation 1.3.2."""
    return {
        "contractVersion": "1.0",
        "keyId": "release",
        "keySpec": "EC-256",
        "hashAlgorithm": "SHA-256",
        "payload": b64encode(message).decode(),
        **more,
    }


def test_metadata(command: Ask) -> None:
    """
    The plugin says what it is without a service, in every field that notation demands.
    """
    told = command("get-plugin-metadata", {})

    assert ("sealbook", ["1.0"]) == (told["name"], told["supportedContractVersions"])
    both = ["SIGNATURE_GENERATOR.RAW", "SIGNATURE_VERIFIER.TRUSTED_IDENTITY"]
    assert both == told["capabilities"]
    assert all(told[field] for field in ("description", "version", "url"))


@pytest.mark.usefixtures("environment")
def test_generate(service: InProcess, command: Ask) -> None:
    """
    A signature is two raw numbers, under the chain that the ledger keeps with it.
    """
    message = messaging.notation(1)
    key_id = f"release/{REPOSITORY}"
    described = command("describe-key", request(keyId=key_id))
    made = command("generate-signature", request(message, keyId=key_id))
    entry = Entry.parse(service.ledger.record(service.tree_size - 1).entry)

    assert {"keyId": key_id, "keySpec": "EC-256"} == described
    assert (key_id, "ECDSA-SHA-256") == (made["keyId"], made["signingAlgorithm"])
    assert jws.raw_signature("ecdsa-p256", entry.signature) == b64decode(made["signature"])
    chain = tuple(map(b64decode, made["certificateChain"]))
    assert service.server.keys.keys["release"].chain == chain


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("name", "asked", "code", "theirs"),
    [
        ("", {}, "unsupported-version", "VALIDATION_ERROR"),
        ("generate-envelope", {}, "unsupported-version", "VALIDATION_ERROR"),
        ("verify-signature", {}, "unsupported-contract", "UNSUPPORTED_CONTRACT_VERSION"),
        ("describe-key more", {}, "unsupported-version", "VALIDATION_ERROR"),
        ("describe-key", b"no JSON", "malformed", "VALIDATION_ERROR"),
        ("describe-key", {}, "unsupported-contract", "UNSUPPORTED_CONTRACT_VERSION"),
        (
            "describe-key",
            request(contractVersion="2.0"),
            "unsupported-contract",
            "UNSUPPORTED_CONTRACT_VERSION",
        ),
        ("describe-key", request(keyId=""), "bad-request", "VALIDATION_ERROR"),
        ("describe-key", request(keyId="nobody"), "unknown-key", "VALIDATION_ERROR"),
        ("describe-key", request(keyId="plain"), "bad-request", "VALIDATION_ERROR"),
        ("generate-signature", request(b"x"), "blind-signing", "VALIDATION_ERROR"),
        (
            "generate-signature",
            request(b"x", keyId="release/team"),
            "bad-repository",
            "VALIDATION_ERROR",
        ),
        (
            "generate-signature",
            request(b"x", pluginConfig={"repository": "team"}),
            "bad-repository",
            "VALIDATION_ERROR",
        ),
        (
            "generate-signature",
            request(keySpec="RSA-2048"),
            "unsupported-version",
            "VALIDATION_ERROR",
        ),
        (
            "generate-signature",
            request(hashAlgorithm="SHA-384"),
            "unsupported-version",
            "VALIDATION_ERROR",
        ),
        ("generate-signature", request(payload="*"), "bad-base64", "VALIDATION_ERROR"),
        (
            "describe-key",
            request(keyId="release/a.example/b", pluginConfig={"repository": "a.example/c"}),
            "bad-request",
            "VALIDATION_ERROR",
        ),
    ],
)
def test_command_refused(command: Ask, name: str, asked: object, code: str, theirs: str) -> None:
    """
    A refusal is notation's JSON, with its code and ours.
    """
    told = command(name, asked)

    assert (theirs, {"code": code}) == (told["errorCode"], told["errorMetadata"])
    assert f"({code})" in told["errorMessage"]


def test_denied(
    service: InProcess, command: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """
    Who has no right is told so in notation's word; a missing library is no fault of theirs.
    """
    token = tmp_path / "token"
    token.write_text("t" * 40)
    token.chmod(0o600)
    monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
    monkeypatch.setenv("SEALBOOK_TOKEN_FILE", str(token))

    assert "ACCESS_DENIED" == command("describe-key", request())["errorCode"]
    monkeypatch.setenv("SEALBOOK_TOKEN_FILE", str(service.directory / "append-token"))
    told = command("describe-key", request())
    assert ("ACCESS_DENIED", "permission-denied") == (
        told["errorCode"],
        told["errorMetadata"]["code"],
    )
    monkeypatch.setitem(sys.modules, "signer.client", None)
    told = command("describe-key", request())
    assert ("ERROR", "not-installed") == (told["errorCode"], told["errorMetadata"]["code"])
    assert "pip install 'sealbook[server]'" in told["errorMessage"]
