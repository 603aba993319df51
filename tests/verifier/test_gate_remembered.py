"""What the gate remembers: it makes answers quick, and no answer can be made by writing there."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from tests.verifier.gates import DOWN, Host, Shelf, junk, said
from tests.verifier.making import IMAGE, REPOSITORY
from verifier.digest import Digest
from verifier.pull.decision import Decision, Question
from verifier.pull.remembered import Remembered
from verifier.pull.settings import CacheSettings
from verifier.repository import Repository
from verifier.trust.revocation import Revocation

CACHE = '[cache]\ndirectory = "cache"\n'
OTHER = Digest.of(b"another image")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that believes a ledger with one approval."""
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    return host


def files(host: Host, kind: str) -> list[Path]:
    """Return what is on disk."""
    directory = host.directory / "cache" / kind
    return sorted(directory.iterdir()) if directory.exists() else []


def test_a_yes_lasts_without_its_source(host: Host) -> None:
    """
    What made a yes is kept, so that the next process needs no source: with the service down,
    images that ran once run again.
    """
    good = Shelf("service", host.book.bundle(0))
    assert (True, "") == said(host.decide(good, text=CACHE))
    away = Shelf("service", then=DOWN)
    found = host.decide(away, text=CACHE)

    assert ((True, ""), True, ()) == (said(found), found.remembered, found.sources)
    assert [] == away.asked
    assert found.verdict is not None


def test_only_what_counted_is_kept(host: Host) -> None:
    """
    Junk that lay beside the good one is not kept.
    """
    bundle = host.book.bundle(0)
    host.decide(Shelf("service", *junk(bundle, 5), bundle), text=CACHE)
    (kept,) = files(host, "found")
    head, _, rest = kept.read_bytes().partition(b"\n")

    assert [len(bundle)] == json.loads(head)["sizes"]
    assert bundle == rest
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_is_judged_again(host: Host) -> None:
    """
    After a revocation, what is kept allows nothing any more.
    """
    good = Shelf("service", host.book.bundle(0))
    gate = host.gate(good, text=CACHE)
    assert (True, "") == said(gate.decide(host.question))
    host.book.revocations = (Revocation("entry", "0", "a mistake", 9, bundle=b"{}"),)
    host.believe(2)

    for one in (gate, host.gate(good, text=CACHE)):
        assert (False, "revoked") == said(one.decide(host.question))


def test_another_question_is_another_answer(host: Host) -> None:
    """
    What is kept of one image answers nothing about another, nor about another repository.
    """
    gate = host.gate(Shelf("service", host.book.bundle(0)), text=CACHE)
    assert (True, "") == said(gate.decide(host.question))

    assert not gate.decide(Question(OTHER, REPOSITORY)).allowed
    assert not gate.decide(Question(IMAGE, Repository("registry.example/team/b"))).allowed


def test_a_no_is_remembered_for_seconds(host: Host) -> None:
    """
    A no is given again for some seconds without asking, by other processes too, and then not.
    """
    shelf = Shelf("service")
    assert not host.decide(shelf, text=CACHE).remembered
    again = host.decide(shelf, text=CACHE)
    assert ((False, "unsigned"), True, 1) == (said(again), again.remembered, len(shelf.asked))
    assert again.message
    assert again.hint
    shelf.found.append(host.book.bundle(0))
    host.book.now += 6

    assert (True, "") == said(host.decide(shelf, text=CACHE))


def test_a_no_of_the_future(host: Host) -> None:
    """
    A no from a time that has not come, as after a clock was set back, is none.
    """
    shelf = Shelf("service")
    host.decide(shelf, text=CACHE)
    host.book.now -= 30
    host.decide(shelf, text=CACHE)

    assert 2 == len(shelf.asked)


@pytest.mark.parametrize("what", ["trust", "status", "policy"])
def test_a_no_ends_with_what_was_believed(host: Host, what: str) -> None:
    """
    Under a newer trust file, status file or policy nothing is answered from memory.
    """
    shelf = Shelf("service")
    gate = host.gate(shelf, text=CACHE)
    gate.decide(host.question)
    if what == "trust":
        host.book.quorum = "quorum none\n# newer\n"
        host.believe()
    elif what == "status":
        host.believe(2)
    else:
        host.policy = '[[images]]\nunder = "*"\n[images.approval]\n'
        host.believe()
    gate.decide(host.question)

    assert 2 == len(shelf.asked)


