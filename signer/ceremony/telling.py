"""A transcript for people: to be read aloud in the room, printed, and signed by hand."""

from __future__ import annotations

from collections.abc import Iterator

from signer.ceremony.transcript import BEGUN, DONE, Transcript
from verifier._strict import utc
from verifier.errors import printable

_BANNER = "**  R E H E A R S A L:  no key of this paper is real, and none may be trusted  **"


def tell(transcript: Transcript) -> str:
    """Return the transcript in words."""
    lines = [*_head(transcript), *_keys(transcript), *_steps(transcript), "", *_end(transcript)]
    if transcript.rehearsal:
        banner = ["*" * len(_BANNER), _BANNER, "*" * len(_BANNER)]
        lines = [*banner, "", *lines, "", *banner]
    return "\n".join(lines) + "\n"


def _head(transcript: Transcript) -> Iterator[str]:
    ceremony = transcript.ceremony
    yield printable(ceremony.title)
    yield f"key ceremony for the ledger {ceremony.origin}, {ceremony.date}"
    yield ""
    yield f"file        sha256 {ceremony.sha256}"
    # Of what is not over the hash would change with the next step.
    if transcript.outcome != BEGUN:
        yield f"transcript  sha256 {transcript.sha256}"
    yield f"made by     {printable(transcript.program)}"
    yield ""
    yield "present"
    for one in ceremony.present:
        yield f"  {printable(one.name)}, {printable(one.role)}"


def _keys(transcript: Transcript) -> Iterator[str]:
    made = {key.name: key for key in transcript.keys}
    for wanted in transcript.ceremony.keys:
        scope = f" in {', '.join(wanted.scope)}" if wanted.scope else ""
        yield ""
        yield f"key {wanted.name}: {wanted.algorithm}, for {wanted.purpose!r}{scope}"
        key = made.get(wanted.name)
        if key is None:
            yield "  NOT MADE"
            continue
        yield f"  fingerprint  {key.public.fingerprint}"
        yield f"  lives at     {printable(key.uri)}"
        for attribute, value in sorted(key.attributes.items()):
            demanded = "  (demanded)" if attribute in wanted.attributes else ""
            yield f"    {printable(attribute)} = {printable(value)}{demanded}"
        yield f"  self-test    {'signed, and verified' if key.self_test else 'NOT SIGNED'}"


def _steps(transcript: Transcript) -> Iterator[str]:
    yield ""
    yield "steps"
    for number, step in enumerate(transcript.steps, 1):
        yield f"  {number:>2}. {utc(step.at)}  {printable(step.did)}"
        yield f"        {printable(step.found)}"


def _end(transcript: Transcript) -> Iterator[str]:
    if transcript.outcome != DONE:
        yield f"outcome: {transcript.outcome.upper()}: NO KEY OF THIS CEREMONY MAY BE TRUSTED"
        if transcript.failure:
            yield f"  {printable(transcript.failure)}"
        return
    yield "outcome: done"
    for one in transcript.ceremony.present:
        yield ""
        if one.statement:
            yield f"{printable(one.name)} states: {printable(one.statement)}"
        yield f"  {printable(one.name)}, {printable(one.role)}:"
        yield "  " + "_" * 40
