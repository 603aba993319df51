"""O2, O3, O4, O7, O10, O11, O14: content that is not what its digest, its size or its list says."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pull.hostile import IMAGE, INDEX, Asked, HostileRegistry, answer, bounded, told
from verifier.digest import Digest
from verifier.errors import AmbiguousManifestError, LimitError, MalformedError, VerificationError
from verifier.pull.errors import (
    RefusedContentError,
    RegistryAnswerError,
    RegistryTimeoutError,
    RegistryUnreachableError,
    WrongContentError,
)
from verifier.pull.forms import find_forms
from verifier.pull.images import Descriptor
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.pull.whole import whole_image
from verifier.repository import Repository

ALONE = Registries((), docker=False)
SUBJECT = Digest.of(b"the image")
CONFIG = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "size": 2,
    "digest": Digest.of(b"{}"),
}
BLOB = Descriptor.of("application/octet-stream", b"what it should be")
BLOB_PATH = f"/v2/app/blobs/{BLOB.digest}"


def manifest(**fields: Any) -> bytes:
    value = {"schemaVersion": 2, "mediaType": IMAGE, "config": CONFIG, "layers": [], **fields}
    return json.dumps(value).encode()


@pytest.fixture
def app(hostile: HostileRegistry) -> Iterator[Registry]:
    with Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=2) as app:
        yield app


def serve(hostile: HostileRegistry, reference: str, content: bytes, kind: str = IMAGE) -> None:
    hostile.sends[f"/v2/app/manifests/{reference}"] = lambda _: answer(
        200, content, {"Content-Type": kind}
    )


def list_referrers(hostile: HostileRegistry, *contents: bytes, **fields: Any) -> None:
    listed = [
        {"mediaType": IMAGE, "digest": Digest.of(one), "size": len(one), **fields}
        for one in contents
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    hostile.sends[f"/v2/app/referrers/{SUBJECT}"] = lambda _: told(index, media_type=INDEX)


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {"mediaType": IMAGE, "digest": Digest.of(b"another image"), "size": 9},
        {"mediaType": IMAGE, "digest": "sha256:00", "size": 9},
        {"mediaType": IMAGE, "size": 9},
        {"mediaType": IMAGE, "digest": SUBJECT, "size": -1},
        [],
    ],
)
def test_o2_referrer_of_another(hostile: HostileRegistry, app: Registry, subject: object) -> None:
    """
    O2: a referrer is one because it says so itself, not because it is listed.
    """
    content = manifest(**({"subject": subject} if subject is not None else {}))
    list_referrers(hostile, content)
    serve(hostile, Digest.of(content), content)

    found = find_forms(app, SUBJECT)

    assert [] == list(found.artifacts)
    assert [Digest.of(content)] == [one.digest for one in found.odd]


def test_o3_manifest_is_another(hostile: HostileRegistry, app: Registry) -> None:
    """
    O3: what comes for a digest has that digest, whatever the registry calls it.
    """
    wanted, sent = manifest(), manifest(annotations={"a": "b"})
    hostile.sends[f"/v2/app/manifests/{Digest.of(wanted)}"] = lambda _: answer(
        200, sent, {"Content-Type": IMAGE, "Docker-Content-Digest": Digest.of(wanted)}
    )

    with pytest.raises(WrongContentError) as caught:
        app.manifest(Digest.of(wanted))

    assert "wrong-content" == caught.value.code


def test_o3_listed_and_another(hostile: HostileRegistry, app: Registry) -> None:
    """
    O3: the list names one manifest, and another comes: neither counts.
    """
    subject = {"mediaType": IMAGE, "digest": SUBJECT, "size": 9}
    listed, sent = manifest(subject=subject), manifest(subject=subject, annotations={"a": "b"})
    list_referrers(hostile, listed)
    serve(hostile, Digest.of(listed), sent)

    found = find_forms(app, SUBJECT)

    assert [] == list(found.artifacts)
    assert ["wrong-content"] == [one.error.code for one in found.odd]


def test_o3_tag_whose_digest_lies(hostile: HostileRegistry, app: Registry) -> None:
    """
    O3: by tag, too, the digest that a registry tells is that of what it sends.
    """
    hostile.sends["/v2/app/manifests/1.0"] = lambda _: answer(
        200, manifest(), {"Content-Type": IMAGE, "Docker-Content-Digest": Digest.of(b"another")}
    )

    with pytest.raises(WrongContentError):
        app.manifest("1.0")


@pytest.mark.parametrize("said", ["sha256:short", "sha256:" + "A" * 64, "sha256:" + "0" * 65])
def test_o3_digest_that_is_none(hostile: HostileRegistry, app: Registry, said: str) -> None:
    """
    O3: what a registry resolves a tag to is a digest, or an error.
    """
    hostile.sends["HEAD /v2/app/manifests/1.0"] = lambda _: [
        f"HTTP/1.1 200 X\r\nContent-Length: 9\r\nContent-Type: {IMAGE}\r\n"
        f"Docker-Content-Digest: {said}\r\n\r\n".encode()
    ]

    with pytest.raises(RegistryAnswerError):
        app.resolve("1.0")


def test_o4_annotations_of_ten_megabytes(hostile: HostileRegistry, app: Registry) -> None:
    """
    O4: a list of referrers with annotations of 40 MB is not read to its end.
    """
    list_referrers(hostile, manifest(), annotations={"a": "b" * 40_000_000})

    with bounded(seconds=1, mebibytes=16), pytest.raises(LimitError):
        find_forms(app, SUBJECT)


def test_o4_ten_thousand_layers(hostile: HostileRegistry, app: Registry) -> None:
    """
    O4: 10,000 layers are too many signatures.
    """
    subject = {"mediaType": IMAGE, "digest": SUBJECT, "size": 9}
    layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 2}
    layers = [{**layer, "digest": Digest.of(b"%d" % n)} for n in range(10_000)]
    content = manifest(subject=subject, layers=layers)
    list_referrers(hostile, content)
    serve(hostile, Digest.of(content), content)

    with bounded(seconds=2, mebibytes=8), pytest.raises(VerificationError) as caught:
        find_forms(app, SUBJECT)

    assert "too-many-signatures" == caught.value.code


@pytest.mark.parametrize("size", [BLOB.size - 1, BLOB.size + 1, 0, 1 << 40])
def test_o4_layer_whose_size_lies(hostile: HostileRegistry, app: Registry, size: int) -> None:
    """
    O4: a blob has the size that its descriptor says, to the byte.
    """
    hostile.sends[BLOB_PATH] = lambda _: answer(200, b"what it should be")

    with bounded(seconds=1, mebibytes=1), pytest.raises(VerificationError) as caught:
        app.small_blob(BLOB._replace(size=size), limit=1000)

    assert ("over-limit" if size > 1000 else "wrong-content") == caught.value.code


def test_o4_media_type_that_lies(hostile: HostileRegistry, app: Registry) -> None:
    """
    O4: an index that comes as an image is neither.
    """
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    serve(hostile, "1.0", content)

    with pytest.raises(AmbiguousManifestError):
        app.manifest("1.0")


BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ODD = "application/vnd.oci.empty.v1+json"


@pytest.mark.parametrize(
    ("listed", "own", "kind"),
    [(BUNDLE, "application/x", "other"), (ODD, BUNDLE, "bundle"), ("", BUNDLE, "bundle")],
)
def test_o4_artifact_type_that_lies(
    hostile: HostileRegistry, app: Registry, listed: str, own: str, kind: str
) -> None:
    """
    O4: what a list calls an artifact makes it nothing, and hides nothing; its manifest does.
    """
    subject = {"mediaType": IMAGE, "digest": SUBJECT, "size": 9}
    layers = [{"mediaType": own, "digest": Digest.of(b"{}"), "size": 2}]
    content = manifest(subject=subject, artifactType=own, layers=layers)
    list_referrers(hostile, content, artifactType=listed)
    serve(hostile, Digest.of(content), content)
    hostile.sends[f"/v2/app/blobs/{Digest.of(b'{}')}"] = lambda _: answer(200, b"{}")

    found = find_forms(app, SUBJECT)

    assert [kind] == [one.kind for one in found.forms]


def test_o7_moved_tag(hostile: HostileRegistry, app: Registry) -> None:
    """
    O7: the tag moves after it was resolved; whatever is read after that is of the old digest.
    """
    child = manifest()
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": IMAGE, "digest": Digest.of(child), "size": len(child)}],
        }
    ).encode()
    serve(hostile, Digest.of(child), child)
    serve(hostile, Digest.of(index), index, INDEX)
    serve(hostile, "1.0", manifest(annotations={"evil": "yes"}))
    hostile.sends["HEAD /v2/app/manifests/1.0"] = lambda _: [
        f"HTTP/1.1 200 X\r\nContent-Length: {len(index)}\r\nContent-Type: {INDEX}\r\n"
        f"Docker-Content-Digest: {Digest.of(index)}\r\n\r\n".encode()
    ]

    found = whole_image(app, "1.0")

    assert [Digest.of(index), Digest.of(child)] == [one.descriptor.digest for one in found]
    assert ["HEAD"] == [one.method for one in hostile.to("/v2/app/manifests/1.0")]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 17\r\n\r\nwhat it should",
        b"Content-Length: 16\r\n\r\nwhat it should be",
        b"Content-Length: -1\r\n\r\nwhat it should be",
        b"Content-Length: 17, 18\r\n\r\nwhat it should be",
        b"Content-Length: 99999999999999999999\r\n\r\nwhat it should be",
        b"Content-Length: \xb2\r\n\r\nwhat it should be",
        b"Transfer-Encoding: chunked\r\n\r\n11\r\nwhat it should be\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nwhat",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nwhat",
        b"Content-Encoding: gzip\r\nContent-Length: 17\r\n\r\nwhat it should be",
        b"\r\nwhat it should be, and more",
        b"\r\nwhat it should",
        b"\r\nwhat it should bE",
    ],
)
def test_o10_length_that_lies(hostile: HostileRegistry, app: Registry, head: bytes) -> None:
    """
    O10: a body that is shorter, longer, or no HTTP is refused, and is never taken for the blob.
    """

    def send(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 X\r\n" + head
        raise ConnectionError

    hostile.sends[BLOB_PATH] = send
    expected = (WrongContentError, RegistryAnswerError, RegistryUnreachableError)

    with bounded(seconds=1, mebibytes=1), pytest.raises(expected):
        app.small_blob(BLOB, limit=1000)


def test_o10_endless_body(hostile: HostileRegistry, app: Registry) -> None:
    """
    O10: a chunked body that never ends is left as soon as it is longer than the blob is.
    """

    def send(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield from itertools.repeat(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")

    hostile.sends[BLOB_PATH] = send

    with bounded(seconds=1, mebibytes=1), pytest.raises(WrongContentError):
        app.small_blob(BLOB, limit=1000)


@pytest.mark.parametrize("part", ["head", "body", "chunks", "informational"])
def test_o10_a_byte_at_a_time(hostile: HostileRegistry, part: str) -> None:
    """
    O10: a registry that sends a byte now and then never lets a read time out; the whole does.
    """
    large = Descriptor("application/octet-stream", BLOB.digest, 1_000_000)
    parts = {
        "head": (b"HTTP/1.1 200 X\r\nX: ", itertools.repeat(b"x")),
        "body": (b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n", itertools.repeat(b"x")),
        "chunks": (
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
            itertools.repeat(b"1\r\nx\r\n"),
        ),
        "informational": (b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    }
    first, pieces = parts[part]
    hostile.sends[BLOB_PATH] = lambda _: hostile.slowly(itertools.chain([first], pieces), 0.05)

    with (
        Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=0.5) as app,
        bounded(seconds=0.5, mebibytes=1),
        pytest.raises(RegistryTimeoutError) as caught,
    ):
        app.small_blob(large, limit=1_000_000)

    assert "registry-timeout" == caught.value.code


def test_o10_nobody_reads(hostile: HostileRegistry) -> None:
    """
    O10: a registry that takes nothing of what is sent to it is given up, too.
    """
    stuck = threading.Event()
    content = b"x" * (32 << 20)

    def send(asked: Asked) -> list[bytes]:
        return answer(202, b"", {"Location": "/upload"})

    hostile.sends["POST /v2/app/blobs/uploads/"] = send
    hostile.holds["PUT /upload"] = stuck
    try:
        with (
            Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=0.5) as app,
            pytest.raises(RegistryTimeoutError),
        ):
            app.put_blob(
                Descriptor.of("application/octet-stream", content),
                iter([content[:1], content[1:]]),
            )
    finally:
        stuck.set()


def uploads(hostile: HostileRegistry, most: int) -> list[bytes]:
    """Have `hostile` take uploads, of at most `most` bytes in one request; return what it took."""
    taken: list[bytes] = []

    def take(asked: Asked) -> list[bytes]:
        if len(asked.body) > most:
            return answer(413, b"<html>too large")
        taken.append(asked.body)
        return answer(202 if asked.method == "PATCH" else 201, b"", {"Location": "/up?part=2"})

    hostile.sends["POST /v2/app/blobs/uploads/"] = lambda _: answer(
        202, b"", {"Location": "/up?part=1"}
    )
    hostile.sends["/up"] = take
    return taken


def test_in_parts_where_a_proxy_wants_them(
    hostile: HostileRegistry, app: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where no large requests are taken a blob goes in parts, if it can be gone through again.
    """
    monkeypatch.setattr("verifier.pull.registry.uploading._PART", 1000)
    content = b"0123456789" * 250
    blob = Descriptor.of("application/octet-stream", content)
    taken = uploads(hostile, 1500)

    app.put_blob(blob, [content[:1700], content[1700:]])

    assert content == b"".join(taken)
    ranges = [one.headers.get("content-range") for one in hostile.to("/up")[1:]]
    assert ["0-999", "1000-1999", "2000-2499", None] == ranges
    assert f"/up?part=2&digest={blob.digest.replace(':', '%3A')}" == hostile.asked[-1].target


