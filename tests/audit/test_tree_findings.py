"""What contradicts the tree: one finding, the pin stays, and evidence convinces a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.audit.pin import Pin
from ledger.audit.tiles import TileTree
from tests.audit.making import (
    NOW,
    ORIGIN,
    OTHER_LOG,
    Log,
    Outsider,
    trust,
)
from verifier.evidence import Evidence
from verifier.note import Note


def forked(log: Log, at: int, size: int) -> Log:
    """Return a ledger that shares the entries before `at`, and then has others."""
    other = Log()
    other.entries = log.entries[:at]
    other.bodies = dict(log.bodies)
    for image in range(1000 + at, 1000 + size):
        other.approve(image)
    return other


def proven(outsider: Outsider) -> list[str]:
    """Return what the evidence files prove to whoever trusts the log's key, by claim."""
    claims = []
    for path in sorted(outsider.evidence.glob("*.json")):
        evidence = Evidence.parse(path.read_bytes())
        assert evidence.verify(outsider.trust)
        assert path.name.startswith(evidence.claim)
        claims.append(evidence.claim)
    return claims


@pytest.mark.parametrize(("old", "new"), [(5, 6), (4, 9), (256, 257), (255, 513), (300, 600)])
def test_a_fork(tmp_path: Path, old: int, new: int) -> None:
    """
    A larger tree that did not grow out of the pinned one is a fork, and provably so.
    """
    outsider, log = Outsider(tmp_path), Log().grow(old)
    assert [] == outsider.found(log.write(tmp_path / "tree"))
    other = forked(log, old - 2, new).write(tmp_path / "other")
    pin = outsider.state.read_bytes()
    report = outsider.audit(other)

    assert [("fork", None)] == [(f.code, f.index) for f in report.findings]
    assert ["fork"] == proven(outsider)
    [file] = outsider.evidence.iterdir()
    assert file.name in report.findings[0].found
    assert pin == outsider.state.read_bytes()


def test_the_same_fork_makes_one_file(tmp_path: Path) -> None:
    """
    A contradiction that is met again, later, is written once; another one beside it.
    """
    outsider, log = Outsider(tmp_path), Log().grow(8)
    outsider.audit(log.write(tmp_path / "tree"))
    other = forked(log, 5, 9).write(tmp_path / "other")
    for _ in range(3):
        outsider.clock.now += 60
        assert [("fork", None)] == outsider.found(other)
    assert ["fork"] == proven(outsider)
    outsider.audit(forked(log, 6, 9).write(tmp_path / "third"))

    assert ["fork", "fork"] == proven(outsider)


def test_a_split_view(tmp_path: Path) -> None:
    """
    Another root at the pinned size is a split view.
    """
    outsider, log = Outsider(tmp_path), Log().grow(8)
    outsider.audit(log.write(tmp_path / "tree"))

    assert [("split-view", None)] == outsider.found(forked(log, 5, 8).write(tmp_path / "other"))
    assert ["split-view"] == proven(outsider)


def test_a_rollback(tmp_path: Path) -> None:
    """
    Fewer entries than were seen before are a rollback.
    """
    outsider, log = Outsider(tmp_path), Log().grow(8)
    outsider.audit(log.write(tmp_path / "tree"))
    outsider.clock.now += 60

    assert [("rollback", None)] == outsider.found(log.write(tmp_path / "tree", 7))
    assert ["rollback"] == proven(outsider)


def test_another_key_and_another_origin(tmp_path: Path) -> None:
    """
    Only a pinned key of the log of this name may sign.
    """
    outsider, log = Outsider(tmp_path), Log().grow(8)
    for note in (log.note(key=OTHER_LOG), log.note(origin="other.example")):
        assert [("untrusted-log", None)] == outsider.found(log.write(tmp_path / "tree", note=note))


def test_no_checkpoint(tmp_path: Path) -> None:
    """
    A ledger that shows none hides something; one that is no checkpoint is none.
    """
    outsider, folder = Outsider(tmp_path), Log().grow(8).write(tmp_path / "tree")
    (folder / "checkpoint").write_bytes(b"\xff nothing\n")
    assert [("malformed", None)] == outsider.found(folder)
    (folder / "checkpoint").unlink()

    assert [("missing-checkpoint", None)] == outsider.found(folder)


