"""The file of an admission webhook, admission.toml. Relative paths start at it.

pull = "pull.toml"                # what is believed, and where bundles are found

[listen]
address = "0.0.0.0:8443"
tls_certificate = "/etc/sealbook/tls/tls.crt"    # read again when they change
tls_key = "/etc/sealbook/tls/tls.key"
client_ca = "/etc/sealbook/api-server-ca.crt"    # only the API server may ask, if it is set
client_names = ["kube-apiserver"]                # and only under one of these names
most_connections = 1024
deadline_s = 9                    # for an answer; the API server waits 10 s at most
drain_s = 5                       # to go on for, once told to stop, until nobody asks any more

[admission]                       # verifier.pull.admission.settings

[trust]                           # keep the trust directory of pull.toml fresh
initial = "/etc/sealbook/initial" # trust.json, policy.toml, status.json, as somebody pinned them
service = "https://sealbook.bank.example"        # newer ones come from there
ca = "/etc/sealbook/service-ca.crt"
every_s = 300

[alert]                           # a JSON object is posted there on each refusal
url = "https://alerts.bank.example/hook"
ca = "/etc/sealbook/alerts-ca.crt"
repeat_s = 600                    # the same refusal is told again after that
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple, Self

from signer.address import check_address, is_loopback
from signer.errors import ConfigError
from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError, SealbookError
from verifier.pull.admission.settings import AdmissionSettings
from verifier.pull.settings import PullSettings

_MOST_NAMES = 64
_CONNECTIONS = 1024


class Listen(NamedTuple):
    """Where it listens, who may ask, and for how long they wait."""

    address: str
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    client_names: tuple[str, ...] = ()
    most_connections: int = _CONNECTIONS
    drain_s: int = 5


class Alert(NamedTuple):
    """Whom to tell of refusals."""

    url: str
    ca: Path | None = None
    repeat_s: int = 600


class Keep(NamedTuple):
    """Where newer trust files come from."""

    initial: Path | None = None
    service: str = ""
    ca: Path | None = None
    every_s: int = 300


class Settings(NamedTuple):
    """All of it."""

    pull: PullSettings
    listen: Listen
    keep: Keep
    alert: Alert | None
    admission: AdmissionSettings

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`.

        Raises:
            ConfigError: it cannot be read, has what nobody knows, or would listen beyond this
                machine without TLS.
        """
        try:
            with path.open("rb") as file:
                content = file.read(limits.POLICY + 1)
        except OSError as e:
            raise ConfigError(f"cannot read {path}: {e.strerror}") from e
        if len(content) > limits.POLICY:
            raise ConfigError(f"{path}: expected at most {limits.POLICY} bytes")
        try:
            fields = Fields(tomllib.loads(content.decode()), path.name)
            found = cls._parse(fields, path.absolute().parent)
        except (ValueError, SealbookError) as e:
            raise ConfigError(f"{path}: {e}") from e
        return found

    @classmethod
    def _parse(cls, fields: Fields, base: Path) -> Self:
        pull = PullSettings.load(str(base / fields.text("pull")))
        listen = _listen(fields.inside("listen"), base)
        keep = _keep(fields.inside("trust"), base) if fields.has("trust") else Keep()
        alert = _alert(fields.inside("alert"), base) if fields.has("alert") else None
        table = fields.inside("admission") if fields.has("admission") else Fields({}, "admission")
        admission = AdmissionSettings.of(table, base)
        fields.done()
        return cls(pull, listen, keep, alert, admission)


def _listen(fields: Fields, base: Path) -> Listen:
    address = check_address(fields.text("address"))
    certificate, key = _path(fields, "tls_certificate", base), _path(fields, "tls_key", base)
    client_ca = _path(fields, "client_ca", base)
    names = fields.items("client_names", most=_MOST_NAMES) if fields.has("client_names") else []
    found = Listen(
        address,
        certificate,
        key,
        client_ca,
        tuple(names),
        _number(fields, "most_connections", _CONNECTIONS, 8, 8192),
        _number(fields, "drain_s", Listen("").drain_s, 0, 60),
    )
    fields.done()
    if (certificate is None) != (key is None):
        raise MalformedError("listen: tls_certificate and tls_key go together")
    if certificate is None and not is_loopback(address):
        raise MalformedError(f"listen: expected a loopback address without TLS, found {address}")
    if client_ca is not None and certificate is None:
        raise MalformedError("listen: client_ca needs TLS")
    if not all(isinstance(name, str) and name for name in names) or (names and not client_ca):
        raise MalformedError("listen: client_names are names in certificates under client_ca")
    return found


def _keep(fields: Fields, base: Path) -> Keep:
    service = fields.text("service") if fields.has("service") else ""
    found = Keep(
        _path(fields, "initial", base),
        service,
        _path(fields, "ca", base),
        _number(fields, "every_s", Keep().every_s, 1, 86_400),
    )
    fields.done()
    if service:
        _check_url("trust.service", service)
    return found


def _alert(fields: Fields, base: Path) -> Alert:
    url = _check_url("alert.url", fields.text("url"))
    repeat_s = _number(fields, "repeat_s", Alert("").repeat_s, 0, 86_400)
    found = Alert(url, _path(fields, "ca", base), repeat_s)
    fields.done()
    return found


def _check_url(name: str, url: str) -> str:
    if not url.startswith(("https://", "http://")) or len(url) > limits.LOCATION:
        raise MalformedError(f"{name}: expected an http(s) URL, found {url[:80]!r}")
    return url


def _path(fields: Fields, name: str, base: Path) -> Path | None:
    return base / Path(fields.text(name)).expanduser() if fields.has(name) else None


def _number(fields: Fields, name: str, default: int, least: int, most: int) -> int:
    found = fields.number(name) if fields.has(name) else default
    if not least <= found <= most:
        raise MalformedError(f"{name}: expected {least} to {most}, found {found}")
    return found
