"""`notation verify` asks the ledger: what `notation-sealbook` answers to `verify-signature`.

    {"contractVersion":"1.0",
     "signature":{"criticalAttributes":{"contentType":"…","signingScheme":"notary.x509",
                    "extendedAttributes":{"sealbook.signature":"<32 hex digits>"}},
                  "unprocessedAttributes":["sealbook.signature"],
                  "certificateChain":["<b64 DER>",…]},
     "trustPolicy":{"trustedIdentities":["sealbook:*"],
                    "signatureVerification":["SIGNATURE_VERIFIER.TRUSTED_IDENTITY"]},
     "pluginConfig":{"image":"registry.example/team/app@sha256:…"}}
    {"verificationResults":{"SIGNATURE_VERIFIER.TRUSTED_IDENTITY":{"success":true,"reason":"…"}},
     "processedAttributes":["sealbook.signature"]}

That is all that notation tells: neither the image nor what was signed, nor the signature. So
the image comes from `--plugin-config image=…`, or else from the command line of the notation
that started us, by digest; the number says which entry of the ledger it must be.

We stand in for notation's own look at the identity, which it always takes, and not for its
look at revoked certificates, which it then still does. A trust policy with the one identity
"sealbook:*" (or "sealbook:KEY") refuses what does not ask for us: no one else knows it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from cryptography import x509

from signer.plugins.commanded import Command
from verifier import jws, limits
from verifier._strict import Fields, b64
from verifier.digest import Digest
from verifier.errors import (
    InternalError,
    MalformedError,
    UnknownKeyError,
    UnsupportedError,
    VerificationError,
    printable,
)
from verifier.pull.decision import Question, Source
from verifier.pull.errors import PullError, UnreadableSourceError, UnsignedError
from verifier.pull.notation import MEDIA_TYPE, Counted, Logged, NotationJudge
from verifier.pull.settings import PullSettings
from verifier.pull.trust_directory import TrustDirectory, Trusted
from verifier.repository import Repository

CAPABILITY = "SIGNATURE_VERIFIER.TRUSTED_IDENTITY"
_IDENTITY, _SUBJECT = "sealbook:", "x509.subject:"
_AFTER_COMMA = re.compile(r"(?<!\\), +")  # notation takes them, RFC 4514 does not
_LOOKED_AT = 1024  # signatures of one digest, per source


class UnnamedImageError(PullError):
    """Nobody says which image notation is verifying."""

    code = "unnamed-image"
    hint = "notation verify REPOSITORY@DIGEST, or --plugin-config image=REPOSITORY@DIGEST"


class UntrustedIdentityError(PullError):
    """It is logged, and by none whom notation's trust policy names."""

    code = "untrusted-identity"
    hint = "add sealbook:KEY to trustedIdentities in trustpolicy.json"


def verify_signature(request: dict[str, Any]) -> dict[str, Any]:
    """Return notation's answer; whatever is amiss, it is no success.

    Raises:
        MalformedError: this is no such request.
        UnsupportedError: it asks for more than we verify.
    """
    fields = Fields(request, "request")
    policy = fields.inside("trustPolicy")
    wanted = policy.items("signatureVerification", most=8)
    if wanted != [CAPABILITY]:
        raise UnsupportedError(f"expected {CAPABILITY} and nothing else, found {wanted!r:.120}")
    identities = _texts(policy.items("trustedIdentities", most=1024))
    signature = fields.inside("signature")
    chain = [b64(one) for one in _texts(signature.items("certificateChain", most=limits.CHAIN))]
    extended = signature.inside("criticalAttributes").inside("extendedAttributes")
    number = extended.text(jws.NUMBER)
    extended.done()
    if not chain:
        raise MalformedError("request.signature.certificateChain: expected certificates")
    config = request.get("pluginConfig")
    image = config.get("image", "") if isinstance(config, dict) else ""
    try:
        question = _question(image, Command.that_started_us())
        counted = _look(question, number, chain[0])
        # The one way to a yes: what came back says that it counts for what was asked.
        success = isinstance(counted, Counted) and counted.question == question
        if not success:
            raise InternalError("nothing was judged")
        _check_identity(identities, counted, chain[0])
        reason = f"logged at {counted.index}, by key {counted.key}"
    except VerificationError as e:
        hint = f"; {e.hint}" if e.hint else ""
        success, reason = False, f"{e.message} ({e.code}){hint}"
    return {
        "verificationResults": {CAPABILITY: {"success": success, "reason": printable(reason)}},
        "processedAttributes": [jws.NUMBER],
    }


