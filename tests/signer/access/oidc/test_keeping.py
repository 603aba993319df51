"""Keys are kept while an issuer is away, and asked for once a minute whatever tokens name."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signer.access.oidc import keeping
from signer.access.oidc.issuers import Issuers
from signer.access.oidc.jwks import KeySet
from signer.config.access import IssuerSection
from signer.errors import IssuerError
from tests.signer.access.oidc.issuing import (
    AUDIENCE,
    NOW,
    Answering,
    Pair,
    Sections,
    Serving,
    b64url,
    compact,
    key_set,
    known,
)
from tests.signer.asking import eventually, refused

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Issuers with a clock, that have asked `serving` once."""

    def __init__(self, serving: Serving, base: Path) -> None:
        self.clock = Clock()
        self.serving = serving
        self.base = base
        self.issuers = known(base, self.clock, ci={"issuer": serving.url, "ca": "tls.pem"})
        keys = self.issuers._by_url[serving.url].keys
        assert isinstance(keys, keeping.FetchedKeys)
        self._keys = keys
        self.verify()
        assert 1 == self.fetched

    @property
    def fetched(self) -> int:
        """How often the keys were asked for."""
        return self.serving.asked.count("/tenant/keys")

    def verify(self, pair: Pair | None = None) -> str:
        """Judge a token of a key, by default of the first."""
        return self.issuers.verify(self.serving.token(pair or Pair()), NOW).subject

    def away(self) -> None:
        """Let the issuer answer nothing of use."""
        for kind in ("discovery", "keys"):
            self.serving.says[kind] = lambda answer: answer.send(503)

    def settled(self) -> None:
        """Return when nothing is being asked for."""
        eventually(lambda: self._keys._under_way is None)


@pytest.fixture
def bench(serving: Serving, tmp_path: Path, patient: None) -> Iterator[Bench]:
    """Issuers that know the first key."""
    made = Bench(serving, tmp_path)
    yield made
    made.settled()


def test_a3_invented_ids(bench: Bench) -> None:
    """
    A3: a thousand tokens with invented ids of keys cause one request a minute, and no more.
    """
    bench.clock.now += MINUTE
    _, payload, signature = bench.serving.token().split(".")
    for minute in range(3):
        for i in range(1000):
            header = b64url(compact({"alg": "RS256", "kid": f"invented-{minute}-{i}"}))
            token = f"{header}.{payload}.{signature}"
            refused("token-key", lambda token=token: bench.issuers.verify(token, NOW))  # type: ignore[misc]
        assert 2 + minute == bench.fetched
        bench.clock.now += MINUTE


def test_rotation(bench: Bench) -> None:
    """
    A key that is new is found with the first token that names it, a minute after the last look.
    """
    new = Pair.other()
    bench.serving.keys_now = [Pair(), new]
    refused("token-key", lambda: bench.verify(new))
    bench.clock.now += MINUTE - 1
    refused("token-key", lambda: bench.verify(new))
    assert 1 == bench.fetched
    bench.clock.now += 1
    assert "job" == bench.verify(new)
    assert 2 == bench.fetched
    assert "job" == bench.verify()
    assert 2 == bench.fetched


def test_withdrawn(bench: Bench) -> None:
    """
    A key that the issuer has withdrawn counts for ten minutes, and not once more after that.
    """
    new = Pair.other()
    bench.serving.keys_now = [new]
    bench.clock.now += keeping.YOUNG_S
    assert "job" == bench.verify()
    assert 1 == bench.fetched
    bench.clock.now += keeping.FRESH_S - keeping.YOUNG_S + 1
    refused("token-key", bench.verify)
    assert "job" == bench.verify(new)
    assert 2 == bench.fetched


def test_asked_for_in_time(bench: Bench) -> None:
    """
    Where tokens keep coming nobody waits: keys are asked for before they are old.
    """
    new = Pair.other()
    bench.serving.keys_now = [new]
    bench.clock.now += keeping.YOUNG_S + 1
    assert "job" == bench.verify()  # by what is known; the rest happens behind its back
    bench.settled()
    assert 2 == bench.fetched
    refused("token-key", bench.verify)


def test_outage_of_an_hour(bench: Bench) -> None:
    """
    An issuer that is away for an hour stops nobody whose key is known; it is asked now and then.
    """
    bench.away()
    asked = len(bench.serving.asked)
    for _ in range(20):
        bench.clock.now += HOUR / 20
        assert "job" == bench.verify()
        assert "job" == bench.verify()
        bench.settled()
    assert 1 == bench.fetched
    assert 0 < len(bench.serving.asked) - asked <= 20
    bench.serving.says.clear()
    bench.clock.now += MINUTE
    bench.serving.keys_now.append(Pair.other())
    assert "job" == bench.verify(Pair.other())


