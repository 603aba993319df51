"""Sigstore's `trusted_root.json`, read: which logs and authorities count, and when.

    {"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[
    {"baseUrl":"https://ledger.example","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":
    "<b64 SPKI>","keyDetails":"PKIX_ED25519","validFor":{"start":"2026-11-23T21:06:41Z"}},
    "logId":{"keyId":"<b64>"}}],"certificateAuthorities":[],"ctlogs":[],
    "timestampAuthorities":[]}

`verifier.trusted_root` writes it. A list that is not there is empty. A log whose key is of
no algorithm in our table is left out: its entries are no trusted log's.

Spec: sigstore protobuf-specs, sigstore_trustroot.proto.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from verifier import limits
from verifier._strict import Fields, b64, json_object, note_name, rfc3339
from verifier.errors import (
    AmbiguousKeyError,
    KeyDetailsError,
    LimitError,
    MalformedError,
    UnsupportedError,
    UnsupportedKeyError,
    UntrustedLogError,
    WeakKeyError,
)
from verifier.publickey import PublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_MOST = 64  # of each list
_CHAIN = 16  # certificates
_HASH = "SHA2_256"
_ID_SIZE, _HINT_SIZE = 32, 4
_FRACTION = re.compile(r"\.([0-9]{1,9})Z", re.ASCII)


class Window(NamedTuple):
    """From when to when something counts: POSIX seconds, and both ends belong to it."""

    start: float
    end: float = math.inf

    def covers(self, time: float) -> bool:
        """Whether `time` lies in it."""
        return self.start <= time <= self.end

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Take `validFor`, which must say when it starts; raises `MalformedError`."""
        start = _time(fields.text("start"))
        window = cls(start, _time(fields.text("end")) if fields.has("end") else math.inf)
        fields.done()
        if window.end < window.start:
            raise MalformedError("expected a time that starts before it ends")
        return window


class Log(NamedTuple):
    """A log: the host of its address is its name on checkpoints."""

    host: str
    key: PublicKey
    log_id: bytes
    window: Window


class Witnessed(NamedTuple):
    """A log of certificates, by its id; whether it signed is for others to check."""

    log_id: bytes
    window: Window


class CertificateAuthority(NamedTuple):
    """Who issues certificates: its chain, DER, the root last, and when it counts."""

    chain: tuple[bytes, ...]
    window: Window


