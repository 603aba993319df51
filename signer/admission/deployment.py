"""The pods of our webhook: as little as they need, and the last to go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from signer.admission.site import (
    CONFIG,
    INITIAL,
    LABELS,
    NAME,
    PORT,
    TLS,
    TOKEN,
    TRUST,
    Object,
    Site,
    meta,
)

CRITICAL = "system-cluster-critical"
_USER = 65532


def deployment(site: Site) -> Object:
    """Return the Deployment."""
    files = "".join(
        f"{name}\0{content}\0" for name, content in {**site.files, **site.initial}.items()
    )
    selector = {"matchLabels": LABELS}
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": site.reads_secrets,
        "enableServiceLinks": False,
        # While none of us runs, nothing else can be started: we are among the last to go.
        "priorityClassName": CRITICAL,
        "terminationGracePeriodSeconds": 45,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": {
                "topologyKey": "kubernetes.io/hostname", "labelSelector": selector}},
            {"weight": 50, "podAffinityTerm": {
                "topologyKey": "topology.kubernetes.io/zone", "labelSelector": selector}},
        ]}},
        "containers": [_container(site)],
        "volumes": list(_volumes(site)),
    }  # fmt: skip
    if site.own_pull_secret:
        pod["imagePullSecrets"] = [{"name": site.own_pull_secret}]
    # What is mounted of a ConfigMap changes by itself; settings are read at the start alone.
    annotations = {"sealbook/config-sha256": hashlib.sha256(files.encode()).hexdigest()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(site, NAME),
        "spec": {
            "replicas": site.replicas,
            "revisionHistoryLimit": 3,
            "selector": selector,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": {"metadata": {"labels": LABELS, "annotations": annotations}, "spec": pod},
        },
    }


def _container(site: Site) -> Object:
    def probe(path: str, **more: int) -> Object:
        get = {"path": path, "port": "https", "scheme": "HTTPS"}
        return {"httpGet": get, "timeoutSeconds": 5, **more}

    mounts = (("config", CONFIG), ("initial", INITIAL), ("tls", TLS), ("trust", TRUST))
    mounted = [
        {"name": name, "mountPath": path, **({} if name == "trust" else {"readOnly": True})}
        for name, path in (*mounts, *((("token", TOKEN),) if site.token_secret else ()))
    ]
    return {
        "name": "admission",
        "image": site.image,
        "command": ["sealbook", "admission", "serve", f"{CONFIG}/admission.toml"],
        "ports": [{"name": "https", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": probe("/healthz", periodSeconds=1, failureThreshold=60),
        "livenessProbe": probe("/healthz", periodSeconds=10, failureThreshold=3),
        "readinessProbe": probe("/readyz", periodSeconds=5, failureThreshold=2),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounted,
    }


def _volumes(site: Site) -> Iterator[Object]:
    yield {"name": "config", "configMap": {"name": NAME}}
    yield {"name": "initial", "configMap": {"name": f"{NAME}-trust"}}
    yield {"name": "tls", "secret": {"secretName": f"{NAME}-tls", "defaultMode": 0o440}}
    yield {"name": "trust", "emptyDir": {"sizeLimit": "64Mi"}}
    if site.token_secret:
        yield {"name": "token", "secret": {"secretName": site.token_secret, "defaultMode": 0o440}}
