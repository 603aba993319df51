"""`sealbook policy check`: read a policy as a verifier does, and say it in sentences."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.policy.sentences import paragraphs
from signer.cli.trust.draft import Draft, read
from verifier import limits
from verifier.errors import PolicyMismatchError
from verifier.policy import Policy
from verifier.policy.judging import check_keys
from verifier.pull.trust_directory import TRUST
from verifier.trust import TrustRoot


def main(argv: list[str]) -> int:
    """Print what FILE asks; exit code 1 when a verifier would not take it."""
    made = parser(
        "policy check",
        "Read a policy as a verifier does, and say in sentences what images need. With --trust,\n"
        "also check that the trust file has every key that is named, and pins this very file.",
        "sealbook policy check policy.toml --trust trust.json",
        config=False,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the policy")
    made.add_argument(
        "--trust", type=Path, metavar="PATH", help="a trust file, signed yet or not; or a directory"
    )
    args = made.parse_args(argv)
    policy = Policy.parse(read(args.file, limits.POLICY))
    pinned = _pinned(policy, _trust(args.trust)) if args.trust else None
    told = paragraphs(policy)
    text = "\n\n".join("\n".join(map(_spoken, sentences)) for sentences in told)
    about = {
        None: "a trust file pins it: sealbook trust create --policy",
        True: "the trust file pins it",
        False: "the trust file pins no policy: whoever can write here chooses the rules",
    }[pinned]
    show(
        {"sha256": policy.sha256.hex(), "pinned": pinned, "paragraphs": told},
        as_json=args.json,
        text=f"{text}\n\nSHA-256 {policy.sha256.hex()}; {about}",
    )
    return 0


def _trust(path: Path) -> TrustRoot:
    return Draft.parse(read(path / TRUST if path.is_dir() else path)).trust


def _pinned(policy: Policy, trust: TrustRoot) -> bool:
    """Return whether `trust` pins `policy`.

    Raises:
        PolicyError: it lacks a key that the policy names, or has it for something else.
        PolicyMismatchError: it pins another one.
    """
    check_keys(trust, policy)
    if trust.policy_sha256 not in (b"", policy.sha256):
        raise PolicyMismatchError(
            f"the trust file pins the policy {trust.policy_sha256.hex()}, "
            f"this is {policy.sha256.hex()}"
        )
    return bool(trust.policy_sha256)


def _spoken(sentence: str) -> str:
    """Return a sentence whole, with whatever a terminal would obey escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in sentence)