def test_outage_and_a_new_key(bench: Bench) -> None:
    """
    While an issuer is away, a key that is not known is refused as that, and costs a request a
    minute.
    """
    bench.away()
    asked = len(bench.serving.asked)
    for _ in range(5):
        bench.clock.now += MINUTE
        for _ in range(20):
            refused("token-key", lambda: bench.verify(Pair.other()))
    assert 5 == len(bench.serving.asked) - asked


def test_spoilt_answer(bench: Bench) -> None:
    """
    An answer that is no key set does not take away the keys that are known.
    """
    for body in (b"", b'{"keys":[]}', key_set(Pair().jwk(), Pair.other("one").jwk())):
        bench.serving.says["keys"] = lambda answer, body=body: answer.send(200, body)  # type: ignore[misc]
        bench.clock.now += MINUTE
        refused("token-key", lambda: bench.verify(Pair.other()))
        assert "job" == bench.verify()
    assert 4 == bench.fetched


def test_outage_of_a_day(bench: Bench) -> None:
    """
    After a day without an answer nobody can say any longer which keys are the issuer's.
    """
    bench.away()
    bench.clock.now += DAY
    assert "job" == bench.verify()
    bench.clock.now += MINUTE + 1
    refused("issuer-unreachable", bench.verify)
    bench.serving.says.clear()
    refused("issuer-unreachable", bench.verify)
    bench.clock.now += MINUTE
    assert "job" == bench.verify()


