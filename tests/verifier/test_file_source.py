"""Bundles in files: found by their names, and nothing there is waited for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.verifier.gates import Host, said
from tests.verifier.making import IMAGE, REPOSITORY, rows
from verifier import limits
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.decision import Question
from verifier.pull.sources.file import FileSource

NAME = IMAGE.replace(":", "-")


def found(directory: Path, digest: Digest = IMAGE) -> list[bytes]:
    return list(FileSource(str(directory)).bundles(Question(digest, REPOSITORY), 1.0))


def code(directory: Path) -> str:
    with pytest.raises(VerificationError) as caught:
        found(directory)
    return caught.value.code


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}.bundle.json",
        f"{NAME}.bundle.ml-dsa-65.json",
        f"{NAME}.certificate.json",
        f"{NAME}.12.bundle.json",
        f"{NAME}.slsa.attestation.json",
        f"{NAME}.json",
        f"{NAME}/anything.json",
    ],
)
def test_names(tmp_path: Path, name: str) -> None:
    """
    A bundle is found under every name that our commands give it, of its own digest only.
    """
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"{}")

    assert [b"{}"] == found(tmp_path)
    assert [] == found(tmp_path, Digest.of(b"another"))


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}.simplesigning.json",
        f"{NAME}.notation.json",
        f"{NAME}.txt",
        "x.json",
        f"x{NAME}.json",
    ],
)
def test_other_names(tmp_path: Path, name: str) -> None:
    """
    What cannot be judged here, or is of something else, is passed by.
    """
    (tmp_path / name).write_bytes(b"{}")

    assert [] == found(tmp_path)


def test_approvals_first(tmp_path: Path) -> None:
    """
    Approvals come before what else is said about the image.
    """
    for name in ("a.attestation", "bundle", "0.slsa.attestation", "4.bundle"):
        (tmp_path / f"{NAME}.{name}.json").write_text(name)

    assert [b"4.bundle", b"bundle"] == found(tmp_path)[:2]
    assert 4 == len(found(tmp_path))


def test_an_answer_that_was_kept(tmp_path: Path) -> None:
    """
    An answer of the service, kept as it came, holds all bundles that are in it.
    """
    value = {"bundles": [{"n": 1}, {"n": 2}], "next": 0}
    (tmp_path / f"{NAME}.json").write_text(json.dumps(value, separators=(",", ":")))

    assert [b'{"n":1}', b'{"n":2}'] == found(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    rows(
        ("a page of many", b'{"bundles":[],"next":7}', "malformed"),
        ("cut", b'{"bundles":[{}', "malformed"),
        ("too many", b'{"bundles":[' + b"{}," * 50 + b'{}],"next":0}', "over-limit"),
        ("too large", b'{"bundles":[' + b" " * limits.CANDIDATE, "over-limit"),
    ),
)
def test_an_answer_that_is_none(tmp_path: Path, content: bytes, expected: str) -> None:
    """
    An answer that is not whole is told, and not taken for nothing.
    """
    (tmp_path / f"{NAME}.json").write_bytes(content)

    assert expected == code(tmp_path)


def test_what_is_no_file(tmp_path: Path) -> None:
    """
    A pipe is not waited for; a link is followed, as Kubernetes mounts files.
    """
    (tmp_path / "aside").write_bytes(b"{}")
    (tmp_path / f"{NAME}.bundle.json").symlink_to(tmp_path / "aside")
    assert [b"{}"] == found(tmp_path)
    os.mkfifo(tmp_path / f"{NAME}.json")
    assert "unreadable" == code(tmp_path)


def test_no_directory(tmp_path: Path) -> None:
    """
    A directory that is not there holds nothing; what is no directory is told.
    """
    assert [] == found(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    assert "unreadable" == code(tmp_path / "file")


def test_by_the_gate(tmp_path: Path) -> None:
    """
    What lies in a file lets an image run, after what is too large or junk beside it.
    """
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    assert (False, "unsigned") == said(host.decide())
    host.place(b"junk", b"{" * (limits.CANDIDATE + 5), host.book.bundle(0))

    assert (True, "") == said(host.decide())
