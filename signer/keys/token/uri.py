"""What the URI of a key in a token says (RFC 7512), each part once, and nothing unknown.

    pkcs11:token=sealbook;object=release;id=%01%02?module-path=/usr/lib/libx.so&pin-source=file:pin

The path finds the key: `token`, `serial`, `manufacturer`, `model` and `slot-id` the token, `id`
and `object` (its label) the key in it; `type` can only be private. The query says how:

    module-path   the vendor's library, an absolute path
    pin-source    /PATH or file:PATH, credential:NAME, or prompt; absent, nobody logs in
    public-key    ours: a PEM file with the one public key that the key may have
    sessions      ours: how many signatures the token makes at a time, 4 when absent

A PIN itself (`pin-value`) is refused: URIs are in configurations, and in lists of processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from signer.errors import KeyUriError

_TOKEN = {"token": "label", "serial": "serial", "manufacturer": "manufacturer_id", "model": "model"}
_PATH = (*_TOKEN, "slot-id", "id", "object", "type")
_QUERY = ("module-path", "pin-source", "public-key", "sessions")
# RFC 7512 section 2.3: what need not be encoded, in a path and in a query.
_IN_PATH, _IN_QUERY = (
    re.compile(rf"(?:[A-Za-z0-9._~:\[\]@!$'()*+,={more}-]|%[0-9A-Fa-f]{{2}})*", re.ASCII)
    for more in ("&", "/?|")
)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LONGEST = 2048
_MOST_SESSIONS = 64
_SESSIONS = 4


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A key's URI, taken apart; `id` or `label` is there, and something that finds the token."""

    module: Path
    token: Mapping[str, str]  # by the names of RFC 7512
    slot_id: int | None
    id: bytes | None
    label: str | None
    pin_source: str
    public_key: str
    sessions: int

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Take what is behind `pkcs11:`.

        Raises:
            KeyUriError: it does not say which key, says something twice, or something unknown.
        """
        if len(rest) > _LONGEST:
            raise KeyUriError(f"expected a key URI of at most {_LONGEST} characters")
        path, _, query = rest.partition("?")
        where = _attributes(path, ";", _IN_PATH, _PATH)
        how = _attributes(query, "&", _IN_QUERY, _QUERY)
        if _text(where, "type") not in ("", "private"):
            raise KeyUriError("expected type=private in a key URI: nothing else signs")
        module = _text(how, "module-path")
        if not module.startswith("/"):
            raise KeyUriError(
                "expected ?module-path= with the absolute path of the token's library",
                hint="as ?module-path=/usr/lib/softhsm/libsofthsm2.so",
            )
        found = cls(
            module=Path(module),
            token={name: _text(where, name) for name in _TOKEN if name in where},
            slot_id=_number(where, "slot-id"),
            id=where.get("id"),
            label=_text(where, "object") if "object" in where else None,
            pin_source=_pin_source(_text(how, "pin-source")),
            public_key=_text(how, "public-key"),
            sessions=_SESSIONS if (n := _number(how, "sessions")) is None else n,
        )
        if not found.token.keys() & {"token", "serial"} and found.slot_id is None:
            raise KeyUriError("expected token=, serial= or slot-id= in a key URI")
        if not 1 <= found.sessions <= _MOST_SESSIONS:
            raise KeyUriError(f"expected 1 to {_MOST_SESSIONS} sessions, found {found.sessions}")
        return found

    def named(self, key_id: bytes, label: str | None) -> Self:
        """Return the URI of the key with this id in the same token."""
        return replace(self, id=key_id, label=label)

    def finds(self, token: object, slot_id: int) -> bool:
        """Whether a token, as the library describes it, is the one that is meant."""
        return self.slot_id in (None, slot_id) and all(
            text == _described(getattr(token, _TOKEN[name])) for name, text in self.token.items()
        )

    @property
    def place(self) -> str:
        """Which token it is, for people."""
        where = [f"{name}={text}" for name, text in self.token.items()]
        if self.slot_id is not None:
            where.append(f"slot-id={self.slot_id}")
        return f"token {';'.join(where)}"

    @property
    def key(self) -> str:
        """Which key in the token it is, for people."""
        where = [] if self.id is None else [f"id={quote_from_bytes(self.id, safe='')}"]
        where += [] if self.label is None else [f"object={self.label}"]
        return ";".join(where)


def _attributes(
    text: str, separator: str, allowed: re.Pattern[str], known: tuple[str, ...]
) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise KeyUriError(
                "a PIN in a key URI is in every copy of the configuration",
                hint="put it into a file of its own: pin-source=file:PATH, and chmod 600 PATH",
            )
        if name not in known:
            raise KeyUriError(f"expected one of {', '.join(known)} in a key URI, found {name!r}")
        if not equals or not value or not allowed.fullmatch(value):
            raise KeyUriError(f"expected {name}= with a value, percent-encoded as in RFC 7512")
        if name in found:
            raise KeyUriError(f"expected {name}= once in a key URI")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: Mapping[str, bytes], name: str) -> str:
    try:
        text = found.get(name, b"").decode()
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        raise KeyUriError(f"expected printable UTF-8 in {name}= of a key URI")
    return text


def _number(found: Mapping[str, bytes], name: str) -> int | None:
    if name not in found:
        return None
    text = _text(found, name)
    if not _NUMBER.fullmatch(text):
        raise KeyUriError(f"expected a number in {name}= of a key URI, found {text!r}")
    return int(text)


def _pin_source(text: str) -> str:
    """Return the same as `signer.keys.passphrase` writes it; RFC 7512 has two ways for a file."""
    if text.startswith("/"):
        return f"file:{text}"
    if text.startswith("|"):
        raise KeyUriError("a pin-source that is a command is not run")
    for authority in ("file:///", "file://localhost/"):
        if text.startswith(authority):
            return f"file:/{text.removeprefix(authority)}"
    return text


def _described(found: str | bytes) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found
