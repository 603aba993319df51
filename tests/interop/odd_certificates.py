"""Bundles under odd certificates: rows C6 to C9 of the catalogue of bad inputs.

Each certificate is signed by the authority that is trusted, and is in an SCT, so that
nothing but the oddity can be at fault. Everything else in a bundle is good.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.handmade import Handmade, make
from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.handmade.encoding import b64
from tests.interop.handmade.pki import (
    ISSUER_V1,
    ISSUER_V2,
    Authorities,
    Certified,
    certify,
)

AUTHORITIES = Authorities()
MINUTE = dt.timedelta(minutes=1)
SERVER, CODE = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING
ANY, STAMP = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.TIME_STAMPING
USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.57264.99")


class Odd(NamedTuple):
    """A certificate that is not as it should be; what it is refused with, or "yes"."""

    row: str
    name: str
    made: Handmade
    code: str


def odd(
    row: str,
    name: str,
    code: str,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    authorities: Authorities = AUTHORITIES,
    **how: Any,
) -> Odd:
    """Make a bundle under a certificate whose extensions `change` spoils, issued in this way."""

    def leaf(key: ec.EllipticCurvePublicKey) -> bytes:
        extensions: dict[str, Any] = dict(authorities.extensions(IDENTITY, ISSUER))
        change(extensions)
        return authorities.issue(key, extensions, **how)

    return Odd(row, name, make(certified=True, authorities=authorities, leaf=leaf), code)


def without(field: str) -> Callable[[dict[str, Any]], object]:
    """Leave an extension out."""
    return lambda extensions: extensions.pop(field)


def having(field: str, value: Any, *, critical: bool = False) -> Callable[[dict[str, Any]], object]:
    """Put another extension there."""
    return lambda extensions: extensions.update({field: (value, critical)})


def purposes(*found: x509.ObjectIdentifier) -> Callable[[dict[str, Any]], object]:
    """Give the certificate these purposes."""
    return having("purpose", x509.ExtendedKeyUsage(found))


def names(*found: x509.GeneralName, critical: bool = True) -> Callable[[dict[str, Any]], object]:
    """Give the certificate these alternative names."""
    return having("names", x509.SubjectAlternativeName(found), critical=critical)


def usage(**bits: bool) -> x509.KeyUsage:
    """Return the usages of a key; all that are not named are off."""
    fields = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**dict.fromkeys(fields, False) | bits)


URI, EMAIL, DNS = x509.UniformResourceIdentifier, x509.RFC822Name, x509.DNSName
COMMON = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "release")])


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return an edit of what is signed, which has `old` exactly once."""

    def edit(signed: bytes) -> bytes:
        assert signed.count(old) == 1
        return signed.replace(old, new)

    return edit


VERSION_AND_SERIAL = b"\xa0\x03\x02\x01\x02\x02\x01\x01"


