"""A directory of trust files: what is put there, and what is refused before anything is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.verifier.making import NOW, refused, rows
from tests.verifier.statuses import HOUR
from tests.verifier.trust_files import (
    MALLORY,
    OTHER_KEY,
    OTHER_STATUS,
    RULES,
    STRICT,
    contents,
    pinned,
    root,
    status,
    trust,
    versions,
)
from verifier.pull.trust_directory import TrustDirectory, Trusted
from verifier.trust.listed import Roots


@pytest.fixture
def directory(tmp_path: Path) -> TrustDirectory:
    """A directory with version 3 of a trust file and version 7 of its status."""
    made = TrustDirectory(str(tmp_path))
    made.take(trust(3), status(7), None)
    return made


def test_pinning(tmp_path: Path) -> None:
    """
    Into an empty directory files are put as they are, and read back as what they are.
    """
    directory = TrustDirectory(str(tmp_path))
    taken = directory.take(trust(3), status(7), RULES)

    assert taken == directory.load() == TrustDirectory(str(tmp_path)).load()
    assert (root(3), 7) == (taken.trust, versions(taken)[1])
    assert taken.policy is not None
    assert hashlib.sha256(RULES).digest() == taken.policy.sha256
    assert {
        "trust.json": trust(3),
        "status.json": status(7),
        "policy.toml": RULES,
    }.items() <= contents(tmp_path).items()


def test_trust_alone(tmp_path: Path) -> None:
    """
    A trust file may lie alone, as somebody copied it there, and is remembered from then on.
    """
    (tmp_path / "trust.json").write_bytes(root(3).json())
    found = TrustDirectory(str(tmp_path)).load()
    seen = json.loads((tmp_path / "seen.json").read_text())

    assert Trusted(root(3)) == found
    assert (3, 0) == (seen["trust"], seen["status"])


def test_no_trust(tmp_path: Path) -> None:
    """
    Without a trust file there is nothing to believe.
    """
    (tmp_path / "status.json").write_bytes(status(7))
    with pytest.raises(FileNotFoundError):
        TrustDirectory(str(tmp_path)).load()


@pytest.mark.parametrize(
    ("files", "expected"),
    rows(
        ("both", (trust(4), status(8)), (4, 8)),
        ("trust alone", (trust(4), None), (4, 7)),
        ("a newer status", (trust(3), status(8)), (3, 8)),
        ("the same again", (trust(3), status(7)), (3, 7)),
        ("a version left out", (trust(9), status(70)), (9, 70)),
        ("unsigned, but the same", (root(3).json(), status(8)), (3, 8)),
    ),
)
def test_going_forward(
    directory: TrustDirectory, files: tuple[bytes, bytes | None], expected: tuple[int, int]
) -> None:
    """
    What follows is taken, and what is not handed in stays.
    """
    taken = directory.take(*files, None)

    assert expected == versions(taken)
    assert taken == directory.load()


Taken = tuple[bytes, bytes | None, bytes | None]
REFUSED: list[tuple[str, Taken, str]] = [
    ("no trust file", (b"{}", None, None), "malformed"),
    ("older trust", (trust(2), None, None), "trust-rollback"),
    ("older trust, unsigned", (root(2).json(), None, None), "trust-unsigned"),
    ("other trust of its version", (trust(3, expires=root(3).expires + 1), None, None),
     "trust-conflict"),
    ("a stranger's trust", (trust(4, MALLORY, roots=Roots(1, {"m": MALLORY.public})), None, None),
     "foreign-trust"),
    ("unsigned trust", (root(4).json(), None, None), "trust-unsigned"),
    ("older status", (trust(4), status(6), None), "status-rollback"),
    ("other status of its version", (trust(4), status(7, next_update=NOW + HOUR), None),
     "trust-conflict"),
    ("revocation taken back", (trust(4), status(8, revocations=()), None), "status-rollback"),
    ("a stranger's status", (trust(4), status(8, MALLORY), None), "foreign-trust"),
    ("no status", (trust(4), b"{}", None), "malformed"),
    ("the old key's status under new trust", (trust(4, **OTHER_KEY), status(8), None),
     "foreign-trust"),
    ("no status by the new key", (trust(4, **OTHER_KEY), None, None), "foreign-trust"),
    ("a policy that nobody pins", (trust(4), status(8), RULES), "policy-mismatch"),
    ("another policy than is pinned", (trust(4, **pinned(STRICT)), status(8), RULES),
     "policy-mismatch"),
    ("no policy where one is pinned", (trust(4, **pinned(STRICT)), status(8), None),
     "policy-mismatch"),
    ("no policy at all", (trust(4, **pinned(b"x")), status(8), b"x"), "bad-policy"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "code"), rows(*REFUSED))
def test_what_does_not_follow(
    directory: TrustDirectory, tmp_path: Path, files: Taken, code: str
) -> None:
    """
    What does not follow is refused, and not one file is changed.
    """
    before = contents(tmp_path)

    refused(code, lambda: directory.take(*files))
    assert before == contents(tmp_path)
    assert (3, 7) == versions(directory.load())


def test_a_pinned_policy(directory: TrustDirectory) -> None:
    """
    A policy comes with the trust file that pins it, stays until another is pinned, and goes
    with no trust file.
    """
    with_rules = directory.take(trust(4, **pinned(RULES)), status(8), RULES)
    assert with_rules.policy
    kept = directory.take(trust(4, **pinned(RULES)), status(9), None)
    assert with_rules.policy == kept.policy
    stricter = directory.take(trust(5, **pinned(STRICT)), status(10), STRICT)
    assert hashlib.sha256(STRICT).digest() == stricter.policy.sha256 if stricter.policy else False
    unpinned = directory.take(trust(6), None, None)
    assert stricter.policy == unpinned.policy == directory.load().policy

    refused("policy-mismatch", lambda: directory.take(trust(7), None, RULES))
    assert 7 == directory.take(trust(7), None, STRICT).trust.version


def test_a_new_status_key(directory: TrustDirectory) -> None:
    """
    When the trust file names another status key, that key's status follows the old one's.
    """
    taken = directory.take(trust(4, **OTHER_KEY), status(8, OTHER_STATUS), None)

    assert (4, 8) == versions(taken) == versions(directory.load())
