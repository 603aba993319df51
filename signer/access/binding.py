"""A binding: that somebody has a role somewhere.

    {"role":"developer","repository":"registry.bank/team/**",
     "certificate":"spiffe://bank.example/ci/team"}

Who is one of three: the holder of a client certificate with this URI; whoever has a token of an
issuer with these claims; or whoever calls from these networks, for roles that change nothing.
Networks narrow the others too. In the configuration, the place of an issuer's binding may name
claims, as in "registry.bank/{namespace_path}/**".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self, cast

from signer.access.roles import ANONYMOUS, ROLES, RoleName
from signer.access.where import Where
from signer.config.access import BindingSection
from verifier._strict import Fields
from verifier.errors import MalformedError

_MOST = 64
_NONE: Mapping[str, str] = MappingProxyType({})


class Binding(NamedTuple):
    """One binding. `rule` is what it is called: "bindings.3", or "binding:42" by its event.

    `issuer` is the name of a configured one. By an event, `issuer_url` is what that name stood for
    then, `bound_by` is who bound it, and `at` is where the event is in the ledger.
    """

    role: RoleName
    repository: str = "*"
    certificate: str = ""
    issuer: str = ""
    claims: Mapping[str, str] = _NONE
    pin: str | None = None
    networks: tuple[str, ...] = ()
    people: bool = False
    rule: str = ""
    issuer_url: str = ""
    bound_by: str = ""
    at: int | None = None

    @classmethod
    def configured(cls, section: BindingSection, number: int) -> Self:
        """Return what the section `[[bindings]]` with this number, from 0, says."""
        return cls(
            section.role,
            section.repository,
            section.certificate or "",
            section.issuer or "",
            MappingProxyType(dict(section.claims)),
            section.pin,
            section.networks,
            section.people,
            f"bindings.{number}",
        )

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the fields of `json`.

        Raises:
            MalformedError, WhereError: any other shape.
        """
        role = fields.text("role")
        if role not in ROLES:
            raise MalformedError(f"expected a role, found {role[:40]!r}")
        found = cls(
            cast("RoleName", role),
            Where(fields.text("repository")),
            fields.text("certificate") if fields.has("certificate") else "",
            fields.text("issuer") if fields.has("issuer") else "",
            MappingProxyType(fields.take("claims", dict)) if fields.has("claims") else _NONE,
            networks=tuple(fields.items("networks", most=_MOST)) if fields.has("networks") else (),
            issuer_url=fields.text("issuer_url") if fields.has("issuer_url") else "",
        )
        fields.done()
        values = (*found.claims.values(), *found.networks)
        if not all(isinstance(value, str) for value in values):
            raise MalformedError("expected only strings in the claims and networks of a binding")
        by_token = {bool(found.issuer), bool(found.issuer_url), bool(found.claims)}
        if len(by_token) != 1 or (found.certificate and found.issuer):
            raise MalformedError("expected a certificate, or an issuer and claims, or networks")
        if found.anonymous and (found.role not in ANONYMOUS or not found.networks):
            raise MalformedError(f"a network alone may be {', '.join(sorted(ANONYMOUS))}")
        return found

    def json(self) -> dict[str, object]:
        """Return what `read` takes: who, what and where, and nothing that is not said."""
        said = {
            "role": str(self.role),
            "repository": str(self.repository),
            "certificate": self.certificate,
            "issuer": self.issuer,
            "issuer_url": self.issuer_url,
            "claims": dict(self.claims),
            "networks": list(self.networks),
        }
        return {name: value for name, value in said.items() if value}

    @property
    def anonymous(self) -> bool:
        """Whether it is for whoever calls from its networks."""
        return not self.certificate and not self.issuer

    def same(self, other: Binding) -> bool:
        """Whether both say the same, by whatever rule."""
        return self.json() == other.json()

    @property
    def where(self) -> Where | None:
        """The place, or None for one that claims decide."""
        return None if "{" in self.repository else Where(self.repository)