def test_too_large_for_a_proxy(hostile: HostileRegistry, app: Registry) -> None:
    """
    What cannot be gone through again is refused, with what may be in between.
    """
    content = b"0123456789" * 250
    uploads(hostile, 1500)

    with pytest.raises(RefusedContentError) as caught:
        app.put_blob(Descriptor.of("application/octet-stream", content), iter([content]))

    assert "client_max_body_size" in caught.value.hint


def test_o10_endless_head(hostile: HostileRegistry, app: Registry) -> None:
    """
    O10: headers have a limit.
    """

    def send(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 X\r\n"
        yield from (b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in itertools.count())

    hostile.sends[BLOB_PATH] = send

    with bounded(seconds=1, mebibytes=2), pytest.raises(RegistryAnswerError) as caught:
        app.small_blob(BLOB, limit=1000)

    assert "bad-registry-answer" == caught.value.code


@pytest.mark.parametrize("announced", [True, False])
def test_o11_manifest_too_large(
    hostile: HostileRegistry, app: Registry, *, announced: bool
) -> None:
    """
    O11: a manifest of more than 4 MiB is refused, announced or not.
    """
    content = manifest(annotations={"a": "b" * (4 << 20)})
    head = f"HTTP/1.1 200 X\r\nContent-Type: {IMAGE}\r\nConnection: close\r\n"
    length = f"Content-Length: {len(content)}\r\n" if announced else ""

    def send(asked: Asked) -> Iterator[bytes]:
        yield f"{head}{length}\r\n".encode()
        yield content
        raise ConnectionError

    hostile.sends["/v2/app/manifests/1.0"] = send

    with bounded(seconds=1, mebibytes=4), pytest.raises(LimitError) as caught:
        app.manifest("1.0")

    assert "over-limit" == caught.value.code


def test_o11_manifest_of_4_mib(hostile: HostileRegistry, app: Registry) -> None:
    """
    O11: one of 4 MiB, which registries must take, is taken.
    """
    room = (4 << 20) - len(manifest(annotations={"a": ""}))
    content = manifest(annotations={"a": "b" * room})
    assert 4 << 20 == len(content)
    serve(hostile, "1.0", content)

    assert content == app.manifest("1.0").content


def test_o14_subject_of_itself(hostile: HostileRegistry, app: Registry) -> None:
    """
    O14: two referrers that are said to refer to each other are read once, and about nobody.
    """
    contents = [
        manifest(subject={"mediaType": IMAGE, "digest": Digest.of(of), "size": 9})
        for of in (b"one", b"two")
    ]
    list_referrers(hostile, *contents)
    for content in contents:
        serve(hostile, Digest.of(content), content)

    found = find_forms(app, SUBJECT)

    assert [] == list(found.artifacts)
    assert 2 == len(found.odd)
    assert all(1 == len(hostile.to(f"/v2/app/manifests/{Digest.of(one)}")) for one in contents)


def test_o14_index_that_lists_too_much(hostile: HostileRegistry, app: Registry) -> None:
    """
    O14: indices under indices, each twice, end at the limit of one image.
    """
    contents = [manifest()]
    for _ in range(300):
        last = {
            "mediaType": json.loads(contents[-1])["mediaType"],
            "digest": Digest.of(contents[-1]),
            "size": len(contents[-1]),
        }
        contents.append(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [last, last]}).encode()
        )
    for content in contents:
        serve(hostile, Digest.of(content), content, json.loads(content)["mediaType"])

    with bounded(seconds=3, mebibytes=4), pytest.raises(MalformedError):
        whole_image(app, Digest.of(contents[-1]))
