"""Puts the judge of reviews together: the gate, registries, and the cluster's pull secrets."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from verifier.pull.admission.cluster import open_cluster
from verifier.pull.admission.core import Core
from verifier.pull.admission.logins import Puller, PullSecrets
from verifier.pull.admission.resolving import PodsRegistry, Resolver
from verifier.pull.admission.settings import AdmissionSettings
from verifier.pull.decision import Decision, Question, Source
from verifier.pull.gate import Gate
from verifier.pull.registry.settings import Registries

_PULLERS = 4096


def open_core(
    gate: Gate,
    settings: AdmissionSettings,
    registries: Registries | Callable[[], Registries],
    *,
    counted: Callable[[Source], Source] = lambda one: one,
) -> Core:
    """Return the judge of a webhook; close it.

    `registries` is what is configured of them, or reads it each time. Where the gate asks
    registries, it asks them as the pod is, through what `counted` makes of that source.

    Raises:
        PullSecretError: the cluster that is configured is none.
    """
    cluster = open_cluster(settings.cluster) if settings.pull_secrets else None
    secrets = None if cluster is None else PullSecrets(cluster)
    read = (lambda: registries) if isinstance(registries, Registries) else registries
    resolver = Resolver(read, secrets)
    judge = PodsGate(gate, resolver, counted)
    return Core(judge, settings, resolver, closes=cluster.close if cluster else lambda: None)


class PodsGate:
    """The gate, asked as who a pod is."""

    def __init__(self, gate: Gate, resolver: Resolver, counted: Callable[[Source], Source]) -> None:
        """Ask `gate`."""
        self._gate = gate

        # The same one for the same pods: the gate asks once for all who ask the same of the same.
        @lru_cache(_PULLERS)
        def source(puller: Puller) -> Source:
            return counted(PodsRegistry(resolver, puller))

        self._source = source

    def decide(self, question: Question, puller: Puller, deadline_s: float) -> Decision:
        """Return whether the image may run; see `Gate.decide`."""
        return self._gate.decide(question, deadline_s, instead=(self._source(puller),))
