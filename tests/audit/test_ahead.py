"""Bodies are fetched a few at a time, and judged in order all the same."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledger.audit.source import DirectoryReader, StaticSource
from ledger.transport import TransportError
from tests.audit.making import Log, Outsider

WORKERS = 4


def test_several_at_once_and_in_order(tmp_path: Path) -> None:
    """
    As many bodies as there are workers are under way at once, never more, and none is mixed up.
    """
    log = Log().grow(200)
    log.delete_body(77, logged=False)
    reader = DirectoryReader(log.write(tmp_path / "tree"))
    together = threading.Barrier(WORKERS)
    met: list[bool] = []
    lock = threading.Lock()
    under_way = most = 0

    def read(path: str, limit: int) -> bytes | None:
        nonlocal under_way, most
        if not path.startswith("bodies/"):
            return reader(path, limit)
        with lock:
            under_way += 1
            most = max(most, under_way)
        if not met:  # the first ones wait for each other: else they were not there at once
            together.wait(30)
            met.append(True)
        found = reader(path, limit)
        with lock:
            under_way -= 1
        return found

    report = Outsider(tmp_path).audit(StaticSource(read, WORKERS))

    assert [("body-missing", 77)] == [(f.code, f.index) for f in report.findings]
    assert (200, WORKERS) == (report.checked, most)


@pytest.mark.parametrize("at", [0, 63, 64, 150])
def test_no_answer_for_one_body(tmp_path: Path, at: int) -> None:
    """
    One body without an answer ends the audit as it would one by one, and the pin stays.
    """
    log = Log().grow(160)
    reader = DirectoryReader(log.write(tmp_path / "tree"))
    asked = []
    lock = threading.Lock()

    def read(path: str, limit: int) -> bytes | None:
        with lock:
            if path.startswith("bodies/"):
                asked.append(path)
                if len(asked) == at + 1:
                    raise TransportError(path)
        return reader(path, limit)

    outsider = Outsider(tmp_path)
    with pytest.raises(TransportError) as caught:
        outsider.audit(StaticSource(read, WORKERS))
    # What was under way has ended, although the error still holds on to where it was raised.
    assert caught.value.__traceback__
    assert [] == [one.name for one in threading.enumerate() if one.name.startswith("bodies")]
    assert [] == outsider.found(StaticSource(reader, WORKERS))