def test_a_timeout_is_asked_again(host: Host) -> None:
    """
    That there was no time is no answer, and nothing that is kept.
    """
    gate = host.gate(Shelf("service", host.book.bundle(0)), text=CACHE)
    gate.decide(host.question, 0.0)

    assert (True, "") == said(gate.decide(host.question))


def spoiled() -> dict[str, bytes]:
    asked = {"type": "urn:sealbook:remembered:v1", "digest": IMAGE, "repository": REPOSITORY}

    def of(rest: bytes = b"", **said: object) -> bytes:
        return json.dumps({**asked, **said}).encode() + b"\n" + rest

    return {
        "empty": b"",
        "zeros": bytes(4096),
        "no JSON": b"{\n",
        "deep": b"[" * 100_000,
        "no sizes": of(),
        "sizes of nothing": of(sizes=[0]),
        "sizes of too much": of(sizes=[1 << 40]),
        "negative": of(b"x", sizes=[2, -1]),
        "no numbers": of(sizes=["1"]),
        "short": of(b"{", sizes=[2]),
        "long": of(b"{}}", sizes=[2]),
        "many": of(b"{}" * 51, sizes=[2] * 51),
        "junk": of(b"{}", sizes=[2]),
        "another image": of(b"{}", sizes=[2]).replace(IMAGE.encode(), OTHER.encode()),
        "huge": of(sizes=[1]) + bytes(20 << 20),
        "a yes": of(sizes=[], allowed=True, code=""),
    }


@pytest.mark.parametrize("name", spoiled())
def test_whoever_writes_there_allows_nothing(host: Host, name: str) -> None:
    """
    Whatever lies there in place of what was kept, it is as if nothing did.
    """
    shelf = Shelf("service", host.book.bundle(0))
    host.decide(shelf, text=CACHE)
    (kept,) = files(host, "found")
    kept.write_bytes(spoiled()[name])
    shelf.found = []

    assert (False, "unsigned") == said(host.decide(shelf, text=CACHE))


@pytest.mark.parametrize("make", ["fifo", "directory", "link", "unreadable"])
def test_what_is_no_file(host: Host, make: str) -> None:
    """
    A pipe, directory or link in place of a file is never waited for, followed or an error.
    """
    shelf = Shelf("service", host.book.bundle(0))
    host.decide(shelf, text=CACHE)
    (kept,) = files(host, "found")
    content = kept.read_bytes()
    kept.unlink()
    if make == "fifo":
        os.mkfifo(kept)
    elif make == "directory":
        kept.mkdir()
    elif make == "link":
        (host.directory / "aside").write_bytes(content)
        kept.symlink_to(host.directory / "aside")
    else:
        kept.symlink_to(kept)
    shelf.found = []

    assert (False, "unsigned") == said(host.decide(shelf, text=CACHE))


def test_bundles_of_another_image_planted(host: Host) -> None:
    """
    A good bundle of another image, put there under this one's name, allows nothing.
    """
    host.book.approve(digest=OTHER)
    host.believe()
    shelf = Shelf("service", host.book.bundle(0))
    host.decide(shelf, text=CACHE)
    (kept,) = files(host, "found")
    planted = host.book.bundle(1)
    head = json.loads(kept.read_bytes().partition(b"\n")[0])
    kept.write_bytes(json.dumps(head | {"sizes": [len(planted)]}).encode() + b"\n" + planted)
    shelf.found = []

    assert (False, "unsigned") == said(host.decide(shelf, text=CACHE))


def test_a_planted_no(host: Host) -> None:
    """
    A no that somebody writes there is no more than a no, for as long as it is young.
    """
    shelf = Shelf("service")
    host.decide(shelf, text=CACHE)
    (kept,) = files(host, "refused")
    shelf.found.append(host.book.bundle(0))
    for code in ("", "x" * 20_000):
        said_then = json.loads(kept.read_bytes()) | {"code": code}
        kept.write_bytes(json.dumps(said_then).encode() + b"\n")
        assert host.decide(shelf, text=CACHE).allowed
        for one in files(host, "found"):
            one.unlink()