def _question(image: object, command: Command) -> Question:
    """Return which image notation is verifying.

    Raises:
        UnnamedImageError: nobody says it by digest, or two say different things.
        VerificationError: what is said is no image.
    """
    if not isinstance(image, str) or not image:
        if command.repository and command.digest:
            return Question(Digest(command.digest), Repository(command.repository))
        raise UnnamedImageError("expected one image by digest on notation's command line")
    repository, _, digest = image.partition("@")
    question = Question(Digest(digest), Repository(repository))
    if command.digest and command.digest != question.digest:
        raise UnnamedImageError(
            f"image={image[:400]} is not {command.digest}, which notation was asked about"
        )
    return question


def _look(question: Question, number: str, leaf: bytes) -> Counted:
    """Find the signature with this number in the ledger, and return what it counts for.

    Raises:
        VerificationError: why nothing counts; what is wrong with the one that was looked for,
            before what could not be asked.
    """
    settings = PullSettings.load()
    until = time.monotonic() + settings.deadline_s
    trusted = _trusted(settings)
    judge = NotationJudge(trusted)
    troubles: list[VerificationError] = []
    sources = _sources(settings)
    for n, source in enumerate(sources):
        left_s = (until - time.monotonic()) / (len(sources) - n)
        try:
            for logged in _candidates(source, question, left_s):
                if logged.signed.number != number or logged.envelope.chain[0] != leaf:
                    continue
                counted = judge.judge(logged, question)
                _check_policy(settings, trusted, question, until)
                return counted
        except VerificationError as e:
            troubles.append(e)
    if not troubles:
        raise UnsignedError("nobody has this very signature in a ledger")
    raise troubles[0]


def _candidates(source: Source, question: Question, left_s: float) -> Iterator[Logged]:
    """Yield the signatures in notation's form that a source has; what is none is passed by."""
    for n, one in enumerate(source.bundles(question, left_s)):
        if n >= _LOOKED_AT:
            raise UnreadableSourceError(f"{source.name} has over {_LOOKED_AT} signatures")
        if MEDIA_TYPE.encode() not in one[: limits.BUNDLE]:
            continue
        try:
            logged = Logged.parse(one)
        except VerificationError:
            continue
        yield logged


def _sources(settings: PullSettings) -> list[Source]:
    """Return those that can have proofs of this form: files and the service, in their order."""
    found: list[Source] = []
    for name in settings.sources:
        if name == "file" and settings.file:
            from verifier.pull.sources.file import FileSource

            found.append(FileSource(settings.file))
        elif name == "service" and settings.service is not None:
            from verifier.pull.sources.service import ServiceSource

            found.append(ServiceSource(settings.service, "notation"))
    return found


def _trusted(settings: PullSettings) -> Trusted:
    try:
        trusted = TrustDirectory(settings.trust).load()
    except OSError as e:
        raise UnreadableSourceError(
            f"cannot read {e.filename or settings.trust}: {e.strerror}",
            hint="sealbook trust sync URL DIR",
        ) from e
    if not settings.example_keys:
        for public in trusted.trust.publics():
            public.refuse_example()
    return trusted


def _check_policy(
    settings: PullSettings, trusted: Trusted, question: Question, until: float
) -> None:
    """Where there is a policy the image must meet all of it, as anywhere on this host."""
    if trusted.policy is None:
        return
    from verifier.pull.gate import Gate

    decision = Gate(settings).decide(question, until - time.monotonic())
    if decision.allowed is not True:
        error = VerificationError(decision.message, hint=decision.hint)
        error.code = decision.code
        raise error


def _check_identity(identities: list[str], counted: Counted, leaf: bytes) -> None:
    """Check that notation's trust policy names the key, or who its certificate is about.

    Raises:
        UntrustedIdentityError: it does not.
    """
    if "*" in identities or {f"{_IDENTITY}*", _IDENTITY + counted.key} & set(identities):
        return
    try:
        subject = set(x509.load_der_x509_certificate(leaf).subject)
        for one in identities:
            if one.startswith(_SUBJECT):
                text = _AFTER_COMMA.sub(",", one.removeprefix(_SUBJECT).strip())
                named = set(x509.Name.from_rfc4514_string(text))
                if named and _parts(named) <= _parts(subject):
                    return
    except ValueError as e:
        raise UnknownKeyError(f"cannot compare subjects: {e}") from e
    raise UntrustedIdentityError(f"expected one of {', '.join(identities)[:200]}")


def _parts(names: set[x509.NameAttribute[Any]]) -> set[tuple[str, object]]:
    return {(one.oid.dotted_string, one.value) for one in names}


def _texts(values: list[Any]) -> list[str]:
    if not all(isinstance(one, str) for one in values):
        raise MalformedError("expected only strings")
    return values
