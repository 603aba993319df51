"""The command under a policy: many bundles, each rule in a line, and warnings beside a yes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.verifier.books import HEADER, Book
from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY
from tests.verifier.shell import FAR, Answer, Shell
from tests.verifier.statuses import DAY, STATUS_KEY
from verifier.certified import Certified
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.errors import CertificateError
from verifier.merkle import Hash
from verifier.note import Note

APPROVED = f'{HEADER}[[images]]\nunder = "*"\n[images.approval]\n'
OTHER = Digest.of(b"another image")


class Desk:
    """A folder with trust, status and policy files, and the bundles of a ledger."""

    def __init__(self, folder: Path, shell: Shell) -> None:
        self.folder, self.shell, self.book = folder, shell, Book()
        self.book.issued = int(time.time())

    def write(self, policy: str = APPROVED) -> None:
        """Write everything."""
        self.put("status.json", self.book.status.payload.sealed(STATUS_KEY))
        self.put("trust.json", self.book.trust._replace(expires=FAR).json())
        self.put("policy.toml", policy.encode())
        for index in range(len(self.book.entries)):
            self.put(f"{index}.json", self.book.bundle(index))

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""
        (self.folder / name).write_bytes(data)

    def path(self, name: str) -> str:
        """Return where a file is."""
        return str(self.folder / name)

    def ask(self, *more: str, policy: bool = True, bundles: tuple[int, ...] = (0,)) -> Answer:
        """Ask about the image."""
        words = ["--trust", self.path("trust.json"), "--status", self.path("status.json")]
        words += ["--policy", self.path("policy.toml")] if policy else []
        where = [] if "--any-repository" in more else ["--repository", REPOSITORY]
        files = [self.path(f"{index}.json") for index in bundles]
        return self.shell.run(*words, *where, *more, IMAGE, *files)


@pytest.fixture
def desk(tmp_path: Path, shell: Shell) -> Desk:
    """A ledger with an approval by release and one of another image."""
    made = Desk(tmp_path, shell)
    made.book.approve()
    made.book.approve(digest=OTHER)
    made.write()
    return made


def test_yes(desk: Desk) -> None:
    """
    A yes says of each rule how it is met.
    """
    expected = (
        f"yes: {IMAGE} may run from {REPOSITORY}\n"
        "  yes has an approval by release (entry 0)\n"
        "  yes witnesses 0 of 0\n"
    )

    assert Answer(0, expected, "") == desk.ask()
    assert Answer(0, expected, "") == desk.ask(bundles=(1, 0))


def test_no(desk: Desk) -> None:
    """
    A no says of each rule what is missing, and of each bundle why it does not count.
    """
    desk.write(f"{APPROVED}signers = 2\n")
    answer = desk.ask(bundles=(0, 1))
    lines = answer.err.splitlines()

    assert (1, "") == answer[:2]
    assert "no: needs an approval by 2 signers, found 1" in lines[0]
    assert lines[0].endswith("(not-approved)")
    assert lines[1].startswith("  no  needs an approval by 2 signers, found 1")
    assert "  yes witnesses 0 of 0" == lines[2]
    assert lines[3].startswith("  bundle 2 does not count: expected sha256:")
    assert lines[3].endswith("(digest-mismatch)")


def test_hint(desk: Desk) -> None:
    """
    What to do about a no is told last.
    """
    desk.write(APPROVED.replace("[images.app", 'max_checkpoint_age = "1 day"\n[images.app'))
    answer = desk.ask()

    assert 1 == answer.code
    assert "(stale-checkpoint)" in answer.err
    assert answer.err.splitlines()[-1].startswith("hint: ")


def test_json(desk: Desk) -> None:
    """
    The verdict is one JSON object with each rule, whatever it is.
    """
    yes = json.loads(desk.ask("--json").out)
    no = json.loads(desk.ask("--json", bundles=(1,)).out)

    assert "yes" == yes["verdict"]
    assert ("no", "digest-mismatch") == (no["verdict"], no["code"])
    assert [True, True] == [rule["met"] for rule in yes["rules"]]
    assert [False, True] == [rule["met"] for rule in no["rules"]]


def test_broken_glass(desk: Desk) -> None:
    """
    An image that runs in spite of its rules says so, with the reason and what is missing.
    """
    glass = f'break_glass = [{{ digest = "{IMAGE}", until = 9000-01-01, why = "an outage" }}]\n'
    desk.write(APPROVED.replace("[images.app", f"{glass}[images.app"))
    answer = desk.ask(bundles=(1,))

    assert 0 == answer.code
    assert "  the glass is broken: an outage\n" in answer.out
    assert "warning: needs an approval" in answer.err


def test_many_bundles_without_a_policy(desk: Desk) -> None:
    """
    Without a policy one good approval among many bundles is enough.
    """
    answer = desk.ask(policy=False, bundles=(1, 0))

    assert 0 == answer.code
    assert f"yes: {IMAGE} may run from {REPOSITORY}" in answer.out


def test_one_bundle_with_a_status_file(desk: Desk) -> None:
    """
    One bundle needs no policy; with a status file there is nothing to warn of, and without
    one there is.
    """
    answer = desk.ask(policy=False)
    assert (0, "") == (answer.code, answer.err)

    desk.book.issued -= 5 * DAY
    desk.book.marks = ()
    desk.write()
    assert desk.ask(policy=False).err.startswith("warning: the status file is 5 days old")


@pytest.mark.parametrize(("policy", "bundles"), [(True, (0,)), (False, (0, 1)), (True, (0, 1))])
def test_usage(desk: Desk, policy: bool, bundles: tuple[int, ...]) -> None:
    """
    A policy, and many bundles, are about an image in a repository.
    """
    answer = desk.ask("--any-repository", policy=policy, bundles=bundles)

    assert (2, "") == answer[:2]
    assert "(usage)" in answer.err


@pytest.mark.parametrize("option", ["--status", "--policy", "--repository", "--trusted-root"])
def test_evidence_takes_no_policy(desk: Desk, option: str) -> None:
    """
    What evidence proves depends on no policy, so that none may be named.
    """
    words = ("evidence", "--trust", desk.path("trust.json"), option, "x", desk.path("0.json"))

    assert 2 == desk.shell.run(*words).code


def test_no_trust_file(desk: Desk) -> None:
    """
    The trust file is never looked for.
    """
    answer = desk.shell.run("--repository", REPOSITORY, IMAGE, desk.path("0.json"))

    assert 2 == answer.code
    assert "expected --trust" in answer.err


def test_pinned_policy_without_a_repository(desk: Desk) -> None:
    """
    A directory may hold a policy that nobody named, and it needs the repository too.
    """
    words = ("--trust", str(desk.folder), "--any-repository", IMAGE, desk.path("0.json"))
    answer = desk.shell.run(*words)

    assert 2 == answer.code
    assert "needs --repository" in answer.err


def test_no_file(desk: Desk) -> None:
    """
    A file that is not there is a no.
    """
    (desk.folder / "status.json").unlink()
    answer = desk.ask()

    assert 1 == answer.code
    assert "(unreadable)" in answer.err


@pytest.mark.parametrize("roots", [0, 1])
def test_certificates(desk: Desk, monkeypatch: pytest.MonkeyPatch, roots: int) -> None:
    """
    Certificates are judged by what the trust file makes of them, and by one more root if named.

    Nothing is loaded for that before there is one.
    """
    given: list[bytes] = []

    class Judge:
        def __init__(self, *trusted: bytes) -> None:
            given.extend(trusted)

        def certified(self, _: bytes) -> Certified:
            raise CertificateError("nobody's")

    module: Any = ModuleType("verifier.pull.keyless")
    module.SigstoreJudge = Judge
    monkeypatch.setitem(sys.modules, "verifier.pull.keyless", module)
    desk.put("root.json", b"another root")
    more = ("--trusted-root", desk.path("root.json")) * roots

    assert (0, []) == (desk.ask(*more).code, given)
    shown = (desk.folder / "0.json").read_bytes().replace(b'"publicKey"', b'"certificate"')
    desk.put("0.json", shown)
    desk.put("1.json", shown)
    answer = desk.ask(*more, bundles=(0, 1))
    assert 2 == answer.err.count("nobody's (bad-certificate)")
    assert 1 + roots == len(given)  # one judge, for both bundles
    assert "trustedroot+json" in json.loads(given[0])["mediaType"]
    assert [b"another root"] * roots == given[1:]


def test_without_the_extra(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who lacks the library for certificates judges keys, and refuses certificates for that reason.
    """
    monkeypatch.delitem(sys.modules, "verifier.pull.keyless", raising=False)
    monkeypatch.setitem(sys.modules, "sigstore.hashes", None)
    assert 0 == desk.ask().code

    shown = (desk.folder / "0.json").read_bytes().replace(b'"publicKey"', b'"certificate"')
    desk.put("0.json", shown)
    assert "(missing-extra)" in desk.ask().err


def test_split_view(desk: Desk) -> None:
    """
    A status file with another tree is a no in itself, whatever else is handed in.
    """
    book = desk.book
    forged = str(Checkpoint(ORIGIN, len(book.entries), Hash(bytes(32))))
    payload = book.status.payload._replace(note=str(Note(forged, (book.log.sign(forged),))))
    desk.put("status.json", payload.sealed(STATUS_KEY))

    assert "(split-view)" in desk.ask().err
