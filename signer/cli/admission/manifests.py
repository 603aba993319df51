"""`sealbook admission manifests`: everything that a cluster needs, as YAML."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from signer.admission.manifests import objects
from signer.admission.site import CONFIG, INITIAL, NAME, PORT, TLS, TOKEN, TRUST, Site
from signer.admission.yaml import documents
from signer.cli.arguments import parser
from signer.errors import RequestError
from verifier import limits
from verifier.policy import Policy
from verifier.pull.place import registry_place
from verifier.pull.registry.reading import read_registries
from verifier.pull.trust_directory import POLICY, STATUS
from verifier.pull.trust_directory import TRUST as TRUST_FILE
from verifier.trust import TrustRoot
from verifier.trust.status import Status

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NAMED = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_MOST_PEM = 256 << 10
_SOURCES = ("service", "registry")


def main(argv: list[str]) -> int:
    """Print it; nothing is sent to any cluster."""
    args = _parser().parse_args(argv)
    site = _site(args)
    made = objects(site)
    if args.json:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
        return 0
    print(_head(site), end="")
    print(documents(made), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "admission manifests",
        "Print all that a cluster needs to run only images that may, as YAML for `kubectl apply`:\n"
        "the webhook's Deployment, Service and rights, its settings, the trust files that you\n"
        "pin, and what has the API server ask it. Nothing is sent anywhere.",
        "sealbook admission manifests --image registry.example/sealbook@sha256:9f86…0a08 \\\n"
        "      --trust trust.json --policy policy.toml --service https://sealbook.example \\\n"
        "      --ca-bundle ca.crt --exclude-namespace kube-system > admission.yaml",
        config=False,
    )
    add = made.add_argument
    add("--image", required=True, metavar="REPOSITORY@DIGEST", help="an image with our command")
    add("--trust", required=True, type=Path, metavar="FILE", help="trust.json, which is pinned")
    add("--policy", type=Path, metavar="FILE", help="policy.toml: what images need")
    add("--status", type=Path, metavar="FILE", help="status.json to begin with")
    add("--service", metavar="URL", help="fresh trust files and bundles come from there")
    add("--service-ca", type=Path, metavar="FILE", help="PEM roots of the service")
    add("--service-token-secret", metavar="NAME", help="Secret whose `token` it wants, if it does")
    add("--report", action="store_true", help="tell the service how many pods ran, and refusals")
    add("--registries", type=Path, metavar="FILE", help="registries.toml, without credentials")
    by = made.add_mutually_exclusive_group(required=True)
    by.add_argument("--ca-bundle", type=Path, metavar="FILE", help="PEM roots of our certificate")
    by.add_argument("--cert-manager", metavar="ISSUER", help="or who of cert-manager makes it")
    add("--cluster-issuer", action="store_true", help="that is a ClusterIssuer")
    add("--namespace", default="sealbook", metavar="NAME", help="ours (default: sealbook)")
    add(
        "--exclude-namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="nobody asks about what runs there; again for more (default: kube-system)",
    )
    add(
        "--warn-namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="there a refusal is only told; again for more",
    )
    add("--tags", choices=("pin", "refuse"), default="pin", help="what becomes of tags")
    add("--pull-secret", action="append", default=[], metavar="NAME", help="Secrets of this name")
    add(
        "--pull-secrets-in",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="or all Secrets there, may be read for pulling as pods do; again for more",
    )
    add("--api-server-ca", type=Path, metavar="FILE", help="PEM roots of who may ask")
    add("--api-server-name", action="append", default=[], metavar="NAME", help="its common name")
    add("--alert", metavar="URL", help="post a JSON object there on each refusal")
    add("--alert-ca", type=Path, metavar="FILE", help="PEM roots of who listens there")
    add("--image-pull-secret", default="", metavar="NAME", help="Secret to pull our own image with")
    add("--replicas", type=int, default=3, metavar="N", help="how many of us (default: 3)")
    add(
        "--egress-port",
        action="append",
        default=[],
        type=int,
        metavar="PORT",
        help="where we may connect to, beside names, --service and --alert; again for more "
        "(default: 443, 6443)",
    )
    return made


def _site(args: argparse.Namespace) -> Site:
    image = registry_place(args.image)
    if image.digest is None:
        raise RequestError(f"expected our own image by digest, found {args.image[:200]!r}")
    excluded = tuple(args.exclude_namespace) or ("kube-system",)
    for name in (args.namespace, *excluded, *args.warn_namespace, *args.pull_secrets_in):
        if not _NAMESPACE.fullmatch(name):
            raise RequestError(f"expected the name of a namespace, found {name[:80]!r}")
    secrets = (args.service_token_secret, args.image_pull_secret, args.cert_manager)
    for name in (*args.pull_secret, *filter(None, secrets)):
        if not _NAMED.fullmatch(name):
            raise RequestError(f"expected a name as clusters have them, found {name[:80]!r}")
    ports = tuple(args.egress_port) or (443, 6443)
    ports += tuple(sorted({*_ports(args.service, args.alert)} - {*ports}))
    if not 1 <= args.replicas <= 100 or not all(1 <= port <= 65_535 for port in ports):
        raise RequestError("expected 1 to 100 replicas, and ports from 1 to 65535")
    if args.namespace in args.warn_namespace or set(excluded) & set(args.warn_namespace):
        raise RequestError("a namespace that is excluded cannot be one that only warns")
    if (args.service_token_secret or args.report or args.service_ca) and not args.service:
        raise RequestError("--service-ca, --service-token-secret and --report need --service")
    return Site(
        args.image,
        _files(args, excluded),
        _initial(args),
        args.namespace,
        excluded,
        args.tags == "pin",
        _pem(args.ca_bundle).encode() if args.ca_bundle else b"",
        args.cert_manager or "",
        args.cluster_issuer,
        args.replicas,
        ports,
        tuple(args.pull_secret),
        tuple(args.pull_secrets_in),
        args.service_token_secret or "",
        args.image_pull_secret,
    )


def _ports(*urls: str | None) -> Iterator[int]:
    """Yield where these are reached, which needs no saying.

    Raises:
        RequestError: one names no port that there is.
    """
    for url in filter(None, urls):
        try:
            parts = urlsplit(url)
            yield parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError as e:
            raise RequestError(f"expected a URL, found {url[:200]!r}") from e


def _initial(args: argparse.Namespace) -> dict[str, str]:
    """Return the trust files that are pinned, once they are seen to be good and to fit."""
    trust_file = _read(args.trust, limits.TRUST_FILE)
    trust = TrustRoot.parse(trust_file)
    for public in trust.publics():
        public.refuse_example()
    found = {TRUST_FILE: trust_file}
    if args.policy:
        found[POLICY] = _read(args.policy, limits.POLICY)
        policy = Policy.parse(found[POLICY])
        if trust.policy_sha256 and policy.sha256 != trust.policy_sha256:
            raise RequestError(f"{args.trust} pins another policy than {args.policy}")
    if args.status:
        found[STATUS] = _read(args.status, limits.STATUS_FILE)
        Status.parse(found[STATUS], trust)
    elif args.policy and not args.service:
        raise RequestError("a policy needs a status file: give --service or --status")
    return {name: content.decode() for name, content in found.items()}


def _files(args: argparse.Namespace, excluded: tuple[str, ...]) -> dict[str, str]:
    """Return the settings, and what they name beside them."""
    found = {"admission.toml": _admission(args, excluded), "pull.toml": _pull(args)}
    for name, path in (
        ("service-ca.crt", args.service_ca),
        ("alert-ca.crt", args.alert_ca),
        ("api-server-ca.crt", args.api_server_ca),
    ):
        if path:
            found[name] = _pem(path)
    if args.registries:
        found["registries.toml"] = _read(args.registries, limits.POLICY).decode()
        found |= _beside(args.registries)
    return found


def _beside(path: Path) -> dict[str, str]:
    """Return the authorities that registries.toml names, which lie beside it.

    Raises:
        RequestError: they lie elsewhere; or it names what is secret.
    """
    found = {}
    for one in read_registries(path).configured:
        if one.credential or one.client_key:
            raise RequestError(f"{path}: secrets have no place in a ConfigMap: use --pull-secret")
        if one.ca:
            if one.ca.parent != path.absolute().parent or one.ca.name == path.name:
                raise RequestError(f"{path}: expected {one.ca.name} beside it")
            found[one.ca.name] = _pem(one.ca)
    return found


def _admission(args: argparse.Namespace, excluded: tuple[str, ...]) -> str:
    listen = {
        "address": f"0.0.0.0:{PORT}",
        "tls_certificate": f"{TLS}/tls.crt",
        "tls_key": f"{TLS}/tls.key",
    }
    if args.api_server_ca:
        listen["client_ca"] = "api-server-ca.crt"
        listen |= {"client_names": args.api_server_name} if args.api_server_name else {}
    admission = {
        "tags": args.tags,
        "exclude": list(excluded),
        "warn": args.warn_namespace,
        "pull_secrets": bool(args.pull_secret or args.pull_secrets_in),
        "own_namespace": args.namespace,
    }
    trust = {"initial": INITIAL}
    if args.service:
        trust["service"] = args.service
        trust |= {"ca": "service-ca.crt"} if args.service_ca else {}
    tables = {"listen": listen, "admission": admission, "trust": trust}
    if args.alert:
        ca = {"ca": "alert-ca.crt"} if args.alert_ca else {}
        tables["alert"] = {"url": args.alert, **ca}
    return _toml({"pull": f"{CONFIG}/pull.toml"}, tables)


def _pull(args: argparse.Namespace) -> str:
    sources = _SOURCES if args.service else _SOURCES[1:]
    tables: dict[str, dict[str, object]] = {}
    if args.service:
        service = {"url": args.service.rstrip("/")}
        service |= {"ca": "service-ca.crt"} if args.service_ca else {}
        service |= {"token": f"{TOKEN}/token"} if args.service_token_secret else {}
        tables["service"] = service
    if args.report:
        tables["report"] = {"enabled": True}
    if args.registries:
        tables["registry"] = {"settings": "registries.toml"}
    return _toml({"trust": f"{TRUST}/trust", "sources": list(sources)}, tables)


def _toml(values: Mapping[str, object], tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return TOML; of texts, lists of texts, and yes or no, it is JSON's but for a few signs."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _head(site: Site) -> str:
    """Return what is to be done before it is applied."""
    told = [
        "# Made by `sealbook admission manifests`. Try it first with every namespace that matters",
        "# in --warn-namespace: a refusal is told then, and counted, and nothing is stopped.",
    ]
    if not site.issuer:
        host = f"{NAME}.{site.namespace}.svc"
        told += [
            f"# Before the rest, the certificate of {host}, of an authority in --ca-bundle:",
            f"#   kubectl create namespace {site.namespace}",
            f"#   kubectl -n {site.namespace} create secret tls {NAME}-tls --cert=FILE --key=FILE",
        ]
    told += [
        "# The two webhook configurations come last: apply the rest, wait until it is ready, then",
        "# apply all of it, so that nothing is refused meanwhile.",
        f"#   kubectl -n {site.namespace} rollout status deployment/{NAME}",
    ]
    return "\n".join(told) + "\n"


def _pem(path: Path) -> str:
    content = _read(path, _MOST_PEM)
    try:
        x509.load_pem_x509_certificates(content)
        return content.decode("ascii")
    except ValueError as e:
        raise RequestError(f"expected certificates in PEM in {path}") from e


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise RequestError(f"expected at most {most} bytes in {path}")
    try:
        content.decode()
    except UnicodeDecodeError as e:
        raise RequestError(f"expected text in {path}") from e
    return content
