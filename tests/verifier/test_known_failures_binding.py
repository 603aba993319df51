"""Logs, entries and keys that other verifiers once took for proof, and ours does not.

Each test is named after the published failure. Most are of one kind: the log entry, its
proof and the signature were each good, and not about one another.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier import twin
from tests.verifier.making import (
    IMAGE,
    REPOSITORY,
    NoteSigner,
    Signer,
    World,
    policy,
    refused,
    rewrite,
    witnesses,
)
from tests.verifier.paths import put
from tests.verifier.pinned import DOCUMENT, parse
from verifier._strict import b64encode
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import Hash, hash_leaf, verify_inclusion
from verifier.note import COSIGNATURE
from verifier.repository import Repository
from verifier.statement import approval
from verifier.verdict import Verified

OTHER = Digest.of(b"another image")
ENTRY = ("verificationMaterial", "tlogEntries", 0)


def _ask(world: World, path: tuple[str | int, ...], value: object) -> Verified:
    """Ask about the world's bundle with `value` at `path`."""
    document = put(json.loads(world.bundle.json()), path, value)
    return world.verify(json.dumps(document).encode())


def test_cve_2022_23649_entry_that_is_not_in_the_ledger() -> None:
    """
    An entry that the proof and the checkpoint of another leaf stand beside is not logged.
    """
    world = World()
    world.logged = b"what is really at this index"
    proven = world.bundle
    world.logged = None
    claimed = world.bundle._replace(proof=proven.proof, note=proven.note)

    assert proven.checkpoint.root != world.checkpoint.root
    refused("not-included", lambda: world.verify(claimed.json()))


@pytest.mark.parametrize("asked", ["same key", "other key"])
def test_cve_2022_36056_entry_of_another_signature(asked: str) -> None:
    """
    A good entry of another good signature, by the same key or another, is not this one's entry.
    """
    other = World()
    other.payload = approval(REPOSITORY, OTHER, {})
    signer = other.signer if asked == "same key" else Signer()
    world = World(signer=signer, log=other.log, logged=other.entry)

    refused("entry-mismatch", world.verify)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff", b"{}", b'{"kind":"dsse"}'])
def test_cve_2022_36056_broken_entry_is_no_entry(body: bytes) -> None:
    """
    An entry that cannot be read is refused, and never passed over, though its leaf is logged.
    """
    refused("entry-mismatch", World(logged=body).verify)


def test_cve_2022_36056_what_is_asked_for_is_always_compared() -> None:
    """
    The digest and the repository that were asked for are compared, each by itself.
    """
    world = World()

    refused("digest-mismatch", lambda: World(digest=OTHER).verify())
    other = Repository("registry.example/team/other")
    refused("repository-mismatch", lambda: World(repository=other).verify())
    assert IMAGE == world.verify().digest


@pytest.mark.parametrize("field", ["digest", "signature", "key"])
def test_cve_2026_22703_each_field_of_the_entry_is_compared(field: str) -> None:
    """
    An entry that is logged and differs in one field is refused, and the field is named.
    """
    world = World()
    entry = Entry.parse(world.entry)
    swapped = {
        "digest": entry._replace(data_digest=bytes(32)),
        "signature": entry._replace(signature=world.signer.sign(b"x")),
        "key": entry._replace(key=Signer().public),
    }
    world.logged = swapped[field].body()
    message = refused("entry-mismatch", world.verify).message

    assert [field] == [name for name in swapped if name in message]


def test_cve_2024_51746_the_entry_of_this_signature_and_no_other() -> None:
    """
    Of two entries for one image only the one that this signature made proves it.
    """
    first = World()
    second = World(signer=first.signer, log=first.log)
    second.payload = approval(REPOSITORY, IMAGE, {"env": "test"})
    swapped = World(signer=first.signer, log=first.log, logged=second.entry)

    assert [IMAGE, IMAGE] == [first.verify().digest, second.verify().digest]
    refused("entry-mismatch", swapped.verify)


def test_cve_2023_47122_no_log_key_is_ever_learned() -> None:
    """
    A trust file without a log is none, and the key under a checkpoint is never taken from it.
    """
    refused("malformed", lambda: parse(DOCUMENT | {"logs": []}))
    world = World(origin="first.example")
    world.log = NoteSigner("first.example")
    verifier, data = world.verifier, world.bundle.json()
    for _ in range(2):
        refused("untrusted-log", lambda: verifier.verify(data, IMAGE, REPOSITORY))


