"""Dossiers: everything that proves one entry, in a zip file that a stranger can check.

    python -m verifier evidence --trust trust.json sealbook-entry-42.zip

`verifier.dossier` says what the members are, and judges them. They are made here
from whatever an audit reads from, with a path out of authenticated tiles or
proofs. The same entry under the same checkpoint and trust file gives the same
bytes. What the judge would not take is never handed out.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import NamedTuple

from ledger import labels
from ledger.audit.auditor import tree_of
from ledger.audit.source import Source
from ledger.audit.trusted import Head, Trusted
from ledger.errors import LedgerError, UnknownEntryError
from ledger.tiles import WIDTH
from verifier import dossier
from verifier import note as notes
from verifier.entry import Entry
from verifier.errors import MalformedError, VerificationError, printable
from verifier.merkle import InclusionProof
from verifier.note import ML_DSA, Note
from verifier.record import Record
from verifier.trust import TrustRoot

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can name
_README = """\
One entry of the ledger {origin}, with everything that proves it.

  {proven}

That sentence is only what this file claims. To check it, get the trust file from
whoever runs the ledger, not from here, and ask a verifier:

  pip install sealbook
  python -m verifier evidence --trust trust.json {name}

Exit code 0 means that it is so. No network is needed, and nobody is asked.

statement.json      what was signed, exactly
bundle.json         the statement with its signature, log entry and proof, as a
                    Sigstore bundle; `sealbook verify` and cosign read it
proof.tlog-proof    the proof alone, for tools of c2sp.org/tlog-proof
checkpoint.txt      the checkpoint of {tree_size} entries that the proof leads to,
                    signed by the log and by whoever witnessed it
trust.json          the trust file of whoever made this. A verifier does not read
                    it: whoever forges the rest could forge this as well
"""


class DossierError(LedgerError):
    """Nothing that would convince a stranger can be made of this entry."""

    code = "no-dossier"


class Made(NamedTuple):
    """A dossier that its judge has accepted, with the judge's own sentence."""

    content: bytes
    proven: str
    tree_size: int


def file_name(index: int) -> str:
    """Return what the dossier of the entry at `index` is called."""
    return f"sealbook-entry-{index}.zip"


def make(
    source: Source,
    trust_file: bytes,
    index: int,
    *,
    origin: str = "",
    proofs: bool = False,
    clock: Callable[[], float] = time.time,
) -> Made:
    """Return the dossier of the entry at `index`, under the newest checkpoint.

    1. The checkpoint: signed by a pinned key of the log, and by the quorum.
    2. The entry, and its path out of authenticated hashes.
    3. The body that it names, and the bundle of both.
    4. The judge of strangers accepts it: only here is the path checked with the entry.

    Raises:
        VerificationError: the checkpoint, or what was made, would not be believed.
        ContradictionError: the tree is not what its checkpoint says.
        UnknownEntryError: the tree ends before this entry.
        DossierError: no body of it is to be had, or it is of no form that has a bundle.
    """
    trust = TrustRoot.parse(trust_file)
    trusted = Trusted.root(trust, origin, clock())
    # 1.
    text = source.checkpoint()
    if text is None:
        raise DossierError(f"expected a checkpoint of {trusted.origin}, found none")
    head = trusted.head(text)
    tree_size = head.checkpoint.tree_size
    if index >= tree_size:
        raise UnknownEntryError(f"expected an index below {tree_size}, found {index}")
    # 2.
    entry = _entry(source, index, tree_size)
    proof = InclusionProof(
        index, tree_size, tree_of(source, head.checkpoint, proofs).inclusion(index)
    )
    # 3.
    record = Record(index, labels.BUNDLE, entry, _body(source, index, entry))
    try:
        bundle = record.bundle(proof, text, _log_id(head, trusted))
    except MalformedError as e:
        raise DossierError(f"entry {index} is of a form that has no bundle: {e.message}") from e
    members = {
        "statement.json": bundle.envelope.payload,
        "bundle.json": bundle.json(),
        "proof.tlog-proof": str(bundle.tlog_proof()).encode(),
        "checkpoint.txt": text.encode(),
        "trust.json": trust_file,
    }
    # 4.
    proven = _judged(pack(members), trust, clock)
    readme = _README.format(
        origin=trusted.origin, proven=printable(proven), name=file_name(index), tree_size=tree_size
    )
    content = pack({"README.txt": readme.encode(), **members})
    if _judged(content, trust, clock) != proven:
        raise AssertionError("a README changed what a dossier proves")
    return Made(content, proven, tree_size)


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of `members`, in their order: the same bytes for the same content.

    They are stored as they are, since what a compressor writes is its version's choice.
    """
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # a plain file, on Unix
            archive.writestr(info, content)
    return made.getvalue()


def _judged(content: bytes, trust: TrustRoot, clock: Callable[[], float]) -> str:
    return dossier.Dossier.parse(content).verify(trust, clock)


def _entry(source: Source, index: int, tree_size: int) -> bytes:
    n, i = divmod(index, WIDTH)
    bundle = source.entries(n, min(WIDTH, tree_size - n * WIDTH))
    if bundle is None or len(bundle) <= i:
        raise DossierError(f"entry {index} is not there, although the checkpoint implies it")
    return bundle[i]


def _body(source: Source, index: int, entry: bytes) -> bytes:
    try:
        logged = Entry.parse(entry)
    except VerificationError as e:
        raise DossierError(
            f"entry {index} is of a form that has no dossier: {e.message}",
            hint="its `sealbook proof` says that it is in the ledger; of an approval in the legacy "
            "form, the form bundle has a dossier",
        ) from e
    if logged.certificate:
        raise DossierError(
            f"entry {index} is under a certificate, and dossiers are judged by managed keys",
            hint="the same statement is logged in the form bundle: make its dossier",
        )
    body = source.body(logged.key.algorithm.hash_name, logged.data_digest.hex())
    if body is None:
        raise DossierError(
            f"the body of entry {index} is not here, so nobody can say what was signed",
            hint="it was deleted, or this source holds no bodies; "
            "--service, or a URL with --token-file, may have it",
        )
    return body


def _log_id(head: Head, trusted: Trusted) -> bytes:
    """Return the id, as Sigstore has it, of a log key that signed the checkpoint."""
    for key in notes.verify(Note.parse(head.note), trusted.log_keys):
        if key.kind != ML_DSA:
            return key.log_id
    raise DossierError("expected a signature of a kind that bundles can name, found ML-DSA alone")
