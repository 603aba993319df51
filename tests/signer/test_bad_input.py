"""Bad requests over the wire: each is refused with its stable code, and nothing is signed.

The letters name the rows of the catalogue of bad input: D digests, O registries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from signer.v1 import signer_pb2
from tests.signer.asking import REPOSITORY, SIGN, SIGN_BATCH, digest, order
from tests.signer.running import InProcess, running
from tests.signer.spoiling import CountingKey, count_signatures
from tests.signer.world import World, found_in

HEX = digest(1).hex
BAD_DIGESTS = {
    "D1 sha512": f"sha512:{HEX}",
    "D1 long": f"sha256:{HEX}{HEX}",
    "D2 upper": f"SHA256:{HEX}",
    "D2 dash": f"sha-256:{HEX}",
    "D2 equals": f"sha256={HEX}",
    "D2 long s": f"\u017fha256:{HEX}",
    "D3 upper hex": f"sha256:{HEX.upper()}",
    "D4 leading space": f" sha256:{HEX}",
    "D4 trailing space": f"sha256:{HEX} ",
    "D4 newline": f"sha256:{HEX}\n",
    "D4 NUL": f"sha256:{HEX}\0",
    "D4 zero width": f"sha256:\u200b{HEX}",
    "D4 full width": f"sha256:{HEX[1:]}\uff11",
    "D5 63 digits": f"sha256:{HEX[1:]}",
    "D5 65 digits": f"sha256:{HEX}0",
    "D6 sha1": f"sha1:{HEX[:40]}",
    "D6 md5": f"md5:{HEX[:32]}",
    "D6 base64": f"sha256+b64:{HEX}",
    "D7 tag": "latest",
    "D7 repository": f"{REPOSITORY}:latest",
    "D7 tag and digest": f"{REPOSITORY}:latest@sha256:{HEX}",
    "D14 empty": "",
}
BAD_REPOSITORIES = {
    "empty": "",
    "upper case": "registry.example/Team/app",
    "upper host": "Registry.example/team/app",
    "dots": "registry.example/team/../app",
    "dot": "registry.example/./app",
    "two slashes": "registry.example//app",
    "trailing slash": "registry.example/team/",
    "leading slash": "/registry.example/team",
    "256 characters": "registry.example/" + "a" * 239,
    "unicode": "registry.example/t\u00e9am",
    "look-alike": "registry.ex\u0430mple/team",
    "port 0": "registry.example:0/team",
    "port 65536": "registry.example:65536/team",
    "port with zero": "registry.example:0443/team",
    "port with sign": "registry.example:+443/team",
    "two ports": "registry.example:1:2/team",
    "no host": "team/app",
    "no path": "registry.example",
    "docker alias": "index.docker.io/library/app",
    "docker short": "docker.io/app",
    "tag": f"{REPOSITORY}:latest",
    "digest": f"{REPOSITORY}@sha256:{HEX}",
    "scheme": f"https://{REPOSITORY}",
    "user": f"user@{REPOSITORY}",
    "space": f"{REPOSITORY} ",
    "newline": f"{REPOSITORY}\n",
    "NUL": f"{REPOSITORY}\0",
    "percent": "registry.example/team%2fapp",
    "backslash": "registry.example\\team",
}
KIB = "v" * 1024
BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown form": ({"forms": ["notary"]}, "unknown-form"),
    "one unknown form": ({"forms": ["bundle", "BUNDLE"]}, "unknown-form"),
    "empty form": ({"forms": [""]}, "unknown-form"),
    "reserved annotation": ({"annotations": {"sealbook.tag": "x"}}, "malformed"),
    "another's claims": ({"annotations": {"sealbook.requester.subject": "x"}}, "malformed"),
    "reserved prefix": ({"annotations": {"sealbook.": "x"}}, "malformed"),
    "empty annotation key": ({"annotations": {"": "x"}}, "malformed"),
    "annotation key with space": ({"annotations": {"a b": "x"}}, "malformed"),
    "annotation key not ASCII": ({"annotations": {"\u00e9": "x"}}, "malformed"),
    "long annotation key": ({"annotations": {"k" * 129: "x"}}, "malformed"),
    "65 annotations": ({"annotations": {f"k{i}": "x" for i in range(65)}}, "over-limit"),
    "long annotation": ({"annotations": {"k": KIB + "v"}}, "over-limit"),
    "long in bytes": ({"annotations": {"k": "\u00e9" * 513}}, "over-limit"),
    "16 KiB together": ({"annotations": {f"k{i}": KIB for i in range(16)}}, "over-limit"),
    "NUL in annotation": ({"annotations": {"k": "a\0b"}}, "malformed"),
    "newline in annotation": ({"annotations": {"k": "a\nb"}}, "malformed"),
    "escape in annotation": ({"annotations": {"k": "\x1b[31m"}}, "malformed"),
    "delete in annotation": ({"annotations": {"k": "\x7f"}}, "malformed"),
    "line separator in annotation": ({"annotations": {"k": "a\u2028b"}}, "malformed"),
    "bidi override in annotation": ({"annotations": {"k": "\u202egnp.exe"}}, "malformed"),
    "bidi isolate in annotation": ({"annotations": {"k": "\u2066x"}}, "malformed"),
    "C1 control in annotation": ({"annotations": {"k": "\x85\x9b31m"}}, "malformed"),
    "tag with slash": ({"tag": "a/b"}, "bad-request"),
    "tag with leading dot": ({"tag": ".a"}, "bad-request"),
    "tag with newline": ({"tag": "a\n"}, "bad-request"),
    "long tag": ({"tag": "t" * 129}, "bad-request"),
    "tag not ASCII": ({"tag": "1.\u0664"}, "bad-request"),
    "media type without slash": ({"media_type": "json"}, "bad-request"),
    "media type with parameter": ({"media_type": "a/b; charset=utf-8"}, "bad-request"),
    "media type with newline": ({"media_type": "a/b\n"}, "bad-request"),
    "long media type": ({"media_type": "a/" + "b" * 127}, "bad-request"),
    "media type with long start": ({"media_type": "a" * 127 + "/b"}, "bad-request"),
    "idempotency key with space": ({"idempotency_key": "a b"}, "bad-request"),
    "long idempotency key": ({"idempotency_key": "k" * 129}, "bad-request"),
    "idempotency key not ASCII": ({"idempotency_key": "\u00e9"}, "bad-request"),
    "long reason": ({"reason": KIB + "v"}, "over-limit"),
    "long reason in bytes": ({"reason": "\u00e9" * 513}, "over-limit"),
    "size 2**63": ({"size": 2**63}, "over-limit"),
    "size 2**64 - 1": ({"size": 2**64 - 1}, "over-limit"),
}


def _rows() -> Iterator[tuple[str, bytes, str, str, str]]:
    """Yield a name, a request, its method, and the status and code that it must get."""
    for name, text in BAD_DIGESTS.items():
        yield name, order(1, digest=text).SerializeToString(), SIGN, *INVALID, "bad-digest"
    for name, text in BAD_REPOSITORIES.items():
        request = order(1, repository=text).SerializeToString()
        yield f"O12 {name}", request, SIGN, *INVALID, "bad-repository"
        batch = _batch(repository=text, items=[{"digest": digest(1)}])
        yield f"O12 {name} of a batch", batch, SIGN_BATCH, *INVALID, "bad-repository"
    for name, (fields, code) in BAD_FIELDS.items():
        yield name, order(1, **fields).SerializeToString(), SIGN, *INVALID, code
    for name, key in {"unknown": "no", "upper": "RELEASE", "path": "../release"}.items():
        request = order(1, key=key).SerializeToString()
        yield f"{name} key", request, SIGN, "NOT_FOUND", "unknown-key"
    yield "empty batch", _batch(items=[]), SIGN_BATCH, *INVALID, "empty-batch"
    many = [{"digest": digest(n)} for n in range(257)]
    yield "257 items", _batch(items=many), SIGN_BATCH, *INVALID, "batch-too-large"
    yield "form of a batch", _batch(forms=["x"]), SIGN_BATCH, *INVALID, "unknown-form"
    yield "reason of a batch", _batch(reason=KIB + "v"), SIGN_BATCH, *INVALID, "over-limit"
    yield "key of a batch", _batch(key="no"), SIGN_BATCH, "NOT_FOUND", "unknown-key"


INVALID = ("INVALID_ARGUMENT",)


def _batch(**more: Any) -> bytes:
    fields = {"repository": REPOSITORY, "items": [{"digest": digest(1)}], **more}
    return signer_pb2.SignBatchRequest(**fields).SerializeToString()


ROWS = list(_rows())


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, CountingKey]]:
    """A running service, and the key that it signs with."""
    with running(found_in(tmp_path_factory.mktemp("bad") / "service")) as service:
        yield service, count_signatures(service)


@pytest.mark.parametrize(
    ("request_", "method", "status", "code"), [pytest.param(*r[1:], id=r[0]) for r in ROWS]
)
def test_refused(
    counted: tuple[InProcess, CountingKey], request_: bytes, method: str, status: str, code: str
) -> None:
    """
    A bad request gets its status and its code, and not even a signature is made.
    """
    service, key = counted
    before = len(key.signed), service.tree_size
    answer = service.raw(request_, method)

    assert (status, code) == (answer.status, answer.code), answer.details
    assert answer.details.endswith(f" ({code})")
    assert before == (len(key.signed), service.tree_size)


def test_nothing_is_lost(world: World) -> None:
    """
    After all of them the ledger holds its genesis alone, and the next good call is entry 1.
    """
    with running(world) as service:
        for _, request, method, _, _ in ROWS:
            service.raw(request, method)
        answer = service.raw(order(1).SerializeToString()).message(signer_pb2.SignResponse)
        verified = service.verifier.verify(answer.signatures[0].bundle, digest(1), REPOSITORY)

        assert (1, 2, 2) == (verified.index, verified.tree_size, service.tree_size)


def test_longest_that_is_allowed(service: InProcess) -> None:
    """
    What is as long as the contract allows is signed.
    """
    request = order(
        2,
        repository="registry.example/" + "a" * 238,
        tag="t" * 128,
        media_type="application/" + "v" * 116,
        annotations={f"k{i:0127}": "v" * 384 for i in range(32)},
        idempotency_key="k" * 128,
        reason=KIB,
        size=2**63 - 1,
    )
    answer = service.raw(request.SerializeToString()).message(signer_pb2.SignResponse)

    assert (
        request.repository
        == service.verifier.verify(answer.signatures[0].bundle, digest(2), None).repository
    )


def test_hostile_item_is_echoed_short(service: InProcess) -> None:
    """
    A refusal shows a hostile value escaped and cut, never whole.
    """
    answer = service.raw(order(1, digest="\x1b[31m" + "x" * 900_000).SerializeToString())

    assert "\x1b" not in answer.details
    assert len(answer.details) < 400
