"""Which proxy leads to a host: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as Go reads them.

Registries' other clients are written in Go, and one environment should mean one thing. So names
count in both cases, this machine is never asked for through a proxy, and NO_PROXY has hosts
(which cover what is under them), addresses, networks, each with an optional port, or "*".
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping

import httpx

from verifier.pull.errors import RegistrySettingsError
from verifier.pull.registry.addresses import address_of, is_loopback


def proxy_for(
    scheme: str, host: str, port: int, environment: Mapping[str, str] = os.environ
) -> httpx.URL | None:
    """Return the proxy that leads to `host`, or None: go there directly.

    Raises:
        RegistrySettingsError: the environment names something that is no HTTP proxy.
    """
    if is_loopback(host):
        return None
    said = _variable(environment, f"{scheme}_proxy") or _variable(environment, "all_proxy")
    if not said or _is_excepted(host, port, _variable(environment, "no_proxy")):
        return None
    try:
        proxy = httpx.URL(said if "://" in said else f"http://{said}")
    except httpx.InvalidURL:
        proxy = httpx.URL("")
    if proxy.scheme not in ("http", "https") or not proxy.host:
        # It may hold a password, so it is not shown.
        raise RegistrySettingsError(f"{scheme.upper()}_PROXY: expected http://HOST:PORT")
    return proxy


def _variable(environment: Mapping[str, str], called: str) -> str:
    return environment.get(called.upper()) or environment.get(called, "")


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    return any(_covers(one.strip().lower(), host, port) for one in exceptions.split(","))


def _covers(exception: str, host: str, port: int) -> bool:
    name, colon, only = exception.rpartition(":")
    if colon and only.isdecimal() and address_of(exception) is None:
        return only == str(port) and _covers(name, host, port)
    address = address_of(host)
    if "/" in exception:
        try:
            return address is not None and address in ipaddress.ip_network(exception, strict=False)
        except ValueError:
            return False
    if (written := address_of(exception.strip("[]"))) is not None:
        return written == address
    bare = exception.removeprefix("*").removeprefix(".")
    under = bool(bare) and address is None and f".{host}".endswith(f".{bare}")
    return exception == "*" or under
