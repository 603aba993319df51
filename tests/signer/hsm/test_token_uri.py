"""Key URIs of RFC 7512: one meaning each, and nothing that is not understood is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.keys.token.uri import TokenUri
from tests.signer.asking import refused

MODULE = "module-path=/usr/lib/x.so"


def test_every_part_is_read() -> None:
    """
    What a URI says arrives, decoded.
    """
    uri = TokenUri.parse(
        "token=my%20token;serial=0A;manufacturer=a;model=b&c;slot-id=7;object=k%c3%a9y;"
        "id=%00%ff%3B;type=private"
        "?module-path=/usr/lib/x.so&pin-source=credential:hsm&public-key=a/b.pub&sessions=64"
    )

    assert {"token": "my token", "serial": "0A", "manufacturer": "a", "model": "b&c"} == uri.token
    assert (7, b"\x00\xff;", "kéy") == (uri.slot_id, uri.id, uri.label)
    assert (Path("/usr/lib/x.so"), "credential:hsm") == (uri.module, uri.pin_source)
    assert ("a/b.pub", 64) == (uri.public_key, uri.sessions)


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("/etc/sealbook/pin", "file:/etc/sealbook/pin"),
        ("file:///etc/sealbook/pin", "file:/etc/sealbook/pin"),
        ("file://localhost/etc/pin", "file:/etc/pin"),
        ("file:/etc/pin", "file:/etc/pin"),
        ("file:keys/pin", "file:keys/pin"),
        ("credential:pin", "credential:pin"),
        ("prompt", "prompt"),
    ],
)
def test_pin_sources(written: str, source: str) -> None:
    """
    A pin-source may be written in each way of RFC 7512 that names a file, or in ours.
    """
    assert source == TokenUri.parse(f"token=t;id=a?{MODULE}&pin-source={written}").pin_source


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("id=%01", MODULE, "expected token="),
        ("token=t;token=u;id=%01", MODULE, "once"),
        ("token=t;id=%01;colour=red", MODULE, "found 'colour'"),
        ("token=t;id=%01;library-version=3", MODULE, "found 'library-version'"),
        ("token=t;id=%01;", MODULE, "found ''"),
        ("token=t;id=", MODULE, "id= with a value"),
        ("token;id=%01", MODULE, "token= with a value"),
        ("token=t;id=%1", MODULE, "percent-encoded"),
        ("token=t;id=%zz", MODULE, "percent-encoded"),
        ("token=a b;id=%01", MODULE, "percent-encoded"),
        ("token=a/b;id=%01", MODULE, "percent-encoded"),
        ("token=t;object=%ff", MODULE, "printable UTF-8"),
        ("token=t;object=a%00", MODULE, "printable UTF-8"),
        ("token=t;id=%01;type=public", MODULE, "type=private"),
        ("slot-id=01;id=%01", MODULE, "a number in slot-id="),
        ("slot-id=-1;id=%01", MODULE, "a number in slot-id="),
        ("slot-id=%d9%a1;id=%01", MODULE, "a number in slot-id="),
        ("token=t;id=%01", "", "module-path="),
        ("token=t;id=%01", "module-path=libx.so", "absolute path"),
        ("token=t;id=%01", "module-name=softhsm2", "found 'module-name'"),
        ("token=t;id=%01", f"{MODULE}&colour=red", "found 'colour'"),
        ("token=t;id=%01", f"{MODULE}&{MODULE}", "once"),
        ("token=t;id=%01", f"{MODULE}&pin-source=|cat%20/etc/pin", "is not run"),
        ("token=t;id=%01", f"{MODULE}&sessions=0", "1 to 64 sessions"),
        ("token=t;id=%01", f"{MODULE}&sessions=65", "1 to 64 sessions"),
        ("token=t;id=%01", f"{MODULE};x", "percent-encoded"),
        ("token=t;id=" + "%01" * 700, MODULE, "at most 2048"),
    ],
)
def test_whatever_is_not_understood_is_refused(path: str, query: str, why: str) -> None:
    """
    What is unknown, twice, or written in another way than RFC 7512's is refused, and named.
    """
    assert why in refused("key-uri", lambda: TokenUri.parse(f"{path}?{query}")).message


@pytest.mark.parametrize("uri", ["token=t;id=a?pin-value=4711&", "token=t;pin-value=4711;id=a?"])
def test_a_pin_in_a_uri_is_refused(uri: str) -> None:
    """
    A PIN has no place in a URI, and the refusal does not say it again.
    """
    refusal = refused("key-uri", lambda: TokenUri.parse(uri + MODULE))

    assert "4711" not in refusal.message + refusal.hint
    assert "pin-source" in refusal.hint
