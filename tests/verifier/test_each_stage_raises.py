"""Whatever goes wrong inside, at any stage, the answer is no.

The stages are found by watching a run that says yes, so there is no list to forget one in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.verifier.books import HEADER, Book
from tests.verifier.making import IMAGE, NOW, REPOSITORY, witnesses
from tests.verifier.making import policy as quorum
from tests.verifier.stages import Run, Stage, calls, failing, owners, returned, stages, sweeping
from tests.verifier.statuses import DAY
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.policy import Policy
from verifier.repository import Scope
from verifier.trust.revocation import Revocation
from verifier.trust.status import Mark
from verifier.verify import Verifier
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    with sweeping():
        yield


class Panic(BaseException):
    """As what `cryptography` raises when its own code in Rust fails: no Exception."""


ERRORS = (RuntimeError, AssertionError, MemoryError, RecursionError, KeyError, OSError, Panic)
PROVENANCE = "https://slsa.dev/provenance/v1"
POLICY = f"""
[[images]]
under = "other.example"
[images.approval]

[[images]]
under = "registry.example"
witnesses = 2
max_checkpoint_age = "1 day"
remap = [{{ signed = "build.example/team", as = "registry.example/team" }}]

[images.approval]
keys = ["release", "qa"]
signers = 2
max_age = "30 days"

[[images.attestation]]
type = "{PROVENANCE}"
keys = ["ci"]
max_age = "30 days"

