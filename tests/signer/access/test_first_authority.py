"""Certificates that `sealbook access` makes, judged by OpenSSL in handshakes."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from signer.access.certificates import read_peer
from tests.signer.commands import check_refused, one, sealbook

URI = "spiffe://bank.example/ci/payments"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a directory with both authorities and a certificate by each."""
    for words in (
        "ca tls/clients",
        "ca tls/servers --servers",
        f"certificate ci --ca tls/clients --uri {URI}",
        "certificate server --ca tls/servers --dns ledger.example --dns 127.0.0.1",
    ):
        done = sealbook("access", *words.split(), cwd=tmp_path)
        assert 0 == done.returncode, done.stderr
    return tmp_path


def shake_hands(site: Path, client: str, host: str, *, clients: str = "tls/clients") -> bytes:
    """Have OpenSSL do a handshake of both sides in memory; return the client's certificate."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(site / "server.pem", site / "server.key")
    serving.load_verify_locations(site / f"{clients}.pem")
    serving.verify_mode = ssl.CERT_REQUIRED
    calling = ssl.create_default_context(cafile=str(site / "tls/servers.pem"))
    calling.load_cert_chain(site / f"{client}.pem", site / f"{client}.key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = calling.wrap_bio(back, there, server_hostname=host)
    server = serving.wrap_bio(there, back, server_side=True)
    shaking = [caller, server]
    while shaking:
        for side in list(shaking):
            try:
                side.do_handshake()
                shaking.remove(side)
            except ssl.SSLWantReadError:
                pass
    shown = server.getpeercert(binary_form=True)
    assert shown is not None
    return shown


@pytest.mark.parametrize("host", ["ledger.example", "127.0.0.1"])
def test_handshake(site: Path, host: str) -> None:
    """
    With the certificates that are made here, client and service know each other.
    """
    shown = shake_hands(site, "ci", host)

    assert URI == read_peer(shown).uri


def test_a_servers_certificate_lets_nobody_call(site: Path) -> None:
    """
    The service's own certificate is no client's, also when its authority is taken for the clients'.
    """
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake_hands(site, "server", "ledger.example", clients="tls/servers")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"certificate x --ca tls/servers --uri {URI}", "bad-certificate"),
        ("certificate x --ca tls/clients --dns ledger.example", "bad-certificate"),
        ("certificate x --ca tls/clients --uri spiffe://bank.example", "bad-certificate"),
        ("certificate x --ca tls/clients --uri https://bank.example/ci", "bad-certificate"),
        ("certificate x --ca tls/clients --uri spiffe://bank.example/a/../b", "bad-certificate"),
        ("certificate x --ca tls/servers --dns ledger.example/path", "bad-certificate"),
        ("certificate x --ca ci --uri spiffe://bank.example/x", "bad-certificate"),
        ("certificate x --ca tls/nobody --uri spiffe://bank.example/x", "unreadable"),
        (f"certificate x --ca tls/clients --uri {URI} --days 0", "bad-request"),
        ("certificate x --ca tls/servers --dns ledger.example --days 826", "bad-request"),
        (f"certificate ci --ca tls/clients --uri {URI}", "key-exists"),
        ("ca tls/clients", "key-exists"),
    ],
)
def test_refused(site: Path, words: str, code: str) -> None:
    """
    What the service would not know, or the other authority should make, or is there, is not made.
    """
    before = sorted(site.rglob("*"))

    check_refused(sealbook("access", *words.split(), cwd=site), code)

    assert before == sorted(site.rglob("*"))


@pytest.mark.parametrize("left", ["x.pem", "x.key"])
def test_nothing_is_overwritten(site: Path, left: str) -> None:
    """
    Where one of the two files is there already, neither is written.
    """
    (site / left).write_text("kept")
    words = f"certificate x --ca tls/clients --uri {URI}"

    check_refused(sealbook("access", *words.split(), cwd=site), "key-exists")

    assert ["kept"] == [path.read_text() for path in site.glob("x.*")]


def test_a_key_of_another(site: Path) -> None:
    """
    An authority whose key is another one's makes nothing.
    """
    (site / "tls/clients.key").write_bytes((site / "ci.key").read_bytes())

    done = sealbook("access", "certificate", "x", "--ca", "tls/clients", "--uri", URI, cwd=site)

    check_refused(done, "bad-certificate")


def test_ends_with_its_authority(tmp_path: Path) -> None:
    """
    A certificate never outlives its authority, and the keys are their owner's alone.
    """
    sealbook("access", "ca", "clients", "--days", "2", cwd=tmp_path)
    done = sealbook(
        *("access", "certificate", "ci", "--ca", "clients", "--uri", URI, "--json"), cwd=tmp_path
    )

    told = one(done)
    peer = read_peer((tmp_path / "ci.pem").read_bytes())
    authority = ssl._ssl._test_decode_cert(str(tmp_path / "clients.pem"))  # type: ignore[attr-defined]
    assert ssl.cert_time_to_seconds(authority["notAfter"]) == peer.not_after.timestamp()
    assert peer.spki_sha256 == told["spki_sha256"]
    assert f"{peer.not_after:%Y-%m-%dT%H:%M:%SZ}" == told["not_after"]
    for key in ("clients.key", "ci.key"):
        assert 0o600 == (tmp_path / key).stat().st_mode & 0o777
