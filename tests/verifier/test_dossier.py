"""Dossiers: what one entry's zip file proves, and what hostile ones are refused for."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable

import pytest

from tests.verifier.dossiers import ORDER, dossier, members, packed
from tests.verifier.faults import FAULTS, Fault
from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    NOW,
    ORIGIN,
    REPOSITORY,
    NoteSigner,
    World,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from verifier import limits
from verifier.dossier import MEMBERS, Dossier
from verifier.errors import VerificationError
from verifier.note import Note
from verifier.repository import Scope
from verifier.statement import approval, event
from verifier.trust import TrustRoot


def judge(data: bytes, trust: TrustRoot, now: float = NOW) -> str:
    return Dossier.parse(data).verify(trust, clock=lambda: now)


def test_members() -> None:
    """
    A dossier has these six members, each with a limit, and all of them fit.
    """
    assert tuple(MEMBERS) == ORDER
    assert sum(MEMBERS.values()) < limits.DOSSIER


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_approval(method: int) -> None:
    """
    A dossier proves who approved which image where, at which place of which ledger.
    """
    everyone = witnesses(2)
    world = World(witnesses=everyone, quorum=policy(2, everyone))
    sentence = judge(packed(members(world), method), world.trust)

    for text in (f"entry 4 of {ORIGIN}", "key release", IMAGE, REPOSITORY, "witnesses 2 of 2"):
        assert text in sentence


@pytest.mark.parametrize("gone", ["README.txt", "statement.json", "checkpoint.txt", "trust.json"])
def test_members_that_may_be_absent(gone: str) -> None:
    """
    What proves nothing may be left out.
    """
    world = World()
    content = members(world)
    del content[gone]

    assert ORIGIN in judge(packed(content), world.trust)


@pytest.mark.parametrize("gone", ["bundle.json", "proof.tlog-proof"])
def test_members_that_must_be_there(gone: str) -> None:
    """
    Without bundle or proof nothing is proven.
    """
    content = members(World())
    del content[gone]

    refused("malformed", lambda: Dossier.parse(packed(content)))


def test_statement_for_people() -> None:
    """
    The statement may be indented, and must say what the signature covers.
    """
    world = World()
    content = members(world)
    content["statement.json"] = json.dumps(json.loads(world.payload), indent=2).encode()

    assert ORIGIN in judge(packed(content), world.trust)
    other = approval(REPOSITORY, IMAGE, {"env": "test"})
    for lie, code in ((other, "entry-mismatch"), (b"{}", "entry-mismatch"), (b"", "malformed")):
        content["statement.json"] = lie
        refused(code, lambda: judge(packed(content), world.trust))


def of_kind(purpose: str, payload: bytes, *scope: str) -> World:
    """Return a world whose entry is `payload`, signed by a key for `purpose`."""
    world = World(payload=payload)
    scopes = tuple(Scope(text) for text in scope or ("*",))
    world.key = world.key._replace(purpose=purpose, scope=scopes)
    return world


def called(payload: bytes, name: str) -> bytes:
    """Return a statement whose subject has this name, or none."""
    statement = json.loads(payload)
    [subject] = statement["subject"]
    del subject["name"]
    if name:
        subject["name"] = name
    return json.dumps(statement).encode()


EVENT = event("key-retired", ORIGIN, {"key": "release"})
SBOM = approval(REPOSITORY, IMAGE, {}).replace(
    b"https://sigstore.dev/cosign/sign/v1", b"https://spdx.dev/Document"
)
APPROVAL = approval(REPOSITORY, IMAGE, {})


@pytest.mark.parametrize(
    ("world", "expected"),
    rows(
        ("event", of_kind("event", EVENT), "event key release, records 'key-retired'"),
        ("event, other scope", of_kind("event", EVENT, "a.example"), "records 'key-retired'"),
        ("attestation", of_kind("attest", SBOM), f"states 'https://spdx.dev/Document' of {IMAGE}"),
        ("approval", of_kind("approve", APPROVAL), f"approves {IMAGE} in {REPOSITORY}"),
        ("approval, unnamed", of_kind("approve", called(APPROVAL, "")), f"approves {IMAGE}; "),
        ("file", of_kind("attest", called(SBOM, "a b")), f"of {IMAGE}, called 'a b'; "),
        ("terminal", of_kind("attest", called(SBOM, "\x1b[2J")), "called '\\x1b[2J'; "),
    ),
)
def test_kinds_of_entries(world: World, expected: str) -> None:
    """
    Entries of every kind are judged, each by what its key is for.
    """
    assert expected in judge(dossier(world), world.trust)


@pytest.mark.parametrize(
    ("world", "code"),
    rows(
        ("event key that approves", of_kind("event", APPROVAL), "key-purpose"),
        ("event key that attests", of_kind("event", SBOM), "key-purpose"),
        ("attesting key that approves", of_kind("attest", APPROVAL), "key-purpose"),
        ("attesting key that records", of_kind("attest", EVENT), "key-purpose"),
        ("approving key that records", of_kind("approve", EVENT), "key-purpose"),
        ("approving key that attests", of_kind("approve", SBOM), "key-purpose"),
        ("status key", of_kind("status", EVENT), "key-purpose"),
        ("log key", of_kind("log", APPROVAL), "key-purpose"),
        ("attestation out of scope", of_kind("attest", SBOM, "a.example"), "key-scope"),
        ("approval out of scope", of_kind("approve", APPROVAL, "a.example"), "key-scope"),
        # What names no repository is for every one; and nobody approves files.
        ("unnamed", of_kind("approve", called(APPROVAL, ""), "registry.example"), "key-scope"),
        ("file", of_kind("attest", called(SBOM, "a b"), "registry.example"), "key-scope"),
        ("approved file", of_kind("approve", called(APPROVAL, "a b")), "key-scope"),
    ),
)
def test_keys_of_other_purposes(world: World, code: str) -> None:
    """
    A key that is trusted for one kind of statement makes no other kind true.
    """
    refused(code, lambda: judge(dossier(world), world.trust))


# These steps of the judge ask about an image that somebody names; a dossier names its own.
ASKING = {"digest-mismatch", "repository-mismatch", "predicate-type"}
OF_KEYS = {"key-purpose", "key-scope"}  # which differ from kind to kind


@pytest.mark.parametrize(("code", "fault"), [f for f in FAULTS if f[0] not in ASKING])
def test_faults(code: str, fault: Fault) -> None:
    """
    Whatever makes a bundle a no makes the dossier of it a no.
    """
    world = World()
    fault(world)

    assert code == verdict(lambda: judge(dossier(world), world.trust, world.now))


@pytest.mark.parametrize("kind", [("event", EVENT), ("attest", SBOM)], ids=["event", "attestation"])
@pytest.mark.parametrize(("code", "fault"), [f for f in FAULTS if f[0] not in ASKING | OF_KEYS])
def test_faults_of_other_kinds(code: str, fault: Fault, kind: tuple[str, bytes]) -> None:
    """
    Events and attestations are judged no less strictly than approvals.
    """
    world = of_kind(*kind)
    fault(world)

    assert code == verdict(lambda: judge(dossier(world), world.trust, world.now))


def test_trust_of_the_one_who_asks() -> None:
    """
    The trust file in the zip file counts for nothing, nor does any word of the README.
    """
    world, other = World(), World()
    content = members(world)
    content["trust.json"] = b"no trust file"
    content["README.txt"] = b"\xff\x1b[2Kyes"

    assert ORIGIN in judge(packed(content), world.trust)
    refused("unknown-key", lambda: judge(dossier(world), other.trust))


def _proof(world: World) -> bytes:
    return members(world)["proof.tlog-proof"]


def test_proof_of_another_entry() -> None:
    """
    The proof file must prove the bundle's own entry, at its place, in its log.
    """
    world = World()
    content = members(world)
    other = World(signer=world.signer, log=world.log, payload=approval(REPOSITORY, IMAGE, {}))
    content["proof.tlog-proof"] = _proof(other)
    refused("not-included", lambda: judge(packed(content), world.trust))

    # The same entry, a second time in the same ledger.
    again = World(signer=world.signer, log=world.log, index=5, signature=world.envelope.signature)
    again.key = world.key
    content["proof.tlog-proof"] = _proof(again)
    refused("entry-mismatch", lambda: judge(packed(content), world.trust))


def test_proof_under_a_later_checkpoint() -> None:
    """
    Bundle and proof may be of different times, each under a checkpoint that counts.
    """
    world = World()
    later = World(signer=world.signer, log=world.log, leaves=40, signature=world.envelope.signature)
    content = members(world)
    content["proof.tlog-proof"] = _proof(later)
    refused("checkpoint-mismatch", lambda: judge(packed(content), world.trust))

    content["checkpoint.txt"] = later.note.encode()
    assert "entry 4" in judge(packed(content), world.trust)


@pytest.mark.parametrize("spoil", ["root", "signer", "witness", "none"])
def test_proof_that_nobody_signed(spoil: str) -> None:
    """
    The checkpoint of the proof needs the log and the quorum as that of the bundle does.
    """
    everyone = witnesses(1)
    world = World(witnesses=everyone, quorum=policy(1, everyone))
    content = members(world)
    good = Note.parse(world.note)
    text = {
        "root": world.note.replace("\n7\n", "\n8\n"),
        "signer": str(Note(good.text, (NoteSigner(ORIGIN).sign(good.text), good.signatures[1]))),
        "witness": str(Note(good.text, good.signatures[:1])),
        "none": world.note,
    }[spoil]
    code = {
        "root": "bad-signature",
        "signer": "untrusted-log",
        "witness": "witness-quorum",
        "none": "yes",
    }[spoil]
    content["proof.tlog-proof"] = _proof(world).replace(world.note.encode(), text.encode())
    content["checkpoint.txt"] = text.encode()

    assert code == verdict(lambda: judge(packed(content), world.trust))


def test_checkpoint_of_another_tree() -> None:
    """
    The checkpoint that lies beside the proof is the proof's own.
    """
    world = World()
    content = members(world)
    content["checkpoint.txt"] = World(log=world.log, leaves=9).note.encode()

    refused("checkpoint-mismatch", lambda: judge(packed(content), world.trust))


def test_expiry() -> None:
    """
    A trust file past its expiry proves no entry, here as elsewhere.
    """
    world = World()

    refused("trust-expired", lambda: judge(dossier(world), world.trust, EXPIRES))


# Zip files.

CONTENT = members(World())
GOOD = packed(CONTENT)
END = len(GOOD) - 22
START = struct.unpack_from("<L", GOOD, END + 16)[0]  # of the directory


def _with(**changes: bytes) -> bytes:
    return packed(CONTENT | changes)


def _twice() -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns its writer
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in [*CONTENT.items(), ("bundle.json", b"{}")]:
                archive.writestr(name, data)
    return out.getvalue()


def _edited(offset: int, new: bytes) -> bytes:
    return GOOD[:offset] + new + GOOD[offset + len(new) :]


def _streamed() -> bytes:
    """Return a zip file whose sizes stand behind the members."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    out = Pipe()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    return out.getvalue()


