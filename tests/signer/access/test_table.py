"""R7: every call and every route has its row, every row its call or route."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.routing import Route

import signer.v1
from signer.access.roles import ANONYMOUS, ROLES
from signer.access.table import METHODS, ROUTES
from signer.http.guard import find
from signer.rekor.asgi import _UPLOADS
from tests.signer.running import InProcess


def files() -> Iterator[FileDescriptor]:
    """Yield what was generated from the contract, and what else is served."""
    for module in pkgutil.iter_modules(signer.v1.__path__):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(f"signer.v1.{module.name}").DESCRIPTOR
    yield health_pb2.DESCRIPTOR
    yield reflection_pb2.DESCRIPTOR


def calls() -> set[str]:
    """Return the full name of every method of every service."""
    return {
        f"/{service.full_name}/{method.name}"
        for file in files()
        for service in file.services_by_name.values()
        for method in service.methods
    }


def test_calls() -> None:
    """
    Every method of the contract has a row in the table, and every row a method.
    """
    assert calls() == set(METHODS)


def test_every_call_is_answered(service: InProcess) -> None:
    """
    Every row is answered by the service, but for reflection, which is off.
    """
    off = {name for name in METHODS if "reflection" in name}
    unknown = {name for name in METHODS if "unknown-method" == service.raw(b"\xff", name).code}

    assert off == unknown


def served(service: InProcess) -> Iterator[str]:
    """Yield every route behind the guard of HTTP, as the table would name it."""
    rekor = service.server._front._http.config.app._app
    for route in rekor._others.routes:
        assert isinstance(route, Route)
        for verb in sorted((route.methods or set()) - {"HEAD"}):
            yield f"{verb} {route.path.replace(':path}', '}')}"
    yield from (f"POST {path}" for path in _UPLOADS)
    yield from (f"{verb} {path}" for verb, path in rekor._reading._handlers)
    yield "GET /api/v1/log/entries/{name}"


def test_routes(service: InProcess) -> None:
    """
    Every route has a row in the table, and every row a route; only the policy's is there when
    there is a policy.
    """
    assert set(ROUTES) - {"GET /v1/policy.toml"} == set(served(service)) - {"GET /v1/policy.toml"}


@pytest.mark.parametrize("name", ROUTES)
def test_route_is_found(name: str) -> None:
    """
    A row is found by the paths of its route, and by those with another verb it is not.
    """
    verb, _, template = name.partition(" ")
    path = template.replace("{digest}", "sha256:0").replace("{path}", "a/b").replace("{name}", "0")
    found = find(verb, path)

    assert found is not None
    assert name == found.name
    assert find("DELETE", path) is None
    assert find(verb, "/x" + path) is None


def test_anonymous_changes_nothing() -> None:
    """
    Whatever may be given to a network alone lets nobody do what changes anything.
    """
    may = {action for role in ANONYMOUS for action in ROLES[role]}

    for name, row in (*METHODS.items(), *ROUTES.items()):
        assert row.record == "read" or not may & {*row.actions}, name


def test_operators_do_not_sign() -> None:
    """
    Nobody who runs the service or says who may signs by that role (R2).
    """
    sign = {"sign", "sign-raw", "attest", "append", "agree", "publish"}

    for role in ("operator", "admin", "prefix-admin", "auditor", "runtime", "witness", "monitor"):
        assert not sign & {*ROLES[role]}, role
