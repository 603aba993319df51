"""`sealbook trust create`, `sign` and `diff`: the next trust file, from root to root."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from signer.keys.memory import MemoryKey
from tests.signer.commands import ROOT as CHECKOUT
from tests.signer.commands import check_refused, one
from tests.signer.roots import (
    NEW,
    OLD,
    ROOT,
    create,
    created,
    good,
    new_key,
    rules,
    sha256,
    sign,
    trust_of,
)
from tests.signer.world import World
from verifier.errors import TrustThresholdError
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import keys_by_hint
from verifier.trust.signed import SignedFile

DAY = 86_400


def diff(world: World) -> list[str]:
    """Return what `sealbook trust diff` prints."""
    return world.command("trust", "diff", OLD, NEW).stdout.splitlines()


def test_next_version(world: World) -> None:
    """
    The next version says what the one in force said, but for its number and its time; it does not
    count before a root signed it, and follows once one did.
    """
    said = created(world, "--days", 30)
    with pytest.raises(TrustThresholdError):
        trust_of(world)
    signed = good(sign(world))
    old, new = world.trust, trust_of(world)

    assert "it does NOT COUNT until it is signed: 0 of 1 roots signed, 1 needed" in said
    assert "signed as root\n  1 of 1 roots signed, 1 needed" in signed
    assert new == old.successor((world.directory / NEW).read_bytes())
    assert old == new._replace(version=1, issued=old.issued, expires=old.expires)
    assert (2, 30 * DAY) == (new.version, new.expires - new.issued)
    assert abs(new.issued - time.time()) < DAY


def test_versions_of_a_key(world: World) -> None:
    """
    The next version of the file keeps every version of every key, a difference in one of them
    shows, and one of them is ended or dropped by its own name.
    """
    [first] = [key for key in world.trust.keys.values() if key.name == "release"]
    second = first._replace(version=2, public=MemoryKey.generate("ecdsa-p256").public)
    keys = keys_by_hint([*world.trust.keys.values(), second])
    (world.directory / OLD).write_bytes(
        SignedFile.sign(
            PAYLOAD_TYPE,
            world.trust._replace(keys=keys).json(),
            [MemoryKey.load(world.directory / "keys" / "trust-root.pem")],
        ).json()
    )
    created(world, "--end-key", "release", "--at", 9)
    lines = diff(world)
    good(sign(world))
    found = {key.label: key for key in trust_of(world).keys.values()}

    assert keys.keys() == trust_of(world).keys.keys()
    assert (9, None) == tuple(
        found[one].valid_through_tree_size for one in ("release", "release@2")
    )
    assert ["~ key release"] == [line.split(":")[0] for line in lines if " key " in line[:7]]
    told = world.command("trust", "show", NEW)
    assert "key         release@2: approve" in told.stdout
    (world.directory / NEW).unlink()
    created(world, "--drop-key", "release@2")
    assert ["- key release@2"] == [
        line.split(":")[0] for line in diff(world) if " key " in line[:7]
    ]


def test_next_version_of_a_key(world: World) -> None:
    """
    A key of another version is trusted beside the first.
    """
    second = new_key(world, "second").partition("=")[2]
    created(world, "--key", f"release@2={second}", "--purpose", "approve", "--scope", "*")
    good(sign(world))
    shown = one(world.command("trust", "show", NEW, "--json"))

    assert [1, 2] == [key["version"] for key in shown["keys"] if key["name"] == "release"]


def test_new_roots(world: World) -> None:
    """
    New roots are trusted once enough of the old and enough of the new ones signed, and no sooner.
    """
    roots = [word for name in "abc" for word in ("--root", new_key(world, name))]
    created(world, *roots, "--threshold", 2)
    told = []
    for key in (ROOT, "a.pem", "b.pem"):
        told.append(diff(world)[-1])
        said = good(sign(world, key, "--previous", OLD))
    told.append(diff(world)[-1])
    new = trust_of(world)

    assert "  2 of 3 roots signed, 2 needed\n  of those of version 1: 1 of 1" in said
    assert ["foreign-trust", "trust-threshold", "trust-threshold"] == [
        line.rpartition("(")[2].rstrip(")") for line in told[:3]
    ]
    assert "NEW follows OLD" == told[3]
    assert new.roots is not None
    assert (2, ["a", "b", "c"]) == (new.roots.threshold, list(new.roots.keys))


def test_new_roots_without_the_old(world: World) -> None:
    """
    A file that its own roots signed, and no root of the version before, follows nothing.
    """
    created(world, "--root", new_key(world, "a"), "--threshold", 1)
    good(sign(world, "a.pem"))

    assert diff(world)[-1].endswith("(foreign-trust)")
    check_refused(sign(world, ROOT), "bad-request")
    good(sign(world, ROOT, "--previous", OLD))
    assert "NEW follows OLD" == diff(world)[-1]


def test_signing_twice(world: World) -> None:
    """
    A root counts once, however often it signs.
    """
    created(world, "--root", new_key(world, "a"), "--root", new_key(world, "b"), "--threshold", 2)
    good(sign(world, "a.pem"))
    value = one(sign(world, "a.pem", "--json"))

    assert (["a"], False, "a") == (value["signed"], value["counts"], value["signer"])


def test_keys(world: World) -> None:
    """
    Keys are added with purpose, scope and window, end at a position, or are dropped.
    """
    scopes = ("--scope", "registry.example/team", "--scope", "registry.example/other")
    key = ("--key", new_key(world, "late"), "--purpose", "approve", *scopes, "--from-size", 7)
    created(world, *key, "--end-key", "release", "--at", 9, "--drop-key", "attest")
    lines = diff(world)
    good(sign(world))
    keys = {one.name: one for one in trust_of(world).keys.values()}

    assert {"late", "release", "event", "status"} == set(keys)
    assert ("approve", ("registry.example/team", "registry.example/other"), 7) == (
        keys["late"].purpose,
        keys["late"].scope,
        keys["late"].valid_from_tree_size,
    )
    assert (0, 9) == (keys["release"].valid_from_tree_size, keys["release"].valid_through_tree_size)
    assert [["~", "key release"], ["-", "key attest"], ["+", "key late"]] == [
        line.split(":")[0].split(" ", 1) for line in lines if " key " in line[:7]
    ]


def test_policy(world: World) -> None:
    """
    A policy is pinned by the SHA-256 of its file, and let go again.
    """
    pinned = sha256(rules(world))
    created(world, "--policy", "policy.toml")
    assert f"+ policy: {pinned}" in diff(world)
    good(sign(world))
    assert pinned == trust_of(world).policy_sha256.hex()
    done = world.command("trust", "create", "--from", NEW, "--out", "third.json", "--no-policy")
    good(done)
    assert "" == one(world.command("trust", "show", "third.json", "--json"))["policy"]


def test_witnesses(world: World) -> None:
    """
    The quorum is what a file of witness, group and quorum lines says.
    """
    witness = "w.example+2c9e3a57+BBRc0LpuqHLmTvWBIu7v5gCGZgmSzs42TJYLSjbHlHCI"
    path = world.directory / "quorum"
    path.write_text("quorum none\n# nobody\n")
    created(world, "--witnesses", "quorum")
    good(sign(world))
    assert "quorum none\n# nobody\n" == trust_of(world).quorum.text

    path.write_text(f"witness w {witness}\n")
    (world.directory / NEW).unlink()
    done = create(world, "--witnesses", "quorum")
    assert 1 == done.returncode
    assert not (world.directory / NEW).exists()


REFUSED: list[tuple[tuple[object, ...], str]] = [
    (("--root", "a=a.pub"), "bad-request"),
    (("--root", "a=a.pub", "--threshold", 0), "malformed"),
    (("--root", "a=a.pub", "--threshold", 2), "malformed"),
    (("--root", "a=a.pub", "--root", "a=b.pub", "--threshold", 1), "bad-request"),
    (("--root", "a=a.pub", "--root", "b=a.pub", "--threshold", 1), "malformed"),
    (("--threshold", 2), "malformed"),
    (("--key", "a=a.pub"), "bad-request"),
    (("--key", "a=a.pub", "--purpose", "approve"), "bad-request"),
    (("--key", "a.pub", "--purpose", "approve", "--scope", "*"), "bad-request"),
    (("--key", "release=a.pub", "--purpose", "approve", "--scope", "*"), "malformed"),
    (("--key", "A=a.pub", "--purpose", "approve", "--scope", "*"), "malformed"),
    (("--key", "release@0=a.pub", "--purpose", "approve", "--scope", "*"), "malformed"),
    (("--key", "release@x=a.pub", "--purpose", "approve", "--scope", "*"), "bad-integer"),
    (("--key", "release@2=a.pub", "--purpose", "event", "--scope", "*"), "malformed"),
    (("--key", "a=a.pub", "--purpose", "approve", "--scope", "No/Where"), "bad-repository"),
    (("--key", "a=a.pem", "--purpose", "approve", "--scope", "*"), "unsupported-key"),
    (("--key", "a=none.pub", "--purpose", "approve", "--scope", "*"), "unreadable"),
    (("--purpose", "approve"), "bad-request"),
    (("--scope", "*"), "bad-request"),
    (("--from-size", 0), "bad-request"),
    (("--drop-key", "nobody"), "bad-request"),
    (("--end-key", "nobody", "--at", 1), "bad-request"),
    (("--end-key", "release"), "bad-request"),
    (("--at", 1), "bad-request"),
    (("--end-key", "release", "--at", 1, "--drop-key", "release"), "bad-request"),
    (("--policy", "a.pub"), "bad-policy"),
    (("--policy", "policy.toml", "--no-policy"), "bad-request"),
    (("--witnesses", "a.pub"), "malformed"),
    (("--witnesses", "binary"), "bad-request"),
    (("--days", 0), "bad-request"),
    (("--days", 99_999), "bad-request"),
]


@pytest.mark.parametrize(("words", "code"), REFUSED, ids=lambda w: str(w)[:60])
def test_refused(world: World, words: tuple[object, ...], code: str) -> None:
    """
    What no verifier would take, or what does not go together, is refused and nothing is written.
    """
    for name in "ab":
        new_key(world, name)
    rules(world)
    (world.directory / "binary").write_bytes(b"\xff\n")
    check_refused(create(world, *words), code)

    assert not (world.directory / NEW).exists()


def test_not_overwritten(world: World) -> None:
    """
    A file that is there stays: somebody may have signed it.
    """
    created(world)
    good(sign(world))
    before = (world.directory / NEW).read_bytes()

    check_refused(create(world), "unreadable")
    assert before == (world.directory / NEW).read_bytes()


def test_no_roots(world: World) -> None:
    """
    Of a file without roots a next version is made only with roots, which no verifier can follow.
    """
    bare = world.trust._replace(roots=None)
    (world.directory / OLD).write_bytes(bare.json())
    check_refused(create(world), "bad-request")
    created(world, "--root", new_key(world, "a"), "--threshold", 1)
    good(sign(world, "a.pem"))

    assert diff(world)[-1].endswith("(trust-unsigned)")


def test_example_keys(world: World) -> None:
    """
    Keys whose private halves are public are refused, unless they are asked for.
    """
    named = f"a={CHECKOUT / 'keys-example' / 'release.pub'}"
    key = ("--key", named, "--purpose", "approve", "--scope", "*")
    check_refused(create(world, *key), "example-key")
    created(world, *key, "--example-keys")


def tampered(world: World, change: Any) -> None:
    """Change next.json as its JSON value."""
    path = world.directory / NEW
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))


def test_spoiled_signature(world: World) -> None:
    """
    A file in which a root's signature does not fit is signed by nobody else.
    """
    created(world)
    good(sign(world))
    tampered(world, lambda value: value["signatures"][0].update(sig="AAAA"))

    check_refused(sign(world), "bad-signature")
    check_refused(world.command("trust", "diff", OLD, NEW), "bad-signature")
    check_refused(world.command("trust", "show", NEW), "bad-signature")


def test_foreign_key(world: World) -> None:
    """
    A key that is no root signs nothing, and the file stays as it was.
    """
    new_key(world, "mallory")
    created(world)
    before = (world.directory / NEW).read_bytes()

    check_refused(sign(world, "mallory.pem", "--previous", OLD), "bad-request")
    check_refused(sign(world, "none.pem"), "key-file")
    check_refused(sign(world, "elsewhere:slot"), "key-uri")
    assert before == (world.directory / NEW).read_bytes()


def test_diff_of_the_same(world: World) -> None:
    """
    Two files that say the same differ in nothing, whoever signed them: exit code 0.
    """
    created(world)
    good(sign(world))
    (world.directory / "copy.json").write_bytes(trust_of(world).json())

    done = world.command("trust", "diff", NEW, "copy.json")
    assert (0, "both say the same\n") == (done.returncode, done.stdout)
    assert 1 == world.command("trust", "diff", OLD, NEW).returncode


def test_diff_backwards(world: World) -> None:
    """
    An older file does not follow a newer one, and the answer for machines has the code.
    """
    created(world)
    good(sign(world))
    done = world.command("trust", "diff", NEW, OLD, "--json")
    value = one(world.command("trust", "diff", "--json", NEW, NEW))

    assert 1 == done.returncode
    back = json.loads(done.stdout)
    assert (False, "trust-rollback") == (back["follows"], back["code"])
    assert "~ version 2 -> 1" in back["changes"]
    assert {"changes": [], "follows": True, "why": "", "code": ""} == value


def test_show(world: World) -> None:
    """
    A trust file is shown with who signed it, when it expires, and each key's purpose and scope.
    """
    created(world, "--root", new_key(world, "a"), "--root", new_key(world, "b"), "--threshold", 2)
    good(sign(world, "a.pem"))
    text = good(world.command("trust", "show", NEW))
    value = one(world.command("trust", "show", NEW, "--json"))

    assert "trust file version 2" in text
    assert "1 of 2 roots signed, 2 needed" in text
    assert "  expires     20" in text
    assert "Z, in 36" in text
    assert "a, signed" in text
    assert "b, not signed" in text
    assert "release: approve in *, from 0 on" in text
    assert "no status file" in text
    assert (False, ["a"], ["a", "b"], 2) == (
        value["counts"],
        value["signed"],
        value["roots"],
        value["threshold"],
    )
    assert ["release", "attest", "event", "status"] == [key["name"] for key in value["keys"]]


def test_show_expired(world: World) -> None:
    """
    A file that has expired says so, loudly.
    """
    old = TrustRoot.parse((world.directory / OLD).read_bytes())
    (world.directory / OLD).write_bytes(old._replace(issued=1, expires=2).json())

    assert "EXPIRED" in good(world.command("trust", "show", OLD))