def test_never_there(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    Of an issuer that was never there no token is judged, and it is asked once a minute.
    """
    clock = Clock()
    serving.says["discovery"] = lambda answer: answer.send(503)
    issuers = known(tmp_path, clock, ci={"issuer": serving.url, "ca": "tls.pem"})
    for _ in range(3):
        for _ in range(10):
            refused("issuer-unreachable", lambda: issuers.verify(serving.token(), NOW))
        clock.now += MINUTE
    assert 3 == len(serving.asked)
    serving.says.clear()
    assert "job" == issuers.verify(serving.token(), NOW).subject


def test_bad_tokens_ask_nobody(serving: Serving, tmp_path: Path) -> None:
    """
    A token that is of no issuer of ours, for another, or over, causes no request.
    """
    issuers = known(tmp_path, ci={"issuer": serving.url, "ca": "tls.pem"})
    for token in (
        serving.token(iss="https://evil.example"),
        serving.token(aud="other"),
        serving.token(exp=NOW - 60, iat=NOW - 600),
        "e30.e30.e30",
        serving.token() + "=",
    ):
        with pytest.raises(Exception, match=r"expected|token"):
            issuers.verify(token, NOW)
    assert [] == serving.asked


class Gate:
    """A fetch that waits until it is let go."""

    def __init__(self, answer: KeySet | None) -> None:
        self.open, self.asked = threading.Event(), 0
        self.answer = answer

    async def __call__(self) -> KeySet:
        self.asked += 1
        self.open.wait(20)
        if self.answer is None:
            raise IssuerError("away")
        return self.answer


def test_one_request_for_all_that_wait() -> None:
    """
    Many tokens at once share one request; so many may wait for it, and others come again.
    """
    gate = Gate(KeySet.parse(key_set(Pair().jwk())))
    keys = keeping.FetchedKeys("https://ci.example", gate)
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(keys.key, "one") for _ in range(20)]
        eventually(lambda: sum(one.done() for one in asking) == 20 - keeping._MOST_WAITING)
        gate.open.set()
        ended = [one.exception() for one in asking]

    assert 1 == gate.asked
    assert keeping._MOST_WAITING == ended.count(None)
    assert {"issuer-unreachable"} == {getattr(e, "code", "") for e in ended if e is not None}
    assert keys.key("one").algorithms == ("RS256",)
    assert 0 == keys._waiting


def test_one_request_at_a_time() -> None:
    """
    While one request is under way there is no second, however long the first takes.
    """
    clock = Clock()
    gate = Gate(KeySet.parse(key_set(Pair().jwk())))
    keys = keeping.FetchedKeys("https://ci.example", gate, clock)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(keys.key, "one")
        eventually(lambda: keys._waiting == 1)
        clock.now += 2 * MINUTE
        second = pool.submit(keys.key, "one")
        eventually(lambda: keys._waiting == 2)
        gate.open.set()
        assert first.result().algorithms == second.result().algorithms
    assert 1 == gate.asked


def test_known_keys_do_not_wait() -> None:
    """
    While keys that are not old are asked for again, whoever names a known one is answered at once.
    """
    clock = Clock()
    gate = Gate(KeySet.parse(key_set(Pair().jwk())))
    gate.open.set()
    keys = keeping.FetchedKeys("https://ci.example", gate, clock)
    keys.key("one")
    gate.open.clear()
    clock.now += keeping.FRESH_S
    assert keys.key("one").algorithms == keys.key("one").algorithms
    eventually(lambda: gate.asked == 2)
    gate.open.set()
    eventually(lambda: keys._under_way is None)


def test_old_keys_wait_for_new_ones() -> None:
    """
    Once keys are old nobody is answered by them, however many ask, until the issuer was asked.
    """
    clock = Clock()
    gate = Gate(KeySet.parse(key_set(Pair().jwk())))
    gate.open.set()
    keys = keeping.FetchedKeys("https://ci.example", gate, clock)
    keys.key("one")
    gate.open.clear()
    clock.now += keeping.FRESH_S + 1
    gate.answer = KeySet.parse(key_set(Pair.other().jwk()))
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(keys.key, "one") for _ in range(20)]
        eventually(lambda: sum(one.done() for one in asking) == 20 - keeping._MOST_WAITING)
        gate.open.set()
        codes = Counter(getattr(one.exception(), "code", "") for one in asking)

    assert {"token-key": keeping._MOST_WAITING, "issuer-unreachable": 12} == codes
    assert 2 == gate.asked


def test_a_fault_of_ours_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A fetch that fails as nobody foresaw lets go of those who wait, and of the next attempt.
    """
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    clock = Clock()
    calls = []

    async def fetch() -> KeySet:
        calls.append(1)
        raise AssertionError

    keys = keeping.FetchedKeys("https://ci.example", fetch, clock)
    refused("issuer-unreachable", lambda: keys.key("one"))
    clock.now += MINUTE
    refused("issuer-unreachable", lambda: keys.key("one"))
    eventually(lambda: len(told) == 2)
    assert [1, 1] == calls


def test_no_more_threads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where no thread can be had for asking, what is known goes on, and it is tried again.
    """

    def start(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        bench.clock.now += keeping.FRESH_S + 1
        assert "job" == bench.verify()
    bench.serving.keys_now = [Pair.other()]
    bench.clock.now += MINUTE
    refused("token-key", bench.verify)
    assert 2 == bench.fetched


def test_reload_keeps_what_is_known(bench: Bench) -> None:
    """
    When the configuration is read again, keys stay known while their issuer is away.
    """
    bench.away()
    section = {"issuer": bench.serving.url, "audience": AUDIENCE, "ca": "tls.pem"}

    def reload(**more: object) -> Issuers:
        sections = {"renamed": IssuerSection(**{**section, **more})}
        bench.issuers.prepare(Sections(bench.base, sections))()  # type: ignore[arg-type]
        return bench.issuers

    found = reload(lifetime_s=700).verify(bench.serving.token(), NOW)
    assert ("renamed", 700) == (found.issuer_name, found.lifetime_s)
    assert 1 == bench.fetched
    # Under other roots, or at another address, they would be another's keys.
    url = f"{bench.serving.url}/keys"
    refused("issuer-unreachable", lambda: reload(jwks_url=url).verify(bench.serving.token(), NOW))


def test_reload_of_a_file(serving: Serving, tmp_path: Path) -> None:
    """
    A file of keys is read again with the configuration; what cannot be read changes nothing.
    """
    (tmp_path / "keys.json").write_bytes(key_set(Pair().jwk()))
    section = {"issuer": serving.url, "audience": AUDIENCE, "jwks_file": "keys.json"}
    sections = Sections(tmp_path, {"ci": IssuerSection(**section)})
    issuers = Issuers(sections)  # type: ignore[arg-type]
    assert "job" == issuers.verify(serving.token(), NOW).subject

    (tmp_path / "keys.json").write_bytes(b"{}")
    refused("config", lambda: issuers.prepare(sections))  # type: ignore[arg-type]
    assert "job" == issuers.verify(serving.token(), NOW).subject

    (tmp_path / "keys.json").write_bytes(key_set(Pair.other().jwk()))
    install = issuers.prepare(sections)  # type: ignore[arg-type]
    assert "job" == issuers.verify(serving.token(), NOW).subject
    install()
    refused("token-key", lambda: issuers.verify(serving.token(), NOW))
    assert "job" == issuers.verify(serving.token(Pair.other()), NOW).subject


def test_reload_removes(bench: Bench) -> None:
    """
    An issuer that is configured no longer is no issuer.
    """
    bench.issuers.prepare(Sections(bench.base, {}))()  # type: ignore[arg-type]
    refused("token-issuer", bench.verify)


def test_fetching_ends_with_the_answer(bench: Bench) -> None:
    """
    A connection is for one look: nothing is left open to an issuer.
    """
    closed = threading.Event()

    def keys(answer: Answering) -> None:
        bench.serving.keys(answer)
        answer.connection.settimeout(20)
        if answer.rfile.read(1) == b"":
            closed.set()
        answer.close_connection = True

    bench.serving.says["keys"] = keys
    bench.clock.now += MINUTE
    refused("token-key", lambda: bench.verify(Pair.other()))
    assert closed.wait(20)
