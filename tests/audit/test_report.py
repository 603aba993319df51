"""Reports: counts that a second count agrees with, and words of others that stay words."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import labels
from ledger.audit.auditor import Auditor
from ledger.audit.bounds import MARKS, Sighting
from ledger.audit.source import DirectoryReader, Listed, StaticSource
from ledger.audit.trusted import Trusted
from ledger.report import as_csv, as_html, as_json
from ledger.report.make import Wanted, make
from ledger.report.model import Account
from ledger.report.period import check
from tests.audit.making import (
    APPROVE,
    ATTEST,
    NOW,
    ORIGIN,
    OTHER,
    OTHER_LOG,
    REPOSITORY,
    STRANGER,
    Log,
    Outsider,
    trust,
)
from tests.signer.asking import refused
from verifier import statement
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import MalformedError

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "  =1",
    "\t=1",
    "\uff1d1",
    'a,b"c\r\nd',
    "\u202egnp.exe",
    "\x1b[2J",
)
REQUESTERS = ("a", "b", "")


def asked(image: int, repository: str, requester: str) -> bytes:
    """Return the payload of an approval that somebody asked for."""
    annotations = {}
    if requester:
        annotations = {
            "sealbook.requester.issuer": "https://ci.example",
            "sealbook.requester.subject": requester,
        }
    digest = {"sha256": Digest.of(b"%d" % image).hex}
    subject = {"digest": digest, "name": repository, "annotations": annotations}
    return json.dumps(
        {
            "_type": statement.STATEMENT_TYPE,
            "predicate": {},
            "predicateType": statement.APPROVAL,
            "subject": [subject],
        }
    ).encode()


def busy() -> Log:
    """Return a ledger in which all there is happens, over two bundles and more."""
    log = Log()
    for i in range(560):
        log.sign(asked(i, (REPOSITORY, OTHER)[i % 3 == 0], REQUESTERS[i % 3]), APPROVE)
        if i % 50 == 9:
            log.attest(i)
    log.add(b"foreign", b"", body=False)
    log.delete_body(log.attest(1))
    log.event("clock-accepted", {"ahead_s": 60})
    return log


class Dated(StaticSource):
    """A static tree whose service also says when entries came: one each hour."""

    def __init__(self, folder: Path, log: Log, times: Sequence[int]) -> None:
        super().__init__(DirectoryReader(folder))
        self._log, self._times = log, times

    def listed(self, start: int, stop: int) -> list[Listed]:
        return [Listed(self._label(i), self._times[i]) for i in range(start, stop)]

    def _label(self, index: int) -> bytes:
        entry = self._log.entries[index]
        try:
            digest = Entry.parse(entry).data_digest
        except MalformedError:
            return b""
        body = self._log.bodies.get(digest)
        return labels.encode(labels.of(entry, body)) if body else b""


def report(home: Path, source: Any, start: str = "", stop: str = "", **more: Any) -> Account:
    """Report on a folder, or any source."""
    trusted = Trusted.root(more.pop("trusted", None) or trust(), ORIGIN, NOW)
    if isinstance(source, Path):
        source = StaticSource(DirectoryReader(source))
    auditor = Auditor(
        source, trusted, more.pop("state", None), home / "evidence", clock=lambda: NOW
    )
    wanted = Wanted(start, stop, "https://ledger.example", "", "sealbook")
    return make(source, trusted, auditor, wanted, clock=lambda: NOW, **more)


def told(account: Account) -> dict[str, Any]:
    """Return the JSON of a report."""
    value: dict[str, Any] = json.loads(as_json.render(account))
    return value


def counted_by_hand(log: Log, start: int, stop: int) -> dict[str, Counter[str]]:
    """Count once more, from raw JSON, in the tests' own words."""
    found: dict[str, Counter[str]] = {
        name: Counter() for name in ("repository", "requester", "predicate_type", "events", "none")
    }
    for entry in log.entries[start:stop]:
        try:
            digest = Entry.parse(entry).data_digest
        except MalformedError:
            found["none"]["opaque"] += 1
            continue
        body = log.bodies.get(digest)
        if body is None:
            found["none"]["deleted"] += 1
            continue
        value = json.loads(body[body.index(b"{") :])
        kind = value["predicateType"]
        if kind.startswith("urn:sealbook:"):
            found["events"][kind.removeprefix("urn:sealbook:")] += 1
            continue
        [subject] = value["subject"]
        found["repository"][subject["name"]] += 1
        found["predicate_type"][kind] += 1
        who = subject.get("annotations", {}).get("sealbook.requester.subject", "")
        found["requester"][f"https://ci.example#{who}" if who else ""] += 1
    return found


