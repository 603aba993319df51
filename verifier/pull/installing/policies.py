"""What a policy.json of Podman, CRI-O and skopeo lets through, and whether anything is found.

Spec: containers-policy.json(5), containers-registries.d(5).
"""

from __future__ import annotations

import json
import pwd
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import json_object
from verifier.errors import MalformedError
from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import BYPASS, NOTE, OPEN, SHUT, Finding

DROPINS = ("/etc/containers/registries.d", "/usr/share/containers/registries.d")
USERS = ".config/containers/policy.json"
_ACCEPT, _SIGNED = "insecureAcceptAnything", "sigstoreSigned"
_LOOKUPS = ("lookaside", "use-sigstore-attachments")
_PODMAN = "sealbook pull install podman"
_MAPPING = re.compile(r'( *)("(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s#"\'][^#]*?):(?:\s+(\S.*?))?\s*')

BYPASSES = (
    Finding(
        BYPASS,
        "other-policy",
        "`podman --signature-policy FILE`, `skopeo --policy FILE` and `--insecure-policy` go by"
        " another policy",
    ),
    Finding(
        BYPASS,
        "user-policy",
        f"each user's own ~/{USERS} goes before the host's, for what they pull",
        "have root pull and run: a user who may write this file decides alone",
    ),
    Finding(
        BYPASS,
        "already-here",
        "images that are here already are not judged again, nor are those that are built here",
    ),
)


class Policy(NamedTuple):
    """A policy.json: what is required by default, and in each transport by scope."""

    default: tuple[str, ...]
    transports: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def parse(cls, data: bytes, name: str) -> Self:
        """Read the file `name`.

        Raises:
            InstallError: it is no such file, with which each of these programs refuses all.
        """
        try:
            value = json_object(data, limit=limits.TRUST_FILE)
            transports = value.get("transports", {})
            return cls(
                _types(value["default"]),
                {
                    transport: {scope: _types(rules) for scope, rules in scopes.items()}
                    for transport, scopes in transports.items()
                },
            )
        except (MalformedError, KeyError, TypeError, AttributeError) as e:
            raise InstallError(f"{name} is not a policy: {str(e)[:200]}") from e

    @property
    def judged(self) -> list[str]:
        """Return the scopes of registries in which signatures are required."""
        return [
            scope for scope, types in self.transports.get("docker", {}).items() if _SIGNED in types
        ]


def findings(policy: Policy, host: Host, name: str) -> Iterator[Finding]:
    """Yield what lets images through, or none, in the file `name`."""
    docker = policy.transports.get("docker", {})
    if _accepts(policy.default) and "" not in docker:
        yield Finding(
            OPEN,
            "default-accepts",
            f"{name}: default accepts anything that no scope covers",
            '"default": [{"type": "reject"}]',
        )
    for scope, types in docker.items():
        if _accepts(types):
            yield Finding(
                OPEN,
                "scope-accepts",
                f"{name}: docker, {scope or 'everywhere'} accepts anything",
                f"{_PODMAN} writes it anew",
            )
    for transport, scopes in policy.transports.items():
        if transport != "docker" and any(map(_accepts, scopes.values())):
            yield Finding(
                BYPASS, "transport-accepts", f"{name}: what comes by {transport}: is not judged"
            )
    if _accepts(policy.default):
        yield Finding(
            BYPASS,
            "uncovered-transports",
            f"{name}: `podman load`, oci:, dir: and archives go by the default, which accepts",
        )
    if not policy.judged:
        yield Finding(
            SHUT if not _accepts(policy.default) else NOTE,
            "no-signatures-wanted",
            f"{name}: no scope requires a signature",
            _PODMAN,
        )
    looked = looked_up(host)
    for scope in policy.judged:
        if looked is not None and not any(_covers(place, scope) for place in looked):
            yield Finding(
                SHUT,
                "nowhere-to-look",
                f"nothing in {DROPINS[0]} says where signatures of {scope or 'images'} are: all"
                " are refused",
                f'in registries.d: docker: {{"{scope}": {{"lookaside": "https://SERVICE/lookaside/'
                f'{scope.partition("/")[0]}"}}}}; {_PODMAN} writes it',
            )


def of_users(host: Host) -> Iterator[Finding]:
    """Yield the policies that users of this host have for themselves."""
    try:
        users = pwd.getpwall() if str(host.root) == "/" else []
    except OSError:
        return
    for home in sorted({user.pw_dir for user in users if user.pw_dir.startswith("/")}):
        path = f"{home.rstrip('/')}/{USERS}"
        try:
            data = host.read(path)
            if data is None:
                continue
            said = Policy.parse(data, path)
        except (InstallError, OSError):
            continue
        accepts = _accepts(said.default) or any(
            _accepts(types) for types in said.transports.get("docker", {}).values()
        )
        what = "accepts what nobody signed" if accepts else "is not the host's"
        yield Finding(BYPASS, "user-policy-found", f"{path} {what}, for that user's own pulls")


def looked_up(host: Host) -> list[str] | None:
    """Return where registries.d says where to look; None if a file is not to be understood."""
    found: list[str] = []
    for directory in DROPINS:
        path = host.path(directory)
        if not path.is_dir():
            continue
        for one in sorted(path.glob("*.yaml")):
            places = _places((host.read(f"{directory}/{one.name}") or b"").decode(errors="replace"))
            if places is None:
                return None
            found += places
    return found


def _places(text: str) -> list[str] | None:
    """Return which places a file names with somewhere to look; None of YAML past our reading.

    Block mappings of three levels are read, which is how such files are written.
    """
    place: str | None = None
    section, depth, found = "", 0, []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#") or line == "---":
            continue
        read = _MAPPING.fullmatch(line)
        if read is None:
            return None
        indent, key, value = len(read[1]), read[2].strip("\"'"), (read[3] or "").strip("\"'")
        if indent == 0:
            section, place, depth = key, "" if key == "default-docker" else None, 0
            if value not in ("", "{}"):
                return None
        elif section == "docker" and (not depth or indent <= depth):
            place, depth = key, indent
            if value:
                return None
        elif place is not None and key in _LOOKUPS and value not in ("", "false"):
            found.append(place)
    return found


def _covers(place: str, scope: str) -> bool:
    # For a scope that is everywhere somebody named the registries that are pulled from.
    return not (place and scope) or f"{scope}/".startswith(f"{place}/")


def _types(rules: Any) -> tuple[str, ...]:
    found = tuple(str(rule["type"]) for rule in rules)
    if not found:
        raise MalformedError(f"expected requirements, found {json.dumps(rules)[:80]}")
    return found


def _accepts(types: tuple[str, ...]) -> bool:
    """Whether all of the requirements, which have to hold together, require nothing."""
    return set(types) == {_ACCEPT}