@pytest.mark.parametrize("where", ["a file", "a missing mount", "full"])
def test_nothing_can_be_written(host: Host, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A directory that cannot be written costs nothing but time: read-only, full, or not there.
    """
    if where == "a file":
        (host.directory / "cache").write_text("")
    elif where == "a missing mount":
        (host.directory / "cache").symlink_to("/nowhere/at/all")
    else:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
    gate = host.gate(Shelf("service", host.book.bundle(0)), text=CACHE)

    assert (True, "") == said(gate.decide(host.question))
    assert (False, "repository-mismatch") == said(
        gate.decide(Question(IMAGE, Repository("registry.example/team/b")))
    )
    if where == "full":
        assert [] == files(host, "found") + files(host, "refused")


def question(number: int) -> Question:
    return Question(Digest.of(b"%d" % number), REPOSITORY)


def yes(asked: Question) -> Decision:
    return Decision(allowed=True, digest=asked.digest, repository=asked.repository)


def test_bounded_on_disk(tmp_path: Path) -> None:
    """
    No more files, and no more bytes, lie there than is configured, but for the last few; the
    oldest go first.
    """
    count = CacheSettings(str(tmp_path / "a"), entries=20)
    size = CacheSettings(str(tmp_path / "b"), size=20_000)
    for settings in (count, size):
        kept = Remembered(settings)
        for number in range(100):
            asked = question(number)
            kept.of(asked, b"").keep(yes(asked), [b"x" * 1000])
        left = list((Path(settings.directory) / "found").iterdir())
        assert 10 <= len(left) <= 20 + 16
        fresh = Remembered(settings)
        assert [b"x" * 1000] == fresh.bundles(question(99))
        assert not fresh.bundles(question(0))


def test_bounded_in_memory() -> None:
    """
    Without a directory a process remembers in memory, and no more than is configured.
    """
    kept = Remembered(CacheSettings(entries=10, size=5000))
    for number in range(100):
        asked = question(number)
        kept.of(asked, b"").keep(yes(asked), [b"x" * 1000])

    assert 5 == sum(bool(kept.bundles(question(n))) for n in range(100))
    assert 10 == sum(kept.of(question(n), b"").decision() is not None for n in range(100))


def test_a_yes_in_memory_is_short(tmp_path: Path) -> None:
    """
    A yes is given again for seconds, under the same belief, and then judged again.
    """
    now = [0.0]
    kept = Remembered(CacheSettings(), monotonic=lambda: now[0])
    asked = question(1)
    kept.of(asked, b"one").keep(yes(asked), [])

    found = kept.of(asked, b"one").decision()
    assert found is not None
    assert found.remembered
    assert kept.of(asked, b"another").decision() is None
    now[0] = 11
    assert kept.of(asked, b"one").decision() is None
    del tmp_path


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    """
    Bundles of more bytes than are read back are not kept.
    """
    kept = Remembered(CacheSettings(str(tmp_path)))
    asked = question(1)
    kept.of(asked, b"").keep(yes(asked), [b"x" * (4 << 20)] * 3)

    assert not kept.bundles(asked)
    assert not list(tmp_path.rglob("*"))


def write(directory: str, number: int) -> None:
    kept = Remembered(CacheSettings(directory, entries=8))
    for turn in range(40):
        asked = question(turn % 10)
        kept.of(asked, b"").keep(yes(asked), [b"%d" % number * 5000])
        found = Remembered(CacheSettings(directory)).bundles(asked)
        assert not found or (1 == len(found) and 5000 == len(found[0]))


def test_many_processes(tmp_path: Path) -> None:
    """
    Processes that write and delete at once find what is whole, or nothing.
    """
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write, args=(str(tmp_path), n)) for n in range(4)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()

    assert [0] * 4 == [one.exitcode for one in processes]
    assert not [one for one in (tmp_path / "found").iterdir() if one.name.startswith(".")]
