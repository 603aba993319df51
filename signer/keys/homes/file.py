"""`file:PATH`: a key in a file of this machine, readable by its owner alone.

    file:keys/release.pem                                              not encrypted
    file:keys/release.key?passphrase-source=file:/run/secrets/release  encrypted
    file:keys/release.key?passphrase-source=credential:release
    file:keys/release.key?passphrase-source=prompt

The path is written as it is, so it holds no '%', '?', '#' or '&'. Whether a file has to be
encrypted is said here and not by the file: one that was replaced by a plain one is refused.
Encrypted are our own container (`signer.keys.container`), which is what is written, and
PKCS#8 (`signer.keys.pbes2`); not encrypted is PKCS#8.
"""

from __future__ import annotations

import re
from pathlib import Path

from signer.errors import KeyUriError, PassphraseError
from signer.keys.container import Container
from signer.keys.home import Role
from signer.keys.importing import Ask, read_encrypted, read_plain
from signer.keys.memory import PLAIN, HeldKey, MemoryKey
from signer.keys.passphrase import read_source
from signer.keys.private import Private, generate
from signer.keys.secret_files import read_secret, write_secret

_SOURCE = "passphrase-source"
_VERSION = re.compile(r"-[0-9]+\Z", re.ASCII)
_REST = re.compile(rf"((?!//)[^%?#&\x00-\x1f\x7f]+)(?:\?{_SOURCE}=([^%?#&\x00-\x1f\x7f]+))?")


def open_key(rest: str, role: Role, base: Path) -> HeldKey:
    """Open the key in a file.

    Raises:
        KeyUriError: `rest` is no path, or asks for something that we do not know.
        KeyFileModeError: somebody else can read the file, or replace it.
        KeyFileError: it cannot be read, or holds no key of ours.
        KeyRoleError: it was made for another role.
        PassphraseError: its passphrase cannot be had, or does not fit.
    """
    path, ask = _parsed(rest, base)
    content, where = read_secret(path), str(path)
    if content.startswith(b"{"):
        container = Container.parse(content, where)
        return _held(container.open(ask or _nowhere(path), role, where), container.role)
    if ask:
        return HeldKey(read_encrypted(content, ask, where), {"home": "file", "form": "pkcs8-pbes2"})
    return MemoryKey(read_plain(content, where), PLAIN)


def create_key(rest: str, role: Role, base: Path, algorithm: str) -> HeldKey:
    """Make a key in a new file: in a container if `rest` says where its passphrase is.

    Raises:
        KeyExistsError: there is something already.
        KeyFileError: it cannot be written there, or must not be; or there is no such algorithm.
        KeyUriError, PassphraseError: as `open_key`.
    """
    path, ask = _parsed(rest, base, twice=True)
    if ask is None:
        key = MemoryKey.generate(algorithm)
        key.save(path)
        return key
    return _sealed(generate(algorithm), role, path, ask)


def import_key(rest: str, role: Role, base: Path, private: Private) -> HeldKey:
    """Write `private`, a key from elsewhere, into a new container; raises like `create_key`.

    There has to be a passphrase: who has none keeps the file that there is.
    """
    path, ask = _parsed(rest, base, twice=True)
    return _sealed(private, role, path, ask or _nowhere(path))


def beside(rest: str, name: str, version: int) -> str:  # noqa: ARG001  files are called as they are
    """Return the file beside one, with the version in its name; with the same passphrase."""
    match = _REST.fullmatch(rest)
    if match is None:
        return ""
    directory, slash, file = match[1].rpartition("/")
    stem, dot, suffix = file.rpartition(".") if "." in file[1:] else (file, "", "")
    query = f"?{_SOURCE}={match[2]}" if match[2] else ""
    return f"{directory}{slash}{_VERSION.sub('', stem)}-{version}{dot}{suffix}{query}"


def _parsed(rest: str, base: Path, *, twice: bool = False) -> tuple[Path, Ask | None]:
    """Return the path that a URI names, and how to get the passphrase if it has one."""
    match = _REST.fullmatch(rest)
    if match is None:
        shown = "file:" + rest.partition("?")[0]  # behind that may be what somebody took for one
        raise KeyUriError(f"expected file:PATH or file:PATH?{_SOURCE}=SOURCE, found {shown!r}")
    path, source = base / match[1], match[2]
    if source is None:
        return path, None
    return path, lambda: read_source(source, base, str(path), twice=twice)


def _nowhere(path: Path) -> Ask:
    def ask() -> bytes:
        raise PassphraseError(
            f"{path} is encrypted, and nothing says where its passphrase is",
            hint=f"file:PATH?{_SOURCE}= and file:PATH, credential:NAME or prompt",
        )

    return ask


def _sealed(private: Private, role: Role, path: Path, ask: Ask) -> HeldKey:
    write_secret(path, Container.seal(private, role, ask()).content())
    return _held(private, role)


def _held(private: Private, role: Role) -> HeldKey:
    return HeldKey(private, {"home": "file", "form": "container", **role._asdict()})
