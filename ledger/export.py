"""A ledger as files, for any web server: what `ledger.resources` serves, up to a signed checkpoint.

In slices: bodies, entry bundles, tiles; then the unfinished tiles; the checkpoint
last. What a checkpoint in the directory implies is there before it is. Nothing is
copied unproven: tiles are made from the entries, must be those that are stored,
and the last slice must lead to the signed root before it is written.

Whatever is there already is compared, so that an export which was cut off is
finished by the next one, and one that somebody altered is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger import labels, tree
from ledger.bodies import NONE, Bodies
from ledger.derived import body_of
from ledger.edge import advance, load_edge
from ledger.errors import DamagedError, TransferError
from ledger.resources import body_path
from ledger.static import StaticFiles
from ledger.store import SLICE, Store
from ledger.tiles import WIDTH, Edge, Tile, TileReader, entries_path, pack_entries, tile_path
from verifier import limits
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf
from verifier.note import Note, NoteKey

_CHECKPOINT = "checkpoint"


class Exported(NamedTuple):
    """What an export did: the tree is there up to `tree_size`, and `files` of it are new."""

    tree_size: int
    files: int


class Export:
    """One export of `store` into `files`; `keys` are the ledger's, pinned."""

    def __init__(
        self, store: Store, files: StaticFiles, keys: Sequence[NoteKey], kept: Bodies = NONE
    ) -> None:
        """Prepare; nothing is written yet. Large bodies are in `kept`."""
        self._store = store
        self._kept = kept
        self._files = files
        self._keys = keys
        self._fresh = 0

    def run(
        self, note: str, progress: Callable[[int, int], None], *, bodies: bool = False
    ) -> Exported:
        """Export up to the signed checkpoint `note`, with `bodies` if they may be public.

        Raises:
            TransferError: the directory holds a newer checkpoint, or another ledger.
            VerificationError: `note` is not signed by one of the keys.
            DamagedError: what is stored does not lead to the signed root.
        """
        signed = Note.parse(note)
        new = self._verified(signed)
        if new.origin != self._store.origin:
            raise TransferError(f"expected a note of {self._store.origin}, found {new.origin}")
        there = self._store.head().tree_size
        if new.tree_size > there:
            raise TransferError(f"the note is of {new.tree_size} entries, the store has {there}")
        if (root := root_at(self._store, new.tree_size)) != new.root:
            raise DamagedError(f"the entries hash to {root.hex()}, the note says {new.root.hex()}")
        replaces = self._replaces(signed, new)
        compact: tuple[Hash, ...] = ()
        edge: Edge = ()
        for start in range(0, new.tree_size, SLICE):
            entries = self._entries(start, min(start + SLICE, new.tree_size))
            extension = tree.extend(start, compact, [hash_leaf(entry) for entry in entries])
            compact = extension.compact
            edge, full = advance(edge, extension)
            self._check_tiles(full)
            if extension.tree_size == new.tree_size and extension.root != new.root:
                raise DamagedError(f"the entries from {start} on do not lead to the signed root")
            if bodies:
                self._keep_bodies(start, entries)
            self._keep_bundles(start, entries)
            self._keep_tiles(full)
            progress(extension.tree_size, new.tree_size)
        self._keep_unfinished(edge)
        if replaces:
            self._expose(note)
        return Exported(new.tree_size, self._fresh)

    def _verified(self, note: Note) -> Checkpoint:
        notes.verify(note, self._keys)
        return Checkpoint.parse(note.text)

    def _replaces(self, signed: Note, new: Checkpoint) -> bool:
        """Whether the checkpoint that is there gives way to `new`, which it must not contradict."""
        raw = self._files.read(_CHECKPOINT, limits.NOTE + 1)
        if raw is None:
            return True
        try:
            note = Note.parse(raw.decode())
            old = self._verified(note)
        except (VerificationError, UnicodeDecodeError) as e:
            raise TransferError(
                f"the checkpoint that is there is none of {new.origin}: {e}",
                hint="export into another directory",
            ) from e
        if old.tree_size > new.tree_size:
            raise TransferError(
                f"the export is at {old.tree_size} entries, newer than {new.tree_size}",
                hint="if the ledger was rolled back, that checkpoint is the evidence: keep it",
            )
        if root_at(self._store, old.tree_size) != old.root:
            raise TransferError(
                f"the export's checkpoint of {old.tree_size} entries contradicts the ledger",
                hint="both are signed, and one of them is a fork: keep that checkpoint",
            )
        # Of one tree, the note that more witnesses cosigned says more.
        return old != new or len(signed.signatures) >= len(note.signatures)

    def _entries(self, start: int, stop: int) -> list[bytes]:
        entries = self._store.entries(start, stop)
        if len(entries) != stop - start:
            raise DamagedError(f"expected entries {start} to {stop - 1}, found {len(entries)}")
        return entries

    def _check_tiles(self, full: Sequence[Tile]) -> None:
        for tile in full:
            if self._store.tile(tile.id) != tile.hashes:
                raise DamagedError(
                    f"tile {tile.id.level}/{tile.id.n} is not what the entries hash to",
                    hint="run `sealbook fsck`",
                )

    def _keep_bodies(self, start: int, entries: Sequence[bytes]) -> None:
        for index, entry in enumerate(entries, start):
            name = labels.body_name(entry)
            if name is None:  # nothing that we signed
                continue
            # One at a time: a body may have 32 MB.
            [row] = self._store.rows(index, index + 1)
            body = body_of(row, self._kept)
            if body is not None:
                self._keep(body_path(name), body)
            elif not labels.is_opaque(row.labels):
                # Taken away by a logged statement, and so here.
                self._files.remove(body_path(name))

    def _keep_bundles(self, start: int, entries: Sequence[bytes]) -> None:
        for at in range(0, len(entries), WIDTH):
            bundle = entries[at : at + WIDTH]
            path = entries_path((start + at) // WIDTH, len(bundle))
            self._keep(path, pack_entries(bundle))

    def _keep_tiles(self, full: Sequence[Tile]) -> None:
        for tile in full:
            self._keep(tile_path(*tile.id), tile.hashes)

    def _keep_unfinished(self, edge: Edge) -> None:
        for level, (n, hashes) in enumerate(edge):
            if hashes:
                self._keep(tile_path(level, n, len(hashes)), b"".join(hashes))

    def _keep(self, path: str, content: bytes) -> None:
        self._fresh += self._files.keep(path, content)

    def _expose(self, note: str) -> None:
        self._files.put(_CHECKPOINT, note.encode())


def root_at(store: Store, tree_size: int) -> Hash:
    """Return the root that the stored tree had at `tree_size`, from its topmost nodes."""
    if tree_size == 0:
        return EMPTY_ROOT
    edge = load_edge(store, tree_size)
    reader = TileReader(store.tile)
    return tree.fold([reader.node(node, edge) for node in tree.cover(0, tree_size)])


def newest_note(store: Store) -> str:
    """Return the signed checkpoint of the largest tree that one was kept for.

    Raises:
        TransferError: none was.
    """
    after = store.head().tree_size
    while after >= 0:
        after -= SLICE
        if found := store.notes(after, SLICE):
            return found[-1][1]
    raise TransferError(
        "expected a signed checkpoint in the store, found none",
        hint="start the service: a checkpoint is kept with the entries that come after it",
    )
