"""Policies, and images judged under whatever policy."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from typing import Any

from tests.fuzz import seeds
from tests.fuzz.target import Targets, same
from tests.verifier.books import HEADER, Book
from tests.verifier.making import IMAGE, NOW, REPOSITORY
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.policy import Policy
from verifier.policy.demands import NOTHING
from verifier.verdict import RefusedError
from verifier.verify import Verifier
from verifier.vulnerabilities import PREDICATE_TYPE, SEVERITIES, Scan

TARGETS = Targets()
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-")
_NOBODY = Digest.of(b"an image of which nothing is said")
_PROVENANCE = "https://slsa.dev/provenance/v1"
_REPORT = '[[images]]\nunder = "*"\n[images.vulnerabilities]\nmax_severity = "low"\n'

_SHORT = f'{HEADER}[[images]]\nunder = "*"\n[images.approval]\n'.encode()
_LONG = f"""{HEADER}max_trust_age = "7 days"

[[images]]
under = "{REPOSITORY}"
mode = "enforce"
unnamed = "allow"
max_checkpoint_age = "1 day"
remap = [{{ signed = "registry.example/team", as = "registry.example/prod" }}]
break_glass = [{{ digest = "{_NOBODY}", until = 2020-01-01, why = "an outage" }}]

[images.approval]
keys = ["release", "qa"]
signers = 2
max_age = "90 days"

[[images.attestation]]
type = "{_PROVENANCE}"
keys = ["ci"]

[images.vulnerabilities]
max_severity = "medium"
fixed_only = true
max_age = "7 days"
keys = ["scanner"]
allow = [{{ cve = "CVE-2019-1549", until = 2099-12-31, why = "not built in" }}]
""".encode()
_NAMED = f"""{HEADER}[[images]]
under = "registry.example"
mode = "warn"
[images.approval]
identities = [{{ identity = "a@b.example", issuer = "https://b.example" }}]
requester = {{ issuer = "https://b.example", project_id = "4711" }}
""".encode()


def _as_toml(data: bytes) -> bytes:
    """Return TOML as it is, and JSON, of which values can be moved around, as TOML."""
    if not data.startswith(b"{"):
        return data
    pairs = json_object(data, limit=1 << 20, floats=True).items()
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in pairs).encode()


def _value(value: Any) -> str:
    match value:
        case dict():
            pairs = (f"{json.dumps(key)} = {_value(inner)}" for key, inner in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str() if _DATE.match(value):
            return value
    return json.dumps(value)


def _as_json(toml: bytes) -> bytes:
    return json.dumps(tomllib.loads(toml.decode()), default=str).encode()


def _book() -> Book:
    book = Book()
    book.mark(1)
    for name in ("release", "qa"):
        book.approve(name)
    book.attest("ci", _PROVENANCE, {})
    book.attest("scanner", PREDICATE_TYPE, json.loads(seeds.SCAN.predicate()))
    book.mark(0)
    return book


_BOOK = _book()
_TRUST, _STATUS = _BOOK.trust, _BOOK.status
_BUNDLES = [_BOOK.bundle(index) for index in range(4)]


@TARGETS.add(_SHORT, _LONG, _NAMED, _as_json(_LONG))
def policy(data: bytes) -> None:
    """A policy has a rule, each rule asks for something, and other readers see as many."""
    data = _as_toml(data)
    found = Policy.parse(data)
    same(len(tomllib.loads(data.decode())["images"]), len(found.images))
    assert found.images
    assert all(images.demands or images.vulnerabilities for images in found.images)
    assert all(demand.signers > 0 for images in found.images for demand in images.demands)


@TARGETS.add(_SHORT, _LONG, _as_json(_SHORT), _as_json(_LONG))
def judged_policy(data: bytes) -> None:
    """No policy that enforces lets an image run of which nothing is said."""
    judge = Verifier(_TRUST, lambda: NOW, status=_STATUS, policy=Policy.parse(_as_toml(data)))
    with suppress(RefusedError):
        verdict = judge.judge(_BUNDLES, _NOBODY, REPOSITORY)
        assert verdict.mode == "warn" or verdict.broken_glass
    verdict = judge.judge(_BUNDLES, IMAGE, REPOSITORY)
    assert verdict.met or verdict.mode == "warn" or verdict.broken_glass


@TARGETS.add(seeds.SCAN._replace(findings=seeds.SCAN.findings[1:]).predicate())
def judged_report(data: bytes) -> None:
    """An image runs only with a report that is read whole, and has nothing worse than asked."""
    predicate = json_object(data, limit=1 << 20, floats=True)
    book = Book()
    book.attest("scanner", PREDICATE_TYPE, predicate)
    book.mark(0)
    assert book.judge(_REPORT, 0).met
    worst = SEVERITIES.index("low")
    try:
        findings = Scan.parse(predicate).findings
    except MalformedError as e:
        raise AssertionError(NOTHING) from e
    assert all(SEVERITIES.index(finding.severity) >= worst for finding in findings)
    assert all(finding.severity != "unknown" for finding in findings)
