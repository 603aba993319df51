"""The URI of a transit key: one form, no secret in it, and TLS beyond this machine."""

from __future__ import annotations

import pytest

from signer.keys.transit.place import Place
from tests.signer.asking import refused

TOKEN = "auth=token&token-source=file:token"
APPROLE = "auth=approle&role-id-source=file:role&secret-id-source=credential:secret"
JWT = "auth=jwt&role=sealbook&jwt-file=/run/secrets/a=b/bao"
KEY = "//bao.example/transit/keys/release"


@pytest.mark.parametrize(
    "rest",
    [
        f"//bao.example:8200/transit/keys/release?{TOKEN}",
        f"//10.1.2.3:443/team-a/transit/keys/keys/x?version=7&{APPROLE}",
        f"//[::1]:8200/transit/keys/Release_2.x?{JWT}&namespace=a/b&ca=/etc/ca.pem&tls=off",
        "//127.0.0.1:8200/t/keys/k?auth=jwt&auth-mount=k8s/a&role=r&jwt-file=j&tls=off",
        "//bao.example:8200/t/keys/k?auth=token&token-source=prompt",
    ],
)
def test_round_trip(rest: str) -> None:
    """
    A URI says all there is to know of a key's place, and is printed as it was read.
    """
    assert f"openbao:{rest}" == str(Place.parse(rest))


def test_meaning() -> None:
    """
    What is not said is 8200, TLS, the newest version, and the method at its own name.
    """
    place = Place.parse(f"{KEY}?{APPROLE}")

    assert "https://bao.example:8200" == place.server
    assert ("transit", "release", None) == (place.mount, place.key, place.version)
    assert ("approle", "approle", "", "") == (
        place.auth,
        place.auth_mount,
        place.namespace,
        place.ca,
    )
    assert {"role-id-source": "file:role", "secret-id-source": "credential:secret"} == (
        place.settings
    )
    assert f"openbao:{KEY.replace('example', 'example:8200')}?version=2&{APPROLE}" == str(
        place.at(2)
    )
    assert place == place.at(2).newest()


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "//",
        KEY,
        f"{KEY}?",
        f"bao.example/transit/keys/release?{TOKEN}",
        f"//bao.example/transit/release?{TOKEN}",
        f"//bao.example/keys/release?{TOKEN}",
        f"//bao.example//keys/release?{TOKEN}",
        f"//bao.example/transit/../keys/release?{TOKEN}",
        f"//bao.example/transit/keys/..?{TOKEN}",
        f"//bao.example/transit/keys/a/b?{TOKEN}",
        f"//bao.example/transit/keys/?{TOKEN}",
        f"//bao.example/transit/keys/a%2fb?{TOKEN}",
        f"//user:word@bao.example/transit/keys/release?{TOKEN}",
        f"//BAO.example/transit/keys/release?{TOKEN}",
        f"//bao.example:0/transit/keys/release?{TOKEN}",
        f"//bao.example:65536/transit/keys/release?{TOKEN}",
        f"//bao.example:08200/transit/keys/release?{TOKEN}",
        f"//bao.example:/transit/keys/release?{TOKEN}",
        f"{KEY}?{TOKEN}#x",
        f"{KEY}?{TOKEN}\n",
        f"{KEY}?{TOKEN}&",
        f"{KEY}?&{TOKEN}",
        f"{KEY}?{TOKEN}&version=",
        f"{KEY}?{TOKEN}&version",
        f"{KEY}?{TOKEN}&version=1&version=1",
        f"{KEY}?{TOKEN}&version=0",
        f"{KEY}?{TOKEN}&version=01",
        f"{KEY}?{TOKEN}&version=+1",
        f"{KEY}?{TOKEN}&version=latest",
        f"{KEY}?{TOKEN}&version=2147483648",
        f"{KEY}?{TOKEN}&ca=a%20b",
        f"{KEY}?{TOKEN}&ca=ä",
        f"{KEY}?{TOKEN}&namespace=/a",
        f"{KEY}?{TOKEN}&auth-mount=../sys",
        f"{KEY}?{TOKEN}&unknown=1",
        f"{KEY}?{TOKEN}&Version=1",
        f"{KEY}?{TOKEN}&role=x",
        f"{KEY}?{TOKEN}&secret-id-source=file:x",
        f"{KEY}?token-source=file:token",
        f"{KEY}?auth=userpass&token-source=file:token",
        f"{KEY}?auth=token",
        f"{KEY}?auth=approle&role-id-source=file:x",
        f"{KEY}?auth=jwt&jwt-file=x",
        f"{KEY}?{TOKEN}&ca={'x' * 8192}",
    ],
)
def test_other_forms(rest: str) -> None:
    """
    A URI of any other form is refused, and so is a parameter that means nothing there.
    """
    refused("key-uri", lambda: Place.parse(rest))


@pytest.mark.parametrize(
    "query",
    [
        "auth=token&token-source=s.abcdefgh",
        "auth=token&token-source=file:t&token=s.abcdefgh",
        "auth=token&token-source=env:s.abcdefgh",
        "auth=approle&role-id-source=file:r&secret-id-source=s.abcdefgh",
        "auth=s.abcdefgh",
        "auth=token&token-source=file:t&version=s.abcdefgh",
        "auth=token&token-source=file:t&tls=s.abcdefgh",
        "auth=token&token-source=file:t&namespace=/s.abcdefgh",
    ],
)
def test_secret_in_uri(query: str) -> None:
    """
    A secret that somebody writes into a URI is refused and not repeated.
    """
    error = refused("key-uri", lambda: Place.parse(f"{KEY}?{query}"))

    assert "abcdefgh" not in f"{error.message} {error.hint} {error!r}"


@pytest.mark.parametrize("host", ["bao.example", "localhost", "10.0.0.1", "[fe80::1]", "127.0.0"])
def test_plain_http(host: str) -> None:
    """
    Nothing is sent without TLS to what is not surely this machine.
    """
    rest = f"//{host}/transit/keys/release?{TOKEN}&tls=off"

    assert "TLS" in refused("key-uri", lambda: Place.parse(rest)).message


def test_tls_is_off_or_on() -> None:
    """
    TLS is turned off in one spelling, and on by saying nothing.
    """
    refused("key-uri", lambda: Place.parse(f"//127.0.0.1/t/keys/k?{TOKEN}&tls=no"))
    assert "http://127.0.0.1:8200" == Place.parse(f"//127.0.0.1/t/keys/k?{TOKEN}&tls=off").server
