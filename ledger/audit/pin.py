r"""What an auditor remembers from one audit to the next, in a file that only it writes.

    {"type":"urn:sealbook:audit:v1","origin":"ledger.example",
     "note":"ledger.example\n12\n…","seen":1750000000,
     "checked":12,"compact":["<b64>","<b64>"],"committed_at":1749999990,
     "bodies":true,"events":{"urn:sealbook:genesis":0},"opaque":0,
     "open":[{"code":"body-missing","index":7,"expected":"…","found":"none"}],
     "kept":[{"note":"…","seen":1749990000}]}

`note` is the newest checkpoint that was verified and joined to all earlier ones.
`checked` is the pin itself: every entry before it was re-hashed, judged, and
delivered if it matched; only then is it moved, so a kill leaves no gap. What was
delivered just before a kill may be delivered again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from ledger.audit.finding import Finding
from ledger.durable import write_durably
from ledger.errors import SourceError
from ledger.tree import root
from verifier import limits
from verifier._strict import Fields, b64, b64encode, canonical_json, json_object
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, VerificationError
from verifier.merkle import Hash
from verifier.note import Note

TYPE = "urn:sealbook:audit:v1"
MOST_OPEN = 10_000
_LIMIT = 64 << 20
_MOST_KEPT = 512
_MOST_KINDS = 10_000


class PinError(SourceError):
    """The auditor's own memory cannot be read: nobody can say what changed since."""

    code = "audit-state"
    hint = "bring the file back, or begin anew with another --state: that forgets what was seen"


class Seen(NamedTuple):
    """A verified checkpoint, and when this auditor saw it, in POSIX seconds."""

    note: str
    seen: int


class Pin(NamedTuple):
    """How far this ledger was audited, and what was seen on the way."""

    origin: str
    note: str = ""  # of the newest checkpoint; empty before the first audit
    seen: int = 0
    checked: int = 0
    compact: tuple[Hash, ...] = ()
    committed_at: int = 0  # of the last entry, by the service's word
    bodies: bool = True  # whether every body before `checked` was judged
    events: Mapping[str, int] = {}  # kind -> index of the last
    opaque: int = 0
    open: tuple[Finding, ...] = ()
    kept: tuple[Seen, ...] = ()  # by time

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint, if there was one."""
        return Checkpoint.parse(Note.parse(self.note).text) if self.note else None

    def keep(self, note: str, seen: int) -> Self:
        """Remember one checkpoint more: of each size the first that was seen, and the last.

        The first says by when an entry was there, the last until when it was not.
        """
        size = _size(note)
        kept = [*self.kept]
        if len(kept) >= 2 and _size(kept[-1].note) == _size(kept[-2].note) == size:
            kept.pop()
        kept.append(Seen(note, seen))
        if len(kept) > _MOST_KEPT:  # thin out what is old
            half = len(kept) // 2
            kept = [*kept[:half:2], *kept[half:]]
        return self._replace(kept=tuple(kept))

    @classmethod
    def load(cls, path: Path, origin: str) -> Self:
        """Read the pin for `origin`, or return an empty one when there is no file.

        Raises:
            PinError: it is another ledger's, or not as `save` left it.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_LIMIT + 1)
        except FileNotFoundError:
            return cls(origin)
        except OSError as e:
            raise PinError(f"{path}: {e.strerror}") from e
        try:
            pin = cls._parse(data)
            tree = pin.checkpoint
            size = tree.tree_size if tree else 0
        except VerificationError as e:
            raise PinError(f"{path}: {e.message}") from e
        if pin.origin != origin or (tree and tree.origin != origin):
            raise PinError(f"{path}: expected the pin of {origin}, found {pin.origin}'s")
        if pin.checked > size or len(pin.compact) != pin.checked.bit_count():
            raise PinError(f"{path}: expected a pin within {size} entries, found {pin.checked}")
        if tree and pin.checked == size and root(pin.compact) != tree.root:
            raise PinError(f"{path}: the compact range does not lead to the checkpoint's root")
        return pin

    def save(self, path: Path) -> None:
        """Put the pin in the place of the last one, whole or not at all; durable on return."""
        value = {
            "type": TYPE,
            "origin": self.origin,
            "note": self.note,
            "seen": self.seen,
            "checked": self.checked,
            "compact": [b64encode(node) for node in self.compact],
            "committed_at": self.committed_at,
            "bodies": self.bodies,
            "events": dict(self.events),
            "opaque": self.opaque,
            "open": [finding.json() for finding in self.open],
            "kept": [seen._asdict() for seen in self.kept],
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, canonical_json(value) + b"\n")
        except OSError as e:
            raise PinError(f"{path}: {e.strerror}", hint="the pin was not moved") from e

    @classmethod
    def _parse(cls, data: bytes) -> Self:
        fields = Fields(json_object(data, limit=_LIMIT), "audit")
        if (kind := fields.text("type")) != TYPE:
            raise MalformedError(f"expected type {TYPE}, found {kind[:80]!r}")
        compact = fields.items("compact", most=limits.PATH)
        kinds = fields.take("events", dict)
        if len(kinds) > _MOST_KINDS or not all(type(i) is int for i in kinds.values()):
            raise MalformedError("audit.events: expected an index for each kind")
        pin = cls(
            fields.text("origin"),
            fields.text("note"),
            fields.number("seen"),
            fields.number("checked"),
            tuple(Hash(b64(str(node), size=Hash.SIZE)) for node in compact),
            fields.number("committed_at"),
            fields.take("bodies", bool),
            kinds,
            fields.number("opaque"),
            tuple(_finding(v) for v in fields.items("open", most=MOST_OPEN)),
            tuple(_seen(v) for v in fields.items("kept", most=_MOST_KEPT)),
        )
        fields.done()
        return pin


def _finding(value: object) -> Finding:
    fields = Fields(value, "audit.open")
    finding = Finding(
        fields.text("code"),
        fields.number("index"),
        fields.text("expected"),
        fields.text("found"),
    )
    fields.done()
    return finding


def _seen(value: object) -> Seen:
    fields = Fields(value, "audit.kept")
    seen = Seen(fields.text("note"), fields.number("seen"))
    fields.done()
    return seen


def _size(note: str) -> int:
    return Checkpoint.parse(Note.parse(note).text).tree_size
