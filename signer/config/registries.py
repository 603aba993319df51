"""Registries that the service writes to, and how it does: who it is there, and whom it believes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from signer.config.values import Section, Under
from verifier.repository import EVERYWHERE

_HOST = r"^[A-Za-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?$"


class RegistrySection(Section):
    """What holds for repositories under `prefix`; of all that cover one, the longest counts.

    `credential` is a file with "user:secret", or "systemd:NAME". `token_hosts` may hand out tokens
    for it, and to `redirect_hosts`, inside our network, it may send us. Without `publish` the
    service writes nothing there. `attach` "all" attaches whatever is signed there without being
    asked; `also` attaches what second keys sign, too. `timeout_s` is for each thing that is asked.
    """

    prefix: Under
    credential: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    ca: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    token_hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = ()
    redirect_hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = ()
    plain_http: bool | None = None
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 60
    publish: bool = False
    attach: Literal["asked", "all"] = "asked"
    also: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key go together")
        if self.prefix == EVERYWHERE:  # whoever names a host would be sent the credential
            raise ValueError("expected a host, and what repositories there begin with")
        if not self.publish and (self.attach == "all" or self.also):
            raise ValueError("attach and also need publish = true")
        return self


class PublishSection(Section):
    """How what was signed gets to the registries: in the background, and for as long as it takes.

    At most `most_waiting` images wait; what is done with is shown for `keep_days`; the log warns
    when something waits longer than `late_s`.
    """

    database: Path = Path("publish.db")
    workers: Annotated[int, Field(ge=1, le=64)] = 4
    most_waiting: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    keep_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    late_s: Annotated[int, Field(ge=1, le=86_400)] = 900