def test_the_quorum(tmp_path: Path) -> None:
    """
    Without enough witnesses a checkpoint is not believed; a spoilt line condemns it.
    """
    log, outsider = Log().grow(8), Outsider(tmp_path, trust("both"))
    cases = (
        ({}, [("witness-quorum", None)]),
        ({"w1": NOW}, [("witness-quorum", None)]),
        ({"w1": NOW, "w2": NOW}, []),
    )
    for cosigned, expected in cases:
        note = log.note(cosigned=cosigned)
        assert expected == outsider.found(log.write(tmp_path / "tree", note=note))
    *lines, last = Note.parse(log.note(cosigned={"w1": NOW, "w2": NOW})).signatures
    spoilt = last._replace(signature=last.signature[:-1] + b"\0")
    note = str(Note(Note.parse(log.note()).text, (*lines, spoilt)))

    assert [("bad-signature", None)] == outsider.found(log.write(tmp_path / "tree", note=note))


def test_freshness(tmp_path: Path) -> None:
    """
    With an age limit, as many witnesses as the quorum asks for must have signed since.
    """
    log = Log().grow(8)
    cases = (
        ("w1", {"w1": NOW - 60}, []),
        ("w1", {"w1": NOW - 61}, [("stale-checkpoint", None)]),
        ("both", {"w1": NOW, "w2": NOW - 61}, [("stale-checkpoint", None)]),
        ("any", {"w1": NOW, "w2": NOW - 61}, []),
        ("", {}, [("stale-checkpoint", None)]),  # nobody signed with a time
    )
    for i, (quorum, cosigned, expected) in enumerate(cases):
        outsider = Outsider(tmp_path / str(i), trust(quorum))
        folder = log.write(tmp_path / "tree", note=log.note(cosigned=cosigned))
        assert expected == outsider.found(folder, max_age_s=60), quorum
        assert [] == outsider.found(folder)


def test_an_entry_that_is_not_the_trees(tmp_path: Path) -> None:
    """
    An entry that was exchanged in its bundle is named by its index.
    """
    for size, index in ((8, 3), (300, 299), (300, 255)):
        outsider, log = Outsider(tmp_path / f"{size}.{index}"), Log().grow(size)
        folder = log.write(tmp_path / f"tree{size}.{index}")
        honest = log.entries[index]
        other = log.entries[index - 1]
        for path in (folder / "tile" / "entries").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes().replace(honest, other))
        assert [("entry-mismatch", index)] == outsider.found(folder)
        assert 0 == Pin.load(outsider.state, ORIGIN).checked


def test_missing_entries(tmp_path: Path) -> None:
    """
    A bundle that the checkpoint implies must be there, whole and in its one form.
    """
    folder = Log().grow(300).write(tmp_path / "tree")
    bundle = folder / "tile" / "entries" / "001.p" / "44"
    content = bundle.read_bytes()
    for i, other in enumerate((content[:-1], content + b"\0", b"")):
        bundle.write_bytes(other)
        assert [("bad-entries", 256)] == Outsider(tmp_path / str(i)).found(folder)
    bundle.unlink()

    assert [("missing-entries", 256)] == Outsider(tmp_path).found(folder)


def test_a_forged_tile_beside_right_entries(tmp_path: Path) -> None:
    """
    A tile that lies is found although every entry is right.
    """
    folder = Log().grow(600).write(tmp_path / "tree")
    for path in ("tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"):
        honest = (folder / path).read_bytes()
        (folder / path).write_bytes(honest[:-1] + bytes([honest[-1] ^ 1]))
        assert [("forged-tile", None)] == Outsider(tmp_path / path).found(folder), path
        (folder / path).write_bytes(honest)


def test_what_others_were_shown(tmp_path: Path) -> None:
    """
    A checkpoint from elsewhere must be contained in the audited tree.
    """
    log, outsider = Log().grow(300), Outsider(tmp_path)
    folder = log.write(tmp_path / "tree")
    other = forked(log, 100, 400)
    cases = (
        (log.note(200), [], []),
        (log.note(300), [], []),
        (other.note(200), [("split-view", None)], ["fork"]),
        (other.note(300), [("split-view", None)], ["fork", "split-view"]),
        (other.note(400), [("dropped-checkpoint", None)], ["fork", "rollback", "split-view"]),
    )
    for note, expected, claims in cases:
        assert expected == outsider.found(folder, against=(note,))
        assert claims == proven(outsider)


def test_the_root_is_a_second_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Were the tiles not compared with the entries, the entries would still not lead to the root.
    """
    log, outsider = Log().grow(8), Outsider(tmp_path)
    folder = log.write(tmp_path / "tree")
    [bundle] = (folder / "tile" / "entries").rglob("8")
    bundle.write_bytes(bundle.read_bytes().replace(log.entries[3], log.entries[2]))
    monkeypatch.setattr(TileTree, "check", lambda *_: None)

    assert [("entry-mismatch", 0)] == outsider.found(folder)