def _extra() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in CONTENT.items():
            info = zipfile.ZipInfo(name)
            info.extra = b"\x01\x99\x02\x00ab"
            archive.writestr(info, data)
    return out.getvalue()


def _comment_of_a_member() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in CONTENT.items():
            info = zipfile.ZipInfo(name)
            info.comment = b"hello"
            archive.writestr(info, data)
    return out.getvalue()


def _gap() -> bytes:
    """Return a zip file with bytes between its members and its directory, all numbers right."""
    end = GOOD[END : END + 16] + struct.pack("<L", START + 5) + GOOD[END + 20 :]
    return GOOD[:START] + b"extra" + GOOD[START:END] + end


def _two_directories() -> bytes:
    """Return a zip file that names its directory a second time, in the way of large files."""
    count, size = len(CONTENT), END - START
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, START)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, END, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size + 76, START, 0)
    return GOOD[:END] + large + locator + end


def _extra_in_the_directory() -> bytes:
    """Return a zip file whose last member has an extra field, but in the directory alone."""
    last = GOOD.rindex(b"PK\1\2")
    record = GOOD[last : last + 30] + b"\6\0" + GOOD[last + 32 : END] + b"\x01\x99\x02\x00ab"
    end = GOOD[END : END + 12] + struct.pack("<2LH", END - START + 6, START, 0)
    return GOOD[:last] + record + end


