"""Who could do what, where, at a position of the ledger: read from its events.

What the configuration bound is in the newest `configuration` event below that position, what
was bound by call in the events `role-bound` and `role-unbound` below it. `since` is from which
tree size on it has been so without a break.

Some can do something without a binding: whoever holds one of the tokens of files, and whoever
can open the admin socket. They are rows of their own. Not here: sessions and API keys, which end
within a day and may do no more than a binding let whoever made them; the audit trail has those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger.ledger import Ledger
from signer.access import bindings
from signer.access.binding import Binding
from signer.access.principal import Principal
from signer.access.where import Where
from signer.config.access import BindingSection
from signer.configuring.logged import Logged, history
from signer.errors import RequestError
from verifier._strict import canonical_json

_HERE = ("127.0.0.0/8", "::1/128")
# Role, as it is told, and from where, of whoever has one of the tokens.
_TOKENS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("token", "holder of the token", _HERE),
    ("append_token", "appender", ()),
    ("approver_token", "approver", ()),
)
_SOCKET = "listen.operator"
_NONE: Mapping[str, str] = MappingProxyType({})


class Held(NamedTuple):
    """Somebody's role somewhere. `rule` says by what, `since` from which tree size on."""

    role: str
    repository: str
    rule: str
    since: int
    certificate: str = ""
    issuer: str = ""
    claims: Mapping[str, str] = _NONE
    networks: tuple[str, ...] = ()
    pin: str = ""
    people: bool = False
    bound_by: str = ""


class Review(NamedTuple):
    """What counted at tree size `at`; `configuration` is the one of then, if one was logged."""

    at: int
    held: tuple[Held, ...]
    configuration: Logged | None

    def seen_by(self, principal: Principal) -> Review:
        """Return what is about places that `principal` audits; all of it, if that is everywhere."""
        places = [grant.where for grant in principal.grants.get("audit", ())]
        if "*" in places:
            return self
        held = tuple(one for one in self.held if any(_touch(one, place) for place in places))
        return Review(self.at, held, None)


def review(ledger: Ledger, at: int | None = None, time: int = 0) -> Review:
    """Return what counted once `at` entries were there, or at `time`, or counts now.

    Raises:
        RequestError: the ledger never had so many entries, or none by then.
        DamagedError: an event cannot be read, or is missing.
    """
    size = ledger.head.tree_size
    if at is None:
        at = ledger.store.position(time + 1) if time else size
    if not 0 < at <= size:
        raise RequestError(f"expected a tree size from 1 to {size}, found {at}")
    configurations = list(history(ledger.store, ledger.bodies, at))
    held = [*_configured(configurations), *map(_logged, bindings.bound_at(ledger, at))]
    return Review(at, tuple(held), configurations[-1] if configurations else None)


def _configured(configurations: Sequence[Logged]) -> list[Held]:
    """Return what the newest of `configurations`, all in order, gives to whom."""
    if not configurations:
        return []
    content = configurations[-1].content
    access = content["config"].get("access", {})
    socket = _since(configurations, lambda _: "")
    found = [Held("admin", "*", _SOCKET, socket)]
    for name, role, networks in _TOKENS:
        if name in access:
            since = _since(configurations, partial(_token, name))
            found.append(Held(role, "*", f"access.{name}", since, networks=networks))
    for n, said in enumerate(content["config"].get("bindings", [])):
        one = Binding.configured(BindingSection.model_validate(said), n)
        what = _meant(content, said)
        found.append(_held(one, _since(configurations, partial(_says, what))))
    return found


def _logged(one: Binding) -> Held:
    assert one.at is not None
    return _held(one, one.at + 1)


def _held(one: Binding, since: int) -> Held:
    return Held(
        one.role,
        one.repository,
        one.rule,
        since,
        one.certificate,
        one.issuer,
        dict(one.claims),
        one.networks,
        one.pin or "",
        one.people,
        one.bound_by,
    )


def _since(configurations: Sequence[Logged], told: Callable[[Any], object]) -> int:
    """Return from which tree size on each configuration says what the last one does."""
    last, since = told(configurations[-1].content), configurations[-1].index + 1
    for one in reversed(configurations):
        if told(one.content) != last:
            break
        since = one.index + 1
    return since


def _token(name: str, content: Any) -> object:
    return content.get("files", {}).get(f"access.{name}")


def _says(what: bytes, content: Any) -> bool:
    """Whether a configuration has a binding that means this."""
    return any(what == _meant(content, one) for one in content["config"].get("bindings", []))


def _meant(content: Any, said: Any) -> bytes:
    """Return a binding and the issuer that it names, as they were: the same is the same right."""
    issuer = content["config"].get("issuers", {}).get(said.get("issuer"))
    return canonical_json([said, issuer])


def _touch(one: Held, place: Where) -> bool:
    """Whether what is held may be about something in `place`; claims may make any place."""
    if "{" in one.repository:
        return True
    where = Where(one.repository)
    return place.contains(where) or where.contains(place)
