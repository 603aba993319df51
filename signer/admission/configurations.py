"""What the API server asks us about, and what it never asks."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from signer.admission.site import LABELS, NAME, Object, Site

TIMEOUT_S = 10  # after which the API server gives up, and refuses
_DOMAIN = "admission.sealbook"  # of the names of the two webhooks
# In each of these is a pod or what one is made of. What is not here is not asked about.
_RULES = (
    ("", ("pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers")),
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("batch", ("cronjobs", "jobs")),
)


def webhooks(site: Site) -> Iterator[Object]:
    """Yield the two configurations; where tags are refused there is nothing to mutate."""
    if site.pins:
        # What others put in behind us, a sidecar, is asked about again.
        yield _webhook(site, "Mutating", "mutate", {"reinvocationPolicy": "IfNeeded"})
    yield _webhook(site, "Validating", "validate", {})


def _webhook(site: Site, kind: str, verb: str, more: Object) -> Object:
    client: Object = {
        "service": {"namespace": site.namespace, "name": NAME, "path": f"/{verb}", "port": 443}
    }
    annotations = {}
    if site.issuer:
        annotations["cert-manager.io/inject-ca-from"] = f"{site.namespace}/{NAME}"
    else:
        client["caBundle"] = base64.b64encode(site.ca_bundle).decode()
    excluded = sorted({site.namespace, *site.exclude})
    named = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": excluded}
    about: Object = {"name": NAME, "labels": LABELS}
    if annotations:
        about["annotations"] = annotations
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": about,
        "webhooks": [
            {
                "name": f"{verb}.{_DOMAIN}",
                "admissionReviewVersions": ["v1"],
                "clientConfig": client,
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "sideEffects": "None",
                "timeoutSeconds": TIMEOUT_S,
                "namespaceSelector": {"matchExpressions": [named]},
                "rules": [_rule(group, resources) for group, resources in _RULES],
                **more,
            }
        ],
    }


def _rule(group: str, resources: Iterable[str]) -> Object:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
        "scope": "Namespaced",
    }
