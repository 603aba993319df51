"""What an issuer's server may answer, and what it gets when it answers otherwise."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signer.access.oidc import fetching, keeping
from signer.access.oidc.jwks import SET_BYTES
from tests.signer.access.oidc.issuing import (
    NOW,
    Answering,
    Offline,
    Pair,
    Serving,
    compact,
    key_set,
    known,
)
from tests.signer.asking import refused
from tests.signer.test_tls import make_certificate

_CA = {"ca": "tls.pem"}
_KEYS = key_set(Pair().jwk())


def verify(serving: Serving, tmp_path: Path, **section: Any) -> str:
    """Return whom a token is for, by issuers that know no key yet."""
    issuers = known(tmp_path, ci={"issuer": serving.url, **_CA, **section})
    return issuers.verify(serving.token(), NOW).subject


def failed(serving: Serving, tmp_path: Path, **section: Any) -> str:
    """Check that a token is not judged, and that its holder is not told why; return why."""
    issuers = known(tmp_path, ci={"issuer": serving.url, **_CA, **section})
    told = refused("issuer-unreachable", lambda: issuers.verify(serving.token(), NOW))
    assert "127.0.0.1" not in told.message
    keys = issuers._by_url[serving.url].keys
    assert isinstance(keys, keeping.FetchedKeys)
    assert keys._why
    return keys._why


def test_discovered(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    Keys are found by the issuer's discovery document, with one request each.
    """
    assert "job" == verify(serving, tmp_path)
    assert ["/tenant/.well-known/openid-configuration", "/tenant/keys"] == serving.asked


def test_named(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    With `jwks_url` nobody is asked where the keys are.
    """
    assert "job" == verify(serving, tmp_path, jwks_url=f"{serving.url}/elsewhere")
    assert ["/tenant/elsewhere"] == serving.asked


def test_slash_at_the_end(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    An issuer whose URL ends in a slash has its discovery document behind one slash, not two.
    """
    url = serving.url + "/"
    serving.says["discovery"] = lambda answer: answer.send(
        200, compact({"issuer": url, "jwks_uri": f"{url}keys"})
    )
    issuers = known(tmp_path, ci={"issuer": url, **_CA})

    assert "job" == issuers.verify(serving.token(iss=url), NOW).subject
    assert ["/tenant/.well-known/openid-configuration", "/tenant/keys"] == serving.asked


@pytest.mark.parametrize("kind", ["discovery", "keys"])
@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.254/latest/meta-data",
        "file:///etc/passwd",
        "{url}/keys",
        "/tenant/keys",
        "//evil.example/keys",
    ],
)
def test_redirect(serving: Serving, tmp_path: Path, patient: None, kind: str, to: str) -> None:
    """
    A redirect is not followed, wherever it leads: no further request is made.
    """
    location = to.format(url=serving.url)
    serving.says[kind] = lambda answer: answer.send(302, _KEYS, location=location)
    message = failed(serving, tmp_path)

    assert "302" in message
    assert {"discovery": 1, "keys": 2}[kind] == len(serving.asked)