@pytest.mark.parametrize(
    ("start", "stop"), [("", ""), ("0", "256"), ("255", "513"), ("300", "300")]
)
def test_counts(tmp_path: Path, start: str, stop: str) -> None:
    """
    What is counted in a part, a second count in other words finds as well.
    """
    log = busy()
    account = report(tmp_path, log.write(tmp_path / "tree"), start, stop)
    size = len(log.entries)
    lo, hi = int(start or 0), int(stop or size)
    expected = counted_by_hand(log, lo, hi)
    found = told(account)["counted"]

    assert () == account.findings
    for name in ("repository", "requester", "predicate_type"):
        groups = found["by"][name]
        assert expected[name] == Counter({g["value"]: g["signatures"] for g in groups})
        assert all(sum(g["spread"]) == g["signatures"] for g in groups)
        assert all(lo <= g["first"] <= g["last"] < hi for g in groups)
    assert expected["events"] == Counter(e["kind"] for e in found["events"])
    assert expected["none"]["opaque"] == found["opaque"]["entries"]
    assert expected["none"]["deleted"] == found["deleted"]["entries"]
    assert 0 == found["missing"]["entries"] + found["unreadable"]["entries"]
    signatures = sum(expected["repository"].values())
    assert signatures == found["signatures"] == sum(g["signatures"] for g in found["groups"])
    assert hi - lo == found["entries"] == signatures + found["quiet"]["entries"]
    by_hand = [r for a, b in found["quiet"]["ranges"] for r in range(a, b + 1)]
    assert len(by_hand) == found["quiet"]["entries"]


def test_first_and_last(tmp_path: Path) -> None:
    """
    A group says at which positions its first and its last signature are, and which key made them.
    """
    log = Log()
    for repository, key in ((REPOSITORY, APPROVE), (OTHER, APPROVE), (REPOSITORY, APPROVE)):
        log.sign(asked(len(log.entries), repository, "a"), key)
    log.attest(9)
    found = told(report(tmp_path, log.write(tmp_path / "tree")))["counted"]
    groups = {(g["repository"], g["key_name"]): g for g in found["groups"]}

    assert {(REPOSITORY, "release"), (OTHER, "release"), (REPOSITORY, "ci")} == set(groups)
    release = groups[REPOSITORY, "release"]
    assert (2, 1, 3) == (release["signatures"], release["first"], release["last"])
    assert APPROVE.public.fingerprint == release["key"]
    assert ATTEST.public.fingerprint == groups[REPOSITORY, "ci"]["key"]


def test_findings_are_in_it(tmp_path: Path) -> None:
    """
    What the audit finds is in the report: entry by entry, and a body that nobody accounts for.
    """
    log = busy()
    log.sign(asked(1, REPOSITORY, "a"), STRANGER)
    bare = log.attest(4)
    log.delete_body(bare, logged=False)
    account = report(tmp_path, log.write(tmp_path / "tree"))
    found = told(account)

    assert {("unannounced-key", bare - 1), ("body-missing", bare)} == {
        (f["code"], f["index"]) for f in found["audit"]["findings"]
    }
    assert {"entries": 1, "ranges": [[bare, bare]], "left_out": 0} == found["counted"]["missing"]
    assert {"", "release", "ci"} == {g["name"] for g in found["counted"]["by"]["key"]}


