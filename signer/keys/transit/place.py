"""Where a transit key is, and who we are there:

    openbao://bao.bank.example:8200/transit/keys/release?version=3&auth=approle
        &role-id-source=file:/etc/sealbook/role-id&secret-id-source=credential:secret-id
        &namespace=images&ca=/etc/sealbook/bao-ca.pem

(in one line). Behind the server and its port (8200 if none is named) comes the path of the
engine's mount, `keys`, and the key's name. The parameters, in any order and each once:

    version            of the key; without it, the newest when the key is opened
    auth               token, approle or jwt, with what it needs (see `signer.keys.transit.login`)
    auth-mount         where that method is mounted, if not at its own name
    namespace          OpenBao's or Vault Enterprise's
    ca                 a file of PEM roots for the server's certificate, if not the system's
    tls=off            plain HTTP, to an address of this machine only

A URI holds no secret: it says where secrets are. There is no percent-encoding, so that a key
has one spelling; a path with one of the characters % & # or a space is given another name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from signer.errors import KeyUriError
from signer.keys.transit.login import LOGINS
from verifier import limits
from verifier._strict import decimal
from verifier.errors import IntegerError

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_PATH = rf"{_SEGMENT}(?:/{_SEGMENT})*"
_HOST = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]"
_URI = re.compile(
    rf"//(?P<host>{_HOST})(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    rf"/(?P<mount>{_PATH})/keys/(?P<key>{_SEGMENT})\?(?P<query>[!$-%'-~&]+)",
    re.ASCII,
)
_FORM = "openbao://HOST[:PORT]/MOUNT/keys/NAME?auth=…"
_DEFAULT_PORT = "8200"
_VERSIONS = 2**31  # exclusive
_GENERAL = ("auth", "auth-mount", "ca", "namespace", "tls", "version")


@dataclass(frozen=True, slots=True)
class Place:
    """A version of a transit key, and how to come to it. Nothing in it is secret."""

    server: str  # as "https://bao.bank.example:8200"
    mount: str
    key: str
    version: int | None  # None is the newest
    auth: str
    auth_mount: str
    settings: Mapping[str, str]  # what the login needs
    namespace: str = ""
    ca: str = ""

    @classmethod
    def parse(cls, rest: str) -> Place:
        """Read what is behind `openbao:`.

        Raises:
            KeyUriError: it has another form. Values are not shown: one may be a secret.
        """
        match = _URI.fullmatch(rest) if len(rest) <= limits.KEY else None
        if match is None or "%" in rest:
            raise KeyUriError(f"expected a key URI like {_FORM}, found another form")
        host, port = match["host"], match["port"] or _DEFAULT_PORT
        given = _parameters(match["query"])
        login = LOGINS.get(given.get("auth", ""))
        if login is None:
            raise KeyUriError(f"key {match['key']}: expected auth to be one of {', '.join(LOGINS)}")
        allowed = {*_GENERAL, *login.NEEDS}
        if unknown := sorted(given.keys() - allowed):
            raise KeyUriError(
                f"key {match['key']}: with auth={given['auth']} there is no parameter "
                f"{unknown[0][:40]!r}, expected some of {', '.join(sorted(allowed))}"
            )
        if missing := [name for name in login.NEEDS if name not in given]:
            raise KeyUriError(f"key {match['key']}: auth={given['auth']} needs {missing[0]}")
        return cls(
            server=f"{_scheme(host, given.get('tls'))}://{host}:{_checked_port(port)}",
            mount=match["mount"],
            key=match["key"],
            version=_version(given.get("version")),
            auth=given["auth"],
            auth_mount=_path(given, "auth-mount") or given["auth"],
            settings={name: login.checked(name, given[name]) for name in login.NEEDS},
            namespace=_path(given, "namespace"),
            ca=given.get("ca", ""),
        )

    def __str__(self) -> str:
        """Print the URI in one order of its parameters."""
        scheme, _, server = self.server.partition("://")
        given = {
            "version": "" if self.version is None else str(self.version),
            "auth": self.auth,
            "auth-mount": "" if self.auth_mount == self.auth else self.auth_mount,
            **self.settings,
            "namespace": self.namespace,
            "ca": self.ca,
            "tls": "" if scheme == "https" else "off",
        }
        query = "&".join(f"{name}={value}" for name, value in given.items() if value)
        return f"openbao://{server}/{self.mount}/keys/{self.key}?{query}"

    def at(self, version: int) -> Place:
        """Return the place of this version of the key."""
        return replace(self, version=version)

    def newest(self) -> Place:
        """Return the place of whichever version is the newest."""
        return replace(self, version=None)

    @property
    def called(self) -> str:
        """What to call the key in errors."""
        version = "" if self.version is None else f" version {self.version}"
        return f"{self.mount}/keys/{self.key}{version} at {self.server}"


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if not value or name in given:
            raise KeyUriError(f"expected each parameter once and with a value: {name[:40]!r}")
        given[name] = value
    return given


def _scheme(host: str, tls: str | None) -> str:
    if tls is None:
        return "https"
    if tls != "off" or not _is_here(host):
        raise KeyUriError(f"expected TLS to {host}; tls=off is for addresses of this machine")
    return "http"


def _is_here(host: str) -> bool:
    # No name, not even localhost: who answers to it is for a resolver to say.
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _checked_port(port: str) -> str:
    if int(port) > 65_535:
        raise KeyUriError(f"expected a port up to 65535, found {port}")
    return port


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        version = decimal(text, limit=_VERSIONS)
    except IntegerError:
        version = 0
    if version == 0:
        raise KeyUriError("expected version to be a number from 1")
    return version


def _path(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if value and not re.fullmatch(_PATH, value, re.ASCII):
        raise KeyUriError(f"expected {name} to be a path without a slash at its ends")
    return value
