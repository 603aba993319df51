"""What a client's certificate says: exactly one SPIFFE ID, and no more (A16)."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from signer.access.certificates import read_peer
from signer.errors import CertificateError
from tests.signer.access.certifying import (
    CLIENT,
    CODE,
    SERVER,
    URI,
    Authority,
    Issued,
    alternative_names,
)
from tests.signer.asking import refused

CLIENTS = Authority("clients")
GOOD = CLIENTS.issue(URI)
# A slow twin of the grammar: SPIFFE-ID sections 2.1 to 2.3, by hand.
_LABEL = set("abcdefghijklmnopqrstuvwxyz0123456789._-")
_SEGMENT = _LABEL | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def usage(**true: bool) -> tuple[x509.ExtensionType, bool]:
    """Return a key usage that has these alone."""
    none = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**none | true), True


def test_who_it_is() -> None:
    """
    A good certificate says who its holder is, the same from DER and PEM.
    """
    peer = read_peer(GOOD.der)
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(GOOD.der).digest()).decode()

    assert read_peer(GOOD.pem) == peer
    assert (URI, GOOD.spki_sha256) == (peer.uri, peer.spki_sha256)
    assert thumbprint == peer.thumbprint + "="
    assert datetime.now(UTC) < peer.not_after < datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    "issued",
    [
        CLIENTS.issue(URI, usages=(SERVER, CLIENT)),
        CLIENTS.issue(URI, names=[x509.DNSName("*.runner-1.bank_x.example")]),
        CLIENTS.issue(URI, names=[x509.IPAddress(ip_address("10.0.0.1"))]),
        CLIENTS.issue(URI, more=[usage(digital_signature=True)]),
        CLIENTS.issue(URI, more=[(x509.BasicConstraints(ca=False, path_length=None), True)]),
        CLIENTS.issue("spiffe://a/b", ends=timedelta(hours=2)),
    ],
)
def test_good(issued: Issued) -> None:
    """
    Beside the URI there may be DNS names and addresses, and other uses of the key.
    """
    assert read_peer(issued.der).uri in {URI, "spiffe://a/b"}


NUL = URI.encode() + b"\0.evil"
BAD = {
    # What gRPC itself lets through.
    "no extended key usage": CLIENTS.issue(URI, usages=None),
    "a URI that goes on behind a NUL": CLIENTS.issue(raw=alternative_names((6, NUL))),
    "a NUL at the end": CLIENTS.issue(raw=alternative_names((6, URI.encode() + b"\0"))),
    "two URIs": CLIENTS.issue(URI, "spiffe://bank.example/ci/other"),
    "the same URI twice": CLIENTS.issue(URI, URI),
    "a DNS name that looks like a URI": CLIENTS.issue(
        raw=alternative_names((2, b"spiffe://bank.example/admin"), (6, URI.encode()))
    ),
    "a DNS name in the URI's place": CLIENTS.issue(raw=alternative_names((2, URI.encode()))),
    "a DNS name with a NUL": CLIENTS.issue(
        raw=alternative_names((2, b"a.example\0b"), (6, URI.encode()))
    ),
    "no names": CLIENTS.issue(),
    "no URI": CLIENTS.issue(names=[x509.DNSName("runner.bank.example")]),
    # Names of other kinds, some of which others print like URIs.
    "an address of mail": CLIENTS.issue(URI, names=[x509.RFC822Name("a@bank.example")]),
    "a registered id": CLIENTS.issue(URI, names=[x509.RegisteredID(CLIENT)]),
    "another name": CLIENTS.issue(URI, names=[x509.OtherName(CLIENT, b"\x0c\x01a")]),
    "a directory": CLIENTS.issue(URI, names=[x509.DirectoryName(x509.Name([]))]),
    # Keys for something else.
    "a server's": CLIENTS.issue(URI, usages=(SERVER,)),
    "a code signer's": CLIENTS.issue(URI, usages=(CODE,)),
    "for anything": CLIENTS.issue(URI, usages=(x509.ObjectIdentifier("2.5.29.37.0"),)),
    "an authority's": CLIENTS.issue(
        URI, more=[(x509.BasicConstraints(ca=True, path_length=None), True)]
    ),
    "for certifying": CLIENTS.issue(URI, more=[usage(digital_signature=True, key_cert_sign=True)]),
    "not for signing": CLIENTS.issue(URI, more=[usage(key_encipherment=True)]),
    "one that ended": CLIENTS.issue(URI, ends=-timedelta(seconds=2)),
    "no list of names": CLIENTS.issue(raw=b"\x04\x00"),
    "a list cut off": CLIENTS.issue(raw=alternative_names((6, URI.encode()))[:-1]),
    "no ASCII": CLIENTS.issue(raw=alternative_names((6, "spiffe://bank.example/ä".encode()))),
}


@pytest.mark.parametrize("why", BAD)
def test_bad(why: str) -> None:
    """
    Whatever else a certificate is, it is nobody's.
    """
    refused("bad-certificate", lambda: read_peer(BAD[why].der))
    refused("bad-certificate", lambda: read_peer(BAD[why].pem))


@pytest.mark.parametrize(
    "uri",
    [
        *("", "spiffe://", "spiffe:///ci", "spiffe://bank.example", "spiffe://bank.example/"),
        *(f"{URI}/", f"{URI}//x", f"{URI}/.", f"{URI}/..", f"{URI}/../admin", "spiffe://a/./b"),
        *("SPIFFE://bank.example/ci", "spiffe://BANK.example/ci", "spiffe://bank.example:1/ci"),
        *(
            "spiffe://user@bank.example/ci",
            f"{URI}?x",
            f"{URI}#x",
            f"{URI}%2e",
            f"{URI} ",
            f"{URI}\n",
        ),
        *(f" {URI}", f"{URI}\x7f", f"{URI}*", "https://bank.example/ci", "spiffe:/bank.example/ci"),
        *("urn:uuid:4711", "spiffe://" + "a" * 256 + "/x", "spiffe://a/" + "b" * 2048),
    ],
)
def test_no_spiffe_id(uri: str) -> None:
    """
    A URI that is no SPIFFE ID of a workload is refused, down to a slash at its end.
    """
    refused("bad-certificate", lambda: read_peer(CLIENTS.issue(uri).der))


def is_spiffe(uri: str) -> bool:
    """Whether `uri` is the SPIFFE ID of a workload, by hand."""
    scheme, _, rest = uri.partition("://")
    domain, *segments = rest.split("/")
    return (
        (scheme, True) == ("spiffe", len(uri) <= 2048)
        and 0 < len(domain) <= 255
        and set(domain) <= _LABEL
        and bool(segments)
        and all(s not in {"", ".", ".."} and set(s) <= _SEGMENT for s in segments)
    )


@given(
    st.text(st.sampled_from("aZ0._-/:%?#@ \0\n"), max_size=12).map(lambda s: "spiffe://a" + s)
    | st.from_regex(re.compile(r"spiffe://[a-z.]{1,4}(/[aA.]{1,3}){0,3}", re.ASCII), fullmatch=True)
)
def test_grammar(uri: str) -> None:
    """
    What counts as a SPIFFE ID is what its grammar says, letter by letter.
    """
    try:
        peer = read_peer(CLIENTS.issue(raw=alternative_names((6, uri.encode()))).der)
    except CertificateError:
        assert not is_spiffe(uri)
    else:
        assert uri == peer.uri
        assert is_spiffe(uri)


def test_denied() -> None:
    """
    A key that is denied counts no more in any certificate, and no other key falls with it.
    """
    deny = frozenset([GOOD.spki_sha256])

    assert read_peer(GOOD.der)
    refused("bad-certificate", lambda: read_peer(GOOD.der, deny))
    refused("bad-certificate", lambda: read_peer(GOOD.pem, deny))
    assert read_peer(CLIENTS.issue(URI).der, deny)
    assert read_peer(GOOD.der)


def test_ends_while_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A certificate that was good when the connection began is refused once it has ended.
    """
    issued = CLIENTS.issue(URI, ends=timedelta(hours=1))
    read_peer(issued.der)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) + timedelta(hours=2)

    monkeypatch.setattr("signer.access.certificates.datetime", Later)
    refused("bad-certificate", lambda: read_peer(issued.der))


def _ed25519() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0", b"certificate", GOOD.pem + GOOD.pem, GOOD.pem[:-40], GOOD.der[:-1]),
        *(GOOD.der + b"\0", b"x" + GOOD.pem, GOOD.key, GOOD.pem + GOOD.key, b"\0" * (16 << 10)),
        *(_ed25519(), GOOD.pem + b" " * (17 << 10), CLIENTS.pem),
    ],
)
def test_no_certificate(content: bytes) -> None:
    """
    What is no certificate, or more than one, is refused.
    """
    refused("bad-certificate", lambda: read_peer(content))
