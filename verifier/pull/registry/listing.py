"""Lists that a registry gives in pages: tags, referrers, repositories.

    GET /v2/<name>/tags/list?n=1000  →  {"name": …, "tags": […]}, Link: </v2/…>; rel="next"

Pages end: their number, the bytes of each, and the time of all have limits, and one that was
seen is not gone to again.

Spec: OCI distribution-spec, "Content Discovery"; RFC 8288.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from verifier import limits
from verifier._strict import json_object
from verifier.errors import LimitError, MalformedError
from verifier.pull.errors import RegistryAnswerError
from verifier.pull.registry.answers import Answer
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.host import Host
from verifier.pull.registry.tokens import Scopes

JSON = "application/json"
Otherwise = Callable[[Answer], Exception]
_LINK = re.compile(r'<([^<>\s]+)>(?:[ \t]*;[ \t]*[\w-]+=(?:"[^"]*"|[^",;\s]+))*', re.ASCII)
_NEXT = re.compile(r';[ \t]*rel=(?:"next"|next)(?=[ \t;]|$)', re.ASCII)


def pages(
    host: Host,
    target: str,
    scopes: Scopes,
    deadline: Deadline,
    *,
    media_type: str,
    what: str,
    otherwise: Otherwise,
) -> Iterator[dict[str, Any]]:
    """Yield what is at `target`, and on every page after it; time between them is not counted.

    Raises:
        LimitError: a page is too large, or there are more than `limits.PAGES`.
        RegistryAnswerError: a page is no JSON, or they lead elsewhere, or in a circle.
        Exception: what `otherwise` makes of an answer that is not 200.
    """
    seen: set[str] = set()
    for _ in range(limits.PAGES):
        seen.add(target)
        answer = host.send("GET", target, scopes, deadline, headers=[("Accept", media_type)])
        if answer.status != 200:
            raise otherwise(answer)
        following = _following(answer.headers.get("link", ""), what)
        page = _read(answer, media_type, what)
        before = time.monotonic()
        yield page
        deadline.pause(time.monotonic() - before)
        if not following:
            return
        target = host.own_target(following, target)
        if target in seen:
            raise RegistryAnswerError(f"{what}: the pages go round in a circle")
    raise LimitError(f"{what}: expected at most {limits.PAGES} pages")


def _read(answer: Answer, media_type: str, what: str) -> dict[str, Any]:
    found = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in (media_type, JSON):
        answer.close()
        raise RegistryAnswerError(f"{what}: expected {media_type}, found {found[:80]!r}")
    content = answer.read(limits.PAGE, what)
    try:
        return json_object(content, limit=limits.PAGE, floats=True)
    except LimitError:
        raise
    except MalformedError as e:
        raise RegistryAnswerError(f"{what}: {e.message}") from e


def texts(value: object, what: str) -> list[str]:
    """Take a list of texts; registries write null for an empty one.

    Raises:
        RegistryAnswerError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RegistryAnswerError(f"{what}: expected a list of texts")
    return value


def _following(header: str, what: str) -> str:
    if not header:
        return ""
    if len(header) > limits.LOCATION:
        raise RegistryAnswerError(f"{what}: expected at most {limits.LOCATION} bytes of Link")
    for link in _LINK.finditer(header):
        if _NEXT.search(link[0]):
            return link[1]
    return ""
