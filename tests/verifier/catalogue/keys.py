"""Bad hints, windows and scopes of keys: rows C1 to C5.

Rows C6 to C9 are about certificates, which the core never reads: it knows keys. Without
the extra that judges certificates, each is refused, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.verifier.catalogue.case import Case
from tests.verifier.making import IMAGE, Signer, World
from tests.verifier.pinned import APPROVER, DOCUMENT, OFFICER, parse
from verifier._strict import b64encode
from verifier.repository import Repository, Scope
from verifier.statement import approval
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.verify import Verifier

HERE = "registry.example/team/app"


def asked(row: str, name: str, world: World, code: str, *others: TrustedKey) -> Case:
    """Ask about a world's bundle where its key and `others` are trusted."""
    trust = world.trust._replace(keys=keys_by_hint([world.key, *others]))
    judge = Verifier(trust, clock=lambda: world.now).verify
    return Case(
        row, name, partial(judge, world.bundle.json(), world.digest, world.repository), code
    )


def trusted(signer: Signer, **other: Any) -> TrustedKey:
    """Return the key of `signer` as one more that may approve everywhere."""
    key = TrustedKey("other", "approve", signer.public, (Scope("*"),))
    return key._replace(**other)


def _hints() -> Iterator[Case]:
    """C1: the hint is of one trusted key, the signature by another. C3: nobody has this hint."""
    two = Signer()
    world = World(hint=two.public.hint)
    yield asked("C1", "hint of the other key", world, "bad-signature", trusted(two))
    world = World()
    world.signature = two.sign(world.envelope.message)
    yield asked("C1", "signature by the other key", world, "bad-signature", trusted(two))
    event = trusted(two, purpose="event")
    yield asked("C1", "hint of a key for events", World(hint=two.public.hint), "key-purpose", event)
    other = Signer("ed25519")
    yield asked(
        "C1",
        "hint of a key of another algorithm",
        World(hint=other.public.hint),
        "bad-signature",
        trusted(other),
    )
    # The same statement by two keys, each pinned; neither's signature counts as the other's.
    quantum, first = Signer("ml-dsa-65"), Signer()
    message = World().envelope.message
    for name, of, by in (("ML-DSA-65", quantum, first), ("P-256", first, quantum)):
        made = World(signer=of, signature=by.sign(message))
        yield asked("C1", f"the second algorithm's signature for {name}", made, "bad-signature",
                    trusted(by))  # fmt: skip
    made = World(signer=quantum, hint=first.public.hint)
    yield asked("C1", "hint of the first algorithm", made, "bad-signature", trusted(first))
    good = World().signer.public.hint
    hints = {
        "of nobody": two.public.hint,
        "hexadecimal": "ab" * 32,
        "of an empty key": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "name of the key": "release",
        "a wildcard": "*",
    }
    for name, hint in hints.items():
        yield asked("C3", name, World(hint=hint), "unknown-key")
    for length in (1000, 500_000):
        yield asked("C3", f"{length:,} characters", World(hint="A" * length), "over-limit")
    for name, hint in {
        "without padding": good.rstrip("="),
        "newline at the end": f"{good}\n",
        "space before": f" {good}",
        "upper case": good.upper(),
        "url-safe": good.replace("+", "-").replace("/", "_") + ".",
        "SPKI itself": b64encode(two.public.spki),
    }.items():
        world = World(hint=hint)
        yield asked("C3", name, world, "unknown-key")
    world = World()
    yield asked("C3", "of the log", World(hint=world.log.key.public.hint, log=world.log),
                "unknown-key")  # fmt: skip


def loaded(name: str, code: str, *changes: dict[str, Any]) -> Case:
    """C2: pin two keys, of which these fields are other than in the good trust file."""
    rows = [{**row, **change} for row, change in zip(DOCUMENT["keys"], changes, strict=True)]
    return Case("C2", name, lambda: parse(DOCUMENT | {"keys": rows}), code)