def profiles() -> Iterator[Odd]:
    """C6: what the certificate may be used for, and what it is."""
    yield odd("C6", "as it should be", "yes")
    yield odd("C6", "no purpose", "bad-certificate", without("purpose"))
    yield odd("C6", "purpose of servers", "bad-certificate", purposes(SERVER))
    yield odd("C6", "purpose of timestamps", "bad-certificate", purposes(STAMP))
    yield odd("C6", "any purpose", "bad-certificate", purposes(ANY))
    yield odd("C6", "one purpose more", "bad-certificate", purposes(CODE, SERVER))
    yield odd("C6", "any purpose more", "bad-certificate", purposes(CODE, ANY))
    yield odd("C6", "no usage", "bad-certificate", without("usage"))
    agree = having("usage", usage(key_agreement=True), critical=True)
    yield odd("C6", "usage without signatures", "bad-certificate", agree)
    both = having("usage", usage(digital_signature=True, key_cert_sign=True), critical=True)
    yield odd("C6", "usage of an authority", "bad-certificate", both)
    authority = having("basic", x509.BasicConstraints(ca=True, path_length=0), critical=True)
    yield odd("C6", "an authority", "bad-certificate", authority)
    leaf = having("basic", x509.BasicConstraints(ca=False, path_length=None), critical=True)
    yield odd("C6", "no authority, said plainly", "yes", leaf)
    critical = having("odd", x509.UnrecognizedExtension(UNKNOWN, b"\x05\0"), critical=True)
    yield odd("C6", "unknown critical extension", "bad-certificate", critical)
    harmless = having("odd", x509.UnrecognizedExtension(UNKNOWN, b"\x05\0"))
    yield odd("C6", "unknown extension", "yes", harmless)
    limits = x509.NameConstraints([URI("other.example")], None)
    yield odd("C6", "a leaf's name constraints", "bad-certificate",
              having("limits", limits, critical=True))  # fmt: skip
    for name, old, new in (
        ("serial 0", VERSION_AND_SERIAL, VERSION_AND_SERIAL[:-1] + b"\0"),
        ("serial -1", VERSION_AND_SERIAL, VERSION_AND_SERIAL[:-1] + b"\xff"),
        ("version 1", VERSION_AND_SERIAL, b"\xa0\x03\x02\x01\x00\x02\x01\x01"),
        ("version 4", VERSION_AND_SERIAL, b"\xa0\x03\x02\x01\x03\x02\x01\x01"),
    ):
        yield odd("C6", name, "bad-certificate", serial=1, edit=_replaced(old, new))
    yield odd("C6", "serial 1", "yes", serial=1)


def dates() -> Iterator[Odd]:
    """C6: a certificate that was not valid when the timestamp says that it signed."""
    yield odd("C6", "expired", "bad-certificate", start=-10 * MINUTE, lifetime=-5 * MINUTE)
    yield odd("C6", "not yet valid", "bad-certificate", start=120 * MINUTE, lifetime=180 * MINUTE)


def chains() -> Iterator[Odd]:
    """C6, C9: who signed the certificate, and may they."""
    signer = certify("intermediate", AUTHORITIES.root, authority=0, purpose=CODE)
    yield odd("C9", "another intermediate of the root", "bad-certificate", signer=signer)
    below = certify("below", AUTHORITIES.intermediate, authority=0, purpose=CODE)
    yield odd("C6", "a path that is too long", "bad-certificate", signer=below)
    leaf = certify("a leaf", AUTHORITIES.intermediate, purpose=CODE)
    yield odd("C9", "signed by a leaf", "bad-certificate", signer=leaf)
    alone = certify("intermediate", None, authority=0, purpose=CODE)
    yield odd("C9", "an authority of the same name", "bad-certificate", signer=alone)
    forged = Certified(alone.key, AUTHORITIES.intermediate.certificate)
    yield odd("C9", "the authority's name under another key", "bad-certificate", signer=forged)
    root = Certified(AUTHORITIES.root.key, AUTHORITIES.root.certificate)
    yield odd("C9", "signed by the root itself", "yes", signer=root)


OLD, NEW = (f"application/vnd.dev.sigstore.bundle{v}" for v in ("+json;version=0.2", ".v0.3+json"))


def bundled(name: str, code: str, *chain: Certified, media_type: str = OLD) -> Odd:
    """Show the good certificate with a chain, as bundles before version 0.3 did."""
    good = make(certified=True, authorities=AUTHORITIES)
    document = json.loads(good.bundle)
    document["mediaType"] = media_type
    material = document["verificationMaterial"]
    shown = [material.pop("certificate"), *({"rawBytes": b64(one.der)} for one in chain)]
    material["x509CertificateChain"] = {"certificates": shown}
    return Odd("C9", name, replace(good, bundle=json.dumps(document).encode()), code)


