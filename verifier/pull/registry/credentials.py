"""Who we are at a registry: a robot that was configured, or whom docker knows.

A configured credential is a file with `user:secret`, and counts alone. Else docker's own
config.json, in $DOCKER_CONFIG or ~/.docker, as docker reads it: the helper that `credHelpers`
names for the registry, then `credsStore`, then `auths`. A secret may be an identity token. What
is not there may be where `podman login` puts it: $REGISTRY_AUTH_FILE, or containers/auth.json in
$XDG_RUNTIME_DIR or ~/.config, of the same form.

A helper is a program `docker-credential-NAME`; it gets the registry's name on its standard
input, and a deadline, and what it prints has a limit.

Spec: docs.docker.com "docker login", "Credential helpers".
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from verifier import limits
from verifier._strict import b64, json_object
from verifier.errors import MalformedError
from verifier.pull.errors import RegistrySettingsError
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import Registries, RegistrySettings

DOCKER_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_HELPER_S = 30.0
_IDENTITY = "<token>"  # the user name under which helpers keep identity tokens
_NOT_FOUND = "credentials not found"


class Credential(NamedTuple):
    """A name and a secret, or an identity token, or a token that the registry takes as it is."""

    user: str = ""
    secret: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        """Show who, and no secret."""
        return f"Credential({self.user!r})"


def find_credential(
    host: str, settings: RegistrySettings, registries: Registries, deadline: Deadline
) -> Credential | None:
    """Return who we are at `host` (with its port, if written), or None: nobody.

    Raises:
        RegistrySettingsError: what is configured, docker's file or a helper cannot be used.
        RegistryTimeoutError: a helper did not answer.
    """
    if settings.login is not None:
        return settings.login
    if settings.credential is not None:
        return _robot(settings.credential)
    return _from_docker(host, deadline) if registries.docker else None


def _robot(path: Path) -> Credential:
    try:
        with path.open("rb") as file:
            content = file.read(limits.CREDENTIAL + 1)
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as e:
        raise RegistrySettingsError(f"cannot read the credential {path}: {e.strerror}") from e
    except UnicodeDecodeError:
        text = ""
    user, colon, secret = text.partition(":")
    if not (user and colon and secret) or not text.isprintable() or len(text) > limits.CREDENTIAL:
        # What was found is not shown: it may be the secret.
        raise RegistrySettingsError(f"{path}: expected one line user:secret")
    return Credential(user, secret)


def _from_docker(host: str, deadline: Deadline) -> Credential | None:
    for path in _files():
        if (found := _from_file(path, host, deadline)) is not None:
            return found
    return None


def _files() -> Iterator[Path]:
    """Yield where whoever logged in is written down; most of it will not be there."""
    yield Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser() / "config.json"
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    for directory in (os.environ.get("XDG_RUNTIME_DIR"), _config_home()):
        if directory:
            yield Path(directory).expanduser() / "containers" / "auth.json"


def _config_home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or "~/.config"


def _from_file(path: Path, host: str, deadline: Deadline) -> Credential | None:
    try:
        with path.open("rb") as file:
            content = file.read(limits.DOCKER_CONFIG + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise RegistrySettingsError(f"cannot read {path}: {e.strerror}") from e
    try:
        said = json_object(content, limit=limits.DOCKER_CONFIG, floats=True)
    except MalformedError as e:
        raise RegistrySettingsError(f"{path}: {e.message}") from e
    key = _HUB_KEY if host == DOCKER_HUB else host
    helpers, store = said.get("credHelpers"), said.get("credsStore")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    for named in (helper, store):
        if named and (found := ask_helper(named, key, deadline)) is not None:
            return found
    return _from_auths(said.get("auths"), host, path)


def _from_auths(auths: object, host: str, path: Path) -> Credential | None:
    """Find `host` among keys that are hosts, or URLs of which only the host counts."""
    if not isinstance(auths, dict):
        return None
    for key, entry in auths.items():
        if not isinstance(entry, dict) or _host(key) != host:
            continue
        found = read_entry(entry, f"{path}, auths[{key!r:.100}]")
        if found is not None:
            return found
    return None


def _host(key: str) -> str:
    bare, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    if path.strip("/") not in ("", "v1", "v2"):
        return ""  # a part of a registry, as Podman has them, is not the registry
    return DOCKER_HUB if bare in ("index.docker.io", "registry-1.docker.io") else bare


def read_entry(entry: Mapping[str, Any], where: str) -> Credential | None:
    """Read one entry of `auths`; an empty one stands for a helper that has nothing.

    Raises:
        RegistrySettingsError: its `auth` is not what docker writes.
    """
    texts = {key: value for key, value in entry.items() if isinstance(value, str) and value}
    user, secret = texts.get("username", ""), texts.get("password", "")
    if auth := texts.get("auth"):
        try:
            user, colon, secret = b64(auth).decode().partition(":")
        except (ValueError, MalformedError):
            colon = ""
        if not colon or not user:
            raise RegistrySettingsError(f"{where}: expected Base64 of user:secret as auth")
        secret = secret.strip("\0")
    found = Credential(user, secret, texts.get("identitytoken", ""), texts.get("registrytoken", ""))
    return found if found.secret or found.identity_token or found.registry_token else None


def ask_helper(name: object, key: str, deadline: Deadline) -> Credential | None:
    """Return what the helper `name` has for `key`, or None if it has nothing.

    Raises:
        RegistrySettingsError: there is no such program, it failed, or printed something else.
        RegistryTimeoutError: it was not done by the deadline.
    """
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise RegistrySettingsError(f"expected the name of a credential helper, found {name!r:.80}")
    program = shutil.which(f"docker-credential-{name}")
    if program is None:
        raise RegistrySettingsError(
            f"docker's configuration names the helper docker-credential-{name}, "
            "which is not installed"
        )
    status, printed = _run(program, key, deadline)
    if status != 0:
        said = printed.decode(errors="replace").strip()
        if said.startswith(_NOT_FOUND):
            return None
        raise RegistrySettingsError(f"{Path(program).name} failed with {status}: {said[:200]}")
    try:
        value = json_object(printed, limit=limits.CREDENTIAL, floats=True)
    except MalformedError:
        value = {}
    user, secret = value.get("Username"), value.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str):
        # What was printed is not shown: it may be the secret.
        raise RegistrySettingsError(f"{Path(program).name}: expected JSON with Username and Secret")
    if not secret:
        return None
    return Credential(identity_token=secret) if user == _IDENTITY else Credential(user, secret)


def _run(program: str, key: str, deadline: Deadline) -> tuple[int, bytes]:
    """Run a helper in its own group of processes, all of which end with it."""
    try:
        process = subprocess.Popen(  # noqa: S603  named by docker's configuration, found in PATH
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as e:
        raise RegistrySettingsError(f"cannot run {program}: {e.strerror}") from e
    own = Deadline(min(_HELPER_S, deadline.left_s()), Path(program).name)
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(key.encode())
                process.stdin.close()
            printed = _read(process.stdout.fileno(), own, program)
            return process.wait(own.left_s()), printed
        except subprocess.TimeoutExpired:
            raise own.passed() from None
        finally:
            _end(process)


def _read(descriptor: int, deadline: Deadline, program: str) -> bytes:
    """Read all that is printed, and not more than a credential can be."""
    printed = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        if not poll.poll(deadline.left_s() * 1000):
            raise deadline.passed()
        piece = os.read(descriptor, 16 << 10)
        if not piece:
            return bytes(printed)
        printed += piece
        if len(printed) > limits.CREDENTIAL:
            raise RegistrySettingsError(
                f"{Path(program).name}: expected at most {limits.CREDENTIAL} bytes"
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the helper, and what it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
