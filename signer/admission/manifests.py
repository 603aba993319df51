"""Everything that a cluster needs for our webhook, as objects; `yaml` writes them.

What fails closed must be able to start: our own namespace and those that are excluded are not
asked about, at the API server already, by the name that the API server itself gives them. So
whoever may create pods there may run anything: keep that to yourself.

Spec: Kubernetes API reference 1.30; nothing here is newer than Kubernetes 1.25.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from signer.admission.configurations import webhooks
from signer.admission.deployment import CRITICAL, deployment
from signer.admission.site import LABELS, NAME, PORT, Object, Site, meta
from signer.errors import RequestError
from verifier import limits

_MOST_MAP = 1 << 20  # what etcd takes of one object, less what is around it


def objects(site: Site) -> list[Object]:
    """Return all objects, in an order in which they can be applied.

    Raises:
        RequestError: the trust files are more than a cluster keeps in one object.
    """
    for files in (site.files, site.initial):
        if sum(len(content.encode()) for content in files.values()) > _MOST_MAP - limits.CREDENTIAL:
            raise RequestError(
                f"expected less than 1 MiB of files: {', '.join(files)}",
                hint="leave status.json to the service: --service",
            )
    return [
        _namespace(site),
        _quota(site),
        _account(site),
        *_rights(site),
        _config(site, NAME, site.files),
        _config(site, f"{NAME}-trust", site.initial),
        *_certificate(site),
        deployment(site),
        _service(site),
        _budget(site),
        _network(site),
        *webhooks(site),
    ]


def _namespace(site: Site) -> Object:
    labels = {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": site.namespace, "labels": labels},
    }


def _quota(site: Site) -> Object:
    """Let our pods be critical where a cluster has that only under a quota, as some clouds do."""
    classes = {"scopeName": "PriorityClass", "operator": "In", "values": [CRITICAL]}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": meta(site, NAME),
        "spec": {"hard": {"pods": "100"}, "scopeSelector": {"matchExpressions": [classes]}},
    }


def _account(site: Site) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(site, NAME),
        "automountServiceAccountToken": False,
    }


def _rights(site: Site) -> Iterator[Object]:
    """Yield the right to read pull secrets, and where pods have them from; else there is none."""
    if not site.reads_secrets:
        return
    accounts = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    everywhere = [accounts]
    if site.pull_secrets:
        everywhere.append({**secrets, "resourceNames": list(site.pull_secrets)})
    yield from _right("Cluster", {"name": NAME, "labels": LABELS}, everywhere, site)
    for namespace in site.pull_secrets_in:
        about = {"name": NAME, "namespace": namespace, "labels": LABELS}
        yield from _right("", about, [secrets], site)


def _right(prefix: str, about: Object, rules: list[Object], site: Site) -> Iterator[Object]:
    group = "rbac.authorization.k8s.io"
    yield {"apiVersion": f"{group}/v1", "kind": f"{prefix}Role", "metadata": about, "rules": rules}
    yield {
        "apiVersion": f"{group}/v1",
        "kind": f"{prefix}RoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": group, "kind": f"{prefix}Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": site.namespace}],
    }


def _config(site: Site, name: str, files: Mapping[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(site, name),
        "data": dict(files),
    }


def _certificate(site: Site) -> Iterator[Object]:
    """Yield the certificate that cert-manager is to make, if it is."""
    if site.issuer:
        issuer = "ClusterIssuer" if site.cluster_issuer else "Issuer"
        host = f"{NAME}.{site.namespace}.svc"
        yield {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": meta(site, NAME),
            "spec": {
                "secretName": f"{NAME}-tls",
                "dnsNames": [host, f"{host}.cluster.local"],
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "issuerRef": {"group": "cert-manager.io", "kind": issuer, "name": site.issuer},
            },
        }


def _service(site: Site) -> Object:
    port = {"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(site, NAME),
        "spec": {"selector": LABELS, "ports": [port]},
    }


def _budget(site: Site) -> Object:
    # Of one there is none to spare, and a node could never be emptied.
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(site, NAME),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}},
    }


def _network(site: Site) -> Object:
    """Let in who asks, wherever the API server is; let out to names, the service, registries."""
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    others = [{"port": port, "protocol": "TCP"} for port in site.egress]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(site, NAME),
        "spec": {
            "podSelector": {"matchLabels": LABELS},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": PORT, "protocol": "TCP"}]}],
            "egress": [{"ports": [*names, *others]}],
        },
    }
