"""`sealbook key` and `sealbook trust install`: what an operator types, day by day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import check_refused, lines, one
from tests.signer.revoking import offline, sign
from tests.signer.roots import ROOT, good
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier.publickey import PublicKey

NEXT = "trust-next.json"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service whose keys no test changes."""
    with running(found_in(tmp_path_factory.mktemp("cli") / "service")) as service:
        yield service


def test_a_rotation(world: World) -> None:
    """
    A key is rotated, switched to and retired by a line each, and each says what to do next.
    """
    with running(world) as service:
        first = sign(service, 1)
        said = good(world.command("key", "rotate", "release"))
        assert "announced: release@2, ecdsa-p256 " in said
        assert "it signs NOTHING yet" in said
        assert "it lives in file:keys/release-2.pem" in said
        assert f"sealbook trust install {world.directory / NEXT}" in said
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        said = good(world.command("trust", "install", NEXT))
        assert "in force from now on: trust file version 2" in said
        assert "+ key release@2: approve in *, from 2 on" in said
        check_refused(world.command("key", "rotate", "release", "--switch"), "key-overlap")
        said = good(world.command("key", "rotate", "release", "--switch", "--now"))
        assert "it signs from now on: release@2" in said
        second = sign(service, 2)
        said = good(world.command("key", "retire", "release@1", "--reason", "rotated"))
        assert "retired: release@1" in said
        assert "the private half may be destroyed" in said
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        good(world.command("trust", "install", NEXT))
        listed = good(world.command("key", "list")).splitlines()
        shown = good(world.command("trust", "show", "trust.json"))

    assert ["attest@1", "release@1", "release@2"] == [line.split()[0] for line in listed]
    assert ["active", "retired", "active"] == [line.split()[1] for line in listed]
    assert "key         release@2: approve in *" in shown
    for n, answer in ((1, first), (2, second)):
        assert offline(world).verify(answer.bundle(), digest(n), REPOSITORY)


def test_json(world: World) -> None:
    """
    Machines are told the same, with where the event is and where the draft.
    """
    with running(world):
        announced = one(world.command("key", "rotate", "release", "--json"))
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        installed = one(world.command("trust", "install", NEXT, "--json"))
        switched = one(world.command("key", "rotate", "release@2", "--switch", "--now", "--json"))
        retired = one(world.command("key", "retire", "release", "--reason", "rotated", "--json"))
        listed = lines(world.command("key", "list", "release", "--json"))

    assert (2, "announced", str(world.directory / NEXT)) == (
        announced["version"],
        announced["standing"],
        announced["draft"],
    )
    assert (2, False, 2) == (installed["version"], installed["known"], installed["index"])
    assert (False, "active") == (switched["known"], switched["standing"])
    assert (1, "retired") == (retired["version"], retired["standing"])
    assert retired["valid_through_tree_size"] == listed[0]["valid_through_tree_size"]
    assert announced["fingerprint"] == listed[1]["fingerprint"]
    assert announced["index"] == listed[1]["announced_at"]


def test_show(shared: InProcess) -> None:
    """
    A key is shown with its public half, and never with the private one.
    """
    pem = good(shared.command("key", "show", "release", "--pem"))
    said = good(shared.command("key", "show", "release@1"))
    value = one(shared.command("key", "show", "release", "--json"))
    private = (shared.directory / "keys" / "release.pem").read_text()

    assert (shared.directory / "release.pub").read_text() == pem
    assert pem.rstrip() in said
    assert "lives in    file:keys/release.pem" in said
    assert PublicKey.from_pem(pem.encode()).hint == value["hint"]
    assert "PRIVATE" not in pem + said + json.dumps(value)
    assert private.splitlines()[1] not in pem + said + json.dumps(value)