def _overlap() -> bytes:
    """Return a zip file whose directory lists one place under two names."""
    one = packed({"bundle.json": CONTENT["bundle.json"]}, zipfile.ZIP_STORED)
    start = struct.unpack_from("<L", one, len(one) - 6)[0]
    record = one[start : len(one) - 22]
    other = record[:-11] + b"README.txtx"
    size = len(record) * 2
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, size, start, 0)
    return one[:start] + record + other + end


def _bomb() -> bytes:
    """Return a zip file whose member is larger than what it says."""
    data = packed({"bundle.json": bytes(64 << 20), "proof.tlog-proof": b""})
    small = struct.pack("<L", 100)
    return data.replace(struct.pack("<L", 64 << 20), small)


HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "malformed"),
    ("two letters", lambda: b"PK", "malformed"),
    ("no zip file", lambda: b"PK\3\4" + bytes(100), "malformed"),
    ("empty zip file", lambda: packed({}), "malformed"),
    ("cut", lambda: GOOD[:-1], "malformed"),
    ("cut in half", lambda: GOOD[: len(GOOD) // 2], "malformed"),
    ("a byte more", lambda: GOOD + b"\0", "malformed"),
    ("a byte before", lambda: b"\0" + GOOD, "malformed"),
    ("two zip files", lambda: GOOD + GOOD, "malformed"),
    ("comment", lambda: packed(CONTENT, comment=b"hello"), "malformed"),
    ("unknown member", lambda: packed(CONTENT | {"run.sh": b""}), "malformed"),
    ("path upwards", lambda: packed(CONTENT | {"../bundle.json": b""}), "malformed"),
    ("absolute path", lambda: packed(CONTENT | {"/bundle.json": b""}), "malformed"),
    ("folder", lambda: packed(CONTENT | {"bundle.json/": b""}), "malformed"),
    ("upper case", lambda: packed(CONTENT | {"Bundle.json": b""}), "malformed"),
    ("look-alike", lambda: packed(CONTENT | {"bundl\u0435.json": b""}), "malformed"),
    ("member twice", _twice, "malformed"),
    ("10,000 members", lambda: packed({f"{i}": b"" for i in range(10_000)}), "malformed"),
    ("bzip2", lambda: packed(CONTENT, zipfile.ZIP_BZIP2), "malformed"),
    ("lzma", lambda: packed(CONTENT, zipfile.ZIP_LZMA), "malformed"),
    ("encrypted", lambda: _edited(6, b"\1"), "malformed"),
    ("encrypted, says the directory", lambda: _edited(START + 8, b"\1"), "malformed"),
    ("other flags in the directory", lambda: _edited(START + 9, b"\x08"), "malformed"),
    ("other method inside", lambda: _edited(8, b"\0"), "malformed"),
    ("two directories", _two_directories, "malformed"),
    ("extra field in the directory", _extra_in_the_directory, "malformed"),
    ("sizes behind the members", _streamed, "malformed"),
    ("extra field", _extra, "malformed"),
    ("comment of a member", _comment_of_a_member, "malformed"),
    ("bytes between", _gap, "malformed"),
    ("one place twice", _overlap, "malformed"),
    ("other name inside", lambda: _edited(30, b"readme.txt"), "malformed"),
    ("other checksum", lambda: _edited(14, b"\0\0\0\0"), "malformed"),
    ("other size", lambda: _edited(22, b"\1\0\0\0"), "malformed"),
    ("several disks", lambda: _edited(END + 4, b"\1"), "malformed"),
    ("count of members", lambda: _edited(END + 8, b"\5"), "malformed"),
    ("large format", lambda: GOOD[:END] + b"PK\6\7" + bytes(16) + GOOD[END:], "malformed"),
    ("directory elsewhere", lambda: _edited(END + 16, b"\0\0\0\0"), "malformed"),
    ("directory of no bytes", lambda: _edited(END + 12, b"\0\0\0\0"), "malformed"),
    ("larger than it says", _bomb, "malformed"),
    ("large bundle", lambda: _with(**{"bundle.json": bytes(limits.ATTESTATION + 1)}), "over-limit"),
    ("large README", lambda: _with(**{"README.txt": bytes((64 << 10) + 1)}), "over-limit"),
    ("large trust file", lambda: _with(**{"trust.json": bytes((1 << 20) + 1)}), "over-limit"),
    ("64 MiB of nothing", lambda: _with(**{"proof.tlog-proof": bytes(64 << 20)}), "over-limit"),
    ("large file", lambda: bytes(limits.DOSSIER + 1), "over-limit"),
    ("no UTF-8", lambda: _with(**{"proof.tlog-proof": b"\xff"}), "malformed"),
    ("checkpoint that is no UTF-8", lambda: _with(**{"checkpoint.txt": b"\xff"}), "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), rows(*HOSTILE))
def test_hostile_files(make: Callable[[], bytes], code: str) -> None:
    """
    A zip file of any other layout, or with more in it than is known or allowed, is refused.
    """
    refused(code, lambda: Dossier.parse(make()))


def test_every_byte() -> None:
    """
    With any byte of a zip file changed it is refused, or its members are the same.
    """
    world = World()
    data = packed(members(world), zipfile.ZIP_STORED)
    good = Dossier.parse(data)
    harmless = 0
    for here in range(0, len(data), 3):
        for bit in (0, 7):
            bad = data[:here] + bytes([data[here] ^ 1 << bit]) + data[here + 1 :]
            try:
                found = Dossier.parse(bad)
            except VerificationError:
                continue
            harmless += 1
            assert good == found, here

    assert harmless < len(data) // 10  # dates, versions and rights, which nobody reads


def test_good_file_of_another_writer() -> None:
    """
    A dossier that is unpacked and packed again by another program is the same dossier.
    """
    world = World()
    with zipfile.ZipFile(io.BytesIO(dossier(world))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    again = packed(dict(reversed(content.items())), zipfile.ZIP_STORED)

    assert Dossier.parse(dossier(world)) == Dossier.parse(again)