def test_a_tree_that_contradicts_itself_is_not_counted(tmp_path: Path) -> None:
    """
    A forged tile, an exchanged entry, a checkpoint of strangers: findings, and no numbers.
    """
    log = Log().grow(300)
    folder = log.write(tmp_path / "tree")
    tile = folder / "tile" / "0" / "000"
    honest = tile.read_bytes()
    tile.write_bytes(honest[:-1] + b"\0")
    forged = report(tmp_path, folder)
    tile.write_bytes(honest)
    entries = folder / "tile" / "entries" / "000"
    entries.write_bytes(entries.read_bytes().replace(log.entries[1], log.entries[2]))
    exchanged = report(tmp_path, folder)
    (folder / "checkpoint").write_text(log.note(key=OTHER_LOG))
    strange = report(tmp_path, folder)

    for account, code in (
        (forged, "forged-tile"),
        (exchanged, "entry-mismatch"),
        (strange, "untrusted-log"),
    ):
        assert [code] == [f.code for f in account.findings]
        assert account.counted is None
        assert b"so nothing in it was counted" in as_html.render(account)
        assert 1 == len(as_csv.render(account).splitlines())
        assert told(account)["counted"] is None


def test_an_old_pin_vouches_for_nothing_that_is_counted(tmp_path: Path) -> None:
    """
    Entries that an earlier audit had passed are proven again before they are counted.
    """
    log, state = Log().grow(300), tmp_path / "pin.json"
    folder = log.write(tmp_path / "tree")
    assert () == report(tmp_path, folder, state=state).findings
    entries = folder / "tile" / "entries" / "000"
    entries.write_bytes(entries.read_bytes().replace(log.entries[1], log.entries[2]))
    account = report(tmp_path, folder, state=state)

    assert [("entry-mismatch", 1)] == [(f.code, f.index) for f in account.findings]
    assert account.counted is None


def test_an_audit_without_bodies_vouches_for_none(tmp_path: Path) -> None:
    """
    Behind a pin that looked at no bodies, a missing one is missing and a stranger's key is found.
    """
    log, outsider = busy(), Outsider(tmp_path)
    strange = log.sign(asked(1, REPOSITORY, "a"), STRANGER)
    bare = log.attest(4)
    log.delete_body(bare, logged=False)
    folder = log.write(tmp_path / "tree")
    assert [] == outsider.found(folder, bodies=False)
    account = report(tmp_path, folder, state=outsider.state)

    assert {("unannounced-key", strange), ("body-missing", bare)} == {
        (f.code, f.index) for f in account.findings
    }
    assert account.counted is not None
    assert (1, 1) == (account.counted.missing.entries, account.counted.deleted.entries)


def test_a_rolled_back_ledger_is_not_counted(tmp_path: Path) -> None:
    """
    Fewer entries than an earlier audit saw are a finding, however sound their tree is.
    """
    log, state = Log().grow(9), tmp_path / "pin.json"
    assert () == report(tmp_path, log.write(tmp_path / "tree"), state=state).findings
    account = report(tmp_path, log.write(tmp_path / "tree", 8), state=state)

    assert ["rollback"] == [f.code for f in account.findings]
    assert account.counted is None