ONE, TWO = b64encode(APPROVER.public.spki), b64encode(OFFICER.public.spki)
ROOT = {"threshold": 1, "keys": [{"name": "alice", "key": ONE}]}
DOUBLES = (
    loaded("as they are", "yes", {}, {}),
    loaded("one key, two names, two purposes", "malformed", {}, {"key": ONE}),
    loaded("one key, two names", "malformed", {}, {"key": ONE, "purpose": "approve"}),
    loaded("two keys, one name", "malformed", {}, {"name": "release"}),
    loaded("two windows of one key", "malformed",
           {"valid_from_tree_size": 0, "valid_through_tree_size": 5},
           {"name": "release-2", "purpose": "approve", "key": ONE, "valid_from_tree_size": 9}),
    loaded("key of the log", "malformed", {"key": DOCUMENT["logs"][0]["checkpoint_key"]}, {}),
    loaded("key of the promises", "malformed", {"key": DOCUMENT["logs"][0]["promise_key"]}, {}),
    Case("C2", "key of a root", lambda: parse(DOCUMENT | {"roots": ROOT}), "malformed"),
)  # fmt: skip


def _windows() -> Iterator[Case]:
    """C4: the entry is at 4, and the key counts from one position to before another."""
    for name, start, through, code in (
        ("always", 0, None, "yes"),
        ("from here", 4, None, "yes"),
        ("not yet valid", 5, None, "key-window"),
        ("not for long", 2**63 - 1, None, "key-window"),
        ("last position", 0, 5, "yes"),
        ("only position", 4, 5, "yes"),
        ("retired just before", 0, 4, "key-window"),
        ("retired long before", 0, 1, "key-window"),
        ("never valid", 0, 0, "key-window"),
        ("an empty window here", 4, 4, "key-window"),
        ("a window after", 5, 9, "key-window"),
    ):
        world = World()
        world.key = world.key._replace(valid_from_tree_size=start, valid_through_tree_size=through)
        yield asked("C4", name, world, code)
    # A retired key is not helped by another one that is still good, nor by a larger tree.
    world = World(leaves=300)
    world.key = world.key._replace(valid_through_tree_size=4)
    yield asked("C4", "retired, beside a good key", world, "key-window", trusted(Signer()))


def _scopes() -> Iterator[Case]:
    """C5: a scope covers whole segments of a path, and nothing that only looks like one."""
    for scope, code in {
        "*": "yes",
        "registry.example": "yes",
        "registry.example/team": "yes",
        HERE: "yes",
        "registry.example/tea": "key-scope",
        "registry.example/team/ap": "key-scope",
        "registry.example/team/app/x": "key-scope",
        "registry.example/team/app2": "key-scope",
        "registry.example/team-evil": "key-scope",
        "registry.example:443": "key-scope",
        "registry.exampl": "key-scope",
        "example": "key-scope",
        "sub.registry.example": "key-scope",
    }.items():
        world = World()
        world.key = world.key._replace(scope=(Scope(scope),))
        yield asked("C5", scope, world, code)
    world = World()
    world.key = world.key._replace(scope=())
    yield asked("C5", "no scope at all", world, "key-scope")
    world.key = world.key._replace(scope=(Scope("a.example"), Scope("registry.example")))
    yield asked("C5", "the second of two", world, "yes")
    # The key may speak of where the image was pulled from, and the statement names another place.
    other = Repository("other.example/team/app")
    world = World(payload=approval(other, IMAGE, {}))
    world.key = world.key._replace(scope=(Scope("registry.example"),))
    yield asked("C5", "statement for elsewhere", world, "repository-mismatch")
    world.repository = None
    yield asked("C5", "statement for elsewhere, any accepted", world, "key-scope")
    world.repository = other
    yield asked("C5", "question for elsewhere", world, "key-scope")
    # Another key's scope does not help this one.
    yield asked("C5", "another key may", world, "key-scope", trusted(Signer()))
    for text in ("**", "registry.example/*", "registry.example/team/", "REGISTRY.example", "", " ",
                 "registry.example/../x", "registry.example//x", "registry.example\n"):  # fmt: skip
        yield Case("C5", f"a scope {text!r}", partial(Scope, text), "bad-repository")


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*_hints(), *DOUBLES, *_windows(), *_scopes())
