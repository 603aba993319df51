"""Layouts and tar files made to lead a reader astray: out of them, to two images, or to no end."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.laid_out import LAYER, LaidOut, tagged
from tests.verifier.making import refused
from verifier import limits
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull import tar
from verifier.pull.archive import Archive
from verifier.pull.images import Descriptor
from verifier.pull.layouts import Layout
from verifier.pull.whole import whole_image

INDEX_JSON = "index.json"


@pytest.fixture
def layout(tmp_path: Path) -> LaidOut:
    """A layout with one image."""
    made = LaidOut(tmp_path / "image")
    made.top(tagged(made.image("app"), "1.0"))
    return made


def _symlink(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [_symlink, _pipe])
@pytest.mark.parametrize("which", ["oci-layout", INDEX_JSON, "manifest", "layer"])
def test_no_plain_file(
    layout: LaidOut, tmp_path: Path, which: str, spoil: Callable[[Path, Path], None]
) -> None:
    """
    A link is not followed, to the right bytes neither, and a pipe is not waited for.
    """
    [image] = layout.read()
    blobs = {"manifest": image.descriptor.digest, "layer": image.layers[0].digest}
    spoil(
        layout.path(blobs[which]) if which in blobs else layout.directory / which,
        tmp_path / "elsewhere",
    )

    def use() -> None:
        images = Layout(layout.directory)
        for layer in images.manifest("1.0").layers:
            list(images.blob(layer))

    refused("bad-layout", use)


@pytest.mark.parametrize("which", ["blobs", "blobs/sha256"])
def test_linked_directory(layout: LaidOut, tmp_path: Path, which: str) -> None:
    """
    A directory that is a link to one elsewhere is no part of a layout, to write to either.
    """
    _symlink(layout.directory / which, tmp_path / "elsewhere")

    refused("bad-layout", lambda: Layout(layout.directory))
    refused("bad-layout", lambda: Layout(layout.directory, create=True))


def test_directory_swapped_meanwhile(layout: LaidOut, tmp_path: Path) -> None:
    """
    Who swaps a directory for a link while it is open leads nobody out of it.
    """
    images = Layout(layout.directory)
    (layout.directory / "blobs").rename(tmp_path / "was")
    (tmp_path / "other" / "sha256").mkdir(parents=True)
    (layout.directory / "blobs").symlink_to(tmp_path / "other")
    images.put_blob(Descriptor.of(LAYER, b"secret"), [b"secret"])

    assert [] == list((tmp_path / "other" / "sha256").iterdir())
    assert (tmp_path / "was" / "sha256" / Digest.of(b"secret").hex).exists()


def test_hard_link_is_not_written_through(layout: LaidOut, tmp_path: Path) -> None:
    """
    A file that has a second name elsewhere is replaced here, and stays what it was there.
    """
    other = tmp_path / "other.json"
    other.hardlink_to(layout.directory / INDEX_JSON)
    before = other.read_bytes()
    images = Layout(layout.directory)
    image = images.manifest("1.0")
    images.put_manifest(image.content, image.descriptor.media_type, "1.1")

    assert before == other.read_bytes() != (layout.directory / INDEX_JSON).read_bytes()


def test_growing_blob(layout: LaidOut) -> None:
    """
    A blob that grows or shrinks while it is read is not what was described.
    """
    [image] = layout.read()
    images = Layout(layout.directory)
    content = b"x" * (3 << 20)
    row = layout.blob(content, LAYER)
    for spoil, mode in ((b"more", "ab"), (b"", "wb")):
        pieces = images.blob(Descriptor(LAYER, row["digest"], len(content)))
        next(pieces)
        with layout.path(row["digest"]).open(mode) as file:
            file.write(spoil)
        refused("wrong-content", lambda pieces=pieces: list(pieces))
        layout.path(row["digest"]).write_bytes(content)
    assert image == images.manifest("1.0")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Return a member of a tar file."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def packed(layout: LaidOut, *more: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> Path:
    """Return the layout as a tar file, with further members."""
    path = layout.directory.with_suffix(".tar")
    with tarfile.open(path, "w", format=form) as made:
        for one in sorted(layout.directory.rglob("*")):
            made.add(one, f"./{one.relative_to(layout.directory)}", recursive=False)
        for one in more:
            made.addfile(one, io.BytesIO(b"x" * one.size) if one.isreg() else None)
    return path


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("blobs/../../outside"),
        member("/etc/passwd"),
        member("blobs//x"),
        member("index.json"),
        member("./index.json"),
        member("blobs/sha256"),
        member("index.json", tarfile.DIRTYPE),
        member("ü"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "index.json"),
        member("device", tarfile.CHRTYPE),
        member("device", tarfile.BLKTYPE),
        member("pipe", tarfile.FIFOTYPE),
        member("sparse", tarfile.GNUTYPE_SPARSE),
        member("other", b"Z"),
        member("x" * 300, tarfile.SYMTYPE, "y" * 300),
    ],
    ids=lambda one: f"{one.name[:20]} {one.type!r}",
)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_bad_member(layout: LaidOut, bad: tarfile.TarInfo, form: int) -> None:
    """
    An archive with a link, a device, a name that leads out or is there twice is refused whole.
    """
    path = packed(layout, bad, form=form)

    refused("bad-layout", lambda: Archive(path))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_good_members(layout: LaidOut, form: int) -> None:
    """
    What tar programs write of a plain directory is read, long names and other owners too.
    """
    path = packed(layout, member("a/" * 60 + "b" * 60), member("old", tarfile.AREGTYPE), form=form)
    images = Archive(path)

    assert layout.digests("1.0") == [m.descriptor.digest for m in whole_image(images, "1.0")]
    images.close()


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    """Return an extended header."""
    content = b""
    for key, value in records:
        rest = f" {key}={value}\n"
        length = len(rest) + 2
        content += f"{length}{rest}".encode()
    return raw("pax", content, kind)


def raw(name: str, content: bytes, kind: bytes = b"0", size: int | None = None) -> bytes:
    """Return a member, whose header may lie about its size."""
    made = tarfile.TarInfo(name)
    made.size, made.type = len(content) if size is None else size, kind
    return made.tobuf(tarfile.GNU_FORMAT) + tar.padded(content)


END = bytes(1024)


def names(data: bytes) -> list[str]:
    """Return what is in a tar file, by our reader."""
    return list(tar.members(lambda size, offset: data[offset : offset + size], len(data)))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad-layout"),
        (b"x" * 512, "bad-layout"),
        (b"\x1f\x8b" + b"x" * 510, "bad-layout"),
        (raw("a", b"x"), "bad-layout"),
        (raw("a", b"x")[:-1], "bad-layout"),
        (raw("a", b"x", size=513) + END[:511], "bad-layout"),
        (raw("a", b"x", size=1 << 60) + END, "bad-layout"),
        (raw("a", b"", size=10 << 33) + END, "bad-layout"),
        (raw("a", b"x", b"5") + END, "bad-layout"),
        (pax(("path", "../x")) + raw("a", b"") + END, "bad-layout"),
        (pax(("path", "a"), ("path", "b")) + raw("a", b"") + END, "bad-layout"),
        (pax(("path", "a")) + pax(("path", "b")) + raw("a", b"") + END, "bad-layout"),
        (pax(("size", "512")) + raw("a", b"") + END[:511], "bad-layout"),
        (pax(("size", "-1")) + raw("a", b"") + END, "bad-integer"),
        (pax(("size", "00")) + raw("a", b"") + END, "bad-integer"),
        (pax(("path", "a"), kind=b"g") + raw("a", b"") + END, "bad-layout"),
        (pax(("GNU.sparse.major", "1")) + raw("a", b"") + END, "bad-layout"),
        (pax(("path", "a")) + END, "bad-layout"),
        (raw("x", b"4 a=\n", b"x") + raw("a", b"") + END, "bad-layout"),
        (raw("x", b"99 path=b\n", b"x") + raw("a", b"") + END, "bad-layout"),
        (raw("x", b"x path=b\n", b"x") + raw("a", b"") + END, "bad-integer"),
        (raw("x", b"10 path=bb", b"x") + raw("a", b"") + END, "bad-layout"),
        (raw("x", b"8 path\n\n", b"x") + raw("a", b"") + END, "bad-layout"),
        (raw("x", b"", b"x", size=1 << 40) + END, "bad-layout"),
        (raw("x", bytes(limits.ARCHIVE_HEADER + 1), b"x") + END, "bad-layout"),
        (raw("x", b"a\0", b"L") + pax(("path", "b")) + raw("a", b"") + END, "bad-layout"),
        (raw("x", b"a\0", b"K") + raw("a", b"") + END, "bad-layout"),
    ],
    ids=range(27),
)
def test_bad_tar(data: bytes, code: str) -> None:
    """
    Headers that two readers take for two things, or that lie about sizes, are refused.
    """
    refused(code, lambda: names(data))


def test_good_tar() -> None:
    """
    A name or a size by an extended header is the next member's, and no other's.
    """
    data = pax(("path", "b"), ("mtime", "1.5")) + raw("a", b"12") + raw("c", b"3")
    data += pax(("comment", "x"), kind=b"g") + raw("x", b"d\0", b"L") + raw("y", b"") + END
    found = tar.members(lambda size, offset: data[offset : offset + size], len(data))

    assert ["b", "c", "d"] == list(found)
    assert [b"12", b"3", b""] == [data[s.offset :][: s.size] for s in found.values()]


def test_changed_header() -> None:
    """
    A header whose sum is wrong is none.
    """
    data = bytearray(raw("a", b"x") + END)
    data[0] ^= 1

    refused("bad-layout", lambda: names(bytes(data)))


def test_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An archive has a largest number of members, counted while they are read.
    """
    monkeypatch.setattr(limits, "ARCHIVE_MEMBERS", 10)
    data = b"".join(raw(str(n), b"") for n in range(5))
    data += b"".join(raw(f"d{n}", b"", b"5") for n in range(5))
    assert 5 == len(names(data + END))

    refused("bad-layout", lambda: names(data + raw("one more", b"") + END))