@pytest.mark.parametrize("status", [204, 206, 301, 307, 308, 401, 404, 503])
def test_status(serving: Serving, tmp_path: Path, patient: None, status: int) -> None:
    """
    Any other status than 200 is no answer, whatever comes with it.
    """
    serving.says["keys"] = lambda answer: answer.send(status, _KEYS if status != 204 else b"")
    failed(serving, tmp_path)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        {"jwks_uri": "{url}/keys"},
        {"issuer": "{url}/", "jwks_uri": "{url}/keys"},
        {"issuer": "https://evil.example", "jwks_uri": "{url}/keys"},
        {"issuer": ["{url}"], "jwks_uri": "{url}/keys"},
        {"issuer": "{url}"},
        {"issuer": "{url}", "jwks_uri": None},
        {"issuer": "{url}", "jwks_uri": ["{url}/keys"]},
        {"issuer": "{url}", "jwks_uri": "http://{host}/tenant/keys"},
        {"issuer": "{url}", "jwks_uri": "https://evil.example/keys"},
        {"issuer": "{url}", "jwks_uri": "https://{host}.evil.example/keys"},
        {"issuer": "{url}", "jwks_uri": "https://{host}@evil.example/keys"},
        {"issuer": "{url}", "jwks_uri": "https://evil.example#{host}/"},
        {"issuer": "{url}", "jwks_uri": "https://127.0.0.1:1/keys"},
        {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{url}", "jwks_uri": "keys"},
        b'{"issuer":"{url}","issuer":"{url}","jwks_uri":"{url}/keys"}',
    ],
    ids=str,
)
def test_discovery_leads_elsewhere(
    serving: Serving, tmp_path: Path, patient: None, document: bytes | dict[str, Any]
) -> None:
    """
    A discovery document that is another issuer's, or leads to another host, is not followed.
    """
    text = (document if isinstance(document, bytes) else compact(document)).decode()
    host = serving.url.split("/")[2]
    body = text.replace("{url}", serving.url).replace("{host}", host).encode()
    serving.says["discovery"] = lambda answer: answer.send(200, body)

    message = failed(serving, tmp_path)
    assert any(why in message for why in ("another issuer's", "leads elsewhere", "no JSON object"))
    assert 1 == len(serving.asked)


@pytest.mark.parametrize(
    "body", [b"", b"<html>not found</html>", b"null", b'{"keys":[]}', b'{"error":"no"}', _KEYS[:-1]]
)
def test_wrong_content(serving: Serving, tmp_path: Path, patient: None, body: bytes) -> None:
    """
    An answer that holds no key set is no answer.
    """
    serving.says["keys"] = lambda answer: answer.send(200, body)
    failed(serving, tmp_path)


