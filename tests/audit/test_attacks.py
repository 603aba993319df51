"""Twelve attacks by an operator with root, and how an outsider sees each of them.

The ledger, the service and HTTP are real; the outsider runs `sealbook audit` with
a trust file pinned before the attack, and where two signed notes contradict each
other, `python -m verifier evidence` convinces whoever has that file too.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledger import labels
from signer.keys.memory import MemoryKey
from tests.audit.making import WITNESSES
from tests.audit.operating import Operator, Outsider, sign, static_server
from tests.signer.asking import OTHER_REPOSITORY
from verifier import cosignature
from verifier.note import Note, NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trusted_root import trusted_root


@pytest.fixture(name="operator")
def operator_(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture(name="outsider")
def outsider_(tmp_path: Path, operator: Operator) -> Outsider:
    return Outsider(tmp_path, operator)


@pytest.mark.parametrize("grpc", [False, True], ids=["tiles", "grpc"])
def test_1_hide_an_entry(operator: Operator, outsider: Outsider, grpc: bool) -> None:
    """
    An entry that is exchanged for another one, under a tree that was signed, is missed.
    """
    with operator.serve() as service:
        sign(service, 0, 256)  # beside the genesis: one full tile, and one entry more
        assert [] == Outsider(operator.home, operator, "before").audit(service, grpc=grpc)
        operator.edit("UPDATE entry SET entry = (SELECT entry FROM entry WHERE idx=2) WHERE idx=3")

        # By tiles it is the one entry; by proofs, a slice that has it.
        assert [("entry-mismatch", 0 if grpc else 3)] == outsider.audit(service, grpc=grpc)


def test_1_hide_an_entry_for_good(operator: Operator, outsider: Outsider) -> None:
    """
    A ledger that was built again without an entry is a fork of what was seen.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
    without = operator.copy("without")
    with operator.serve() as service:
        [hidden] = sign(service, 3, 4)
        assert [] == outsider.audit(service)
    client = outsider.home / "bundle.json"
    client.write_bytes(hidden.bundle())
    with operator.serve(without) as service:
        sign(service, 10, 13)
        assert [("fork", None)] == outsider.audit(service)
        # Somebody who never looked before has the client's bundle.
        late = Outsider(operator.home, operator, "late")
        assert [("split-view", None)] == late.audit(service, "--against", client)

    assert ["fork"] == outsider.proven()
    assert ["fork"] == late.proven()


@pytest.mark.parametrize("grpc", [False, True], ids=["tiles", "grpc"])
def test_2_delete_a_body(operator: Operator, outsider: Outsider, grpc: bool) -> None:
    """
    What was signed is gone, and no logged statement says so.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
        operator.edit("UPDATE entry SET body = NULL WHERE idx = 2")

        assert [("body-missing", 2)] == outsider.audit(service, grpc=grpc)


def test_3_false_label(operator: Operator, outsider: Outsider) -> None:
    """
    An entry that is found under another repository than its body names is a lie.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
        [(row,)] = _read(operator, "SELECT labels FROM entry WHERE idx = 2")
        false = {**labels.decode(row), "repository": [str(OTHER_REPOSITORY)]}
        operator.edit("UPDATE entry SET labels = ? WHERE idx = 2", labels.encode(false))

        assert [("false-label", 2)] == outsider.audit(service, grpc=True)


def test_4_fork(operator: Operator, outsider: Outsider) -> None:
    """
    Two ledgers grow out of one: whoever saw one is not shown the other.
    """
    with operator.serve() as service:
        sign(service, 0, 300)
    other = operator.copy("other")
    with operator.serve() as service:
        sign(service, 300, 302)
        assert [] == outsider.audit(service)
    with operator.serve(other) as service:
        sign(service, 400, 500)
        assert [("fork", None)] == outsider.audit(service)
        assert [("fork", None)] == outsider.audit(service, grpc=True)

    assert ["fork"] == outsider.proven()


def test_5_backdate(operator: Operator, outsider: Outsider) -> None:
    """
    An entry that was not there when the outsider looked is said to be older than that.
    """
    with operator.serve() as service:
        sign(service, 0, 2)
        assert [] == outsider.audit(service, grpc=True)
        sign(service, 2, 4)
        operator.edit("UPDATE entry SET time = time - 3600")
        late = Outsider(operator.home, operator, "late")

        assert [] == late.audit(service, grpc=True)  # who never looked cannot know
        found = outsider.audit(service, grpc=True)
        assert [("backdated", 3), ("backdated", 4)] == [f for f in found if f[0] == "backdated"]


@pytest.mark.parametrize("grpc", [False, True], ids=["tiles", "grpc"])
def test_6_split_view_for_one_client(operator: Operator, outsider: Outsider, grpc: bool) -> None:
    """
    One client gets a tree that nobody else is shown; its bundle gives the operator away.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
    aside = operator.copy("aside")
    with operator.serve(aside) as service:
        [shown] = sign(service, 99, 100)
    client = outsider.home / "bundle.json"
    client.write_bytes(shown.bundle())
    with operator.serve() as service:
        sign(service, 3, 4)
        assert [("split-view", None)] == outsider.audit(service, "--against", client, grpc=grpc)
        assert ["split-view"] == outsider.proven()
        sign(service, 4, 9)
        assert [("split-view", None)] == outsider.audit(service, "--against", client, grpc=grpc)

    assert ["fork", "split-view"] == outsider.proven()


def test_7_old_database(operator: Operator, outsider: Outsider) -> None:
    """
    A database from a backup, served as if nothing had happened since, is a rollback.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
    backup = operator.copy("backup")
    with operator.serve() as service:
        sign(service, 3, 5)
        assert [] == outsider.audit(service)
    with operator.serve(backup) as service:
        assert [("rollback", None)] == outsider.audit(service)

    assert ["rollback"] == outsider.proven()


