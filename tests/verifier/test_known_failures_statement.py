"""Statements and crashes that other verifiers once took for a yes, and ours does not.

Each test is named after the published failure.
"""

from __future__ import annotations

import json

import pytest

from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, World, refused, rewrite, verdict
from tests.verifier.shell import Shell
from verifier.bundle import Bundle
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.publickey import PublicKey
from verifier.repository import Repository
from verifier.statement import Statement, approval, event
from verifier.tlogpolicy import TlogPolicy
from verifier.trust.listed import TrustedKey

OTHER = Digest.of(b"another image")
STEPS = [
    (Bundle, "parse"),
    (PublicKey, "verify"),
    (Statement, "parse"),
    (Entry, "of"),
    (Entry, "body"),
    (TlogPolicy, "verify"),
    (TrustedKey, "valid_at"),
]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "malformed"),
        (b"not JSON", "malformed"),
        (b"{}", "malformed"),
        (event("revocation", ORIGIN, {}), "predicate-type"),
    ],
)
def test_cve_2026_39395_a_payload_that_is_no_approval(payload: bytes, code: str) -> None:
    """
    A payload that cannot be read, or that says another thing, approves nothing.
    """
    refused(code, World(payload=payload).verify)


@pytest.mark.parametrize(
    "kind", ["", "https://slsa.dev/provenance/v1", "https://sigstore.dev/cosign/sign/v1 ",
             "https://sigstore.dev/cosign/sign/v1/", "HTTPS://sigstore.dev/cosign/sign/v1"]
)  # fmt: skip
def test_cve_2022_35929_an_attestation_of_another_type(kind: str) -> None:
    """
    Any attestation does not do: its predicate type is the one asked for, letter by letter.
    """
    world = World()
    rewrite(world, ("predicateType",), kind)

    refused("predicate-type" if kind else "malformed", world.verify)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x80" * 100])
def test_sigstore_python_1492_a_bad_timestamp_spoils_nothing(junk: bytes) -> None:
    """
    A timestamp is for other clients: junk in its place changes no verdict of ours.
    """
    world = World()
    stamps = (junk, junk)

    assert world.verify() == world.verify(world.bundle._replace(timestamps=stamps).json())


def test_ghsa_r2xv_vpr2_42m9_a_statement_about_another_package() -> None:
    """
    A good approval of another image, or of this one in another repository, is not this one's.
    """
    elsewhere = Repository("registry.example/team/other")

    refused("digest-mismatch", World(payload=approval(REPOSITORY, OTHER, {})).verify)
    refused("repository-mismatch", World(payload=approval(elsewhere, IMAGE, {})).verify)


@pytest.mark.parametrize("error", [IndexError, RuntimeError, RecursionError, MemoryError])
@pytest.mark.parametrize(("owner", "step"), STEPS)
def test_cve_2026_44310_a_crash_is_a_no(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    step: str,
    error: type[Exception],
) -> None:
    """
    The command that crashes at a step of the judge exits with 1 and prints no yes.
    """

    def crash(*_: object) -> None:
        raise error

    monkeypatch.setattr(owner, step, crash)
    answer = shell.ask()

    assert (1, "") == answer[:2]


def test_cve_2026_44309_the_received_bytes_are_verified() -> None:
    """
    The same statement in other bytes than those that were signed does not verify.
    """
    world = World()
    signature = world.envelope.signature
    for payload in (
        json.dumps(json.loads(world.payload), indent=1).encode(),
        world.payload + b"\n",
        world.payload.replace(b'"_type"', b'"\\u005ftype"'),
        world.payload.replace(b"{", b'{"_type":"x",', 1),
    ):
        assert payload != world.payload
        other = World(signer=world.signer, log=world.log, payload=payload, signature=signature)
        refused("bad-signature", other.verify)


def test_cve_2026_44309_signed_twice_over() -> None:
    """
    Bytes in which two readers may see two statements are refused, though they were signed.
    """
    doubled = World().payload.replace(b'"predicateType"', b'"predicateType":"x","predicateType"')

    refused("duplicate-key", World(payload=doubled).verify)


@pytest.mark.parametrize(("owner", "step"), STEPS)
def test_kyverno_0b4d37bd_a_step_that_fails_is_no_success(
    monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    """
    Whichever step raises what nobody expected, and whenever, no verdict comes out of the judge.
    """
    world = World()
    good = getattr(owner, step)
    calls: list[int] = []

    def fail(*args: object) -> object:
        calls.append(1)
        if len(calls) == count:
            raise KeyError(step)
        return good(*args)

    monkeypatch.setattr(owner, step, fail)
    for count in (1, 2):
        calls.clear()
        answers = []
        try:
            answers.append(world.verify())
        except Exception:  # noqa: BLE001  whatever it is, it is not a verdict
            continue
        assert len(calls) < count, answers


@pytest.mark.parametrize(
    ("owner", "step"),
    [(Bundle, "parse"), (Statement, "parse"), (Entry, "of"), (TlogPolicy, "verify")],
)
def test_kyverno_0b4d37bd_a_step_that_gives_nothing(
    monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    """
    A step that returns nothing where it owes a value gives no verdict.
    """
    world = World()
    assert "yes" == verdict(world.verify)
    monkeypatch.setattr(owner, step, lambda *_, **__: None)

    with pytest.raises(Exception):  # noqa: B017  any, for it is a bug that was put there
        world.verify()
