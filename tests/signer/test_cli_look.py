"""The commands that look at a ledger, on a service that runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import bundle_path, check_refused, lines, one, spawn
from tests.signer.running import Process
from tests.signer.world import init
from verifier._strict import b64
from verifier.checkpoint import Checkpoint
from verifier.merkle import hash_leaf
from verifier.note import Note
from verifier.proof import TlogProof


def test_search(site: Process, tmp_path: Path) -> None:
    """
    Entries are found by label; exit code 1 says that there are none.
    """
    index = one(site.sign(digest(10), "--json", "--out", tmp_path))["index"]
    done = site.spawn("search", "digest", digest(10))
    found = one(site.command("search", "digest", digest(10), "--json"))
    events = site.command("search", "form", "event", "--json")
    none = site.command("search", "digest", digest(11))

    assert (0, f"{index:>8}  {'bundle':<13} {REPOSITORY}  {digest(10)}\n1 entries\n") == (
        done.returncode,
        done.stdout,
    )
    assert (index, REPOSITORY, "loopback") == (
        found["index"],
        found["repository"],
        found["annotations"]["sealbook.requester.subject"],
    )
    assert {0, 1} <= {line["index"] for line in lines(events)}
    assert (1, "0 entries\n") == (none.returncode, none.stdout)


def test_checkpoint_and_proof(site: Process, tmp_path: Path) -> None:
    """
    Checkpoint and proof are printed in the formats of C2SP, and hold.
    """
    site.sign(digest(12), "--out", tmp_path)
    note = Note.parse(site.spawn("checkpoint").stdout)
    tree = Checkpoint.parse(note.text)
    value = one(site.command("checkpoint", "--json"))
    printed = site.spawn("proof", tree.tree_size - 1)
    proof = TlogProof.parse(printed.stdout)
    entry = json.loads(bundle_path(tmp_path, digest(12)).read_bytes())["verificationMaterial"]
    [logged] = entry["tlogEntries"]

    assert (tree.origin, tree.tree_size, tree.root.hex()) == (
        value["origin"],
        value["tree_size"],
        value["root"],
    )
    assert value["note"] == str(note) == str(proof.note)
    assert tree == proof.verify(hash_leaf(b64(logged["canonicalizedBody"])))
    check_refused(site.command("proof", tree.tree_size), "unknown-entry")
    for index in ("-1", "x", "01", str(2**63)):
        done = site.command("proof", "--", index)
        check_refused(done, "bad-integer")


def test_status(site: Process, tmp_path: Path) -> None:
    """
    The status says what an operator asks first, to people and to machines.
    """
    size = one(site.command("checkpoint", "--json"))["tree_size"]
    text, value = site.spawn("status"), one(site.command("status", "--json"))

    assert f"ledger.example: {size} entries, {size} published" in text.stdout
    assert "release (healthy)" in text.stdout
    assert str(size) == value["tree_size"] == value["published_size"]
    assert "ecdsa-p256" == value["keys"][0]["algorithm"]
    check_refused(init(tmp_path / "stopped").command("status"), "unreachable")


def test_demo(tmp_path: Path) -> None:
    """
    The demo accepts the good image until it is revoked, and leaves what it made when asked to.
    """
    done = spawn("demo", "--json", "--keep", tmp_path / "demo", cwd=tmp_path)
    verdicts = one(done)

    assert 0 == done.returncode, done.stderr
    *others, revoked = verdicts["refused"]
    assert verdicts["accepted"] == revoked
    assert 2 == len(others)
    assert revoked not in others
    assert (tmp_path / "demo" / "service" / "ledger" / "ledger.db").exists()