[images.vulnerabilities]
max_severity = "low"
max_age = "7 days"
allow = [{{ cve = "CVE-2026-1", until = 2099-01-01, why = "not reached" }}]
"""


def _book() -> Book:
    """A ledger under three witnesses, of which two must sign, that revoked something else."""
    book = Book()
    book.witnesses = witnesses(3)
    book.quorum = quorum(2, book.witnesses)
    book.marks = (Mark(0, NOW - 2 * DAY),)
    other = Digest.of(b"another image")
    book.revocations = (
        Revocation("entry", "99", "a mistake", 100, bundle=b"{}"),
        Revocation("digest", other, "a mistake", 101, repository=Scope("*"), bundle=b"{}"),
    )
    return book


def _one() -> Run:
    """One bundle, under a status file and witnesses."""
    book = _book()
    data = book.bundle(book.approve())
    trust, status = book.trust, book.status
    return Run(
        lambda: Verifier(trust, lambda: NOW, status=status),
        lambda verifier: verifier.verify(data, IMAGE, REPOSITORY),
    )


def _many() -> Run:
    """An image under a policy that needs each of four bundles."""
    book = _book()
    findings = tuple(Finding("high", "CVE-2026-1", package, "1.0") for package in ("curl", "tar"))
    scan = Scan(Scanner("trivy", "", "1"), NOW - DAY, NOW, findings, Report("trivy", bytes(32)))
    entries = [
        book.approve("release"),
        book.approve("qa"),
        book.attest("ci", PROVENANCE, {}),
        book.attest("scanner", PREDICATE_TYPE, json.loads(scan.predicate())),
    ]
    bundles = [book.bundle(entry) for entry in entries]
    trust, status, policy = book.trust, book.status, Policy.parse((HEADER + POLICY).encode())
    return Run(
        lambda: Verifier(trust, lambda: NOW, status=status, policy=policy),
        lambda verifier: verifier.judge(bundles, IMAGE, REPOSITORY),
    )


RUNS = {"verify": _one(), "judge": _many()}
# Functions that may give nothing and still leave a yes, in either run, and why.
NOTHING_IS_FINE = {
    "_strict._once": "the JSON decoder has its own hold of it",
    "_strict._integer": "the JSON decoder has its own hold of it",
    "_strict.rfc3339": "of a report, only its place in the ledger tells its age",
    "_strict.hexadecimal": "nobody asks what file a report was made from",
    "demands.Remap.origin_of": "nothing says that the image was signed elsewhere, nor was it",
    "publickey.PublicKey.hint": "it tells signers apart, and here is only one",
    "repository.Repository.__new__": "a type, which cannot give another one",
    "rules._noun": "only a word in an answer",
    "spans.span": "only words in an answer",
}


def _marked(cases: dict[str, Run]) -> list[Any]:
    return [pytest.param(run, id=name) for name, run in cases.items()]


@pytest.mark.parametrize("run", _marked(RUNS))
@pytest.mark.parametrize("error", ERRORS)
def test_each_stage_raises(run: Run, error: type[BaseException]) -> None:
    """
    Whatever an inner call raises, what comes out is a VerificationError, and nothing else.
    """
    found = stages(run)
    outcomes = {stage.name: _outcome(run, stage, error("canary")) for stage in found}

    assert len(found) > 150
    assert {} == {name: came for name, came in outcomes.items() if came in {"yes", "escaped"}}
    assert "internal-error" in outcomes.values()


def test_each_call_raises() -> None:
    """
    Not only the first call of each kind: of one verification every call, one after the other.
    """
    run = RUNS["verify"]
    found = calls(run)[1:]
    outcomes = [_outcome(run, stage, RuntimeError("canary")) for stage in found]

    assert len(found) > 500
    assert {"internal-error"} == set(outcomes)


def test_a_mistake_is_no_bad_bundle() -> None:
    """
    A bundle more than is needed may be bad; that a mistake of ours made it so is a refusal.
    """
    run = _spare()
    outcomes = {stage.name: _outcome(run, stage, RuntimeError("canary")) for stage in stages(run)}

    assert len(outcomes) > 150
    assert {"internal-error"} == set(outcomes.values())


def _spare() -> Run:
    """Two approvals of which one would do."""
    book = _book()
    bundles = [book.bundle(entry) for entry in [book.approve("release"), book.approve("qa")]]
    trust, status = book.trust, book.status
    return Run(
        lambda: Verifier(trust, lambda: NOW, status=status),
        lambda verifier: verifier.judge(bundles, IMAGE, REPOSITORY),
    )


def _outcome(run: Run, stage: Stage, error: BaseException) -> str:
    try:
        failing(run, stage, error)
    except VerificationError as e:
        return e.code
    except BaseException:  # noqa: BLE001  whatever it is
        return "escaped"
    return "yes"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_being_stopped(stop: type[BaseException]) -> None:
    """
    Being stopped is not a refusal: it comes out as it is, and no verdict does.
    """
    run = RUNS["verify"]
    for stage in stages(run)[::20]:
        with pytest.raises(stop):
            failing(run, stage, stop())


def test_nothing_in_the_place_of_something() -> None:
    """
    A function that gives nothing in the place of something never makes a yes, but for those
    listed, each of which does.
    """
    outcomes: dict[str, set[str]] = {}
    for run in RUNS.values():
        for name, code in returned(run).items():
            if not name.startswith(("verify.Verifier.verify", "verify.Verifier.judge")):
                outcomes.setdefault(name, set()).add(_without(run, code))

    assert len(outcomes) > 80
    assert not [name for name, found in outcomes.items() if "escaped" in found]
    assert set(NOTHING_IS_FINE) == {name for name, found in outcomes.items() if "yes" in found}


def _without(run: Run, code: Any) -> str:
    """Return what comes of a run in which the function with this code gives nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in owners(code):
            patch.setattr(owner, name, _nothing_like(vars(owner)[name], name))
        try:
            answer = run()
        except VerificationError as e:
            return e.code
        except BaseException:  # noqa: BLE001  whatever it is
            return "escaped"
    return "no answer" if answer is None else "yes"


def _nothing_like(function: Any, name: str) -> Any:
    def nothing(*_: object, **__: object) -> None:
        return None

    if isinstance(function, property):
        return property(nothing)
    plain = isinstance(function, (staticmethod, classmethod)) or name == "__new__"
    return staticmethod(nothing) if plain else nothing