def shown_chains() -> Iterator[Odd]:
    """C9: a chain that comes with the bundle is never what is trusted."""
    above, root = AUTHORITIES.intermediate, AUTHORITIES.root
    other = certify("root", None, authority=1)
    stranger = certify("intermediate", other, authority=0, purpose=CODE)
    yield bundled("the leaf alone", "yes")
    yield bundled("the chain", "yes", above)
    yield bundled("the chain twice", "yes", above, above)
    yield bundled("the chain and a stranger", "yes", above, stranger)
    yield bundled("the chain and a stranger's root", "bad-certificate", above, other)
    yield bundled("the chain with its root", "bad-certificate", above, root)
    yield bundled("the root alone", "bad-certificate", root)
    yield bundled("30 intermediates", "over-limit", *[above] * 30)
    yield bundled("a chain in version 0.3", "unsupported-version", above, media_type=NEW)


def alternative_names() -> Iterator[Odd]:
    """C7: there is one name, and it is the whole one."""
    yield odd("C7", "no name", "bad-certificate", without("names"))
    yield odd("C7", "common name only", "bad-certificate", without("names"), subject=COMMON)
    two = (URI(IDENTITY), URI("https://other.example"))
    yield odd("C7", "two URIs", "bad-certificate", names(*two))
    yield odd("C7", "two URIs, the other way round", "bad-certificate", names(*two[::-1]))
    mixed = names(URI(IDENTITY), EMAIL("release@example.com"))
    yield odd("C7", "a URI and an address", "bad-certificate", mixed)
    yield odd("C7", "a host", "bad-certificate", names(DNS("release.example")))
    directory = x509.DirectoryName(COMMON)
    yield odd("C7", "a directory name", "bad-certificate", names(directory))
    for name, der, code in (
        ("a user name, as Fulcio writes it", b"\x0c\x11alice!example.com", "yes"),
        ("a user name without a domain", b"\x0c\x05alice", "bad-certificate"),
        ("a user name like a URI", b"\x0c\x0fhttps://alice!x", "bad-certificate"),
        ("a user name like an address", b"\x0c\x09alice@x!y", "bad-certificate"),
        ("a user name of other bytes", b"\x04\x11alice!example.com", "bad-certificate"),
    ):
        yield odd("C7", name, code, names(x509.OtherName(USER_NAME, der)))
    yield odd("C7", "a name of another kind", "bad-certificate",
              names(x509.OtherName(UNKNOWN, b"\x0c\x03abc")))  # fmt: skip
    for name, text in {
        "NUL": IDENTITY + "\0.other.example",
        "newline": IDENTITY + "\n",
        "2 KB": IDENTITY + "x" * 2048,
        "empty": "",
    }.items():
        yield odd("C7", f"{name} in the URI", "bad-certificate", names(URI(text)))


def issuers() -> Iterator[Odd]:
    """C8: who authenticated that name is said, once, and in one way."""
    yield odd("C8", "no issuer", "bad-certificate",
              lambda e: (e.pop("issuer v1"), e.pop("issuer v2")))  # fmt: skip
    yield odd("C8", "the old form alone", "yes", without("issuer v2"))
    yield odd("C8", "the new form alone", "yes", without("issuer v1"))
    other = x509.UnrecognizedExtension(ISSUER_V1, b"https://other.example")
    yield odd("C8", "two forms that disagree", "bad-certificate", having("issuer v1", other))
    for name, raw in {
        "no UTF-8": b"\x0c\x01\xff",
        "cut off": b"\x0c\x7fhttps",
        "trailing bytes": b"\x0c\x05https\0",
        "an octet string": b"\x04\x05https",
        "empty": b"",
    }.items():
        value = x509.UnrecognizedExtension(ISSUER_V2, raw)
        yield odd("C8", f"{name} in the new form", "bad-certificate", having("issuer v2", value))


def cases() -> Iterator[Odd]:
    """Return all of them."""
    yield from (*profiles(), *dates(), *chains(), *shown_chains())
    yield from (*alternative_names(), *issuers())