def test_huge_members() -> None:
    """
    A member of 8 GiB or more is written with its size in an extended header, and read back.
    """
    size = 9 << 30
    head = tar.header("blobs/large", size)

    def read(count: int, offset: int) -> bytes:
        if offset < len(head):
            return head[offset : offset + count]
        return bytes(max(0, min(count, len(head) + size + 1024 - offset)))

    assert {"blobs/large": tar.Span(len(head), size)} == tar.members(read, len(head) + size + 1024)


@given(st.binary(max_size=1200), st.integers(0, 600))
def test_any_tar_is_read_or_refused(noise: bytes, at: int) -> None:
    """
    Whatever bytes are in a tar file, it is read or it is refused, and nothing else happens.
    """
    data = raw("a", b"x") + pax(("path", "b")) + raw("c", b"y") + END
    data = data[:at] + noise + data[at + len(noise) :]
    try:
        found = tar.members(lambda size, offset: data[offset : offset + size], len(data))
    except MalformedError:
        return
    assert all(span.offset + span.size <= len(data) for span in found.values())


def test_archive_that_is_cut_meanwhile(layout: LaidOut) -> None:
    """
    An archive that becomes shorter under our hands is refused, and not waited for.
    """
    path = packed(layout)
    images = Archive(path)
    image = images.manifest("1.0")
    os.truncate(path, 100)

    refused("bad-layout", lambda: list(images.blob(image.layers[0])))
    images.close()
    path.unlink()
    os.mkfifo(path)
    refused("bad-layout", lambda: Archive(path))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"imageLayoutVersion":"2.0.0"}', b"[" * 5000])
def test_other_version(layout: LaidOut, content: bytes) -> None:
    """
    A layout of another version, or of none, is not guessed at.
    """
    (layout.directory / "oci-layout").write_bytes(content)

    refused("bad-layout", lambda: Layout(layout.directory))
    refused("bad-layout", lambda: Archive(packed(layout)))
