"""Who a certificate names, as whole strings: its holder, and who knew them.

The holder is the one alternative name in it: a URI, a mail address, or a user name as
Fulcio writes it. The issuer is the URL of the OpenID provider that knew them.

Spec: github.com/sigstore/fulcio, docs/oid-info.md.
"""

from __future__ import annotations

from cryptography import x509

from verifier import limits
from verifier.errors import CertificateError

_USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
_ISSUER_RAW = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")  # deprecated, and without DER
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_UTF8_STRING, _SHORT = 0x0C, 0x80


def identity_of(certificate: x509.Certificate) -> str:
    """Return whom `certificate` names.

    Raises:
        CertificateError: nobody, more than one, or a name of another kind.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise CertificateError("expected an alternative name, found none") from None
    names = list(found.value)
    if len(names) != 1:
        raise CertificateError(f"expected one alternative name, found {len(names)}")
    match names[0]:
        case x509.UniformResourceIdentifier() | x509.RFC822Name() as name:
            return _said(name.value)
        case x509.OtherName(type_id=kind, value=der) if kind == _USER_NAME:
            return _user_name(_said(_utf8(der)))
    raise CertificateError("expected a URI, a mail address or a user name, found another name")


def issuer_of(certificate: x509.Certificate) -> str:
    """Return the URL of who knew the holder.

    Raises:
        CertificateError: there is none, it is unreadable, or there are two that differ.
    """
    current, raw = _extension(certificate, _ISSUER), _extension(certificate, _ISSUER_RAW)
    said = {_said(_utf8(current))} if current is not None else set()
    if raw is not None:
        said.add(_said(raw.decode("utf-8", "replace")))
    if len(said) != 1:
        raise CertificateError(f"expected one issuer of the identity, found {len(said)}")
    return said.pop()


def _user_name(text: str) -> str:
    """Take a user name if it has Fulcio's form, which no URI and no address is taken for."""
    user, mark, domain = text.partition("!")
    if not (user and mark and domain) or not set(text).isdisjoint(":@/"):
        raise CertificateError(f"expected a user name like user!domain, found {text[:80]!r}")
    return text


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    if not isinstance(found, x509.UnrecognizedExtension):
        raise CertificateError("expected an issuer that no library reads for us")
    return found.value


def _utf8(der: bytes) -> str:
    """Read a UTF8String that is all there is, in its one DER encoding (X.690, 8.1.3)."""
    size = len(der) - 2
    head = bytes((_UTF8_STRING, size)) if 0 <= size < _SHORT else b""
    if size >= _SHORT:
        size -= 1 if size - 1 <= 0xFF else 2
        length = size.to_bytes(1 if size <= 0xFF else 2, "big") if size <= 0xFFFF else b""
        head = bytes((_UTF8_STRING, _SHORT | len(length))) + length
    if not head or not der.startswith(head):
        raise CertificateError("expected a UTF8String in DER")
    return der[len(head) :].decode("utf-8", "replace")


def _said(text: str) -> str:
    if not 0 < len(text) <= limits.ANNOTATION_VALUE or not text.isprintable() or "\ufffd" in text:
        raise CertificateError("expected an identity or issuer of printable characters, and few")
    return text
