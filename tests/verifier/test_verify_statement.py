"""What a statement must say, and about what, to approve an image in a repository."""

from __future__ import annotations

import json

import pytest

from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, World, refused, rewrite, rows, verdict
from verifier.digest import Digest
from verifier.repository import Repository, Scope
from verifier.statement import approval, event

OTHER_IMAGE = Digest.of(b"another image")
OTHER_REPOSITORY = Repository("registry.example/team/other")


def test_scope_of_the_statement() -> None:
    """
    A key speaks for the repositories in its scope, also when nobody asked for one.
    """
    world = World(repository=None)
    world.key = world.key._replace(
        scope=(Scope("registry.example/team-evil"), Scope("other.example"))
    )

    refused("key-scope", world.verify)


@pytest.mark.parametrize("scope", [(), ("registry.example/team/app/x",), ("registry.example:443",)])
def test_scopes_that_do_not_cover(scope: tuple[str, ...]) -> None:
    """
    Without a scope that covers the repository, a key approves nothing in it.
    """
    world = World()
    world.key = world.key._replace(scope=tuple(Scope(text) for text in scope))

    refused("key-scope", world.verify)


def test_key_of_another_purpose_signs_no_approval() -> None:
    """
    No key but one for approvals approves, whatever else it is trusted for.
    """
    for purpose in ("attest", "event", "status", "log", "timestamp", "witness"):
        world = World()
        world.key = world.key._replace(purpose=purpose)
        refused("key-purpose", world.verify)


def test_event_is_no_approval() -> None:
    """
    A statement about the ledger does not approve the digest that it names.
    """
    world = World(payload=event("revoked:v1", ORIGIN, {"index": 1}))
    world.digest = Digest.of(b'{"index":1}')

    refused("predicate-type", world.verify)


@pytest.mark.parametrize(
    ("payload", "code"),
    rows(
        ("no JSON", b"approve", "malformed"),
        ("nothing", b"", "malformed"),
        ("list", b"[]", "malformed"),
        ("key twice", b'{"_type":"",' + approval(REPOSITORY, IMAGE, {})[1:], "duplicate-key"),
        ("byte-order mark", b"\xef\xbb\xbf" + approval(REPOSITORY, IMAGE, {}), "malformed"),
    ),
)
def test_signed_nonsense(payload: bytes, code: str) -> None:
    """
    A payload that cannot be read is refused, though its signature is good.
    """
    refused(code, World(payload=payload).verify)


def test_same_meaning_other_bytes() -> None:
    """
    The signature covers bytes: the same statement written otherwise has no signature.
    """
    world = World()
    good = world.envelope
    world.payload = json.dumps(json.loads(good.payload), indent=1).encode()
    world.signature = good.signature

    refused("bad-signature", world.verify)


def test_statement_written_by_others() -> None:
    """
    An approval need not be in our own spelling; it is judged by what was signed.
    """
    world = World()
    rewrite(world, ("predicate",), {"score": 1.5})

    expected = "yes"
    assert expected == verdict(world.verify)


def subject(digest: Digest, name: str | None, note: str) -> dict[str, object]:
    named = {} if name is None else {"name": name}
    return {"digest": {"sha256": digest.hex}, **named, "annotations": {"note": note}}


SUBJECTS = [
    subject(OTHER_IMAGE, REPOSITORY, "other image"),
    subject(IMAGE, OTHER_REPOSITORY, "other repository"),
    subject(IMAGE, REPOSITORY, "this one"),
    subject(IMAGE, REPOSITORY, "again"),
]


@pytest.mark.parametrize(
    ("digest", "repository", "note"),
    [
        (IMAGE, REPOSITORY, "this one"),
        (IMAGE, OTHER_REPOSITORY, "other repository"),
        (IMAGE, None, "other repository"),
        (OTHER_IMAGE, REPOSITORY, "other image"),
        (OTHER_IMAGE, None, "other image"),
    ],
)
def test_one_subject_of_several(digest: Digest, repository: Repository | None, note: str) -> None:
    """
    Digest and repository must be those of one subject, and the answer is about that one.
    """
    world = World(digest=digest, repository=repository)
    rewrite(world, ("subject",), SUBJECTS)

    assert {"note": note} == world.verify().annotations


@pytest.mark.parametrize(
    ("digest", "repository", "code"),
    [
        (OTHER_IMAGE, OTHER_REPOSITORY, "repository-mismatch"),
        (Digest.of(b""), REPOSITORY, "digest-mismatch"),
    ],
)
def test_no_subject_of_several(digest: Digest, repository: Repository, code: str) -> None:
    """
    The digest of one subject in the repository of another is approved by neither.
    """
    world = World(digest=digest, repository=repository)
    rewrite(world, ("subject",), SUBJECTS)

    refused(code, world.verify)


@pytest.mark.parametrize("repository", [REPOSITORY, None])
@pytest.mark.parametrize("name", [None, ""])
def test_unnamed(name: str | None, repository: Repository | None) -> None:
    """
    An approval that names no repository, as cosign's own do, is refused as that, with a hint.
    """
    world = World(repository=repository)
    rewrite(world, ("subject",), [subject(IMAGE, name, "")])

    assert "cosign" in refused("unnamed-repository", world.verify).hint


def test_one_is_named() -> None:
    """
    Beside a subject without a name, one that has the right name approves.
    """
    world = World(repository=None)
    rewrite(world, ("subject",), [subject(IMAGE, None, ""), subject(IMAGE, REPOSITORY, "")])

    assert world.verify().repository == REPOSITORY


@pytest.mark.parametrize("name", ["app", "Registry.example/app", f"{REPOSITORY}:latest"])
def test_subject_without_a_repository(name: str) -> None:
    """
    An approval for something that is nearly a repository approves nothing.
    """
    world = World()
    rewrite(world, ("subject",), [subject(IMAGE, name, "")])

    refused("repository-mismatch", world.verify)
    world.repository = None
    refused("bad-repository", world.verify)
