"""What both plugins need: the service, the name of a key, and how a refusal reads.

Other programs start them, so the environment says where the service is, as the
options of `sealbook sign` do:

    SEALBOOK_SERVICE             HOST:PORT, as --service
    SEALBOOK_TOKEN_FILE          as --token-file: a token, a session or an API key
    SEALBOOK_OIDC_TOKEN_FILE     as --oidc-token-file: it counts for one signature alone
    SEALBOOK_CLIENT_CERTIFICATE  as --client-certificate, with SEALBOOK_CLIENT_KEY
    SEALBOOK_CA                  as --ca: PEM roots; speak TLS
    SEALBOOK_CONFIG              or, on the service's own machine, its configuration
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from signer.errors import ConfigError
from verifier.errors import SealbookError

if TYPE_CHECKING:  # gRPC is imported when the service is asked, and not before
    from signer.client import Client

T = TypeVar("T")
_DEFAULT = "127.0.0.1:8640"  # as in signer.config, which costs as much to import as all the rest
_WHO = ("token_file", "oidc_token_file", "client_certificate")
_CREDENTIALS = (*_WHO, "client_key", "ca")


class Named(NamedTuple):
    """A key, and the repository that it is asked to sign for, if one was named."""

    key: str
    repository: str

    @classmethod
    def parse(cls, text: str) -> Named:
        """Take NAME or NAME/REPOSITORY; the service says what it thinks of either."""
        key, _, repository = text.partition("/")
        return cls(key, repository)


class Failure(NamedTuple):
    """Why not: a stable code, what was expected and found, and what can be done."""

    code: str
    message: str
    hint: str

    def __str__(self) -> str:
        """Print in one line, as cosign and notation show it."""
        return f"{self.message} ({self.code})" + (f"; hint: {self.hint}" if self.hint else "")


def attempt(work: Callable[[], T]) -> T | Failure:
    """Return what `work` returns, or why it failed."""
    try:
        return work()
    except SealbookError as e:
        return Failure(e.code, e.message, e.hint)
    except OSError as e:
        return Failure("unreadable", f"{e.filename}: {e.strerror}", "")
    except ModuleNotFoundError as e:
        return Failure("not-installed", f"needs {e.name}", "pip install 'sealbook[server]'")


def connect() -> Client:
    """Return a client of the service that the environment names.

    Raises:
        ConfigError: it names none, or a configuration that cannot be read.
        KeyFileError: a secret cannot be read, or others can read it too.
    """
    from argparse import Namespace

    from signer.cli.arguments import credentials_of

    target = os.environ.get("SEALBOOK_SERVICE")
    said = {name: os.environ.get(f"SEALBOOK_{name.upper()}") for name in _CREDENTIALS}
    if not target or not any(said[name] for name in _WHO):
        there, token = _configured()
        target = target or there
        if not any(said[name] for name in _WHO):
            said["token_file"] = token
    who = credentials_of(
        Namespace(**{name: Path(value) if value else None for name, value in said.items()})
    )
    from signer.client import Client

    return Client(target, **who._asdict())


def _configured() -> tuple[str, str]:
    """Return address and token file of the service whose configuration is at hand."""
    import tomllib

    # Not sealbook.toml here, as commands do: here is a build's checkout, and whose is that?
    name = os.environ.get("SEALBOOK_CONFIG")
    if not name:
        raise ConfigError(
            "nothing says where the service is",
            hint="set SEALBOOK_SERVICE and SEALBOOK_TOKEN_FILE, or SEALBOOK_CONFIG",
        )
    path = Path(name)
    try:
        config = tomllib.loads(path.read_text("utf-8"))
        listening = config.get("listen", {}).get("grpc", _DEFAULT)
        return str(listening), str(path.parent / config["access"]["token"])
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ConfigError(f"{path} is no configuration of a service: {e!r}") from e
