"""A configuration in sentences: who may do what, and from where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from signer.access.binding import Binding
from signer.access.roles import ROLES
from signer.address import is_loopback
from signer.config import Config
from signer.configuring.checking import Checked
from verifier.repository import EVERYWHERE
from verifier.spans import span

_TOKENS = (
    ("token", "on this machine, may do all that callers do: sign, attest, read, append"),
    ("append_token", "may append to the log, and no more"),
    ("approver_token", "may look, and agree to what others ask for"),
)
_DAY_S = 86_400


def paragraphs(checked: Checked) -> list[list[str]]:
    """Return the sentences: where from, who, what needs more, what is kept."""
    config = checked.config
    found = (
        _network(config),
        _callers(checked),
        _signing(checked),
        _operating(config),
        _kept(config),
    )
    return [list(sentences) for sentences in found]


def warnings(checked: Checked) -> list[str]:
    """Return what is allowed, and should be meant."""
    config, found = checked.config, list[str]()
    open_to_all = config.access.allow is None and not all(
        map(is_loopback, (config.listen.grpc, config.listen.http))
    )
    if open_to_all:
        found.append("access.allow is not set: whoever can reach the addresses may connect")
    if open_to_all and config.listen.client_ca is None:
        found.append("listen.client_ca is not set: a stolen token alone is enough to call")
    for name, issuer in config.issuers.items():
        if issuer.pull_requests:
            found.append(f"issuers.{name} takes tokens of pull requests: their code is anybody's")
        if not any(one.issuer == name for one in checked.bindings):
            found.append(f"issuers.{name} vouches for nobody: no binding names it")
    found += [
        f"{one.rule} lets {_who(one)} do that everywhere"
        for one in checked.bindings
        if one.repository == EVERYWHERE and one.role in {"developer", "prefix-admin"}
    ]
    if config.trust.policy is not None and not checked.trust.policy_sha256:
        found.append("the trust file pins no policy: whoever can write its file chooses the rules")
    if config.anchor.exec is None and not config.witnesses.at and not config.mirror.synchronous:
        found.append("no witness, mirror or anchor: nobody else would see the ledger rewritten")
    return found


def _network(config: Config) -> Iterator[str]:
    listen, access = config.listen, config.access
    here = is_loopback(listen.grpc) and is_loopback(listen.http)
    tls = "with TLS" if listen.tls_certificate else "without TLS, on this machine alone"
    yield f"Calls are taken at {listen.grpc} (gRPC) and {listen.http} (HTTP), {tls}."
    if access.allow is None:
        if not here:
            yield "Whoever can reach that may connect."
    elif access.allow:
        yield f"Only from {_list(access.allow, 'and')} may anybody connect."
    else:
        yield "Nobody may connect: access.allow is empty."
    if listen.client_ca is not None:
        yield f"gRPC wants a client certificate by {listen.client_ca}; HTTP looks at one."
        if access.deny_certificates:
            denied = len(access.deny_certificates)
            yield f"{_count(denied, 'certificate is', 'certificates are')} denied."
    if access.proxies:
        yield f"X-Forwarded-For is believed from {_list(access.proxies, 'and')}."


def _callers(checked: Checked) -> Iterator[str]:
    config = checked.config
    for name, may in _TOKENS:
        if getattr(config.access, name) is not None:
            yield f"Whoever has access.{name} ({getattr(config.access, name)}), {may}."
    for name, issuer in config.issuers.items():
        whose = "people" if issuer.people else "pipelines"
        keys = issuer.jwks_file or issuer.jwks_url or "what its discovery document names"
        yield (
            f"{name} is {issuer.issuer}, which vouches for {whose} by tokens for "
            f"{issuer.audience!r} that live at most {span(issuer.longest_s)}; its keys: {keys}."
        )
    for one in checked.bindings:
        yield f"{_capital(_who(one))}, is {one.role} {_where(one)} ({one.rule}): may {_may(one)}."
    if not any(one.anonymous for one in checked.bindings):
        yield "Whoever is on this machine may fetch what verifiers need, and read metrics."
    if not checked.bindings:
        yield "Nobody has a role by this file."
    yield "Everybody else may do nothing, unless the ledger has a binding for them."


def _signing(checked: Checked) -> Iterator[str]:
    for name, key in checked.keys.items():
        does = "signs what nobody read" if key.raw else f"{key.purpose}s"
        yield f"Key {name} {does} ({key.public.algorithm.name} {key.public.fingerprint[:16]}…)."
    for gate in checked.rules.gates:
        asked = [name for name in ("requester", "vulnerabilities") if name in gate.demand]
        said = {
            "requester": "who asks is somebody whose approval the policy counts",
            "vulnerabilities": "a scan is logged that the policy takes",
        }
        where = "anywhere" if gate.under == EVERYWHERE else f"under {gate.under}"
        yield f"Nothing is approved {where} unless {_list([said[one] for one in asked], 'and')}."
    people = _list(list(checked.config.approvers), "or")
    for rule in checked.config.protected:
        what = f"by key {rule.key}" if rule.key else f"under {rule.under}"
        if rule.approvals:
            yield f"What is signed {what} needs {rule.approvals} of {people} to agree."
        if rule.pipelines_only:
            yield f"No person signs {what}, whoever agrees."


def _operating(config: Config) -> Iterator[str]:
    yield f"Whoever can open {config.listen.operator} runs the service, and may bind roles."
    if config.key_changes is None:
        yield "What is done to keys needs nobody else to agree."
    else:
        others, people = config.key_changes.approvals, _list(list(config.approvers), "or")
        yield f"What is done to keys needs {others} of {people} to agree, besides who asks."


def _kept(config: Config) -> Iterator[str]:
    trail = config.trail
    forward = f", and sent to {trail.syslog}" if trail.syslog else ""
    yield (
        f"Who did what is kept in {trail.directory} for {span(trail.retain_days * _DAY_S)}, closed "
        f"every {trail.segment_s:g} s{forward}."
    )
    sealed = config.at_rest
    if sealed is None:
        yield "Nothing is encrypted where it is stored."
    else:
        what = [
            name
            for name, on in (
                ("bodies of attestations", sealed.bodies),
                ("records of API keys", sealed.api_keys),
            )
            if on
        ]
        yield f"Encrypted where they are stored: {_list(what, 'and') or 'nothing'}."


def _who(one: Binding) -> str:
    if one.certificate:
        who = f"the holder of the certificate {one.certificate}"
    elif one.issuer:
        claims = [f"{name} {value!r}" for name, value in one.claims.items()]
        pinned = [f"the first {one.pin} seen with its name"] if one.pin else []
        who = f"who has a token of {one.issuer} with {_list([*claims, *pinned], 'and')}"
    else:
        return f"whoever calls from {_list(one.networks, 'or')}"
    person = " (a person)" if one.people else ""
    return f"{who}{person}" + (f", from {_list(one.networks, 'or')}" if one.networks else "")


def _where(one: Binding) -> str:
    return "everywhere" if one.repository == EVERYWHERE else f"in {one.repository}"


def _may(one: Binding) -> str:
    return _list(ROLES[one.role], "and")


def _list(words: Sequence[object] | Iterable[object], last: str) -> str:
    *first, end = [str(word) for word in words] or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
