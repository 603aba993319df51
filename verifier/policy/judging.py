"""Judging an image under a policy: hear every bundle, then ask every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from verifier import cosignature, limits
from verifier.digest import Digest
from verifier.errors import (
    LimitError,
    MissingExtraError,
    NoStatusError,
    PolicyError,
    PolicyMismatchError,
    SplitViewError,
    StaleCheckpointError,
    VerificationError,
)
from verifier.note import Note
from verifier.policy import Policy
from verifier.policy.ages import Ages
from verifier.policy.demands import Images
from verifier.policy.rules import Hearing
from verifier.repository import Repository
from verifier.spans import span
from verifier.statement import APPROVAL
from verifier.testimony import Question, Testimony
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.verdict import Answer, Refused, RefusedError, Verdict


def check_policy(trust: TrustRoot, policy: Policy, status: Status | None) -> None:
    """Check that `policy` is the one that `trust` pins, and can be judged with what there is.

    Raises:
        PolicyMismatchError: it is not.
        PolicyError: it names a key that `trust` does not have, or has for something else.
        NoStatusError: nothing says what was revoked.
    """
    if trust.policy_sha256 not in (b"", policy.sha256):
        raise PolicyMismatchError(
            f"the trust file pins the policy {trust.policy_sha256.hex()[:16]}…, "
            f"found {policy.sha256.hex()[:16]}…"
        )
    check_keys(trust, policy)
    if status is None:
        raise NoStatusError("a policy is judged with a status file, found none")


def check_keys(trust: TrustRoot, policy: Policy) -> None:
    """Check that `trust` has every key that `policy` names, and for what it is named.

    Raises:
        PolicyError: it does not.
    """
    purposes = {key.name: key.purpose for key in trust.keys.values()}
    for images in policy.images:
        asked = [
            (name, "approve" if demand.predicate_type == APPROVAL else "attest")
            for demand in images.demands
            for name in demand.keys
        ]
        asked += [(name, "attest") for name in (images.scan_keys())]
        for name, purpose in asked:
            if name not in purposes:
                raise PolicyError(f"{images.under}: the trust file has no key {name}")
            if purposes[name] != purpose:
                raise PolicyError(
                    f"{images.under}: key {name} is for {purposes[name]!r}, not {purpose!r}"
                )
        if images.witnesses > len(trust.quorum.witnesses):
            raise PolicyError(
                f"{images.under}: expected at most {len(trust.quorum.witnesses)} witnesses, "
                f"which is how many the trust file has, found {images.witnesses}"
            )


def judge(
    policy: Policy | None,
    hear: Callable[[bytes, Question], Testimony],
    bundles: Iterable[bytes],
    digest: Digest,
    repository: Repository,
    *,
    trust: TrustRoot,
    status: Status | None,
    now: float,
) -> Verdict:
    """Return the verdict about an image under `policy`, or under what holds without one.

    Raises:
        RefusedError: a rule is not met.
        NoRuleError: the policy has none for `repository`.
        LimitError: more bundles than `limits.CANDIDATES`.
        SplitViewError: the log contradicts itself.
    """
    # 1. Which rules are there?
    images = (policy or Policy.anything_approved()).of(repository)
    question = Question(
        digest,
        tuple(images.names(repository)),  # never None, which would be every repository
        ("approve", "attest"),
        unnamed=images.unnamed == "allow",
        limit=limits.ATTESTATION,
    )
    # 2. What do the bundles say?
    heard, refused = _hear(hear, bundles, question)
    # 3. Is it enough?
    origin = status.payload.origin if status else trust.logs[0].origin
    marks = status.payload.marks if status else ()
    hearing = Hearing(
        images,
        heard,
        ages=Ages(marks, now),
        origin=origin,
        now=now,
        known_witnesses=len(trust.quorum.witnesses),
    )
    answers = _told(hearing.answers(), heard, refused)
    if images.max_checkpoint_age_s is not None:
        answers.append(_checkpoint(images.max_checkpoint_age_s, trust, status, now))
    verdict = Verdict(
        digest,
        repository,
        images.mode,
        tuple(answers),
        tuple(one.verified for one in heard if one.verified.predicate_type == APPROVAL),
        tuple(one.verified for one in heard if one.verified.predicate_type != APPROVAL),
        tuple(refused),
    )
    # 4. Does it run all the same?
    if not verdict.met:
        verdict = _excused(verdict, images, now)
    if not verdict.allowed:
        raise RefusedError(verdict)
    return verdict


def _hear(
    hear: Callable[[bytes, Question], Testimony], bundles: Iterable[bytes], question: Question
) -> tuple[list[Testimony], list[Refused]]:
    heard: list[Testimony] = []
    refused: list[Refused] = []
    for number, data in enumerate(bundles):
        if number >= limits.CANDIDATES:
            raise LimitError(f"expected at most {limits.CANDIDATES} bundles about one image")
        try:
            heard.append(hear(data, question))
        except SplitViewError:
            raise  # whoever has two trees may hide anything in the other
        except VerificationError as e:
            refused.append(Refused(number, e.code, e.message, e.hint))
    return heard, refused


def _told(answers: list[Answer], heard: list[Testimony], refused: list[Refused]) -> list[Answer]:
    """Say with the first missing thing why what was handed in does not count."""
    for i, answer in enumerate(answers):
        if answer.met:
            continue
        missing = next((one for one in refused if one.code == MissingExtraError.code), None)
        if missing or (len(refused) == 1 and not heard):
            why = missing or refused[0]
            answers[i] = answer._replace(
                told=f"{answer.told}: {why.message}", code=why.code, hint=why.hint
            )
        elif refused:
            codes = ", ".join(sorted({one.code for one in refused}))
            answers[i] = answer._replace(
                told=f"{answer.told}; {len(refused)} bundles do not count ({codes})"
            )
        break
    return answers


def _checkpoint(max_age_s: int, trust: TrustRoot, status: Status | None, now: float) -> Answer:
    """Answer whether the newest checkpoint is young: by its witnesses, or by its mark without."""
    rule, asked = "checkpoint", f"needs a checkpoint younger than {span(max_age_s)}"
    if status is None:
        raise NoStatusError("the age of the newest checkpoint is in the status file, found none")
    witnesses = trust.quorum.witnesses
    if not witnesses:
        times = {"": max((mark.time for mark in status.payload.marks), default=0)}
    else:
        by_line = {(key.name, key.key_id): name for name, key in witnesses.items()}
        times = {
            by_line[line.name, line.key_id]: cosignature.time_of(line)
            for line in Note.parse(status.payload.note).signatures
            if (line.name, line.key_id) in by_line
        }
    fresh = {n for n, time in times.items() if now - max_age_s <= time <= now + limits.CLOCK_SKEW_S}
    if fresh and trust.quorum.satisfied_by(fresh):
        return Answer(
            rule, met=True, told=f"the newest checkpoint is {span(now - max(times.values()))} old"
        )
    newest = max(times.values(), default=0)
    told = f"{asked}, newest is {span(now - newest)} old" if newest else f"{asked}, found none"
    return Answer(
        rule, met=False, told=told, code=StaleCheckpointError.code, hint=StaleCheckpointError.hint
    )


def _excused(verdict: Verdict, images: Images, now: float) -> Verdict:
    """Return the verdict that lets an image run in spite of its rules, if something does."""
    missing = tuple(
        f"{answer.told} ({answer.code})" for answer in verdict.answers if not answer.met
    )
    for glass in images.break_glass:
        if glass.digest == verdict.digest and now < glass.until:
            return verdict._replace(broken_glass=glass.why, warnings=missing)
    if verdict.mode == "warn":
        return verdict._replace(warnings=missing)
    return verdict