class Reader(html.parser.HTMLParser):
    """Reads a page as a browser does: which elements, attributes and words there are."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def hostile(home: Path) -> Account:
    """Report on a ledger into which a stranger and a requester wrote all that they can think of."""
    log = Log()
    for i, words in enumerate(HOSTILE):
        log.sign(asked(i, words, words), STRANGER)
        log.sign(asked(i, REPOSITORY, words), APPROVE)
        log.event("clock-accepted", {"said": words})
    return report(home, log.write(home / "tree"))


def test_hostile_words_in_a_page(tmp_path: Path) -> None:
    """
    Whatever a statement says becomes text in the page: no element, attribute or script comes of it.
    """
    page = as_html.render(hostile(tmp_path)).decode()
    reader = Reader()
    reader.feed(page)

    usual = Reader()
    usual.feed(as_html.render(report(tmp_path, busy().write(tmp_path / "busy"))).decode())
    assert not {"script", "img", "link", "iframe", "a", "base"} & set(reader.tags)
    # The table of findings is the only one that the tame page does not have.
    assert set(usual.tags) == set(reader.tags)
    assert usual.attributes == reader.attributes
    assert not {name for name in reader.attributes if name.startswith("on") or name == "src"}
    assert "<script>alert(1)</script>" in " ".join(reader.words)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "").partition("<body>")[0]


def test_hostile_words_in_a_spreadsheet(tmp_path: Path) -> None:
    """
    No cell begins like a formula or holds a line break; a reader of RFC 4180 gets nine columns.
    """
    raw = as_csv.render(hostile(tmp_path)).decode()
    rows = list(csv.reader(io.StringIO(raw, newline=""), strict=True))

    assert raw.count("\r\n") == raw.count("\n") == len(rows)
    assert {9} == {len(row) for row in rows}
    cells = {cell for row in rows for cell in row}
    assert not [c for c in cells if c.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))]
    assert not [c for c in cells if not c.isprintable()]
    assert {"'=cmd|' /C calc'!A0", "'+1+1", "'-2+3", "'@SUM(A1)", "'  =1", "'\uff1d1"} <= cells


def test_positions_and_marks(tmp_path: Path) -> None:
    """
    A time becomes a position by what was seen, as small a part as that allows, leaving nothing out.
    """
    folder = Log().grow(100).write(tmp_path / "tree")
    marks = [Sighting(10, NOW - 900, MARKS), Sighting(40, NOW - 600, MARKS)]
    marks.append(Sighting(70, NOW - 300, MARKS))

    def part(start: int, stop: int) -> tuple[int, int, str]:
        account = report(tmp_path, folder, utc(NOW - start), utc(NOW - stop), marks=marks)
        return account.start.index, account.stop.index, account.start.by

    assert (40, 70) == part(600, 300)[:2]
    assert (10, 70) == part(601, 599)[:2]
    assert (40, 100) == part(599, 0)[:2]
    assert (70, 100) == part(1, -9999)[:2]
    assert MARKS in part(600, 300)[2]
    told_so = refused("no-report", lambda: part(901, 300))
    assert "--marks" in told_so.hint
    refused("no-report", lambda: report(tmp_path, folder, "9", "101"))
    refused("no-report", lambda: report(tmp_path, folder, "9", "8"))


def utc(seconds: int) -> str:
    """Print a time, in the tests' own words."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def test_the_services_word(tmp_path: Path) -> None:
    """
    Where the service says when entries came, times are exact, and days without a signature show.
    """
    log = Log().grow(100)
    day = 86_400
    start = NOW // day * day - 20 * day
    times = [start + day * (i // 10) for i in range(50)]
    times += [start + day * (10 + i // 10) for i in range(50)]
    source = Dated(log.write(tmp_path / "tree"), log, times)
    whole = report(tmp_path, source)
    part = report(tmp_path, source, utc(times[30]), utc(times[30] + 1))

    assert () == whole.findings
    assert whole.counted is not None
    silent = told(whole)["counted"]["quiet_days"]
    assert [[utc(start + 5 * day)[:10], utc(start + 9 * day)[:10]]] == silent
    assert [utc(times[0]), utc(times[-1])] == told(whole)["counted"]["times"]
    assert (30, 40) == (part.start.index, part.stop.index)
    assert "the service's word" == part.start.by == part.stop.by
    assert b"Days without a signature" in as_html.render(whole)
    by_day = report(tmp_path, source, utc(times[60])[:10])
    assert (60, 100) == (by_day.start.index, by_day.stop.index)


def test_times_without_a_date(tmp_path: Path) -> None:
    """
    A service that dates an entry to the year 300,000,000 gets a finding, and no page of days.
    """
    log = Log().grow(5)
    source = Dated(log.write(tmp_path / "tree"), log, [NOW, NOW, NOW, NOW, 2**62])
    account = report(tmp_path, source)

    assert [("false-time", 4)] == [(f.code, f.index) for f in account.findings]
    assert account.counted is not None
    assert () == account.counted.quiet_days


def test_witnesses(tmp_path: Path) -> None:
    """
    Each witness of the trust file is named, with when it cosigned this checkpoint, if it did.
    """
    log = Log().grow(3)
    folder = log.write(tmp_path / "tree", note=log.note(cosigned={"w2": NOW - 7}))
    account = report(tmp_path, folder, trusted=trust("any"))

    assert [
        {"name": "w1", "url": "", "cosigned_at": None},
        {"name": "w2", "url": "", "cosigned_at": utc(NOW - 7)},
    ] == told(account)["checkpoint"]["witnesses"]
    assert b"did not cosign" in as_html.render(account)


def test_the_page_says_what_it_is_about(tmp_path: Path) -> None:
    """
    Origin, part, tree size, root, when and by what it was made, and how to check it.
    """
    log = Log().grow(9)
    account = report(tmp_path, log.write(tmp_path / "tree"), "2", "7")
    reader = Reader()
    reader.feed(as_html.render(account).decode())
    words = " ".join(reader.words)

    assert account.tree is not None
    for said in (
        ORIGIN,
        "2 to before 7",
        account.tree.root,
        f"Made {utc(NOW)} by sealbook.",
        "sealbook report https://ledger.example --token-file token --trust trust.json",
        "--from 2 --to 7 --format json",
    ):
        assert said in words
    assert as_html.render(account) == as_html.render(account)


def test_an_empty_ledger(tmp_path: Path) -> None:
    """
    A ledger without entries has a report, too.
    """
    account = report(tmp_path, Log(empty=True).write(tmp_path / "tree"))

    assert account.counted is not None
    assert (0, 0) == (account.counted.entries, account.counted.signatures)
    assert b"Nothing was found" in as_html.render(account)


def test_too_much_for_one_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    More different values than a report may hold are refused, with what to do.
    """
    monkeypatch.setattr("ledger.report.tally._MOST", 3)
    log = Log()
    for i in range(4):
        log.sign(asked(i, f"registry.example/r{i}", ""), APPROVE)
    folder = log.write(tmp_path / "tree")

    assert "--from" in refused("no-report", lambda: report(tmp_path, folder)).hint
    assert report(tmp_path, folder, "2").counted is not None


@pytest.mark.parametrize("text", ["-1", "01", "yesterday", "2026-13-01", "2026-11-23T00:00:00", ""])
def test_no_position_and_no_time(text: str) -> None:
    """
    A part begins and ends at an index, a day or a moment, each in its one spelling.
    """
    with pytest.raises(MalformedError):
        check(text)


def test_several_subjects(tmp_path: Path) -> None:
    """
    A statement about several repositories is one signature, and counts once for each of them.
    """
    log = Log()
    value = json.loads(asked(1, REPOSITORY, "a"))
    value["subject"] += json.loads(asked(2, OTHER, "b"))["subject"]
    value["subject"] += json.loads(asked(3, OTHER, "b"))["subject"]
    log.sign(json.dumps(value).encode(), APPROVE)
    found = told(report(tmp_path, log.write(tmp_path / "tree")))["counted"]

    assert 1 == found["signatures"]
    assert {REPOSITORY: 1, OTHER: 1} == {
        g["value"]: g["signatures"] for g in found["by"]["repository"]
    }
    assert {(REPOSITORY, "https://ci.example#a"), (OTHER, "https://ci.example#b")} == {
        (g["repository"], g["requester"]) for g in found["groups"]
    }
    assert [1] == [g["signatures"] for g in found["by"]["key"]]
