"""The configuration: one TOML file, `sealbook.toml`, as `sealbook init` writes it.

Unknown keys are refused: a misspelt setting must not fall back to a default.
Relative paths start at the directory of the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledger.anchor import LONGEST_ORIGIN
from ledger.opening import Home
from ledger.signatory import LogKeys
from signer.address import check_address, is_loopback
from signer.errors import ConfigError, KeyFileError, ListenError
from signer.keys import open_key
from signer.keys.home import Role
from signer.keys.secret_files import read_secret
from verifier._strict import name as check_key_name
from verifier.errors import SealbookError
from verifier.repository import Scope

STATUS_EVERY_S = 3600.0

_SEAL_BYTES = 32
_LOG = Role("", "log")  # there may be several at once
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def check_origin(text: str) -> str:
    """Return `text` if it can be the origin of a ledger: a bare host name.

    Sigstore's clients compare it with the host name of the log's URL, and take a
    name that ends in " - <number>" for another kind of log. At most 128 characters,
    so that the anchor's slot holds it.

    Raises:
        ConfigError: it cannot.
    """
    if not _ORIGIN.fullmatch(text) or len(text) > LONGEST_ORIGIN:
        raise ConfigError(f"expected a bare host name in lower case, found {text[:80]!r}")
    return text


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """Return a check of ours as pydantic wants it."""

    def checked(text: str) -> str:
        try:
            return check(text)
        except SealbookError as e:
            raise ValueError(e.message) from e

    return AfterValidator(checked)


Address = Annotated[str, _checked(check_address)]
Origin = Annotated[str, _checked(check_origin)]
Name = Annotated[str, _checked(check_key_name)]
Under = Annotated[str, _checked(Scope)]
Approvals = Annotated[int, Field(ge=1, le=16)]


class LedgerSection(_Section):
    """Where the ledger lives.

    `anchor_sync` "each-second" moves the anchor once a second instead of once a commit: a
    rollback to within the last second is then not noticed by this machine.
    """

    directory: Path
    anchor: Path
    anchor_sync: Literal["each-commit", "each-second"] = "each-commit"


class AnchorSection(_Section):
    """What is handed each day's checkpoint: a program, its own arguments first.

    It gets the checkpoint on standard input; what it prints is kept as the receipt.
    """

    exec: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class WitnessSection(_Section):
    """Where a witness of the trust file's policy answers, and where it shows what it cosigned."""

    url: str
    monitoring: str | None = None


class WitnessesSection(_Section):
    """Who must have seen a tree before readers may; the quorum itself is in the trust file.

    `fail` "closed" answers no Sign without the quorum; "open" publishes after the deadline
    nevertheless, with whatever cosignatures there are.
    """

    fail: Literal["closed", "open"] = "closed"
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    ca: Path | None = None
    at: dict[Name, WitnessSection] = {}


class MirrorSection(_Section):
    """Whether Sign waits until the mirror holds the entry too."""

    synchronous: bool = False
    deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class KeysSection(_Section):
    """The service's own keys, by URI; `seal` is a file of 32 bytes.

    While the log key rotates, `log_also` signs every checkpoint too; `log_post_quantum`
    (ML-DSA-44) signs those that are published. `timestamp` says when, `issuer` and
    `transparency` make and witness the certificates of the form `certificate`.
    """

    log: str
    log_also: tuple[str, ...] = ()
    log_post_quantum: str | None = None
    promise: str
    event: str
    status: str
    seal: Path
    timestamp: str | None = None
    issuer: str | None = None
    transparency: str | None = None


class CertificatesSection(_Section):
    """The X.509 chains of those keys: PEM, the key's own certificate first, the root last."""

    timestamp: Path | None = None
    issuer: Path | None = None


