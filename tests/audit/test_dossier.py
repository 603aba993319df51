"""Dossiers of entries: a stranger with a verifier and a trust file needs nothing else."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ledger.audit.finding import ContradictionError
from ledger.audit.source import DirectoryReader, StaticSource
from ledger.dossier import Made, make, pack
from ledger.durable import write_new
from ledger.errors import LedgerError, TransferError
from tests.audit.making import EVENT, NOW, OTHER_LOG, STRANGER, Log, put, trust
from tests.signer.asking import refused
from tests.signer.commands import ROOT
from verifier.errors import VerificationError
from verifier.trust import TrustRoot

# A process that has the verifier, and where the other rooms cannot be imported.
STRANGER_PROGRAM = """\
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ledger", "signer", "httpx", "grpc", "pydantic", "rich"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv.pop(1))
from verifier.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


def ask_stranger(trust_file: Path, dossier: Path) -> subprocess.CompletedProcess[str]:
    """Have a dossier checked where there is only a verifier."""
    return subprocess.run(
        [
            *(sys.executable, "-I", "-c", STRANGER_PROGRAM, ROOT),
            *("evidence", "--trust", trust_file, dossier),
        ],
        cwd=dossier.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Court:
    """A ledger as files, and the trust file of somebody who believes its keys."""

    def __init__(self, home: Path, size: int = 600) -> None:
        self.home = home
        self.log = Log().grow(size)
        self.attested = self.log.attest(7)
        self.event = self.log.event("clock-accepted", {"ahead_s": 60})
        self.folder = self.log.write(home / "tree")
        self.trusted = trust()
        self.trust_file = home / "trust.json"
        self.trust_file.write_bytes(self.trusted.json())

    def make(self, index: int, trusted: TrustRoot | None = None) -> Made:
        source = StaticSource(DirectoryReader(self.folder))
        return make(source, (trusted or self.trusted).json(), index, clock=lambda: NOW)

    def save(self, content: bytes) -> Path:
        (self.home / "x.zip").write_bytes(content)
        return self.home / "x.zip"


@pytest.fixture(scope="module", name="court")
def court_(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(tmp_path_factory.mktemp("court"))


def members(content: bytes) -> dict[str, bytes]:
    """Return what is in a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_stranger_is_convinced(court: Court) -> None:
    """
    Whoever has only the verifier and a trust file sees proven what an entry says.
    """
    said = {
        0: "event key event, records 'genesis'",
        1: "approve key release, approves sha256:",
        255: "approve key release, approves sha256:",
        256: "approve key release, approves sha256:",
        court.attested: "attest key ci, states 'https://slsa.dev/provenance/v1' of sha256:",
        court.event: "event key event, records 'clock-accepted'",
    }
    for index, sentence in said.items():
        made = court.make(index)
        done = ask_stranger(court.trust_file, court.save(made.content))
        assert (0, "") == (done.returncode, done.stderr)
        assert f"yes: {made.proven}\n" == done.stdout
        assert f"entry {index} of ledger.example, signed by {sentence}" in made.proven


def test_every_entry_of_small_trees(tmp_path: Path) -> None:
    """
    Each entry of each small tree has a dossier that its judge accepts.
    """
    log = Log().grow(17)
    for size in range(1, 18):
        folder = log.write(tmp_path / str(size), size)
        source = StaticSource(DirectoryReader(folder))
        for index in range(size):
            made = make(source, trust().json(), index, clock=lambda: NOW)
            assert (size, True) == (made.tree_size, f"entry {index} of" in made.proven)


def test_the_members(court: Court) -> None:
    """
    The statement is the payload as it was signed, the checkpoint the note as it was served.
    """
    found = members(court.make(3).content)

    assert [
        "README.txt",
        "statement.json",
        "bundle.json",
        "proof.tlog-proof",
        "checkpoint.txt",
        "trust.json",
    ] == list(found)
    [body] = [b for b in court.log.bodies.values() if b.endswith(found["statement.json"])]
    assert (
        b"DSSEv1 28 application/vnd.in-toto+json %d " % len(found["statement.json"])
        == (body[: -len(found["statement.json"])])
    )
    assert (court.folder / "checkpoint").read_bytes() == found["checkpoint.txt"]
    assert court.trust_file.read_bytes() == found["trust.json"]
    readme = found["README.txt"].decode()
    assert "python -m verifier evidence --trust trust.json sealbook-entry-3.zip" in readme
    assert max(map(len, readme.splitlines()[3:])) <= 81


def test_the_same_bytes(court: Court) -> None:
    """
    The same entry under the same checkpoint gives the same file, byte for byte.
    """
    assert court.make(5).content == court.make(5).content
    assert court.make(5).content != court.make(6).content
    with zipfile.ZipFile(io.BytesIO(court.make(5).content)) as archive:
        assert {(1980, 1, 1, 0, 0, 0)} == {info.date_time for info in archive.infolist()}


def test_each_change_is_refused(court: Court) -> None:
    """
    Whichever member that proves something is changed or exchanged, a stranger says no.
    """
    honest, other = members(court.make(5).content), members(court.make(6).content)
    note = court.log.note(key=OTHER_LOG).encode()
    changes = {
        "statement.json": (other["statement.json"], b"{}"),
        "bundle.json": (
            other["bundle.json"],
            honest["bundle.json"].replace(b'"logIndex":"5"', b'"logIndex":"6"'),
        ),
        "proof.tlog-proof": (
            other["proof.tlog-proof"],
            honest["proof.tlog-proof"].replace(b"index 5", b"index 4"),
        ),
        "checkpoint.txt": (note, honest["checkpoint.txt"][:-2]),
    }
    for name, contents in changes.items():
        for content in contents:
            done = ask_stranger(court.trust_file, court.save(pack({**honest, name: content})))
            assert 1 == done.returncode, name
            assert done.stderr.startswith("no: "), name
    # What proves nothing convinces nobody either: these two are not read.
    for name in ("README.txt", "trust.json"):
        changed = pack({**honest, name: b"whatever"})
        assert 0 == ask_stranger(court.trust_file, court.save(changed)).returncode
    # And whoever pinned other keys is not convinced by the trust file within.
    pinned = court.home / "other.json"
    pinned.write_bytes(trust(log=OTHER_LOG).json())
    assert 1 == ask_stranger(pinned, court.save(pack(honest))).returncode


def test_nothing_is_made_of_what_does_not_convince(tmp_path: Path) -> None:
    """
    A forged tile, another entry, no body, a stranger's key and another log give no dossier.
    """
    court = Court(tmp_path, 300)
    foreign = court.log.add(b"foreign", b"", body=False)
    strange = court.log.sign(court.log.bodies[next(iter(court.log.bodies))], STRANGER)
    bare = court.log.attest(1)
    court.log.delete_body(bare)
    court.log.write(court.folder)
    size = len(court.log.entries)
    for index, code in ((foreign, "no-dossier"), (bare, "no-dossier"), (size, "unknown-entry")):
        refused(code, lambda index=index: court.make(index))
    (court.folder / "bodies" / "sha256").rename(tmp_path / "bodies")
    refused("no-dossier", lambda: court.make(1))
    (tmp_path / "bodies").rename(court.folder / "bodies" / "sha256")
    with pytest.raises((VerificationError, LedgerError)):
        court.make(strange)
    refused("untrusted-log", lambda: court.make(1, trust(log=OTHER_LOG)))
    refused("witness-quorum", lambda: court.make(1, trust("both")))

    entries = court.folder / "tile" / "entries" / "000"
    honest = entries.read_bytes()
    entries.write_bytes(honest.replace(court.log.entries[1], court.log.entries[2]))
    refused("not-included", lambda: court.make(1))
    entries.write_bytes(honest)
    tile = court.folder / "tile" / "0" / "000"
    put(tile, tile.read_bytes()[:-1] + b"\0")
    with pytest.raises(ContradictionError) as caught:
        court.make(1)
    assert "forged-tile" == caught.value.finding.code


def test_words_that_a_terminal_would_obey(tmp_path: Path) -> None:
    """
    A statement by our own key may hold any text; the README shows it escaped.
    """
    log = Log()
    payload = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "urn:sealbook:\u202egnp.exe\x1b[2J",
            "predicate": {},
            "subject": [{"digest": {"sha256": "00" * 32}, "name": "x"}],
        }
    ).encode()
    index = log.sign(payload, EVENT)
    source = StaticSource(DirectoryReader(log.write(tmp_path)))
    made = make(source, trust().json(), index, clock=lambda: NOW)

    readme = members(made.content)["README.txt"].decode()
    assert all(line.isprintable() for line in readme.splitlines())


def test_never_over_another_file(tmp_path: Path) -> None:
    """
    A file that is there stays, as does what a link leads to; the same content is no conflict.
    """
    target, link = tmp_path / "a", tmp_path / "b"
    assert write_new(target, b"one")
    assert not write_new(target, b"one")
    link.symlink_to(target)
    for path, content in ((target, b"two"), (target, b"on"), (link, b"two"), (link, b"one")):
        with pytest.raises(TransferError):
            write_new(path, content)
    assert b"one" == target.read_bytes()
    assert {"a", "b"} == {path.name for path in tmp_path.iterdir()}
    with pytest.raises(TransferError):
        write_new(tmp_path / "none" / "c", b"")


def test_what_a_kill_left_is_no_obstacle(tmp_path: Path) -> None:
    """
    A half-written file of an earlier run is overwritten, and never taken for the whole.
    """
    (tmp_path / "a.new").write_bytes(b"hal")

    assert write_new(tmp_path / "a", b"half and half")
    assert ["a"] == [path.name for path in tmp_path.iterdir()]
    assert b"half and half" == (tmp_path / "a").read_bytes()
