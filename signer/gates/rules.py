"""Which gates there are, and that the policy has what they ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from signer.config import Config
from signer.errors import ConfigError
from signer.trust_files import read_policy
from verifier.policy import Policy
from verifier.policy.demands import Demand, Images
from verifier.policy.judging import check_keys
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.statement import APPROVAL
from verifier.trust import TrustRoot

_NOTHING: frozenset[str] = frozenset()


class Gate(NamedTuple):
    """What has to hold under a scope."""

    under: Scope
    demand: frozenset[str]


class Rules(NamedTuple):
    """All gates, and the policy that they ask; `content` is its file, which is handed out."""

    gates: tuple[Gate, ...] = ()
    policy: Policy | None = None
    content: bytes | None = None

    @classmethod
    def read(cls, config: Config, trust: TrustRoot) -> Self:
        """Read the policy that `config` names and `trust` pins, and the gates, which ask it.

        Without a gate nobody asks it here, and it may be any.

        Raises:
            ConfigError: there is no policy, or it has no such rule for all that is under a gate.
            PolicyMismatchError: it is not the one that `trust` pins.
            PolicyError: it is none, or names a key that `trust` does not have.
        """
        content = read_policy(config, trust)
        gates = tuple(Gate(Scope(one.under), frozenset(one.demand)) for one in config.gates)
        if not gates:
            return cls(content=content)
        if content is None:
            raise ConfigError(
                f"a gate under {gates[0].under} asks the policy, and there is none",
                hint="say in trust.policy where it is",
            )
        policy = Policy.parse(content)
        check_keys(trust, policy)
        for gate in gates:
            _check_asked(gate, policy)
        return cls(gates, policy, content)

    def demanded(self, repository: Repository) -> frozenset[str]:
        """Return what has to hold for an image of `repository`."""
        if not self.gates:
            return _NOTHING
        found = (gate.demand for gate in self.gates if gate.under.covers(repository))
        return _NOTHING.union(*found)


def approvals(images: Images) -> Sequence[Demand]:
    """Return the approvals that `images` need."""
    return [one for one in images.demands if one.predicate_type == APPROVAL]


def _check_asked(gate: Gate, policy: Policy) -> None:
    rules = [one for one in policy.images if _lies_in(one.under, gate.under)]
    around = [one for one in policy.images if _lies_in(gate.under, one.under)]
    rules += sorted(around, key=_narrowness)[-1:]
    if not rules:
        raise ConfigError(f"no rule of the policy is for what is under the gate {gate.under}")
    for images in rules:
        if "vulnerabilities" in gate.demand and images.vulnerabilities is None:
            raise ConfigError(
                f"a gate under {gate.under} asks for a vulnerability report, and the policy's "
                f"rules for {images.under} do not"
            )
        if "requester" in gate.demand and not any(one.requester for one in approvals(images)):
            raise ConfigError(
                f"a gate under {gate.under} asks who requests, and the policy's rules for "
                f"{images.under} do not"
            )


def _lies_in(inner: Scope, outer: Scope) -> bool:
    if EVERYWHERE in (inner, outer):
        return outer == EVERYWHERE
    return f"{inner}/".startswith(f"{outer}/")


def _narrowness(images: Images) -> int:
    return 0 if images.under == EVERYWHERE else len(images.under)
