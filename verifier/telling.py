"""Printing a verdict, for people or as one JSON object."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from verifier.errors import VerificationError, printable
from verifier.verdict import Answer, Refused, RefusedError, Verdict, Verified


def say_yes(verified: Verified, warnings: Iterable[str], *, as_json: bool) -> None:
    """Print that one bundle is good."""
    if as_json:
        _print_json({"verdict": "yes", **verified._asdict(), "warnings": list(warnings)})
        return
    _warn(warnings)
    print(
        f"yes: {verified.digest} is approved for {verified.repository} by key {verified.key}, "
        f"entry {verified.index} of {verified.origin}, "
        f"witnesses {len(verified.witnesses)} of {verified.known_witnesses}"
    )


def say_verdict(verdict: Verdict, *, as_json: bool) -> None:
    """Print that an image may run, with each rule."""
    if as_json:
        _print_json(verdict.json())
        return
    text = f"yes: {verdict.digest} may run from {verdict.repository}\n"
    text += "".join(_rows(verdict.answers))  # all of it, before the yes is out
    if verdict.broken_glass:
        text += f"  the glass is broken: {printable(verdict.broken_glass)}\n"
    _warn(verdict.warnings)
    print(text, end="")


def say_proven(sentence: str, *, as_json: bool) -> None:
    """Print what evidence proves."""
    sentence = printable(sentence)  # it may quote the statement
    if as_json:
        _print_json({"verdict": "yes", "proven": sentence})
        return
    print(f"yes: {sentence}")


def say_refused(refusal: VerificationError, *, as_json: bool) -> None:
    """Print a no, with each rule if it was a policy that said so."""
    if not isinstance(refusal, RefusedError):
        say_no(refusal.code, refusal.message, refusal.hint, as_json=as_json)
        return
    verdict = refusal.verdict
    if as_json:
        told = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
        _print_json({**verdict.json(), **told})
        return
    print(f"no: {refusal.message} ({refusal.code})", file=sys.stderr)
    print("".join(_rows(verdict.answers)), end="", file=sys.stderr)
    print("".join(_reasons(verdict.refused)), end="", file=sys.stderr)
    if refusal.hint:
        print(f"hint: {refusal.hint}", file=sys.stderr)


def say_no(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """Print a no."""
    if as_json:
        _print_json({"verdict": "no", "code": code, "message": message, "hint": hint})
        return
    print(f"no: {message} ({code})", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _rows(answers: Iterable[Answer]) -> Iterable[str]:
    for answer in answers:
        yield f"  {'yes' if answer.met else 'no ':<3} {printable(answer.told)}\n"


def _reasons(refused: Iterable[Refused]) -> Iterable[str]:
    for one in refused:
        yield f"  bundle {one.number + 1} does not count: {one.message} ({one.code})\n"


def _warn(warnings: Iterable[str]) -> None:
    """Print warnings, before the yes: should that fail, nobody has seen one."""
    for warning in warnings:
        print(f"warning: {printable(warning)}", file=sys.stderr)


def _print_json(value: dict[str, object]) -> None:
    import json

    print(json.dumps(value))