class TimestampSection(_Section):
    """An outside RFC 3161 authority, instead of our own; `chain` is PEM, its certificate first.

    `url` is shown to callers when the authority fails, so that there is no password in it.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s@/?#]+(/[^\s@#]*)?$")]
    chain: Path
    ca: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0


class SigningKeySection(_Section):
    """A key that callers may ask for: to approve, to attest, or to sign what nobody read.

    `certificate` is a PEM chain for the form `notation`, the key's own certificate first.
    `also` names keys that sign the same statement again, each as a bundle of its own.
    `rotate_every_days` is how old the key may get before the service warns.
    """

    uri: str
    purpose: Literal["approve", "attest"] = "approve"
    raw: bool = False
    forms: Annotated[tuple[str, ...], Field(min_length=1)] = ("bundle",)
    certificate: Path | None = None
    also: tuple[Name, ...] = ()
    rotate_every_days: Annotated[int, Field(ge=1, le=3650)] | None = None

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        if (self.raw or self.purpose == "attest") and self.forms != ("bundle",):
            raise ValueError("forms are for keys that approve")
        if self.raw and self.purpose != "approve":
            raise ValueError("raw and a purpose exclude each other")
        if self.raw and self.also:
            raise ValueError("only what is read is signed by a second key also")
        if self.raw and self.rotate_every_days:
            raise ValueError("of a raw key nobody knows since when it is trusted")
        return self


class SigningSection(_Section):
    """The signing keys by name, and those that are meant when none is named.

    A key that was made or rotated by command lives where `book` says, which the service
    writes. It signs once a trust file with it was handed out for `overlap_s`: until then
    there may be verifiers who have not heard of it.
    """

    default_key: Name
    default_attest_key: Name | None = None
    keys: dict[Name, SigningKeySection]
    book: Path = Path("keys/book.json")
    overlap_s: Annotated[float, Field(ge=0, le=90 * 86_400)] = 86_400.0

    @model_validator(mode="after")
    def _defaults_exist(self) -> Self:
        for field, purpose in (("default_key", "approve"), ("default_attest_key", "attest")):
            named = getattr(self, field)
            if named is None:
                continue
            key = self.keys.get(named)
            if key is None:
                raise ValueError(f"{field} {named!r} is not among the keys")
            if key.raw or key.purpose != purpose:
                raise ValueError(f"{field} {named!r} is not for purpose {purpose!r}")
        return self

    @model_validator(mode="after")
    def _seconds_exist(self) -> Self:
        for name, key in self.keys.items():
            if len(set(key.also)) != len(key.also) or name in key.also:
                raise ValueError(f"keys.{name}.also names a key twice, or itself")
            for second in key.also:
                other = self.keys.get(second)  # else a command made it, or it is not there
                if other and (other.raw, other.purpose) != (key.raw, key.purpose):
                    raise ValueError(f"{second!r}, which {name} names, is no key for the same")
        return self


class ListenSection(_Section):
    """Where to listen. Beyond loopback only with TLS.

    `public_url` is where clients find the HTTP side, when that is another address.
    """

    grpc: Address = "127.0.0.1:8640"
    http: Address = "127.0.0.1:8641"
    operator: Path = Path("run/operator.sock")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    reflection: bool = False
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$")] | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class AccessSection(_Section):
    """The files with the tokens of callers.

    With `append_token` one may append to the log and no more, with `approver_token` look, and
    agree to what others ask for.
    """

    token: Path
    append_token: Path | None = None
    approver_token: Path | None = None


class TrustSection(_Section):
    """The files that verifiers pin, which the service hands out.

    The service writes `status`, anew at least every `status_every_s`: it says what was
    revoked, and verifiers who see none for longer than they like refuse. `policy` is what
    an image needs; who hands one out need not follow it.
    """

    trust: Path
    trusted_root: Path
    status: Path = Path("status.json")
    status_every_s: Annotated[float, Field(gt=0, le=86_400)] = STATUS_EVERY_S
    policy: Path | None = None


class WarnSection(_Section):
    """How long before something ends the service begins to say so."""

    days: Annotated[int, Field(ge=1, le=365)] = 30


class ApproverSection(_Section):
    """A person who may approve: the PEM of their public key, and who they are when they call."""

    key: Path
    principals: tuple[str, ...] = ()


class ProtectedSection(_Section):
    """So many others have to approve what is signed under a scope, or by a key."""

    approvals: Approvals
    under: Under | None = None
    key: Name | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.under is None) == (self.key is None):
            raise ValueError("expected either under or key")
        return self


class KeyChangesSection(_Section):
    """So many others have to approve what is done to keys, and new trust files."""

    approvals: Approvals


class Config(_Section):
    """Everything that `sealbook serve` needs to know; `base` is where relative paths start."""

    base: Path
    origin: Origin
    ledger: LedgerSection
    keys: KeysSection
    signing: SigningSection
    access: AccessSection
    trust: TrustSection
    certificates: CertificatesSection = CertificatesSection()
    timestamp: TimestampSection | None = None
    listen: ListenSection = ListenSection()
    anchor: AnchorSection = AnchorSection()
    witnesses: WitnessesSection = WitnessesSection()
    mirror: MirrorSection = MirrorSection()
    warn: WarnSection = WarnSection()
    approvers: dict[Name, ApproverSection] = {}
    protected: tuple[ProtectedSection, ...] = ()
    key_changes: KeyChangesSection | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file at `path`.

        Raises:
            ConfigError: it is not there, not TOML, or says something that we do not know.
            ListenError: it would listen beyond loopback without TLS.
        """
        try:
            values = tomllib.loads(path.read_text("utf-8"))
            config = cls(base=path.absolute().parent, **values)
        except OSError as e:
            raise ConfigError(
                f"cannot read {path}: {e.strerror}",
                hint="make a service with `sealbook init DIR`, or name its file with --config",
            ) from e
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise ConfigError(f"{path}: {where}: {first['msg']}") from e
        except (ValueError, TypeError) as e:
            raise ConfigError(f"{path}: {e}") from e
        config._refuse_bare_listening()
        return config

    @property
    def home(self) -> Home:
        """Where the ledger lives, absolute."""
        return Home(
            self.base / self.ledger.directory,
            self.base / self.ledger.anchor,
            self.origin,
            each_second=self.ledger.anchor_sync == "each-second",
        )

    def log_keys(self) -> LogKeys:
        """Open the keys that the ledger signs and seals with.

        Raises:
            KeyFileError: one of them cannot be used.
        """
        seal = read_secret(self.path(self.keys.seal))
        if len(seal) != _SEAL_BYTES:
            raise KeyFileError(f"expected {_SEAL_BYTES} bytes in {self.keys.seal}")
        quantum = self.keys.log_post_quantum
        return LogKeys(
            open_key(self.keys.log, self.base, _LOG),
            seal,
            tuple(open_key(uri, self.base, _LOG) for uri in self.keys.log_also),
            open_key(quantum, self.base, _LOG) if quantum else None,
            open_key(self.keys.promise, self.base, Role("promise", "promise")),
        )

    def path(self, relative: Path) -> Path:
        """Return a configured path, absolute."""
        return self.base / relative

    def _refuse_bare_listening(self) -> None:
        for address in (self.listen.grpc, self.listen.http):
            if not is_loopback(address) and self.listen.tls_certificate is None:
                raise ListenError(
                    f"{address} is beyond loopback, and there is no TLS certificate",
                    hint="set listen.tls_certificate and listen.tls_key",
                )
