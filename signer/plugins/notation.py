"""`notation-sealbook`: `notation sign --plugin sealbook --id NAME[/REPOSITORY]`.

notation starts it with a command; the request is one JSON object on standard input,
the answer one on standard output, a refusal one on standard error.

    generate-signature
    {"contractVersion":"1.0","keyId":"release","keySpec":"EC-256","hashAlgorithm":"SHA-256",
     "payload":"<b64 of the JWS signing input>","pluginConfig":{"repository":"…"}}
    {"keyId":"release","signature":"<b64 of r and s>","signingAlgorithm":"ECDSA-SHA-256",
     "certificateChain":["<b64 DER>",…]}

The repository may also be given as `--plugin-config repository=REPOSITORY`.

`notation verify` starts it too, for signatures that ask for it: see `signer.plugins.verifying`.

Spec: github.com/notaryproject/specifications, plugin-extensibility.md, contract 1.0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from signer.errors import RequestError
from signer.plugins.service import Failure, Named, attempt, connect
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.errors import UnsupportedError

_CONTRACT = "1.0"
_CAPABILITY = "SIGNATURE_GENERATOR.RAW"
_VERIFIES = "SIGNATURE_VERIFIER.TRUSTED_IDENTITY"  # as `verifying` says, which is imported late
_MOST_ASKED = 1 << 20  # bytes of a request
_ALGORITHM, _KEY_SPEC = "ecdsa-p256", "EC-256"
_HASH, _SIGNING_ALGORITHM = "SHA-256", "ECDSA-SHA-256"
_REPOSITORY = "repository"
# Codes of ours by what notation calls them; others are its VALIDATION_ERROR.
_ERROR_CODES = {
    "unauthenticated": "ACCESS_DENIED",
    "permission-denied": "ACCESS_DENIED",
    "approval-needed": "ACCESS_DENIED",
    "queue-full": "THROTTLED",
    "unsupported-contract": "UNSUPPORTED_CONTRACT_VERSION",
    "unreachable": "ERROR",
    "internal-error": "ERROR",
    "key-failed": "ERROR",
    "not-installed": "ERROR",
    "config": "ERROR",
    "unreadable": "ERROR",
    "key-file": "ERROR",
    "key-file-permissions": "ERROR",
}


class ContractError(UnsupportedError):
    """notation speaks another version of its contract with plugins."""

    code = "unsupported-contract"
    hint = "this plugin is for contract 1.0"


def main() -> int:
    """Answer one command, and return its exit code."""
    answer = attempt(lambda: _answer(sys.argv[1:]))
    if isinstance(answer, Failure):
        failure = {
            "errorCode": _ERROR_CODES.get(answer.code, "VALIDATION_ERROR"),
            "errorMessage": str(answer),
            "errorMetadata": {"code": answer.code},
        }
        sys.stderr.write(json.dumps(failure) + "\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _answer(arguments: list[str]) -> Mapping[str, Any]:
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        raise UnsupportedError(
            f"expected one of {', '.join(_COMMANDS)}", hint="notation starts this program"
        )
    request = json_object(sys.stdin.buffer.read(_MOST_ASKED + 1), limit=_MOST_ASKED)
    return _COMMANDS[arguments[0]](request)


def _metadata(_: dict[str, Any]) -> dict[str, Any]:
    from signer import __version__

    return {
        "name": "sealbook",
        "description": "Signs with keys of a Sealbook service, and verifies that it was logged",
        "version": __version__,
        "url": "https://github.com/notaryproject/specifications",
        "supportedContractVersions": [_CONTRACT],
        "capabilities": [_CAPABILITY, _VERIFIES],
    }


def _describe_key(request: dict[str, Any]) -> dict[str, Any]:
    key_id, named = _named(request)
    with connect() as client:
        key = client.key(named.key)
    if key.public.algorithm.name != _ALGORITHM or not key.chain:
        raise RequestError(
            f"expected a key of {_ALGORITHM} with a certificate, {key.name} is none",
            hint=f"set signing.keys.{key.name}.certificate in the service's configuration",
        )
    return {"keyId": key_id, "keySpec": _KEY_SPEC}


def _generate_signature(request: dict[str, Any]) -> dict[str, Any]:
    from verifier import jws
    from verifier.entry import Entry

    key_id, named = _named(request)
    fields = Fields(request, "request")
    if (fields.text("keySpec"), fields.text("hashAlgorithm")) != (_KEY_SPEC, _HASH):
        raise UnsupportedError(f"expected {_KEY_SPEC} and {_HASH}")
    message = b64(fields.text("payload"))
    with connect() as client:
        signed = client.sign_message(message, key=named.key, repository=named.repository)
    record = signed.logged.record
    # The chain that the ledger keeps with the signature, not the one that the key has by now.
    chain = (Entry.parse(record.entry).certificate, *jws.split_chain(record.chain))
    return {
        "keyId": key_id,
        "signature": b64encode(jws.raw_signature(_ALGORITHM, signed.signature)),
        "signingAlgorithm": _SIGNING_ALGORITHM,
        "certificateChain": [b64encode(certificate) for certificate in chain],
    }


def _verify_signature(request: dict[str, Any]) -> dict[str, Any]:
    from signer.plugins.verifying import verify_signature

    _check_contract(request)
    return verify_signature(request)


def _check_contract(request: dict[str, Any]) -> None:
    if request.get("contractVersion") != _CONTRACT:
        raise ContractError(f"expected {_CONTRACT}, found {request.get('contractVersion')!r:.40}")


def _named(request: dict[str, Any]) -> tuple[str, Named]:
    """Return the key as notation calls it, and as the service does.

    Raises:
        ContractError: another version.
        RequestError: key and plugin configuration name two repositories.
    """
    _check_contract(request)
    key_id = request.get("keyId")
    if not isinstance(key_id, str) or not key_id:
        raise RequestError("expected a key", hint="say --id NAME, or NAME/REPOSITORY")
    config = request.get("pluginConfig")
    wanted = config.get(_REPOSITORY) if isinstance(config, dict) else None
    named = Named.parse(key_id)
    if not isinstance(wanted, str) or not wanted:
        return key_id, named
    if named.repository not in ("", wanted):
        raise RequestError(f"two repositories: {named.repository[:120]!r} and {wanted[:120]!r}")
    return key_id, named._replace(repository=wanted)


_COMMANDS = {
    "get-plugin-metadata": _metadata,
    "describe-key": _describe_key,
    "generate-signature": _generate_signature,
    "verify-signature": _verify_signature,
}
