"""`sealbook witness add-log`: cosign for a log from now on."""

from __future__ import annotations

from pathlib import Path

from ledger.errors import WitnessSetupError
from ledger.witness.state import WitnessState
from signer.cli.arguments import parser, show
from signer.cli.witness.setup import Setup
from verifier import limits
from verifier.note import COSIGNATURE, NoteKey
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


def main(argv: list[str]) -> int:
    """Add logs by their keys; no-op for what is there."""
    made = parser(
        "witness add-log",
        "Cosign for a log from now on, or trust a further key of one that is known: that is\n"
        "how a log changes its key. The witness must not be serving. A log cannot be taken\n"
        "away: whoever forgets a log and meets it again would cosign a second history.",
        "sealbook witness add-log /var/lib/witness --trust trust.json",
        config=False,
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="the witness")
    made.add_argument(
        "vkeys", nargs="*", metavar="VKEY", help="a verifier key, whose name is the log's origin"
    )
    made.add_argument("--trust", type=Path, metavar="FILE", help="take the logs of a trust file")
    made.add_argument(
        "--example-keys", action="store_true", help="take keys of keys-example/; never in earnest"
    )
    args = made.parse_args(argv)
    keys = [NoteKey.parse(vkey) for vkey in args.vkeys]
    if args.trust:
        with args.trust.open("rb") as file:
            trust = TrustRoot.parse(file.read(limits.TRUST_FILE + 1))
        keys += [log.checkpoint_key for log in trust.logs]
    if not keys:
        raise WitnessSetupError("expected a verifier key or --trust, found neither")
    setup = Setup.load(args.directory)
    own = {key.public for key in setup.public_keys()}
    for key in keys:
        _check(key, own, example_keys=args.example_keys)
    with WitnessState(args.directory) as state:
        # All are looked at before the first is added.
        added = [(key, state.add(key)) for key in keys]
    show(
        {"logs": [{"origin": key.name, "vkey": str(key), "new": new} for key, new in added]},
        as_json=args.json,
        text="\n".join(
            f"{'a new log' if new else 'a known log'}: {key.name}, key {key.key_id.hex()}"
            for key, new in added
        ),
    )
    return 0


def _check(key: NoteKey, own: set[PublicKey], *, example_keys: bool) -> None:
    if key.kind == COSIGNATURE:
        raise WitnessSetupError(f"{key.name}+{key.key_id.hex()} is a witness's key, not a log's")
    if key.public in own:
        raise WitnessSetupError("that is this witness's own key: it would witness itself")
    if not example_keys:
        key.public.refuse_example()
