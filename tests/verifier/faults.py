"""One fault for each step of the judge's flow, in the order of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tests.verifier.making import (
    EXPIRES,
    ORIGIN,
    NoteSigner,
    Signer,
    World,
    policy,
    rewrite,
    witnesses,
)
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import Hash
from verifier.repository import Scope

Fault: TypeAlias = Callable[[World], None]


def _shape(world: World) -> None:
    world.signature = b""


def _unknown_key(world: World) -> None:
    world.hint = Signer().public.hint


def _key_purpose(world: World) -> None:
    world.key = world.key._replace(purpose="event")


def _key_scope(world: World) -> None:
    world.key = world.key._replace(scope=(Scope("other.example"),))


def _bad_signature(world: World) -> None:
    world.signature = world.signer.sign(b"something else")


def _predicate_type(world: World) -> None:
    rewrite(world, ("predicateType",), "https://slsa.dev/provenance/v1")


def _digest_mismatch(world: World) -> None:
    world.digest = Digest.of(b"another image")


def _repository_mismatch(world: World) -> None:
    rewrite(world, ("subject", 0, "name"), "registry.example/team/other")


def _entry_mismatch(world: World) -> None:
    world.logged = Entry.of(b"x", world.signer.sign(b"x"), world.signer.public).body()


def _not_included(world: World) -> None:
    world.path = (Hash(bytes(32)),) * 3


def _untrusted_log(world: World) -> None:
    world.log = NoteSigner(ORIGIN)


def _witness_quorum(world: World) -> None:
    world.quorum = policy(1, witnesses(1))


def _checkpoint_mismatch(world: World) -> None:
    world.log_id = bytes(32)


def _key_window(world: World) -> None:
    world.key = world.key._replace(valid_through_tree_size=world.index)


def _trust_expired(world: World) -> None:
    world.now = EXPIRES


# In the order of the steps of `Verifier.verify`.
FAULTS: list[tuple[str, Fault]] = [
    ("malformed", _shape),
    ("unknown-key", _unknown_key),
    ("key-purpose", _key_purpose),
    ("key-scope", _key_scope),
    ("bad-signature", _bad_signature),
    ("predicate-type", _predicate_type),
    ("digest-mismatch", _digest_mismatch),
    ("repository-mismatch", _repository_mismatch),
    ("entry-mismatch", _entry_mismatch),
    ("not-included", _not_included),
    ("untrusted-log", _untrusted_log),
    ("witness-quorum", _witness_quorum),
    ("checkpoint-mismatch", _checkpoint_mismatch),
    ("key-window", _key_window),
    ("trust-expired", _trust_expired),
]