class TrustedRoot(NamedTuple):
    """Whom a client of Sigstore believes. `content` is all of it as JSON, for its library."""

    logs: tuple[Log, ...]
    authorities: tuple[CertificateAuthority, ...]
    transparency: tuple[Witnessed, ...]
    content: dict[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `trusted_root.json`.

        Raises:
            LimitError: too large, or too many of anything.
            UnsupportedError: another media type, or a log of another hash.
            AmbiguousKeyError: two logs of one id.
            KeyDetailsError, WeakKeyError: a log's key that nobody should trust.
            MalformedError: any other shape.
        """
        content = json_object(data, limit=limits.TRUST_FILE)
        fields = Fields(content, "trusted_root")
        media_type = fields.text("mediaType")
        if media_type != MEDIA_TYPE:
            raise UnsupportedError(f"expected mediaType {MEDIA_TYPE}, found {media_type[:80]!r}")
        lists = {
            name: fields.items(name, most=_MOST) if fields.has(name) else []
            for name in ("tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
        }
        fields.done()
        logs = tuple(
            log for i, value in enumerate(lists["tlogs"]) if (log := _log(value, f"tlogs[{i}]"))
        )
        if len({log.log_id for log in logs}) != len(logs):
            raise AmbiguousKeyError("two logs of the trusted root have one id")
        for i, value in enumerate(lists["timestampAuthorities"]):
            _authority(value, f"timestampAuthorities[{i}]")
        return cls(
            logs,
            tuple(
                _authority(value, f"certificateAuthorities[{i}]")
                for i, value in enumerate(lists["certificateAuthorities"])
            ),
            tuple(_witnessed(value, f"ctlogs[{i}]") for i, value in enumerate(lists["ctlogs"])),
            content,
        )

    @property
    def names_logs(self) -> bool:
        """Whether it lists a log at all, even of a key that we cannot check."""
        return bool(self.content.get("tlogs"))

    def log(self, log_id: bytes) -> Log:
        """Return the log of this id; raises `UntrustedLogError` when there is none."""
        for log in self.logs:
            if log.log_id == log_id:
                return log
        raise UntrustedLogError(f"no log of the trusted root has the id {log_id.hex()[:16]}…")


def _log(value: object, where: str) -> Log | None:
    url, log_id, raw, details, window = _instance(value, where)
    try:
        key = PublicKey(raw)
    except WeakKeyError:
        raise
    except UnsupportedKeyError:
        return None
    if details != key.algorithm.key_details:
        raise KeyDetailsError(
            f"{where}: expected {key.algorithm.key_details}, found {details[:80]!r}"
        )
    return Log(note_name(_host(url, where)), key, log_id, window)


def _host(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no address
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise MalformedError(f"{where}.baseUrl: expected a URL with a host, found {url[:80]!r}")
    return parts.hostname


def _witnessed(value: object, where: str) -> Witnessed:
    _, log_id, _, _, window = _instance(value, where)
    return Witnessed(log_id, window)


def _instance(value: object, where: str) -> tuple[str, bytes, bytes, str, Window]:
    """Return address, id, key, the name of its algorithm, and window of a log of either kind."""
    fields = Fields(value, where)
    url, algorithm = fields.text("baseUrl"), fields.text("hashAlgorithm")
    if algorithm != _HASH:
        raise UnsupportedError(f"{where}: expected {_HASH}, found {algorithm[:40]!r}")
    public = fields.inside("publicKey")
    raw, details = b64(public.text("rawBytes")), public.text("keyDetails")
    window = Window.of(public.inside("validFor"))
    public.done()
    log_id = _id(fields.inside("logId"))
    if len(log_id) != _ID_SIZE:
        raise MalformedError(f"{where}.logId: expected {_ID_SIZE} bytes, found {len(log_id)}")
    if fields.has("checkpointKeyId"):
        hint = _id(fields.inside("checkpointKeyId"))
        if len(hint) not in (_HINT_SIZE, _ID_SIZE) or not log_id.startswith(hint):
            raise MalformedError(f"{where}.checkpointKeyId: expected the start of its logId")
    if fields.has("operator"):
        fields.text("operator")
    fields.done()
    return url, log_id, raw, details, window


def _id(fields: Fields) -> bytes:
    found = b64(fields.text("keyId"))
    fields.done()
    return found


def _authority(value: object, where: str) -> CertificateAuthority:
    fields = Fields(value, where)
    for name in ("uri", "operator"):
        if fields.has(name):
            fields.text(name)
    if fields.has("subject"):
        subject = fields.inside("subject")
        for name in ("organization", "commonName"):
            if subject.has(name):
                subject.text(name)
        subject.done()
    window = Window.of(fields.inside("validFor"))
    chain = fields.inside("certChain")
    fields.done()
    certificates = []
    for i, one in enumerate(chain.items("certificates", most=_CHAIN)):
        certificate = Fields(one, f"{where}.certificates[{i}]")
        certificates.append(b64(certificate.text("rawBytes")))
        certificate.done()
    chain.done()
    if not certificates:
        raise MalformedError(f"{where}: expected a certificate, found none")
    if any(len(one) > limits.CERTIFICATE for one in certificates):
        raise LimitError(f"{where}: expected at most {limits.CERTIFICATE} bytes of certificate")
    return CertificateAuthority(tuple(certificates), window)


def _time(text: str) -> float:
    """Parse a time as protobuf's JSON prints it: RFC 3339 in UTC, perhaps with a fraction."""
    match = _FRACTION.search(text)
    if match is None:
        return rfc3339(text)
    return rfc3339(text[: match.start()] + "Z" + text[match.end() :]) + float(f"0.{match[1]}")
