"""What is remembered between pulls. All of it may be lost, or written by anybody: no harm.

DIR/found/<name>    the bundles that made a yes; they are judged again each time
DIR/refused/<name>  a no of a few seconds ago

<name> is the SHA-256 of what was asked; a no also has in it what was believed then. A file is a
line of JSON and what it counts:

    {"type":"urn:sealbook:remembered:v1","digest":"sha256:…","repository":"registry.example/app",
     "sizes":[2048,1811]}

So whoever writes here can allow nothing, and whoever deletes here makes us ask again. In memory
a process also remembers a yes, for a moment, under what was believed when it was given.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import VerificationError
from verifier.pull.decision import Decision
from verifier.pull.sources.file import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.pull.decision import Question, Source
    from verifier.pull.settings import CacheSettings

_TYPE = "urn:sealbook:remembered:v1"
_YES_S = 10.0  # then a yes is judged again, for ages and dates that a policy asks for
_IN_MEMORY = 64 << 20  # bytes of bundles
_LARGEST = 8 << 20  # of one image
_HEAD = 16 << 10
_EVERY = 16  # writes between two looks at how much is there


class _Held(NamedTuple):
    decision: Decision
    until: float


class Remembered:
    """What one host remembers. Safe in many threads and processes; nothing here raises."""

    def __init__(
        self,
        settings: CacheSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember as `settings` say; files tell the time by `clock`."""
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._decisions: dict[tuple[bytes, tuple[Source, ...]], _Held] = {}
        self._bundles: dict[bytes, tuple[bytes, ...]] = {}
        self._size = 0
        self._writes = 0

    def of(self, question: Question, version: bytes, own: tuple[Source, ...] = ()) -> Memory:
        """Return what concerns `question` while what `version` stands for is believed.

        A no of sources of one's `own` is nobody else's.
        """
        return Memory(self, question, version, own)

    def decision(
        self, question: Question, version: bytes, own: tuple[Source, ...]
    ) -> Decision | None:
        """Return what was answered a moment ago."""
        name = _name(question, version)
        for key in ((name, ()), (name, own)):
            with self._lock:
                held = self._decisions.get(key)
                if held is not None and self._monotonic() >= held.until:
                    del self._decisions[key]
                    held = None
            if held is not None and (held.decision.allowed or key[1] == own):
                return held.decision._replace(remembered=True, sources=())
        return None if own else self._refused(question, name)

    def bundles(self, question: Question) -> Sequence[bytes]:
        """Return the bundles that made a yes once, or none. Nothing of them is trusted."""
        name = _name(question)
        with self._lock:
            found = self._bundles.get(name)
        return self._found(question, name) if found is None else found

    def keep(
        self,
        question: Question,
        version: bytes,
        own: tuple[Source, ...],
        decision: Decision,
        bundles: Sequence[bytes],
    ) -> None:
        """Remember a decision, and with a yes the bundles that made it."""
        yes = decision.allowed and not decision.code
        lasts_s = _YES_S if yes else float(self._settings.refused_s)
        name = _name(question, version)
        key = (name, () if yes else own)
        with self._lock:
            self._decisions.pop(key, None)
            self._decisions[key] = _Held(decision, self._monotonic() + lasts_s)
            while len(self._decisions) > self._settings.entries:
                del self._decisions[next(iter(self._decisions))]
        if yes:
            self._keep_found(question, tuple(bundles))
        elif not decision.allowed and not own:
            self._keep_refused(question, name, decision)

    def _keep_found(self, question: Question, bundles: tuple[bytes, ...]) -> None:
        size, name = sum(map(len, bundles)), _name(question)
        if size > _LARGEST:
            return
        with self._lock:
            old = self._bundles.pop(name, ())
            self._bundles[name] = bundles
            self._size += size - sum(map(len, old))
            most = min(_IN_MEMORY, self._settings.size)
            while len(self._bundles) > self._settings.entries or self._size > most:
                first = next(iter(self._bundles))
                self._size -= sum(map(len, self._bundles.pop(first)))
        if old != bundles:
            said = {"sizes": [len(one) for one in bundles]}
            self._write("found", name, question, said, b"".join(bundles))

    def _keep_refused(self, question: Question, name: bytes, decision: Decision) -> None:
        if self._settings.refused_s:
            told = {"code": decision.code, "message": decision.message, "hint": decision.hint}
            self._write("refused", name, question, {"at": int(self._clock()), **told}, b"")

    def _found(self, question: Question, name: bytes) -> Sequence[bytes]:
        """Return what is on disk of the bundles."""
        with contextlib.suppress(VerificationError, OSError, ValueError):
            read = self._read("found", name, question, _HEAD + _LARGEST)
            if read is None:
                return ()
            fields, rest = read
            sizes = fields.items("sizes", most=limits.CANDIDATES)
            if not all(type(one) is int and 0 < one <= limits.CANDIDATE for one in sizes):
                return ()
            found, at = [], 0
            for size in sizes:
                found.append(rest[at : at + size])
                at += size
            return found if at == len(rest) else ()
        return ()

    def _refused(self, question: Question, name: bytes) -> Decision | None:
        """Return the no that is on disk, if it is young."""
        with contextlib.suppress(VerificationError, OSError, ValueError):
            read = self._read("refused", name, question, _HEAD)
            if read is None:
                return None
            fields, _ = read
            if not 0 <= self._clock() - fields.number("at") < self._settings.refused_s:
                return None
            code, message, hint = (fields.text(key) for key in ("code", "message", "hint"))
            if code:
                digest, repository = question
                return Decision(
                    allowed=False,
                    digest=digest,
                    repository=repository,
                    code=code,
                    message=message,
                    hint=hint,
                    remembered=True,
                )
        return None

    def _read(
        self, kind: str, name: bytes, question: Question, limit: int
    ) -> tuple[Fields, bytes] | None:
        """Return the fields of a file and what follows them, if it is about `question`."""
        if not self._settings.directory:
            return None
        path = f"{self._settings.directory}/{kind}/{name.hex()}"
        content = read_regular(path, limit, follow=False)
        if content is None or len(content) > limit:
            return None
        head, _, rest = content.partition(b"\n")
        fields = Fields(json_object(head, limit=_HEAD), "remembered")
        asked = (_TYPE, str(question.digest), str(question.repository))
        if tuple(fields.text(key) for key in ("type", "digest", "repository")) != asked:
            return None
        return fields, rest

    def _write(
        self, kind: str, name: bytes, question: Question, said: dict[str, Any], rest: bytes
    ) -> None:
        """Put a file there, if that can be; readers find all of it, or what was there before."""
        if not self._settings.directory:
            return
        asked = {"type": _TYPE, "digest": question.digest, "repository": question.repository}
        head = json.dumps({**asked, **said}, separators=(",", ":")).encode()
        if len(head) > _HEAD:
            return
        directory = f"{self._settings.directory}/{kind}"
        temporary = f"{directory}/.{os.urandom(16).hex()}"
        with contextlib.suppress(OSError):  # full, read-only, or not ours
            os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123
                    file.write(head + b"\n" + rest)
                os.replace(temporary, f"{directory}/{name.hex()}")  # noqa: PTH105
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)  # noqa: PTH108
                raise
            self._writes += 1
            if self._writes % _EVERY == 1:
                self._prune(directory)

    def _prune(self, directory: str) -> None:
        """Delete the oldest files until what is left is within the bounds."""
        found = []
        with os.scandir(directory) as files:
            for one in files:
                with contextlib.suppress(OSError):  # somebody else deleted it
                    said = one.stat(follow_symlinks=False)
                    found.append((said.st_mtime_ns, said.st_size, one.path))
        found.sort()
        count, size = len(found), sum(one[1] for one in found)
        for _, its, path in found:
            if count <= self._settings.entries and size <= self._settings.size:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            count, size = count - 1, size - its


class Memory:
    """What is remembered about one question, under one belief."""

    def __init__(
        self,
        remembered: Remembered,
        question: Question,
        version: bytes,
        own: tuple[Source, ...],
    ) -> None:
        """See `Remembered.of`."""
        self._remembered = remembered
        self._asked = question, version, own

    def decision(self) -> Decision | None:
        """Return what was answered a moment ago."""
        return self._remembered.decision(*self._asked)

    def bundles(self) -> Sequence[bytes]:
        """Return the bundles that made a yes once, or none. Nothing of them is trusted."""
        return self._remembered.bundles(self._asked[0])

    def keep(self, decision: Decision, bundles: Sequence[bytes]) -> None:
        """Remember a decision, and with a yes the bundles that made it."""
        self._remembered.keep(*self._asked, decision, bundles)


def _name(question: Question, version: bytes = b"") -> bytes:
    asked = f"{question.digest}\n{question.repository}\n".encode()
    return hashlib.sha256(asked + version).digest()
