"""Rehearsals: the same file, in a scratch token of SoftHSM that is made for it.

Every `pkcs11:` URI keeps what names its object, and gets the scratch token, its library and its
PIN; a `file:` lies below the scratch folder. Nothing else is changed, and nothing real is
touched. SoftHSM reads where its tokens are when it is loaded first: a rehearsal needs a
process of its own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from signer.errors import CeremonyFailedError, KeyLibraryError, KeyUriError
from signer.keys.secret_files import write_secret

_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
_LABEL = "REHEARSAL"
_OBJECT = ("object", "id", "type")  # what of a URI's path names a key, and not its token
_TOOL = "softhsm2-util"


class Scratch:
    """A scratch token, and where each key of a file lies in its rehearsal."""

    def __init__(self, folder: Path) -> None:
        """Make it in the new folder `folder`.

        Raises:
            KeyLibraryError: SoftHSM is not installed.
            CeremonyFailedError: it makes no token.
        """
        library = next(filter(os.path.exists, _LIBRARIES), "")
        tool = shutil.which(_TOOL)
        if not library or not tool:
            raise KeyLibraryError("a rehearsal needs SoftHSM", hint="apt-get install softhsm2")
        self.folder = folder.absolute()
        self._pin = self.folder / "pin"
        self._library = library
        tokens = self.folder / "tokens"
        tokens.mkdir(mode=0o700, parents=True)
        pin = secrets.token_hex(8)
        write_secret(self._pin, pin.encode())
        settings = self.folder / "softhsm2.conf"
        settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(settings)
        # The PIN may be seen on the command line: it guards what is worth nothing.
        named = ("--label", _LABEL, "--pin", pin, "--so-pin", secrets.token_hex(8))
        made = subprocess.run(  # noqa: S603
            [tool, "--init-token", "--free", *named], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise CeremonyFailedError(f"{_TOOL}: {(made.stderr or made.stdout).strip()}")

    def place(self, uri: str) -> str:
        """Return where the key of `uri` lies in a rehearsal.

        Raises:
            KeyUriError: there is no rehearsing in such a home.
        """
        scheme, _, rest = uri.partition(":")
        path, _, query = rest.partition("?")
        if scheme == "pkcs11":
            return self._in_token(path, query)
        if scheme == "file" and ".." not in Path(path).parts:
            target = self.folder / "files" / path.lstrip("/")
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return f"file:{target}{self._query(query)}"
        raise KeyUriError(
            f"there is no rehearsing with the key {uri[:120]}",
            hint="rehearse with pkcs11: URIs, and file: without '..'",
        )

    def _in_token(self, path: str, query: str) -> str:
        kept = [part for part in path.split(";") if part.partition("=")[0] in _OBJECT]
        asked = [
            part for part in query.split("&") if part and not part.startswith(("module-", "pin-"))
        ]
        asked += [f"module-path={quote(self._library)}", f"pin-source={self._source}"]
        return f"pkcs11:{';'.join([f'token={_LABEL}', *kept])}?{'&'.join(asked)}"

    def _query(self, query: str) -> str:
        """Return a query whose secrets come from the scratch folder."""
        parts = [part.partition("=") for part in query.split("&") if part]
        kept = [
            f"{name}={self._source}" if name.endswith("-source") else f"{name}={value}"
            for name, _, value in parts
        ]
        return f"?{'&'.join(kept)}" if kept else ""

    @property
    def _source(self) -> str:
        return f"file:{quote(str(self._pin))}"
