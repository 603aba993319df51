"""Reading the rules of a policy file: strictly, so that what is written is what is asked."""

from __future__ import annotations

import re
from typing import Any

from verifier import limits
from verifier._strict import Fields, name, plain
from verifier.digest import Digest
from verifier.errors import PolicyError
from verifier.policy.demands import (
    NOTHING,
    BreakGlass,
    Demand,
    Excuse,
    Identity,
    Images,
    Remap,
    Vulnerabilities,
)
from verifier.repository import Scope
from verifier.statement import APPROVAL, EVENT_PREFIX
from verifier.vulnerabilities import SEVERITIES

_MOST = 256  # of whatever is listed
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,4}) (minute|hour|day)(s?)", re.ASCII)


def read_images(fields: Fields) -> tuple[Images, ...]:
    """Take the `[[images]]` of a policy.

    Raises:
        PolicyError, MalformedError: any other shape, or rules that ask for nothing.
    """
    found = fields.items("images", most=_MOST)
    images = tuple(_images(Fields(v, f"images[{i}]"), i) for i, v in enumerate(found))
    if not images:
        raise PolicyError("expected rules for images, found an empty policy")
    if len({one.under for one in images}) != len(images):
        raise PolicyError("two rules are for the same images")
    return images


def _images(fields: Fields, number: int) -> Images:
    demands = [_demand(one, APPROVAL) for one in _approvals(fields, number)]
    rows = fields.items("attestation", most=_MOST) if fields.has("attestation") else []
    for i, value in enumerate(rows):
        row = Fields(value, f"images[{number}].attestation[{i}]")
        predicate_type = row.text("type")
        if not predicate_type or predicate_type == APPROVAL:
            raise PolicyError("approvals are [images.approval], found no other type")
        if predicate_type.startswith(EVENT_PREFIX):
            raise PolicyError("an event of the ledger says nothing about an image")
        demands.append(_demand(row, predicate_type))
    scan = None
    if fields.has("vulnerabilities"):
        scan = _vulnerabilities(fields.inside("vulnerabilities"))
    images = Images(
        Scope(fields.text("under")),
        _choice(fields, "mode", ("enforce", "warn")),
        _choice(fields, "unnamed", ("refuse", "allow")),
        fields.number("witnesses") if fields.has("witnesses") else 0,
        read_span(fields, "max_checkpoint_age"),
        tuple(demands),
        scan,
        tuple(_remap(row) for row in _rows(fields, "remap")),
        tuple(_break_glass(row) for row in _rows(fields, "break_glass")),
    )
    fields.done()
    if not demands and scan is None:
        raise PolicyError(f"the rules for {images.under} ask for nothing, so all would be allowed")
    return images


def _approvals(fields: Fields, number: int) -> list[Fields]:
    """Return the one `[images.approval]`, or each `[[images.approval]]`: all of them are needed."""
    if fields.has_list("approval"):
        rows = fields.items("approval", most=_MOST)
        return [Fields(v, f"images[{number}].approval[{i}]") for i, v in enumerate(rows)]
    return [fields.inside("approval")] if fields.has("approval") else []


def _demand(fields: Fields, predicate_type: str) -> Demand:
    signers = fields.number("signers") if fields.has("signers") else 1
    asked = fields.has("requester")
    claims = fields.take("requester", dict) if asked else {}
    if asked and not claims:
        raise PolicyError("expected a claim of the requester, found none")
    if not all(isinstance(value, str) and value for value in claims.values()):
        raise PolicyError("expected a requester whose claims are texts, and not empty")
    keys, identities = _keys(fields), _identities(fields)
    demand = Demand(
        predicate_type, keys, identities, signers, read_span(fields, "max_age"), dict(claims)
    )
    fields.done()
    if signers < 1 or ((keys or identities) and signers > len(keys) + len(identities)):
        raise PolicyError(f"expected 1 to {len(keys) + len(identities)} signers, found {signers}")
    return demand


