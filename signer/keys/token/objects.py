"""The key in a session: found, judged, and made.

A key that could leave the token, or could be used without a PIN, has none of what a token is
for, and is refused. Which public key it has is what the token says, in the first of these
places; nothing there is believed before a signature verifies:

    the public object with the key's id (and the parameters of the private one)
    the private object itself (RSA's modulus, some tokens' EC_POINT)
    a certificate with the key's id
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, ObjectClass

from signer.errors import KeyExistsError, KeyObjectError
from signer.keys.token.schemes import SCHEMES, Scheme
from signer.keys.token.sessions import AbsentKeyError
from signer.keys.token.uri import TokenUri
from verifier import algorithms
from verifier.errors import SealbookError
from verifier.publickey import PublicKey

_EXPONENT = 65_537
_DEMANDED = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
    Attribute.SIGN: True,
}
_SHOWN = (
    *_DEMANDED,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.LOCAL,
    Attribute.TOKEN,
    Attribute.MODIFIABLE,
    Attribute.COPYABLE,
    Attribute.DESTROYABLE,
    Attribute.DECRYPT,
    Attribute.UNWRAP,
    Attribute.DERIVE,
    Attribute.SIGN_RECOVER,
)
_NOTHING_ELSE = dict.fromkeys(
    (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE, Attribute.SIGN_RECOVER), False
)


def find(session: pkcs11.Session, uri: TokenUri) -> pkcs11.PrivateKey:
    """Return the one private key that `uri` means, if it is guarded.

    Raises:
        AbsentKeyError: there is none.
        KeyObjectError: there are two, or it could leave the token.
    """
    template: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if uri.id is not None:
        template[Attribute.ID] = uri.id
    if uri.label is not None:
        template[Attribute.LABEL] = uri.label
    found = list(session.get_objects(template))
    if not found:
        raise AbsentKeyError(
            f"{uri.place} has no private key {uri.key}",
            hint="" if uri.pin_source else "without pin-source= nobody logs in, and sees it",
        )
    if len(found) > 1:
        ids = ", ".join(sorted({(_read(key, Attribute.ID) or b"").hex() for key in found}))
        raise KeyObjectError(
            f"expected one private key {uri.key} in {uri.place}, found {len(found)}",
            hint=f"name the id as well, each byte as in %01; there are: {ids}",
        )
    key = found[0]
    for attribute, expected in _DEMANDED.items():
        value = _read(key, attribute)
        if value is not expected:
            raise KeyObjectError(
                f"expected CKA_{attribute.name} = {_shown(expected)} of private key {uri.key}, "
                f"found {_shown(value)}",
                hint="make a key in the token that cannot leave it: sealbook key create",
            )
    if _read(key, Attribute.ALWAYS_AUTHENTICATE):
        raise KeyObjectError(f"private key {uri.key} wants the PIN for every signature")
    return key  # type: ignore[return-value]


def public_of(session: pkcs11.Session, key: pkcs11.PrivateKey) -> PublicKey | None:
    """Return the public key that the token says `key` has; None when it does not say.

    Raises:
        KeyObjectError: it is none that we know.
    """
    key_id = _read(key, Attribute.ID)
    alike: list[list[Any]] = [
        list(session.get_objects({Attribute.CLASS: class_, Attribute.ID: key_id})) if key_id else []
        for class_ in (ObjectClass.PUBLIC_KEY, ObjectClass.CERTIFICATE)
    ]
    parameters = _read(key, Attribute.EC_PARAMS)
    try:
        for source in (*alike[0], key, *alike[1]):
            spki = _spki(source, parameters)
            if spki is not None:
                return PublicKey(spki)
    except (SealbookError, ValueError) as e:
        raise KeyObjectError(f"the token's public key is none that we know: {e}") from e
    return None


def described(key: pkcs11.PrivateKey, token: pkcs11.Token) -> Mapping[str, str]:
    """Return what a token says of a key, by the names of PKCS#11, and of itself."""
    found = {"home": "pkcs11"}
    for name in ("label", "serial", "manufacturer_id", "model"):
        value = getattr(token, name)
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
        found[f"token_{name.removesuffix('_id')}"] = text
    found["token_firmware"] = ".".join(map(str, token.firmware_version))
    found["CKA_ID"] = (_read(key, Attribute.ID) or b"").hex()
    found["CKA_LABEL"] = str(_read(key, Attribute.LABEL) or "")
    found["CKA_KEY_TYPE"] = key.key_type.name
    for attribute in _SHOWN:
        value = _read(key, attribute)
        if value is not None:
            found[f"CKA_{attribute.name}"] = _shown(value)
    return found