def test_8_dropped_checkpoint(operator: Operator, outsider: Outsider) -> None:
    """
    A checkpoint that a client holds, and that the ledger does not lead to any more, was dropped.
    """
    with operator.serve() as service:
        sign(service, 0, 3)
    backup = operator.copy("backup")
    with operator.serve() as service:
        [signed] = sign(service, 3, 4)
    note = outsider.home / "checkpoint.txt"
    note.write_text(signed.note)
    with operator.serve(backup) as service:
        assert [] == outsider.audit(service)  # who never looked cannot know
        assert [("dropped-checkpoint", None)] == outsider.audit(service, "--against", note)

    assert ["rollback"] == outsider.proven()


def test_9_swapped_origin_key(operator: Operator, outsider: Outsider) -> None:
    """
    A ledger of the same name under another log key is another ledger.
    """
    with operator.serve() as service:
        sign(service, 0, 2)
        assert [] == outsider.audit(service)
    world = operator.world
    other = MemoryKey.generate("ed25519")
    log = world.directory / "keys" / "log.pem"
    log.unlink()
    other.save(log)
    key = NoteKey.of(world.trust.logs[0].origin, other.public)
    logs = tuple(
        row._replace(checkpoint_key=key) if row.checkpoint_key.kind == key.kind else row
        for row in world.trust.logs
    )
    # The post-quantum key has to go as well: the outsider has pinned that one too.
    quantum = MemoryKey.generate("ml-dsa-44")
    _swap_quantum(operator, quantum)
    logs = tuple(
        row._replace(checkpoint_key=NoteKey.of(row.origin, quantum.public))
        if row.checkpoint_key.kind != key.kind
        else row
        for row in logs
    )
    swapped = world.trust._replace(logs=logs)
    (world.directory / "trust.json").write_bytes(swapped.json())
    (world.directory / "trusted_root.json").write_bytes(trusted_root(swapped))
    with operator.serve() as service:
        sign(service, 2, 4)
        assert [("untrusted-log", None)] == outsider.audit(service)
        assert [("untrusted-log", None)] == outsider.audit(service, grpc=True)


def test_10_stale_checkpoint(operator: Operator, outsider: Outsider) -> None:
    """
    Shown an old tree, the outsider wants to know who saw it lately: no witness did.
    """
    with operator.serve() as service:
        sign(service, 0, 2)
        folder = operator.export(service, operator.home / "export")
    trust = TrustRoot.parse(outsider.trust.read_bytes())
    witness = WITNESSES["w1"]
    policy = f"witness w1 {NoteKey.witness('w1.example', witness.public)}\nquorum w1\n"
    outsider.trust.write_bytes(trust._replace(quorum=Quorum.parse(policy)).json())
    note = Note.parse((folder / "checkpoint").read_text())
    now = int(time.time())
    for seen, expected in ((now, []), (now - 3600, [("stale-checkpoint", None)])):
        line = cosignature.cosign(witness, "w1.example", note.text, seen)
        cosigned = note._replace(signatures=(*note.signatures, line))
        (folder / "checkpoint").write_text(str(cosigned))
        with static_server(folder) as url:
            done = outsider.run(url, "--no-bodies", "--max-age", 600)
            assert expected == outsider.findings(done)


def test_11_silent_key(operator: Operator, outsider: Outsider) -> None:
    """
    A key that the pinned trust file does not list approves images.
    """
    operator.world.add_key("silent", MemoryKey.generate("ecdsa-p256"))
    with operator.serve() as service:
        sign(service, 0, 2)
        assert [] == outsider.audit(service)
        service.asking(lambda c: c.sign("sha256:" + "0" * 64, OTHER_REPOSITORY, key="silent"))

        assert [("unannounced-key", 4)] == outsider.audit(service)
        assert [("unannounced-key", 4)] == outsider.audit(service, grpc=True)


def test_12_forged_tile(operator: Operator, outsider: Outsider) -> None:
    """
    A tile with one other hash, under entries that are all right, is not believed.
    """
    with operator.serve() as service:
        sign(service, 0, 256)
        [(hashes,)] = _read(operator, "SELECT hashes FROM tile")
        forged = hashes[:320] + bytes(32) + hashes[352:]
        operator.edit("UPDATE tile SET hashes = ?", forged)

        assert [("forged-tile", None)] == outsider.audit(service)


def _read(operator: Operator, sql: str) -> list[tuple[bytes, ...]]:
    from tests.ledger.making import edit

    return edit(operator.world.directory / "ledger" / "ledger.db", sql)


def _swap_quantum(operator: Operator, key: MemoryKey) -> None:
    [path] = [p for p in (operator.world.directory / "keys").iterdir() if "quantum" in p.name]
    path.unlink()
    key.save(path)
