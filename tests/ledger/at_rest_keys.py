"""Data keys to test with, and attestations whose content can be looked for."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from ledger.at_rest import DataKey
from ledger.ledger import Ledger
from ledger.opening import Home
from ledger.plan import NewEntry
from tests.ledger.large import Large, large
from tests.ledger.making import ORIGIN, REPOSITORY, signed
from verifier import statement
from verifier.digest import Digest

CANARY = b"canary-of-what-nobody-may-read"
KIND = "https://cyclonedx.org/bom"


class HeldKeys:
    """Data keys in memory; the last one encrypts, unless they only open."""

    def __init__(self, *seeds: bytes, opens_only: bool = False) -> None:
        """Make a key of each seed."""
        made = [hashlib.sha256(seed).digest() for seed in seeds]
        self.keys = {secret[:8]: secret for secret in made}
        self._newest = None if opens_only else DataKey(made[-1][:8], made[-1])

    def newest(self) -> DataKey | None:
        """Return the last key."""
        return self._newest

    def find(self, key_id: bytes) -> bytes | None:
        """Return a key's secret."""
        return self.keys.get(key_id)


KEYS_AT_REST = HeldKeys(b"a", b"b")


def small(i: int, canaries: int = 1) -> NewEntry:
    """Return an attestation of image `i` with so many canaries in its predicate."""
    before, after = statement.around(KIND, [Digest.of(b"%d" % i)], REPOSITORY, {})
    return signed(before + b'{"bom":"%b %d"}' % (CANARY * canaries, i) + after)


def whole(i: int, size: int = 200_000) -> Large:
    """Return an attestation of image `i` whose body is too large for its row."""
    return large(i, size)


def keep(ledger: Ledger, made: Large) -> NewEntry:
    """Put a secret body into its file."""
    with ledger.bodies.spool(secret=True) as spool:
        for at in range(0, len(made.body), 100_000):
            spool.write(made.body[at : at + 100_000])
        spool.keep()
    return made.new


def deletion(index: int, name: str) -> NewEntry:
    """Return the statement that a body is deleted."""
    predicate = {"index": index, "digest": name, "reason": "a test", "previous": None}
    return signed(statement.event("body-deleted", ORIGIN, predicate))


def lies_in(directory: Path, *secrets: bytes) -> set[str]:
    """Return the files below `directory` in which one of `secrets` can be read."""
    # In a process of its own: whoever closes a database's file drops this process's locks on it.
    wanted = [word for secret in secrets for word in ("-e", secret)]
    done = subprocess.run(
        ["grep", "-rlaF", *wanted, "."], cwd=directory, capture_output=True, check=False
    )
    # A service that runs may take a file away meanwhile.
    wrong = [line for line in done.stderr.splitlines() if b"No such file" not in line]
    assert not wrong, wrong
    return {line.removeprefix("./") for line in done.stdout.decode().splitlines()}


def parts_of(home: Home) -> list[Path]:
    """Return the files of the database."""
    return [path for path in home.directory.iterdir() if path.name.startswith("ledger.db")]