def make(session: pkcs11.Session, uri: TokenUri, label: str, scheme: Scheme) -> bytes:
    """Make a key that signs, does nothing else, and cannot leave the token; return its id.

    The id is the SHA-256 of its SPKI, unless `uri` has another, so that anybody can tell which
    public key an object has. `session` must be one that writes.

    Raises:
        KeyExistsError: there is an object with this label, or this id, already.
        KeyObjectError: the token does not make such keys.
    """
    _check_free(session, {Attribute.LABEL: label})
    if uri.id is not None:
        _check_free(session, {Attribute.ID: uri.id})
    try:
        public, private = _generate(session, label, uri.id, scheme)
    except (
        pkcs11.MechanismInvalid,
        pkcs11.MechanismParamInvalid,
        pkcs11.AttributeValueInvalid,
        pkcs11.KeySizeRange,
        pkcs11.DomainParamsInvalid,
        pkcs11.FunctionNotSupported,
    ) as e:
        raise KeyObjectError(
            f"{uri.place} makes no keys of {scheme.algorithm}: {type(e).__name__}"
        ) from e
    try:
        return _named(session, uri, label, public, private)
    except BaseException:
        for made in (private, public):
            with suppress(pkcs11.PKCS11Error):
                made.destroy()
        raise


def _named(session: pkcs11.Session, uri: TokenUri, label: str, public: Any, private: Any) -> bytes:
    """Give a new key its id, and return that; raises when somebody else made one as well."""
    spki = _spki(public, _read(private, Attribute.EC_PARAMS))
    if spki is None:
        raise KeyObjectError(f"{uri.place} does not say which public key it made")
    key_id = uri.id
    if key_id is None:
        key_id = hashlib.sha256(spki).digest()
        for made in (private, public):
            made[Attribute.ID] = key_id
    template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: label}
    if len(list(session.get_objects(template))) != 1:
        raise KeyExistsError(f"somebody else made a key {label!r} at the same time")
    return key_id


def _generate(
    session: pkcs11.Session, label: str, key_id: bytes | None, scheme: Scheme
) -> tuple[Any, Any]:
    guarded: dict[Attribute, Any] = {**_DEMANDED, **_NOTHING_ELSE}
    private = {**guarded, Attribute.COPYABLE: False}
    public = {Attribute.VERIFY: True, Attribute.ENCRYPT: False, Attribute.WRAP: False}
    for template in (private, guarded):
        more: dict[str, Any] = {
            "label": label,
            "id": key_id,
            "store": True,
            "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            "private_template": template,
            "public_template": public,
        }
        try:
            if scheme.key_type is KeyType.RSA:
                return session.generate_keypair(KeyType.RSA, 8 * scheme.size, **more)
            parameters = session.create_domain_parameters(
                scheme.key_type, {Attribute.EC_PARAMS: scheme.parameters[0]}, local=True
            )
            return parameters.generate_keypair(**more)
        except (pkcs11.AttributeTypeInvalid, pkcs11.TemplateInconsistent):
            # CKA_COPYABLE came with PKCS#11 2.40, and some tokens do not know it.
            if template is guarded:
                raise
    raise AssertionError("the last template raises or returns")


def _check_free(session: pkcs11.Session, template: dict[Attribute, Any]) -> None:
    if list(session.get_objects(template)):
        [(attribute, value)] = template.items()
        shown = value.hex() if isinstance(value, bytes) else value
        raise KeyExistsError(
            f"the token has an object with CKA_{attribute.name} {shown} already",
            hint="nothing is ever overwritten; name another object=",
        )


def _spki(source: Any, parameters: bytes | None) -> bytes | None:
    """Return the SPKI that an object tells of; None when it does not."""
    if source[Attribute.CLASS] is ObjectClass.CERTIFICATE:
        certificate = x509.load_der_x509_certificate(source[Attribute.VALUE])
        return certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    if source.key_type is KeyType.RSA:
        modulus, exponent = (
            _read(source, attribute) for attribute in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
        )
        if modulus is None or int.from_bytes(exponent or b"", "big") != _EXPONENT:
            return None
        modulus = modulus.lstrip(b"\0")
        return _row(f"rsa-{8 * len(modulus)}").spki(modulus)
    point = _read(source, Attribute.EC_POINT)
    if point is None:
        return None
    for scheme in SCHEMES:
        if parameters in scheme.parameters:
            row = _row(scheme.algorithm)
            # PKCS#11 wants the point in an OCTET STRING, and some tokens give it bare.
            wrapped = b"\x04" + bytes([row.size])
            return row.spki(point.removeprefix(wrapped) if len(point) == row.size + 2 else point)
    raise KeyObjectError(f"expected a curve that we know, found {(parameters or b'').hex()}")


def _row(name: str) -> algorithms.Algorithm:
    for row in algorithms.ALGORITHMS:
        if row.name == name:
            return row
    raise KeyObjectError(f"expected an algorithm that we know, found {name}")


def _read(source: Any, attribute: Attribute) -> Any:
    """Return an attribute; None where the token does not have it, or does not show it."""
    try:
        return source[attribute]
    except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive, pkcs11.FunctionFailed):
        return None


def _shown(value: bool | None) -> str:
    return {True: "true", False: "false", None: "nothing"}[value]
