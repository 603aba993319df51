"""The keys that the service signs with, by URI, and what each makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from signer.config.values import Name, Section


class KeysSection(Section):
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


class CertificatesSection(Section):
    """The X.509 chains of those keys: PEM, the key's own certificate first, the root last."""

    timestamp: Path | None = None
    issuer: Path | None = None


class TimestampSection(Section):
    """An outside RFC 3161 authority, instead of our own; `chain` is PEM, its certificate first.

    `url` is shown to callers when the authority fails, so that there is no password in it.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s@/?#]+(/[^\s@#]*)?$")]
    chain: Path
    ca: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0


class SigningKeySection(Section):
    """A key that callers may ask for: to approve, to attest, or to sign what nobody read.

    `certificate` is a PEM chain for the form `notation`, the key's own certificate first.
    With `verification_plugin` such signatures name our plugin for notation, which looks into
    the ledger; whoever verifies without it cannot.
    `also` names keys that sign the same statement again, each as a bundle of its own.
    `rotate_every_days` is how old the key may get before the service warns.
    """

    uri: str
    purpose: Literal["approve", "attest"] = "approve"
    raw: bool = False
    forms: Annotated[tuple[str, ...], Field(min_length=1)] = ("bundle",)
    certificate: Path | None = None
    verification_plugin: bool = False
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
        if self.verification_plugin and self.certificate is None:
            raise ValueError("verification_plugin is for notation, and needs a certificate")
        return self


class SigningSection(Section):
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
