"""Where passphrases and PINs come from: a file, a systemd credential, or somebody who types.

    file:keys/release.pass     a file that only its owner may read
    credential:release         a credential of the unit, as of LoadCredentialEncrypted=
    prompt                     asked at the terminal, without an echo

Never an argument and never the environment: other users can list the one, and children
inherit the other. That is why no source holds the secret itself.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from signer.errors import PassphraseError
from signer.keys.secret_files import read_secret
from verifier._strict import name
from verifier.errors import MalformedError

_LONGEST = 1024  # bytes
_DIRECTORY = "CREDENTIALS_DIRECTORY"
_FORMS = "file:PATH, credential:NAME or prompt"


def read_source(text: str, base: Path, what: str, *, twice: bool = False) -> bytes:
    """Return the secret that `text` says where to find, without the newline at its end.

    Relative paths start at `base`. `what` it is for is told to who types it; `twice` asks for
    it again, as for a new key.

    Raises:
        PassphraseError: `text` is no source, or there is no secret, or no sensible one.
        KeyFileError: its file cannot be read, or must not be; raised by `read_secret`.
    """
    match text.partition(":"):
        case ("file", ":", path) if path:
            secret = read_secret(base / path)
        case ("credential", ":", credential):
            secret = read_secret(_credential(credential))
        case ("prompt", "", ""):
            secret = _typed(what, twice=twice)
        case _:
            # What was found is not shown: it may be the secret itself.
            raise PassphraseError(f"{what}: expected the passphrase's source to be {_FORMS}")
    secret = secret.removesuffix(b"\r\n" if secret.endswith(b"\r\n") else b"\n")
    if not 0 < len(secret) <= _LONGEST:
        raise PassphraseError(
            f"{what}: expected a passphrase of 1 to {_LONGEST} bytes, found {len(secret)}"
        )
    return secret


def _credential(called: str) -> Path:
    directory = os.environ.get(_DIRECTORY, "")  # systemd says where they are, not what
    if not directory.startswith("/"):
        raise PassphraseError(
            f"credential {called[:80]!r}: there is no ${_DIRECTORY}",
            hint="run it in a systemd unit with LoadCredential= or LoadCredentialEncrypted=",
        )
    try:
        return Path(directory) / name(called)
    except MalformedError as e:
        raise PassphraseError(f"expected a credential's name, found {called[:80]!r}") from e


def _typed(what: str, *, twice: bool) -> bytes:
    try:
        # getpass itself would ask on standard input, and let it be seen, where there is none.
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        typed = getpass.getpass(f"Passphrase of {what}: ")
        again = getpass.getpass("The same again: ") if twice else typed
    except (OSError, EOFError) as e:
        raise PassphraseError(
            f"{what}: there is no terminal to ask for its passphrase",
            hint=f"name another source: {_FORMS}",
        ) from e
    except UnicodeDecodeError:
        # The original says what was typed.
        raise PassphraseError(f"{what}: expected a passphrase in the terminal's encoding") from None
    if typed != again:
        raise PassphraseError(f"{what}: the two passphrases differ")
    return typed.encode()