def _vulnerabilities(fields: Fields) -> Vulnerabilities:
    severity = fields.text("max_severity")
    if severity not in (*SEVERITIES, NOTHING) or severity == "unknown":
        raise PolicyError(f"expected one of {', '.join(SEVERITIES[:-1])} and none")
    found = Vulnerabilities(
        severity,
        fields.take("fixed_only", bool) if fields.has("fixed_only") else False,
        read_span(fields, "max_age"),
        tuple(_excuse(row) for row in _rows(fields, "allow")),
        _keys(fields),
        _identities(fields),
    )
    fields.done()
    return found


def _excuse(fields: Fields) -> Excuse:
    excuse = Excuse(_said(fields, "cve"), _until(fields), _said(fields, "why"))
    fields.done()
    return excuse


def _break_glass(fields: Fields) -> BreakGlass:
    found = BreakGlass(Digest(fields.text("digest")), _until(fields), _said(fields, "why"))
    fields.done()
    return found


def _remap(fields: Fields) -> Remap:
    remap = Remap(Scope(fields.text("signed")), Scope(fields.text("as")))
    fields.done()
    if "/" not in remap.signed or "/" not in remap.becomes:  # so neither is everywhere
        raise PolicyError("expected host/path in both parts of a remap")
    return remap


def _keys(fields: Fields) -> tuple[str, ...]:
    if not fields.has("keys"):
        return ()
    found = fields.items("keys", most=_MOST)
    if not found or not all(isinstance(one, str) for one in found):
        raise PolicyError("expected the names of keys, found none")
    keys = tuple(name(one) for one in found)
    if len(set(keys)) != len(keys):
        raise PolicyError("one key is named twice")
    return keys


def _identities(fields: Fields) -> tuple[Identity, ...]:
    found: list[Identity] = []
    asked = fields.has("identities")
    for row in _rows(fields, "identities"):
        found.append(Identity(_said(row, "identity"), _said(row, "issuer")))
        row.done()
    if asked and not found:
        raise PolicyError("expected identities, found none")
    if len(set(found)) != len(found):
        raise PolicyError("one identity is named twice")
    return tuple(found)


def _rows(fields: Fields, field: str) -> list[Fields]:
    if not fields.has(field):
        return []
    return [Fields(v, f"{field}[{i}]") for i, v in enumerate(fields.items(field, most=_MOST))]


def _choice(fields: Fields, field: str, choices: tuple[str, str]) -> str:
    if not fields.has(field):
        return choices[0]
    found = fields.text(field)
    if found not in choices:
        raise PolicyError(f"{field}: expected {' or '.join(choices)}, found {found[:40]!r}")
    return found


def _said(fields: Fields, field: str) -> str:
    text = plain(fields.text(field))
    if not text or len(text) > limits.ANNOTATION_VALUE:
        raise PolicyError(f"{field}: expected 1 to {limits.ANNOTATION_VALUE} characters")
    return text


def read_span(fields: Fields, field: str) -> int | None:
    """Take a span of time, in seconds; None when it is not there."""
    if not fields.has(field):
        return None
    text = fields.text(field)
    match = _SPAN.fullmatch(text)
    if match is None or (match[1] == "1") is bool(match[3]):
        raise PolicyError(f'{field}: expected a span like "1 day" or "90 minutes", found {text!r}')
    return int(match[1]) * _UNITS[match[2]]


def _until(fields: Fields) -> int:
    """Take a day, until whose end it lasts, or a moment in UTC."""
    from datetime import UTC, date, datetime, timedelta

    found: Any = fields.time("until")
    if type(found) is date and found < date.max:
        found = datetime(found.year, found.month, found.day, tzinfo=UTC) + timedelta(days=1)
    if type(found) is not datetime or found.utcoffset() != timedelta():
        raise PolicyError("until: expected a day like 2026-12-31, or 2026-12-31T12:00:00Z")
    return int(found.timestamp())
