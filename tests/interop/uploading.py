"""cosign as its users run it, with a key of their own and our log for its own.

The third version is told where the log is by our signing_config.json, secret and
all; the second by --rekor-url, where the secret is a part of the path.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx

from ledger import labels
from ledger.store import SLICE
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from tests.interop.judging import Verdict, ask_at
from tests.interop.product import Product

BLOB, PREDICATE, BUNDLE = "blob", "predicate.json", "bundle.json"
CONFIG, ROOT, PROMISE = "signing_config.json", "trusted_root.json", "promise.pub"
KINDS = ("ecdsa", "rsa")


def http_address(product: Product) -> str:
    """Return where the service answers over HTTP."""
    config = tomllib.loads((product.directory / "sealbook.toml").read_text())
    address: str = config["listen"]["http"]
    return address


def append_token(product: Product) -> str:
    """Return the secret of those who may append and no more."""
    return (product.directory / "append-token").read_text().strip()


class Desk(NamedTuple):
    """A directory with a user's key in it, and what a service gave to that user."""

    home: Path
    cosign: Path
    cosign2: Path
    http: str
    secret: str
    database: Path

    @classmethod
    def made(cls, home: Path, kind: str, product: Product, cosign: Path, cosign2: Path) -> Desk:
        """Put a key of this kind, a blob and a predicate into an empty directory."""
        database = path_in(product.directory / "ledger")
        desk = cls(home, cosign, cosign2, http_address(product), append_token(product), database)
        (home / CONFIG).write_bytes((product.directory / CONFIG).read_bytes())
        (home / ROOT).write_bytes(product.sigstore_root)
        (home / PROMISE).write_bytes(product.promise_key)
        (home / BLOB).write_text("a release\n")
        (home / PREDICATE).write_text(json.dumps({"builder": "here"}))
        if kind == "rsa":
            made = ("openssl", "genrsa", "-out", "rsa.pem", "2048")
            subprocess.run(made, cwd=home, capture_output=True, check=True)
            words = ("import-key-pair", "--key", "rsa.pem", "--output-key-prefix", "user")
        else:
            words = ("generate-key-pair", "--output-key-prefix", "user")
        desk.ran(*words)
        return desk

    @property
    def legacy_url(self) -> str:
        """The log for clients that know no userinfo."""
        return f"http://{self.http}/t/{self.secret}"

    @property
    def tree_size(self) -> int:
        """How many entries the log has."""
        note = httpx.get(f"http://{self.http}/checkpoint").raise_for_status().text
        return int(note.split("\n")[1])

    @property
    def uploads(self) -> int:
        """How many entries the log has that are not its own."""
        with closing(SqliteStore(self.database, read_only=True)) as store:
            events = store.search("form", labels.EVENT, -1, SLICE)
            return store.head().tree_size - len(events)

    def run(self, *words: str) -> Verdict:
        """Run cosign 3 here."""
        return ask_at(self.home, (self.cosign, *words), {"COSIGN_PASSWORD": ""})

    def ran(self, *words: str) -> None:
        """Run cosign 3 here, and it must succeed."""
        verdict = self.run(*words)
        assert verdict.accepted, verdict.output

    def ran2(self, *words: str) -> None:
        """Run cosign 2 here, which knows our log by the key of its promises."""
        environment = {"COSIGN_PASSWORD": "", "SIGSTORE_REKOR_PUBLIC_KEY": PROMISE}
        verdict = ask_at(self.home, (self.cosign2, *words), environment)
        assert verdict.accepted, verdict.output

    def logged_at(self, bundle: str = BUNDLE) -> int:
        """Return the index in the only log entry of a v0.3 bundle here."""
        value = json.loads((self.home / bundle).read_bytes())
        [entry] = value["verificationMaterial"]["tlogEntries"]
        return int(entry["logIndex"])
