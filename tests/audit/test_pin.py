"""The pin: moved only behind what was checked and delivered, and never half written."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from ledger.audit.follow import DeliveryError
from ledger.audit.pin import Pin, PinError
from ledger.audit.scan import SLICE, Match
from ledger.audit.source import DirectoryReader, StaticSource
from ledger.errors import SourceError
from tests.audit.making import NOW, ORIGIN, REPOSITORY, Log, Outsider, root
from tests.ledger.making import start
from verifier.checkpoint import Checkpoint
from verifier.note import Note

_WANTED = (("repository", str(REPOSITORY)),)


class Collector:
    """Collects what is delivered, and can fail at one entry."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.indices: list[int] = []
        self.fail_at = fail_at

    def __call__(self, match: Match) -> None:
        if match.index == self.fail_at:
            raise DeliveryError(f"entry {match.index}")
        self.indices.append(match.index)


def test_the_pin_says_what_was_seen(tmp_path: Path) -> None:
    """
    After an audit the file holds the checkpoint, the entries checked, and their compact range.
    """
    log, outsider = Log().grow(13), Outsider(tmp_path)
    outsider.audit(log.write(tmp_path / "tree"))
    pin = Pin.load(outsider.state, ORIGIN)

    assert (log.note(), 13, NOW) == (pin.note, pin.checked, pin.seen)
    assert {"urn:sealbook:genesis": 0} == pin.events
    assert root(log.entries) == Checkpoint.parse(Note.parse(pin.note).text).root
    pin.save(outsider.state)
    assert pin == Pin.load(outsider.state, ORIGIN)


def test_a_pin_that_cannot_be_believed(tmp_path: Path) -> None:
    """
    A pin that was cut or altered, or is another ledger's, is refused: nothing begins anew unsaid.
    """
    outsider, folder = Outsider(tmp_path), Log().grow(5).write(tmp_path / "tree")
    outsider.audit(folder)
    good = outsider.state.read_bytes()
    value = json.loads(good)
    cases = [
        good[:-10],
        b"",
        b"{}",
        json.dumps({**value, "checked": 6}).encode(),
        json.dumps({**value, "checked": 4}).encode(),
        json.dumps({**value, "compact": value["compact"][:1]}).encode(),
        json.dumps({**value, "compact": value["compact"][::-1]}).encode(),
        json.dumps({**value, "origin": "other.example"}).encode(),
        json.dumps({**value, "note": "nothing"}).encode(),
        json.dumps({**value, "more": 1}).encode(),
        json.dumps({**value, "events": {"a": "b"}}).encode(),
    ]
    for case in cases:
        outsider.state.write_bytes(case)
        with pytest.raises(PinError):
            outsider.audit(folder)
        assert case == outsider.state.read_bytes()
    # A range that fits in itself and not to the checkpoint's tree.
    outsider.state.write_bytes(good)
    log = Log().grow(5)
    other = {**value, "checked": 4, "compact": [value["compact"][1]]}
    outsider.state.write_bytes(json.dumps(other).encode())
    with pytest.raises(PinError):
        outsider.audit(log.write(folder))


def test_a_failed_delivery_skips_nothing(tmp_path: Path) -> None:
    """
    The pin stays before what could not be delivered; the next audit delivers it.
    """
    outsider, folder = Outsider(tmp_path), Log().grow(20).write(tmp_path / "tree")
    failing, working = Collector(fail_at=7), Collector()
    with pytest.raises(DeliveryError):
        outsider.audit(folder, match=_WANTED, deliver=failing)
    pin = Pin.load(outsider.state, ORIGIN)
    assert (0, 20) == (pin.checked, pin.checkpoint and pin.checkpoint.tree_size)
    outsider.audit(folder, match=_WANTED, deliver=working)
    outsider.audit(folder, match=_WANTED, deliver=working)

    assert list(range(1, 7)) == failing.indices
    assert list(range(1, 20)) == working.indices


