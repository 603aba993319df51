r"""What a registry demands of who asks: WWW-Authenticate, read strictly.

    Bearer realm="https://auth.example/token",service="registry.example",scope="…"
    Basic realm="registry"

Schemes that we do not know are passed by; what cannot be read is refused as a whole.

Spec: RFC 9110 section 11; distribution, spec/auth/token.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from verifier import limits
from verifier.pull.errors import RegistryAnswerError

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_WORD})(?: +|(?=,|$))", re.ASCII)
_PARAMETER = re.compile(
    rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*+)"|({_WORD}))', re.ASCII
)
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))", re.ASCII)
_COMMA = re.compile(r"[ \t]*,[ \t,]*")


class Challenge(NamedTuple):
    """One scheme, in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def choose(headers: Iterable[str]) -> Challenge | None:
    """Return the Bearer challenge of an answer, or else Basic, or None.

    Raises:
        RegistryAnswerError: it cannot be read.
    """
    found = [challenge for header in headers for challenge in parse(header)]
    for scheme in ("bearer", "basic"):
        for challenge in found:
            if challenge.scheme == scheme:
                return challenge
    return None


def parse(header: str) -> list[Challenge]:
    """Read one header.

    Raises:
        RegistryAnswerError: it is longer than `limits.CHALLENGE`, or has another form.
    """
    if len(header) > limits.CHALLENGE:
        raise RegistryAnswerError(
            f"expected at most {limits.CHALLENGE} bytes of WWW-Authenticate, found {len(header)}"
        )
    found: list[Challenge] = []
    header, at = header.strip(" \t"), 0
    while at < len(header):
        scheme = _SCHEME.match(header, at)
        if scheme is None:
            raise _unreadable(header)
        parameters, at = _parameters(header, scheme.end())
        found.append(Challenge(scheme[1].lower(), parameters))
    return found


def _parameters(header: str, at: int) -> tuple[dict[str, str], int]:
    """Read the parameters of a scheme, or its one blob, and where the next scheme begins."""
    parameters: dict[str, str] = {}
    comma = at == len(header)
    if _PARAMETER.match(header, at) is None and (blob := _TOKEN68.match(header, at)):
        at = blob.end()
    while (one := _PARAMETER.match(header, at)) is not None:
        name = one[1].lower()
        if name in parameters:
            raise RegistryAnswerError(f"WWW-Authenticate has two {name[:40]!r}")
        parameters[name] = one[3] or re.sub(r"\\(.)", r"\1", one[2] or "")
        at = one.end()
        if (between := _COMMA.match(header, at)) is None:
            break
        at = between.end()
        comma = True
    else:
        if between := _COMMA.match(header, at):
            at = between.end()
            comma = True
    if at < len(header) and not comma:
        raise _unreadable(header)
    return parameters, at


def _unreadable(header: str) -> RegistryAnswerError:
    return RegistryAnswerError(f"expected a challenge as WWW-Authenticate, found {header[:120]!r}")
