"""`sealbook-containerd-verifier`: an image verifier of containerd, from 2.1 on.

containerd starts it before it unpacks an image, with what it pulls and what it found there:

    -name registry.example/team/app:1.4
    -digest sha256:…
    -stdin-media-type application/vnd.oci.descriptor.v1+json

and on standard input

    {"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:…","size":491}

Exit code 0 means yes, and everything else no; one line on standard output says why, and the
user sees it. The digest that is judged is the one that containerd goes on to unpack. The warm
daemon is asked if it listens, and whatever it does instead of answering, this process judges by
itself. It is done before containerd loses its patience after 10 s, for then nobody learns why.

Spec: github.com/containerd/containerd, docs/image-verification.md.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from verifier.errors import InternalError, MalformedError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.pull.decision import Decision, Question
    from verifier.pull.settings import PullSettings

PATIENCE_S = 9.0
_FOR_SAYING_S = 0.4  # so that a no of our own comes before the one of `_Once.too_late`
_FOR_THE_DAEMON = 0.6  # of the time; the rest is for judging without it
_DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"
_STDIN = 64 << 10
_NEEDED = ("-name", "-digest", "-stdin-media-type")
_OPERATION = "-operation"  # newer ones say `pull`, where containers are verified at their start too


class PluginCallError(MalformedError):
    """containerd did not call the plugin as it is documented, or somebody else did."""

    code = "bad-call"
    hint = "containerd starts this program, from its image verifier's bin_dir"


def program() -> None:
    """Answer, and end the process at once: no thread that is still asking keeps containerd."""
    os._exit(main())


def main(argv: Sequence[str] | None = None, patience_s: float = PATIENCE_S) -> int:
    """Say why in one line, and return the exit code: 0 only for yes."""
    until = time.monotonic() + patience_s
    once = _Once()
    _thread.start_new_thread(once.too_late, (patience_s,))
    try:
        decision, told = _decided(sys.argv[1:] if argv is None else argv, until - _FOR_SAYING_S)
    except VerificationError as e:
        return once.say(_no(e), 1)
    except BaseException as e:  # noqa: BLE001  a bug must not look like a yes, nor like a crash
        return once.say(_no(InternalError(f"{type(e).__name__}: {e}")), 1)
    code = once.say(decision.line, 0 if decision.allowed else 1)
    told()
    return code


def _decided(argv: Sequence[str], until: float) -> tuple[Decision, Callable[[], None]]:
    """Decide about the image that containerd names, and return what is done once that was said.

    1. Which image is it, under which settings?
    2. What does the warm daemon say, if there is one?
    3. And without it?
    """
    from verifier.pull.settings import PATH, PullSettings

    # 1.
    question = _question(argv, _stdin())
    path = os.path.abspath(os.environ.get("SEALBOOK_PULL") or PATH)  # noqa: PTH100
    settings = PullSettings.load(path)
    # 2.
    if os.path.exists(settings.socket):  # noqa: PTH110  pathlib costs 5 ms of cold start
        from verifier.pull.line import Asked, DaemonError, ask

        left_s = (until - time.monotonic()) * _FOR_THE_DAEMON
        try:
            asked = Asked(path, question, left_s)
            return ask(settings.socket, asked, left_s + _FOR_SAYING_S), lambda: None
        except DaemonError as e:
            sys.stderr.write(f"sealbook: {e.message}\n")  # containerd's debug log
    # 3.
    from verifier.pull.gate import Gate

    decision = Gate(settings).decide(question, until - time.monotonic())
    return decision, lambda: _report(settings, decision, path)


def _report(settings: PullSettings, decision: Decision, path: str) -> None:
    """Count the decision, if the settings want that; nothing of it can change the answer."""
    if settings.report:
        with contextlib.suppress(BaseException):
            from verifier.pull import spool

            spool.note(settings, decision, path)


def _question(argv: Sequence[str], stdin: bytes) -> Question:
    """Return what is asked.

    Raises:
        PluginCallError: the arguments are not containerd's, or disagree with each other.
        VerificationError: they name no image as we do.
    """
    from verifier import limits
    from verifier._strict import json_object
    from verifier.digest import Digest
    from verifier.pull.decision import Question
    from verifier.pull.place import registry_place

    found = dict(zip(argv[::2], argv[1::2], strict=False))
    odd = len(argv) % 2 or 2 * len(found) != len(argv)
    if odd or found.pop(_OPERATION, "pull") != "pull" or set(found) != set(_NEEDED):
        said = " ".join(argv)[:200]
        raise PluginCallError(f"expected {', '.join(_NEEDED)}, each with a value, found {said!r}")
    name, digest, kind = (found[one] for one in _NEEDED)
    if kind != _DESCRIPTOR:
        raise PluginCallError(f"expected {_DESCRIPTOR} on standard input, found {kind[:80]!r}")
    if len(stdin) > _STDIN:
        raise PluginCallError(f"expected at most {_STDIN} bytes on standard input")
    described = json_object(stdin, limit=limits.MANIFEST).get("digest")
    if described != digest:
        raise PluginCallError(f"expected the descriptor of {digest[:80]}, found {described!r:.80}")
    place = registry_place(name)
    if place.digest is not None and place.digest != digest:
        raise PluginCallError(f"expected {place.digest}, which is in the name, found {digest[:80]}")
    return Question(Digest(digest), place.repository)


def _stdin() -> bytes:
    """Return standard input to its end, or enough of it to see that it is too long."""
    content = b""
    while len(content) <= _STDIN and (more := os.read(0, _STDIN)):
        content += more
    return content


def _no(error: VerificationError) -> str:
    hint = f"; {error.hint}" if error.hint else ""
    return f"sealbook: refused: {error.message} ({error.code}){hint}"


class _Once:
    """Standard output, for the first who has something to say."""

    def __init__(self) -> None:
        self._first = _thread.allocate_lock()

    def say(self, line: str, code: int) -> int:
        """Say it, and return the exit code: no yes that nobody could read is one."""
        if not self._first.acquire(blocking=False):
            time.sleep(PATIENCE_S)  # the process ends meanwhile, as a no
        try:
            os.write(1, line.replace("\n", " ").encode(errors="replace") + b"\n")
        except OSError:
            return 1
        return code

    def too_late(self, patience_s: float) -> None:
        """After `patience_s` refuse and end the process, whatever it is waiting for."""
        time.sleep(patience_s)
        if self._first.acquire(blocking=False):
            line = f"sealbook: refused: no answer in {patience_s:g} s (pull-timeout)\n"
            try:
                os.write(1, line.encode())
            finally:
                os._exit(1)


if __name__ == "__main__":
    program()