def test_two_keys_of_one_id(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    A3: a published set in which two keys have one id is not used.
    """
    twin = Pair.other("one").jwk()
    serving.says["keys"] = lambda answer: answer.send(200, key_set(Pair().jwk(), twin))
    message = failed(serving, tmp_path)

    assert "two keys" in message


def _huge(answer: Answering) -> None:
    answer.send(200, key_set({**Pair().jwk(), "x": "a" * SET_BYTES}))


def _endless(answer: Answering) -> None:
    answer.send_response(200)
    answer.send_header("transfer-encoding", "chunked")
    answer.end_headers()
    while True:  # until whoever asks has enough
        answer.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def _bomb(answer: Answering) -> None:
    answer.send(200, gzip.compress(_KEYS + b" " * 2**24), content_encoding="gzip")


def _lies(answer: Answering) -> None:
    answer.send_response(200)
    answer.send_header("content-length", str(len(_KEYS) + 10))
    answer.end_headers()
    answer.wfile.write(_KEYS)
    answer.close_connection = True


def _header_that_never_ends(answer: Answering) -> None:
    answer.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        answer.wfile.write(b"a" * 65536)


@pytest.mark.parametrize("kind", ["discovery", "keys"])
@pytest.mark.parametrize("say", [_huge, _endless, _bomb, _lies, _header_that_never_ends])
def test_too_much(
    serving: Serving, tmp_path: Path, patient: None, kind: str, say: Callable[[Answering], None]
) -> None:
    """
    An answer that is huge, endless, compressed or cut short is left, and holds nobody up.
    """
    serving.says[kind] = say
    start = time.monotonic()
    failed(serving, tmp_path)

    assert time.monotonic() - start < fetching.WHOLE_S / 2


class Dribble:
    """Sends a byte now and then, for ever; `ended` once whoever asked has gone."""

    def __init__(self, *, head: bool) -> None:
        self._head = head
        self.ended = threading.Event()

    def __call__(self, answer: Answering) -> None:
        start = b"HTTP/1.1 200 OK\r\n"
        whole = b"x: " if self._head else b"content-length: 100000\r\n\r\n"
        try:
            answer.wfile.write(start + whole)
            while True:
                answer.wfile.write(b" ")
                time.sleep(0.02)
        except (OSError, ssl.SSLError):
            answer.close_connection = True
            self.ended.set()


@pytest.mark.parametrize("head", [True, False], ids=["headers", "body"])
def test_too_slow(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bool
) -> None:
    """
    A server that sends a byte at a time, of its headers or its body, is left when time is up.
    """
    monkeypatch.setattr(fetching, "WHOLE_S", 0.5)
    serving.says["discovery"] = dribble = Dribble(head=head)
    message = failed(serving, tmp_path)

    assert "no answer in 0.5 s" in message
    assert not serving.asked or dribble.ended.wait(20)


def test_silent(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server that takes a request and says nothing is left when time is up.
    """
    monkeypatch.setattr(fetching, "WHOLE_S", 0.5)
    over = threading.Event()
    serving.says["keys"] = lambda _: over.wait(20)
    failed(serving, tmp_path)
    over.set()


def test_compressed(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    An answer that is compressed is not read, though it was good.
    """
    small = gzip.compress(_KEYS)
    serving.says["keys"] = lambda answer: answer.send(200, small, content_encoding="gzip")
    message = failed(serving, tmp_path)

    assert "not compressed" in message


def test_nobody_there(tmp_path: Path, patient: None) -> None:
    """
    An issuer that nobody listens for cannot be judged, which is no fault of the token.
    """
    gone = Serving(tmp_path)
    gone._server.server_close()
    failed(gone, tmp_path)


def test_another_authority(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    A server whose certificate is not by the issuer's `ca`, or by the system's, is not asked.
    """
    other = tmp_path / "other"
    other.mkdir()
    make_certificate(other)
    failed(serving, other)
    failed(serving, tmp_path, ca=None)
    assert [] == serving.asked


def test_another_name(serving: Serving, tmp_path: Path, patient: None) -> None:
    """
    A server whose certificate is for another name is not asked.
    """
    url = serving.url.replace("127.0.0.1", "localhost")
    issuers = known(tmp_path, ci={"issuer": url, **_CA})

    refused("issuer-unreachable", lambda: issuers.verify(serving.token(iss=url), NOW))
    assert [] == serving.asked


def test_no_proxy(
    serving: Serving, tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whom we talk to is configured, and not taken from the environment.
    """
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert "job" == verify(serving, tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "https://a@b/"])
@pytest.mark.parametrize("field", ["issuer", "jwks_url"])
def test_only_https(tmp_path: Path, url: str, field: str) -> None:
    """
    No other address than one of https can be configured.
    """
    with pytest.raises(ValueError, match=field):
        known(tmp_path, ci={"issuer": "https://ci.example", field: url})


@pytest.mark.parametrize("pem", [b"", b"no certificate", b"\xff\xfe"])
def test_no_roots(tmp_path: Path, pem: bytes) -> None:
    """
    A file of roots that holds none, or is not there, stops the start, and is named.
    """
    (tmp_path / "tls.pem").write_bytes(pem)
    section = {"issuer": "https://ci.example"}
    refused("config", lambda: known(tmp_path, ci={**section, **_CA}))
    said = refused("config", lambda: known(tmp_path, ci={**section, "ca": "missing.pem"}))
    assert "missing.pem" in said.message


def test_no_file_of_keys(tmp_path: Path) -> None:
    """
    A file of keys that is not there, or holds none, stops the start, and is named.
    """
    section = {"issuer": "https://ci.example", "jwks_file": "keys.json"}
    assert "keys.json" in refused("config", lambda: known(tmp_path, ci=section)).message
    (tmp_path / "keys.json").write_bytes(b"{}")
    assert "keys.json" in refused("config", lambda: known(tmp_path, ci=section)).message


def test_file_of_keys_asks_nobody(serving: Serving, tmp_path: Path) -> None:
    """
    With `jwks_file` nobody is asked for anything, be the key of a token there or not.
    """
    (tmp_path / "keys.json").write_bytes(_KEYS)
    issuers = known(tmp_path, ci={"issuer": serving.url, "jwks_file": "keys.json"})

    assert "job" == issuers.verify(serving.token(), NOW).subject
    refused("token-key", lambda: issuers.verify(serving.token(Pair.other()), NOW))
    assert [] == serving.asked


def test_one_issuer_for_another(tmp_path: Path) -> None:
    """
    The key of one issuer signs no token of another.
    """
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Offline(tmp_path / "a"), Offline(tmp_path / "b", Pair.other("one"))
    one.verify(one.token())
    one.refuses("token-signature", other.token())