def test_cve_2026_49834_a_threshold_counts_witnesses() -> None:
    """
    One witness that signs ten times, with other times and under other names, is one of two.
    """
    everyone = witnesses(3)
    world = World(quorum=policy(2, everyone))
    text = str(world.checkpoint)
    times = [everyone[0].sign(text, time) for time in range(1, 11)]
    world.lines = (*times, *times, times[0]._replace(name="w.example"))

    assert "1 of 3" in refused("witness-quorum", world.verify).message


@pytest.mark.parametrize("where", ["witnesses", "keys", "logs"])
def test_cve_2026_49834_one_key_under_two_names(where: str) -> None:
    """
    A key that a trust file lists under two names would count twice, so the file is refused.
    """
    twice = [NoteSigner(name, COSIGNATURE, bytes(32)) for name in ("one", "two")]
    key = DOCUMENT["keys"][0]
    doubled: dict[str, Any] = {
        "witnesses": policy(2, twice),
        "keys": [key, key | {"name": "release-2"}],
        "logs": [DOCUMENT["logs"][0], DOCUMENT["logs"][0] | {"origin": "other.example"}],
    }

    refused("malformed", lambda: parse(DOCUMENT | {where: doubled[where]}))


@pytest.mark.parametrize("window", [(5, None), (0, 4), (4, 4), (5, 9), (0, 0)])
def test_cve_2026_54787_managed_keys_have_a_window(window: tuple[int, int | None]) -> None:
    """
    A good signature by a managed key at a position outside its window does not count.
    """
    world = World(index=4)
    world.verify()
    start, through = window
    world.key = world.key._replace(valid_from_tree_size=start, valid_through_tree_size=through)

    refused("key-window", world.verify)


@pytest.mark.parametrize("nothing", ["", " ", "sha256:", "sha256:" + "0" * 63, "*"])
def test_sigstore_go_609_nothing_to_compare_is_no_success(nothing: str) -> None:
    """
    There is no digest that stands for none, and a statement about nothing is malformed.
    """
    refused("bad-digest", lambda: Digest(nothing))
    world = World()
    rewrite(world, ("subject",), [])
    refused("malformed", world.verify)
    verifier, data = World().verifier, World().bundle.json()
    for absent in (None, ""):
        with pytest.raises(Exception):  # noqa: B017  a bug of the caller's, and never a yes
            verifier.verify(data, absent, REPOSITORY)  # type: ignore[arg-type]


def test_sigstore_go_611_the_digest_in_the_entry_is_compared() -> None:
    """
    An entry about other bytes, with the proof that it is logged, does not log these.
    """
    world = World()
    world.logged = Entry.parse(world.entry)._replace(data_digest=OTHER_HASH).body()

    assert "digest" in refused("entry-mismatch", world.verify).message


OTHER_HASH = bytes.fromhex(OTHER.hex)


def test_sigstore_python_1652_the_digest_in_the_bundle_is_compared() -> None:
    """
    What the signed statement is about decides, and nothing beside it: a message digest is refused.
    """
    world = World()
    said = {"algorithm": "SHA2_256", "digest": b64encode(OTHER_HASH)}
    document = json.loads(world.bundle.json())
    document["messageSignature"] = {"messageDigest": said, "signature": "AAAA"}

    refused("unsupported-version", lambda: world.verify(json.dumps(document).encode()))
    del document["dsseEnvelope"]
    refused("unsupported-version", lambda: world.verify(json.dumps(document).encode()))


def test_sigstore_go_635_the_entry_is_rebuilt() -> None:
    """
    A body that means the same, is logged and proven, is not the entry of this bundle.
    """
    world = World()
    world.logged = json.dumps(json.loads(world.entry), indent=1).encode()
    path = tuple(Hash(h) for h in twin.inclusion(world.index, world.entries))
    verify_inclusion(hash_leaf(world.logged), world.bundle.proof, world.checkpoint.root)

    assert path == world.bundle.proof.path
    refused("entry-mismatch", world.verify)


@pytest.mark.parametrize("field", ["integratedTime", "inclusionPromise"])
def test_sigstore_python_1247_no_time_that_nobody_signed(field: str) -> None:
    """
    A log entry that brings a time of its own, or a promise of it, is refused: nothing signs it.
    """
    value: object = "1700000000" if field == "integratedTime" else {"signedEntryTimestamp": "AAAA"}

    refused("unknown-field", lambda: _ask(World(), (*ENTRY, field), value))
