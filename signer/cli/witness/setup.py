"""What makes a witness: its directory, and the file in it that says who it is.

    name = "witness.example"
    keys = ["file:keys/witness.pem", "file:keys/witness-post-quantum.pem"]

`witness.toml` is written last: a directory without it is no witness. The keys may
lie elsewhere later; the name stays, because those who trust the witness pin it.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import NamedTuple, Self

from ledger.durable import write_durably
from ledger.errors import WitnessSetupError
from ledger.witness.state import WitnessState
from signer.keys import open_key
from signer.keys.memory import MemoryKey
from verifier._strict import Fields, note_name
from verifier.errors import MalformedError
from verifier.note import NoteKey
from verifier.publickey import Key

_FILE = "witness.toml"
_MOST_BYTES = 64 << 10


class Setup(NamedTuple):
    """Who a witness is: its name, and its keys' URIs, relative to its `directory`."""

    directory: Path
    name: str
    uris: tuple[str, ...]

    @classmethod
    def make(cls, directory: Path, name: str, *, post_quantum: bool) -> Self:
        """Make a witness in `directory`, which is made or empty.

        Raises:
            WitnessSetupError: there is something already.
            MalformedError: `name` names no key.
        """
        note_name(name)
        if '"' in name or "\\" in name:  # a name goes into `witness.toml` as it is
            raise MalformedError(f"expected a name without quotes, found {name[:80]!r}")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise WitnessSetupError(f"expected an empty directory, {directory} holds something")
        directory.chmod(0o700)
        keys = directory / "keys"
        keys.mkdir(mode=0o700)
        algorithms = {"witness": "ed25519"}
        if post_quantum:
            algorithms["witness-post-quantum"] = "ml-dsa-44"
        for stem, algorithm in algorithms.items():
            MemoryKey.generate(algorithm).save(keys / f"{stem}.pem")
        WitnessState.create(directory)
        made = cls(directory, name, tuple(f"file:keys/{stem}.pem" for stem in algorithms))
        uris = ", ".join(f'"{uri}"' for uri in made.uris)
        write_durably(directory / _FILE, f'name = "{name}"\nkeys = [{uris}]\n'.encode())
        return made

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read who the witness in `directory` is.

        Raises:
            WitnessSetupError: there is none, or the file says something else.
        """
        path = directory / _FILE
        if not os.path.lexists(path):
            raise WitnessSetupError(
                f"expected a witness in {directory}, found no {_FILE}",
                hint="check the path; `sealbook witness init DIR` makes a new witness",
            )
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode()
            fields = Fields(tomllib.loads(text), _FILE)
            name, uris = note_name(fields.text("name")), fields.items("keys", most=8)
            fields.done()
        except (MalformedError, ValueError) as e:  # tomllib's and decode's errors
            raise WitnessSetupError(f"{path}: {e}") from e
        if not uris or not all(isinstance(uri, str) for uri in uris):
            raise WitnessSetupError(f"{path}: expected URIs of keys")
        return cls(directory, name, tuple(uris))

    def open_keys(self) -> tuple[Key, ...]:
        """Open the private keys; raises like `signer.keys.open_key`."""
        return tuple(open_key(uri, self.directory) for uri in self.uris)

    def public_keys(self) -> tuple[NoteKey, ...]:
        """Return the keys as those pin them who trust this witness."""
        return tuple(NoteKey.witness(self.name, key.public) for key in self.open_keys())


def policy_lines(keys: tuple[NoteKey, ...], url: str) -> list[str]:
    """Return the lines of a policy (c2sp.org/tlog-policy) that name this witness.

    A quorum counts names, so that a second key has one of its own: to demand both,
    put them into a group `all`.
    """
    lines = []
    for number, key in enumerate(keys):
        name = key.name if number == 0 else f"{key.name}-{number + 1}"
        lines.append(f"witness {name} {key} {url}".rstrip())
    return lines
