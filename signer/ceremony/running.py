"""Hold a key ceremony: the main flow of this room, which asks nobody anything.

1. The folder is new, and a transcript is in it before there is a key.
2. For each key of the file, one after the other:
   a. it is made in its home, which overwrites nothing;
   b. it is of the algorithm that the file says;
   c. it is opened again by its URI, as the service will, and is the same key;
   d. what its home states of it is written down, and is what the file demands;
   e. it signs the self-test, which its public half verifies;
   f. its public half is written.
3. The transcript says that it is done, and its hash holds from then on.

The transcript is durable after each step, so that a ceremony that was cut off says where. What
fails ends the ceremony: no key of it may be used, and what was made until then is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ledger.durable import write_durably, write_new
from signer import __version__, keys
from signer.ceremony import self_test
from signer.ceremony.reading import Ceremony, WantedKey
from signer.ceremony.telling import tell
from signer.ceremony.transcript import BEGUN, DONE, FAILED, MadeKey, Step, Transcript
from signer.errors import CeremonyFailedError, CeremonyFolderError
from signer.keys import CheckedKey
from signer.keys.home import Role
from verifier.errors import SealbookError, printable

JSON, TEXT = "transcript.json", "transcript.txt"
_MODE = 0o644  # whoever was there may read what was done
_REHEARSED = "REHEARSAL-"  # before a file's name, so that nobody takes it for the real one
_ASKED = "asked for "


def hold(
    ceremony: Ceremony,
    folder: Path,
    base: Path,
    *,
    place: Callable[[str], str] | None = None,
    say: Callable[[str], object] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Transcript:
    """Return the transcript of a ceremony that is over, which lies in `folder`.

    `make_folder` made it. Relative paths in URIs start at `base`. With `place` it is a rehearsal,
    which has the key of each URI where that says. `say` gets each step, for those in the room.

    Raises:
        CeremonyFailedError: it stopped, as the transcript says.
    """
    # 1.
    first = Transcript(ceremony, place is not None, f"sealbook {__version__}")
    record = _Record(first, folder, say, clock)
    record.step("began", f"a file with sha256 {ceremony.sha256}")
    try:
        # 2.
        for wanted in ceremony.keys:
            _make_key(record, wanted, place(wanted.uri) if place else wanted.uri, base)
        # 3.
        return record.over(DONE)
    except BaseException as e:
        told = _told(e)
        record.over(FAILED, told)
        if isinstance(e, (SealbookError, OSError)):
            raise CeremonyFailedError(told, hint=_left(record.transcript)) from e
        raise


def make_folder(folder: Path) -> None:
    """Make the folder of a ceremony, in which there is nothing.

    Raises:
        CeremonyFolderError: there is something, as what another ceremony left.
    """
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        there = any(folder.iterdir())
    except OSError as e:
        raise CeremonyFolderError(f"cannot make {folder}: {e.strerror}", hint="") from e
    if there:
        left = _interrupted(folder)
        told = f"; the ceremony in it was cut off: {left}" if left else ""
        raise CeremonyFolderError(f"expected {folder} to be empty, or not to be there{told}")


def _interrupted(folder: Path) -> str:
    """Return in words what a ceremony in `folder` left when it was cut off, or nothing."""
    try:
        transcript = Transcript.parse((folder / JSON).read_bytes())
    except (OSError, SealbookError):
        return ""
    return _left(transcript) if transcript.outcome == BEGUN else ""


class _Record:
    """The transcript while it is written; durable after each step."""

    def __init__(
        self,
        transcript: Transcript,
        folder: Path,
        say: Callable[[str], object],
        clock: Callable[[], float],
    ) -> None:
        self.transcript = transcript
        self.folder = folder
        self._say = say
        self._clock = clock

    def step(self, did: str, found: str) -> None:
        """Write down what was done."""
        step = Step(int(self._clock()), printable(did), printable(found))
        self._keep(self.transcript._replace(steps=(*self.transcript.steps, step)))
        self._say(f"{len(self.transcript.steps):>2}. {step.did}: {step.found}")

    def key(self, key: MadeKey) -> None:
        """Write down what is known of a key, in the place of what was known of it before."""
        others = (one for one in self.transcript.keys if one.name != key.name)
        self._keep(self.transcript._replace(keys=(*others, key)))

    def over(self, outcome: str, failure: str = "") -> Transcript:
        """Write down how it ended."""
        self._keep(self.transcript._replace(outcome=outcome, failure=printable(failure)))
        return self.transcript

    def _keep(self, transcript: Transcript) -> None:
        self.transcript = transcript
        write_durably(self.folder / TEXT, tell(transcript).encode(), _MODE)
        write_durably(self.folder / JSON, transcript.json(), _MODE)


def _make_key(record: _Record, wanted: WantedKey, uri: str, base: Path) -> None:
    role = Role(wanted.name, wanted.purpose)
    name = wanted.name
    # a.
    record.step(_ASKED + name, f"{wanted.algorithm}, at {uri}")
    key = keys.create_key(uri, base, role, wanted.algorithm)
    made = MadeKey(name, uri, key.public, {})
    record.key(made)
    record.step(f"made {name}", f"fingerprint {key.public.fingerprint}")
    # b.
    if key.public.algorithm.name != wanted.algorithm:
        found = key.public.algorithm.name
        raise CeremonyFailedError(f"expected a key of {wanted.algorithm}, found {found}")
    # c.
    key.close()
    key = keys.open_key(uri, base, role)
    if key.public != made.public:
        raise CeremonyFailedError(f"key {name} is another one when it is opened again")
    record.step(f"opened {name} again", "the same key")
    # d.
    made = made._replace(attributes=_stated(key))
    record.key(made)
    if missed := wanted.missed(made.attributes):
        raise CeremonyFailedError(f"key {name}: {missed}")
    record.step(f"looked at {name}", f"all that is demanded: {', '.join(wanted.attributes)}")
    # e.
    ceremony, rehearsal = record.transcript.ceremony, record.transcript.rehearsal
    message = self_test.message(ceremony, wanted, made.public, rehearsal=rehearsal)
    signature = key.sign(message)
    made.public.verify(signature, message)
    key.close()
    record.key(made._replace(self_test=signature))
    record.step(f"had {name} sign its self-test", "verified with its public key")
    # f.
    file = f"{_REHEARSED if rehearsal else ''}{name}.pub"
    write_new(record.folder / file, made.public.pem())
    record.step(f"wrote {file}", "its public key")


def _told(error: BaseException) -> str:
    """Return in words what went wrong; a transcript is shown around, so no stranger's words."""
    if isinstance(error, SealbookError):
        return error.message
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return type(error).__name__


def _stated(key: CheckedKey) -> Mapping[str, str]:
    """Return what the home states, as it can be printed."""
    return {printable(name): printable(value) for name, value in key.attributes.items()}


def _left(transcript: Transcript) -> str:
    """Return in words what a ceremony that is not done left behind."""
    made = {key.name: key for key in transcript.keys}
    asked = {step.did for step in transcript.steps}
    told = []
    for wanted in transcript.ceremony.keys:
        if wanted.name in made:
            told.append(f"key {wanted.name} at {made[wanted.name].uri} is not to be used")
        elif _ASKED + wanted.name in asked:
            told.append(
                f"key {wanted.name} at {wanted.uri} may be there, half made or older than this"
            )
    return "; ".join(told) or "no key was made"