def test_a_source_that_breaks_off(tmp_path: Path) -> None:
    """
    What was seen before the source broke off binds the ledger; what was not checked is next.
    """
    log, outsider = Log().grow(300), Outsider(tmp_path)
    folder = log.write(tmp_path / "tree")
    reader = DirectoryReader(folder)

    def breaking(path: str, limit: int) -> bytes | None:
        if path.startswith("tile/entries/001"):
            raise SourceError(path)
        return reader(path, limit)

    with pytest.raises(SourceError):
        outsider.audit(StaticSource(breaking))
    assert 0 == Pin.load(outsider.state, ORIGIN).checked
    # The larger checkpoint was seen: to show less now is a rollback.
    assert [("rollback", None)] == outsider.found(log.write(tmp_path / "less", 299))
    collector = Collector()
    assert () == outsider.audit(folder, match=_WANTED, deliver=collector).findings
    assert list(range(1, 300)) == collector.indices


_KILLED = """
import os, sys
from pathlib import Path
from tests.audit.making import Outsider
from tests.audit.test_pin import _WANTED
folder, home, die_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
log = (home / "delivered").open("ab", buffering=0)
def deliver(match):
    log.write(b"%d\\n" % match.index)
    if match.index == die_at:
        print("here", flush=True)
        sys.stdin.read()
Outsider(home).audit(folder, match=_WANTED, deliver=deliver)
"""


def test_kill_resumes_without_a_gap(tmp_path: Path) -> None:
    """
    Killed at any entry, an audit goes on from the pin, and every match is delivered.
    """
    size = SLICE + 300
    log = Log()
    filler = [b"filler %d" % i for i in range(size)]
    wanted = {index for index in range(1, size) if index % 97 == 0 or index > size - 3}
    for index in range(1, size):
        if index in wanted:
            log.approve(index)
        else:
            log.add(filler[index], b"", body=False)
    folder = log.write(tmp_path / "tree")
    pins = []
    for die_at in (97, SLICE // 97 * 97, SLICE // 97 * 97 + 97, size - 1):
        process = start(_KILLED, folder, tmp_path, die_at)
        assert process.stdout is not None
        assert process.stdin is not None
        assert "here\n" == process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stdin.close()
        pins.append(Pin.load(tmp_path / "pin.json", ORIGIN).checked)
    assert () == Outsider(tmp_path).audit(folder, match=_WANTED).findings
    delivered = {int(line) for line in (tmp_path / "delivered").read_text().split()}

    assert wanted == delivered
    assert [0, 0, SLICE, SLICE] == pins
    assert size == Pin.load(tmp_path / "pin.json", ORIGIN).checked


def test_full_delivers_nothing_twice(tmp_path: Path) -> None:
    """
    A full audit checks all again and delivers only what is new.
    """
    log, outsider, collector = Log().grow(10), Outsider(tmp_path), Collector()
    outsider.audit(log.write(tmp_path / "tree"), match=_WANTED, deliver=collector)
    log.grow(12)
    report = outsider.audit(
        log.write(tmp_path / "tree"), match=_WANTED, deliver=collector, full=True
    )

    assert (0, 12) == (report.old_size, report.checked)
    assert list(range(1, 12)) == collector.indices


def test_full_finds_what_was_spoilt_later(tmp_path: Path) -> None:
    """
    What was taken away behind the pin is found by a full audit, and told from then on.
    """
    log, outsider = Log().grow(10), Outsider(tmp_path)
    folder = log.write(tmp_path / "tree")
    outsider.audit(folder)
    body = next((folder / "bodies" / "sha256").iterdir())
    content = body.read_bytes()
    body.unlink()

    assert [] == outsider.found(folder)
    [finding] = outsider.found(folder, full=True)
    assert "body-missing" == finding[0]
    assert [finding] == outsider.found(folder)
    body.write_bytes(content)
    assert [] == outsider.found(folder, full=True)
    assert [] == outsider.found(folder)


def test_kept_checkpoints_are_bounded(tmp_path: Path) -> None:
    """
    Of each size the first and the last sighting stay; the oldest are thinned out.
    """
    log, pin = Log().grow(4), Pin(ORIGIN)
    for seen in range(5):
        pin = pin.keep(log.note(3), seen)
    assert [0, 4] == [kept.seen for kept in pin.kept]
    note = Note.parse(log.note(3))
    for size in range(4, 3000):
        text = f"{ORIGIN}\n{size}\n{note.text.splitlines()[2]}\n"
        pin = pin.keep(str(note._replace(text=text)), size)

    assert 0 == pin.kept[0].seen
    assert 2999 == pin.kept[-1].seen
    assert len(pin.kept) <= 512