def test_create_and_announce(world: World) -> None:
    """
    A key is made under a new name, and one that is there is announced, by a line each.
    """
    MemoryKey.generate("ecdsa-p256").save(world.directory / "keys" / "there.pem")
    with running(world):
        new = ("key", "create", "payments", "--scope", "registry.example/team")
        said = good(world.command(*new, "--uri", "file:keys/payments.pem"))
        assert "announced: payments@1" in said
        brought = ("key", "announce", "scans", "--uri", "file:keys/there.pem")
        said = good(world.command(*brought, "--purpose", "attest", "--scope", "*"))
        assert "announced: scans@1" in said
        listed = good(world.command("key", "list"))

    assert "approve in registry.example/team" in listed
    assert 2 == listed.count("NOT IN THE TRUST FILE")


def test_revoke(world: World) -> None:
    """
    A key is revoked by its name and version, from a position on.
    """
    with running(world) as service:
        sign(service, 1)
        said = good(world.command("key", "revoke", "release@1", "--after", 1, "--reason", "stolen"))
        listed = good(world.command("key", "list", "release"))

    assert "revoked: the key, from entry 1 on: stolen" in said
    assert "revoked" == listed.split()[1]
    assert "from 0 to before 1" in listed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("bad-request", ("key", "rotate", "release@2")),
        ("bad-request", ("key", "rotate", "release", "--now")),
        ("bad-request", ("key", "rotate", "release", "--switch", "--lost")),
        ("bad-request", ("key", "rotate", "release@x", "--switch")),
        ("bad-request", ("key", "retire", "release@0", "--reason", "x")),
        ("bad-request", ("key", "revoke", "release@01", "--reason", "x")),
        ("unknown-key", ("key", "show", "nobody")),
        ("unknown-key", ("key", "show", "release@9")),
        ("unknown-key", ("key", "list", "nobody")),
        ("unknown-key", ("key", "rotate", "nobody")),
        # An authority has its own command: a typing error must not end one.
        ("unknown-key", ("key", "revoke", "timestamp", "--reason", "x")),
    ],
)
def test_refused(shared: InProcess, code: str, words: tuple[str, ...]) -> None:
    """
    What says nothing, or names nothing, is refused in a sentence.
    """
    check_refused(shared.command(*words), code)


def test_help(tmp_path: Path) -> None:
    """
    Each action says what it does, with an example.
    """
    world = found_in(tmp_path / "service")
    said = good(world.command("key", "--help"))
    for action in ("list", "show", "create", "rotate", "announce", "retire", "revoke"):
        assert f"\n  {action} " in said
        assert f"sealbook key {action}" in good(world.command("key", action, "--help"))
    assert "sealbook trust install" in good(world.command("trust", "install", "--help"))


def test_status_says_the_version(world: World) -> None:
    """
    Status names the version that signs, once it is not the first.
    """
    with running(world):
        assert "release (healthy)" in good(world.command("status"))
        good(world.command("key", "rotate", "release"))
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        good(world.command("trust", "install", NEXT))
        good(world.command("key", "rotate", "release", "--switch", "--now"))

        assert "release@2 (healthy)" in good(world.command("status"))


def test_audit_and_fsck(world: World, tmp_path: Path) -> None:
    """
    A ledger with keys that were announced, put to use and retired is in order, inside and out.
    """
    with running(world) as service:
        sign(service, 1)
        good(world.command("key", "rotate", "release"))
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        good(world.command("trust", "install", NEXT))
        good(world.command("key", "rotate", "release", "--switch", "--now"))
        sign(service, 2)
        good(world.command("key", "retire", "release", "--reason", "rotated"))
        good(world.command("trust", "sign", NEXT, "--previous", "trust.json", "--key", ROOT))
        good(world.command("trust", "install", NEXT))
        where = ("--service", service.addresses.grpc, "--token-file", "token")
        audited = lines(
            world.command(
                *("audit", "--trust", "trust.json", *where),
                *("--state", tmp_path / "seen.json", "--json"),
            )
        )
        size = service.tree_size
    report = next(line["audit"] for line in audited if "audit" in line)
    checked = world.command("fsck", "--signatures")

    assert (size, 0) == (report["checked"], report["findings"])
    assert 0 == checked.returncode, checked.stdout + checked.stderr
