"""Lists that a registry gives in pages: tags, referrers, repositories.

    GET /v2/<name>/tags/list?n=1000  →  {"name": …, "tags": […]}, Link: </v2/…>; rel="next"

Pages end: their number, the bytes of each, and the time of all have limits, and one that was
seen is not gone to again.

Spec: OCI distribution-spec, "Content Discovery"; RFC 8288.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from verifier import limits
from verifier._strict import json_object
from verifier.errors import LimitError, MalformedError
from verifier.pull.errors import RegistryAnswerError
from verifier.pull.registry.connections import Answer
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.host import Host
from verifier.pull.registry.tokens import Scopes

_LINK = re.compile(r'<([^<>\s]+)>(?:[ \t]*;[ \t]*[\w-]+=(?:"[^"]*"|[^",;\s]+))*', re.ASCII)
_NEXT = re.compile(r';[ \t]*rel=(?:"next"|next)(?=[ \t;]|$)', re.ASCII)


def pages(
    host: Host, target: str, scopes: Scopes, deadline: Deadline, *, accept: str, what: str
) -> Iterator[Answer]:
    """Yield the answer for `target`, and for every page after it; each is to be read at once.

    The caller judges the status; after an answer that is not 200 there are no more.

    Raises:
        RegistryAnswerError: the pages lead elsewhere, or in a circle.
        LimitError: there are more than `limits.PAGES`.
    """
    seen: set[str] = set()
    for _ in range(limits.PAGES):
        seen.add(target)
        answer = host.send("GET", target, scopes, deadline, headers=[("Accept", accept)])
        following = _following(answer.headers.get("link", ""), what) if answer.status == 200 else ""
        before = time.monotonic()
        yield answer
        deadline.pause(time.monotonic() - before)
        if not following:
            return
        target = host.own_target(following, target)
        if target in seen:
            raise RegistryAnswerError(f"{what}: the pages go round in a circle")
    raise LimitError(f"{what}: expected at most {limits.PAGES} pages")


def read_page(answer: Answer, what: str) -> dict[str, Any]:
    """Read one page, an object in JSON.

    Raises:
        LimitError: it is too large.
        RegistryAnswerError: it is something else.
    """
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
