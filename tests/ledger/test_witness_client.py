"""Asking a witness over HTTP: a real one, and stand-ins that do all that one must not do."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import WitnessAheadError
from ledger.transport import Request, Response
from ledger.witness.client import WitnessClient
from ledger.witness.server import Witness
from ledger.witness.wire import Submission
from signer.transport import HttpTransport
from tests.ledger.making import NOW, ORIGIN, LogSigner, refused
from tests.ledger.witnessing import (
    OTHER_ROOT,
    WITNESS,
    WITNESS_KEY,
    WITNESS_PQ_KEY,
    Bench,
    Log,
    origin_hash,
    serving,
    signed,
)
from verifier import cosignature
from verifier.cosigned import ed25519_message
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key

STRANGER = LogSigner(b"stranger")
PATIENT_S = 30.0
KEY = NoteKey.witness(WITNESS, WITNESS_KEY.public)
PQ_KEY = NoteKey.witness(WITNESS, WITNESS_PQ_KEY.public)


class Counting:
    """The real transport, remembering what was sent."""

    def __init__(self) -> None:
        self.inner = HttpTransport()
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self.inner(request)

    @property
    def old_sizes(self) -> list[int]:
        """The `old` of each submission."""
        posts = [request for request in self.requests if request.method == "POST"]
        return [Submission.parse(post.body.decode()).old for post in posts]


@pytest.fixture
def transport() -> Iterator[Counting]:
    """HTTP for one test."""
    made = Counting()
    yield made
    made.inner.close()


class Stage:
    """One server for all tests of this module, with one application after the other."""

    def __init__(self) -> None:
        self.app: Any = None
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def put(self, app: Any) -> str:
        """Serve `app` from now on, and return where."""
        self.app = app
        return self.url


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The server; starting one for each test would take longer than the tests."""
    made = Stage()
    with serving(made) as made.url:
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A real witness with both kinds of keys."""
    with Bench(tmp_path, (WITNESS_KEY, WITNESS_PQ_KEY)) as bench:
        yield bench


@pytest.fixture
def url(bench: Bench, stage: Stage) -> str:
    """Where the real witness listens."""
    return stage.put(Witness(bench.judge, lambda _: None))


def client_of(
    log: Log,
    url: str,
    transport: Counting,
    keys: NoteKey | tuple[NoteKey, ...] = KEY,
    timeout_s: float = PATIENT_S,
) -> WitnessClient:
    """Return a client that has asked nothing yet."""
    return WitnessClient(
        "w1",
        keys,
        url,
        "",
        transport,
        timeout_s,
        log_keys=log.ledger.log_keys,
        root_at=log.ledger.root_at,
    )


def cosign(client: WitnessClient, log: Log) -> tuple[NoteSignature, ...]:
    """Ask for the newest checkpoint."""
    return client.cosign(log.ledger.signed.note, log.ledger.path_between)


def test_witness_is_asked_from_what_it_has(bench: Bench, url: str, transport: Counting) -> None:
    """
    The size is remembered, so that each growth is one request with the right proof.
    """
    client = client_of(bench.log, url, transport)

    before = int(time.time())
    first = cosign(client, bench.log)
    bench.log.grow(4)
    second = cosign(client, bench.log)
    renewed = cosign(client, bench.log)

    assert [0, 1, 5] == transport.old_sizes
    for lines, size in [(first, 1), (second, 5), (renewed, 5)]:
        [line] = lines
        KEY.verify(Note.parse(bench.log.notes[size]).text, line.signature)
    assert (5, "") == (client.tree_size, client.error)
    assert client.cosigned_at is not None
    assert before <= client.cosigned_at <= time.time()


def test_both_keys_of_one_witness(bench: Bench, url: str, transport: Counting) -> None:
    """
    A witness with two keys answers with both, and both are checked and handed on.
    """
    lines = cosign(client_of(bench.log, url, transport, (KEY, PQ_KEY)), bench.log)

    assert [KEY.key_id, PQ_KEY.key_id] == [line.key_id for line in lines]


def test_forgotten_size_is_adopted(bench: Bench, url: str, transport: Counting) -> None:
    """
    After a restart the witness says what it has, and is asked from there.
    """
    bench.log.grow(2)
    bench.submit(0)
    bench.log.grow(4)

    client = client_of(bench.log, url, transport)
    cosign(client, bench.log)

    assert [0, 3] == transport.old_sizes
    assert 7 == client.tree_size


def test_witness_ahead_is_an_alarm_with_evidence(
    bench: Bench, url: str, transport: Counting
) -> None:
    """
    A ledger that was rolled back learns it from the witness, with its own signature as proof.
    """
    bench.log.grow(5)
    bench.submit(0)
    older = Log()
    older.grow(2)
    client = client_of(older, url, transport)

    error = refused("witness-ahead", lambda: cosign(client, older))

    assert isinstance(error, WitnessAheadError)
    assert bench.recorded.note != error.note  # only the key that this client pins is checked
    evidence = Note.parse(error.note)
    assert Note.parse(bench.log.notes[6]).text == evidence.text
    assert [older.ledger.log_key.key_id, KEY.key_id] == [s.key_id for s in evidence.signatures]
    assert error.message == client.error


@pytest.mark.parametrize("grown", [0, 3])
def test_second_history_is_an_alarm_with_evidence(
    bench: Bench, url: str, transport: Counting, grown: int
) -> None:
    """
    A copy that went on in another way is noticed, at the same size and at a larger one.
    """
    bench.log.grow(2)
    bench.submit(0)
    copy = Log(first=1000)
    copy.grow(2 + grown)

    error = refused("witness-ahead", lambda: cosign(client_of(copy, url, transport), copy))

    assert isinstance(error, WitnessAheadError)
    assert Note.parse(bench.log.notes[3]).text == Note.parse(error.note).text


def test_stale_note_is_no_alarm(bench: Bench, url: str, transport: Counting) -> None:
    """
    Asked about less than it cosigned for this very client, nobody was rolled back.
    """
    client = client_of(bench.log, url, transport)
    bench.log.grow(1)
    cosign(client, bench.log)

    refused(
        "witness-failed", lambda: client.cosign(bench.log.notes[1], bench.log.ledger.path_between)
    )


def test_log_that_was_not_added(bench: Bench, url: str, transport: Counting) -> None:
    """
    A witness that does not know the log says so, and what to do is said.
    """
    note = signed(1, OTHER_ROOT, origin="other.example")
    client = client_of(bench.log, url, transport)

    error = refused("witness-failed", lambda: client.cosign(note, bench.log.ledger.path_between))

    assert "404" in error.message
    assert "does not know this log" in error.message


class StandIn:
    """No witness: answers each submission with the next of `answers`, the last one for ever.

    `shown` is what it gives as its checkpoint of the log.
    """

    def __init__(self, *answers: Any, shown: str | None = None) -> None:
        self.answers = list(answers)
        self.shown = shown
        self.asked = 0
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(f"{scope['method']} {scope['path']}")
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        if scope["method"] == "GET":
            text = "" if self.shown is None else self.shown
            status, headers, answer = (404 if self.shown is None else 200), [], text.encode()
        else:
            made = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            note = Submission.parse(body.decode()).note
            status, headers, answer = made(note) if callable(made) else made
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def size(n: object) -> Any:
    """The answer of a witness that has recorded `n`."""
    return (409, [(b"content-type", b"text/x.tlog.size")], f"{n}\n".encode())


def cosigned(key: Key = WITNESS_KEY, name: str = WITNESS, at: int = NOW) -> Callable[[Note], Any]:
    """The answer of a witness that cosigns with `key`, at a time of its own."""
    return lambda note: (200, [], f"{cosignature.cosign(key, name, note.text, at)}\n".encode())


def raw_cosignature(at: int) -> Callable[[Note], Any]:
    """A cosignature with a time that no signer of ours would write."""

    def made(note: Note) -> Any:
        signature = WITNESS_KEY.sign(ed25519_message(at, note.text))
        line = NoteSignature(WITNESS, KEY.key_id, at.to_bytes(8, "big") + signature)
        return 200, [], f"{line}\n".encode()

    return made


def bad_signature(note: Note) -> Any:
    """A line of the right key, over another text."""
    line = cosignature.cosign(WITNESS_KEY, WITNESS, note.text.replace("\n1\n", "\n2\n"), NOW)
    return 200, [], f"{line}\n".encode()


BAD = {
    "no signature line": ((200, [], b"hello\n"), "expected signature lines"),
    "nothing": ((200, [], b""), "expected signature lines"),
    "not even text": ((200, [], b"\xff\xfe"), "expected signature lines"),
    "megabytes": ((200, [], b"x" * (1 << 20)), "expected at most"),
    "an error": ((500, [], b"oops"), "answered 500"),
    "overloaded": ((503, [], b""), "answered 503"),
    "elsewhere": ((307, [(b"location", b"http://127.0.0.1:1/")], b""), "redirects"),
    "malformed": ((400, [], b""), "malformed"),
    "key not trusted": ((403, [], b""), "does not trust the key"),
    "log not known": ((404, [], b""), "does not know this log"),
    "no such status": ((299, [], b""), "answered 299"),
    "another key": (cosigned(STRANGER), "expected a cosignature by the pinned key"),
    "another name": (cosigned(name="w.example"), "expected a cosignature by the pinned key"),
    "only the second key": (cosigned(WITNESS_PQ_KEY), "expected a cosignature by the pinned key"),
    "another text": (bad_signature, "does not verify"),
    "time 0": (raw_cosignature(0), "does not verify"),
    "the far future": (raw_cosignature(2**63 + 1), "does not verify"),
    "in an hour": (cosigned(at=int(time.time()) + 3000), "not now"),
    "a size of words": (size("many"), "expected a tree size"),
    "a size with a sign": (size("+1"), "expected a tree size"),
    "two sizes": (size("1\n2"), "expected a tree size"),
    "a conflict without a size": ((409, [], b"1\n"), "refuses a proven tree"),
    "the size it was asked from": (size(0), "refuses a proven tree"),
    "no growth": ((422, [], b""), "refuses a proven tree"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_answer_is_no_cosignature(stage: Stage, transport: Counting, kind: str) -> None:
    """
    Whatever else a witness answers is refused with a sentence, and is no alarm.
    """
    answer, says = BAD[kind]
    log = Log()
    url = stage.put(StandIn(answer))
    client = client_of(log, url, transport, (KEY, PQ_KEY))

    error = refused("witness-failed", lambda: cosign(client, log))

    assert says in error.message
    assert error.message == client.error
    assert (0, None) == (client.tree_size, client.cosigned_at)


def test_clock_that_is_a_little_ahead(stage: Stage, transport: Counting) -> None:
    """
    A witness whose clock is less than five minutes ahead is believed; the time is kept.
    """
    at = int(time.time()) + 240
    log = Log()
    url = stage.put(StandIn(cosigned(at=at)))
    client = client_of(log, url, transport)
    cosign(client, log)

    assert at == client.cosigned_at


def test_foreign_lines_are_left_out(stage: Stage, transport: Counting) -> None:
    """
    Of what a witness answers only its pinned keys' lines are handed on, each key's once.
    """

    def more(note: Note) -> Any:
        keys = [(STRANGER, WITNESS), (WITNESS_KEY, WITNESS), (WITNESS_KEY, WITNESS)]
        made = [cosignature.cosign(key, name, note.text, NOW) for key, name in keys]
        return 200, [], "".join(f"{line}\n" for line in made).encode()

    log = Log()
    url = stage.put(StandIn(more))
    lines = cosign(client_of(log, url, transport), log)

    assert [KEY.key_id] == [line.key_id for line in lines]


def test_ping_pong_ends(stage: Stage, transport: Counting) -> None:
    """
    A witness that names another size each time is given up on after three tries.
    """
    log = Log()
    log.grow(4)
    stand_in = StandIn(size(1), size(2), size(1), size(2))
    url = stage.put(stand_in)
    refused("witness-failed", lambda: cosign(client_of(log, url, transport), log))

    assert 3 == stand_in.asked


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "garbage",
        signed(9, OTHER_ROOT, STRANGER),
        signed(9, OTHER_ROOT, origin="other.example"),
        signed(9, OTHER_ROOT, more="more\n"),
        Log().notes[1],
    ],
)
def test_claim_without_evidence(stage: Stage, transport: Counting, shown: str | None) -> None:
    """
    A larger size stops the publishing, but nothing is called evidence without our signature.
    """
    log = Log()
    url = stage.put(StandIn(size(9), shown=shown))
    error = refused("witness-ahead", lambda: cosign(client_of(log, url, transport), log))

    assert isinstance(error, WitnessAheadError)
    assert "" == error.note


def test_evidence_is_stripped_of_what_does_not_verify(stage: Stage, transport: Counting) -> None:
    """
    What a witness shows against us is kept with genuine lines alone.
    """
    log = Log()
    honest = Note.parse(signed(9, OTHER_ROOT))
    forged = NoteSignature(ORIGIN, log.ledger.log_key.key_id, bytes(64))
    foreign = NoteSignature("x", b"1234", b"5")
    shown = honest._replace(signatures=(forged, foreign, *honest.signatures))
    stand_in = StandIn((422, [], b""), shown=str(shown))
    url = stage.put(stand_in)
    error = refused("witness-ahead", lambda: cosign(client_of(log, url, transport), log))

    assert isinstance(error, WitnessAheadError)
    assert str(honest) == error.note
    assert f"GET /{origin_hash().hex()}/checkpoint" == stand_in.paths[-1]


def test_refusal_of_what_it_shows_itself(stage: Stage, transport: Counting) -> None:
    """
    A witness that refuses a tree that grew from what it shows is wrong, and no alarm.
    """
    log = Log()
    shown = log.notes[1]
    log.grow(2)
    url = stage.put(StandIn((422, [], b""), shown=shown))
    refused("witness-failed", lambda: cosign(client_of(log, url, transport), log))


def test_monitoring_prefix_may_be_elsewhere(stage: Stage, transport: Counting) -> None:
    """
    Evidence is fetched where the witness publishes, which need not be where it is asked.
    """
    log = Log()
    stand_in = StandIn(size(9), shown=signed(9, OTHER_ROOT))
    url = stage.put(stand_in)
    client = WitnessClient(
        "w1",
        KEY,
        f"{url}/submit/",
        f"{url}/read/",
        transport,
        PATIENT_S,
        log_keys=log.ledger.log_keys,
        root_at=log.ledger.root_at,
    )

    refused("witness-ahead", lambda: cosign(client, log))

    digest = hashlib.sha256(ORIGIN.encode()).hexdigest()
    paths = ["POST /submit/add-checkpoint", f"GET /read/{digest}/checkpoint"]
    assert paths == stand_in.paths


class SleepingStandIn:
    """No witness: takes the request and never answers, until the test is over."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        await self.woken.wait()
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def wake(self) -> None:
        """Let every request end."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.woken.set)


def test_slow_witness_is_left(stage: Stage, transport: Counting) -> None:
    """
    A witness that does not answer in time is a failure like any other.
    """
    log, sleeping = Log(), SleepingStandIn()
    client = client_of(log, stage.put(sleeping), transport, timeout_s=0.3)

    refused("witness-failed", lambda: cosign(client, log))

    sleeping.wake()


def test_nobody_there(transport: Counting) -> None:
    """
    A witness that cannot be reached is a failure like any other, and later it is not.
    """
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    log = Log()

    refused("witness-failed", lambda: cosign(client_of(log, url, transport), log))
