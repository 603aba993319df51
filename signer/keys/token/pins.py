"""PINs that a token refused: none is tried twice, by nobody, and not after a restart either.

A token locks itself after a few wrong PINs, some for good, and a supervisor that starts a
service again and again would try them all. So a refusal is written down before it is told:

    keys/pin-refused
    {"refused":[{"hash":"…","salt":"…","token":"sealbook bb1c07a8484172e0"}],"version":1}

The hash is Argon2id of the refused PIN, so that another one can be told from it; a wrong PIN
is often nearly the right one, and short, and whoever steals a backup should not learn it.
Where the file cannot be read, nothing is tried. A login that works takes the token's lines away.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ledger.durable import sync
from signer.errors import PinError
from signer.keys.secret_files import read_secret, write_secret
from verifier.errors import SealbookError

_FILE = Path("keys") / "pin-refused"
_VERSION = 1
_MOST = 16  # the oldest are forgotten: each was tried by hand
_MEMORY_KIB, _PASSES, _SALT, _HASH = 65_536, 3, 16, 32
_lock = threading.Lock()
_here: set[bytes] = set()  # what this process knows to be refused, under a key of its own
_key = secrets.token_bytes(32)


class Refusals:
    """The refused PINs that the service at `base` knows of."""

    def __init__(self, base: Path) -> None:
        """Keep them in `keys/pin-refused` below `base`."""
        self._path = base / _FILE

    def check(self, token: str, pin: bytes) -> None:
        """Let a PIN pass that was never refused by `token`; takes no time where none was.

        Raises:
            PinError: it was, or nobody can tell.
        """
        with _lock:
            known = _tag(token, pin) in _here
            if not known:
                known = any(_fits(line, token, pin) for line in self._read())
            if known:
                _here.add(_tag(token, pin))
                raise PinError(f"this PIN was refused by {token} before, and is not tried again")

    def add(self, token: str, pin: bytes) -> None:
        """Remember, durably, that `token` refused this PIN.

        Raises:
            PinError: it cannot be written down, so a restart would try it again.
        """
        with _lock:
            _here.add(_tag(token, pin))
            salt = secrets.token_bytes(_SALT)
            line = {"token": token, "salt": salt.hex(), "hash": _hash(pin, salt).hex()}
            try:
                self._write([*self._read(), line][-_MOST:])
            except (SealbookError, OSError) as e:
                raise PinError(
                    f"{token} refused the PIN, and {self._path} cannot be written",
                    hint="do not let the service be started again before the PIN is changed",
                ) from e

    def clear(self, token: str) -> None:
        """Forget what `token` refused: its counter starts again at a login that works."""
        if not self._path.exists():
            return
        with _lock:
            lines = self._read()
            left = [line for line in lines if line["token"] != token]
            if left != lines:
                self._write(left)

    def _read(self) -> list[dict[str, str]]:
        if not os.path.lexists(self._path):
            return []
        try:
            found: Any = json.loads(read_secret(self._path))
            lines = found["refused"]
            if found["version"] == _VERSION and all(
                isinstance(line[name], str) for line in lines for name in ("token", "salt", "hash")
            ):
                return list(lines)
        except (ValueError, LookupError, TypeError, RecursionError):
            pass
        except SealbookError as e:
            raise PinError(f"no PIN is tried: {e.message}", hint=e.hint) from e
        raise PinError(
            f"no PIN is tried: {self._path} cannot be read",
            hint="look whether the PIN is right, then remove the file",
        )

    def _write(self, lines: list[dict[str, str]]) -> None:
        if not lines:
            self._path.unlink()
            sync(self._path.parent)
            return
        content = json.dumps(
            {"version": _VERSION, "refused": lines}, sort_keys=True, separators=(",", ":")
        )
        fresh = self._path.with_name(f".pin-refused-{secrets.token_hex(8)}")
        write_secret(fresh, content.encode())
        fresh.replace(self._path)
        sync(self._path.parent)


def _fits(line: dict[str, str], token: str, pin: bytes) -> bool:
    if line["token"] != token:
        return False
    try:
        return hmac.compare_digest(_hash(pin, bytes.fromhex(line["salt"])).hex(), line["hash"])
    except ValueError as e:
        raise PinError(f"no PIN is tried: a line for {token} cannot be read") from e


def _hash(pin: bytes, salt: bytes) -> bytes:
    return Argon2id(
        salt=salt, length=_HASH, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB
    ).derive(pin)


def _tag(token: str, pin: bytes) -> bytes:
    return hmac.digest(_key, hashlib.sha256(token.encode()).digest() + pin, "sha256")
