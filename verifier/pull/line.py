"""What is said at the warm daemon's socket: one line of JSON each way, as often as one likes.

    {"settings":"/etc/sealbook/pull.toml","digest":"sha256:…","repository":"…","left_ms":6000}
    {"allowed":false,"digest":"sha256:…","repository":"…","code":"unsigned","message":"…",
     "hint":"…","sources":["file"],"remembered":false}
    {"error":"busy","message":"…"}

The daemon judges under its own settings, so it is told which ones are meant. An answer says what
it is about: an answer to another question is none. Whoever asks believes root and itself alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier._strict import Fields, json_object
from verifier.digest import Digest
from verifier.errors import MalformedError, VerificationError
from verifier.pull.decision import Decision, Question
from verifier.repository import Repository

if TYPE_CHECKING:
    import socket

QUESTION, ANSWER = 8 << 10, 64 << 10  # bytes of a line
_SOURCES = 16
_CREDENTIALS = struct.Struct("3i")  # process, user, group: Linux's struct ucred


class DaemonError(VerificationError):
    """There is no daemon, or no answer of it that counts."""

    code = "daemon-unavailable"


class Asked(NamedTuple):
    """A question as it travels: under which settings, and how long an answer is awaited."""

    settings: str
    question: Question
    left_s: float

    @classmethod
    def parse(cls, line: bytes) -> Asked:
        """Read a line, or raise `VerificationError`."""
        fields = Fields(json_object(line, limit=QUESTION), "question")
        settings = fields.text("settings")
        question = Question(Digest(fields.text("digest")), Repository(fields.text("repository")))
        left_s = fields.number("left_ms") / 1000
        fields.done()
        return cls(settings, question, left_s)

    def line(self) -> bytes:
        """Write it as it is read."""
        value = {
            "settings": self.settings,
            "digest": self.question.digest,
            "repository": self.question.repository,
            "left_ms": int(self.left_s * 1000),
        }
        return json.dumps(value).encode() + b"\n"


def answer_line(decision: Decision) -> bytes:
    """Return `decision` as it travels, without what it was made from."""
    value = decision._asdict() | {"sources": list(decision.sources)}
    del value["verdict"]
    return json.dumps(value).encode() + b"\n"


def error_line(code: str, message: str) -> bytes:
    """Return what is said instead of an answer."""
    return json.dumps({"error": code, "message": message[:1000]}).encode() + b"\n"


def read_answer(line: bytes, question: Question) -> Decision:
    """Return the answer to `question`.

    Raises:
        DaemonError: the line is anything else.
    """
    try:
        fields = Fields(json_object(line, limit=ANSWER), "answer")
        if fields.has("error"):
            said = f"{fields.text('message')} ({fields.text('error')})"
            raise DaemonError(f"the daemon does not answer: {said}")
        found = Decision(
            fields.take("allowed", bool),
            fields.text("digest"),
            fields.text("repository"),
            fields.text("code"),
            fields.text("message"),
            fields.text("hint"),
            tuple(str(one) for one in fields.items("sources", most=_SOURCES)),
            fields.take("remembered", bool),
        )
        fields.done()
    except MalformedError as e:
        raise DaemonError(f"the daemon answers nonsense: {e.message}") from e
    if (found.digest, found.repository) != tuple(question):
        raise DaemonError("the daemon answers another question")
    if not found.allowed and not found.code:
        raise DaemonError("the daemon refuses, and does not say why")
    return found


def ask(path: str, asked: Asked, patience_s: float) -> Decision:
    """Return what the daemon at the socket `path` says, within `patience_s`.

    Raises:
        DaemonError: nobody whom we believe listens there, or says anything that counts in time.
    """
    import socket

    end = time.monotonic() + patience_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience_s)
            connection.connect(path)
            if (uid := peer_uid(connection)) not in (0, os.geteuid()):
                raise DaemonError(f"{path}: expected root or ourselves to listen, found user {uid}")
            with contextlib.suppress(BrokenPipeError):  # it hung up, and may have said why
                connection.sendall(asked.line())
            line = read_line(connection, end, ANSWER)
    except OSError as e:
        raise DaemonError(f"{path}: {e.strerror or 'no answer in time'}") from e
    return read_answer(line, asked.question)


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end, as the kernel knows it; of a listener, who made it."""
    import socket

    size = _CREDENTIALS.size
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    uid: int = _CREDENTIALS.unpack(found)[1]
    return uid


def read_line(connection: socket.socket, end: float, most: int) -> bytes:
    """Return a line; b"" when the other end closed before it began.

    Who says more before it was answered gets no answer: two lines are no JSON.

    Raises:
        TimeoutError: it is not there, whole, at `end`.
        DaemonError: it is longer than `most`, or ends early.
        OSError: the connection broke.
    """
    got = b""
    while not got.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        more = connection.recv(most + 1 - len(got))
        if not more:
            if got:
                raise DaemonError("a line ends early")
            return b""
        got += more
        if len(got) > most:
            raise DaemonError(f"expected a line of at most {most} bytes")
    return got
