"""What is read while somebody waits for an image: it is read, or a refusal with a code."""

from __future__ import annotations

import json
from typing import Any

from signer.plugins.commanded import Command
from tests.fuzz.target import Targets, same, text
from verifier import jws, limits
from verifier.digest import Digest
from verifier.note import Note
from verifier.proof import TlogProof
from verifier.pull import containerd, line
from verifier.pull.decision import Decision, Question
from verifier.pull.line import Asked
from verifier.pull.notation import MEDIA_TYPE, Logged
from verifier.pull.settings import SOURCES, PullSettings
from verifier.pull.sources import service
from verifier.pull.sources.exchange import Answer
from verifier.pull.sources.file import bundles_in
from verifier.repository import Repository

TARGETS = Targets()
_DIGEST = Digest.of(b"an image")
_QUESTION = Question(_DIGEST, Repository("registry.example/team/app"))
_YES = Decision(allowed=True, digest=_QUESTION.digest, repository=_QUESTION.repository)
_NO = _YES._replace(allowed=False, code="unsigned", message="nobody", sources=("file",))
_NOTE = "ledger.example\n1\n" + "A" * 43 + "=\n\n— ledger.example " + "A" * 88 + "\n"


def _logged() -> bytes:
    target = jws.TargetArtifact("application/vnd.oci.image.index.v1+json", _DIGEST, 491, {})
    message = jws.signing_input("ecdsa-p256", 1_795_608_000, jws.payload(target), "ab" * 16)
    envelope = json.loads(jws.envelope(message, b"\1" * 64, [b"leaf"]))
    proof = str(TlogProof(0, (), Note.parse(_NOTE)))
    return json.dumps({"mediaType": MEDIA_TYPE, "envelope": envelope, "proof": proof}).encode()


@TARGETS.add(
    b'trust = "trust"\nsources = ["file", "service"]\ndeadline_s = 10\nwarn = ["a.example/lab"]\n'
    b'[file]\ndirectory = "b"\n[service]\nurl = "https://a.example"\n[cache]\ndirectory = "c"\n',
    b'trust = "/t"\nsources = ["layout"]\n[layout]\ndirectory = "l"\n[daemon]\nuids = [1]\n',
)
def pull_settings(data: bytes) -> None:
    """Settings name sources that there are, in bounded time, and only absolute paths."""
    found = PullSettings.parse(data, "/etc/sealbook/pull.toml")
    assert set(found.sources) <= set(SOURCES)
    assert 0 < found.deadline_s <= 30
    for path in (found.trust, found.file, found.layout, found.cache.directory):
        assert not path or path.startswith("/")


@TARGETS.add(Asked("/etc/sealbook/pull.toml", _QUESTION, 6.0).line())
def daemon_question(data: bytes) -> None:
    """A question is read as it was written."""
    asked = Asked.parse(data)
    again = Asked.parse(asked.line())
    same(asked._replace(left_s=0), again._replace(left_s=0))


@TARGETS.add(line.answer_line(_NO), line.answer_line(_YES))
def daemon_answer(data: bytes) -> None:
    """An answer is about what was asked, and a no says why."""
    found = line.read_answer(data, _QUESTION)
    same(tuple(_QUESTION), (found.digest, found.repository))
    assert found.allowed in (True, False)
    assert found.allowed or found.code
    same(found, line.read_answer(line.answer_line(found), _QUESTION))


@TARGETS.add(
    b"registry.example/team/app:1.4\n" + json.dumps({"digest": _DIGEST, "size": 491}).encode(),
)
def containerd_call(data: bytes) -> None:
    """What is judged is the digest that containerd will unpack, and the name's repository."""
    name, _, described = data.partition(b"\n")
    kind = "application/vnd.oci.descriptor.v1+json"
    words = ("-name", text(name), "-digest", _DIGEST, "-stdin-media-type", kind)
    found = containerd._question(words, described)
    same(_DIGEST, found.digest)
    assert text(name).startswith(found.repository.partition("/")[0]) or "/" in found.repository


@TARGETS.add(_logged())
def logged_notation(data: bytes) -> None:
    """A signature in notation's form is read as it was written, and so is its proof."""
    found = Logged.parse(data)
    assert found.envelope.chain
    same(found.signed, jws.parse(found.envelope.message))
    same(found.proof, TlogProof.parse(str(found.proof)))
    assert len(data) <= limits.BUNDLE


@TARGETS.add(
    f"notation\0verify\0registry.example/team/app@{_DIGEST}".encode(),
    f"notation\0verify\0--oci-layout\0--scope\0a.example/b\0layout@{_DIGEST}".encode(),
)
def notation_command(data: bytes) -> None:
    """An image is named wholly, or not at all."""
    found = Command.parse(data.decode(errors="surrogateescape").split("\0"))
    if found.digest:
        Digest(found.digest)
        assert found.digest in data.decode(errors="surrogateescape")
    else:
        same(Command(), found)


@TARGETS.add(b'{"bundles":[{"a":1},{"b":[]}],"next":0}')
def kept_page(data: bytes) -> None:
    """A file holds one bundle, or all those of a page, each of them JSON."""
    found = list(bundles_in(data))
    if not data.startswith(b'{"bundles":['):
        same([data], found)
        return
    for one in found:
        value: Any = json.loads(one)
        same(one, json.dumps(value, separators=(",", ":")).encode())


@TARGETS.add(b'{"bundles":[{"a":1},{"b":[]}],"next":7}')
def service_page(data: bytes) -> None:
    """A page of a service is bundles, and where the next one starts."""
    found, after = service._page(Answer(200, data))
    assert after >= 0
    assert len(found) <= 1024
